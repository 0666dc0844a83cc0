"""A balancer with TLS in front of origins, two workers, and counts to be asked for."""

import contextlib
import json
import os
import pathlib
import re
import socket

from .single import Single

# Long enough that nothing of it comes into play where a test does not wait for it.
TIMEOUTS = {"request": "20s", "keep-alive": "60s", "client": "20s", "server": "20s", "connect": "10s", "queue": "20s", "pooled": "60s"}


class SecureBalancer(Single):
    """The listener has `tls`; sessions are kept by a cookie S, of which `cookies` tells more."""

    def __init__(self, folder: pathlib.Path, tls, cookies=None, names=("A", "B"), timeouts=None, **more):
        super().__init__(folder, names, session={"name": "S", "mode": "insert"}, timeouts=TIMEOUTS | (timeouts or {}), **more)
        self.data["applications"][0]["cookies"] |= cookies or {}
        self.data["admin"] = {"socket": f"{folder}/{{node}}.sock"}
        entry = self.data["sites"][0]["balancers"][0]
        entry["listen"] = [{"address": entry["listen"], "tls": tls}]
        self.workers = 2

    def run(self) -> "SecureBalancer":
        self.address = self.geodirector()
        return self

    @property
    def node(self):
        return self.nodes["geodirector"]

    def said(self, text: str) -> int:
        return self.node.err.read_text(errors="replace").count(text)

    def status(self) -> dict:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(str(self.folder / "N.sock"))
            client.sendall(b"status json\n")
            client.shutdown(socket.SHUT_WR)
            return json.loads(client.makefile().read().removeprefix("ok\n"))

    def handshakes(self) -> dict:
        """Those with clients: `full`, `resumed`, and `failed` by reason."""
        return next(entry for entry in self.status()["handshakes"] if entry["with"].startswith("clients of"))

    def resident_kib(self) -> int:
        return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{self.node.process.pid}/status").read_text())[1])

    def sockets(self) -> int:
        """Connections and listeners that the threads of the node have open, those of tables they share once."""
        found = set()
        for task in pathlib.Path(f"/proc/{self.node.process.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                for entry in os.listdir(task / "fd"):
                    with contextlib.suppress(OSError):
                        found.add(os.readlink(task / "fd" / entry))
        return sum(name.startswith("socket:") for name in found)
