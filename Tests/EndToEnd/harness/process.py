"""One node as a real process."""

import ctypes
import os
import pathlib
import signal
import subprocess
import time

from . import sanitizer, waiting
from .topology import NodeSpec

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Node:
    """A process that serves at `spec.service`; its output goes to files of its own under `folder`."""

    def __init__(self, spec: NodeSpec, command: list[str], folder: pathlib.Path, namespace=None):
        self.spec, self.command, self.namespace = spec, command, namespace
        self.out = folder / f"{spec.name}.out"
        self.err = folder / f"{spec.name}.err"
        self.process: subprocess.Popen | None = None
        self.starts = 0

    def start(self) -> "Node":
        assert self.process is None or self.process.poll() is not None, f"{self.spec.name} runs already"
        prefix = self.namespace.prefix() if self.namespace else []
        with open(self.out, "ab") as out, open(self.err, "ab") as err:
            self.process = subprocess.Popen(
                prefix + self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, preexec_fn=_die_with_parent,
                start_new_session=True)
        self.starts += 1
        return self

    def ready(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(
                f"{self.spec.name} ended with {self.process.returncode}: {' '.join(self.command)}\n{self.tail()}")
        look = lambda: waiting.listens(self.spec.service)  # noqa: E731
        return self.namespace.call(look) if self.namespace else look()

    def wait_ready(self) -> "Node":
        waiting.until(self.ready, f"{self.spec.name} listening on {self.spec.service}")
        return self

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send(self, number: signal.Signals):
        os.kill(self.process.pid, number)

    def kill(self):
        """SIGKILL: from now on connections are refused."""
        self.send(signal.SIGKILL)
        self.process.wait()

    def pause(self):
        """SIGSTOP: connections are accepted by the kernel, nothing answers."""
        self.send(signal.SIGSTOP)

    def resume(self):
        self.send(signal.SIGCONT)

    def soft_stop(self):
        """SIGUSR1: takes no new users, goes on serving for its grace and while connections last, then ends."""
        self.send(signal.SIGUSR1)

    def terminate(self):
        """SIGTERM: accepts nothing more, finishes the requests in flight, ends."""
        self.send(signal.SIGTERM)

    def wait_exit(self, seconds: float = 20.0) -> int:
        try:
            return self.process.wait(seconds * sanitizer.slower())
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.spec.name} was still there {seconds:g} s after it was asked to stop") from None

    def stop(self):
        """End of the test: whatever state it is in, it goes."""
        if not self.runs:
            return
        self.resume()
        self.terminate()
        try:
            # Killed it could not tell its leaks.
            self.process.wait(1.0 * sanitizer.slower())
        except subprocess.TimeoutExpired:
            self.kill()

    def tail(self, lines: int = 12) -> str:
        text = self.err.read_text(errors="replace") if self.err.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def log_lines(self) -> list[str]:
        return self.out.read_text(errors="replace").splitlines() if self.out.exists() else []


def stop_all(nodes: list[Node]):
    """Stops them together: each gets its signal before any is waited for."""
    for node in nodes:
        if node.runs:
            node.resume()
            node.terminate()
    deadline = time.monotonic() + 2.0 * sanitizer.slower()
    for node in nodes:
        if node.runs:
            try:
                node.process.wait(max(0.01, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                node.kill()
