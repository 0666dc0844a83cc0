"""No user who was moved moves back when what failed has come back, while the session lasts (rule F1)."""

from ..records import Record, named
from ..timeline import Timeline


def returns(records: list[Record], timeline: Timeline, recovery: float = 0.0) -> list[Record]:
    """Requests answered by a server the user had left, although the one the user had gone to could be reached.

    Only what users saw counts, not their cookies, so this finds what a cookie left behind by a failover does. The
    answers of one page's parallel requests count as one: a user is where the page's last answer came from. An answer
    without a page (to HEAD) tells its server by the cookie only, when that has come to name another one.
    """
    back, current = [], {}
    left: dict[int, set[str]] = {}
    for record in sorted((record for record in records if record.good), key=lambda record: record.end):
        before = current.get(record.user)
        answering = record.server or (before and before[2] and named(record.after))
        if not answering:
            continue
        if before is None or before[0] == answering:
            if record.server:
                current[record.user] = (answering, record.end, named(record.after) == answering)
            continue
        server, since, was_named = before
        if record.begin < since:
            # Began before the user was where the user is now: of the same page, or older. If its cookie came last, it is the
            # page's last answer, and the user is there.
            if named(record.after) == answering:
                left.setdefault(record.user, set()).add(server)
                left[record.user].discard(answering)
                current[record.user] = (answering, record.end, True)
            continue
        gone = left.setdefault(record.user, set())
        # The jar named the page's server, and now the cookie names this one: an answer without a page (to HEAD) has moved the
        # user in between. A cookie that never named the page's server was left behind by a failover: nothing excuses that.
        moved_between = was_named and record.bound == answering
        begin = min(since, record.begin - recovery) if moved_between else record.begin - recovery
        if answering in gone and timeline.reachable(record.entry, server, begin, record.end):
            back.append(record)
        gone.add(server)
        gone.discard(answering)
        current[record.user] = (answering, record.end, named(record.after) == answering)
    return back
