"""geodirector's access log in the form of HAProxy's httplog, with the tier's decision at the end of the line."""

import dataclasses
import datetime
import re

_LINE = re.compile(
    r"^(?P<client>\S+) \[(?P<date>[^]]+)\] (?P<node>\S+) (?P<application>[^/ ]+)/(?P<server>\S+) "
    r"(?P<times>-?\d+/-?\d+/-?\d+/-?\d+/\+?-?\d+) (?P<status>-?\d+) (?P<bytes>\+?\d+) (?P<request_cookie>\S+) (?P<response_cookie>\S+) "
    r"(?P<termination>\S{2,4}) (?P<connections>[\d/+]+) (?P<queues>\d+/\d+) \"(?P<request>[^\"]*)\""
    r"(?: tier=(?P<tier>-?\d+|-) site=(?P<site>\S+) why=(?P<why>\S+)(?: away=(?P<away>\d+))?(?: peer=(?P<peer>\S+))?)?")

REASONS = {"cookie", "new", "unknown-cookie", "failover", "trial", "last-resort", "hint", "draining", "failback", "redirect", "-"}


@dataclasses.dataclass(frozen=True)
class Entry:
    client: str
    node: str
    application: str
    server: str
    times: tuple[int, ...]
    status: int
    bytes: int
    termination: str
    retries: int
    request: str
    tier: str | None
    site: str | None
    why: str | None
    # Attempts that went to a tier behind the first.
    away: int
    # When the request began: seconds since 1970, to the millisecond.
    begin: float
    # Who connected, where that is another than the client.
    peer: str | None = None
    # The server or site that its cookie names; None: none that is known.
    named: str | None = None

    @property
    def attempts(self) -> int:
        return self.retries + 1 if self.tier not in (None, "-") else 0

    @property
    def end(self) -> float:
        return self.begin + max(0, self.times[-1]) / 1000


def parse(line: str) -> Entry | None:
    """One line; None when it is no access log line."""
    match = _LINE.match(line)
    if not match:
        return None
    times = tuple(int(part) for part in match["times"].split("/"))
    date = datetime.datetime.strptime(match["date"], "%d/%b/%Y:%H:%M:%S.%f")
    retries = int(match["connections"].split("/")[-1].lstrip("+"))
    return Entry(match["client"], match["node"], match["application"], match["server"], times, int(match["status"]),
                 int(match["bytes"].lstrip("+")), match["termination"], retries, match["request"], match["tier"],
                 match["site"], match["why"], int(match["away"] or 0), date.timestamp(), match["peer"],
                 None if match["request_cookie"] == "-" else match["request_cookie"])


def entries(lines) -> list[Entry]:
    return [entry for entry in map(parse, lines) if entry]
