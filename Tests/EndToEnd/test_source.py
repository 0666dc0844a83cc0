"""`source`: checks and connections to servers leave from an address of the node's own."""

import concurrent.futures
import copy
import signal
import subprocess

import pytest
import yaml

from harness import waiting
from harness.namespaces import _ip
from harness.raw import get
from harness.single import Single
from harness.topology import Topology
from test_keepalived import HOSTS, SHARED, Cluster
from test_relay import Bed


@pytest.fixture
def bed(tmp_path):
    with Bed(tmp_path) as bed:
        yield bed


def test_checks_and_connections_leave_from_the_source(bed):
    server = bed.server("127.1.1.10", 3389, lambda connection: connection.sendall(b"here"))
    bed.start(source="127.1.1.99", check={"interval": "100ms"}, servers=[{"name": "A", "host": "127.1.1.10"}])
    assert bed.ask(b"") == b"here"
    # Checks and the user.
    waiting.until(lambda: len(server.peers) >= 4, "checks and a user at the server")
    assert set(server.peers) == {bed.at("127.1.1.99")}


def test_a_source_that_the_machine_does_not_have_ends_the_start(tmp_path):
    # Of the addresses kept for documentation (RFC 5737).
    with Single(tmp_path, options={"source": "192.0.2.9"}) as single, \
            pytest.raises(AssertionError, match='192.0.2.9 is no address of this machine(?s:.*)correct "source:"'):
        single.geodirector()


def test_a_reload_takes_another_source_and_refuses_a_wrong_one(tmp_path):
    with Single(tmp_path, names=("A",)) as single:
        address, node = single.geodirector(), single.nodes
        assert get(address).status == 200
        file = next(tmp_path.glob("topology.yaml"))
        data = yaml.safe_load(file.read_text())
        for source, line in (("192.0.2.9", "goes on with the topology it has"), (single.range.map("127.1.1.99"), "serves by the topology read again")):
            data["defaults"]["site-balancer"]["source"] = source
            file.write_text(yaml.safe_dump(data))
            node["geodirector"].send(signal.SIGHUP)
            single.wait_log(line)
            assert get(address).status == 200


def test_the_tiers_behind_know_a_node_by_its_source(start, two_sites):
    data = copy.deepcopy(two_sites.data)
    for number, office in enumerate(data["offices"], 1):
        office["source"] = f"127.0.{number}.99"
    for number, site in enumerate(data["sites"], 1):
        site["directors"][0]["source"] = f"127.{number}.1.99"
    # One connection from each address: nodes in front are spared.
    data["defaults"].setdefault("site-director", {}).setdefault("limits", {})["connections-per-source"] = 1
    network = start(Topology(data))

    def ask(_):
        answer = network.ask("OP1", target="/?delay=300ms")
        # A node in front has named the client; whoever is taken for a client of the director's own would be added.
        return answer.status, answer.json["path"][1], answer.json["forwardedFor"]

    with concurrent.futures.ThreadPoolExecutor(8) as users:
        assert set(users.map(ask, range(8))) == {(200, "SD1", "127.0.0.1")}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("has_source", [True, False], ids=["source", "none"])
def test_the_holder_of_a_shared_address_asks_its_servers_from_its_own(tmp_path, has_source):
    def own(data):
        for balancer in data["sites"][0]["balancers"] if has_source else []:
            balancer["source"] = HOSTS[balancer["name"]]

    with Cluster(tmp_path, change=own) as cluster:
        cluster.wait_holder("A")
        # What does not say where it leaves from has the shared address from now on.
        _ip("-n", cluster.spaces["A"].name, "route", "replace", "198.19.4.0/24", "dev", "eth0", "src", SHARED)

        def peers():
            found = set()
            for server in ("W1", "W2"):
                shown = subprocess.run(["ip", "netns", "exec", cluster.spaces[server].name, "ss", "-Htn", "state", "established", "sport", "=", ":8080"],
                                       capture_output=True, text=True, check=True).stdout
                found.update(line.split()[3].rsplit(":", 1)[0] for line in shown.splitlines())
            return found

        def ask(_):
            return cluster.spaces["UR"].call(lambda: get((SHARED, 8080), "/?delay=1s").status)

        # So many at once that none is served by a connection from before.
        with concurrent.futures.ThreadPoolExecutor(12) as users:
            asked = [users.submit(ask, number) for number in range(12)]
            waiting.until(lambda: len(peers()) >= 1 + (not has_source) or all(one.done() for one in asked), "connections to the servers")
            seen = peers()
            assert {one.result() for one in asked} == {200}
        assert (SHARED not in seen and HOSTS["A"] in seen) if has_source else SHARED in seen
