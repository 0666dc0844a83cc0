"""What was up and which groups could talk at any moment: the judges' knowledge of the truth."""

import bisect
import math
import time


class Timeline:
    """States of the network over time. A path is entry -> (director ->) balancer -> server, any that exists counts."""

    def __init__(self, specs, groups):
        self.specs, self.groups = specs, groups
        self._times = [float("-inf")]
        self._states: list[tuple[frozenset, frozenset]] = [(frozenset(), frozenset())]
        self._cache: dict = {}
        # When the truth was in between: from the order to fail until the failure was complete.
        self._unrest: list[tuple[float, float]] = []

    def _change(self, at, change):
        down, cuts = self._states[-1]
        self._times.append(time.monotonic() if at is None else at)
        self._unrest.append((self._times[-1], self._times[-1]))
        self._states.append(change(down, cuts))

    def down(self, *names, at=None):
        self._change(at, lambda down, cuts: (down | set(names), cuts))

    def up(self, *names, at=None):
        self._change(at, lambda down, cuts: (down - set(names), cuts))

    def cut(self, one, other, at=None):
        self._change(at, lambda down, cuts: (down, cuts | {frozenset((one, other))}))

    def heal(self, one, other, at=None):
        self._change(at, lambda down, cuts: (down, cuts - {frozenset((one, other))}))

    @property
    def changes(self) -> list[float]:
        """When something changed."""
        return self._times[1:]

    def complete(self, at=None):
        """The last change has come to its end, such as the death of the last of several processes."""
        begin, _ = self._unrest[-1]
        self._unrest[-1] = (begin, time.monotonic() if at is None else at)

    def completed(self, change: float) -> float:
        """When the change that began at `change` had come to its end."""
        return next(end for begin, end in self._unrest if begin == change)

    def changed(self, begin: float, end: float) -> bool:
        """Whether something was failing or healing at some moment of the interval."""
        return any(first <= end and last >= begin for first, last in self._unrest)

    def around(self, moment: float) -> str:
        """For people: what was down, and how long before and after it something failed or healed."""
        before = min((max(0.0, moment - last) for first, last in self._unrest if first <= moment), default=math.inf)
        after = min((max(0.0, first - moment) for first, last in self._unrest if last >= moment), default=math.inf)
        down, cuts = self._states[bisect.bisect_right(self._times, moment) - 1]
        missing = sorted(down) + sorted("-".join(sorted(pair)) for pair in cuts)
        return (f"{before:.1f} s after and {after:.1f} s before something failed or healed, without "
                f"{', '.join(missing) or 'nothing'}")

    def _during(self, begin: float, end: float):
        first = max(0, bisect.bisect_right(self._times, begin) - 1)
        return self._states[first:bisect.bisect_right(self._times, end)]

    def fell_out(self, names, begin: float, end: float) -> bool:
        """Whether one of the nodes was down or silent at some moment of the interval."""
        return any(set(names) & down for down, _ in self._during(begin, end))

    def _linked(self, one: str, other: str, cuts) -> bool:
        return frozenset((self.groups[one], self.groups[other])) not in cuts

    def _servers(self, entry: str, state) -> frozenset:
        """Servers with a path from `entry` in one state."""
        key = (entry, state)
        if key in self._cache:
            return self._cache[key]
        down, cuts = state

        def reach(sources, role, same_site):
            return {name for name, spec in self.specs.items() if spec.role == role and name not in down and any(
                self._linked(source, name, cuts) and (not same_site or self.specs[source].site == spec.site)
                for source in sources)}

        at = {entry} - down
        role = self.specs[entry].role
        if role == "office-proxy":
            at = reach(at, "site-director", False)
        if role in ("office-proxy", "site-director"):
            at = reach(at, "site-balancer", False)
        found = self._cache[key] = frozenset(reach(at, "demo-server", True))
        return found

    def servable(self, entry: str, begin: float, end: float) -> bool:
        """Whether at every moment of the interval some server could have answered."""
        return all(self._servers(entry, state) for state in self._during(begin, end))

    def reachable(self, entry: str, server: str, begin: float, end: float) -> bool:
        """Whether `server` could be reached throughout the interval."""
        return all(server in self._servers(entry, state) for state in self._during(begin, end))

    def site_reachable(self, entry: str, site: str, begin: float, end: float) -> bool:
        """Whether at every moment of the interval some server of the site could be reached."""
        return all(any(self.specs[server].site == site for server in self._servers(entry, state))
                   for state in self._during(begin, end))

    def site_direct(self, entry: str, site: str, begin: float, end: float) -> bool:
        """As `site_reachable`, but through one of the site's own directors and its own balancers."""
        return all(self._direct(entry, site, state) for state in self._during(begin, end))

    def _direct(self, entry: str, site: str, state) -> bool:
        down, cuts = state
        if entry in down:
            return False
        if self.specs[entry].role == "office-proxy":
            directors = [name for name, spec in self.specs.items() if spec.role == "site-director"
                         and spec.site == site and name not in down and self._linked(entry, name, cuts)]
        else:
            directors = [entry] if self.specs[entry].site == site else []
        return any(self.specs[server].site == site for name in directors for server in self._servers(name, state))
