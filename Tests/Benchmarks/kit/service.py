"""A process under measurement: started, watched through /proc, stopped."""

import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
from typing import NamedTuple

from harness import waiting

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class CPU(NamedTuple):
    """Processor time in seconds."""

    user: float
    system: float


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Service(contextlib.AbstractContextManager):
    """One process; standard output goes to `output`, standard error beside it."""

    def __init__(self, name: str, command: list[str], folder: pathlib.Path, address: tuple[str, int], nice: int = 0):
        self.name, self.command, self.address, self.nice = name, command, address, nice
        self.output, self.errors = folder / f"{name}.out", folder / f"{name}.err"
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> "Service":
        with open(self.output, "ab") as output, open(self.errors, "ab") as errors:
            self.process = subprocess.Popen(
                [*(["nice", "-n", str(self.nice)] if self.nice else []), *self.command], stdin=subprocess.DEVNULL,
                stdout=output, stderr=errors, preexec_fn=_die_with_parent)
        try:
            waiting.until(self._listens, f"{self.name} at {self.address[0]}:{self.address[1]}")
        except BaseException:
            self.stop()
            raise
        return self

    def _listens(self) -> bool:
        if self.process.poll() is not None:
            raise SystemExit(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")
        return waiting.listens(self.address)

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(3.0)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def tail(self) -> str:
        return "\n".join(self.errors.read_text(errors="replace").splitlines()[-12:])

    def cpu(self) -> CPU:
        """Used so far, all threads."""
        # The name in parentheses may hold spaces; the fields after it are counted from the state, field 3 of proc(5).
        fields = self._proc("stat").rpartition(")")[2].split()
        return CPU(int(fields[11]) / _TICKS_PER_SECOND, int(fields[12]) / _TICKS_PER_SECOND)

    def peak_memory_kib(self) -> int:
        """VmHWM: the most that was resident, in KiB, file pages of the program among it."""
        for line in self._proc("status").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
        raise RuntimeError(f"{self.name} has no VmHWM")

    def _proc(self, file: str) -> str:
        return pathlib.Path(f"/proc/{self.process.pid}/{file}").read_text()
