"""What choosing a server costs, by algorithm, with few servers in the pool and with many: Routing alone, without sockets."""

import json
import pathlib
import statistics
import subprocess

from . import REPOSITORY
from .row import Row, Told

ALGORITHMS = ("roundrobin", "static-rr", "leastconn", "source", "first", "random", "rendezvous")
FEW, MANY = 4, 2000
AIM = 2.0


def build(given: str | None) -> pathlib.Path:
    """The program that selects; with a program given to the benchmark, one that was built beside it if there is one."""
    beside = pathlib.Path(given).resolve().parent / "Selections" if given else None
    if beside and beside.exists():
        return beside
    subprocess.run(["swift", "build", "-c", "release", "--product", "Selections"], cwd=REPOSITORY, check=True,
                   stdout=subprocess.DEVNULL)
    return REPOSITORY / ".build" / "release" / "Selections"


def _topology(folder: pathlib.Path, algorithm: str, servers: int) -> pathlib.Path:
    path = folder / f"selections-{algorithm}-{servers}.yaml"
    path.write_text(json.dumps({
        "geodirector": 1, "network": "selections",
        "sites": [{
            "name": "SITE1", "directors": [{"name": "SD1", "listen": "127.0.0.1:8080"}],
            "balancers": [{"name": "S1L1", "listen": "127.0.0.1:8081"}],
            "servers": [{"name": f"W{number}", "address": f"127.1.{number // 200}.{number % 200 + 1}:8080"}
                        for number in range(servers)],
        }],
        "defaults": {"site-balancer": {"balance": algorithm}},
    }))
    return path


def _nanoseconds(program: pathlib.Path, file: pathlib.Path, selections: int) -> list[float]:
    done = subprocess.run([program, file, "S1L1", "3", str(selections)], capture_output=True, text=True, check=True, timeout=120)
    passes = [line.split() for line in done.stdout.splitlines()]
    assert all(total != "0" for _, total in passes), f"{file.name}: nothing was chosen"
    return [float(time) for time, _ in passes]


def measure(bench) -> Told:
    program = build(bench.options.geodirector)
    rounds, selections = (1, 20_000) if bench.short else (5, 1_000_000)
    rows, worst = [], 0.0
    for algorithm in ALGORITHMS:
        files = {count: _topology(bench.folder, algorithm, count) for count in (FEW, MANY)}
        times: dict[int, list[float]] = {FEW: [], MANY: []}
        for _ in range(rounds):
            for count, file in files.items():
                times[count] += _nanoseconds(program, file, selections)
        few, many = statistics.median(times[FEW]), statistics.median(times[MANY])
        worst = max(worst, many / few)
        rows.append([algorithm, f"{few:.1f}", f"{many:.1f}", f"{many / few:.2f}"])
    return Told(["algorithm", f"{FEW} servers, ns", f"{MANY:,} servers, ns", "ratio"], rows,
                [("cost of a selection among 2,000 servers against 4, worst algorithm", AIM, worst)])


ROW = Row("selections", "2,000 servers in a pool against 4: the cost of a selection", measure)
