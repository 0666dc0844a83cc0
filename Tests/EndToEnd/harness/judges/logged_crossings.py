"""Rule E4 as the nodes' own access logs show it, failed attempts included, whatever the users saw of it."""

import dataclasses

from ..access_log import Entry
from .crossings import waves_of


@dataclasses.dataclass
class LoggedCrossings:
    """What the logs show after all servers of a site failed."""

    # Attempts of offices at the failed site's directors, which can do nothing but send them to another site.
    by_office: dict[str, int]
    waves: dict[str, int]
    allowed_waves: int
    # Requests that a director sent to another site's balancers, be it in vain.
    by_director: int
    # Requests that had reached an office before the failure and ended after it.
    in_flight: int
    offices: int

    @property
    def kept(self) -> bool:
        """The offices keep to their waves, and directors send no more than one of each wave and what was in flight."""
        return (all(count <= self.allowed_waves for count in self.waves.values())
                and self.by_director <= self.offices * self.allowed_waves + self.in_flight)


def logged_crossings(entries: list[Entry], specs, site: str, failure: float, failed: float, until: float,
                     interval: float) -> LoggedCrossings:
    """Judges lines begun from `failed` (the last of the servers was gone) to `until`; times as in the log. What directors
    send elsewhere counts from `failure`, when the first may have gone. Only for networks entered through offices."""
    by_office, sent, in_flight, by_director = {}, [], 0, 0
    for entry in entries:
        spec = specs[entry.node]
        if spec.role == "office-proxy":
            attempts = attempts_at(site, spec, entry)
            if entry.begin < failed <= entry.end or failure <= entry.begin < failed:
                in_flight += 1
            elif failed <= entry.begin < until and attempts:
                by_office[entry.node] = by_office.get(entry.node, 0) + attempts
                sent.append((entry.node, entry.begin, entry.end))
        elif spec.role == "site-director" and failure <= entry.begin < until:
            by_director += entry.away > 0
    return LoggedCrossings(by_office, waves_of(sent), 1 + int((until - failed) / interval), by_director, in_flight,
                           sum(spec.role == "office-proxy" for spec in specs.values()))


def attempts_at(site: str, office, entry: Entry) -> int:
    """How many of a line's attempts went to a site that is the first or the last of the office's order."""
    return entry.attempts - entry.away if office.preference[0] == site else entry.away
