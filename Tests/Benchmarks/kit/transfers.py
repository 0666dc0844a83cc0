"""CPU per GiB: large answers and uploads. The same amount for everybody, so that time has no part in it."""

import contextlib
import socket
import threading
from typing import NamedTuple

from . import peers
from .requests import check_same_job, origin
from .row import Bench, Row, Told, by_turns, median, ratio, services

MIB = 2 ** 20
CONNECTIONS = 4


class Cost(NamedTuple):
    user: float
    system: float
    total: float


def _head(connection, buffer: memoryview) -> tuple[int, int]:
    """Content-Length of the answer whose head is read, and how much of the body came with it."""
    filled = 0
    while (end := bytes(buffer[:filled]).find(b"\r\n\r\n")) < 0:
        count = connection.recv_into(buffer[filled:8192])
        assert count, "the connection ended within a head"
        filled += count
    head = bytes(buffer[:end]).lower()
    assert head.startswith(b"http/1.1 200"), head
    return int(head.partition(b"content-length:")[2].split(b"\r\n")[0]), filled - end - 4


def _client(address, request: bytes, body: memoryview, requests: int, errors: list):
    try:
        buffer = memoryview(bytearray(4 * MIB // 8))
        with socket.create_connection(address, timeout=60) as connection:
            for _ in range(requests):
                connection.sendall(request)
                if len(body):
                    connection.sendall(body)
                length, have = _head(connection, buffer)
                while have < length:
                    count = connection.recv_into(buffer)
                    assert count, "an answer was cut short"
                    have += count
    except (OSError, AssertionError) as error:
        errors.append(error)


def _transfer(peer: peers.Peer, request: bytes, body: memoryview, requests: int, size: int) -> Cost:
    before, errors = peer.cpu(), []
    threads = [threading.Thread(target=_client, args=(peer.address, request, body, max(1, requests // CONNECTIONS), errors))
               for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise SystemExit(f"{peer.name}: {errors[0]!r}")
    moved = max(1, requests // CONNECTIONS) * CONNECTIONS * size / 2 ** 30
    user, system = ((now - then) * 1e3 / moved for now, then in zip(peer.cpu(), before))
    return Cost(user, system, user + system)


class Sink(contextlib.AbstractContextManager):
    """A server that reads all of a body before it answers; the answer to anything is 1 KB, as everywhere here."""

    def __init__(self, address):
        self._listener = socket.create_server(address, backlog=64)

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, connection):
        buffer = bytearray(MIB // 2)
        with connection, contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                filled = b""
                while b"\r\n\r\n" not in filled:
                    some = connection.recv(65536)
                    if not some:
                        return
                    filled += some
                head, _, rest = filled.partition(b"\r\n\r\n")
                length = int((head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or b"0"))
                left = length - len(rest)
                while left > 0:
                    left -= connection.recv_into(buffer, min(left, len(buffer))) or left
                body = b"" if head.startswith(b"HEAD") else b"x" * 1024
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n" + body)
                if head.split(b"\r\n")[0].endswith(b"1.0"):
                    return


def _measure(bench: Bench) -> Told:
    rounds, amount = (1, 128 * MIB) if bench.short else (5, 2 ** 31)
    files = bench.folder / "files"
    files.mkdir(exist_ok=True)
    for name, size in (("1m", MIB), ("64m", 64 * MIB)):
        (files / name).write_bytes(bytes(size))
    common = b" HTTP/1.1\r\nHost: shop.example\r\nCookie: SITE=SITE1\r\n"
    cases = {
        "1 MiB answers": (b"GET /files/1m" + common + b"\r\n", 0, MIB),
        "64 MiB answers": (b"GET /files/64m" + common + b"\r\n", 0, 64 * MIB),
        "16 MiB uploads": (b"POST /upload" + common + b"Content-Length: %d\r\n\r\n" % (16 * MIB), 16 * MIB, 16 * MIB),
    }
    rows, aims = [], []
    for case, (request, upload, size) in cases.items():
        with contextlib.ExitStack() as stack:
            if upload:
                servers = {name: bench.address() for name in ("S1L1", "S1L2")}
                for address in servers.values():
                    stack.enter_context(Sink(address))
            else:
                servers = stack.enter_context(origin(bench, f"transfer-origin-{size}"))
            made = {name: peers.director(bench, name, servers, tag=f"-{case.replace(' ', '-')}") for name in peers.NAMES}
            stack.enter_context(services(process for peer in made.values() for process in peer.processes))
            for peer in made.values():
                check_same_job(peer, ["SITE=SITE1"])
            body = memoryview(bytes(upload))
            taken = by_turns(rounds, peers.NAMES,
                             lambda name: _transfer(made[name], request, body, max(CONNECTIONS, amount // size), size), case)
        reference = median(taken["HAProxy"], "total")
        for name in peers.NAMES:
            total = median(taken[name], "total")
            rows.append([case, name, f"{median(taken[name], 'user'):.0f}", f"{median(taken[name], 'system'):.0f}", f"{total:.0f}",
                         "" if name == "HAProxy" else ratio(total, reference)])
        aims.append((f"CPU per GiB, {case}", 1.0, median(taken["geodirector"], "total") / reference if reference else float("nan")))
    return Told(["case", "proxy", "user ms/GiB", "system ms/GiB", "total ms/GiB", "ratio to HAProxy"], rows, aims)


ROW = Row("transfer", "CPU per GiB", _measure)
