"""No user moves while the server of the session can be reached (rule C2)."""

from ..records import Record
from ..timeline import Timeline


def needless_moves(records: list[Record], timeline: Timeline, recovery: float = 0.0) -> list[Record]:
    """Requests answered by another server than the session's although that could be reached.

    The session's server is the one the cookie names; without a name in it, the one that answered the user's last
    request that had ended before. For `recovery` seconds after a server has come back, or a path to it, a request may
    still miss it: one request a trial interval finds out.
    """
    moves, last = [], {}
    ended: dict[int, list[tuple[float, str]]] = {}
    for record in sorted(records, key=lambda record: record.begin):
        if not record.good or record.server is None:
            continue
        earlier = ended.setdefault(record.user, [])
        for pair in sorted(earlier):
            if pair[0] <= record.begin:
                last[record.user] = pair[1]
                earlier.remove(pair)
        bound = record.bound or (last.get(record.user) if record.sent else None)
        earlier.append((record.end, record.server))
        if bound is None or bound == record.server or bound not in timeline.specs:
            continue
        if timeline.reachable(record.entry, bound, record.begin - recovery, record.end):
            moves.append(record)
    return moves
