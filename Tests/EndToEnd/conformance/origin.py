"""An origin that reads strictly, records every byte, and answers what the case says."""

import contextlib
import dataclasses
import socket
import threading

from .strict import Ended, Message, Reader, Violation


@dataclasses.dataclass
class Script:
    """What the origin says to requests for one target: these bytes, one at a time if `slowly`; then it may close."""

    data: bytes
    close: bool = False
    slowly: bool = False
    # Speaks when the request's head is there, without reading the body.
    early: bool = False
    # All of it has been sent.
    sent: threading.Event = dataclasses.field(default_factory=threading.Event)


class StrictOrigin(contextlib.AbstractContextManager):
    """Takes the place of an Origin of the harness. `requests` are the whole requests in the order they came."""

    def __init__(self, name: str, address: tuple[str, int]):
        self.name, self.address = name, address
        self.scripts: dict[str, Script] = {}
        self.requests: list[Message] = []
        self.violations: list[str] = []
        self.raw: list[bytearray] = []
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self) -> "StrictOrigin":
        self._listener = socket.create_server(self.address, backlog=512)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return self

    def stop(self):
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def clear(self):
        self.requests.clear()
        self.violations.clear()
        self.raw.clear()

    def _accept(self, listener: socket.socket):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket):
        reader = Reader(connection)
        self.raw.append(reader.received)
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.enter_context(connection)
            stack.callback(self._open.discard, connection)
            while True:
                try:
                    request = reader.request()
                except Ended:
                    return
                except Violation as violation:
                    self.violations.append(str(violation))
                    connection.sendall(b"HTTP/1.1 400 Violation\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    return
                self.requests.append(request)
                if not self._answer(connection, request):
                    return

    def _answer(self, connection: socket.socket, request: Message) -> bool:
        if script := self.scripts.get(request.target):
            pieces = [script.data] if not script.slowly else [script.data[i:i + 1] for i in range(len(script.data))]
            for piece in pieces:
                connection.sendall(piece)
            script.sent.set()
            return not script.close
        body = b"" if request.first[0] == b"HEAD" else request.target.encode("latin-1")
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(request.target), body))
        return b"close" not in request.members("Connection") and request.first[2] == b"1"
