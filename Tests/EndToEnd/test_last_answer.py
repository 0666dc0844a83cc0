"""The last answer of a connection reaches its client whole, whatever the client sends meanwhile: a connection ends in stages (RFC 9112
section 9.6), as what arrives behind its end is answered by a reset that takes the answer with it."""

import fcntl
import socket
import struct
import termios
import time

import pytest

from harness import waiting
from harness.raw import RawConnection
from harness.secure_balancer import SecureBalancer
from harness.single import Single
from harness.tcp import node_side

pytestmark = [pytest.mark.own, pytest.mark.timeout(90)]

# More than a client with little room takes at once, and not more than the kernel takes from the node.
ANSWER = bytes(range(256)) * 2_400
ROOM = 8_192


def large(exchange):
    """Answers when the request is read; a connection that is upgraded gets as much, and its end."""
    if not exchange.request.first("Upgrade"):
        return exchange.answer(body=ANSWER)
    exchange.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
    exchange.send(ANSWER)
    # A close with all of it acknowledged is an end in order.
    waiting.until(lambda: unacknowledged(exchange.socket) == 0, "the node to take it")
    exchange.keep = False


def unacknowledged(connection) -> int:
    return struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4))[0]


def has_ended_its_side(address, client) -> bool:
    """Whether the node has said to the client that nothing more follows: its side of the connection is in FIN-WAIT-1."""
    return (node_side(address, client) or ("",))[0] == "04"


@pytest.fixture
def node(request, tmp_path):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with Single(tmp_path, names=("A",), limits={"body": 1_000}, timeouts={"client": "5s"}) as single:
        single.origins["A"].handler = large
        single.address = single.geodirector()
        yield single


def reader(address, asked: bytes, context=None) -> RawConnection:
    """A client with little room, which has asked and has not begun to read."""
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
    small.settimeout(20)
    small.connect(address)
    connection = RawConnection.of(context.wrap_socket(small, server_hostname="shop.example") if context else small)
    connection.send(asked)
    return connection


def is_over(single) -> bool:
    """All of the answer is with the kernel: its line is in the log."""
    return bool(single.nodes["geodirector"].log_lines())


def reads_all(connection) -> bytes:
    """To the end, which has to be one."""
    read = connection.buffer
    while piece := connection.socket.recv(65_536):
        read += piece
    return read


LAST = {
    "asked to close": b"GET / HTTP/1.1\r\nHost: a\r\nAccept: a\r\nConnection: close\r\n\r\n",
    "HTTP/1.0": b"GET / HTTP/1.0\r\nHost: a\r\nAccept: a\r\n\r\n",
    "a body with a line behind it": b"POST / HTTP/1.1\r\nHost: a\r\nAccept: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi\r\n",
}


@pytest.mark.parametrize("asked", LAST.values(), ids=LAST)
@pytest.mark.parametrize("more", [b"\r\n", b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"], ids=["a line", "a request"])
def test_what_comes_behind_the_last_request_takes_nothing_of_its_answer(node, asked, more):
    with reader(node.address, asked) as connection:
        waiting.until(lambda: is_over(node), "the answer with the kernel")
        connection.send(more)
        head, body = reads_all(connection).split(b"\r\n\r\n", 1)
        assert b" 200 " in head and body == ANSWER
    assert len(node.nodes["geodirector"].log_lines()) == 1


def test_what_comes_behind_the_last_request_takes_nothing_of_its_answer_by_tls(tmp_path, authority):
    with SecureBalancer(tmp_path, str(authority.issue("shop.example"))) as single:
        single.origins["A"].handler = single.origins["B"].handler = large
        single.run()
        with reader(single.address, LAST["asked to close"], authority.client()) as connection:
            waiting.until(lambda: is_over(single), "the answer with the kernel")
            connection.send(b"\r\n")
            head, body = reads_all(connection).split(b"\r\n\r\n", 1)
            assert b" 200 " in head and body == ANSWER


def test_who_goes_on_with_its_body_for_seconds_has_the_answer_that_came_before_it_whole(node):
    def early(exchange):
        exchange.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(ANSWER)}\r\n\r\n".encode() + ANSWER)

    early.reads_itself = True
    node.origins["A"].handler = early
    with reader(node.address, b"POST / HTTP/1.1\r\nHost: a\r\nAccept: a\r\nContent-Length: 900\r\n\r\n") as connection:
        waiting.until(lambda: is_over(node), "the answer with the kernel")
        begin = time.monotonic()
        # Longer than anybody lingers who has taken all.
        while time.monotonic() - begin < 3:
            connection.send(b"x")
            waiting.until(lambda end=time.monotonic() + 0.1: time.monotonic() > end, "the client's next step")
        assert reads_all(connection).endswith(ANSWER)


def test_who_sends_all_of_a_body_before_it_reads_learns_that_it_was_too_large(node):
    with RawConnection(node.address) as connection:
        connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nAccept: a\r\nContent-Length: 50000000\r\n\r\n")
        for _ in range(50):
            connection.send(b"x" * 1_000_000)
        assert connection.answer().status == 413
        assert connection.socket.recv(1) == b""


def test_who_takes_nothing_of_its_last_answer_is_given_up_after_the_time_out(node):
    with reader(node.address, LAST["asked to close"]) as connection:
        waiting.until(lambda: is_over(node), "the answer with the kernel")
        connection.send(b"\r\n")

        def is_reset():
            # The error of the socket, without reading.
            return connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0

        begin = time.monotonic()
        waiting.until(is_reset, "the reset")
        assert time.monotonic() - begin > 4


def test_a_tunnels_end_reaches_a_slow_client_that_goes_on_sending(node):
    asked = b"GET / HTTP/1.1\r\nHost: a\r\nAccept: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
    with reader(node.address, asked) as connection:
        waiting.until(lambda: has_ended_its_side(node.address, connection.socket.getsockname()), "all of it and its end on the way")

        def pings_until_the_tunnel_is_over():
            connection.send(b"ping")
            return is_over(node)

        waiting.until(pings_until_the_tunnel_is_over, "the end of the tunnel")
        connection.send(b"ping")
        assert reads_all(connection).endswith(ANSWER)


def test_a_limit_on_bodies_counts_what_is_in_chunks_and_not_their_framing(node):
    def post(count: int):
        with RawConnection(node.address) as connection:
            connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nAccept: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            connection.send(b"1\r\nx\r\n" * count + b"0\r\n\r\n")
            return connection.answer().status

    assert post(1_000) == 200 and post(1_001) == 413
