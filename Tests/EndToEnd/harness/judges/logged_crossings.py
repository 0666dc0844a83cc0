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
    # Requests that directors sent to another site's balancers, be it in vain; their waves, and how many each may have.
    by_director: dict[str, int]
    director_waves: dict[str, int]
    allowed_director_waves: dict[str, int]

    @property
    def kept(self) -> bool:
        """Offices and directors keep to their waves."""
        return (all(count <= self.allowed_waves for count in self.waves.values())
                and all(count <= self.allowed_director_waves[node] for node, count in self.director_waves.items()))


def logged_crossings(entries: list[Entry], specs, site: str, failure: float, failed: float, until: float,
                     interval: float) -> LoggedCrossings:
    """Judges lines begun from `failed` (the last of the servers was gone) to `until`; times as in the log. What directors
    send elsewhere counts from `failure`, when the first may have gone. Only for networks entered through offices.

    A director of the failed site has a wave for each of an office, others have their own. How many requests make a wave is
    not judged: all users of the failed site may ask before its first answer is there, which takes a handshake or two where
    connections have to be made for it.
    """
    by_office, sent, by_director, crossed = {}, [], {}, []
    allowed = 1 + int((until - failed) / interval)
    offices = sum(spec.role == "office-proxy" for spec in specs.values())
    may = {name: allowed * (offices if spec.site == site else 1)
           for name, spec in specs.items() if spec.role == "site-director"}
    for entry in entries:
        spec = specs[entry.node]
        if spec.role == "office-proxy":
            attempts = attempts_at(site, spec, entry)
            if failed <= entry.begin < until and attempts:
                by_office[entry.node] = by_office.get(entry.node, 0) + attempts
                sent.append((entry.node, entry.begin, entry.end))
        elif spec.role == "site-director" and failure <= entry.begin < until and entry.away:
            by_director[entry.node] = by_director.get(entry.node, 0) + 1
            crossed.append((entry.node, entry.begin, entry.end))
    return LoggedCrossings(by_office, waves_of(sent), allowed, by_director, waves_of(crossed), may)


def attempts_at(site: str, office, entry: Entry) -> int:
    """How many of a line's attempts went to a site that is the first or the last of the office's order."""
    return entry.attempts - entry.away if office.preference[0] == site else entry.away
