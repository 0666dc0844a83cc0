"""Clients that send a body, or take an answer, a little at a time: the slow are served, those below the least rate are ended."""

import contextlib
import socket
import time

import pytest

from harness import sanitizer, waiting
from harness.namespaces import lone
from harness.raw import RawConnection
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.timeout(60)]

CLIENT_SECONDS = 1.0
TIMEOUTS = {"client": f"{CLIENT_SECONDS:g}s", "server": "20s", "request": "20s", "keep-alive": "20s"}
# Between two pieces: well within the time-out for silence.
STEP_SECONDS = 0.1
# A trickler has the patience of one time-out, and what its bytes give back.
BOUND_SECONDS = 5 * CLIENT_SECONDS
ANSWER = b"a" * 16_000_000
# In so many of it.
SIZES = {"/large": 1, "/huge": 5}


@pytest.fixture
def node(request, tmp_path):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with contextlib.ExitStack() as stack:

        def starter(workers=1, **limits):
            single = stack.enter_context(Single(tmp_path, names=("A",), timeouts=TIMEOUTS, limits=limits))
            single.workers = workers
            single.origins["A"].handler = lambda exchange: exchange.answer(
                body=ANSWER * SIZES[target] if (target := exchange.request.line.split()[1]) in SIZES else exchange.request.body)
            single.address = single.geodirector()
            return single

        yield starter


def post(length: int | None) -> bytes:
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return f"POST / HTTP/1.1\r\nHost: a\r\nAccept: a\r\n{framing}\r\n\r\n".encode()


def trickle(connection: RawConnection, piece: bytes, seconds: float, pause: float = STEP_SECONDS) -> float | None:
    """Sends `piece` again and again; after how long the other side said or ended something, None: it did not in that time."""
    begin = time.monotonic()
    connection.socket.settimeout(pause)
    while time.monotonic() - begin < seconds:
        with contextlib.suppress(OSError):
            connection.send(piece)
        try:
            connection._more()
            return time.monotonic() - begin
        except TimeoutError:
            pass
        except OSError:
            return time.monotonic() - begin
    return None


@pytest.mark.parametrize("length, piece", [(100_000, b"x"), (None, b"1\r\nx\r\n"), (None, b"0")],
                         ids=["Content-Length", "chunks of a byte", "a chunk size without an end"])
def test_a_body_below_the_least_rate_is_ended_with_408(node, length, piece):
    single = node(**{"upload-rate": 1000})
    with RawConnection(single.address) as connection:
        connection.send(post(length))
        ended = trickle(connection, piece, BOUND_SECONDS * sanitizer.slower())
        assert ended is not None and ended > CLIENT_SECONDS / 2, f"ended after {ended} s"
        connection.socket.settimeout(5)
        assert connection.answer().status == 408
    waiting.until(lambda: any(" 408 " in line and " cD" in line for line in single.nodes["geodirector"].log_lines()),
                  "the line in the log")


def test_by_default_a_byte_at_a_time_is_not_enough_and_a_kilobyte_a_second_is(node):
    single = node()
    with RawConnection(single.address) as trickler:
        trickler.send(post(2_000))
        assert trickle(trickler, b"x", BOUND_SECONDS * sanitizer.slower()) is not None
    with RawConnection(single.address) as slow:
        slow.send(post(2_000))
        for _ in range(20):
            slow.send(b"x" * 100)
            assert trickle(slow, b"", STEP_SECONDS) is None or slow.buffer
        slow.socket.settimeout(5)
        assert slow.answer().body == b"x" * 2_000


def test_pauses_within_the_time_out_are_forgiven_to_who_is_fast_otherwise(node):
    single = node(**{"upload-rate": 1000})
    with RawConnection(single.address) as connection:
        connection.send(post(5_000))
        for _ in range(5):
            # 1,000 bytes in 0.7 s, with nothing at all in between.
            assert trickle(connection, b"", 0.7 * CLIENT_SECONDS, 0.7 * CLIENT_SECONDS) is None
            connection.send(b"x" * 1_000)
        connection.socket.settimeout(5)
        assert connection.answer().status == 200


def test_silence_is_ended_after_the_time_out_whatever_was_sent_before(node):
    single = node()
    with RawConnection(single.address) as connection:
        connection.send(post(100_000) + b"x" * 90_000)
        begin = time.monotonic()
        assert connection.answer().status == 408
        assert CLIENT_SECONDS * 0.9 < time.monotonic() - begin < BOUND_SECONDS * sanitizer.slower()


def test_without_a_least_rate_a_byte_at_a_time_goes_on(node):
    single = node(**{"upload-rate": 0})
    with RawConnection(single.address) as connection:
        connection.send(post(100_000))
        assert trickle(connection, b"x", 3 * CLIENT_SECONDS) is None


