"""A row of the benchmark: one kind of work, measured by turns; and what it tells."""

import argparse
import contextlib
import dataclasses
import itertools
import pathlib
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

from harness.addresses import LoopbackRange


class Told(NamedTuple):
    """What a row found: a table, and for each aim its words, the most that was aimed at, and what was measured. Of an aim that is a
    least (`at_least`), the least."""

    heads: list[str]
    rows: list[list[str]]
    aims: list[tuple]


class Row(NamedTuple):
    """`name` is what --only takes."""

    name: str
    title: str
    measure: Callable[["Bench"], Told]


@dataclasses.dataclass
class Bench:
    """What all rows share: the program, a folder, addresses nobody else uses, how long."""

    options: argparse.Namespace
    program: pathlib.Path
    folder: pathlib.Path
    addresses: LoopbackRange
    _hosts: Iterator[int] = dataclasses.field(default_factory=lambda: itertools.count(1))
    _clients: pathlib.Path | None = None

    @property
    def short(self) -> bool:
        return self.options.short

    def address(self) -> tuple[str, int]:
        """One that no other row has had."""
        number = next(self._hosts)
        return f"127.{self.addresses.base + number // 200}.7.{number % 200 + 1}", 8080

    def clients(self) -> pathlib.Path:
        """The load generator that is ours, compiled when it is first asked for."""
        if self._clients is None:
            source = pathlib.Path(__file__).resolve().parents[1] / "clients.c"
            self._clients = self.folder / "clients"
            subprocess.run(["cc", "-O2", "-o", self._clients, source], check=True)
        return self._clients

    def run_clients(self, mode: str, address: tuple[str, int], request: bytes, *numbers) -> list[float]:
        """The figures that it prints."""
        file = self.folder / "request"
        file.write_bytes(request)
        done = subprocess.run([self.clients(), mode, address[0], str(address[1]), file, *map(str, numbers)], capture_output=True,
                              text=True, timeout=300)
        if done.returncode:
            raise SystemExit(f"clients {mode}: {done.stderr}")
        return [float(number) for number in done.stdout.split()]


def by_turns(rounds: int, names: list[str], measure: Callable[[str], object], what: str) -> dict[str, list]:
    """Measures each of `names` once a round; who begins changes from round to round."""
    taken: dict[str, list] = {name: [] for name in names}
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            taken[name].append(measure(name))
            print(f"{what}, round {number + 1}: {name} {taken[name][-1]}", file=sys.stderr)
    return taken


def median(samples: list, field: str) -> float:
    return statistics.median(getattr(sample, field) for sample in samples)


def spread(values: list[float]) -> str:
    return f"{min(values):.1f} - {max(values):.1f}"


def ratio(mine: float, other: float) -> str:
    """A ratio as it is printed; nothing where there was nothing to compare."""
    return f"{mine / other:.2f}" if other else ""


@contextlib.contextmanager
def services(entries):
    """Starts them all; stops them all in the end."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(entry) for entry in entries]
