"""One node whose topology, or whose process, changes while it runs; and clients that must not notice."""

import asyncio
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import threading
import time

from . import sanitizer, waiting
from .client import Connection, Failure
from .raw import get
from .single import Single
from .topology import Topology

# Of 1.5 s in which idle connections of a former plan may still be used.
SCALE = 0.1
DONE, REFUSED = "serves by the topology read again", "goes on with the topology it has"
TIMEOUTS = {"request": "20s", "keep-alive": "200s", "client": "60s", "server": "60s", "connect": "5s", "queue": "20s"}


class Reloaded(Single):
    """Origins and one node N before them, with a monitor, commands and two workers; `data` may be changed and taken up."""

    def __init__(self, folder, **more):
        super().__init__(folder, timeouts=TIMEOUTS, check="2s", **more)
        self.data["time-scale"] = SCALE
        self.data["admin"] = {"socket": f"{folder}/{{node}}.sock"}
        self.workers = 2
        self.entry["monitor"] = self.range.map("127.0.1.1:8081")
        for check in self.data["defaults"].values():
            check["check"]["timeout"] = "5s"

    @property
    def site(self):
        return self.data["sites"][0]

    @property
    def entry(self):
        if self.role == "office-proxy":
            return self.data["offices"][0]
        return self.site["balancers" if self.role == "site-balancer" else "directors"][0]

    @property
    def node(self):
        return self.nodes["geodirector"]

    @property
    def serving(self) -> int:
        """The process that serves."""
        return self.node.process.pid

    def run(self) -> "Reloaded":
        self.address = self.geodirector()
        waiting.until(lambda: self.said("N serves"), "the node serving with all it has")
        return self

    def said(self, text: str) -> int:
        return self.node.err.read_text(errors="replace").count(text)

    def write(self, text: str | None = None):
        path = self.folder / "topology.yaml"
        new = path.with_suffix(".new")
        if text is None:
            Topology(self.data).write(new)
        else:
            new.write_text(text)
        os.replace(new, path)

    def reload(self, expected: str = DONE):
        """Has the node take up what `data` says now, or refuse it."""
        self.write()
        self.hang_up(expected)

    def hang_up(self, expected: str = DONE):
        before = self.said(expected)
        os.kill(self.serving, signal.SIGHUP)
        waiting.until(lambda: self.said(expected) > before, f"{expected!r} in the log", 20)

    def asked(self, cookies: str = "", **more) -> str:
        answer = get(self.address, "/", headers=[("Accept", "*/*"), *([("Cookie", cookies)] if cookies else [])], **more)
        assert answer.status == 200, answer
        return answer.first("X-Origin")

    def admin(self, line: str) -> str:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(str(self.folder / "N.sock"))
            client.sendall(line.encode() + b"\n")
            client.shutdown(socket.SHUT_WR)
            return client.makefile().read()

    def status(self) -> dict:
        def told():
            text = self.admin("status json")
            # For a moment neither of two processes takes orders.
            return None if "takes over: ask again" in text else text

        return json.loads(waiting.until(told, "the status").removeprefix("ok\n"))

    def server(self, name: str) -> dict:
        return next(entry for entry in self.status()["pools"][0]["servers"] if entry["name"] == name)

    def counts(self) -> dict[str, int]:
        body = get((self.range.map("127.0.1.1"), 8081), "/").body.decode()
        return {key: int(value) for key, _, value in (line.partition(" ") for line in body.splitlines()[1:])}

    def tasks(self) -> list[str]:
        found = []
        for task in pathlib.Path(f"/proc/{self.serving}/task").iterdir():
            with contextlib.suppress(OSError):
                found.append((task / "comm").read_text().strip())
        return sorted(found)

    @staticmethod
    def has_tables_of_its_own() -> bool:
        """Whether each thread has the descriptors of its own alone. If not, that of the main thread has those of connections, which come
        and go with their users: there is nothing to compare."""
        if sanitizer.chosen() != "thread":
            return True
        print("descriptors are not compared: threads share one table under ThreadSanitizer")
        return False

    def waits(self) -> list[str]:
        """What the threads of the process wait for in the kernel."""
        found = []
        for task in pathlib.Path(f"/proc/{self.serving}/task").iterdir():
            with contextlib.suppress(OSError):
                found.append((task / "wchan").read_text())
        return found

    def descriptors(self) -> dict[str, list[str]]:
        """By thread, what its descriptors stand for; connections come and go."""
        found = {}
        for task in pathlib.Path(f"/proc/{self.serving}/task").iterdir():
            links = []
            # A thread may end meanwhile.
            with contextlib.suppress(OSError):
                name = (task / "comm").read_text().strip()
                for entry in os.listdir(task / "fd"):
                    with contextlib.suppress(OSError):
                        links.append(os.readlink(task / "fd" / entry))
                found.setdefault(name, []).append(sorted(links))
        return found


