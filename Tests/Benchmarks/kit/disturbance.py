"""How much of the machine others used during a run: tails of latency say nothing when a compiler had the cores."""

import os
import pathlib
import resource

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Disturbance:
    """Processor time of everything on the machine, less that of the processes that belong to the measurement.

    `pids` are those that live through the run; children that were waited for (wrk) count as ours, too.
    """

    def __init__(self, pids: list[int]):
        self._pids = pids
        self._before = self._others()

    def cores(self, seconds: float) -> float:
        """Cores that others kept busy since the start, on average."""
        return max(0.0, self._others() - self._before) / seconds

    def _others(self) -> float:
        # user, nice, system, idle, iowait, irq, softirq, steal: all but idle and iowait.
        fields = [int(field) for field in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        busy = sum(fields) - fields[3] - fields[4]
        for pid in self._pids:
            own = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            busy -= int(own[11]) + int(own[12])
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return busy / _TICKS_PER_SECOND - children.ru_utime - children.ru_stime
