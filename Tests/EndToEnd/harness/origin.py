"""An application server played by the test: records every byte it gets and answers what the test wants."""

import contextlib
import dataclasses
import socket
import threading

from . import waiting


@dataclasses.dataclass
class Received:
    """One request as it arrived. `connection` counts the connections from 0."""

    origin: str
    connection: int
    head: bytes
    body: bytes = b""
    trailer: bytes = b""

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n")[0].decode("latin-1")

    @property
    def headers(self) -> list[tuple[str, str]]:
        lines = self.head.decode("latin-1").split("\r\n")[1:-2]
        return [tuple(part.strip() for part in line.split(":", 1)) for line in lines]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def first(self, name: str) -> str | None:
        values = self.all(name)
        return values[0] if values else None

    @property
    def is_check(self) -> bool:
        """A health check: HTTP/1.0, or no request of a test's (those accept JSON)."""
        return not self.all("Accept")


class Exchange:
    """The origin's side of one request, handed to the test's handler."""

    def __init__(self, origin: "Origin", connection: socket.socket, number: int, received: Received, stream):
        self.origin, self.socket, self.number, self.request, self.stream = origin, connection, number, received, stream
        self.keep = True

    def send(self, data: bytes | str):
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def answer(self, status: int = 200, headers=(), body: bytes = b"ok", reason: str = "Origin"):
        """A whole answer with a Content-Length."""
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
        if status not in (204, 304):
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        self.send(head if self.request.line.startswith("HEAD ") or status in (204, 304) else head + body)

    def close(self, reset: bool = False):
        """Ends the connection; with `reset` by RST."""
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.keep = False


def ok(exchange: Exchange):
    exchange.answer(headers=[("X-Origin", exchange.origin.name)])


class Origin(contextlib.AbstractContextManager):
    """Listens at `address`; each request goes to `handler(exchange)`, which by default answers 200 `ok`.

    Health checks are answered 200 without the handler, or refused service while `healthy` is false.
    """

    def __init__(self, name: str, address: tuple[str, int], handler=ok):
        self.name, self.address, self.handler = name, address, handler
        # Takes what comes first on a connection, ahead of TLS, from an unbuffered stream.
        self.before = None
        # Of TLS; None: plain.
        self.context = None
        # Names that clients asked for, certificates they showed, and whether sessions were resumed, by connection.
        self.names: list[str | None] = []
        self.shown: list[dict | None] = []
        self.resumed: list[bool] = []
        self.healthy = True
        # What checks are answered while it is not.
        self.unhealthy_status = 503
        # Fields of the answers to health checks.
        self.check_headers: list[tuple[str, str]] = []
        # Requests of the test, without health checks; checks are only counted.
        self.received: list[Received] = []
        self.checks = 0
        self.connections = 0
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None

    def __enter__(self) -> "Origin":
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self) -> "Origin":
        self._listener = socket.create_server(self.address, backlog=512)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return self

    def stop(self):
        """As if killed: nothing listens any more, connections are reset."""
        if self._listener is None:
            return
        # A shutdown wakes the accepting thread, which holds the socket open until then.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._listener = None
        with self._lock:
            for connection in list(self._open):
                with contextlib.suppress(OSError):
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    connection.shutdown(socket.SHUT_RDWR)

    def close_kept(self):
        """Ends every open connection in order, as a server does with idle ones."""
        with self._lock:
            for connection in list(self._open):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    @property
    def open_connections(self) -> int:
        return len(self._open)

    def wait_received(self, count: int, seconds: float = 10.0) -> list[Received]:
        waiting.until(lambda: len(self.received) >= count, f"{count} requests at {self.name}", seconds)
        return self.received

    def clear(self):
        self.received.clear()

    def _accept(self, listener: socket.socket):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                number, self.connections = self.connections, self.connections + 1
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _secure(self, connection: socket.socket) -> socket.socket:
        self.context.sni_callback = lambda own, name, _: setattr(own, "asked", name)
        secure = self.context.wrap_socket(connection, server_side=True)
        with self._lock:
            self._open.discard(connection)
            self._open.add(secure)
            self.names.append(getattr(secure, "asked", None))
            self.shown.append(secure.getpeercert())
            self.resumed.append(secure.session_reused)
        return secure

    def _serve(self, connection: socket.socket, number: int):
        try:
            if self.before:
                with connection.makefile("rb", buffering=0) as first:
                    self.before(first)
            if self.context:
                connection = self._secure(connection)
            stream = connection.makefile("rb", buffering=262144)
            while self._one(connection, number, stream):
                pass
        except (OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _one(self, connection, number, stream) -> bool:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline()
            if not line:
                return False
            head += line
        received = Received(self.name, number, head)
        exchange = Exchange(self, connection, number, received, stream)
        if received.is_check:
            self.checks += 1
            exchange.answer(200 if self.healthy else self.unhealthy_status, self.check_headers)
            return not received.line.endswith("/1.0")
        with self._lock:
            self.received.append(received)
        if (received.first("Expect") or "").lower() == "100-continue" and not getattr(self.handler, "expects", False):
            exchange.send("HTTP/1.1 100 Continue\r\n\r\n")
        if not getattr(self.handler, "reads_itself", False):
            read_body(received, stream)
        self.handler(exchange)
        return exchange.keep and "close" not in (received.first("Connection") or "").lower()


def read_body(received: Received, stream):
    if "chunked" in (received.first("Transfer-Encoding") or "").lower():
        parts = []
        while size := int(stream.readline().split(b";")[0], 16):
            parts.append(stream.read(size))
            stream.readline()
        received.body = b"".join(parts)
        while (line := stream.readline()) not in (b"\r\n", b""):
            received.trailer += line
    elif length := received.first("Content-Length"):
        received.body = stream.read(int(length))
