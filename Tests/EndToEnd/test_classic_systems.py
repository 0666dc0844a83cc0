"""The smaller systems of `topologies/`: each runs as its file says, and does what it is there for."""

import collections
import concurrent.futures
import contextlib
import json
import re
import subprocess
import time

import pytest

from harness import waiting
from harness.geodirector import Geodirector, binary
from harness.network import Network
from harness.origin import Origin
from harness.raw import get
from harness.topology import Topology


class Running(Network):
    """A network without offices: its nodes are started, and nobody waits for users of offices."""

    def server(self, entry, cookie=""):
        answer = get(self.specs[entry].service, headers=[("Cookie", cookie)] if cookie else [])
        assert answer.status == 200, answer.status
        return answer

    def log_of(self, entry, text):
        waiting.until(lambda: text in self.nodes[entry].err.read_text(errors="replace"), f"{text!r} in the log of {entry}")


@pytest.fixture
def run(tmp_path):
    with contextlib.ExitStack() as stack:
        def starter(name, scale=0.1, change=lambda data: None):
            topology = Topology.read(name).scaled(scale)
            change(topology.data)
            topology.data["admin"] = {"socket": f"{tmp_path}/{{node}}.sock"}
            return stack.enter_context(Running(topology, Geodirector(), tmp_path))

        yield starter


def name_of(answer) -> str:
    return answer.json["server"]


NAMES = ["web-farm", "web-farm-pair", "soft-stop-by-file", "soft-stop-by-port", "backup-server", "cache-cluster"]


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_well_and_can_be_shown_and_drawn(name):
    from harness.topology import REPOSITORY

    file = str(REPOSITORY / "topologies" / f"{name}.yaml")
    for arguments in (["check", file], ["show", file], ["show", file, "--format", "svg"], ["show", file, "--format", "json"],
                      ["simulate", file, "--users", "20"]):
        done = subprocess.run([str(binary()), "topology", *arguments], capture_output=True, text=True, timeout=120)
        if name == "backup-server" and arguments[0] == "simulate":
            # To move back at once is what this one is for, and all that the simulator holds against it.
            assert set(re.findall(r"\(([a-z, -]+)\)", done.stdout.splitlines()[-1])) == {"no-move-back"}, done.stdout[-500:]
            continue
        assert done.returncode == 0, f"{arguments}: {done.stderr}"


def test_a_web_farm_keeps_users_by_cookie_and_those_without_by_address(run):
    farm = run("web-farm")
    first = farm.server("LB1")
    (cookie,) = [value.split(";")[0] for value in first.all("Set-Cookie") if value.startswith("SERVERID=")]
    assert {name_of(farm.server("LB1")) for _ in range(6)} == {name_of(first)}
    other = next(value for value in "ABCD" if f"SERVERID={value}" != cookie)
    assert {name_of(farm.server("LB1", f"SERVERID={other}")) for _ in range(6)} == {f"web{other}"}
    farm.nodes[name_of(first)].kill()
    moved = farm.server("LB1", cookie)
    assert name_of(moved) != name_of(first) and any(value.startswith("SERVERID=") for value in moved.all("Set-Cookie"))


def test_a_pair_of_balancers_spreads_by_weight_and_either_keeps_sessions(run):
    pair = run("web-farm-pair")
    counts = collections.Counter(name_of(pair.server("LB1")) for _ in range(76))
    assert counts == {"webA": 12, "webB": 12, "webC": 26, "webD": 26}
    answer = pair.server("LB1")
    (cookie,) = [value.split(";")[0] for value in answer.all("Set-Cookie") if value.startswith("JSESSIONID=")]
    assert cookie.startswith(f"JSESSIONID={name_of(answer)[-1]}~")
    again = pair.server("LB2", cookie)
    assert name_of(again) == name_of(answer) and again.json["visits"] == 2


def test_a_closed_port_stops_a_server_softly(run):
    farm = run("soft-stop-by-port")
    farm.nodes["webA"].soft_stop()
    farm.log_of("LB1", "webA is up for its own users only")
    assert {name_of(farm.server("LB1", "SERVERID=A")) for _ in range(4)} == {"webA"}
    assert "webA" not in {name_of(farm.server("LB1")) for _ in range(12)}
    farm.nodes["webA"].wait_exit(60)
    assert name_of(farm.server("LB1", "SERVERID=A")) != "webA"


def test_a_removed_file_stops_a_server_softly(run):
    farm = run("soft-stop-by-file")
    farm.nodes["webA"].kill()
    farm.log_of("LB1", "webA is down")

    def serve(exchange):
        exchange.answer(body=json.dumps({"server": "webA"}).encode())

    with Origin("webA", farm.specs["webA"].service, serve) as files:
        farm.log_of("LB1", "webA is up")
        waiting.until(lambda: "webA" in {name_of(farm.server("LB1")) for _ in range(4)}, "new users at webA")
        files.healthy, files.unhealthy_status = False, 404
        waiting.until(lambda: (farm.nodes["LB1"].err.read_text().count("webA is down")) == 2, "webA stopped")
        assert {name_of(farm.server("LB1", "SERVERID=A")) for _ in range(8)} == {"webA"}
        assert "webA" not in {name_of(farm.server("LB1")) for _ in range(12)}
    assert name_of(farm.server("LB1", "SERVERID=A")) != "webA"


def test_a_server_that_is_really_gone_is_replaced_at_once(run):
    farm = run("soft-stop-by-file")
    assert name_of(farm.server("LB1", "SERVERID=A")) == "webA"
    farm.nodes["webA"].kill()
    for _ in range(8):
        assert name_of(farm.server("LB1", "SERVERID=A")) != "webA"


def test_a_backup_sees_nothing_before_it_is_needed_takes_over_at_once_and_gives_back(run):
    pair = run("backup-server")
    ends = time.monotonic() + 5
    while time.monotonic() < ends:
        assert name_of(pair.server("puppet00")) == "web1"
    pair.nodes["web1"].kill()
    for _ in range(20):
        assert name_of(pair.server("puppet00")) == "web2"
    pair.nodes["web1"].start().wait_ready()
    waiting.until(lambda: name_of(pair.server("puppet00")) == "web1", "users back at the first server")
    assert {name_of(pair.server("puppet00")) for _ in range(20)} == {"web1"}


def test_a_backup_sees_nothing_while_the_first_is_full(run):
    def narrow(data):
        data["sites"][0]["servers"][0]["max-connections"] = 2

    pair = run("backup-server", change=narrow)
    with concurrent.futures.ThreadPoolExecutor(10) as users:
        answers = list(users.map(lambda _: get(pair.specs["puppet00"].service, "/?delay=200ms"), range(20)))
    assert {answer.status for answer in answers} == {200}
    assert {name_of(answer) for answer in answers} == {"web1"}


def test_a_cluster_of_caches_pins_visitors_and_names_clients(run):
    cluster = run("cache-cluster")
    answer = cluster.server("proxy1")
    (cookie,) = [value.split(";")[0] for value in answer.all("Set-Cookie") if value.startswith("SERVERID=")]
    assert name_of(cluster.server("proxy2", cookie)) == name_of(answer)