def test_the_time_a_server_takes_is_not_the_clients(node):
    single = node(**{"upload-rate": 100_000})

    def slow_reader(exchange):
        length = int(exchange.request.first("Content-Length"))
        while length > 0:
            length -= len(exchange.stream.read1(min(length, 100_000)))
            waiting.until(lambda end=time.monotonic() + 0.02: time.monotonic() > end, "the reader's pause")
        exchange.answer()

    slow_reader.reads_itself = True
    single.origins["A"].handler = slow_reader
    with RawConnection(single.address, 30) as connection:
        connection.send(post(6_000_000) + b"x" * 6_000_000)
        assert connection.answer().status == 200


def take(connection: RawConnection, size: int, seconds: float) -> tuple[int, bool]:
    """Reads up to `size` bytes a step; how many bytes came, and whether the connection was reset meanwhile."""
    begin, taken = time.monotonic(), 0
    while time.monotonic() - begin < seconds:
        try:
            taken += len(connection.socket.recv(size))
        except ConnectionResetError:
            return taken, True
        waiting.until(lambda end=time.monotonic() + STEP_SECONDS: time.monotonic() > end, "the reader's next step")
    return taken, False


def reader(single, asked=b"GET /large HTTP/1.1\r\nHost: a\r\nAccept: a\r\n\r\n", room=8_192) -> RawConnection:
    """A client with little room of its own, that has asked for much."""
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    small.settimeout(10)
    small.connect(single.address)
    connection = RawConnection.of(small)
    connection.send(asked)
    return connection


def ends_as_the_clients_fault(single, seconds=BOUND_SECONDS) -> bool:
    """Whether the log tells within the time that the client was given up in the middle of the answer."""
    try:
        waiting.until(lambda: single.nodes["geodirector"].log_lines(), "the line in the log", seconds)
    except AssertionError:
        return False
    (line,) = single.nodes["geodirector"].log_lines()
    assert " cD" in line, line
    return True


def test_an_answer_taken_below_the_least_rate_is_reset(node):
    single = node(**{"download-rate": "1MiB"})
    with reader(single) as connection:
        taken, is_reset = take(connection, 2_000, 4 * BOUND_SECONDS * sanitizer.slower())
        assert is_reset and 0 < taken < len(ANSWER)
    waiting.until(lambda: any(" cD" in line for line in single.nodes["geodirector"].log_lines()), "the line in the log")


@pytest.mark.parametrize("rate", [100, 0])
def test_a_reader_that_is_slow_but_not_too_slow_is_served_although_the_kernels_buffers_are_full(node, rate):
    single = node(**{"download-rate": rate})
    with reader(single) as connection:
        taken, is_reset = take(connection, 4_000, 4 * CLIENT_SECONDS)
        assert not is_reset and taken > 50_000, taken


def test_a_reader_above_a_high_least_rate_is_served_however_little_the_kernel_takes_at_a_time(node):
    """The kernel asks for more when a megabyte of its buffer is free, and then takes 33 KiB at once: worth 8 ms of patience at this rate.
    It is what the client took during the wait that counts; else its patience would be gone after a few such waits."""
    single = node(**{"download-rate": "4MiB"})
    with RawConnection(single.address, 10) as connection:
        connection.send(b"GET /huge HTTP/1.1\r\nHost: a\r\nAccept: a\r\n\r\n")
        taken, is_reset = take(connection, int(10_000_000 * STEP_SECONDS), 6 * CLIENT_SECONDS)
        assert not is_reset and taken > 6 * CLIENT_SECONDS * 4_500_000, taken


def test_a_reader_that_takes_nothing_is_reset_after_the_time_out(node):
    single = node(**{"download-rate": 0})
    with reader(single) as connection:
        begin = time.monotonic()
        waiting.until(lambda: any(" cD" in line for line in single.nodes["geodirector"].log_lines()), "the line in the log")
        assert time.monotonic() - begin < BOUND_SECONDS * sanitizer.slower()
        with pytest.raises(ConnectionResetError):
            while connection.socket.recv(1_000_000):
                pass


def answers_early(body: bytes, length: int | None = None):
    """An origin's handler that answers before it has read the request's body; the rest of an answer of `length` comes when it has."""
    def handler(exchange):
        exchange.send(f"HTTP/1.1 200 OK\r\nContent-Length: {length or len(body)}\r\n\r\n".encode() + body)
        if length:
            exchange.stream.read(int(exchange.request.first("Content-Length")))
            exchange.send(b"b" * (length - len(body)))

    handler.reads_itself = True
    return handler


