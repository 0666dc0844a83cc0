"""After a site-local failure hardly any request crosses between the sites (rule E4)."""

import dataclasses

from ..records import Record
from ..timeline import Timeline


def crosses(record: Record, timeline: Timeline) -> bool:
    """Whether the request went from a director of one site to a balancer of another."""
    sites = [timeline.specs[hop].site for hop in record.path if timeline.specs[hop].site]
    return len(set(sites)) > 1


@dataclasses.dataclass
class Crossings:
    """Requests that crossed after a failure, and how many rule E4 allows."""

    in_flight: int
    crossed: list[Record]
    # Groups of crossings of one office that nothing could have told apart: those begun before the first answer to one of them.
    waves: dict[str, int]
    allowed_waves: int

    @property
    def kept(self) -> bool:
        return all(count <= self.allowed_waves for count in self.waves.values())


def crossings_after(records: list[Record], timeline: Timeline, failure: float, until: float, interval: float) -> Crossings:
    """Counts by office what crossed between `failure` and `until`, beside what was in flight at the failure.

    Each office may let one wave through at once and one more in each check interval of `interval` seconds: it learns
    from the first answer, so requests that began before that answer came belong to the same wave.
    """
    in_flight = sum(1 for record in records if record.begin < failure <= record.end)
    crossed = sorted((record for record in records if failure <= record.begin < until and crosses(record, timeline)),
                     key=lambda record: record.begin)
    allowed = 1 + int((until - failure) / interval)
    return Crossings(in_flight, crossed, waves_of((record.entry, record.begin, record.end) for record in crossed), allowed)


def waves_of(crossed) -> dict[str, int]:
    """Waves by node of (node, begin, end): what a node begins before it has an answer to one of a wave belongs to that wave."""
    waves: dict[str, int] = {}
    answered: dict[str, float] = {}
    for node, begin, end in sorted(crossed, key=lambda one: one[1]):
        if begin >= answered.get(node, float("-inf")):
            waves[node] = waves.get(node, 0) + 1
            answered[node] = end
        answered[node] = min(answered[node], end)
    return waves
