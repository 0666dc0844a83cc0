"""The ready-made networks behind geodirector and behind HAProxy with the rendered configuration: the same requests, the same decisions."""

import concurrent.futures
import contextlib
import json
import random
import socket
import threading

import pytest

from harness import waiting
from harness.certificates import Authority
from harness.geodirector import Geodirector
from harness.network import Network
from harness.origin import Origin
from harness.raw import RawConnection, get
from harness.rendered import Rendered, counted
from harness.tcp import TCPServer, echo, read_all
from harness.topology import Topology
from test_relay import said, secured_by

pytestmark = [pytest.mark.timeout(180), pytest.mark.one_worker("HAProxy has one thread here, and turns are compared one by one")]
JSON = [("Accept", "application/json")]
SYSTEMS = {"geodirector": Geodirector, "HAProxy": Rendered}


class Running(Network):
    """A network of either system, and what a user sees of it."""

    def seen(self, entry: str, cookies: str = "", times: int = 8):
        """Statuses, servers and how often, cookies that are set."""
        sets = set()

        def ask():
            answer = get(self.specs[entry].service, headers=[("Cookie", cookies)] if cookies else [])
            # Ids of sessions are the application's own; what stands before them is ours.
            sets.update(value.split(";")[0].split("~")[0] for value in answer.all("Set-Cookie")
                        if not value.startswith("JSESSIONID=") or "~" in value)
            return answer.json["server"] if answer.status == 200 else answer.status

        counts = counted(ask, times)
        return dict(sorted((str(name), count) for name, count in counts.items())), sorted(sets)

    def wait_for(self, entry: str, is_so, what: str, cookies: str = ""):
        waiting.until(lambda: is_so(set(self.seen(entry, cookies, 4)[0])), what, 30)

    def wait_new_user_site(self, *_):
        """Whoever comes first waits for what the test asks."""


@pytest.fixture
def both(tmp_path):
    with contextlib.ExitStack() as stack:
        def starter(name: str, change=lambda data: None) -> dict[str, Running]:
            networks = {}
            for word, system in SYSTEMS.items():
                folder = tmp_path / word
                folder.mkdir()
                topology = Topology.read(name).scaled(0.1)
                change(topology.data)
                topology.data["admin"] = {"socket": f"{folder}/{{node}}.command"}
                networks[word] = stack.enter_context(Running(topology, system(), folder))
            return networks

        yield starter


def same(networks, entry, cookies="", times=8, only=None):
    """What both do, which must be the same. `only`: a part of it, where the algorithm is free."""
    found = {word: network.seen(entry, cookies, times) for word, network in networks.items()}
    parts = {word: only(*seen) if only else seen for word, seen in found.items()}
    assert parts["geodirector"] == parts["HAProxy"], f"with {cookies!r}: {found}"
    return found["geodirector"]


def everywhere(networks, do):
    for network in networks.values():
        do(network)


def servers(found, _):
    """Which servers, not how often."""
    return set(found)


def test_a_web_farm(both):
    farm = both("web-farm")
    for value in "ABCD":
        assert same(farm, "LB1", f"SERVERID={value}") == ({f"web{value}": 8}, [])
    for network in farm.values():
        # X-Forwarded-For names who asks, X-Original-To where.
        place, user = network.specs["LB1"].service, network.range.map("127.1.1.77")
        with RawConnection(place, source=user) as connection:
            fields = [(name.lower(), value) for name, value in connection.ask(headers=JSON).json["headers"]]
        assert [value for name, value in fields if name == "x-forwarded-for"] == [user]
        assert [value for name, value in fields if name == "x-original-to"] == [place[0]]
    # Both keep who has no cookie at one server; at which is a matter of their hashes.
    assert len(same(farm, "LB1", only=lambda found, _: len(found))[0]) == 1
    everywhere(farm, lambda network: network.kill("webB"))
    everywhere(farm, lambda network: network.wait_for("LB1", lambda found: "webB" not in found and found <= {"webA", "webC", "webD"},
                                                      "webB replaced", "SERVERID=B"))
    same(farm, "LB1", "SERVERID=A")
    assert same(farm, "LB1", "SERVERID=B", only=lambda found, sets: ("webB" in found, len(sets)))[1]


