"""HAProxy with what `topology render haproxy` writes for each node, as the system under test: the same network beside itself."""

import collections
import pathlib
import re
import subprocess

from .geodirector import Geodirector, binary
from .haproxy import program
from .topology import NodeSpec, Topology


class Rendered(Geodirector):
    """Every proxy node is HAProxy; the demo servers are ours."""

    name = "rendered"

    def prepare(self, topology: Topology, folder: pathlib.Path):
        super().prepare(topology, folder)
        self.folder = folder / "haproxy"
        self.folder.mkdir()
        done = subprocess.run([binary(), "topology", "render", "haproxy", self.file, "--directory", self.folder],
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        self.files = {re.match(r"# (\S+): ", path.read_text())[1]: path for path in self.folder.glob("*.cfg")}

    def command(self, spec: NodeSpec, topology: Topology, folder: pathlib.Path) -> list[str]:
        if spec.role == "demo-server":
            return super().command(spec, topology, folder)
        # Where the state of its servers is asked.
        extra = folder / f"{spec.name}.extra.cfg"
        extra.write_text(f"global\n  stats socket {folder / spec.name}.sock mode 600 level admin\n")
        return [program(), "-db", "-f", str(self.files[spec.name]), "-f", str(extra)]


def counted(ask, times: int) -> collections.Counter:
    """What so many requests came to."""
    return collections.Counter(ask() for _ in range(times))
