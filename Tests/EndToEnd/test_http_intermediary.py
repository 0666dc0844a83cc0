"""What an intermediary has to change in messages, and what it must not: each case with its section (RFC 9110 and 9112)."""

import contextlib
import hashlib
import random
import re
import socket
import threading
import time

import pytest

from conformance.judge import Client
from conformance.nodes import started
from conformance.origin import Script
from conformance.strict import Ended, Reader
from harness import waiting

pytestmark = [pytest.mark.own, pytest.mark.timeout(60), pytest.mark.xdist_group("conformance")]
DATE = re.compile(rb"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) 20\d\d \d\d:\d\d:\d\d GMT")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


@pytest.fixture(scope="module")
def shared(request, tmp_path_factory):
    if request.config.getoption("--system") != "geodirector":
        pytest.skip("behaviour of ours")
    forwarded = {"for": True, "except": ["127.0.0.1/32"], "proto": True, "host": True}
    with started("geodirector", tmp_path_factory.mktemp("node"), limits={"body": "100MiB"},
                 options={"forwarded": forwarded}) as single:
        yield single
        assert single.nodes["geodirector"].runs, single.nodes["geodirector"].tail()


@pytest.fixture
def node(shared):
    shared.origin.clear()
    shared.origin.scripts.clear()
    shared.origin.handler = None
    yield shared


def head(fields: bytes = b"", line: bytes = b"GET /t HTTP/1.1") -> bytes:
    return line + b"\r\nHost: a\r\n" + fields + b"\r\n"


def passed(node, sent: bytes):
    """The request as the origin got it, and the answer as the client did."""
    with Client(node.address) as client:
        client.send(sent)
        answer = client.final(sent.split(b" ")[0].decode())
    waiting.until(lambda: node.origin.requests, "the request at the origin")
    return node.origin.requests[-1], answer


class TestRequestsAsTheyArrive:
    @pytest.mark.parametrize("section, fields, gone", [
        ("9110 7.6.1", b"Connection: X-One\r\nX-One: 1\r\n", ["X-One", "Connection"]),
        ("9110 7.6.1", b"X-One: 1\r\nX-Two: 2\r\nConnection: x-two , ,X-ONE\r\n", ["X-One", "X-Two", "Connection"]),
        ("9110 7.6.1", b"Connection: X-One\r\nX-One: 1\r\nConnection: close, X-Two\r\nX-One: 2\r\nX-Two: 3\r\n",
         ["X-One", "X-Two"]),
        ("9110 7.6.1", b"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n", ["Keep-Alive", "Connection"]),
        ("9110 7.6.1", b"Proxy-Connection: keep-alive\r\n", ["Proxy-Connection"]),
        ("9110 10.1.4", b"Connection: TE\r\nTE: trailers\r\n", ["TE", "Connection"]),
        ("9110 10.1.4", b"TE: gzip;q=0.5\r\n", ["TE"]),
        ("9110 7.8", b"Upgrade: websocket\r\n", ["Upgrade", "Connection"]),
        ("9110 7.8", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
         ["HTTP2-Settings", "Upgrade", "Connection"]),
        ("9110 7.6.1", b"Connection: cookie\r\nCookie: a=b\r\n", ["Cookie"]),
    ])
    def test_fields_of_one_connection_go_no_further(self, node, section, fields, gone):
        request, answer = passed(node, head(fields))
        assert answer.status == 200
        assert not [name for name in gone if request.all(name)]

    @pytest.mark.parametrize("name, value", [
        ("Host", b"a"), ("Content-Length", b"0"), ("Via", b"1.1 N"), ("X-Forwarded-Proto", b"http"), ("X-Forwarded-Host", b"a")])
    def test_what_the_next_hop_relies_on_cannot_be_suppressed_by_naming_it(self, node, name, value):
        """The client's own word is removed, then, and ours stands."""
        fields = b"Connection: " + name.encode() + b"\r\nContent-Length: 0\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: x\r\n"
        request, _ = passed(node, head(fields, b"POST /t HTTP/1.1"))
        assert request.all(name) == [value]

    @pytest.mark.parametrize("sent, target, host", [
        (b"GET http://b:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n", "/x?y", b"b:81"),
        (b"GET http://b HTTP/1.1\r\nHost: a\r\n\r\n", "/", b"b"),
        (b"OPTIONS http://b HTTP/1.1\r\nHost: b\r\n\r\n", "*", b"b"),
        (b"GET http://b/x HTTP/1.0\r\n\r\n", "/x", b"b"),
    ])
    def test_an_absolute_target_decides_the_host(self, node, sent, target, host):
        """RFC 9112 section 3.2.2."""
        request, _ = passed(node, sent)
        assert (request.target, request.all("Host")) == (target, [host])

    @pytest.mark.parametrize("line, version", [(b"GET /t HTTP/1.1", b"1.1"), (b"GET /t HTTP/1.0", b"1.0")])
    def test_via_tells_the_version_that_was_received(self, node, line, version):
        request, _ = passed(node, head(b"Via: 1.1 x (y, z)\r\n", line))
        assert request.all("Via") == [b"1.1 x (y, z)", version + b" N"]

    @pytest.mark.parametrize("method", [b"TRACE", b"OPTIONS"])
    @pytest.mark.parametrize("before, after", [
        (b"1", 0), (b"5", 4), (b"0010", 9), (b"2147483647", 2147483646), (b"99999999999", 2147483647),
        (b"99999999999999999999999999", 2147483647)])
    def test_max_forwards_is_lowered(self, node, method, before, after):
        """RFC 9110 section 7.6.2."""
        request, _ = passed(node, head(b"Max-Forwards: " + before + b"\r\n", method + b" /t HTTP/1.1"))
        assert len(values := request.all("Max-Forwards")) == 1 and int(values[0]) <= after

    @pytest.mark.parametrize("values", [[b"5"], [b"0"], [b"100", b"5"], [b"x"]])
    def test_max_forwards_of_other_methods_is_left_alone(self, node, values):
        request, _ = passed(node, head(b"".join(b"Max-Forwards: " + value + b"\r\n" for value in values)))
        assert request.all("Max-Forwards") == values

    @pytest.mark.parametrize("value", [b"x", b"", b"-1", b"+1", b"1.0", b"1\r\nMax-Forwards: 2", b"0\r\nMax-Forwards: 5"])
    def test_a_malformed_max_forwards_goes_no_further(self, node, value):
        with Client(node.address) as client:
            client.send(head(b"Max-Forwards: " + value + b"\r\n", b"TRACE /t HTTP/1.1"))
            assert client.final().status == 400 and client.ended()
        assert not node.origin.requests

    def test_an_expectation_of_http_1_0_is_ignored(self, node):
        """RFC 9110 section 10.1.1: so the server must not learn of it."""
        request, answer = passed(
            node, head(b"Expect: 100-continue\r\nContent-Length: 2\r\n", b"POST /t HTTP/1.0") + b"hi")
        assert (request.body, answer.status) == (b"hi", 200) and not request.all("Expect")


