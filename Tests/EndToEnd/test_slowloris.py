"""Thousands of connections that trickle their requests: users are served as if they were not there, and each is ended with 408."""

import asyncio
import contextlib
import resource
import time

import pytest

from harness import sanitizer, waiting
from harness.addresses import LoopbackRange
from harness.raw import RawConnection, request
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.timeout(90)]

# At most what the limits of descriptors of a process allow, with some to spare.
TRICKLERS_MAX = 8_000
# One in so many trickles a body, the others a head. Each body has a connection to the server, and a thread there.
BODY_EVERY = 16
DESCRIPTORS_SPARE = 500
# From the first byte of a request until all of it is there; of a body, from one piece to the next.
REQUEST_SECONDS = 8.0
CLIENT_SECONDS = 3.0
# Between two bytes: within any time-out between bytes, so that only one for the whole head helps against slow heads.
TRICKLE_SECONDS = 1.0
USERS = 20
# An answer takes a few milliseconds. This bound is one for machines that do much else at the time.
LATENCY_P99_SECONDS, LATENCY_MAX_SECONDS = 1.0, 3.0
# Half of the answers take no longer than this times what they took before the attack, and so much more: whoever trickles shares a
# machine, and this program's loop, with the users. Measured on a busy machine: 1.3 to 2.2 times 1.1 to 1.7 ms.
LATENCY_P50_FACTOR, LATENCY_P50_MORE_SECONDS = 3, 0.010
# Answers to each user before it.
UNDISTURBED = 20

HEAD = b"GET / HTTP/1.1\r\nHost: shop.example\r\nAccept: application/json\r\nX-Slow: "
BODY = (b"POST /slow HTTP/1.1\r\nHost: shop.example\r\nAccept: application/json\r\nContent-Length: 4000\r\n\r\n"
        b"some of it")


class Trickler(asyncio.Protocol):
    """One slow connection; `answer` is what it got before its end."""

    def __init__(self):
        self.answer, self.ended, self.transport = b"", False, None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.answer += data

    def connection_lost(self, _):
        self.ended = True

    @property
    def goes_on(self):
        return not self.ended and not self.answer


async def user(address, stop, latencies, wrong):
    """Asks one request after another on one connection until it is time."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        while not stop.is_set():
            begin = time.monotonic()
            writer.write(request(body=b"hello" if len(latencies) % 2 else b"", method="POST" if len(latencies) % 2 else "GET"))
            try:
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
                body = await asyncio.wait_for(reader.readexactly(2), 20)
            except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
                wrong.append(repr(error))
                return
            latencies.append(time.monotonic() - begin)
            if not head.startswith(b"HTTP/1.1 200") or body != b"ok":
                wrong.append(head)
            # Users read before they ask again.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.05)
    finally:
        writer.close()


async def undisturbed(address):
    """The users before the attack: how long their answers take, and what was wrong."""
    latencies, wrong, stop = [], [], asyncio.Event()
    users = [asyncio.create_task(user(address, stop, latencies, wrong)) for _ in range(USERS)]
    while len(latencies) < USERS * UNDISTURBED and not wrong:
        await asyncio.sleep(waiting.LOOK_SECONDS)
    stop.set()
    await asyncio.gather(*users)
    return latencies, wrong


async def attack(address, sources, count):
    """Opens the tricklers, lets users ask until all of them have ended, and tells what happened to both."""
    loop = asyncio.get_running_loop()
    tricklers, latencies, wrong, stop = [], [], [], asyncio.Event()
    heads, bodies = [], []

    async def trickle():
        # Bodies go on until all heads have ended, then fall silent.
        while any(trickler.goes_on for trickler in heads) or len(heads) + len(bodies) < count:
            for trickler in [*heads, *bodies]:
                if trickler.goes_on:
                    trickler.transport.write(b"x")
            await asyncio.sleep(TRICKLE_SECONDS)

    trickling = asyncio.create_task(trickle())
    for begin in range(0, count, 200):
        made = await asyncio.gather(*(
            loop.create_connection(Trickler, *address, local_addr=(sources[number % len(sources)], 0))
            for number in range(begin, min(begin + 200, count))))
        for transport, protocol in made:
            is_body = len(tricklers) % BODY_EVERY == 0
            transport.write(BODY if is_body else HEAD)
            (bodies if is_body else heads).append(protocol)
            tricklers.append(protocol)
    # The time-out is longer than it takes to open them all, or the test shows nothing.
    together = sum(trickler.goes_on for trickler in tricklers)
    users = [asyncio.create_task(user(address, stop, latencies, wrong)) for _ in range(USERS)]
    deadline = time.monotonic() + 3 * (REQUEST_SECONDS + CLIENT_SECONDS) * sanitizer.slower()
    while any(trickler.goes_on for trickler in tricklers) and time.monotonic() < deadline:
        await asyncio.sleep(waiting.LOOK_SECONDS * 10)
    trickling.cancel()
    stop.set()
    await asyncio.gather(*users)
    for trickler in tricklers:
        trickler.transport.abort()
    return tricklers, together, latencies, wrong


def test_thousands_that_trickle_harm_no_user_and_are_ended_with_408(request, tmp_path):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    # A trickled body holds a connection to the server, so a node needs up to two descriptors for each.
    count = min(TRICKLERS_MAX, before[1] // 2 - DESCRIPTORS_SPARE)
    sources = LoopbackRange()
    try:
        with Single(tmp_path, names=("A",), limits={"connections": count + DESCRIPTORS_SPARE},
                    timeouts={"request": f"{REQUEST_SECONDS:g}s", "client": f"{CLIENT_SECONDS:g}s", "server": "20s",
                              "keep-alive": "20s"}) as single:
            address = single.geodirector()
            process = single.nodes["geodirector"]
            with RawConnection(address) as connection:
                assert connection.ask().status == 200
            usual, wrong = asyncio.run(undisturbed(address))
            assert not wrong, wrong[:3]
            hosts = [sources.map(f"127.3.0.{number}") for number in range(1, 5)]
            tricklers, together, latencies, wrong = asyncio.run(attack(address, hosts, count))
            assert together > count * 0.9, f"only {together} of {count} trickled at one time"
            assert not wrong, wrong[:3]
            assert len(latencies) > USERS * 10
            latencies.sort()
            usual_p50, p50 = sorted(usual)[len(usual) // 2], latencies[len(latencies) // 2]
            bound = (LATENCY_P50_FACTOR * usual_p50 + LATENCY_P50_MORE_SECONDS) * sanitizer.slower()
            assert p50 < bound, f"half of the answers take {p50:.4f} s or more, {usual_p50:.4f} s before the attack"
            assert latencies[len(latencies) * 99 // 100] < LATENCY_P99_SECONDS * sanitizer.slower(), latencies[-20:]
            assert latencies[-1] < LATENCY_MAX_SECONDS * sanitizer.slower(), latencies[-20:]
            statuses = {}
            for trickler in tricklers:
                statuses[trickler.answer[:12]] = statuses.get(trickler.answer[:12], 0) + 1
            assert statuses == {b"HTTP/1.1 408": count}, statuses
            # Nothing is left of them, and no server was blamed.
            waiting.until(lambda: single.origins["A"].open_connections <= USERS + 64, "the connections to the server ended")
            with RawConnection(address) as connection:
                assert connection.ask().status == 200
            assert process.runs and " is down" not in process.err.read_text(), process.tail()
    finally:
        sources.release()
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
