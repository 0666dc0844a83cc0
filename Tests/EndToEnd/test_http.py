"""HTTP/1 through one node (a site balancer), between a raw client and a recording origin.

With --system haproxy the same tests run on the reference, which proves the tests; marks say what only we do.
"""

import hashlib
import random
import threading

import pytest

from harness import waiting
from harness.raw import CutShort, RawConnection, elapsed, get, request
from harness.single import Single

REFERENCE = """
option http-keep-alive
option forwardfor except 127.0.0.1
http-request add-header Via "1.1 H"
timeout http-request 1s
timeout http-keep-alive 2s
timeout client 1500ms
timeout server 1s
timeout tunnel 2s
server A @A
"""
CRLF = b"\r\n"
OWN = pytest.mark.own


@pytest.fixture
def node(request, tmp_path):
    """Starts origin A and one node before it; `node.address` is where it serves, `node.origin` the origin."""
    name = request.config.getoption("--system")
    if name == "haproxy" and request.node.get_closest_marker("own"):
        pytest.skip("behaviour of ours, not of the reference")
    held = []

    def starter(**settings):
        settings.setdefault("names", ("A",))
        options = {"forwarded": {"for": True, "except": ["127.0.0.1/32"]}} | settings.pop("options", {})
        single = Single(tmp_path, options=options, **settings)
        single.__enter__()
        held.append(single)
        single.address = single.haproxy(REFERENCE) if name == "haproxy" else single.geodirector()
        single.origin = single.origins["A"]
        return single

    yield starter
    for single in held:
        single.__exit__(None, None, None)


@pytest.fixture
def plain(node):
    return node()


def answering(data: bytes, close: bool = False):
    """A handler that sends exactly these bytes."""
    def handler(exchange):
        exchange.send(data)
        if close:
            exchange.close()
    return handler


