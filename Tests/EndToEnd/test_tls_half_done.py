"""Thousands of connections that never finish their handshake: users are served as if they were not there, memory is bounded while they
last, and nothing is left of them."""

import asyncio
import contextlib
import resource
import ssl
import time

import pytest

from harness import sanitizer, waiting
from harness.addresses import LoopbackRange
from harness.secure_balancer import SecureBalancer
from harness.secure_load import SecureLoad

pytestmark = [pytest.mark.own, pytest.mark.timeout(400)]

USERS = 16
# Users are served in a few milliseconds; this bound is one for machines that do much else at the time.
SLOWEST_SECONDS = 5.0
# Of the node, on average: who has not sent a whole ClientHello takes some KiB, who has, an eighth of them, about 50.
HALF_KIB_MAX = 32
# What is left of them all: that of the last 128 at each worker, and what lies between memory that users need now.
LEFT_KIB_MAX = 16 * 1024
SPARE_DESCRIPTORS = 500


def first_flight() -> bytes:
    """A real ClientHello of openssl's, recorded."""
    out = ssl.MemoryBIO()
    end = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname="shop.example")
    with contextlib.suppress(ssl.SSLWantReadError):
        end.do_handshake()
    return out.read()


class TooLate(Exception):
    """The first of them timed out before the last was there."""


class Half(asyncio.Protocol):
    """One that says what it has to say, and then nothing more."""

    def __init__(self, says: bytes):
        self.says, self.ended, self.transport = says, False, None

    def connection_made(self, transport):
        self.transport = transport
        transport.write(self.says)

    def connection_lost(self, _):
        self.ended = True


async def wave(address, sources, flights, count: int, is_there, seconds: float) -> list[Half]:
    """Opens so many, tells `is_there` when all of them are, and waits until the node has ended each."""
    loop = asyncio.get_running_loop()
    halves = []
    try:
        for begin in range(0, count, 200):
            made = await asyncio.gather(*(
                loop.create_connection(lambda says=flights[number % len(flights)]: Half(says), *address,
                                       local_addr=(sources[number % len(sources)], 0))
                for number in range(begin, min(begin + 200, count))))
            halves += [half for _, half in made]
        await asyncio.to_thread(is_there)
        if any(half.ended for half in halves):
            raise TooLate
        deadline = time.monotonic() + seconds
        while not all(half.ended for half in halves):
            assert time.monotonic() < deadline, f"{sum(not half.ended for half in halves)} of {count} did not time out"
            await asyncio.sleep(waiting.LOOK_SECONDS * 10)
        return halves
    finally:
        for half in halves:
            half.transport.abort()


@contextlib.contextmanager
def all_descriptors():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    try:
        yield before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("count, seconds", [(2000, 6), pytest.param(10_000, 25, marks=pytest.mark.long)])
def test_half_done_handshakes_harm_no_user_take_little_and_leave_nothing(tmp_path, authority, count, seconds):
    certificate = str(authority.issue("shop.example"))
    for patience in (1, 2, 4):
        folder = tmp_path / f"{patience}"
        folder.mkdir()
        try:
            return half_done(folder, authority, certificate, count, patience * seconds * sanitizer.slower())
        except TooLate:
            print(f"{patience * seconds} s did not suffice to have {count} of them at once")
    pytest.fail("no time-out was long enough to have them all at once")


def half_done(folder, authority, certificate: str, count: int, seconds: float):
    began = time.monotonic()
    sources = LoopbackRange()
    hosts = [sources.map(f"127.3.0.{number}") for number in range(1, 5)]
    hello = first_flight()
    # Half of them silent; the others stop in the head of a record, within a ClientHello, before its last byte, and behind it, with the
    # server's whole part on its way.
    spoken = [hello[:3], hello[:100], hello[:-1], hello]
    flights = [says for each in spoken for says in (b"", each)]
    with contextlib.ExitStack() as stack:
        stack.callback(sources.release)
        if stack.enter_context(all_descriptors()) < count + SPARE_DESCRIPTORS:
            pytest.skip(f"the hard limit of descriptors is below {count + SPARE_DESCRIPTORS}")
        single = stack.enter_context(SecureBalancer(
            folder, certificate, limits={"connections": count + SPARE_DESCRIPTORS, "pooled-per-server": 4},
            timeouts={"request": f"{seconds:g}s"})).run()
        clients = [authority.client(version=version) for version in ("1.2", "1.3")]
        with SecureLoad(single.address, clients, count=USERS) as load:
            load.go_on()
            before = {"memory": single.resident_kib(), "failed": single.handshakes()["failed"], "left": []}
            for number in range(2):
                there = {}

                def is_there():
                    waiting.until(lambda: single.sockets() >= count, "all of them at the node")
                    load.go_on()
                    there["memory"] = single.resident_kib()

                asyncio.run(wave(single.address, hosts, flights, count, is_there, 3 * seconds))
                each = (there["memory"] - before["memory"]) / count
                waiting.until(lambda: single.sockets() <= 4 * USERS + 32, "their descriptors given back")
                load.go_on()
                told = {"unfinished": (number + 1) * (count - count // 2)}
                waiting.until(lambda: single.handshakes()["failed"] == before["failed"] | told, f"{told} counted")
                before["left"].append(single.resident_kib() - before["memory"])
                print(f"{each:.1f} KiB for each of {count}, {before['left'][-1]} KiB left of them")
                if not sanitizer.chosen():
                    assert each < HALF_KIB_MAX
                    assert before["left"][-1] < LEFT_KIB_MAX
        assert not load.failed and not load.moved, (load.failed[:5], load.moved[:5])
        assert load.slowest_seconds < SLOWEST_SECONDS * sanitizer.slower()
        line = "the handshake was not finished in time"
        waiting.until(lambda: single.said(line), "the line in the log")
        assert single.said(line) <= (time.monotonic() - began) / 10 + 1, "at most a line each ten seconds"
