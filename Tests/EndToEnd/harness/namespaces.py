"""A network of hosts on this machine: one network namespace a group of nodes, joined by a router in its own.

A cut is silence: the router drops what comes from one group for the other, no reset and no "unreachable" comes back.
Nothing here has a way out: the router has no link to the machine's own network.
"""

import contextlib
import ctypes
import itertools
import os
import subprocess
import threading

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_GATEWAY = "198.19.255.1"
_numbers = itertools.count(1)


def _ip(*arguments: str):
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def _batch(namespace: str, lines: list[str]):
    done = subprocess.run(["ip", "-n", namespace, "-batch", "-"], input="\n".join(lines), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"ip -n {namespace} -batch: {done.stderr.strip()}")


class Namespace:
    def __init__(self, name: str):
        self.name = name

    def prefix(self) -> list[str]:
        """What to put before a command; the command keeps the process id."""
        return ["ip", "netns", "exec", self.name]

    def enter(self):
        """Moves the calling thread here for good: sockets it makes belong to this namespace."""
        descriptor = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        try:
            if _libc.setns(descriptor, _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"setns {self.name}")
        finally:
            os.close(descriptor)

    def call(self, function):
        """Runs `function()` here, in a thread of its own, and returns what it returns."""
        result = []

        def run():
            self.enter()
            try:
                result.append((function(), None))
            except BaseException as error:  # handed to the caller
                result.append((None, error))

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        value, error = result[0]
        if error:
            raise error
        return value


@contextlib.contextmanager
def lone(purpose: str):
    """A namespace with nothing but its own loopback, gone at the end."""
    space = Namespace(f"gd{os.getpid()}-{purpose}")
    _ip("netns", "add", space.name)
    try:
        _ip("-n", space.name, "link", "set", "lo", "up")
        yield space
    finally:
        _ip("netns", "delete", space.name)


class Fabric:
    """Groups of hosts, each with its addresses, and a router between them whose paths can be cut."""

    def __init__(self, groups: dict[str, list[str]]):
        self.groups = groups
        self._tag = f"gd{os.getpid()}-{next(_numbers)}"
        self._router = f"{self._tag}-net"
        self._links = {group: f"v{index}" for index, group in enumerate(groups)}
        self.namespaces = {group: Namespace(f"{self._tag}-{group}") for group in groups}
        try:
            self._build()
        except BaseException:
            self.remove()
            raise

    def _build(self):
        _ip("netns", "add", self._router)
        Namespace(self._router).call(lambda: open("/proc/sys/net/ipv4/ip_forward", "w").write("1"))
        _batch(self._router, ["link set lo up"])
        for group, addresses in self.groups.items():
            space, link = self.namespaces[group].name, self._links[group]
            _ip("netns", "add", space)
            _ip("-n", self._router, "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space)
            _batch(space, ["link set lo up", *(f"address add {address}/32 dev eth0" for address in addresses),
                           "link set eth0 up", f"route add default via {_GATEWAY} dev eth0 onlink"])
            _batch(self._router, [f"address add {_GATEWAY}/32 dev {link}", f"link set {link} up",
                                  *(f"route add {address}/32 dev {link}" for address in addresses)])

    def _rules(self, source: str, target: str) -> list[str]:
        return [f"iif {self._links[source]} to {address}/32 blackhole priority 100" for address in self.groups[target]]

    def cut(self, source: str, target: str):
        """From now on nothing that `source` sends arrives at `target`; the other way still works."""
        _batch(self._router, [f"rule add {rule}" for rule in self._rules(source, target)])

    def heal(self, source: str, target: str):
        _batch(self._router, [f"rule delete {rule}" for rule in self._rules(source, target)])

    def remove(self):
        for space in [*(space.name for space in self.namespaces.values()), self._router]:
            with contextlib.suppress(RuntimeError):
                _ip("netns", "delete", space)
