"""What a PROXY protocol header tells of the client's TLS: who ends TLS in front of a node makes its requests requests by https, and servers that
are told of their clients are told of it, too."""

import contextlib
import ipaddress
import socket
import struct
import subprocess

import pytest

from harness import haproxy, waiting
from harness.access_log import entries
from harness.certificates import Authority, SecureConnection
from harness.counting import ALLOCATIONS, REFERENCES, Counting
from harness.raw import RawConnection, request
from harness.single import Single
from test_client_address import version2
from test_proxy_protocol_out import SIGNATURE, of_users, read_header
from test_relay import Bed
from test_request_cost import PER_REQUEST_MAX, REQUESTS, ask

pytestmark = [pytest.mark.own, pytest.mark.timeout(60)]


def field(kind: int, value: bytes) -> bytes:
    return struct.pack(">BH", kind, len(value)) + value


def tls(client: int = 1, verify: int = 1, **values: bytes) -> bytes:
    """PP2_TYPE_SSL."""
    kinds = {"version": 0x21, "name": 0x22, "cipher": 0x23, "signature": 0x24, "key": 0x25}
    return field(0x20, struct.pack(">BI", client, verify) + b"".join(field(kinds[name], value) for name, value in values.items()))


def header(fields: bytes = b"", **more) -> bytes:
    return version2("198.51.100.7", 4711, fields=fields, **more)


def of_unix_socket(fields: bytes) -> bytes:
    return SIGNATURE + struct.pack(">BBH", 0x21, 0x31, 216 + len(fields)) + b"/run/a".ljust(108, b"\0") * 2 + fields


def of_datagrams(fields: bytes) -> bytes:
    return SIGNATURE + struct.pack(">BBH", 0x21, 0x12, 12 + len(fields)) + ipaddress.ip_address("198.51.100.7").packed * 2 + bytes(4) + fields


SPOKEN = tls(version=b"TLSv1.3", cipher=b"TLS_AES_128_GCM_SHA256")


@pytest.fixture
def balancer(request, tmp_path):
    """Starts a balancer behind who sends headers; `more` is its listener's, `tells` has its server told of clients, into `headers`."""
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with contextlib.ExitStack() as stack:

        def starter(more=None, tells=False, before=(), **settings):
            single = stack.enter_context(Single(tmp_path, names=("A",), session={"name": "SID", "mode": "insert", "indirect": True},
                                                options={"forwarded": {"proto": True}}, **settings))
            site, single.headers = single.data["sites"][0], []
            single.wrapped_in = list(before)
            entry = site["balancers"][0]
            entry["listen"] = [{"address": entry["listen"], "proxy-protocol": "127.0.0.0/8", **(more or {})}]
            single.data["applications"][0]["check"] = "tcp"
            if tells:
                site["servers"][0]["send-proxy"] = "v2"
                single.origins["A"].before = lambda stream: single.headers.append(read_header(stream))
            single.address = single.geodirector()
            return single

        yield starter


def scheme(single, connection, headers=()) -> str:
    """What the server is told of a request on the connection; the balancer's cookie must agree."""
    answer = connection.ask(headers=headers)
    assert answer.status == 200
    told, = single.origins["A"].received[-1].all("X-Forwarded-Proto")
    assert ("; Secure" in answer.first("Set-Cookie")) == (told == "https"), answer.headers
    return told


