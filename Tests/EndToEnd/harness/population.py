"""Users listed one by one, each with cookies and the times of the requests: the same for running nodes and for a simulation."""

import asyncio
import dataclasses
import pathlib
import random
import time

import yaml

from . import waiting
from .crowd import PATIENCE, Crowd, User
from .network import Network
from .raw import get


@dataclasses.dataclass(frozen=True)
class Page:
    """Requests sent together, `at` seconds after the start or, if later, when the page before is answered."""

    at: float
    method: str = "GET"
    parallel: int = 1


@dataclasses.dataclass
class Listed:
    """One user. `entry` is the node that is asked; `server` has the session, None: there is none; `client` is the address
    that a proxy in front of the entry names."""

    name: str
    entry: str
    server: str | None
    pages: list[Page]
    cookies: str = ""
    client: str | None = None


# After a failure the first pages come one by one, this many and so many seconds apart.
FIRST, APART = 12, 0.05


def population(entries: dict[str, list[str]], count: int, seconds: float, quiet, dawns=(), seed: int = 1) -> list[Listed]:
    """`count` users spread over the entries, and those of an entry over its servers, as if they had come long ago.

    No page is asked for in the intervals of `quiet`: the moments in which chance decides between two right outcomes.
    From each moment of `dawns` on the first few pages come one by one: what a node learns of a failure, and whom it tells,
    takes milliseconds, in which more requests may or may not take the same way.
    """
    chance = random.Random(seed)
    users, names = [], list(entries)
    for number in range(count):
        entry = names[number % len(names)]
        servers = entries[entry]
        parallel = 6 if number % 10 == 0 else 1
        pages, at = [], chance.uniform(0, 0.8)
        while at < seconds:
            for begin, end in quiet:
                if begin <= at < end:
                    at = end + chance.uniform(0, 0.3)
            pages.append(Page(round(at, 4), "POST" if chance.random() < 0.15 else "GET", parallel))
            at += chance.uniform(0.4, 0.8) * (3 if parallel > 1 else 1)
        users.append(Listed(f"u{number}", entry, servers[number // len(names) % len(servers)], pages))
    for dawn in dawns:
        _stagger(users, dawn, chance)
    return users


def _stagger(users: list[Listed], dawn: float, chance: random.Random):
    day = dawn + FIRST * APART
    first = sorted((page.at, number) for number, user in enumerate(users) for page in user.pages if dawn <= page.at < day)
    alone = {}
    for _, number in first:
        if len(alone) < FIRST:
            alone.setdefault(number, round(dawn + len(alone) * APART, 4))
    for number, user in enumerate(users):
        # A user's first page in the meantime keeps its place or waits for the day, as do all others.
        for index, page in enumerate(user.pages):
            if dawn <= page.at < day:
                at = alone.pop(number, None) or round(day + chance.uniform(0, 0.4), 4)
                user.pages[index] = dataclasses.replace(page, at=at, parallel=1 if at < day else page.parallel)
        user.pages.sort(key=lambda page: page.at)


def assign_cookies(network: Network, users: list[Listed]):
    """Begins each user's session at its server, past all proxies; the cookies are those that nodes would have written."""

    def begin():
        for user in users:
            if user.server is None:
                continue
            spec = network.specs[user.server]
            answer = get(spec.service, "/", headers=[("Host", "shop.example")])
            session = answer.first("Set-Cookie").split(";")[0].partition("=")[2]
            user.cookies = f"SITE={spec.site}; JSESSIONID={user.server}~{session}"

    network.in_users_namespace(begin)


def write(users: list[Listed], network: Network, path: pathlib.Path) -> pathlib.Path:
    """As a population file. Who asks a director is a local user of its site."""
    def entry(user):
        return network.specs[user.entry].site or user.entry

    def request(page):
        at = f"{round(page.at * 1000, 1):g}ms"
        return at if page.method == "GET" and page.parallel == 1 else {
            "at": at, "method": page.method, "parallel": page.parallel}

    path.write_text(yaml.safe_dump({"population": 1, "users": [
        {"name": user.name, "entry": entry(user), "requests": [request(page) for page in user.pages]}
        | ({"cookies": user.cookies} if user.cookies else {}) | ({"client": user.client} if user.client else {})
        for user in users]}, sort_keys=False))
    return path


class _Visitor(User):
    """A listed user with a browser."""

    def __init__(self, crowd: "ListedCrowd", number: int, listed: Listed, address):
        super().__init__(crowd, number, listed.entry, address, number)
        self.pages = listed.pages
        self.parallel = max(page.parallel for page in listed.pages)
        self.connections = [type(self.connections[0])(address, PATIENCE) for _ in range(self.parallel)]
        if listed.cookies:
            self.jar.put(listed.cookies)
        if listed.client:
            self.fields = [f"X-Forwarded-For: {listed.client}"]

    def target(self, identity: str) -> str:
        # So that the access logs tell which request they speak of.
        return f"/page?{identity}"

    async def live(self):
        for page in self.pages:
            while not self.crowd.leaving and (left := self.crowd.begin + page.at - time.monotonic()) > 0:
                await asyncio.sleep(left)
            await asyncio.gather(*(
                self.request(connection, page.method) for connection in self.connections[:page.parallel]))
        for connection in self.connections:
            connection.close()


class ListedCrowd(Crowd):
    """The listed users on a thread of its own; their time begins a moment after they enter."""

    def __init__(self, network: Network, listed: list[Listed]):
        super().__init__(network, {listed[0].entry: 1}, count=0)
        self.listed = listed
        self.users = [_Visitor(self, number, user, network.specs[user.entry].service)
                      for number, user in enumerate(listed)]
        self.begin = float("inf")

    def __enter__(self) -> "ListedCrowd":
        self.begin = time.monotonic() + 0.2
        self._thread.start()
        return self

    def until(self, at: float):
        """The moment `at` seconds after the start."""
        self.go_on(self.begin + at - time.monotonic())

    def finish(self):
        """Every page is answered."""
        waiting.until(lambda: not self._thread.is_alive(), "the end of the users' visits", 30.0)
        if self.error:
            raise self.error
