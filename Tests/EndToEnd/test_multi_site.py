"""The multi-site network of the architecture guide with its health ports: a balancer that is to go says so at a port that a relay makes,
while its service goes on."""

import contextlib
import re
import subprocess
import threading
import time

import pytest

from harness import waiting
from harness.geodirector import Geodirector, binary
from harness.network import Network
from harness.raw import CutShort, get
from harness.topology import REPOSITORY, Topology

pytestmark = pytest.mark.timeout(120)
FILE = REPOSITORY / "topologies" / "multi-site.yaml"


@pytest.fixture
def world(tmp_path):
    topology = Topology.read("multi-site").scaled(0.1)
    topology.data["admin"] = {"socket": f"{tmp_path}/{{node}}.command"}
    with Network(topology, Geodirector(), tmp_path) as network:
        yield network


class Asking(contextlib.AbstractContextManager):
    """Users who come new and others with a session, all the time; every answer is kept."""

    def __init__(self, world, entry):
        self.world, self.entry, self.answers, self._goes_on = world, entry, [], True
        first = world.ask(entry)
        self.cookies = "; ".join(value.split(";")[0] for value in first.all("Set-Cookie"))
        self.server = first.json["server"]
        self._threads = [threading.Thread(target=self._ask, args=(cookies,)) for cookies in ("", self.cookies)]

    def _ask(self, cookies):
        while self._goes_on:
            answer = self.world.ask(self.entry, cookies)
            self.answers.append((cookies, answer.status, answer.json if answer.status == 200 else None))
            time.sleep(0.005)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._goes_on = False
        for thread in self._threads:
            thread.join()

    def lost(self):
        """Errors, and answers to who has a session by another than its server."""
        return [item for item in self.answers if item[1] != 200 or (item[0] and item[2]["server"] != self.server)]


def balancers(world, entry="SD1", times=12) -> set[str]:
    """Those that new users of a director come by."""
    return {world.ask(entry).json["path"][1] for _ in range(times)}


def said(world, node, text):
    waiting.until(lambda: text in world.nodes[node].err.read_text(errors="replace"), f"{text!r} in the log of {node}")


def test_the_health_port_is_a_relay_to_what_the_balancer_says_of_itself(world):
    host, _ = world.specs["S1L1"].service
    # The relay's port, and the balancer's own behind it.
    for port in (8081, 8082):
        answer = get((host, port))
        assert answer.status == 200 and "admit=?1" in answer.first("Geodirector-Health")
    assert balancers(world) == {"S1L1", "S1L2"}


def test_a_stopped_health_relay_takes_a_balancer_out_of_service_and_nobody_notices(world):
    with Asking(world, "OP1") as users:
        world.nodes["S1L1-health"].terminate()
        world.nodes["S1L1-health"].wait_exit()
        said(world, "SD1", "S1L1 is down")
        said(world, "SD2", "S1L1 is down")
        assert balancers(world) == {"S1L2"}
        # Only its health port is closed: it serves whoever comes.
        assert world.ask("S1L1").status == 200
        world.nodes["S1L1-health"].start().wait_ready()
        waiting.until(lambda: balancers(world, times=4) == {"S1L1", "S1L2"}, "the balancer in service again")
    assert len(users.answers) > 50 and not users.lost(), users.lost()[:3]


def test_a_balancer_that_stops_softly_serves_for_its_grace_and_nobody_notices(world):
    grace = 25 * world.topology.scale
    with Asking(world, "OP1") as users:
        began = time.monotonic()
        world.nodes["S1L1"].soft_stop()
        said(world, "SD1", "S1L1 is down")
        assert time.monotonic() - began < grace, "the director took longer than the grace"
        assert world.ask("S1L1").status == 200, "it does not serve in its grace"
        # The relay is still there, but nobody behind it.
        with pytest.raises((OSError, CutShort)):
            get((world.specs["S1L1"].service[0], 8081))
        assert balancers(world) == {"S1L2"}
        assert world.nodes["S1L1"].wait_exit(30) == 0
        assert time.monotonic() - began >= grace * 0.95
        world.nodes["S1L1"].start().wait_ready()
        waiting.until(lambda: balancers(world, times=4) == {"S1L1", "S1L2"}, "the balancer in service again")
    assert len(users.answers) > 50 and not users.lost(), users.lost()[:3]


def test_offices_follow_the_cookie_to_the_other_site_once_their_own_has_lost_its_servers(world):
    world.kill("W11", "W12", "W13", "W14")
    answer = waiting.until(lambda: (found := world.ask("OP1")).status == 200 and found, "an answer of the other site")
    assert answer.json["server"].startswith("W2")
    cookies = "; ".join(value.split(";")[0] for value in answer.all("Set-Cookie"))
    assert "SITE=SITE2" in cookies
    # Directly, not by way of the own site's director.
    assert world.ask("OP1", cookies).json["path"][:2] == ["OP1", "SD2"] and world.ask("OP1", cookies).json["path"][2].startswith("S2L")


def test_the_grace_is_long_enough_for_every_director(tmp_path):
    done = subprocess.run([str(binary()), "topology", "check", str(FILE), "--strict"], capture_output=True, text=True, timeout=60)
    # An idle limit of the site cookie is a matter of the application.
    assert "grace" not in done.stdout + done.stderr, done.stdout + done.stderr
    (tmp_path / "short.yaml").write_text(FILE.read_text().replace("{grace: 25s}", "{grace: 20s}"))
    done = subprocess.run([str(binary()), "topology", "check", str(tmp_path / "short.yaml")], capture_output=True, text=True, timeout=60)
    assert re.search(r"grace", done.stdout + done.stderr), "the guide's 20 s are not warned of"


def test_simulated_failures_keep_every_property():
    done = subprocess.run([str(binary()), "topology", "simulate", str(FILE), "--users", "40"], capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout[-800:]
    # With each relay before a monitor killed once.
    assert "relays are not simulated" not in done.stderr and "in 29 scenarios" in done.stdout
