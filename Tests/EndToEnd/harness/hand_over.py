"""Both sides of the line of a hand-over, played by a test: a process that takes over up to a point, or one that hands over.

Run as a program (`played` puts it in the place of geodirector) it is the new process: PLAN says what becomes of it.
"""

import os
import pathlib
import signal
import socket
import stat
import subprocess
import sys
import time

FORM = "geodirector-hand-over 2"
VARIABLE = "GEODIRECTOR_HANDOVER"
HEADER, SOCKETS, END, PREPARED, STATE, READY, YOURS, TAKEN, WITHDRAWN, FAILED = (bytes([letter]) for letter in b"HSEPMRYTWF")
BYTES, DESCRIPTORS = 1 << 18, 200
# Points at which the new process may die, by the last thing it has done.
STAGES = ["started", "given", "prepared", "told", "ready", "in-charge"]


class Line:
    """One end; messages are a letter, text and descriptors."""

    def __init__(self, end: socket.socket):
        self.end = end

    @classmethod
    def pair(cls) -> tuple["Line", "Line"]:
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(one), cls(other)

    def send(self, kind: bytes, text: str = "", descriptors=()):
        data = [kind + text.encode()]
        if descriptors:
            socket.send_fds(self.end, data, list(descriptors))
        else:
            self.end.send(data[0])

    def receive(self, seconds: float = 20) -> tuple[bytes, str, list[int]]:
        """Kind `b""`: the other side has gone."""
        self.end.settimeout(seconds)
        data, descriptors, _, _ = socket.recv_fds(self.end, BYTES, DESCRIPTORS)
        return data[:1], data[1:].decode(), descriptors

    def close(self):
        self.end.close()


def played(node, plan: str):
    """The next process that the node starts is this file instead of geodirector."""
    program = node.program.resolve()
    node.program.unlink()
    node.program.write_text(f"#!/bin/sh\nexec {sys.executable} {pathlib.Path(__file__).resolve()} '{plan}' {program} "
                            f"{node.folder} \"$@\"\n")
    node.program.chmod(node.program.stat().st_mode | stat.S_IXUSR)


def restored(node):
    """The program is geodirector again."""
    from .geodirector import binary
    node.program.unlink()
    node.program.symlink_to(binary())


def _dies(line: Line, stage: str):
    """Takes over up to a stage, and is gone."""
    steps = STAGES.index(stage)
    if steps >= 1:
        while line.receive()[0] != END:
            pass
    if steps >= 2:
        line.send(PREPARED)
    if steps >= 3:
        assert line.receive()[0] == STATE
    if steps >= 4:
        line.send(READY)
        assert line.receive()[0] == YOURS
    if steps >= 5:
        # What it does when the node is its own.
        for path in pathlib.Path(sys.argv[3]).glob("*.pid"):
            path.write_text(f"{os.getpid()}\n")
    os.kill(os.getpid(), signal.SIGKILL)


def _holds(old: Line, kind: bytes, program: str, folder: str, arguments: list[str]):
    """Passes on what is said between the old process and a real new one, and keeps one message back until a file `go` is there."""
    end, other = Line.pair()
    environment = os.environ | {VARIABLE: str(other.end.fileno())}
    child = subprocess.Popen([program, *arguments], pass_fds=[other.end.fileno()], env=environment)
    other.close()
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
        signal.signal(number, lambda number, _: child.send_signal(number))
    import select
    while True:
        ready, _, _ = select.select([old.end, end.end], [], [])
        for source, target in ((old, end), (end, old)):
            if source.end not in ready:
                continue
            try:
                letter, text, descriptors = source.receive()
            except ConnectionResetError:
                letter, text, descriptors = b"", "", []
            if letter == kind:
                pathlib.Path(folder, "held").touch()
                while not pathlib.Path(folder, "go").exists():
                    time.sleep(0.01)
            if not letter:
                old.close()
                end.close()
                return child.wait()
            try:
                target.send(letter, text, descriptors)
            except BrokenPipeError:
                pass
            for descriptor in descriptors:
                os.close(descriptor)


if __name__ == "__main__":
    plan, program, folder, *arguments = sys.argv[1:]
    line = Line(socket.socket(fileno=int(os.environ.pop(VARIABLE))))
    what, _, detail = plan.partition(" ")
    if what == "dies":
        _dies(line, detail)
    elif what == "foreign":
        while line.receive()[0] != END:
            pass
        line.send(FAILED, detail)
    elif what == "holds":
        sys.exit(_holds(line, detail.encode(), program, folder, arguments))
