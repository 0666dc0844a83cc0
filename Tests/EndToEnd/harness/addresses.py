"""Addresses for one test at a time, so that tests run beside each other.

Topologies are written with loopback addresses 127.A.x.y, A from 0 to 7. A test holds a range: eight consecutive
second octets that no other test of this machine uses, and moves its topology there.
"""

import fcntl
import os
import pathlib
import re
import tempfile

WIDTH = 8
_LOCKS = pathlib.Path(tempfile.gettempdir()) / "geodirector-test-ranges"
# 127.0.0.x stays (it means this machine), and so does a network such as 127.0.0.0/8; one of two addresses is that of two hosts.
_MOVABLE = re.compile(r"\b127\.(?!0\.0\.\d)([0-7])\.(\d+)\.(\d+)\b(?!/(?!31\b))")


class LoopbackRange:
    """A range of 127.0.0.0/8 held until `release`, also given back when the process dies."""

    def __init__(self):
        _LOCKS.mkdir(exist_ok=True)
        for base in range(WIDTH, 248, WIDTH):
            descriptor = os.open(_LOCKS / str(base), os.O_CREAT | os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            self.base, self._descriptor = base, descriptor
            return
        raise RuntimeError("every range of loopback addresses is in use by another test")

    def release(self):
        os.close(self._descriptor)

    def map(self, address: str) -> str:
        """The address of this range that stands for an address of a topology file."""
        return _MOVABLE.sub(lambda m: f"127.{self.base + int(m[1])}.{m[2]}.{m[3]}", address)


class NamespaceRange:
    """Addresses inside network namespaces: 127.A.x.y becomes 198.18.(64 A + x).y, of the range kept for test beds."""

    def release(self):
        pass

    def map(self, address: str) -> str:
        def move(match):
            area, third = int(match[1]), int(match[2])
            assert area < 4 and third < 64, f"{match[0]} has no address in the test bed's range"
            return f"198.18.{area * 64 + third}.{match[3]}"

        return _MOVABLE.sub(move, address)


def fixed(text: str) -> list[str]:
    """Loopback addresses in a text that no range stands for: two tests with them would meet."""
    return [address for address in re.findall(r"\b127\.\d+\.\d+\.\d+\b(?!/)", text)
            if not address.startswith("127.0.0.") and not _MOVABLE.fullmatch(address)]


def moved(value, where):
    """A topology with every address moved to the range `where`."""
    if isinstance(value, dict):
        return {key: moved(item, where) for key, item in value.items()}
    if isinstance(value, list):
        return [moved(item, where) for item in value]
    return where.map(value) if isinstance(value, str) else value
