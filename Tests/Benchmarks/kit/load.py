"""Load by wrk, and what it saw."""

import dataclasses
import pathlib
import re
import subprocess

_MICROSECONDS = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 6e7}


@dataclasses.dataclass(frozen=True)
class Load:
    """One run: requests answered, per second, and latency in microseconds."""

    requests: int
    per_second: float
    p50: float
    p99: float


def run(address: tuple[str, int], seconds: int, connections: int, headers=(), script: pathlib.Path | None = None,
        scheme: str = "http", path: str = "/") -> Load:
    """Runs wrk with one thread. Ends the benchmark when a connection broke or an answer was no success."""
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s", "--latency"]
    for header in headers:
        command += ["--header", header]
    if script:
        command += ["--script", str(script)]
    done = subprocess.run([*command, "{}://{}:{}{}".format(scheme, *address, path)], capture_output=True, text=True,
                          timeout=seconds + 30)
    text = done.stdout
    if done.returncode != 0 or "Socket errors" in text or "Non-2xx" in text:
        raise SystemExit(f"{' '.join(command)} failed:\n{text}{done.stderr}")
    return Load(
        requests=int(re.search(r"(\d+) requests in", text)[1]),
        per_second=float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
        p50=_percentile(text, 50), p99=_percentile(text, 99))


def _percentile(text: str, percent: int) -> float:
    number, unit = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s|m)\b", text, re.MULTILINE).groups()
    return float(number) * _MICROSECONDS[unit]
