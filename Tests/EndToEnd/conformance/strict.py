"""The grammar of RFC 9110 and RFC 9112, read to the letter: what any conforming reader understands in one way only.

Both ends of a test read with it: the origin what the node sends to servers, the client what it sends to clients.
"""

import dataclasses
import re
import socket

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") ([!\"$-~]+) HTTP/1\.([01])")
STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9]) ([\t\x20-\x7e\x80-\xff]*)")
# Control characters other than these three may be kept (RFC 9110 section 5.5).
FIELD = re.compile(rb"(" + TOKEN + rb"):[ \t]*((?:[^ \t\r\n\0](?:[^\r\n\0]*[^ \t\r\n\0])?)?)[ \t]*")
HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(?::[0-9]*)?")
QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
EXTENSION = rb"[ \t]*;[ \t]*" + TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + TOKEN + rb"|" + QUOTED + rb"))?"
CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})(?:" + EXTENSION + rb")*")
# Names that make a trailer section ambiguous (RFC 9110 section 6.5.1).
NOT_IN_TRAILERS = {b"content-length", b"transfer-encoding", b"host"}


class Violation(Exception):
    """The bytes are not what the grammar allows."""


class Ended(Exception):
    """The connection ended inside a message; before its first byte when `clean`."""

    def __init__(self, clean: bool = False):
        super().__init__("ended before a message" if clean else "ended inside a message")
        self.clean = clean


@dataclasses.dataclass
class Message:
    """A request or response. `first` is the groups of its first line."""

    first: tuple[bytes, ...]
    fields: list[tuple[bytes, bytes]]
    body: bytes = b""
    trailers: list[tuple[bytes, bytes]] = dataclasses.field(default_factory=list)

    def all(self, name: str) -> list[bytes]:
        return [value for key, value in self.fields if key.lower() == name.lower().encode()]

    def members(self, name: str) -> list[bytes]:
        return [member.strip().lower() for value in self.all(name) for member in value.split(b",") if member.strip()]

    @property
    def target(self) -> str:
        return self.first[1].decode("latin-1")

    @property
    def status(self) -> int:
        return int(self.first[1])


class Reader:
    """Messages from a socket. Every byte received is kept in `received`."""

    def __init__(self, connection: socket.socket):
        self.socket = connection
        self.received = bytearray()
        self.position = 0

    def _more(self):
        data = self.socket.recv(1 << 20)
        if not data:
            raise Ended(self.position == len(self.received))
        self.received += data

    def _until(self, mark: bytes) -> bytes:
        begin = self.position
        while (found := self.received.find(mark, begin)) < 0:
            begin = max(self.position, len(self.received) - len(mark) + 1)
            self._more()
        taken = bytes(self.received[self.position:found])
        self.position = found + len(mark)
        return taken

    def _exactly(self, count: int) -> bytes:
        while len(self.received) - self.position < count:
            self._more()
        self.position += count
        return bytes(self.received[self.position - count:self.position])

    def _head(self, grammar: re.Pattern) -> Message:
        first, *lines = self._until(b"\r\n\r\n").split(b"\r\n")
        if not (match := grammar.fullmatch(first)):
            raise Violation(f"first line {first!r}")
        return Message(match.groups(), [self._field(line) for line in lines])

    @staticmethod
    def _field(line: bytes) -> tuple[bytes, bytes]:
        if not (match := FIELD.fullmatch(line)):
            raise Violation(f"field line {line!r}")
        return match.groups()

    def request(self) -> Message:
        """The next request, its body included."""
        message = self._head(REQUEST_LINE)
        hosts = message.all("Host")
        if len(hosts) > 1 or (not hosts and message.first[2] == b"1"):
            raise Violation(f"{len(hosts)} Host fields")
        if hosts and not HOST.fullmatch(hosts[0]):
            raise Violation(f"Host {hosts[0]!r}")
        if self._framing(message, message.first[2]) is None:
            return message
        return self._body(message)

    def response(self, method: str = "GET") -> Message:
        """The next response, interim or final; one without framing lasts until the connection ends."""
        message = self._head(STATUS_LINE)
        framing = self._framing(message, message.first[0])
        if (message.status < 200 or message.status == 204) and framing is not None:
            raise Violation(f"framing fields in a {message.status}")
        if method == "HEAD" or message.status < 200 or message.status in (204, 304):
            return message
        if framing is None:
            try:
                while True:
                    self._more()
            except Ended:
                message.body = bytes(self.received[self.position:])
                self.position = len(self.received)
                return message
        return self._body(message)

    @staticmethod
    def _framing(message: Message, minor: bytes) -> bytes | None:
        codings, lengths = message.all("Transfer-Encoding"), message.all("Content-Length")
        if len(codings) > 1 or (codings and codings[0].lower() != b"chunked"):
            raise Violation(f"Transfer-Encoding {codings!r}")
        if codings and minor == b"0":
            raise Violation("Transfer-Encoding in HTTP/1.0")
        if len(lengths) > 1 or (lengths and not re.fullmatch(rb"[0-9]+", lengths[0])):
            raise Violation(f"Content-Length {lengths!r}")
        if codings and lengths:
            raise Violation("Transfer-Encoding and Content-Length")
        return b"chunked" if codings else lengths[0] if lengths else None

    def _body(self, message: Message) -> Message:
        if lengths := message.all("Content-Length"):
            message.body = self._exactly(int(lengths[0]))
            return message
        parts = []
        while True:
            line = self._until(b"\r\n")
            if not (match := CHUNK.fullmatch(line)):
                raise Violation(f"chunk size {line[:80]!r}")
            if not (size := int(match[1], 16)):
                break
            parts.append(self._exactly(size))
            if self._exactly(2) != b"\r\n":
                raise Violation("no CRLF behind chunk data")
        message.body = b"".join(parts)
        while line := self._until(b"\r\n"):
            message.trailers.append(self._field(line))
            if message.trailers[-1][0].lower() in NOT_IN_TRAILERS:
                raise Violation(f"trailer {line!r}")
        return message
