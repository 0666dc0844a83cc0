"""How a relay's connection ends: what a side sent before its end or its cut comes first, whole, also to who reads slowly."""

import contextlib
import fcntl
import hashlib
import random
import socket
import struct
import termios
import threading
import time

import pytest

from harness import waiting
from harness.certificates import Authority
from harness.tcp import reset
from test_relay import Bed
from test_relay_tls import Pipe, lines

pytestmark = [pytest.mark.own, pytest.mark.timeout(180)]

DATA = random.Random(6).randbytes(6 << 20)
#: Of a reader's socket: little, so that what is on its way stays in the relay.
WINDOW = 16 << 10
PIECE = 64 << 10
#: What a reader leaves unread until the other side has gone, unless the relay cannot hold as much.
LEFT = 256 << 10


@pytest.fixture
def bed(request, tmp_path):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with Bed(tmp_path) as bed:
        yield bed


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def unacknowledged(connection) -> int:
    return struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4))[0]


class Plain:
    """A connection without TLS, with the operations of a `Pipe`."""

    def __init__(self, plain):
        self.plain = plain

    def send(self, data):
        self.plain.sendall(data)

    def end(self):
        self.plain.shutdown(socket.SHUT_WR)

    def some(self, count):
        return self.plain.recv(count)

    def read(self):
        pieces = []
        try:
            while piece := self.plain.recv(1 << 16):
                pieces.append(piece)
        except ConnectionResetError:
            return b"".join(pieces), "reset"
        return b"".join(pieces), "whole"


class Secure(Pipe):
    def some(self, count):
        return self._go(self.tls.read, count)


class Line(contextlib.AbstractContextManager):
    """A relay between a client and a server, each with TLS or without: both ends in the test's hands."""

    def __init__(self, bed, authority, client: bool, server: bool, reader: str, **more):
        self.bed, self._ends, self._made = bed, {}, threading.Event()
        context = authority.server(authority.issue("s.example")) if server else None

        def serve(connection):
            self._ends["server"] = Secure(connection, context, is_server=True) if server else Plain(connection)
            self._made.set()
            self._over.wait()

        self._over = threading.Event()
        bed.server("127.1.1.10", 3389, serve, receive_buffer=WINDOW if reader == "server" else 0)
        target = {"name": "S", "host": "127.1.1.10"} | ({"tls": {"name": "s.example"}} if server else {})
        listen = {"address": "127.1.1.1:3389"} | ({"tls": str(authority.issue("shop.example"))} if client else {})
        bed.start(listen=[listen], servers=[target], upstream={"tls": {"ca": str(authority.path)}}, **more)
        plain = bed.stack.enter_context(socket.socket())
        plain.settimeout(60)
        if reader == "client":
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
        plain.connect(bed.at("127.1.1.1", 3389))
        self.client = Secure(plain, authority.client(), "shop.example") if client else Plain(plain)
        assert self._made.wait(30), "the server was reached"
        self.server = self._ends["server"]

    def __exit__(self, *_):
        self._over.set()

    def fill(self, sender, reader) -> bytes:
        """Sends DATA; what is read of it meanwhile is no more than the sender needs to get rid of it all."""
        sent, begun = threading.Event(), []

        def send():
            sender.send(DATA)
            waiting.until(lambda: unacknowledged(sender.plain) == 0, "all of it with the relay", seconds=60)
            sent.set()

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        count = 0
        while not sent.wait(0 if count < len(DATA) - LEFT else 1):
            begun.append(reader.some(PIECE))
            count += len(begun[-1])
        thread.join()
        return b"".join(begun)


class TestWhatCameBefore:
    @pytest.mark.parametrize("towards", ["client", "server"])
    @pytest.mark.parametrize("client", [False, True], ids=["plain", "tls"])
    @pytest.mark.parametrize("server", [False, True], ids=["to-plain", "to-tls"])
    @pytest.mark.parametrize("way", ["end", "reset", "truncated"])
    def test_comes_first(self, bed, authority, towards, client, server, way):
        with Line(bed, authority, client, server, towards) as line:
            sender, reader = (line.server, line.client) if towards == "client" else (line.client, line.server)
            if way == "truncated" and isinstance(sender, Plain):
                pytest.skip("without TLS that is an end")
            got = line.fill(sender, reader)
            {"end": sender.end, "reset": lambda: reset(sender.plain), "truncated": lambda: sender.plain.shutdown(socket.SHUT_WR)}[way]()
            assert len(got) < len(DATA), "something was on its way"
            rest, how = reader.read()
            assert hashlib.sha256(got + rest).hexdigest() == hashlib.sha256(DATA).hexdigest(), f"{len(got)} + {len(rest)} of {len(DATA)}"
            assert how == ("whole" if way == "end" else "cut short" if isinstance(reader, Pipe) else "reset")
            if way != "end":
                assert lines(bed, 1)[0]["end"] == ("SD" if towards == "client" else "CD")
                waiting.until(lambda: bed.status()["clients"] == 0, "the connection gone")

    @pytest.mark.parametrize("towards", ["client", "server"])
    @pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
    def test_comes_first_where_the_reader_goes_on_sending(self, bed, authority, towards, secure):
        """The relay learns of the cut by a send that fails."""
        with Line(bed, authority, secure, secure, towards) as line:
            sender, reader = (line.server, line.client) if towards == "client" else (line.client, line.server)
            got = line.fill(sender, reader)
            reset(sender.plain)
            with contextlib.suppress(OSError):
                for _ in range(100):
                    reader.send(b"x" * 1000)
            rest, how = reader.read()
            assert hashlib.sha256(got + rest).hexdigest() == hashlib.sha256(DATA).hexdigest(), f"{len(got)} + {len(rest)} of {len(DATA)}"
            assert how in ("cut short", "reset")
            waiting.until(lambda: bed.status()["clients"] == 0, "the connection gone")

    def test_comes_first_where_the_time_is_up(self, bed, authority):
        with Line(bed, authority, False, False, "client", timeouts={"tunnel": "1s"}) as line:
            got = [line.fill(line.server, line.client)]
            began = time.monotonic()
            with contextlib.suppress(ConnectionResetError):
                # Slower than the relay's time, but never still.
                while piece := line.client.some(8 << 10):
                    got.append(piece)
                    if time.monotonic() - began < 3:
                        time.sleep(0.05)
            assert b"".join(got) == DATA
            assert time.monotonic() - began > 1, "it took longer than the time"
            assert lines(bed, 1)[0]["end"] in ("sD", "cD")

    def test_who_takes_nothing_more_is_not_waited_for_without_end(self, bed, authority):
        with Line(bed, authority, False, False, "client", scale=0.05) as line:
            line.fill(line.server, line.client)
            reset(line.server.plain)
            # 30 s, twenty times as fast.
            waiting.until(lambda: bed.status()["clients"] == 0, "the connection given up", seconds=20)
            assert line.client.read()[1] == "reset"
