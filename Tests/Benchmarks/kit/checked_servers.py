"""The process of check_origin.py as its users see it."""

import contextlib
import json
import pathlib
import socket
import subprocess
import sys

from harness import waiting


class CheckedServers(contextlib.AbstractContextManager):
    """Plays any number of servers at 127.x addresses: HTTP on one port, bare connections on the other."""

    def __init__(self):
        self.http_port, self.tcp_port = _free_ports(2)

    def __enter__(self) -> "CheckedServers":
        # They stand for other machines: on this one they run only when the node and its load leave a core idle.
        self._process = subprocess.Popen(
            ["chrt", "--idle", "0", sys.executable, str(pathlib.Path(__file__).with_name("check_origin.py")),
             str(self.http_port), str(self.tcp_port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        for port in (self.http_port, self.tcp_port):
            waiting.until(lambda: waiting.listens(("127.0.0.1", port)), f"the checked servers on port {port}")
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(5.0)

    @property
    def pid(self) -> int:
        return self._process.pid

    def reset(self):
        self._process.stdin.write("reset\n")

    def report(self) -> dict:
        self._process.stdin.write("report\n")
        return json.loads(self._process.stdout.readline())


def _free_ports(count: int) -> list[int]:
    """Ports that nothing listens on at any address, below the range that outgoing connections use."""
    found = []
    for port in range(9300, 9900):
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError("no free ports")
