"""Plays a case through a node and says what was wrong. Nothing here knows which proxy the node is."""

import contextlib
import dataclasses
import socket

from .origin import Script, StrictOrigin
from .strict import Ended, Message, Reader, Violation

AFTER = b"GET /after HTTP/1.1\r\nHost: a\r\n\r\n"
SECONDS = 8.0


@dataclasses.dataclass(frozen=True)
class RequestCase:
    """Bytes of a client. A second, ordinary request follows them in the same segment.

    `outcome`: `refuse` (with 4xx or 5xx and the end of the connection, nothing whole reaching the origin), `forward`
    (as one request with the body given) or `either`. `status` is the node's own answer where it is refused; 0: any of 4xx and 5xx.
    To end the connection without an answer is right nowhere: a client could not tell a refusal from a failure, and would ask again.
    """

    name: str
    section: str
    sent: bytes
    outcome: str = "refuse"
    body: bytes = b""
    status: int = 400
    # The target that the origin must see.
    target: str = "/t"
    # The section leaves no choice. Else it lets a reader be lenient, and to refuse is our own strictness.
    must: bool = True


@dataclasses.dataclass(frozen=True)
class ResponseCase:
    """Bytes of a server in answer to a GET, or to `method`.

    `outcomes` are those allowed: `whole` (the client gets `status` and `body`, framed as one answer), `refused` (502 instead
    of it) and `cut` (the client sees that something is missing).
    """

    name: str
    section: str
    sent: bytes
    outcomes: tuple[str, ...] = ("whole",)
    status: int = 200
    body: bytes = b"hello"
    close: bool = False
    method: str = "GET"
    must: bool = True


class Client(contextlib.AbstractContextManager):
    """A strict client's connection."""

    def __init__(self, address: tuple[str, int], seconds: float = SECONDS):
        self.socket = socket.create_connection(address, timeout=seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = Reader(self.socket)

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data: bytes, slowly: bool = False):
        """A node that has refused may have ended the connection: what it said can be read all the same."""
        with contextlib.suppress(ConnectionError):
            for index in range(len(data) if slowly else 0):
                self.socket.sendall(data[index:index + 1])
            if not slowly:
                self.socket.sendall(data)

    def final(self, method: str = "GET") -> Message:
        """The next final response; 101 is one."""
        while (message := self.reader.response(method)).status < 200 and message.status != 101:
            pass
        return message

    def ended(self) -> bool:
        """Nothing more was received, and the other side has ended the connection."""
        if self.reader.position < len(self.reader.received):
            return False
        with contextlib.suppress(ConnectionError, TimeoutError):
            data = self.socket.recv(1 << 16)
            self.reader.received += data
            return not data
        return not self._open()

    def _open(self) -> bool:
        return self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 1

    def ask(self, target: str) -> Message:
        self.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        return self.final()


@dataclasses.dataclass
class Verdict:
    """What was wrong, if anything, and what the client was told first."""

    faults: list[str]
    status: int | None = None
    refused: bool = False
    # One side was sent what no grammar allows, or somebody got what belonged to another.
    harmful: bool = False


def judge_request(address, origin: StrictOrigin, case: RequestCase, slowly: bool = False) -> Verdict:
    origin.clear()
    faults, answers, ended = [], [], False
    with Client(address) as client:
        client.send(case.sent + AFTER, slowly)
        try:
            while len(answers) < 2 and not ended:
                answers.append(client.final(case.sent.split(b" ")[0].decode("latin-1") if not answers else "GET"))
                ended = answers[-1].status >= 400 and client.ended()
        except (Ended, ConnectionError):
            ended = True
        except TimeoutError:
            faults.append("neither answered nor ended")
        except Violation as violation:
            faults.append(f"to the client: {violation}")
    faults += _in_sync(address)
    seen = [request for request in origin.requests if request.target != "/sync"]
    faults += [f"at the origin: {violation}" for violation in origin.violations]
    if any("smuggled" in request.target for request in seen):
        faults.append("a request within a request reached the origin")
    status = answers[0].status if answers else None
    refused = not seen
    if refused:
        if status is not None and status < 400:
            faults.append(f"{status} to what never reached the origin")
        if status is None:
            faults.append("refused without an answer")
        if not ended:
            faults.append("refused, and the connection goes on")
        if case.outcome == "forward":
            faults.append(f"refused with {status}")
    elif case.outcome == "refuse":
        faults.append("forwarded: " + ", ".join(request.target for request in seen))
    else:
        if [request.target for request in seen] not in ([case.target, "/after"], [case.target] if ended else []):
            faults.append("the origin saw " + ", ".join(request.target for request in seen))
        elif seen[0].body != case.body:
            faults.append(f"the origin saw the body {seen[0].body[:60]!r}")
        if len(answers) != len(seen):
            faults.append(f"{len(answers)} answers to {len(seen)} requests")
    return Verdict(faults, status, refused, _harmful(faults))


def judge_response(address, origin: StrictOrigin, case: ResponseCase, slowly: bool = False) -> Verdict:
    origin.clear()
    script = origin.scripts["/t"] = Script(case.sent, case.close, slowly)
    faults, message, outcome = [], None, "cut"
    with Client(address) as client:
        client.send(f"{case.method} /t HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        try:
            message = client.final(case.method)
            outcome = "refused" if message.status == 502 else "whole"
            framed = message.all("Content-Length") or message.all("Transfer-Encoding") or message.status in (204, 304)
            if outcome == "whole" and framed and b"close" not in message.members("Connection"):
                # The next request on the connection gets its own answer.
                origin.scripts.pop("/t", None)
                # Nobody can tell surplus bytes that come when the next request is under way from its answer.
                script.sent.wait(5)
                if (after := client.ask("/after")).body != b"/after":
                    faults.append(f"the next request was answered {after.status} {after.body[:40]!r}")
        except (Ended, ConnectionError):
            if message is not None:
                outcome = "cut"
        except TimeoutError:
            faults.append("not answered in time")
        except Violation as violation:
            faults.append(f"to the client: {violation}")
    origin.scripts.pop("/t", None)
    for _ in range(3):
        faults += _in_sync(address)
    if not faults and outcome not in case.outcomes:
        faults.append(f"{outcome} {message.status if message else ''}".strip() + f" instead of {' or '.join(case.outcomes)}")
    if outcome == "whole" and message is not None and not faults:
        if (message.status, message.body) != (case.status, case.body):
            faults.append(f"the client got {message.status} {message.body[:60]!r}")
    return Verdict(faults, message.status if message else None, outcome == "refused", _harmful(faults))


def _harmful(faults: list[str]) -> bool:
    marks = ("at the origin", "to the client", "within a request", "another user", "the next request")
    return any(mark in fault for fault in faults for mark in marks)


def _in_sync(address) -> list[str]:
    """An ordinary request on a connection of its own gets its own answer; afterwards the origin has read what came before."""
    with Client(address) as client:
        try:
            answer = client.ask("/sync")
        except (Ended, Violation, OSError) as error:
            return [f"another user's request: {error}"]
    return [] if answer.body == b"/sync" else [f"another user was answered {answer.status} {answer.body[:40]!r}"]
