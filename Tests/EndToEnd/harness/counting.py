"""What a program allocates, retains and locks: counted by a library loaded before it."""

import pathlib
import struct
import subprocess

SOURCE = pathlib.Path(__file__).with_name("counting.c")
ALLOCATIONS = ("malloc", "calloc", "realloc", "free", "aligned")
REFERENCES = ("retain", "release", "bridge")
COUNTERS = (*ALLOCATIONS, *REFERENCES, "lock")


class Counting:
    """The library, compiled into a folder, and its counters there."""

    def __init__(self, folder: pathlib.Path):
        self.library, self.counts = folder / "counting.so", folder / "counts"
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-Wl,-z,initfirst", "-o", self.library, SOURCE, "-ldl"], check=True)

    @property
    def before(self) -> list[str]:
        """Put before a command."""
        return ["env", f"LD_PRELOAD={self.library}", f"COUNTING_FILE={self.counts}"]

    def read(self) -> dict[str, int]:
        return dict(zip(COUNTERS, struct.unpack(f"{len(COUNTERS)}Q", self.counts.read_bytes())))
