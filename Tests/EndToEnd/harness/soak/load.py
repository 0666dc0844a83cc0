"""Users by the thousand, in processes of their own: each thinks, asks, and now and then goes away in the middle."""

import asyncio
import collections
import dataclasses
import json
import multiprocessing
import pathlib
import random
import time

from ..cookies import Jar

HOST = "shop.example"
THINK = (2.0, 5.0)
# More than all time-outs of the tiers together: who waits longer was forgotten.
PATIENCE = 40.0
BODY = 60_000
# So long before it is seen the end of an answer may have been there, where the process was held up.
HELD_UP = 5.0

# What a request does, and how often in 1,000. The last three are users who vanish; who stalls sends half a body, and then nothing
# for as long as the connection lasts: only a node's own timer ends that.
HABITS = {"get": 630, "stall-in-body": 10, "keep-waiting": 120, "large": 60, "post": 120, "vanish-in-body": 20, "vanish-waiting": 20,
          "vanish-in-answer": 20}
VANISHING = tuple(habit for habit in HABITS if habit.startswith("vanish"))


@dataclasses.dataclass
class Asked:
    """One request, as its user saw it. `end` is answered, vanished, stale (a kept connection that had ended), cut (an answer that broke off),
    nothing (the connection ended without an answer), timeout, or refused (no connection)."""

    identity: str
    habit: str
    end: str
    status: int = 0
    # The office asked, and from when to when, by the monotonic clock.
    entry: str = ""
    begin: float = 0.0
    over: float = 0.0
    # On a kept connection, how many seconds after its last answer.
    idle: float = 0.0
    # By how much the process of its users was held up around that answer, at most: so much earlier it may have come.
    late: float = 0.0


class Pace:
    """By how much a process is held up by a machine that does other things, looked at ten times a second."""

    STEP, KEPT = 0.1, 60.0

    def __init__(self):
        self._late: collections.deque[tuple[float, float]] = collections.deque()

    async def watch(self):
        while True:
            due = time.monotonic() + self.STEP
            await asyncio.sleep(self.STEP)
            now = time.monotonic()
            self._late.append((now, now - due))
            while self._late[0][0] < now - self.KEPT:
                self._late.popleft()

    def most(self, since: float) -> float:
        return max((late for at, late in self._late if at >= since), default=0.0)


