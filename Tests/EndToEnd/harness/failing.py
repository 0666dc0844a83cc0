"""Accepts of connections that fail: by a library loaded before the program."""

import errno
import mmap
import pathlib
import struct
import subprocess

SOURCE = pathlib.Path(__file__).with_name("failing.c")
_ORDERS = struct.Struct("5i")
_TAKES = (errno.ECONNABORTED, errno.EPROTO)


class FailingAccepts:
    """The library, compiled into a folder, and its orders there."""

    def __init__(self, folder: pathlib.Path):
        self.library, self.file = folder / "failing.so", folder / "failing"
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", self.library, SOURCE], check=True)
        self.file.write_bytes(bytes(_ORDERS.size))
        with open(self.file, "r+b") as file:
            self._orders = mmap.mmap(file.fileno(), _ORDERS.size)

    @property
    def before(self) -> list[str]:
        """Put before a command."""
        return ["env", f"LD_PRELOAD={self.library}", f"FAILING_FILE={self.file}"]

    def order(self, error: int, count: int = -1):
        """From now on so many accepts fail with the error; -1: all. Of errors that tell of the connection, each ends one."""
        struct.pack_into("i", self._orders, 4, 0)
        struct.pack_into("i", self._orders, 8, error in _TAKES)
        struct.pack_into("i", self._orders, 0, error)
        struct.pack_into("i", self._orders, 4, count)

    def end(self):
        struct.pack_into("i", self._orders, 4, 0)

    @property
    def failed(self) -> int:
        return _ORDERS.unpack(self._orders[:])[3]

    @property
    def calls(self) -> int:
        return _ORDERS.unpack(self._orders[:])[4]
