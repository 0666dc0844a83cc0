"""A whole network of running nodes, and what was done to it when."""

import contextlib
import pathlib
import signal
import ssl

from . import waiting
from .access_log import entries
from .addresses import LoopbackRange, NamespaceRange
from .certificates import secure_get
from .namespaces import Fabric
from .process import Node, stop_all
from .raw import get
from .timeline import Timeline
from .topology import ROLES, Topology

USERS = "users"


class Network(contextlib.AbstractContextManager):
    """Starts every node of a topology (servers first, offices last) and keeps a timeline of what fails and heals.

    With `apart`, groups of nodes stand in network namespaces of their own so that links can be cut: one an office, one
    a site, one for the users; a node named in `apart` alone.
    """

    def __init__(self, topology: Topology, system, folder: pathlib.Path, apart: list[str] | None = None):
        self.system, self.folder = system, folder
        self.range = LoopbackRange() if apart is None else NamespaceRange()
        self.topology = topology.moved(self.range)
        self.specs = self.topology.nodes()
        self.groups = {name: (name if apart is not None and (name in apart or spec.site is None) else spec.site)
                       for name, spec in self.specs.items()}
        self.fabric = None
        if apart is not None:
            addresses = {USERS: ["198.19.0.1"]}
            for name, spec in self.specs.items():
                group = addresses.setdefault(self.groups[name], [])
                if spec.service[0] not in group:
                    group.append(spec.service[0])
            self.fabric = Fabric(addresses)
        self.timeline = Timeline(self.specs, self.groups)
        system.prepare(self.topology, folder)
        # What users trust and show, where nodes speak TLS: entries bear their own names.
        self.context = None
        if self.topology.is_secure:
            self.context = ssl.create_default_context(cafile=str(folder / "pki/ca.pem"))
            # Users at a site's own director come with an office's certificate.
            self.context.load_cert_chain(folder / "pki/OP1.pem")
        self.nodes = {
            name: Node(spec, system.command(spec, self.topology, folder), folder, self.namespace(self.groups[name]))
            for name, spec in self.specs.items()}

    def namespace(self, group: str):
        return self.fabric.namespaces[group] if self.fabric else None

    def in_users_namespace(self, function):
        return self.namespace(USERS).call(function) if self.fabric else function()

    def __enter__(self) -> "Network":
        try:
            for role in reversed(ROLES):
                started = [node.start() for node in self.nodes.values() if node.spec.role == role]
                for node in started:
                    node.wait_ready()
            for name, spec in self.specs.items():
                if spec.role == "office-proxy":
                    self.wait_new_user_site(name, spec.preference[0])
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        stop_all(list(self.nodes.values()))
        if self.fabric:
            self.fabric.remove()
        self.range.release()

    # What a single person with curl would see.

    def ask(self, entry: str, cookies: str = "", method: str = "GET", target: str = "/", **more):
        """One request on a connection of its own through `entry`."""
        headers = [("Cookie", cookies)] if cookies else []
        if self.context:
            return self.in_users_namespace(
                lambda: secure_get(self.specs[entry].service, self.context, target, entry, method, headers, **more))
        return self.in_users_namespace(
            lambda: get(self.specs[entry].service, target, method=method, headers=headers, **more))

    def new_user_site(self, entry: str) -> str | None:
        with contextlib.suppress(OSError):
            answer = self.ask(entry)
            return answer.json["site"] if answer.status == 200 else None
        return None

    def wait_new_user_site(self, entry: str, site: str, seconds: float = 30.0):
        """Until new users of `entry` are served by `site`, four times in a row."""
        waiting.until(lambda: all(self.new_user_site(entry) == site for _ in range(4)),
                      f"new users of {entry} at {site}", seconds)

    # Faults. A node counts as down from before the signal until it has been seen to listen again.

    def kill(self, *names: str):
        self.timeline.down(*names)
        for name in names:
            self.nodes[name].send(signal.SIGKILL)
        for name in names:
            self.nodes[name].process.wait()
        self.timeline.complete()

    def start(self, *names: str):
        for name in names:
            self.nodes[name].start()
        for name in names:
            self.nodes[name].wait_ready()
        self.timeline.up(*names)

    def pause(self, *names: str):
        self.timeline.down(*names)
        for name in names:
            self.nodes[name].pause()
        self.timeline.complete()

    def resume(self, *names: str):
        for name in names:
            self.nodes[name].resume()
        self.timeline.up(*names)

    def soft_restart(self, name: str, seconds: float = 60.0):
        """SIGUSR1, wait until it has gone by itself, start it again."""
        self.soft_stop(name)
        self.start_again(name, seconds)

    def soft_stop(self, name: str):
        """SIGUSR1: from now on it counts as down."""
        self.timeline.down(name)
        self.nodes[name].soft_stop()

    def start_again(self, name: str, seconds: float = 60.0):
        """Waits for the end of a soft stop, and starts the node."""
        self.nodes[name].wait_exit(seconds)
        self.start(name)

    def cut(self, one: str, other: str, both: bool = True):
        """Silence between two groups; with `both` false only from `one` to `other`."""
        self.timeline.cut(one, other)
        self.fabric.cut(one, other)
        if both:
            self.fabric.cut(other, one)
        self.timeline.complete()

    def heal(self, one: str, other: str, both: bool = True):
        self.fabric.heal(one, other)
        if both:
            self.fabric.heal(other, one)
        self.timeline.heal(one, other)

    def logged(self, requests: int) -> list:
        """Lines of every node's access log, once the offices have logged so many requests."""
        def lines():
            found = [entry for node in self.nodes.values() for entry in entries(node.log_lines())]
            return sum(self.specs[entry.node].role == "office-proxy" for entry in found) >= requests and found

        return waiting.until(lines, f"{requests} requests in the offices' logs")

    def names(self, role: str, site: str | None = None) -> list[str]:
        return [name for name, spec in self.specs.items() if spec.role == role and site in (None, spec.site)]