class TestFramingOfAnswers:
    @pytest.mark.parametrize("method, sent, close, body", [
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", False, b"hello"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", False, b""),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", False, b"hello"),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nT: v\r\n\r\n", False, b"hello"),
        ("GET", b"HTTP/1.1 200 OK\r\n\r\nhello", True, b"hello"),
        pytest.param("GET", b"HTTP/1.0 200 OK\r\n\r\nhello", True, b"hello", marks=OWN),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", False, b""),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", False, b""),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", False, b""),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\n", False, b""),
        ("GET", b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", False, b"no"),
    ])
    def test_a_body_arrives_whole_and_the_next_request_is_answered(self, plain, method, sent, close, body):
        plain.origin.handler = answering(sent, close)
        with RawConnection(plain.address) as client:
            answer = client.ask(method)
            assert (answer.status, answer.body) == (int(sent[9:12]), body)
            if method == "HEAD" and b"Content-Length" in sent:
                assert answer.first("Content-Length") == "5"
            # An answer with neither length nor chunks lasts until the connection ends (RFC 9112 section 6.3).
            framed = answer.first("Content-Length") or answer.first("Transfer-Encoding") or answer.status in (204, 304)
            if framed and "close" not in (answer.first("Connection") or ""):
                assert client.ask(method).status == answer.status

    @pytest.mark.parametrize("sent", [
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello",
    ])
    def test_an_answer_cut_short_is_seen_as_cut_short(self, plain, sent):
        plain.origin.handler = answering(sent, close=True)
        with RawConnection(plain.address) as client:
            with pytest.raises((CutShort, ConnectionResetError)):
                client.ask()

    @pytest.mark.parametrize("sent", [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 5\r\n\r\nhello",
        b"rubbish\r\n\r\n",
    ])
    def test_an_answer_that_is_no_http_is_502(self, plain, sent):
        plain.origin.handler = answering(sent, close=True)
        assert get(plain.address).status == 502

    def test_an_answer_of_one_byte_a_segment(self, plain):
        def slowly(exchange):
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello":
                exchange.send(bytes([byte]))
        plain.origin.handler = slowly
        assert get(plain.address).body == b"hello"

    def test_interim_answers_are_passed_on(self, plain):
        plain.origin.handler = answering(
            b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        answer = get(plain.address)
        assert answer.status == 200 and answer.interim in ((103,), ())

    @OWN
    def test_an_answer_to_an_http_1_0_client_is_not_chunked(self, plain):
        plain.origin.handler = answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        with RawConnection(plain.address) as client:
            client.send("GET / HTTP/1.0\r\nHost: a\r\nAccept: x\r\n\r\n")
            head, _, body = client.rest().partition(b"\r\n\r\n")
            assert b"chunked" not in head.lower() and body == b"hello"


class TestFramingOfRequests:
    @pytest.mark.parametrize("sent, body", [
        (b"POST / HTTP/1.1\r\nHost: a\r\nAccept: x\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nAccept: x\r\nContent-Length: 0\r\n\r\n", b""),
        (b"POST / HTTP/1.1\r\nHost: a\r\nAccept: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", b"hello"),
        (b"PUT / HTTP/1.1\r\nHost: a\r\nAccept: x\r\nTransfer-Encoding: chunked\r\n\r\n5;e=1\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nAccept: x\r\nContent-Length: 2\r\n\r\nhi", b"hi"),
        (b"DELETE / HTTP/1.1\r\nHost: a\r\nAccept: x\r\n\r\n", b""),
    ])
    @pytest.mark.parametrize("slowly", [False, True])
    def test_a_body_arrives_whole(self, plain, sent, body, slowly):
        with RawConnection(plain.address) as client:
            (client.send_slowly if slowly else client.send)(sent)
            assert client.answer().status == 200
            assert plain.origin.wait_received(1)[0].body == body
            assert client.ask().status == 200

    @pytest.mark.parametrize("sent", [
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", marks=OWN),
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /\r\nHost: a\r\n\r\n",
        b"nonsense\r\n\r\n",
    ])
    def test_what_is_no_http_is_400_and_closed_and_reaches_nobody(self, plain, sent):
        with RawConnection(plain.address) as client:
            client.send(sent)
            assert client.answer().status == 400
            assert client.closed()
        assert not plain.origin.received

    @OWN
    @pytest.mark.parametrize("sent", [
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
    ])
    def test_what_is_ambiguous_is_400_too(self, plain, sent):
        with RawConnection(plain.address) as client:
            client.send(sent)
            assert client.answer().status == 400
            assert client.closed()
        assert not plain.origin.received

    def test_pipelined_requests_are_answered_in_order(self, plain):
        plain.origin.handler = lambda exchange: exchange.answer(body=exchange.request.line.split()[1].encode())
        with RawConnection(plain.address) as client:
            client.send(b"".join(request(target=f"/{index}") for index in range(20)))
            assert [client.answer().body for _ in range(20)] == [f"/{index}".encode() for index in range(20)]

    def test_a_thousand_requests_on_one_connection(self, plain):
        with RawConnection(plain.address) as client:
            assert all(client.ask(target=f"/{index}").status == 200 for index in range(1000))
        assert plain.origin.connections < 20, "connections to the server are not kept"

    def test_100_continue_comes_from_the_server_before_the_body(self, plain):
        with RawConnection(plain.address) as client:
            client.send("POST / HTTP/1.1\r\nHost: a\r\nAccept: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            assert client.head().status == 100
            client.send("hello")
            assert client.answer().status == 200
        assert plain.origin.received[0].body == b"hello"

    def test_an_expectation_refused_by_the_server(self, plain):
        def refuse(exchange):
            exchange.answer(417, [("Connection", "close")])
            exchange.close()
        refuse.expects = refuse.reads_itself = True
        plain.origin.handler = refuse
        with RawConnection(plain.address) as client:
            client.send("POST / HTTP/1.1\r\nHost: a\r\nAccept: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            answer = client.answer()
            assert answer.status == 417

    @pytest.mark.parametrize("version, connection, kept", [
        ("HTTP/1.1", None, True), ("HTTP/1.1", "close", False), ("HTTP/1.0", None, False), ("HTTP/1.0", "keep-alive", True)])
    def test_whether_the_connection_is_kept(self, plain, version, connection, kept):
        lines = f"GET / {version}\r\nHost: a\r\nAccept: x\r\n" + (f"Connection: {connection}\r\n" if connection else "")
        with RawConnection(plain.address) as client:
            client.send(lines + "\r\n")
            assert client.answer().body == b"ok"
            if kept:
                client.send(lines + "\r\n")
                assert client.answer().body == b"ok"
            else:
                assert client.closed()


class TestBodies:
    SIZE = 5 * 1024 * 1024

    @pytest.mark.parametrize("chunked", [False, True])
    def test_five_megabytes_to_the_server(self, plain, chunked):
        body = random.Random(1).randbytes(self.SIZE)
        with RawConnection(plain.address) as client:
            if chunked:
                client.send(b"POST / HTTP/1.1\r\nHost: a\r\nAccept: x\r\nTransfer-Encoding: chunked\r\n\r\n")
                for begin in range(0, self.SIZE, 70_001):
                    part = body[begin:begin + 70_001]
                    client.send(b"%x\r\n%b\r\n" % (len(part), part))
                client.send(b"0\r\n\r\n")
            else:
                client.send(request("POST", body=body))
            assert client.answer().status == 200
        assert hashlib.sha256(plain.origin.received[0].body).digest() == hashlib.sha256(body).digest()

    @pytest.mark.parametrize("chunked", [False, True])
    def test_five_megabytes_to_the_client(self, plain, chunked):
        body = random.Random(2).randbytes(self.SIZE)
        framed = (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (self.SIZE, body) if not chunked else
                  b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (self.SIZE, body))
        plain.origin.handler = answering(framed)
        assert hashlib.sha256(get(plain.address).body).digest() == hashlib.sha256(body).digest()

    def test_both_ways_at_once(self, plain):
        """A server that answers while it reads."""
        def echo(exchange):
            exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self.SIZE)
            left = self.SIZE
            while left:
                data = exchange.stream.read1(min(left, 65536))
                if not data:
                    return
                exchange.send(data)
                left -= len(data)
        echo.reads_itself = True
        plain.origin.handler = echo
        body = random.Random(3).randbytes(self.SIZE)
        with RawConnection(plain.address) as client:
            sender = threading.Thread(target=client.send, args=(request("POST", body=body),))
            sender.start()
            answer = client.answer()
            sender.join()
        assert answer.body == body


class TestHeaders:
    def test_order_case_and_number_of_headers_are_kept(self, plain):
        if "haproxy" in plain.nodes:
            pytest.skip("the reference writes names in lower case")
        sent = [("X-One", "1"), ("x-TWO", "2"), ("X-One", "3"), ("Accept-Language", "de,en;q=0.5")]
        get(plain.address, headers=sent)
        names = {name for name, _ in sent}
        assert [pair for pair in plain.origin.received[0].headers if pair[0] in names] == sent

    @pytest.mark.parametrize("name, value", [
        ("Connection", "X-Private"), ("X-Private", "secret"), ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "keep-alive"),
        ("TE", "gzip")])
    @OWN
    def test_hop_by_hop_headers_of_requests_go_no_further(self, plain, name, value):
        headers = [(name, value)] + ([("Connection", "X-Private")] if name == "X-Private" else [])
        with RawConnection(plain.address) as client:
            assert client.ask(headers=headers).status == 200
        arrived = plain.origin.received[0]
        assert value not in arrived.all(name)

    @OWN
    def test_hop_by_hop_headers_of_answers_go_no_further(self, plain):
        plain.origin.handler = lambda exchange: exchange.answer(
            headers=[("Connection", "X-Private"), ("X-Private", "secret"), ("Keep-Alive", "timeout=5"), ("X-Kept", "1")])
        answer = get(plain.address)
        assert not answer.all("X-Private") and not answer.all("Keep-Alive") and answer.all("X-Kept") == ["1"]

    def test_the_clients_address_is_appended_to_x_forwarded_for(self, plain):
        get(plain.address, headers=[("X-Forwarded-For", "192.0.2.1")])
        source = plain.range.map("127.0.9.9")
        with RawConnection(plain.address, source=source) as client:
            client.ask(headers=[("X-Forwarded-For", "192.0.2.1")])
        excepted, appended = (received.all("X-Forwarded-For") for received in plain.origin.wait_received(2))
        assert ", ".join(appended).split(", ") == ["192.0.2.1", source]
        assert ", ".join(excepted) in ("192.0.2.1", f"192.0.2.1, {plain.address[0]}")

    def test_an_excepted_client_is_not_appended(self, plain):
        with RawConnection(plain.address, source="127.0.0.1") as client:
            client.ask(headers=[("X-Forwarded-For", "192.0.2.1")])
        assert plain.origin.received[0].all("X-Forwarded-For") == ["192.0.2.1"]

    def test_via_names_the_node(self, plain):
        get(plain.address, headers=[("Via", "1.1 OP1")])
        hops = ", ".join(plain.origin.received[0].all("Via")).split(", ")
        assert hops in (["1.1 OP1", "1.1 N"], ["1.1 OP1", "1.1 H"])

    @OWN
    @pytest.mark.parametrize("via", ["1.1 N", "1.1 OP1, 1.1 N, 1.1 OP2", "1.0 N (comment)"])
    def test_a_request_that_has_been_here_is_508(self, plain, via):
        assert get(plain.address, headers=[("Via", via)]).status == 508
        assert not plain.origin.received

    @OWN
    def test_a_name_that_only_looks_like_this_node_is_no_loop(self, plain):
        assert get(plain.address, headers=[("Via", "1.1 NN, 1.1 XN, 1.1 n.example")]).status == 200


class TestUpgrade:
    def test_a_tunnel_carries_both_directions_until_an_end_closes(self, plain):
        def tunnel(exchange):
            exchange.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello")
            while data := exchange.socket.recv(4096):
                exchange.send(data.upper())
            exchange.close()
        plain.origin.handler = tunnel
        with RawConnection(plain.address) as client:
            client.send(request(headers=[("Connection", "Upgrade"), ("Upgrade", "echo")]))
            answer = client.answer()
            assert answer.status == 101 and (answer.first("Upgrade") or "") == "echo"
            assert client.exactly(5) == b"hello"
            for word in (b"one", b"two\r\n\r\n"):
                client.send(word)
                assert client.exactly(len(word)) == word.upper()
            client.socket.shutdown(1)
            assert client.closed()
        assert (plain.origin.received[0].first("Upgrade") or "") == "echo"

    def test_an_upgrade_that_the_server_declines_is_an_ordinary_answer(self, plain):
        with RawConnection(plain.address) as client:
            assert client.ask(headers=[("Connection", "Upgrade"), ("Upgrade", "echo")]).body == b"ok"
            assert client.ask().body == b"ok"


class TestLimits:
    @pytest.mark.parametrize("line, status", [
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000 + CRLF * 2, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 150 + CRLF, 431),
        (b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", 413),
    ])
    @OWN
    def test_what_is_too_large_has_its_own_status(self, plain, line, status):
        with RawConnection(plain.address) as client:
            client.send(line)
            assert client.answer().status == status
            assert client.closed()
        assert not plain.origin.received

    @OWN
    def test_fields_named_by_connection_are_bounded(self, plain):
        """Each is looked for among all fields: 16 KB of them would keep a worker for a millisecond."""
        def told(named):
            with RawConnection(plain.address) as client:
                client.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a:\r\n" * 90 + b"Connection: " + b",".join([b"b"] * named) + CRLF * 2)
                return client.answer().status

        assert [told(64), told(65), told(7_000)] == [200, 431, 431]

    @OWN
    @pytest.mark.parametrize("pieces", [1, 2], ids=["with the head", "behind the head"])
    def test_a_chunked_body_beyond_the_limit_is_413_in_one_piece_too(self, node, pieces):
        head, body = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", b"2710\r\n" + b"x" * 10_000 + b"\r\n0\r\n\r\n"
        small = node(limits={"body": "1KiB"})
        with RawConnection(small.address) as client:
            for part in [head + body] if pieces == 1 else [head, body]:
                client.send(part)
            assert client.answer().status == 413
        assert not [received for received in small.origin.received if received.body]

    @OWN
    def test_a_chunked_body_that_grows_too_large_is_413(self, plain):
        part = b"%x\r\n%b\r\n" % (65536, b"x" * 65536)
        with RawConnection(plain.address) as client:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nAccept: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            try:
                for _ in range(200):
                    client.send(part)
            except OSError:
                pass
            try:
                assert client.answer().status == 413
            except (ConnectionResetError, CutShort):
                # What was sent after the answer may have reset the connection before the answer was read.
                assert len(b"".join(received.body for received in plain.origin.received)) <= 6 * 1024 * 1024


class TestTimeouts:
    """The time-outs of harness.single, each with its own answer."""

    @pytest.mark.parametrize("begun", [b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\n"])
    def test_a_head_that_does_not_end_is_408(self, plain, begun):
        with RawConnection(plain.address) as client:
            client.send(begun)
            seconds, answer = elapsed(client.answer)
            assert answer.status == 408 and 0.5 < seconds < 3
            assert client.closed()

    def test_a_head_that_trickles_is_408_too(self, plain):
        with RawConnection(plain.address) as client:
            client.send(b"GET / HTTP/1.1\r\n")
            stopped = threading.Event()

            def trickle():
                while not stopped.wait(0.1):
                    try:
                        client.send(b"X: y\r\n")
                    except OSError:
                        return

            thread = threading.Thread(target=trickle)
            thread.start()
            try:
                assert client.answer().status == 408
            finally:
                stopped.set()
                thread.join()

    def test_a_server_that_does_not_answer_is_504(self, plain):
        released = threading.Event()
        plain.origin.handler = lambda exchange: released.wait(10)
        seconds, answer = elapsed(lambda: get(plain.address, method="POST", body=b"x"))
        released.set()
        assert answer.status == 504 and 0.8 < seconds < 4

    def test_a_server_that_ends_without_an_answer_is_502_for_a_post(self, plain):
        plain.origin.handler = lambda exchange: exchange.close()
        assert get(plain.address, method="POST", body=b"x").status == 502
        assert len(plain.origin.received) == 1, "a request that may have been processed was sent again"

    def test_no_server_is_503(self, plain):
        plain.origin.stop()
        assert get(plain.address).status == 503

    def test_an_idle_connection_is_closed_without_an_answer(self, plain):
        with RawConnection(plain.address) as client:
            client.ask()
            assert client.closed(5)


class TestProxyStatus:
    pytestmark = OWN

    def test_no_server_says_so_in_the_words_of_rfc_9209(self, plain):
        plain.origin.stop()
        answer = get(plain.address)
        assert answer.status == 503
        status = ", ".join(answer.all("Proxy-Status"))
        assert status.startswith("N;") and "error=destination_unavailable" in status.replace(" ", "")

    def test_what_application_servers_say_of_themselves_is_removed(self, plain):
        plain.origin.handler = lambda exchange: exchange.answer(
            503, [("Proxy-Status", "N; error=destination_unavailable")])
        answer = get(plain.address)
        assert answer.status == 503 and not any("destination_unavailable" in value for value in answer.all("Proxy-Status"))
        assert len(plain.origin.received) == 1

    @pytest.mark.parametrize("kept", [None, "SITE=AWAY"])
    def test_an_error_page_of_a_node_binds_nobody_to_its_site(self, node, kept):
        """It comes from no server. The servers' own errors bind, as their users' sessions may be there."""
        director = node(role="site-director", tiers={"HOME": ["A"], "AWAY": ["B"]}, site={"name": "SITE"})
        headers = [("Cookie", kept)] if kept else []
        for origin in director.origins.values():
            origin.handler = lambda exchange, name=origin.name: exchange.answer(
                502, [("Proxy-Status", f"{name}; error=connection_terminated")])
        answer = get(director.address, headers=headers)
        assert answer.status == 502 and not answer.all("Set-Cookie")
        for origin in director.origins.values():
            origin.handler = lambda exchange: exchange.answer(502)
        answer = get(director.address)
        assert answer.status == 502 and answer.all("Set-Cookie") == ["SITE=HOME; path=/"]


@pytest.mark.threads
class TestKeptConnections:
    @staticmethod
    def _die_on_second(single):
        """From now on each kept connection is ended when a second request comes on it, without an answer."""
        seen = set()

        def handler(exchange):
            if exchange.number in seen:
                exchange.close(reset=True)
            else:
                seen.add(exchange.number)
                exchange.answer()
        single.origin.handler = handler

    def test_a_get_that_met_a_connection_just_ended_is_sent_again(self, plain):
        if "haproxy" in plain.nodes:
            pytest.skip("the reference hands the reset on to the client")
        self._die_on_second(plain)
        with RawConnection(plain.address) as client:
            assert [client.ask().status for _ in range(6)] == [200] * 6

    @OWN
    def test_a_post_that_met_a_connection_just_ended_is_not_sent_twice(self, plain):
        self._die_on_second(plain)
        with RawConnection(plain.address) as client:
            assert client.ask().status == 200
            answer = client.ask("POST", headers=[("X-Request-ID", "p1")], body=b"x")
            assert answer.status in (200, 502)
        posts = [received for received in plain.origin.received if received.first("X-Request-ID") == "p1"]
        assert len(posts) == 1

    def test_an_idle_connection_ended_by_the_server_is_not_used(self, plain):
        with RawConnection(plain.address) as client:
            assert client.ask().status == 200
            plain.origin.close_kept()
            waiting.until(lambda: plain.origin.open_connections == 0, "the node closing its end")
            assert client.ask("POST", body=b"x").status == 200

    @OWN
    def test_users_share_kept_connections(self, plain):
        for _ in range(30):
            assert get(plain.address).status == 200
        assert plain.origin.connections < 20


@pytest.mark.threads
class TestStopping:
    def test_sigterm_finishes_what_is_in_flight_and_refuses_what_is_new(self, node):
        single = node(timeouts={"server": "10s"})
        if "haproxy" in single.nodes:
            pytest.skip("the reference stops at once on SIGTERM")
        released = threading.Event()

        def held(exchange):
            released.wait(10)
            exchange.answer(body=b"finished")

        single.origin.handler = held
        clients = [RawConnection(single.address) for _ in range(20)]
        for client in clients:
            client.send(request("POST", body=b"x"))
        single.origin.wait_received(20)
        single.nodes["geodirector"].terminate()
        waiting.until(lambda: not waiting.listens(single.address), "new connections being refused")
        released.set()
        assert [client.answer().body for client in clients] == [b"finished"] * 20
        assert single.nodes["geodirector"].wait_exit() == 0
        for client in clients:
            client.socket.close()

    def test_answers_after_a_soft_stop_ask_the_client_to_leave(self, plain):
        if "haproxy" in plain.nodes:
            pytest.skip("the reference closes its listener at once")
        with RawConnection(plain.address) as client:
            assert "close" not in (client.ask().first("Connection") or "")
            plain.nodes["geodirector"].soft_stop()

            def leaving():
                with RawConnection(plain.address) as other:
                    return "close" in (other.ask().first("Connection") or "").lower()

            waiting.until(leaving, "answers with Connection: close")
        plain.nodes["geodirector"].wait_exit(40)
