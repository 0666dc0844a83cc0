"""Whom a node takes for the client: the peer, the source of a PROXY protocol header, or the address that trusted proxies name."""

import contextlib
import ipaddress
import struct

import pytest

from harness import waiting
from harness.access_log import entries
from harness.raw import RawConnection, get
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.timeout(60)]

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
REQUEST = b"GET /who HTTP/1.1\r\nHost: shop.test\r\nAccept: */*\r\n\r\n"


def version2(source: str, port: int, command: int = 1, fields: bytes = b"") -> bytes:
    address = ipaddress.ip_address(source)
    family, other = (0x11, "192.0.2.99") if address.version == 4 else (0x21, "2001:db8::99")
    rest = address.packed + ipaddress.ip_address(other).packed + struct.pack(">HH", port, 443) + fields
    return SIGNATURE + struct.pack(">BBH", 0x20 | command, family, len(rest)) + rest


@pytest.fixture
def director(request, tmp_path):
    """Starts a director whose listener takes PROXY protocol headers from some networks."""
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with contextlib.ExitStack() as stack:

        def starter(networks, public=False):
            single = stack.enter_context(Single(tmp_path, role="site-director", tiers={"HOME": ["A"]}))
            entry = single.data["sites"][0]["directors"][0]
            entry["listen"] = [{"address": entry["listen"], "proxy-protocol": networks, "public": public}]
            single.address = single.geodirector()
            return single

        yield starter


def log(single):
    return entries(single.nodes["geodirector"].log_lines())


def said(single, connection, data: bytes) -> tuple[str, str]:
    """What the origin saw as X-Forwarded-For, and what the log has as the client."""
    before = len(log(single))
    connection.send(data)
    answer = connection.answer()
    assert answer.status == 200
    waiting.until(lambda: len(log(single)) > before, "the line in the log")
    seen = [value for key, value in single.origins["A"].received[-1].headers if key.lower() == "x-forwarded-for"]
    return seen[-1], log(single)[-1].client


