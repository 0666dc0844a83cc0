"""New users are served by the first site that can serve them, without crossing between sites (rules B4, E2)."""

from ..records import Record
from ..timeline import Timeline


def strayed_new_users(records: list[Record], timeline: Timeline, recovery: float = 0.0) -> list[Record]:
    """Requests without cookies that were served at another site than the first reachable one of their entry's order.

    After a failure has ended, new users may stay away for `recovery` seconds: until the checks believe in the site.
    """
    strayed = []
    for record in records:
        if not (record.good and record.cookieless and record.server):
            continue
        begin = record.begin - recovery
        spec = timeline.specs[record.entry]
        order = spec.preference or (spec.site,)
        best = next((site for site in order if timeline.site_direct(record.entry, site, begin, record.end)), None)
        if best is not None and _rank(order, record.site) > _rank(order, best):
            strayed.append(record)
            continue
        director = next((hop for hop in record.path if timeline.specs[hop].role == "site-director"), None)
        if director is not None:
            home = timeline.specs[director].site
            if home != record.site and timeline.site_direct(director, home, begin, record.end):
                strayed.append(record)
    return strayed


def _rank(order, site) -> int:
    return order.index(site) if site in order else len(order)
