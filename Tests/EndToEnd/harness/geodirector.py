"""geodirector as the system under test."""

import contextlib
import functools
import os
import pathlib
import subprocess

from . import sanitizer
from .topology import REPOSITORY, NodeSpec, Topology


def binary() -> pathlib.Path:
    kind = sanitizer.chosen()
    path = pathlib.Path(os.environ.get("GEODIRECTOR", REPOSITORY / (f".build-{kind}" if kind else ".build") / "release/geodirector"))
    how = f"Tests/sanitize {kind}" if kind else "swift build -c release"
    assert path.exists(), f"{path} is missing: run `{how}` first (Tests/run does)"
    if kind:
        _check_built_under(kind, path)
    return path


@functools.cache
def _check_built_under(kind: str, path: pathlib.Path):
    assert sanitizer.is_built_under(kind, path), f"{path} was not built under the {kind} sanitizer: run `Tests/sanitize {kind}`"


_is_one_worker = False


@contextlib.contextmanager
def one_worker():
    """Nodes that are started meanwhile have one worker, whatever runs them."""
    global _is_one_worker
    _is_one_worker = True
    try:
        yield
    finally:
        _is_one_worker = False


def workers() -> int:
    """One worker a node: a whole network shares this machine's few cores. What workers do to each other is seen only where there are two."""
    return 2 if sanitizer.chosen() == "thread" and not _is_one_worker else 1


class Geodirector:
    name = "geodirector"

    def prepare(self, topology: Topology, folder: pathlib.Path):
        certificates = folder / "pki"
        self.file = topology.with_certificates_in(certificates).write(folder / "topology.yaml")
        if topology.names_certificates:
            subprocess.run([binary(), "pki", "init", self.file, "--directory", certificates], check=True, stdout=subprocess.DEVNULL)

    def command(self, spec: NodeSpec, topology: Topology, folder: pathlib.Path) -> list[str]:
        command = [str(binary()), "deploy", spec.role, spec.name, "--topology", str(self.file)]
        return command if spec.role == "demo-server" else [*command, "--workers", str(workers()), "--access-log", "-"]