class TestScheme:
    @pytest.mark.parametrize("sent, expected", [
        (header(SPOKEN), "https"), (header(tls()), "https"), (header(tls(7, 0, name=b"OP1")), "https"),
        (header(field(1, b"http/1.1") + SPOKEN + field(2, b"shop.example")), "https"),
        (version2("2001:db8::7", 4711, fields=SPOKEN), "https"), (of_unix_socket(SPOKEN), "https"), (of_datagrams(SPOKEN), "https"),
        (header(), "http"), (header(tls(0)), "http"), (header(tls(6, 0, version=b"TLSv1.3")), "http"),
        (header(field(1, b"h2") + field(2, b"shop.example")), "http"),
        (header(SPOKEN, command=0), "http"), (header(b"\x20\xff\xff", command=0), "http"),
        (b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 443\r\n", "http"),
    ], ids=["tls", "bare", "certificate", "among others", "IPv6", "Unix socket", "datagrams", "none", "flags 0", "flags 6", "names only", "LOCAL",
            "LOCAL and malformed", "version 1"])
    def test_it_is_the_headers(self, balancer, sent, expected):
        single = balancer()
        with RawConnection(single.address) as connection:
            connection.send(sent)
            assert [scheme(single, connection) for _ in range(3)] == [expected] * 3, "it holds for the whole connection"
        with RawConnection(single.address) as connection:
            connection.send_slowly(sent)
            assert scheme(single, connection) == expected

    def test_it_holds_for_no_other_connection(self, balancer):
        single = balancer(tells=True)
        for sent, expected in [(header(SPOKEN), "https"), (header(), "http")] * 3:
            with RawConnection(single.address) as connection:
                connection.send(sent)
                assert scheme(single, connection) == expected
            assert ("tls" in of_users(single)[-1]) == (expected == "https")

    def test_what_a_node_in_front_said_of_it_stands_but_for_the_public(self, balancer):
        single = balancer()
        with RawConnection(single.address) as connection:
            connection.send(header(SPOKEN))
            assert scheme(single, connection, [("X-Forwarded-Proto", "http")]) == "http"
            assert scheme(single, connection) == "https"

    def test_the_public_is_not_believed_and_its_proxy_is(self, balancer):
        single = balancer({"public": True})
        for sent, claimed, expected in [(header(SPOKEN), "http", "https"), (header(), "https", "http")]:
            with RawConnection(single.address) as connection:
                connection.send(sent)
                assert scheme(single, connection, [("X-Forwarded-Proto", claimed)]) == expected

    def test_who_comes_by_https_is_not_sent_there(self, balancer):
        single = balancer({"redirect": "https"})
        with RawConnection(single.address) as connection:
            connection.send(header(SPOKEN))
            assert [scheme(single, connection) for _ in range(2)] == ["https"] * 2
        for sent in (header(), header(tls(0)), header(SPOKEN, command=0)):
            with RawConnection(single.address) as connection:
                connection.send(sent)
                answer = connection.ask(target="/a?b")
                assert (answer.status, answer.first("Location")) == (308, "https://shop.example/a?b")

    def test_browsers_are_told_to_use_https_where_they_do(self, balancer):
        single = balancer({"hsts": "365d"})
        single.origins["A"].handler = lambda exchange: exchange.answer(headers=[("strict-transport-security", "max-age=1")])

        def told(sent):
            with RawConnection(single.address) as connection:
                connection.send(sent)
                return [connection.ask().all("Strict-Transport-Security") for _ in range(2)]

        assert told(header(SPOKEN)) == [["max-age=31536000"]] * 2
        assert told(header()) == told(header(tls(0))) == [["max-age=1"]] * 2, "RFC 6797 section 7.2: not over http"
        single.origins["A"].stop()
        # An answer of the balancer's own, too.
        assert told(header(SPOKEN)) == [["max-age=31536000"]] * 2 and told(header()) == [[]] * 2

    def test_a_redirect_and_hsts_at_one_listener_are_for_each_other(self, balancer):
        single = balancer({"hsts": "365d", "redirect": "https"})
        for sent, status, told in [(header(SPOKEN), 200, ["max-age=31536000"]), (header(), 308, [])]:
            with RawConnection(single.address) as connection:
                connection.send(sent)
                answer = connection.ask()
                assert (answer.status, answer.all("Strict-Transport-Security")) == (status, told)


@pytest.mark.parametrize("fields", [
    b"\x20", b"\x20\0\x05\1\0\0\0", b"\x20\xff\xff" + bytes(40), field(0x20, b""), field(0x20, b"\1\0\0\0"), field(0x20, bytes(5) + b"\x21\0"),
    field(0x20, bytes(5) + b"\x21\0\x05TLS"), field(0x20, b"\1\0\0\0\0\x22\0\x04\x61") + field(4, b""), SPOKEN + SPOKEN,
    field(1, b"a" * 256), field(2, b"a" * 256), field(5, b"a" * 129), SPOKEN + b"\0",
], ids=["a type alone", "one byte short", "beyond the header", "empty", "too short for its flags", "a part without length", "a part beyond it",
        "a part that reaches into the next", "twice", "long ALPN", "long name", "long identifier", "a byte behind"])
def test_malformed_fields_end_the_connection_with_a_line_in_the_log(balancer, fields):
    single = balancer()
    with RawConnection(single.address) as connection:
        connection.send(header(fields) + request())
        with contextlib.suppress(ConnectionResetError):
            assert connection.socket.recv(100) == b""
    waiting.until(lambda: entries(single.nodes["geodirector"].log_lines()), "the line in the log")
    assert entries(single.nodes["geodirector"].log_lines())[-1].termination.startswith("PP")
    assert not single.origins["A"].received


class TestToldOn:
    def test_servers_are_told_as_the_node_was(self, balancer):
        single = balancer(tells=True)
        sent = (field(1, b"http/1.1") + field(2, b"shop.example") + field(4, b"padding")
                + tls(5, 0x01020304, version=b"TLSv1.2", key=b"RSA2048", name="Ünïted".encode(), cipher=b"ECDHE-RSA-AES128-GCM-SHA256"))
        with RawConnection(single.address) as connection:
            connection.send(header(sent))
            assert [connection.ask().status for _ in range(3)] == [200] * 3
        told = of_users(single)
        assert len(told) == 3, "a connection for each request"
        for one in told:
            assert one["source"] == "198.51.100.7"
            assert one["tls"] == {"client": 5, "verify": 0x01020304, 0x21: b"TLSv1.2", 0x22: "Ünïted".encode(), 0x23: b"ECDHE-RSA-AES128-GCM-SHA256"}
            assert {kind: value for kind, value in one["fields"].items() if kind != 0x20} == {1: b"http/1.1", 2: b"shop.example"}

    @pytest.mark.parametrize("sent", [header(), header(tls(0)), header(field(2, b"shop.example")), header(tls(6, 0, name=b"OP1"))],
                             ids=["none", "flags 0", "a name only", "flags 6"])
    def test_no_tls_is_told_of_who_spoke_none(self, balancer, sent):
        single = balancer(tells=True)
        with RawConnection(single.address) as connection:
            connection.send(sent)
            assert connection.ask().status == 200
        assert of_users(single)[-1]["fields"] == {}

    def test_the_clients_own_tls_stands_above_that_of_who_passes_it_on(self, balancer, tmp_path):
        authority = Authority(tmp_path)
        single = balancer({"tls": str(authority.issue("shop.example"))}, tells=True)
        expected = {header(SPOKEN): {"client": 1, "verify": 1, 0x21: b"TLSv1.3", 0x23: b"TLS_AES_128_GCM_SHA256"},
                    header(): {"client": 1, "verify": 1, 0x21: b"TLSv1.2", 0x23: b"ECDHE-ECDSA-AES256-GCM-SHA384"}}
        for sent, told in expected.items():
            with SecureConnection(single.address, authority.client(version="1.2"), before=sent) as connection:
                assert [scheme(single, connection) for _ in range(2)] == ["https"] * 2
                if sent == header():
                    told[0x23] = connection.socket.cipher()[0].encode()
            assert [one["tls"] for one in of_users(single)[-2:]] == [told] * 2

    def test_by_relays_too(self, request, tmp_path):
        if request.config.getoption("--system") == "haproxy":
            pytest.skip("behaviour of ours, not of the reference")
        told = []

        def hears(connection):
            with connection.makefile("rb", buffering=0) as stream:
                told.append(read_header(stream))
            connection.sendall(b"220 ready\r\n")

        with Bed(tmp_path) as bed:
            bed.server("127.1.1.10", 3389, hears)
            bed.start(listen=[{"address": "127.1.1.1:3389", "proxy-protocol": "127.0.0.1/32"}],
                      servers=[{"name": "A", "host": "127.1.1.10", "send-proxy": "v2"}])
            with bed.connect() as connection:
                connection.sendall(header(SPOKEN))
                assert connection.recv(11, socket.MSG_WAITALL) == b"220 ready\r\n"
        assert told[-1]["tls"] == {"client": 1, "verify": 1, 0x21: b"TLSv1.3", 0x23: b"TLS_AES_128_GCM_SHA256"}
        assert told[-1]["source"] == "198.51.100.7"


class TestTheReference:
    """HAProxy ends TLS in front of a balancer."""

    @pytest.fixture
    def sender(self, balancer, tmp_path):
        with contextlib.ExitStack() as stack:

            def starter(options, authority=None, more=None):
                single = balancer(more, tells=True)
                address = (single.range.map("127.0.1.2"), 8080)
                path = tmp_path / "sender.cfg"
                bind = f" ssl crt {authority.issue('shop.example')} alpn http/1.1 ca-file {authority.path} verify optional" if authority else ""
                path.write_text(haproxy.header(1, tmp_path / "sender.sock") + "listen H\n  bind {}:{}{}\n  server N {}:{} {}\n".format(
                    *address, bind, *single.address, options))
                process = subprocess.Popen([haproxy.program(), "-db", "-f", str(path)], stdout=subprocess.DEVNULL)
                stack.callback(process.wait)
                stack.callback(process.kill)
                waiting.until(lambda: waiting.listens(address), "the reference")
                single.sender = address
                return single

            yield starter

    @pytest.mark.parametrize("options, parts", [
        ("send-proxy-v2-ssl", {0x21}), ("send-proxy-v2-ssl-cn", {0x21, 0x22}),
        ("send-proxy-v2 proxy-v2-options ssl,cert-cn,ssl-cipher,cert-sig,cert-key,authority,crc32c", {0x21, 0x22, 0x23}),
    ], ids=["ssl", "ssl-cn", "all options"])
    @pytest.mark.parametrize("version", ["1.2", "1.3"])
    def test_its_clients_come_by_https_and_what_it_tells_is_told_on(self, sender, tmp_path, options, parts, version):
        authority = Authority(tmp_path)
        single = sender(options, authority, {"redirect": "https", "hsts": "365d"})
        for shown in (None, authority.issue("OP1")):
            context = authority.client(shown, version=version)
            context.set_alpn_protocols(["http/1.1"])
            with SecureConnection(single.sender, context) as connection:
                for _ in range(3):
                    assert scheme(single, connection) == "https"
                assert connection.ask().first("Strict-Transport-Security") == "max-age=31536000"
                port, suite = connection.socket.getsockname()[1], connection.socket.cipher()[0].encode()
            for one in of_users(single)[-4:]:
                assert (one["source"], one["ports"][0]) == ("127.0.0.1", port)
                told = dict(one["tls"])
                client, verify = told.pop("client"), told.pop("verify")
                assert client == (7 if shown else 1) and (verify == 0 or not shown), one
                expected = {0x21: f"TLSv{version}".encode(), 0x22: b"OP1", 0x23: suite}
                assert told == {part: expected[part] for part in parts if part != 0x22 or shown}
                assert one["fields"].get(1) == b"http/1.1"
                assert one["fields"].get(2) == (b"shop.example" if "authority" in options else None)

    def test_who_comes_to_it_by_http_is_sent_to_https(self, sender):
        single = sender("send-proxy-v2-ssl-cn", None, {"redirect": "https"})
        with RawConnection(single.sender) as connection:
            answer = connection.ask(target="/x")
            assert (answer.status, answer.first("Location")) == (308, "https://shop.example/x")


@pytest.mark.measures("it counts allocations, and a sanitizer makes its own")
def test_a_request_on_such_a_connection_allocates_and_retains_nothing(balancer, tmp_path):
    counting = Counting(tmp_path)
    single = balancer({"redirect": "https", "hsts": "365d"}, before=counting.before, check="10s")
    with RawConnection(single.address) as connection:
        connection.send(header(SPOKEN))
        ask(connection, [[]], 400)
        before = counting.read()
        assert before["malloc"] and before["retain"], f"nothing was counted: {before}"
        ask(connection, [[]], REQUESTS)
        spent = {name: (value - before[name]) / REQUESTS for name, value in counting.read().items()}
    assert max(spent[name] for name in (*ALLOCATIONS, *REFERENCES)) <= PER_REQUEST_MAX, f"for each request: {spent}"
