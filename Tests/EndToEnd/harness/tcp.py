"""Servers of any protocol: what is done with a connection is a function of the test."""

import contextlib
import os
import pathlib
import socket
import struct
import threading


class TCPServer(contextlib.AbstractContextManager):
    """Gives each connection to `handler(connection)` in a thread of its own; `taken` counts them, `peers` are their addresses."""

    def __init__(self, address: tuple[str, int], handler, receive_buffer: int = 0):
        self.address, self.handler, self.taken, self.peers, self._open = address, handler, 0, [], set()
        self._receive_buffer = receive_buffer
        self.start()

    def start(self) -> "TCPServer":
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self._receive_buffer:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        self._listener.bind(self.address)
        self._listener.listen(512)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return self

    def _accept(self, listener):
        while True:
            try:
                connection, peer = listener.accept()
            except OSError:
                return
            self.taken += 1
            self.peers.append(peer[0])
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        # Whoever tests that the other side goes away sees it there; here it is no news.
        with contextlib.suppress(OSError), connection:
            self.handler(connection)
        self._open.discard(connection)

    def stop(self):
        # A thread that waits for a connection keeps the socket listening after it was closed.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __exit__(self, *_):
        self.stop()


def read_all(connection) -> bytes:
    """Everything up to the end of the stream."""
    pieces = []
    while piece := connection.recv(1 << 18):
        pieces.append(piece)
    return b"".join(pieces)


def echo(connection):
    """Sends back what comes, as it comes, and ends when the other side does."""
    while piece := connection.recv(1 << 16):
        connection.sendall(piece)


def reset(connection):
    """Closes with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def node_side(node: tuple[str, int], client: tuple[str, int]) -> tuple[str, str] | None:
    """State (two hexadecimal digits, as of Linux's tcp_states.h) and socket of a node's side of a connection; None: there is none."""
    def text(address):
        return f"{int.from_bytes(socket.inet_aton(address[0]), 'little'):08X}:{address[1]:04X}"

    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1:3] == [text(node), text(client)]:
            return fields[3], f"socket:[{fields[9]}]"
    return None


def has_socket(process: int, name: str) -> bool:
    """Whether one of the process's threads has it open; each may have a table of its own."""
    for entry in pathlib.Path(f"/proc/{process}/task").glob("*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(entry) == name:
                return True
    return False