class TestAnswersOfOurOwn:
    def test_trace_is_answered_with_what_was_received(self, node):
        """RFC 9110 sections 7.6.2 and 9.3.8; without what is secret."""
        sent = head(b"Max-Forwards: 0\r\nX-Seen: 1\r\nCookie: s=secret\r\nAuthorization: Basic secret\r\n"
                    b"Proxy-Authorization: secret\r\n", b"TRACE /t HTTP/1.1")
        with Client(node.address) as client:
            client.send(sent)
            answer = client.final()
            assert client.ask("/after").body == b"/after"
        assert answer.status == 200 and answer.all("Content-Type") == [b"message/http"]
        assert answer.body.startswith(b"TRACE /t HTTP/1.1\r\n") and b"X-Seen: 1\r\n" in answer.body
        assert b"secret" not in answer.body
        assert "/t" not in [request.target for request in node.origin.requests]

    def test_options_is_answered_here_when_it_may_go_no_further(self, node):
        with Client(node.address) as client:
            client.send(head(b"Max-Forwards: 0\r\n", b"OPTIONS * HTTP/1.1"))
            answer = client.final()
            assert (answer.status, answer.body) == (200, b"") and b"get" in answer.members("Allow")
            assert client.ask("/after").body == b"/after"

    def test_an_http_1_0_client_that_keeps_alive_is_told_so(self, node):
        with Client(node.address) as client:
            client.send(head(b"Max-Forwards: 0\r\nConnection: keep-alive\r\n", b"OPTIONS * HTTP/1.0"))
            assert client.final().members("Connection") == [b"keep-alive"]
            client.send(head(b"Max-Forwards: 0\r\n", b"OPTIONS * HTTP/1.0"))
            assert client.final().status == 200 and client.ended()

    @pytest.mark.parametrize("sent", [
        b"rubbish\r\n\r\n", head(line=b"CONNECT a:80 HTTP/1.1"), head(line=b"GET /t HTTP/2.0"),
        head(b"Max-Forwards: 0\r\n", b"OPTIONS * HTTP/1.1"), head(b"Max-Forwards: 0\r\n", b"TRACE /t HTTP/1.1"),
        head(b"Via: 1.1 N\r\n"), head(b"X: " + b"x" * 20_000 + b"\r\n")])
    def test_answers_are_dated(self, node, sent):
        """RFC 9110 section 6.6.1: an origin server with a clock dates its 2xx, 3xx and 4xx answers; these are ours."""
        with Client(node.address) as client:
            client.send(sent)
            answer = client.final()
        assert len(dates := answer.all("Date")) == 1 and DATE.fullmatch(dates[0])


