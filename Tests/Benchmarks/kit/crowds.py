"""Rows of many clients and of time: latency in an open loop, idle clients, slow clients."""

import math
import selectors
import socket
from typing import NamedTuple

from . import load, peers
from .requests import COOKIE, check_same_job, origin
from .row import Bench, Row, Told, by_turns, median, ratio, services, spread

REQUEST = b"GET / HTTP/1.1\r\nHost: shop.example\r\nCookie: SITE=SITE1\r\n\r\n"


class Latency(NamedTuple):
    """Microseconds from when a request was due to its answer's end."""

    p50: float
    p99: float
    p999: float


def _latency(bench: Bench) -> Told:
    rounds, seconds = (1, 1) if bench.short else (10, 5)
    with origin(bench, "latency-origin") as servers:
        made = {name: peers.director(bench, name, servers, tag="-latency") for name in peers.NAMES}
        with services(process for peer in made.values() for process in peer.processes):
            capacity = {}
            for name, peer in made.items():
                check_same_job(peer, ["SITE=SITE1"])
                capacity[name] = load.run(peer.address, 1 if bench.short else 3, 64, COOKIE).per_second
            # The same rate for all: half of what the slowest of the two compared can take with the load beside it.
            rate = min(capacity["geodirector"], capacity["HAProxy"]) / 2

            def measure(name: str) -> Latency:
                done, p50, p99, p999, _, failures = bench.run_clients("rate", made[name].address, REQUEST, 64, rate, seconds)
                if failures:
                    raise SystemExit(f"{name}: {failures:.0f} requests of {done + failures:.0f} failed")
                return Latency(p50, p99, p999)

            taken = by_turns(rounds, peers.NAMES, measure, "latency")
    names = ("p50", "p99", "p999")
    theirs = {field: median(taken["HAProxy"], field) for field in names}
    rows = [[name, f"{rate:,.0f}", *(f"{median(taken[name], field):.0f}" for field in names),
             *(ratio(median(taken[name], field), theirs[field]) for field in names)] for name in peers.NAMES]
    aims = [(f"{field} of latency at half the capacity", 1.05, median(taken["geodirector"], field) / theirs[field])
            for field in ("p50", "p99")]
    return Told(["proxy", "requests/s", "p50 us", "p99 us", "p99.9 us", "ratio p50", "ratio p99", "ratio p99.9"], rows, aims)


def _resident_kib(service) -> int:
    for line in service._proc("status").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise RuntimeError("no VmRSS")


def _connect(address, count: int) -> list[socket.socket]:
    """Clients that each had one answer and keep their connection."""
    clients = []
    with selectors.EpollSelector() as answers:
        for _ in range(count):
            client = socket.create_connection(address, timeout=10)
            clients.append(client)
            client.sendall(REQUEST)
            answers.register(client, selectors.EVENT_READ)
            # Some at a time: those that have waited are read before more ask.
            if len(clients) % 64 == 0 or len(clients) == count:
                while answers.get_map():
                    for key, _ in answers.select(10):
                        got = key.fileobj.recv(65536)
                        assert got.startswith(b"HTTP/1.1 200"), got
                        # The 1 KB of the answer may come behind its head.
                        head, _, body = got.partition(b"\r\n\r\n")
                        while len(body) < 1024:
                            body += key.fileobj.recv(65536)
                        answers.unregister(key.fileobj)
    return clients


class Idle(NamedTuple):
    """Resident memory, MiB."""

    before: float
    crowded: float


def _idle(bench: Bench) -> Told:
    count, rounds = (500, 1) if bench.short else (8000, 3)
    with origin(bench, "idle-origin") as servers:

        def measure(name: str) -> Idle:
            peer = peers.director(bench, name, servers, tag="-idle")
            with services(peer.processes):
                check_same_job(peer, ["SITE=SITE1"])
                before = _resident_kib(peer.processes[0])
                clients = _connect(peer.address, count)
                crowded = _resident_kib(peer.processes[0])
                for client in clients:
                    client.close()
            return Idle(before / 1024, crowded / 1024)

        taken = by_turns(rounds, peers.NAMES, measure, "idle")
    theirs = median(taken["HAProxy"], "crowded")
    rows = []
    for name, samples in taken.items():
        before, crowded = median(samples, "before"), median(samples, "crowded")
        rows.append([name, f"{before:.1f}", f"{crowded:.1f}", spread([sample.crowded for sample in samples]),
                     f"{(crowded - before) * 1024 / count:.2f}", "" if name == "HAProxy" else ratio(crowded, theirs)])
    return Told(["proxy", "before, MiB", f"with {count:,} idle clients, MiB", "range", "KiB a client", "ratio to HAProxy"], rows,
                [(f"memory with {count:,} idle clients", 0.5, median(taken["geodirector"], "crowded") / theirs)])


class Slow(NamedTuple):
    total: float
    mebibytes: float
    seconds: float
    missing: float


def _slow(bench: Bench) -> Told:
    # A client reads 8 KiB at a time; 128 readings make its mebibyte.
    count, interval, limit, rounds = (200, 10, 15, 1) if bench.short else (8000, 150, 60, 3)
    size = 2 ** 20
    (bench.folder / "files").mkdir(exist_ok=True)
    (bench.folder / "files" / "1m").write_bytes(bytes(size))
    request = REQUEST.replace(b"GET / ", b"GET /files/1m ")
    with origin(bench, "slow-origin") as servers:

        def measure(name: str) -> Slow:
            peer = peers.director(bench, name, servers, tag="-slow")
            with services(peer.processes):
                check_same_job(peer, ["SITE=SITE1"])
                before = peer.cpu()
                whole, _, seconds = bench.run_clients("trickle", peer.address, request, count, 8192, interval, limit)
                spent = sum(peer.cpu()) - sum(before)
                # What another program leaves unserved within the time is told of it; its own cost is the smaller for it.
                if whole < count and name == "geodirector":
                    raise SystemExit(f"{name}: {count - whole:.0f} of {count} slow clients had no whole answer in {limit} s")
                return Slow(spent, peer.processes[0].peak_memory_kib() / 1024, seconds, count - whole)

        taken = by_turns(rounds, peers.NAMES, measure, "slow")
    found = {name: {field: median(samples, field) for field in Slow._fields} for name, samples in taken.items()}
    theirs, ours = found["HAProxy"], found["geodirector"]
    rows = [[name, f"{mine['mebibytes']:.1f}", f"{mine['total']:.2f}", f"{mine['seconds']:.0f}", f"{mine['missing']:,.0f}",
             *(["", ""] if name == "HAProxy" else [ratio(mine["mebibytes"], theirs["mebibytes"]), ratio(mine["total"], theirs["total"])])]
            for name, mine in found.items()]
    return Told(["proxy", "peak memory, MiB", "CPU s", "lasted s", "clients without a whole answer", "ratio of memory", "ratio of CPU"], rows,
                [(f"memory with {count:,} slow clients", 1.0, ours["mebibytes"] / theirs["mebibytes"]),
                 (f"CPU with {count:,} slow clients", 1.0, ours["total"] / theirs["total"] if theirs["total"] else math.nan)])


ROWS = [
    Row("latency", "Latency at half the capacity, measured from when a request was due", _latency),
    Row("idle", "Memory with idle clients that keep their connection", _idle),
    Row("slow", "Clients that read 1 MiB each at a trickle", _slow),
]