class User:
    def __init__(self, entry, name: str, seed: int, leave: float, asked: list[Asked], pace: Pace):
        (self.entry, self.address), self.name, self.leave, self.asked, self.pace = entry, name, leave, asked, pace
        self.random, self.jar = random.Random(seed), Jar(HOST)
        self.reader = self.writer = None
        self.keeps = self.random.random() < 0.6
        self.count = 0
        # When the last request was over.
        self.over = 0.0

    async def live(self):
        await asyncio.sleep(self.random.uniform(0, THINK[1]))
        while time.time() < self.leave:
            habit = self.random.choices(list(HABITS), list(HABITS.values()))[0]
            await self.ask(habit)
            await asyncio.sleep(max(0, min(self.random.uniform(*THINK), self.leave - time.time())))
        self.close()

    def close(self, reset: bool = False):
        if self.writer is not None:
            if reset:
                self.writer.transport.abort()
            self.writer.close()
        self.reader = self.writer = None

    async def ask(self, habit: str):
        self.count += 1
        identity = f"{self.name}-{self.count}"
        kept = self.writer is not None and not self.reader.at_eof()
        if not kept:
            self.close()
        asked = Asked(identity, habit, "", entry=self.entry, begin=time.monotonic())
        if kept:
            asked.idle = asked.begin - self.over
        try:
            async with asyncio.timeout(PATIENCE):
                if not kept:
                    try:
                        self.reader, self.writer = await asyncio.open_connection(*self.address, limit=1 << 20)
                    except OSError:
                        asked.end = "refused"
                        return
                await self.exchange(asked, habit)
        except TimeoutError:
            asked.end = "timeout"
        except (asyncio.IncompleteReadError, ConnectionError, OSError):
            asked.end = "cut" if asked.status else "stale" if kept else "nothing"
            if asked.end == "stale":
                asked.late = self.pace.most(self.over - HELD_UP)
        finally:
            asked.over = self.over = time.monotonic()
            self.asked.append(asked)
            if asked.end != "answered" or not self.keeps:
                self.close(reset=asked.end == "vanished" and self.random.random() < 0.5)

    async def exchange(self, asked: Asked, habit: str):
        query = {"keep-waiting": f"delay={self.random.randint(50, 800)}ms", "large": "bytes=300000",
                 "vanish-waiting": "delay=2s", "vanish-in-answer": "bytes=3000000"}.get(habit, "format=json")
        target = f"/{asked.identity}?{query}"
        posts = habit in ("post", "stall-in-body", "vanish-in-body")
        cookies = self.jar.header(target)
        head = (f"{'POST' if posts else 'GET'} {target} HTTP/1.1\r\nHost: {HOST}\r\nAccept: application/json\r\n"
                + (f"Cookie: {cookies}\r\n" if cookies else "") + (f"Content-Length: {BODY}\r\n" if posts else "")
                + ("" if self.keeps else "Connection: close\r\n") + "\r\n").encode()
        self.writer.write(head)
        if habit == "vanish-in-body":
            self.writer.write(b"b" * self.random.randrange(BODY))
            await asyncio.sleep(self.random.uniform(0, 0.3))
            asked.end = "vanished"
            return
        if posts:
            self.writer.write(b"b" * (BODY // 2 if habit == "stall-in-body" else BODY))
        if habit == "vanish-waiting":
            await asyncio.sleep(self.random.uniform(0, 0.5))
            asked.end = "vanished"
            return
        await self.answer(asked, habit, target)

    async def answer(self, asked: Asked, habit: str, target: str):
        raw = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = raw.split("\r\n")
        asked.status = int(first[9:12])
        headers = [(name, value.strip()) for name, colon, value in (line.partition(":") for line in lines) if colon]
        self.jar.learn(target, headers)
        values = {name.lower(): value for name, value in headers}
        if habit == "vanish-in-answer":
            asked.end = "vanished"
            return
        if values.get("transfer-encoding", "").lower() == "chunked":
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                await self.reader.readexactly(size + 2)
            await self.reader.readuntil(b"\r\n")
        else:
            await self.reader.readexactly(int(values["content-length"]))
        asked.end = "answered"
        if values.get("connection", "").lower() == "close":
            self.close()


def _process(path: pathlib.Path, entries: list, count: int, seed: int, leave: float, share: int):
    asked: list[Asked] = []

    async def all_users():
        pace = Pace()
        watch = asyncio.create_task(pace.watch())
        users = [User(entries[index % len(entries)], f"s{share}u{index}", seed * 1_000_003 + share * 10_007 + index, leave, asked, pace)
                 for index in range(count)]
        await asyncio.gather(*(user.live() for user in users))
        watch.cancel()

    asyncio.run(all_users())
    path.write_text(json.dumps([dataclasses.astuple(one) for one in asked]))


class Load:
    """`users` users at the `entries` (names and addresses), in `processes` processes, until `leave` (seconds since 1970)."""

    def __init__(self, folder: pathlib.Path, entries: list, users: int, processes: int, seed: int, leave: float):
        context = multiprocessing.get_context("fork")
        self.paths = [folder / f"asked-{share}.json" for share in range(processes)]
        self.processes = [
            context.Process(target=_process, args=(path, entries, users // processes, seed, leave, share), daemon=True)
            for share, path in enumerate(self.paths)]
        for process in self.processes:
            process.start()

    def finish(self, seconds: float) -> list[Asked]:
        deadline = time.monotonic() + seconds
        for process in self.processes:
            process.join(max(0.1, deadline - time.monotonic()))
            assert process.exitcode == 0, f"a process of users ended with {process.exitcode}"
        return [Asked(*one) for path in self.paths for one in json.loads(path.read_text())]