class TestResponsesAsTheyArrive:
    @staticmethod
    def answered(node, script: Script, sent: bytes = head()):
        node.origin.scripts["/t"] = script
        return passed(node, sent)[1]

    @pytest.mark.parametrize("section, fields, gone", [
        ("9110 7.6.1", b"Connection: X-One\r\nX-One: 1\r\n", ["X-One"]),
        ("9110 7.6.1", b"X-One: 1\r\nConnection: keep-alive, x-one\r\nKeep-Alive: timeout=5\r\n", ["X-One", "Keep-Alive"]),
        ("9110 7.6.1", b"Proxy-Connection: keep-alive\r\n", ["Proxy-Connection"]),
        ("9110 7.8", b"Connection: upgrade\r\nUpgrade: h2c\r\n", ["Upgrade", "Connection"]),
    ])
    def test_fields_of_one_connection_go_no_further(self, node, section, fields, gone):
        answer = self.answered(node, Script(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + fields + b"\r\nhello"))
        assert answer.body == b"hello" and not [name for name in gone if answer.all(name)]

    def test_a_date_that_connection_names_is_given_anew(self, node):
        """RFC 9110 sections 7.6.1 and 6.6.1."""
        answer = self.answered(node, Script(
            b"HTTP/1.1 200 OK\r\nConnection: date\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 5\r\n\r\nhello"))
        assert len(dates := answer.all("Date")) == 1 and b"1994" not in dates[0] and DATE.fullmatch(dates[0])

    def test_a_response_without_a_date_is_dated(self, node):
        """RFC 9110 section 6.6.1: a recipient with a clock that forwards it."""
        answer = self.answered(node, Script(OK))
        assert len(dates := answer.all("Date")) == 1 and DATE.fullmatch(dates[0])
        told = time.mktime(time.strptime(dates[0].decode(), "%a, %d %b %Y %H:%M:%S GMT")) - time.timezone
        assert abs(told - time.time()) < 3

    def test_a_date_is_kept(self, node):
        date = b"Sun, 06 Nov 1994 08:49:37 GMT"
        answer = self.answered(node, Script(b"HTTP/1.1 200 OK\r\nDATE: " + date + b"\r\nContent-Length: 5\r\n\r\nhello"))
        assert answer.all("Date") == [date]

    @pytest.mark.parametrize("line, script, body", [
        (b"GET /t HTTP/1.0", Script(CHUNKED), b"hello"),
        (b"HEAD /t HTTP/1.0", Script(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), b""),
        (b"GET /t HTTP/1.0", Script(b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"), b""),
    ])
    def test_an_http_1_0_client_is_told_of_no_transfer_coding(self, node, line, script, body):
        """RFC 9112 section 6.1."""
        answer = self.answered(node, script, head(b"Connection: keep-alive\r\n", line))
        assert answer.body == body and not answer.all("Transfer-Encoding")

    def test_a_response_of_http_1_0_is_passed_on_in_our_version(self, node):
        """RFC 9110 section 6.2."""
        answer = self.answered(node, Script(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", close=True))
        assert (answer.first[0], answer.body) == (b"1", b"hello")

    @pytest.mark.parametrize("interims", [[100], [103], [103, 100, 102], [103] * 16, [199]])
    def test_interim_responses_are_passed_on(self, node, interims):
        """RFC 9110 section 15.2: a proxy forwards those that it has not asked for itself."""
        node.origin.scripts["/t"] = Script(b"".join(b"HTTP/1.1 %d x\r\nX: y\r\n\r\n" % status for status in interims) + OK)
        with Client(node.address) as client:
            client.send(head())
            assert [client.reader.response().status for _ in interims] == interims
            assert client.final().body == b"hello"

    @pytest.mark.parametrize("interims", [[100], [103], [103, 100, 102]])
    def test_an_http_1_0_client_gets_no_interim_response(self, node, interims):
        node.origin.scripts["/t"] = Script(b"".join(b"HTTP/1.1 %d x\r\n\r\n" % status for status in interims) + OK)
        with Client(node.address) as client:
            client.send(head(line=b"GET /t HTTP/1.0"))
            assert client.reader.response().body == b"hello"

    def test_a_storm_of_interim_responses_ends(self, node):
        node.origin.scripts["/t"] = Script(b"HTTP/1.1 103 x\r\n\r\n" * 100_000, close=True)
        with Client(node.address) as client:
            client.send(head())
            assert client.final().status == 502
            assert client.ask("/after").body == b"/after"


class _Server:
    """A server whose every connection is handled by a function of the test."""

    def __init__(self, node, handler):
        self.node, self.handler = node, handler

    def __enter__(self):
        origin = self.node.origin
        origin.stop()
        self.open = []
        self.listener = waiting.until(self._listen, "the address being free")
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def _listen(self):
        with contextlib.suppress(OSError):
            return socket.create_server(self.node.origin.address, backlog=64)

    def _accept(self):
        with contextlib.suppress(OSError):
            for number in range(1_000_000):
                connection, _ = self.listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.open.append(connection)
                threading.Thread(target=self._one, args=(connection, number), daemon=True).start()

    def _one(self, connection, number):
        with contextlib.suppress(OSError, Ended), connection:
            self.handler(connection, Reader(connection), number)

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        waiting.until(self._restarted, "the origin listening again")

    def _restarted(self):
        with contextlib.suppress(OSError):
            return self.node.origin.start()


class TestConversations:
    SIZE = 50 * 1024 * 1024

    @pytest.fixture(scope="class")
    def data(self):
        return random.Random(8).randbytes(1 << 20) * 50

    @pytest.mark.parametrize("chunked", [False, True])
    def test_fifty_megabytes_to_the_server(self, node, data, chunked):
        with Client(node.address, 60) as client:
            if chunked:
                client.send(head(b"Transfer-Encoding: chunked\r\n", b"POST /t HTTP/1.1"))
                for begin in range(0, self.SIZE, 999_983):
                    part = data[begin:begin + 999_983]
                    client.send(b"%x\r\n%b\r\n" % (len(part), part))
                client.send(b"0\r\n\r\n")
            else:
                client.send(head(b"Content-Length: %d\r\n" % self.SIZE, b"POST /t HTTP/1.1") + data)
            assert client.final().status == 200
        assert hashlib.sha256(node.origin.requests[-1].body).digest() == hashlib.sha256(data).digest()

    @pytest.mark.parametrize("framing", ["length", "chunked", "close"])
    def test_fifty_megabytes_to_the_client(self, node, data, framing):
        fields = {"length": b"Content-Length: %d\r\n" % self.SIZE, "chunked": b"Transfer-Encoding: chunked\r\n", "close": b""}
        body = data
        if framing == "chunked":
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part)
                            for begin in range(0, self.SIZE, 999_983) if (part := data[begin:begin + 999_983])) + b"0\r\n\r\n"
        node.origin.scripts["/t"] = Script(b"HTTP/1.1 200 OK\r\n" + fields[framing] + b"\r\n" + body, close=True)
        with Client(node.address, 60) as client:
            assert hashlib.sha256(client.ask("/t").body).digest() == hashlib.sha256(data).digest()

    def test_byte_by_byte_both_ways_at_once(self, node):
        body = bytes(range(256)) * 4
        def echo(connection, reader, number):
            while True:
                request = reader.request()
                for byte in b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n":
                    connection.sendall(bytes([byte]))
                for byte in request.body:
                    for piece in (b"1", b"\r", b"\n", bytes([byte]), b"\r", b"\n"):
                        connection.sendall(piece)
                for byte in b"0\r\nT: v\r\n\r\n":
                    connection.sendall(bytes([byte]))
        with _Server(node, echo), Client(node.address) as client:
            for _ in range(2):
                client.send(head(b"Transfer-Encoding: chunked\r\n", b"POST /t HTTP/1.1")
                            + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\nT: v\r\n\r\n", slowly=True)
                answer = client.final()
                assert (answer.body, answer.trailers) == (body, [(b"T", b"v")])

    def test_a_thousand_requests_of_all_framings_on_one_connection(self, node):
        node.origin.scripts["/chunked"] = Script(CHUNKED)
        requests = [
            head(line=b"GET /%d HTTP/1.1"), head(b"Content-Length: 5\r\n", b"POST /%d HTTP/1.1") + b"hello",
            head(b"Transfer-Encoding: chunked\r\n", b"PUT /%d HTTP/1.1") + b"5\r\nhello\r\n0\r\n\r\n", head(line=b"HEAD /%d HTTP/1.1")]
        with Client(node.address) as client:
            for index in range(0, 1000, 4):
                # Four at a time, as a client that pipelines.
                client.send(b"".join(request % (index + place) for place, request in enumerate(requests)))
                for place, method in enumerate(("GET", "POST", "PUT", "HEAD")):
                    answer = client.final(method)
                    assert answer.body == (b"" if method == "HEAD" else b"/%d" % (index + place))
        assert [request.target for request in node.origin.requests] == [f"/{index}" for index in range(1000)]

    @pytest.mark.parametrize("status", [b"200 OK", b"413 Content Too Large", b"401 Unauthorized"])
    @pytest.mark.parametrize("fields", [b"Content-Length: 1000000\r\n", b"Transfer-Encoding: chunked\r\n"])
    def test_a_response_before_the_body_is_there_reaches_the_client(self, node, status, fields):
        """RFC 9112 section 9.3: the rest is read, or the connection ends; it is no next request. Who will end it says so (section 9.6): a
        client that has sent its body by then would else take it for one to be used again."""
        def early(connection, reader, number):
            reader._head(re.compile(rb"(POST|GET) (\S+) HTTP/1\.(1)"))
            connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\n\r\nhello")
            time.sleep(0.2)  # The server's own pace: it closes a moment after.
        with _Server(node, early), Client(node.address) as client:
            client.send(head(fields, b"POST /t HTTP/1.1"))
            answer = client.final()
            assert (answer.first[1], answer.body) == (status[:3], b"hello")
            assert answer.members("Connection") == [b"close"]
            client.send(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.ended()

    @pytest.mark.parametrize("method, again", [(b"GET", True), (b"HEAD", True), (b"PUT", True), (b"POST", False), (b"PATCH", False)])
    @pytest.mark.parametrize("reset", [False, True])
    def test_a_kept_connection_ended_at_the_moment_of_reuse(self, node, method, again, reset):
        """RFC 9112 section 9.3.1: what may have been processed is sent again only if that does no harm."""
        seen = []
        def handler(connection, reader, number):
            for turn in range(100):
                request = reader.request()
                seen.append((number, request.target))
                if number == 0 and turn == 1:
                    if reset:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    return
                body = b"" if request.first[0] == b"HEAD" else b"hello"
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + body)
        with _Server(node, handler), Client(node.address) as client:
            assert client.ask("/first").body == b"hello"
            client.send(head(b"Content-Length: 2\r\n", method + b" /second HTTP/1.1") + b"hi")
            assert client.final(method.decode()).status == (200 if again else 502)
        assert [target for _, target in seen].count("/second") == (2 if again else 1)

    def test_an_upgrade_with_data_in_the_same_packet_both_ways(self, node):
        """RFC 9110 section 7.8."""
        def tunnel(connection, reader, number):
            request = reader.request()
            assert request.members("Connection") == [b"upgrade"] and request.all("Upgrade") == [b"x"]
            connection.sendall(b"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nserver first")
            data = reader._exactly(len(b"client first, GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"))
            connection.sendall(data.upper())
            with contextlib.suppress(Ended):
                reader._exactly(1)
        with _Server(node, tunnel), Client(node.address) as client:
            client.send(head(b"Connection: Upgrade\r\nUpgrade: x\r\n")
                        + b"client first, GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.final().status == 101
            expected = b"server firstCLIENT FIRST, GET /SMUGGLED HTTP/1.1\r\nHOST: A\r\n\r\n"
            assert client.reader._exactly(len(expected)) == expected
            client.socket.shutdown(socket.SHUT_WR)
            assert client.ended()

    @pytest.mark.parametrize("line, fields", [
        (b"GET /t HTTP/1.0", b"Connection: upgrade\r\nUpgrade: x\r\n"), (b"GET /t HTTP/1.1", b"Upgrade: x\r\n"),
        (b"GET /t HTTP/1.1", b"Connection: upgrade\r\n")])
    def test_an_upgrade_not_asked_for_properly_goes_no_further(self, node, line, fields):
        node.origin.scripts["/t"] = Script(b"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", close=True)
        request, answer = passed(node, head(fields, line))
        assert answer.status == 502 and not request.all("Upgrade")
