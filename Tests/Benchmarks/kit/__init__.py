"""What the benchmarks share: processes, load, configurations, tables. Standard library only."""

import pathlib
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
# Ranges of loopback addresses and waiting for conditions are those of the end-to-end tests.
sys.path.insert(0, str(REPOSITORY / "Tests" / "EndToEnd"))
