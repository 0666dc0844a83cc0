"""Users that go on asking while a scenario happens around them."""

import asyncio
import json
import random
import threading
import time

from . import waiting
from .client import Connection, Failure
from .cookies import Jar
from .records import Record

HOST = "shop.example"
# Between a user's requests at time-scale 0.1, in seconds; a page of six parallel requests counts as one.
THINK = (0.3, 0.6)
# A user gives up after this long.
PATIENCE = 10.0


class User:
    """One person with a browser: a jar, a habit of keeping connections or not, pages of one or six requests."""

    def __init__(self, crowd: "Crowd", number: int, entry: str, address, seed: int):
        self.crowd, self.number, self.entry, self.address = crowd, number, entry, address
        self.random = random.Random(seed)
        context = crowd.network.context
        self.jar = Jar(HOST, is_secure=context is not None)
        self.parallel = 6 if number % 10 == 0 else 1
        self.keeps = number % 3 != 1
        self.connections = [Connection(address, PATIENCE, context, entry) for _ in range(self.parallel)]
        self.answered = 0
        # Fields that every request has, as lines.
        self.fields = []

    async def live(self):
        # Handshakes of all users at once would be work for seconds, most of it in this process.
        await asyncio.sleep(self.random.uniform(0, THINK[1] * (10 if self.crowd.network.context else 1)))
        while not self.crowd.leaving:
            width = self.parallel if self.answered else 1
            await asyncio.gather(*(self.request(connection) for connection in self.connections[:width]))
            pause = self.random.uniform(*THINK) * (3 if self.parallel > 1 else 1) * self.crowd.pace
            end = time.monotonic() + pause
            while not self.crowd.leaving and (left := end - time.monotonic()) > 0:
                await asyncio.sleep(min(left, THINK[1]))
        for connection in self.connections:
            connection.close()

    async def request(self, connection: Connection, method: str | None = None):
        if not method:
            method = self.random.choices(("GET", "HEAD", "POST"), (70, 15, 15))[0] if self.answered else "GET"
        number = self.crowd.next_number()
        body = self.random.randbytes(self.random.randint(1, 2000)) if method == "POST" else b""
        identity = f"u{self.number}-{number}"
        target = self.target(identity)
        cookies = self.jar.header(target)
        lines = [f"{method} {target} HTTP/1.1", f"Host: {HOST}", "Accept: application/json", f"X-Request-ID: {identity}"]
        lines += self.fields
        if cookies:
            lines.append(f"Cookie: {cookies}")
        if method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        if not self.keeps:
            lines.append("Connection: close")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        record = Record(self.number, self.entry, time.monotonic(), method=method, sent=cookies, identity=identity)
        try:
            response = await connection.request(head, body, method)
        except Failure as failure:
            record.failure = failure.kind
        else:
            record.status = response.status
            self.jar.learn(target, response.headers)
            if response.status < 400 and method != "HEAD":
                record.failure = self.check(record, response, identity, len(body))
        record.after = self.jar.header(target)
        record.end = time.monotonic()
        if record.good:
            self.answered += 1
        self.crowd.records.append(record)

    def target(self, identity: str) -> str:
        return "/page"

    def check(self, record: Record, response, identity: str, length: int) -> str | None:
        """Fills the record from the page, and says what is wrong with the page."""
        try:
            page = json.loads(response.body)
        except ValueError:
            return "the page is no JSON"
        record.server, record.site, record.path = page["server"], page["site"], tuple(page["path"])
        record.session, record.new, record.visits = page["session"], page["new"], page["visits"]
        if page["requestId"] != identity:
            return f"answer to {page['requestId']} instead of {identity}"
        if page["bodyBytes"] != length:
            return f"{page['bodyBytes']} of {length} body bytes arrived"
        own = next((part.partition("=")[2].split("~")[-1] for part in (record.sent or "").split("; ")
                    if part.startswith("JSESSIONID=")), None)
        if not page["new"] and page["session"] != own:
            return f"answer of session {page['session']} instead of {own}"
        return None


class Crowd:
    """Many users on a thread of its own, in the users' namespace where there is one. `entries` maps entry to share;
    users think `pace` times as long as usual."""

    def __init__(self, network, entries: dict[str, int], count: int = 200, pace: float = 1.0, seed: int = 1):
        self.network, self.records, self.leaving, self.pace = network, [], False, pace
        self._number = 0
        weighted = [entry for entry, share in entries.items() for _ in range(share)]
        self.users = [User(self, index, weighted[index % len(weighted)],
                           network.specs[weighted[index % len(weighted)]].service, seed * 100_000 + index)
                      for index in range(count)]
        self._thread = threading.Thread(target=self._run, name="crowd")
        self.error = None

    def next_number(self) -> int:
        self._number += 1
        return self._number

    def _run(self):
        try:
            space = self.network.namespace("users")
            if space:
                space.enter()
            asyncio.run(self._all())
        except BaseException as error:  # told by whoever waits
            self.error = error

    async def _all(self):
        await asyncio.gather(*(user.live() for user in self.users))

    def __enter__(self) -> "Crowd":
        self._thread.start()
        self.settle()
        return self

    def __exit__(self, *_):
        self.leaving = True
        self._thread.join()

    def settle(self, requests: int = 3, seconds: float = 30.0, of=lambda user: True):
        """Until each user has had `requests` more good answers."""
        targets = [(user, user.answered + requests) for user in self.users if of(user)]

        def done():
            if self.error:
                raise self.error
            return all(user.answered >= target for user, target in targets)

        waiting.until(done, f"{requests} good answers for each of {len(targets)} users", seconds)

    def go_on(self, seconds: float):
        """Lets the users go on for a stated part of the scenario, such as the length of an outage."""
        end = time.monotonic() + seconds
        waiting.until(lambda: time.monotonic() >= end, "the scenario's next event", seconds + 5)

    def at(self, *sites) -> list[User]:
        """Users whose cookie names one of the sites."""
        return [user for user in self.users if any(f"SITE={site}" in (user.jar.header("/") or "") for site in sites)]
