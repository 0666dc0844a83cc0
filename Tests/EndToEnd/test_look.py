"""Whoever only looks whether a node is there (`monitor-net`), and the address that a client connected to (X-Original-To)."""

import socket

import pytest

from harness import waiting
from harness.raw import RawConnection, get
from harness.single import Single
from test_relay import Bed

INSERT = {"name": "SERVERID", "mode": "insert"}


@pytest.fixture
def single(tmp_path):
    held = []

    def starter(**settings) -> Single:
        single = Single(tmp_path, session=INSERT, **settings)
        held.append(single)
        balancer = single.data["sites"][0]["balancers"][0]
        single.looker, single.user = single.range.map("127.0.9.9"), single.range.map("127.0.9.1")
        balancer["listen"] = [{"address": balancer["listen"], "monitor-net": [f"{single.looker}/32"]}]
        single.__enter__()
        single.address = single.geodirector()
        return single

    yield starter
    for one in held:
        one.__exit__(None, None, None)


def requests(single) -> int:
    return sum(len(origin.received) for origin in single.origins.values())


@pytest.mark.parametrize("said", ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD /index.html HTTP/1.0\r\n\r\n", "nonsense\r\n", "x"])
def test_who_looks_gets_200_and_is_neither_passed_on_nor_logged(single, said):
    one = single()
    with RawConnection(one.address, source=one.looker) as connection:
        connection.send(said)
        answer = connection.answer("HEAD")
        assert answer.status == 200 and connection.closed()
    assert requests(one) == 0
    with RawConnection(one.address, source=one.user) as connection:
        assert connection.ask("GET", "/", [("Connection", "close")]).status == 200
    assert requests(one) == 1
    node = one.nodes["geodirector"]
    waiting.until(lambda: node.log_lines(), "the user's line in the log")
    assert len(node.log_lines()) == 1 and node.log_lines()[0].startswith(one.user)


def test_who_looks_and_says_nothing_is_not_told_either(single):
    one = single()
    for source in (one.looker, one.user):
        for _ in range(3):
            RawConnection(one.address, source=source).socket.close()
    with RawConnection(one.address, source=one.user) as connection:
        assert connection.ask("GET", "/", [("Connection", "close")]).status == 200
    waiting.until(lambda: one.nodes["geodirector"].log_lines(), "the user's line in the log")
    assert len(one.nodes["geodirector"].log_lines()) == 1


def test_a_node_that_stops_softly_says_so_to_who_looks(single):
    one = single(options={"grace": "20s"})
    one.nodes["geodirector"].soft_stop()

    def status():
        with RawConnection(one.address, source=one.looker) as connection:
            connection.send("GET / HTTP/1.0\r\n\r\n")
            return connection.answer("HEAD").status

    waiting.until(lambda: status() == 503, "503 for who looks")
    with RawConnection(one.address, source=one.user) as connection:
        assert connection.ask("GET", "/", []).status == 200


def test_a_relay_closes_at_once_what_only_looks(tmp_path):
    with Bed(tmp_path) as bed:
        server = bed.server("127.1.1.10", 3389)
        looker = bed.at("127.0.9.9")
        bed.start(listen=[{"address": "127.1.1.1:3389", "monitor-net": f"{looker}/32"}], servers=[{"name": "A", "host": "127.1.1.10"}])
        for _ in range(5):
            with socket.create_connection(bed.at("127.1.1.1", 3389), timeout=10, source_address=(looker, 0)) as connection:
                assert connection.recv(1) == b""
        assert bed.ask(b"hello") == b"hello"
        assert len(bed.lines(1)) == 1 and server.taken == 1
        assert bed.status()["clients"] == 0


def test_servers_learn_the_address_that_the_client_connected_to(tmp_path):
    with Single(tmp_path, session=INSERT) as one:
        balancer = one.data["sites"][0]["balancers"][0]
        others = [one.range.map("127.0.1.1"), one.range.map("127.0.1.7")]
        balancer["listen"] = [{"address": f"{others[0]}:8080", "public": True},
                              {"address": f"{others[1]}:8080", "proxy-protocol": [f"{one.range.map('127.0.9.9')}/32"]}]
        balancer["forwarded"] = {"original-to": True}
        one.geodirector()

        for host, claimed, arrives in ((others[0], [], [others[0]]),
                                       (others[0], [("X-Original-To", "192.0.2.1")], [others[0]]),
                                       (others[1], [("X-Original-To", "192.0.2.1")], ["192.0.2.1", others[1]])):
            seen = []
            for origin in one.origins.values():
                origin.handler = lambda exchange: (seen.append(exchange.request), exchange.answer())
            assert get((host, 8080), headers=claimed).status == 200
            assert seen[0].all("X-Original-To") == arrives
        # Where a proxy passed the connection on, this address is the proxy's choice and not the client's.
        with RawConnection((others[1], 8080), source=one.range.map("127.0.9.9")) as connection:
            connection.send("PROXY TCP4 192.0.2.7 192.0.2.8 5555 80\r\n")
            seen = []
            for _ in range(2):
                assert connection.ask("GET", "/", []).status == 200
        assert all(request.all("X-Original-To") == [] for request in seen)
