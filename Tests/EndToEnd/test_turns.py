"""Long bodies take turns with everybody else: who uploads as fast as the server takes it does not keep other users waiting."""

import multiprocessing
import socket
import statistics
import threading
import time

import pytest

from harness.raw import RawConnection
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.timeout(120)]
PATIENT = {"request": "20s", "keep-alive": "20s", "client": "20s", "server": "20s"}
LENGTH = 1 << 36
SECONDS = 1.5


def serve(address, ready):
    """A server in a process of its own: swallows what it is sent, sends what it is asked for, as fast as it goes."""
    listener = socket.create_server(address, backlog=64)
    ready.set()

    def one(connection):
        memory, waiting = bytearray(1 << 20), b""
        try:
            while True:
                while b"\r\n\r\n" not in waiting:
                    received = connection.recv(65536)
                    if not received:
                        return
                    waiting += received
                head, _, rest = waiting.partition(b"\r\n\r\n")
                waiting, left = b"", -len(rest)
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        left += int(line[15:])
                while left > 0:
                    count = connection.recv_into(memory, min(left, len(memory)))
                    if not count:
                        return
                    left -= count
                if head.startswith(b"GET /down"):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LENGTH)
                    while True:
                        connection.sendall(memory)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except OSError:
            return

    while True:
        connection, _ = listener.accept()
        threading.Thread(target=one, args=(connection,), daemon=True).start()


def transfer(address, kind, seconds, moved):
    memory = bytearray(1 << 20)
    with socket.create_connection(address) as connection:
        connection.settimeout(5)
        if kind == "up":
            connection.sendall(b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % LENGTH)
        else:
            connection.sendall(b"GET /down HTTP/1.1\r\nHost: a\r\n\r\n")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            moved.value += connection.send(memory) if kind == "up" else connection.recv_into(memory)


@pytest.fixture
def single(request, tmp_path):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with Single(tmp_path, names=("A",), checked=False, limits={"body": "512GiB"}, timeouts=PATIENT) as single:
        single.origins.pop("A").stop()
        ready = multiprocessing.Event()
        server = multiprocessing.Process(target=serve, args=(single.at["A"], ready), daemon=True)
        server.start()
        assert ready.wait(10)
        single.workers = 1
        try:
            single.address = single.geodirector()
            yield single
        finally:
            server.kill()
            server.join()


def slowest_tenth(address, kind) -> float:
    """The ninth decile of the time of small requests, in seconds, beside three transfers of this kind."""
    moved = [multiprocessing.Value("Q", 0, lock=False) for _ in range(3)]
    # They go on until they are killed below; a minute is for when nobody is there any more to do it.
    transfers = [multiprocessing.Process(target=transfer, args=(address, kind, 60, each), daemon=True) for each in moved]
    for process in transfers:
        process.start()
    times = []
    try:
        with RawConnection(address) as user:
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                began = time.monotonic()
                user.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert user.answer().status == 200
                times.append(time.monotonic() - began)
        counts = [each.value for each in moved]
        assert all(process.is_alive() for process in transfers) and min(counts) > 16 << 20, f"a transfer broke or stands still: {counts}"
    finally:
        for process in transfers:
            process.kill()
            process.join()
    return sorted(times)[len(times) * 9 // 10]


def test_uploads_keep_nobody_waiting_longer_than_downloads_do(single):
    taken = {"up": [], "down": []}
    for _ in range(3):
        for kind in taken:
            taken[kind].append(slowest_tenth(single.address, kind))
    up, down = (statistics.median(taken[kind]) for kind in ("up", "down"))
    print({kind: [f"{seconds * 1000:.1f} ms" for seconds in values] for kind, values in taken.items()})
    assert up < 2 * down + 0.010, taken
