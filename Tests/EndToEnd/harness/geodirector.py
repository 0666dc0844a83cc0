"""geodirector as the system under test."""

import os
import pathlib

from .topology import REPOSITORY, NodeSpec, Topology


def binary() -> pathlib.Path:
    path = pathlib.Path(os.environ.get("GEODIRECTOR", REPOSITORY / ".build/release/geodirector"))
    assert path.exists(), f"{path} is missing: run `swift build -c release` first (Tests/run does)"
    return path


class Geodirector:
    name = "geodirector"

    def prepare(self, topology: Topology, folder: pathlib.Path):
        self.file = topology.write(folder / "topology.yaml")

    def command(self, spec: NodeSpec, topology: Topology, folder: pathlib.Path) -> list[str]:
        command = [str(binary()), "deploy", spec.role, spec.name, "--topology", str(self.file)]
        # One worker a node: a whole network shares this machine's few cores.
        return command if spec.role == "demo-server" else [*command, "--workers", "1", "--access-log", "-"]