class TestProxyProtocol:
    @pytest.mark.parametrize("header, forwarded, client", [
        (b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 443\r\n", "198.51.100.7", "198.51.100.7:4711"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n", "2001:db8::7", "2001:db8::7:4711"),
        (b"PROXY TCP6 ::ffff:198.51.100.7 ::1 4711 443\r\n", "198.51.100.7", "198.51.100.7:4711"),
        (version2("198.51.100.7", 4711), "198.51.100.7", "198.51.100.7:4711"),
        (version2("2001:db8::7", 4711, fields=b"\x04\0\x02xx"), "2001:db8::7", "2001:db8::7:4711"),
    ])
    def test_the_source_stands_for_the_peer(self, director, header, forwarded, client):
        single = director("127.0.0.0/8")
        with RawConnection(single.address) as connection:
            assert said(single, connection, header + REQUEST) == (forwarded, client)
            assert said(single, connection, REQUEST) == (forwarded, client), "it holds for the whole connection"
        with RawConnection(single.address) as connection:
            connection.send_slowly(header)
            assert said(single, connection, REQUEST) == (forwarded, client)

    @pytest.mark.parametrize("header", [
        b"PROXY UNKNOWN\r\n", version2("198.51.100.7", 4711, command=0), SIGNATURE + b"\x20\x44\0\0", SIGNATURE + b"\x20\xff\0\3abc"])
    def test_a_proxys_own_connection_keeps_its_peer(self, director, header):
        single = director("127.0.0.0/8")
        with RawConnection(single.address) as connection:
            peer = connection.socket.getsockname()
            assert said(single, connection, header + REQUEST) == (peer[0], f"{peer[0]}:{peer[1]}")

    @pytest.mark.parametrize("header", [
        b"", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", b"PROXY TCP4 1.2.3.400 1.2.3.4 1 2\r\n",
        version2("198.51.100.7", 1, fields=b"\x04\0\xff"), SIGNATURE + b"\x31\x11\0\x0c"])
    def test_without_a_well_formed_header_the_connection_ends_with_a_line_in_the_log(self, director, header):
        single = director("127.0.0.0/8")
        with RawConnection(single.address) as connection:
            connection.send(header + REQUEST)
            with contextlib.suppress(ConnectionResetError):
                assert connection.socket.recv(100) == b""
        waiting.until(lambda: log(single), "the line in the log")
        assert log(single)[-1].termination.startswith("PP")
        assert not [request for request in single.origins["A"].received if " /who " in request.line]

    def test_others_are_not_asked_for_a_header_and_cannot_send_one(self, director):
        single = director("10.0.0.0/8")
        assert get(single.address).status == 200
        with RawConnection(single.address) as connection:
            connection.send(b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 443\r\n" + REQUEST)
            assert connection.answer().status == 400


class TestForwardedClientInTheLog:
    TRUSTED = {"forwarded": {"trusted": "127.0.0.0/8"}}

    def start(self, director, options=None, public=False):
        single = director([], public=public)
        single.nodes["geodirector"].stop()
        single.data["defaults"]["site-director"] |= options or {}
        single.address = single.geodirector()
        return single

    def logged(self, single, connection, *fields):
        before = len(log(single))
        head = "".join(f"{name}: {value}\r\n" for name, value in fields)
        connection.send(REQUEST[:-2] + head.encode() + b"\r\n")
        assert connection.answer().status == 200
        waiting.until(lambda: len(log(single)) > before, "the line in the log")
        return log(single)[-1]

    def test_the_address_that_a_trusted_proxy_names_is_logged_with_the_peer_behind(self, director):
        single = self.start(director, self.TRUSTED)
        with RawConnection(single.address) as connection:
            peer = "{}:{}".format(*connection.socket.getsockname())
            for forwarded, client in [("198.51.100.7", "198.51.100.7:0"), ("203.0.113.9, 2001:db8::7, 127.0.0.9", "2001:db8::7:0")]:
                line = self.logged(single, connection, ("X-Forwarded-For", forwarded))
                assert (line.client, line.peer) == (client, peer)
            for fields in [[], [("X-Forwarded-For", "unknown")], [("Forwarded", "for=198.51.100.7")]]:
                line = self.logged(single, connection, *fields)
                assert (line.client, line.peer) == (peer, None), "nothing is left of the request before"

    def test_what_cannot_be_read_is_the_peers(self, director):
        single = self.start(director, self.TRUSTED)
        with RawConnection(single.address) as connection:
            peer = "{}:{}".format(*connection.socket.getsockname())
            assert self.logged(single, connection, ("X-Forwarded-For", "198.51.100.7")).peer == peer
            connection.send(b"GET  / HTTP/1.1\r\n\r\n")
            assert connection.answer().status == 400
        waiting.until(lambda: log(single)[-1].status == 400, "the line in the log")
        assert (log(single)[-1].client, log(single)[-1].peer) == (peer, None)

    def test_forwarded_counts_where_it_is_asked_for(self, director):
        single = self.start(director, {"forwarded": {"trusted": "127.0.0.0/8", "client": "forwarded"}})
        with RawConnection(single.address) as connection:
            line = self.logged(single, connection, ("Forwarded", 'for="[2001:db8::7]:4711"'), ("X-Forwarded-For", "198.51.100.9"))
            assert line.client == "2001:db8::7:0"

    @pytest.mark.parametrize("options, public", [(TRUSTED, True), ({"forwarded": {"trusted": "10.0.0.0/8"}}, False)])
    def test_others_are_not_believed(self, director, options, public):
        single = self.start(director, options, public)
        with RawConnection(single.address) as connection:
            peer = "{}:{}".format(*connection.socket.getsockname())
            line = self.logged(single, connection, ("X-Forwarded-For", "198.51.100.7"))
            assert (line.client, line.peer) == (peer, None)