def test_a_pair_of_balancers(both):
    pair = both("web-farm-pair")
    for value in "ABCD":
        assert same(pair, "LB2", f"JSESSIONID={value}~1")[0] == {f"web{value}": 8}
    found = {word: network.seen("LB2", times=76)[0] for word, network in pair.items()}
    assert found["geodirector"] == {"webA": 12, "webB": 12, "webC": 26, "webD": 26}
    assert all(abs(found["HAProxy"][name] - count) <= 1 for name, count in found["geodirector"].items()), found


def test_a_farm_behind_a_balancer_of_layer_4(both):
    farm = both("web-farm-layer4")
    for value in "ABCD":
        assert same(farm, "LB1", f"JSESSIONID={value}~1")[0] == {f"web{value}": 8}
    for word, network in farm.items():
        place, node = network.specs["LB1"].service, network.nodes["LB1"]
        looker, user = (network.range.map(f"127.1.1.{last}") for last in (253, 77))
        waiting.until(lambda: node.log_lines(), "users in the log")
        for _ in range(3):
            with RawConnection(place, source=looker) as connection:
                answer = connection.ask()
            assert answer.status == 200 and b"server" not in answer.body
            for source in (looker, user):
                RawConnection(place, source=source).socket.close()
        with RawConnection(place, source=user) as connection:
            assert connection.ask("GET", "/one", [("Connection", "close")]).status == 200
        # Neither who looks nor who says nothing is logged.
        waiting.until(lambda: any("/one" in line for line in node.log_lines()), "the user in the log")
        lines = node.log_lines()
        assert not any(f"{looker}:" in line for line in lines) and sum(f"{user}:" in line for line in lines) == 1, (word, lines)


def test_a_farm_behind_https(both):
    farm = both("web-farm-https")
    assert same(farm, "LB1") == ({"webA": 2, "webB": 2, "webC": 2, "webD": 2}, [f"SERVERID={value}" for value in "ABCD"])
    for word, network in farm.items():
        # HAProxy marks only what it takes for an answer that a cache would store.
        told = get(network.specs["LB1"].service).first("Cache-Control")
        assert told == "private" or word == "HAProxy" and told is None
        assert get(network.specs["LB1"].service, headers=[("Cookie", "SERVERID=A")]).first("Cache-Control") is None
    for word, network in farm.items():
        # Who speaks TLS in front, on the balancer's own machine, has named the client; of others the balancer does.
        place, user = network.specs["LB1"].service, network.range.map("127.1.1.77")
        for source, sent, arrives in ((place[0], "198.51.100.7", "198.51.100.7"), (place[0], None, None), (user, None, user)):
            with RawConnection(place, source=source) as connection:
                answer = connection.ask(headers=JSON + ([("X-Forwarded-For", sent)] if sent else []))
            assert answer.json["forwardedFor"] == arrives, (word, source, sent)
    assert " nocache" in farm["HAProxy"].system.files["LB1"].read_text()


def test_a_soft_stop_by_a_second_port(both):
    farm = both("soft-stop-by-port")
    assert same(farm, "LB1", only=servers)[0].keys() == {"webA", "webB", "webC", "webD"}
    # Long enough that the server serves on for as long as the test looks.
    everywhere(farm, lambda network: network.nodes["webA"].soft_stop())
    everywhere(farm, lambda network: network.wait_for("LB1", lambda found: "webA" not in found, "no new users at webA"))
    assert same(farm, "LB1", "SERVERID=A") == ({"webA": 8}, [])
    assert same(farm, "LB1", only=servers)[0].keys() == {"webB", "webC", "webD"}


