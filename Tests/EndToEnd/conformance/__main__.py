"""Runs the tables against installed proxies and prints how many cases each fails.

    cd Tests/EndToEnd && ../.environment/bin/python -m conformance [--verbose] [geodirector] [haproxy] [nginx]
"""

import argparse
import pathlib
import tempfile

from . import framing_cases, head_cases, response_cases
from .judge import judge_request, judge_response
from .nodes import started

TABLES = {"framing of requests": framing_cases, "heads of requests": head_cases, "responses": response_cases}


def main():
    parser = argparse.ArgumentParser(prog="conformance", description=__doc__.splitlines()[0])
    parser.add_argument("systems", nargs="*", default=["geodirector", "haproxy", "nginx"])
    parser.add_argument("--verbose", action="store_true", help="name each case that fails, and how")
    options = parser.parse_args()
    print(f"{'system':12} {'table':20} {'cases':>6} {'MUST':>6} {'fail':>6} {'fail a MUST':>12}")
    for system in options.systems:
        with tempfile.TemporaryDirectory() as folder, started(system, pathlib.Path(folder)) as single:
            for name, table in TABLES.items():
                judge = judge_response if table is response_cases else judge_request
                failed = broken = 0
                for case in table.CASES:
                    if not (verdict := judge(single.address, single.origin, case)).faults:
                        continue
                    must = case.must or verdict.harmful
                    failed, broken = failed + 1, broken + must
                    if options.verbose:
                        print(f"  {'MUST' if must else '    '} {case.section:6} {case.name}: {'; '.join(verdict.faults)}")
                print(f"{system:12} {name:20} {len(table.CASES):6} {sum(case.must for case in table.CASES):6} "
                      f"{failed:6} {broken:12}", flush=True)


if __name__ == "__main__":
    main()
