"""The servers that are checked: one process that answers at every address of 127.0.0.0/8 on two ports, and counts the checks.

Each checked server is an address of its own; the wildcard sockets answer for all of them. On the first port a check is an
HTTP request, on the second it is a connection and no more. Times are noted per address, so that a check that came late shows.

Commands, a line each on standard input: `reset` forgets what was counted; `report` prints a line of JSON.
"""

import argparse
import json
import select
import socket
import sys
import time

_ANSWER = b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_ACCEPTED_AT_ONCE = 64


class Seen:
    """Checks by address: how many, and the longest pause between two of one address."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.began = time.monotonic()
        self.count: dict[str, int] = {}
        self.last: dict[str, float] = {}
        self.pauses: list[float] = []

    def note(self, address: str):
        now = time.monotonic()
        last = self.last.get(address)
        if last is not None:
            self.pauses.append(now - last)
        self.last[address] = now
        self.count[address] = self.count.get(address, 0) + 1

    def report(self) -> dict:
        pauses = sorted(self.pauses)
        return {
            "seconds": time.monotonic() - self.began,
            "addresses": len(self.count),
            "checks": sum(self.count.values()),
            "fewest": min(self.count.values(), default=0),
            "pauseMedian": pauses[len(pauses) // 2] if pauses else None,
            "pauseMax": pauses[-1] if pauses else None,
        }


def listener(port: int, for_requests: bool) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if for_requests:
        # The kernel hands the connection over when its request is there: one look at each.
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)
    made.bind(("0.0.0.0", port))
    made.listen(4096)
    made.setblocking(False)
    return made


def take(server: socket.socket, for_requests: bool, seen: Seen):
    for _ in range(_ACCEPTED_AT_ONCE):
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            try:
                seen.note(connection.getsockname()[0])
                if for_requests:
                    connection.setblocking(False)
                    connection.recv(4096)
                    connection.send(_ANSWER)
            except OSError:
                pass


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("http_port", type=int)
    parser.add_argument("tcp_port", type=int)
    options = parser.parse_args()
    seen = Seen()
    sockets = {}
    poll = select.epoll()
    for port, for_requests in ((options.http_port, True), (options.tcp_port, False)):
        made = listener(port, for_requests)
        sockets[made.fileno()] = (made, for_requests)
        poll.register(made, select.EPOLLIN)
    poll.register(sys.stdin, select.EPOLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor in sockets:
                take(*sockets[descriptor], seen)
                continue
            command = sys.stdin.readline().strip()
            if not command:
                return
            if command == "reset":
                seen.reset()
            elif command == "report":
                print(json.dumps(seen.report()), flush=True)


if __name__ == "__main__":
    main()
