"""Runs the tables against installed proxies and prints how many cases each fails.

    cd Tests/EndToEnd && ../.environment/bin/python -m conformance [--verbose] [geodirector] [haproxy] [nginx]
"""

import argparse
import dataclasses
import pathlib
import tempfile

from . import framing_cases, head_cases, response_cases
from .judge import judge_request, judge_response
from .nodes import started

TABLES = {"framing of requests": framing_cases, "heads of requests": head_cases, "responses": response_cases}


@dataclasses.dataclass
class Row:
    """What a system did with a table: `broken` are the cases in which it broke a MUST or did harm."""

    table: str
    cases: int
    failed: int = 0
    broken: int = 0
    told: list[str] = dataclasses.field(default_factory=list)


def figures(system: str, folder: pathlib.Path) -> list[Row]:
    rows = []
    with started(system, folder) as single:
        for name, table in TABLES.items():
            judge = judge_response if table is response_cases else judge_request
            row = Row(name, len(table.CASES))
            for case in table.CASES:
                if not (verdict := judge(single.address, single.origin, case)).faults:
                    continue
                must = case.must or verdict.harmful
                row.failed, row.broken = row.failed + 1, row.broken + must
                row.told.append(f"  {'MUST' if must else '    '} {case.section:6} {case.name}: {'; '.join(verdict.faults)}")
            rows.append(row)
    return rows


def main():
    parser = argparse.ArgumentParser(prog="conformance", description=__doc__.splitlines()[0])
    parser.add_argument("systems", nargs="*", default=["geodirector", "haproxy", "nginx"])
    parser.add_argument("--verbose", action="store_true", help="name each case that fails, and how")
    options = parser.parse_args()
    print(f"{'system':12} {'table':20} {'cases':>6} {'fail':>6} {'fail a MUST':>12}")
    for system in options.systems:
        with tempfile.TemporaryDirectory() as folder:
            for row in figures(system, pathlib.Path(folder)):
                if options.verbose and row.told:
                    print("\n".join(row.told))
                print(f"{system:12} {row.table:20} {row.cases:6} {row.failed:6} {row.broken:12}", flush=True)


if __name__ == "__main__":
    main()
