"""The document's file, `soft-stop-by-port.yaml`: every server restarted, by its admission port and by one command, while users ask all the time."""

import contextlib
import os
import subprocess
import threading

import pytest

from harness import waiting
from harness.geodirector import Geodirector, binary
from harness.network import Network
from harness.raw import get
from harness.topology import Topology

SERVERS = ["webA", "webB", "webC", "webD"]
USERS = 12


class Users(contextlib.AbstractContextManager):
    """Each asks again and again, keeps the cookie, and has a request of 100 ms in flight nearly all the time."""

    def __init__(self, address):
        self.address, self.ended = address, threading.Event()
        self.failures, self.counts, self.moves = [], [0] * USERS, 0
        self.threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(USERS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        waiting.until(lambda: min(self.counts) >= 2, "every user served")
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def _ask(self, number):
        cookie = ""
        while not self.ended.is_set():
            try:
                answer = get(self.address, "/?delay=100ms", headers=[("Cookie", cookie)] if cookie else [])
            except Exception as error:  # noqa: BLE001 - every failure counts
                self.failures.append(repr(error))
                continue
            self.counts[number] += 1
            if answer.status != 200:
                self.failures.append(answer.status)
            for value in answer.all("Set-Cookie"):
                if value.startswith("SERVERID="):
                    self.moves += bool(cookie)
                    cookie = value.split(";")[0]

    def asked_again(self):
        """Until each user has been served twice more: what happened since has met them all."""
        before = list(self.counts)
        waiting.until(lambda: all(now >= then + 2 for now, then in zip(self.counts, before)), "every user served again")


@pytest.fixture
def farm(tmp_path):
    topology = Topology.read("soft-stop-by-port").scaled(0.1)
    topology.data["admin"] = {"socket": f"{tmp_path}/{{node}}.sock"}
    with Network(topology, Geodirector(), tmp_path) as farm:
        yield farm


def nothing_lost(farm, users):
    assert not users.failures, f"{len(users.failures)} of {sum(users.counts)}: {users.failures[:5]}"
    assert {farm.nodes[name].starts for name in SERVERS} == {2} and users.moves > 0
    # All are back.
    assert {get(farm.specs["LB1"].service).json["server"] for _ in range(8)} == set(SERVERS)


@pytest.mark.timeout(180)
def test_each_server_restarted_by_its_admission_port_loses_nothing(farm):
    log = farm.nodes["LB1"].err
    with Users(farm.specs["LB1"].service) as users:
        for name in SERVERS:
            farm.nodes[name].soft_stop()
            waiting.until(lambda: f"{name} is up for its own users only" in log.read_text(), f"the closed port of {name} seen")
            # No new users; its own are still there when it ends, with what they have in flight.
            users.asked_again()
            farm.nodes[name].terminate()
            farm.nodes[name].wait_exit()
            users.asked_again()
            farm.nodes[name].start().wait_ready()
            waiting.until(lambda: get(farm.specs["LB1"].service).json["server"] == name, f"new users at {name} again", 30)
    nothing_lost(farm, users)


@pytest.mark.timeout(180)
def test_each_server_restarted_by_one_command_loses_nothing(farm, tmp_path):
    (tmp_path / "wanted").mkdir()
    (tmp_path / "done").mkdir()
    with Users(farm.specs["LB1"].service) as users:
        command = (f"touch {tmp_path}/wanted/$GEODIRECTOR_SERVER; "
                   f"until [ -e {tmp_path}/done/$GEODIRECTOR_SERVER ]; do sleep 0.05; done")
        round_ = subprocess.Popen([str(binary()), "admin", "rolling-restart", "--node", "LB1", "--topology", farm.system.file, "--drain", "1s",
                                   "--timeout", "60s", "--command", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            # The processes are this test's: it restarts those whose names appear.
            for _ in SERVERS:
                waiting.until(lambda: os.listdir(tmp_path / "wanted") or round_.poll() is not None, "the next server's turn", 60)
                for name in os.listdir(tmp_path / "wanted"):
                    os.unlink(tmp_path / "wanted" / name)
                    farm.nodes[name].kill()
                    farm.nodes[name].start().wait_ready()
                    (tmp_path / "done" / name).touch()
            said = round_.communicate(timeout=60)[0]
        finally:
            if round_.poll() is None:
                round_.kill()
    assert round_.returncode == 0 and "all 4 restarted" in said, said
    nothing_lost(farm, users)
