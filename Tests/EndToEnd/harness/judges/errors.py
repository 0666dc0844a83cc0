"""No error answer to a request that any reachable healthy server could have served (rule D)."""

from ..records import Record
from ..timeline import Timeline

# TCP_USER_TIMEOUT of connections to servers (rule C5), 3 s, at time-scale 0.1, and time for a busy machine.
DOUBT_SECONDS = 0.5


def avoidable_errors(records: list[Record], timeline: Timeline) -> list[Record]:
    """Requests without a good answer although at every moment while they ran some server could be reached.

    A POST is excused when something failed while it ran or up to `DOUBT_SECONDS` before it began: it may have been
    processed already, so nobody may repeat it. The time before is that of silence, which a node first learns of when what
    it sent on a kept connection stays unacknowledged.
    A wrong answer (of another request or session, or with body bytes lost) is never excused.
    """
    return [record for record in records if not record.good and not _excused(record, timeline)]


def _excused(record: Record, timeline: Timeline) -> bool:
    if record.status is not None and record.status < 400:
        return False
    if not timeline.servable(record.entry, record.begin, record.end):
        return True
    return record.method == "POST" and timeline.changed(record.begin - DOUBT_SECONDS, record.end)
