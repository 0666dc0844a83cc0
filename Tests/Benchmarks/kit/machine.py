"""The machine: what must be installed and built before a measurement, and what to print beside its figures."""

import os
import pathlib
import platform
import re
import resource
import shutil
import subprocess

from . import REPOSITORY


def install(programs: dict[str, str]):
    """Debian packages of the programs that are missing: program to package."""
    missing = sorted({package for program, package in programs.items() if not shutil.which(program)})
    if not missing:
        return
    if os.geteuid() != 0:
        raise SystemExit(f"missing: {' '.join(missing)}; install them, or run this as root")
    subprocess.run(["apt-get", "update", "-qq"], check=True)
    subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], check=True,
                   env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, stdout=subprocess.DEVNULL)


def geodirector(given: str | None) -> pathlib.Path:
    """The release build, made now, or the binary that was given."""
    if given:
        path = pathlib.Path(given).resolve()
        if not os.access(path, os.X_OK):
            raise SystemExit(f"{path} is no program")
        return path
    subprocess.run(["swift", "build", "-c", "release", "--product", "geodirector"], cwd=REPOSITORY, check=True,
                   stdout=subprocess.DEVNULL)
    return REPOSITORY / ".build" / "release" / "geodirector"


def raise_descriptor_limit():
    """Thousands of servers mean thousands of sockets; children inherit the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def version(*command: str) -> str:
    """The first version number that a program tells."""
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"\d+\.\d+[\w.+-]*", done.stdout + done.stderr)
    return found[0] if found else "unknown"


def description() -> str:
    """Processor, cores and kernel, in a line."""
    model = "processor unknown"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return f"{os.cpu_count()} cores of {model}, Linux {platform.release()}"


def load_average() -> float:
    """Of the last minute: above a few tenths before a measurement, somebody else is using the cores."""
    return os.getloadavg()[0]
