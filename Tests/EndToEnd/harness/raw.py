"""Raw HTTP/1 over a socket: what is sent is exactly what the test says, what comes back is taken apart."""

import contextlib
import dataclasses
import functools
import json as _json
import socket
import time

from harness import sanitizer


class CutShort(Exception):
    """The connection ended before the message did."""


@dataclasses.dataclass
class Answer:
    version: str
    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    interim: tuple[int, ...] = ()
    raw_head: bytes = b""

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def first(self, name: str) -> str | None:
        values = self.all(name)
        return values[0] if values else None

    @functools.cached_property
    def json(self):
        return _json.loads(self.body)


class RawConnection(contextlib.AbstractContextManager):
    """A client's side of one connection."""

    def __init__(self, address: tuple[str, int], seconds: float = 10.0, source: str | None = None,
                 source_port: int = 0):
        self.socket = socket.create_connection(
            address, timeout=seconds * sanitizer.slower(), source_address=(source, source_port) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    @classmethod
    def of(cls, connected: socket.socket) -> "RawConnection":
        """Over a socket that the test has connected itself."""
        connection = cls.__new__(cls)
        connection.socket, connection.buffer = connected, b""
        return connection

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data: bytes | str):
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def send_slowly(self, data: bytes):
        """One byte a segment."""
        for index in range(len(data)):
            self.socket.sendall(data[index:index + 1])

    def _more(self) -> bool:
        data = self.socket.recv(262144)
        self.buffer += data
        return bool(data)

    def _until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            if not self._more():
                raise CutShort(f"ended after {self.buffer!r}")
        index = self.buffer.index(mark) + len(mark)
        taken, self.buffer = self.buffer[:index], self.buffer[index:]
        return taken

    def exactly(self, count: int) -> bytes:
        parts, have = [self.buffer], len(self.buffer)
        while have < count:
            data = self.socket.recv(262144)
            if not data:
                raise CutShort(f"ended after {have} of {count} bytes")
            parts.append(data)
            have += len(data)
        whole = b"".join(parts)
        self.buffer = whole[count:]
        return whole[:count]

    def rest(self) -> bytes:
        while self._more():
            pass
        taken, self.buffer = self.buffer, b""
        return taken

    def head(self) -> Answer:
        raw = self._until(b"\r\n\r\n")
        first, *lines = raw.decode("latin-1").split("\r\n")[:-2]
        version, status, *reason = first.split(" ", 2)
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines]
        return Answer(version, int(status), reason[0] if reason else "", headers, raw_head=raw)

    def answer(self, method: str = "GET") -> Answer:
        """The next answer, interim ones passed over but remembered."""
        interim = []
        while (answer := self.head()).status < 200 and answer.status != 101:
            interim.append(answer.status)
        answer.interim = tuple(interim)
        if method == "HEAD" or answer.status in (101, 204, 304):
            return answer
        if "chunked" in (answer.first("Transfer-Encoding") or "").lower():
            while size := int(self._until(b"\r\n").split(b";")[0], 16):
                answer.body += self.exactly(size)
                assert self.exactly(2) == b"\r\n"
            while self._until(b"\r\n") != b"\r\n":
                pass
        elif (length := answer.first("Content-Length")) is not None:
            answer.body = self.exactly(int(length))
        else:
            answer.body = self.rest()
        return answer

    def closed(self, seconds: float = 5.0) -> bool:
        """Whether the other side ends the connection, with nothing more sent, within the time."""
        self.socket.settimeout(seconds)
        try:
            return not self.buffer and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def ask(self, method: str = "GET", target: str = "/", headers=(), body: bytes = b"", host: str = "shop.example") -> Answer:
        self.send(request(method, target, headers, body, host))
        return self.answer(method)


def request(method: str = "GET", target: str = "/", headers=(), body: bytes = b"", host: str = "shop.example") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Accept: application/json"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def get(address, target: str = "/", method: str = "GET", headers=(), body: bytes = b"", seconds: float = 10.0) -> Answer:
    """One request on a connection of its own."""
    with RawConnection(address, seconds) as connection:
        return connection.ask(method, target, [*headers, ("Connection", "close")], body)


def elapsed(function) -> tuple[float, object]:
    begin = time.monotonic()
    value = function()
    return time.monotonic() - begin, value