def test_who_takes_nothing_of_the_answer_is_ended_although_its_body_trickles_in(node):
    single = node(**{"upload-rate": 1000, "download-rate": 1000})
    single.origins["A"].handler = answers_early(ANSWER)
    with reader(single, post(100_000)) as connection:
        end = time.monotonic() + BOUND_SECONDS * sanitizer.slower()
        while not single.nodes["geodirector"].log_lines():
            assert time.monotonic() < end, "still waited for"
            with contextlib.suppress(OSError):
                connection.send(b"x")
            waiting.until(lambda end=time.monotonic() + STEP_SECONDS: time.monotonic() > end, "the client's next step")
        assert ends_as_the_clients_fault(single)


def test_a_body_goes_on_being_waited_for_when_the_answer_before_it_was_taken(node):
    single = node(**{"download-rate": 0})
    single.origins["A"].handler = answers_early(ANSWER[:5_000_000], 5_000_100)
    with reader(single, post(1_000)) as connection:
        # The answer waits for its reader first, then the server for the body.
        connection.exactly(5_000_000)
        begin = time.monotonic()
        assert ends_as_the_clients_fault(single, BOUND_SECONDS * sanitizer.slower())
        assert time.monotonic() - begin > CLIENT_SECONDS / 2
    single.nodes["geodirector"].out.write_text("")
    with reader(single, post(1_000)) as connection:
        connection.exactly(5_000_000)
        connection.send(b"x" * 1_000)
        connection.socket.settimeout(10)
        assert b"b" * 100 in connection.exactly(100 + len(connection.buffer))


def test_a_body_that_stops_is_the_clients_silence_also_when_the_answer_has_begun(node):
    single = node()
    single.origins["A"].handler = answers_early(b"0123456789", 100)
    with RawConnection(single.address) as connection:
        connection.send(post(100) + b"abc")
        begin = time.monotonic()
        assert ends_as_the_clients_fault(single, BOUND_SECONDS * sanitizer.slower())
        assert time.monotonic() - begin > CLIENT_SECONDS / 2


def test_a_body_that_stops_is_the_clients_silence_also_when_the_request_is_sent_again(node):
    single = node()
    assert RawConnection(single.address).ask().status == 200

    def breaks_first(exchange):
        if exchange.number == 0:
            exchange.stream.read(3)
            return exchange.close()
        exchange.stream.read(100)

    breaks_first.reads_itself = True
    single.origins["A"].handler = breaks_first
    with RawConnection(single.address) as connection:
        connection.send(b"PUT" + post(100)[4:] + b"abc")
        begin = time.monotonic()
        connection.socket.settimeout(BOUND_SECONDS * sanitizer.slower())
        assert connection.answer().status == 408
        assert time.monotonic() - begin > CLIENT_SECONDS / 2
    waiting.until(lambda: any(" 408 " in line and " cD" in line for line in single.nodes["geodirector"].log_lines()),
                  "the line in the log")


def test_a_client_that_takes_an_answer_is_given_the_time_for_its_body(node):
    single = node()
    pieces = 4 * round(CLIENT_SECONDS / STEP_SECONDS)

    def streams(exchange):
        exchange.send(f"HTTP/1.1 200 OK\r\nContent-Length: {pieces * 1_000}\r\n\r\n".encode())
        for _ in range(pieces):
            exchange.send(b"a" * 1_000)
            waiting.until(lambda end=time.monotonic() + STEP_SECONDS: time.monotonic() > end, "the server's next piece")

    streams.reads_itself = True
    single.origins["A"].handler = streams
    with RawConnection(single.address, 20) as connection:
        connection.send(post(100) + b"abc")
        assert len(connection.answer().body) == pieces * 1_000


def test_an_answer_behind_an_interim_one_that_is_not_taken_waits_for_the_client(request, tmp_path):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with contextlib.ExitStack() as stack:
        space = stack.enter_context(lone("pace"))

        def narrow():
            with open("/proc/sys/net/ipv4/tcp_wmem", "w") as file:
                file.write("4096 4096 4096")

        # So little room that a few interim heads fill it.
        space.call(narrow)
        single = Single(tmp_path, names=("A",), timeouts=TIMEOUTS)
        single.space = single.namespace = space
        space.call(lambda: stack.enter_context(single))
        single.address = single.geodirector()
        interim = b"HTTP/1.1 103 Early Hints\r\n" + b"".join(b"Link: </%s>\r\n" % (b"x" * 1_000) for _ in range(12)) + b"\r\n"

        def hints(exchange):
            # Those that come while one is on its way are left out.
            for _ in range(4):
                exchange.send(interim)
                waiting.until(lambda end=time.monotonic() + 0.05: time.monotonic() > end, "the next interim answer")
            exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nx")
            waiting.until(single.nodes["geodirector"].log_lines, "the end of the request")

        single.origins["A"].handler = hints
        with space.call(lambda: reader(single, room=2_048)):
            assert ends_as_the_clients_fault(single, BOUND_SECONDS * sanitizer.slower())
