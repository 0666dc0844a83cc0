"""How many sessions the users lost, whether that could have been helped or not."""

from ..records import Record


def lost_sessions(records: list[Record]) -> set[str]:
    """Sessions sent with a request whose answer began another one. A session in one server's memory dies with the server."""
    lost = set()
    for record in records:
        for part in (record.sent or "").split(";"):
            name, _, value = part.strip().partition("=")
            if record.good and record.new and name == "JSESSIONID":
                lost.add(value.split("~")[-1])
    return lost
