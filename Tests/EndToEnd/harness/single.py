"""One node in front of origins that the test plays: topologies for it, and the reference with the same job."""

import contextlib
import copy
import pathlib
import re
import socket
import subprocess

from . import haproxy, waiting
from .addresses import LoopbackRange
from .geodirector import Geodirector, binary
from .origin import Origin
from .process import Node
from .topology import NodeSpec, Topology

# Time-outs and limits that tests wait for, short enough to wait for.
TIMEOUTS = {"request": "1s", "keep-alive": "2s", "client": "1500ms", "server": "1s", "connect": "500ms", "queue": "1s"}
LIMITS = {"head": "16KiB", "target": "4KiB", "fields": 100, "body": "6MiB"}


class Single(contextlib.AbstractContextManager):
    """Origins at addresses of their own and one node `N` before them.

    `role` is site-balancer (the origins are the site's servers) or office-proxy or site-director (the origins play the
    nodes behind: directors, or balancers, of the sites named in `tiers`). `session` and `site` are the cookies' settings
    as in a topology file; `reference` is the backend of the same job for HAProxy, {name} and {address} per server.
    """

    def __init__(self, folder: pathlib.Path, names=("A", "B"), role="site-balancer", tiers=None, session=None, site=None,
                 timeouts=None, limits=None, options=None, check="200ms", checked=True):
        self.folder, self.role = folder, role
        self.range = LoopbackRange()
        self.tiers = tiers or {"HOME": list(names)}
        self.at = {}
        for index, name in enumerate(name for tier in self.tiers.values() for name in tier):
            self.at[name] = (self.range.map(f"127.1.2.{index + 1}"), 8080)
        self.origins = {name: Origin(name, address) for name, address in self.at.items()}
        self.checked, self.check = checked, check
        cookies = {}
        if site is not None:
            cookies["site"] = site
        if session is not None:
            cookies["session"] = session
        self.data = self._topology(cookies, timeouts or {}, limits or {}, options or {})
        self.nodes: dict[str, Node] = {}
        # Put before the commands of the nodes, as `unshare` would be.
        self.wrapped_in: list[str] = []
        # The network namespace of the nodes; None: the machine's own. The origins are wherever `start` is called.
        self.namespace = None
        # Of the node; None: as many as all nodes of a run have.
        self.workers: int | None = None

    def _topology(self, cookies, timeouts, limits, options) -> dict:
        def address(name):
            return "{}:{}".format(*self.at[name])

        node = {"name": "N", "listen": self.range.map("127.0.1.1:8080")}
        sites = []
        for tier, names in self.tiers.items():
            # Every site must be whole; what is not played by an origin is never started nor asked.
            number = len(sites) + 1
            entry = {"name": tier}
            unused = self.range.map(f"127.2.{number}.1")
            entry["directors"] = [{"name": f"{tier}-director", "listen": f"{unused}:8080"}]
            entry["balancers"] = [{"name": f"{tier}-balancer", "listen": f"{unused}:8081"}]
            entry["servers"] = [{"name": f"{tier}-server", "address": f"{unused}:8082"}]
            if self.role == "site-balancer":
                entry["balancers"] = [node]
                entry["servers"] = [{"name": name, "address": address(name)} for name in names]
            elif self.role == "site-director":
                entry["balancers"] = [{"name": name, "listen": address(name)} for name in names]
                if number == 1:
                    entry["directors"] = [node]
            else:
                entry["directors"] = [{"name": name, "listen": address(name)} for name in names]
            sites.append(entry)
        application = {"name": "shop"}
        if cookies:
            application["cookies"] = cookies
        checks = {"interval": self.check, "fast-interval": self.check, "down-interval": self.check, "timeout": "500ms",
                  "rise": 2, "fall": 3}
        defaults = {self.role: {"timeouts": TIMEOUTS | timeouts, "limits": LIMITS | limits, "check": checks, **options}}
        data = {"geodirector": 1, "network": "single", "applications": [application], "sites": sites, "defaults": defaults}
        if self.role == "office-proxy":
            data["offices"] = [node | {"preference": {"by": "list", "sites": list(self.tiers)}}]
        return data

    def __enter__(self) -> "Single":
        for origin in self.origins.values():
            origin.start()
        return self

    def __exit__(self, *_):
        for node in self.nodes.values():
            node.stop()
        for origin in self.origins.values():
            origin.stop()
        self.range.release()

    def geodirector(self) -> tuple[str, int]:
        """Starts node N and returns where it serves."""
        topology = Topology(self.data)
        spec = NodeSpec("N", self.role, None, (self.range.map("127.0.1.1"), 8080), None)
        system = Geodirector()
        system.prepare(topology, self.folder)
        command = system.command(spec, topology, self.folder)
        if self.workers:
            command[command.index("--workers") + 1] = str(self.workers)
        return self._run("geodirector", spec, command)

    def haproxy(self, backend: str) -> tuple[str, int]:
        """Starts the reference with the lines of `backend`; @NAME there stands for an origin's address."""
        spec = NodeSpec("H", "reference", None, (self.range.map("127.0.1.2"), 8080), None)
        lines = "\n".join("  " + line.strip() for line in backend.strip().splitlines())
        for name, (host, port) in self.at.items():
            lines = re.sub(rf"@{name}\b", f"{host}:{port}", lines)
        path = self.folder / "reference.cfg"
        path.write_text(haproxy.header(1, self.folder / "reference.sock")
                        + f"listen H\n  bind {spec.service[0]}:{spec.service[1]}\n{lines}\n")
        return self._run("haproxy", spec, [haproxy.program(), "-db", "-f", str(path)])

    def rendered(self) -> tuple[str, int]:
        """Starts the reference with what `topology render haproxy` makes of node N, at an address of its own."""
        spec = NodeSpec("H", "reference", None, (self.range.map("127.0.1.2"), 8080), None)
        data, mine = copy.deepcopy(self.data), self.range.map("127.0.1.2")
        for entry in [*data.get("offices", []), *(node for site in data["sites"] for kind in ("directors", "balancers")
                                                  for node in site[kind])]:
            if entry["name"] == "N":
                entry["listen"] = f"{mine}:8080"
                if "monitor" in entry:
                    entry["monitor"] = f"{mine}:8081"
        topology = Topology(data).write(self.folder / "rendered.yaml")
        done = subprocess.run([str(binary()), "topology", "render", "haproxy", str(topology), "--node", "N"],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        path, extra = self.folder / "rendered.cfg", self.folder / "extra.cfg"
        path.write_text(done.stdout)
        extra.write_text(f"global\n  stats socket {self.folder / 'reference.sock'} mode 600 level admin\n")
        return self._run("haproxy", spec, [haproxy.program(), "-db", "-f", str(path), "-f", str(extra)])

    def _run(self, name: str, spec: NodeSpec, command: list[str]) -> tuple[str, int]:
        node = self.nodes[name] = Node(spec, [*self.wrapped_in, *command], self.folder, self.namespace)
        node.start().wait_ready()
        return spec.service

    def administer(self, command: str) -> str:
        """A line for the reference's admin socket."""
        with socket.socket(socket.AF_UNIX) as line:
            # Put in its place when everything else listens already.
            waiting.until((self.folder / "reference.sock").exists, "the reference's admin socket")
            line.connect(str(self.folder / "reference.sock"))
            line.sendall(command.encode() + b"\n")
            return line.makefile().read()

    def wait_log(self, text: str, times: int = 1):
        """Until node N has said something so often."""
        log = self.nodes["geodirector"].err
        waiting.until(lambda: log.read_text(errors="replace").count(text) >= times, f"{times} x {text!r} in the log of N")

    def wait_reference_sees(self, name: str, state: str):
        """Until the reference reports a server as UP, DOWN, ..."""
        def seen():
            rows = [row.split(",") for row in self.administer("show stat").splitlines()]
            return any(row[1:2] == [name] and row[17].startswith(state) for row in rows if len(row) > 17)

        waiting.until(seen, f"the reference seeing {name} {state}")

    def wait_reference_checked(self, name: str):
        """Until the reference's first check of a server is over: a server that fails its first one is down at once."""
        def done():
            rows = [row.split(",") for row in self.administer("show stat").splitlines()]
            return any(row[1:2] == [name] and row[36] not in ("", "INI") and not row[36].startswith("*") for row in rows if len(row) > 36)

        waiting.until(done, f"the reference's first check of {name}")
