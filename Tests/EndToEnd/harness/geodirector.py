"""geodirector as the system under test."""

import os
import pathlib

from . import sanitizer
from .topology import REPOSITORY, NodeSpec, Topology


def binary() -> pathlib.Path:
    kind = sanitizer.chosen()
    default = f".build-{kind}/debug/geodirector" if kind else ".build/release/geodirector"
    path = pathlib.Path(os.environ.get("GEODIRECTOR", REPOSITORY / default))
    how = f"swift build --sanitize={kind} --scratch-path .build-{kind}" if kind else "swift build -c release"
    assert path.exists(), f"{path} is missing: run `{how}` first (Tests/run does)"
    return path


class Geodirector:
    name = "geodirector"

    def prepare(self, topology: Topology, folder: pathlib.Path):
        self.file = topology.write(folder / "topology.yaml")

    def command(self, spec: NodeSpec, topology: Topology, folder: pathlib.Path) -> list[str]:
        command = [str(binary()), "deploy", spec.role, spec.name, "--topology", str(self.file)]
        # One worker a node: a whole network shares this machine's few cores.
        return command if spec.role == "demo-server" else [*command, "--workers", "1", "--access-log", "-"]