def test_a_soft_stop_by_a_file(both):
    farm = both("soft-stop-by-file")
    assert same(farm, "LB1", "SERVERID=C") == ({"webC": 8}, [])
    everywhere(farm, lambda network: network.kill("webC"))
    everywhere(farm, lambda network: network.wait_for("LB1", lambda found: found and "webC" not in found, "webC replaced", "SERVERID=C"))
    assert "webC" not in same(farm, "LB1", "SERVERID=C", only=lambda found, sets: ("webC" in found, bool(sets)))[0]
    # A server that has a file /running, and then has it no more.
    serve = lambda exchange: exchange.answer(body=json.dumps({"server": "webC"}).encode())  # noqa: E731
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(Origin("webC", network.specs["webC"].service, serve)) for network in farm.values()]
        everywhere(farm, lambda network: network.wait_for("LB1", lambda found: "webC" in found, "new users at webC"))
        assert same(farm, "LB1", "SERVERID=C") == ({"webC": 8}, [])
        for one in files:
            one.healthy, one.unhealthy_status = False, 404
        for network in farm.values():
            # Three rounds of the four servers: the checks have seen it.
            waiting.until(lambda: "webC" not in network.seen("LB1", times=12)[0], "no new users at webC", 30)
        assert same(farm, "LB1", "SERVERID=C") == ({"webC": 8}, [])
        assert same(farm, "LB1", times=9) == ({"webA": 3, "webB": 3, "webD": 3}, [f"SERVERID={value}" for value in "ABD"])
    # Really gone: its users go to another at once.
    assert "webC" not in same(farm, "LB1", "SERVERID=C", only=lambda found, sets: ("webC" in found, bool(sets)))[0]


def test_a_port_redirector(both):
    farm = both("port-redirector")
    assert same(farm, "LB1") == ({"webA": 4, "webB": 4}, ["SERVERID=A", "SERVERID=B"])
    everywhere(farm, lambda network: network.kill("admitA"))
    everywhere(farm, lambda network: network.wait_for("LB1", lambda found: found == {"webB"}, "no new users at webA"))
    assert same(farm, "LB1") == ({"webB": 8}, ["SERVERID=B"])
    assert same(farm, "LB1", "SERVERID=A") == ({"webA": 8}, [])
    everywhere(farm, lambda network: network.start("admitA"))
    everywhere(farm, lambda network: network.wait_for("LB1", lambda found: "webA" in found, "new users at webA again"))
    assert same(farm, "LB1", only=servers)[0].keys() == {"webA", "webB"}


def test_a_backup_site(both):
    pair = both("backup-server")
    assert same(pair, "puppet00", times=12) == ({"web1": 12}, [])
    everywhere(pair, lambda network: network.kill("web1"))
    everywhere(pair, lambda network: network.wait_for("puppet00", lambda found: found == {"web2"}, "the backup"))
    assert same(pair, "puppet00") == ({"web2": 8}, [])
    everywhere(pair, lambda network: network.start("web1"))
    everywhere(pair, lambda network: network.wait_for("puppet00", lambda found: found == {"web1"}, "the first server again"))
    assert same(pair, "puppet00") == ({"web1": 8}, [])


def test_generic_relays(both, tmp_path):
    relays = both("tcp-relays")
    sent = random.Random(1).randbytes(1 << 20)
    certificate = Authority(tmp_path).issue("syslog")
    server = secured_by(certificate)
    with contextlib.ExitStack() as stack:
        for word, network in relays.items():
            def serve(host, port, handler, network=network):
                return stack.enter_context(TCPServer((network.range.map(host), port), handler))

            def send(connection):
                with contextlib.suppress(OSError):
                    connection.sendall(sent)

            def through(relay, port, source, network=network):
                place = (network.range.map(relay), port)
                with contextlib.suppress(OSError), \
                        socket.create_connection(place, timeout=20, source_address=(network.range.map(source), 0)) as connection:
                    threading.Thread(target=send, args=(connection,), daemon=True).start()
                    back = connection.recv(len(sent), socket.MSG_WAITALL)
                    # Not before: HAProxy gives up a client that ends before the server's connection is there.
                    connection.shutdown(socket.SHUT_WR)
                    return back + read_all(connection)
                return b""

            # Each service at its own port, byte for byte.
            asked = []

            def counts(connection, asked=asked):
                # Checks say nothing.
                if connection.recv(1, socket.MSG_PEEK):
                    asked.append(connection.getsockname()[1])
                    echo(connection)

            for port in (3389, 1494, 5900):
                serve("127.1.1.10", port, counts)
            for relay in ("127.1.1.1", "127.1.1.2"):
                # HAProxy asks no server that its checks have not seen.
                waiting.until(lambda: through(relay, 3389, "127.1.1.78") == sent, f"{word}: the farm seen by {relay}")
                asked.clear()
                for port in (3389, 1494, 5900):
                    assert through(relay, port, "127.1.1.77") == sent and asked.pop() == port, (word, relay, port)
                    for looker in ("127.1.1.252", "127.1.1.253"):
                        # Closed at once: the reset may be there before connecting is over.
                        with contextlib.suppress(ConnectionError), \
                                socket.create_connection((network.range.map(relay), port), timeout=20,
                                                         source_address=(network.range.map(looker), 0)) as connection:
                            connection.sendall(b"looking")
                            assert connection.recv(1) == b"", word
            assert not asked, word
            for relay in ("LB1", "LB2"):
                node = network.nodes[relay]
                waiting.until(lambda: sum("127." in line for line in node.log_lines()) >= 3, "three users in the log")
                assert not any(network.range.map("127.1.1.25") in line for line in node.log_lines()), (word, node.log_lines())
            # The first site takes every connection and speaks no TLS: the backup serves. Then it does.
            wall = serve("127.1.1.20", 1514, lambda connection: connection.recv(1) and connection.recv(1))
            serve("127.1.2.20", 1514, server("back"))
            place = network.range.map("127.1.1.1")
            waiting.until(lambda: all(said(place) == "back" for _ in range(3)), f"{word}: the backup", 30)
            wall.stop()
            serve("127.1.1.20", 1514, server("first"))
            waiting.until(lambda: all(said(place) == "first" for _ in range(3)), f"{word}: the first site", 30)


