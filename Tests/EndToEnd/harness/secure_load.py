"""Users who ask by TLS all the time, each in its own way, and must notice nothing of what is changed at the node meanwhile."""

import contextlib
import threading
import time

from . import waiting
from .certificates import SecureConnection
from .raw import CutShort

USERS = 32
# Between two requests of one user: all of them together leave the node time for the change.
PAUSE_SECONDS = 0.01
# Requests of a visit: a connection that begins with a session of the one before.
VISIT_REQUESTS = 8


class User(threading.Thread):
    """Asks one request after another; by `habit` on one connection all along, on a new one each, on a new one that resumes its last
    session, or on one that resumes and is then kept for a while."""

    HABITS = ("keeps", "begins anew", "resumes", "visits")

    def __init__(self, load: "SecureLoad", number: int, context):
        super().__init__(daemon=True)
        self.load, self.number, self.context = load, number, context
        self.habit = self.HABITS[number // 2 % len(self.HABITS)]
        self.cookies: dict[str, str] = {}
        self.server: str | None = None
        self.answers = 0
        # Of connections that offered a session: whether it was resumed.
        self.resumed: list[bool] = []
        self.failed: list[str] = []
        # From which server to which.
        self.moved: list[tuple[str, str]] = []
        self.slowest_seconds = 0.0
        self._session, self._connection = None, None

    def run(self):
        while not self.load.over.wait(PAUSE_SECONDS):
            begin = time.monotonic()
            try:
                self._ask()
                self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - begin)
            except (OSError, ValueError, CutShort) as error:
                self.failed.append(f"user {self.number}, who {self.habit}, at answer {self.answers}: {error!r}")
                self._end()
        self._end()

    def _end(self):
        if self._connection:
            self._connection.__exit__()
        self._connection = None

    def _begin(self):
        session = self._session if self.habit in ("resumes", "visits") else None
        self._connection = SecureConnection(self.load.address, self.context, self.load.name, session=session)
        self._left = {"keeps": -1, "visits": VISIT_REQUESTS}.get(self.habit, 1)
        if session:
            self.resumed.append(self._connection.socket.session_reused)

    def _ask(self):
        if not self._connection:
            self._begin()
        self._left -= 1
        headers = [("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items()))] if self.cookies else []
        if self._left == 0:
            headers.append(("Connection", "close"))
        method, body = ("POST", b"x" * 200) if self.answers % 3 == 2 else ("GET", b"")
        answer = self._connection.ask(method, f"/{self.number}/{self.answers}", headers, body)
        server = answer.first("X-Origin")
        if answer.status != 200 or answer.body != b"ok":
            self.failed.append(f"user {self.number}: {answer.status} {answer.body[:40]!r}")
        if self.server not in (None, server):
            self.moved.append((self.server, server))
        self.server = server
        for made in answer.all("Set-Cookie"):
            name, _, value = made.split(";")[0].partition("=")
            self.cookies[name] = value
        # Tickets of TLS 1.3 come with the first answer.
        self._session = self._connection.socket.session
        self.answers += 1
        if self._left == 0:
            self._end()


class SecureLoad(contextlib.AbstractContextManager):
    """Users at once, half of them by TLS 1.2 and half by 1.3, from the first answer of each to the end of the block."""

    def __init__(self, address, contexts, name: str = "shop.example", count: int = USERS):
        """`contexts` are shared out among the users in turn."""
        self.address, self.name = address, name
        self.over = threading.Event()
        self.users = [User(self, number, contexts[number % len(contexts)]) for number in range(count)]

    def __enter__(self) -> "SecureLoad":
        for user in self.users:
            user.start()
        self.go_on()
        return self

    def __exit__(self, *_):
        self.over.set()
        for user in self.users:
            user.join(20)

    @property
    def failed(self) -> list[str]:
        return [text for user in self.users for text in user.failed]

    @property
    def moved(self) -> list[tuple[str, str]]:
        return [move for user in self.users for move in user.moved]

    @property
    def slowest_seconds(self) -> float:
        return max(user.slowest_seconds for user in self.users)

    def go_on(self, count: int = VISIT_REQUESTS + 2):
        """Until every user has had so many more answers: each has then begun what it does anew at least once, but for those who keep their
        connection."""
        before = [user.answers for user in self.users]

        def all_had():
            assert not self.failed, self.failed[:5]
            return all(user.answers >= had + count for user, had in zip(self.users, before))

        waiting.until(all_had, f"{count} more answers to each of {len(self.users)} users", 60)

    def resumptions(self) -> tuple[int, int]:
        """How many connections that offered a session resumed it, and how many did not."""
        seen = [was for user in self.users for was in list(user.resumed)]
        return sum(seen), len(seen) - sum(seen)