class Load:
    """Clients that ask one after another, on kept connections or one for each request, on a thread of their own. A process that is left
    keeps a connection for as long as a node may send on it what it cannot repeat; whoever was kept from its next request for
    longer, by a machine that did something else, has waited too long: that is counted in `late`, and is no failure."""

    def __init__(self, address, count: int = 8, keeps=lambda index: index % 2 == 0):
        self.address, self.count, self.keeps = address, count, keeps
        self.failures: list[str] = []
        self.answers, self.late, self.leaving = 0, 0, False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()))

    async def _all(self):
        await asyncio.gather(*(self._client(index) for index in range(self.count)))

    async def _client(self, index: int):
        connection, keeps = Connection(self.address, 20 * sanitizer.slower()), self.keeps(index)
        body = b"x" * 200
        number, answered = 0, time.monotonic()
        while not self.leaving:
            method = "POST" if number % 3 == 0 else "GET"
            lines = [f"{method} /{index}/{number} HTTP/1.1", "Host: x", "Accept: */*"]
            lines += [f"Content-Length: {len(body)}"] if method == "POST" else []
            lines += [] if keeps else ["Connection: close"]
            waited = time.monotonic() - answered
            try:
                answer = await connection.request("\r\n".join([*lines, "", ""]).encode(), body if method == "POST" else b"", method)
                if answer.status != 200 or answer.body != b"ok":
                    self.failures.append(f"{answer.status} {answer.body[:40]!r}")
                self.answers += 1
            except Failure as failure:
                if keeps and failure.kind == "reset" and waited >= SCALE:
                    self.late += 1
                else:
                    self.failures.append(f"{method} {'kept' if keeps else 'new'}: {failure.kind}")
            number, answered = number + 1, time.monotonic()
        connection.close()

    def __enter__(self):
        self._thread.start()
        waiting.until(lambda: self.answers > 50, "answers")
        return self

    def __exit__(self, *_):
        self.leaving = True
        self._thread.join()


def resident_kib(pid: int) -> int:
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


class HandedOver(Reloaded):
    """The same, whose program can be replaced; `current` is the process that serves now."""

    def __init__(self, folder, **more):
        super().__init__(folder, **more)
        self.program = folder / "geodirector"
        # What stands before the program: words of a command that starts it.
        self.prefix = []
        self.current = None

    def _run(self, name, spec, command):
        if name == "geodirector":
            # What stands at the path counts, so a link may come to lead elsewhere.
            if not self.program.exists():
                self.program.symlink_to(command[0])
            command = [*self.prefix, str(self.program), *command[1:]]
        address = super()._run(name, spec, command)
        self.current = self.node.process.pid
        return address

    @property
    def serving(self) -> int:
        return self.current

    def listener(self) -> int:
        """The process that has the node's listening socket now, whoever started it."""
        host, port = self.address
        mine = f"{int.from_bytes(socket.inet_aton(host), 'little'):08X}:{port:04X}"
        inodes = {f"socket:[{line.split()[9]}]" for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
                  if line.split()[1] == mine and line.split()[3] == "0A"}
        for entry in pathlib.Path("/proc").glob("[0-9]*/fd/*"):
            with contextlib.suppress(OSError):
                if os.readlink(entry) in inodes and b"deploy" in (entry.parents[1] / "cmdline").read_bytes():
                    return int(entry.parents[1].name)
        raise AssertionError("nobody listens")

    def hand_over(self, expected: str = "is served by process"):
        """Has the node hand over to a new process, or fail to; returns the process that served before."""
        before, lines = self.current, self.said(expected)
        os.kill(self.current, signal.SIGUSR2)
        waiting.until(lambda: self.said(expected) > lines, f"{expected!r} in the log", 30)
        if expected == "is served by process":
            self.found()
            assert self.current != before
        return before

    def found(self):
        """Who serves now, as the log says last."""
        self.current = int(re.findall(r"is served by process (\d+)", self.node.err.read_text())[-1])

    def wait_gone(self, process: int):
        # Of the first process the test itself is the parent.
        waiting.until(lambda: (process == self.node.process.pid and self.node.process.poll() is not None) or not alive(process),
                      f"the end of process {process}")

    def __exit__(self, *_):
        if self.current and alive(self.current):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.current, signal.SIGTERM)
            with contextlib.suppress(AssertionError):
                waiting.until(lambda: not alive(self.current), "the end of the last process", 5)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.current, signal.SIGKILL)
        super().__exit__()
        # Those that a failed test has lost sight of.
        mine = os.fsencode(self.folder / "topology.yaml")
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mine in (entry / "cmdline").read_bytes().split(b"\0"):
                    os.kill(int(entry.name), signal.SIGKILL)


def alive(process: int) -> bool:
    try:
        state = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