def test_a_full_first_server_queues_and_never_spills(both):
    def narrow(data):
        data["sites"][0]["servers"][0]["max-connections"] = 2

    pair = both("backup-server", narrow)
    for word, network in pair.items():
        network.wait_for("puppet00", lambda found: found == {"web1"}, "the first server")
        with concurrent.futures.ThreadPoolExecutor(6) as users:
            answers = list(users.map(lambda _: get(network.specs["puppet00"].service, "/?delay=200ms"), range(12)))
        assert {answer.status for answer in answers} == {200}, word
        assert {answer.json["server"] for answer in answers} == {"web1"}, word


def test_a_cluster_of_caches(both, monkeypatch):
    monkeypatch.setenv("STATUS_PASSWORD", "pass")
    cluster = both("cache-cluster")
    for cookies, name in (("SERVERID=A", "webA"), ("SERVERID=B", "webB")):
        assert same(cluster, "proxy1", cookies) == ({name: 8}, [])
    assert same(cluster, "proxy2") == ({"webA": 4, "webB": 4}, ["SERVERID=A", "SERVERID=B"])
    assert same(cluster, "proxy2", "SERVERID=ZZ") == ({"webA": 4, "webB": 4}, ["SERVERID=A", "SERVERID=B"])


def test_web_servers_that_share_an_address(both):
    cloud = both("unicast-failover")
    for node in ("node1", "node2", "node3"):
        assert same(cloud, node, "SERVERID=web2") == ({"web2": 8}, [])
        assert same(cloud, node, times=9)[0] == {"web1": 3, "web2": 3, "web3": 3}


def test_the_multi_site_network(both):
    world = both("multi-site")
    everywhere(world, lambda network: network.wait_for("OP1", lambda found: all(name.startswith("W1") for name in found), "OP1 at its site"))
    everywhere(world, lambda network: network.wait_for("OP3", lambda found: all(name.startswith("W2") for name in found), "OP3 at its site"))
    for entry in ("OP1", "OP2", "OP3", "SD1", "SD2"):
        for cookies, name in (("SITE=SITE1; JSESSIONID=W13~1", "W13"), ("SITE=SITE2; JSESSIONID=W22~1", "W22")):
            assert same(world, entry, cookies)[0] == {name: 8}
    # All servers of a site are gone: the other one's take over, and the cookie names their site.
    everywhere(world, lambda network: network.kill("W11", "W12", "W13", "W14"))
    for entry in ("OP1", "SD1"):
        everywhere(world, lambda network: network.wait_for(entry, lambda found: all(name.startswith("W2") for name in found), "the other site"))
        found = same(world, entry, only=lambda found, sets: (all(name.startswith("W2") for name in found), "SITE=SITE2" in sets))
        assert "SITE=SITE2" in found[1]
        same(world, entry, "SITE=SITE1; JSESSIONID=W13~1", only=lambda found, sets: (all(name.startswith("W2") for name in found), "SITE=SITE2" in sets))
