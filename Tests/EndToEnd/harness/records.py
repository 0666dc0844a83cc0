"""What is kept of every request of every user."""

import dataclasses


@dataclasses.dataclass(slots=True)
class Record:
    """One request as its user saw it. Times are of the monotonic clock, in seconds."""

    user: int
    entry: str
    begin: float
    end: float = 0.0
    method: str = "GET"
    # None: no answer; `failure` says what happened then, or what was wrong with an answer.
    status: int | None = None
    failure: str | None = None
    server: str | None = None
    site: str | None = None
    path: tuple[str, ...] = ()
    session: str | None = None
    # The application had no session for it and made one.
    new: bool = False
    # Cookies as sent, and the cookies of the jar after the answer.
    sent: str | None = None
    after: str | None = None
    visits: int = 0
    # Its X-Request-ID.
    identity: str = ""

    @property
    def good(self) -> bool:
        return self.status is not None and self.status < 400 and self.failure is None

    @property
    def bound(self) -> str | None:
        """The server that the cookies sent named."""
        return named(self.sent)

    @property
    def cookieless(self) -> bool:
        return not self.sent

    def __str__(self):
        what = f"{self.status}" if self.status else self.failure
        if self.status and self.failure:
            what += f" ({self.failure})"
        return (f"{self.begin:.3f}+{(self.end - self.begin) * 1000:.0f}ms user {self.user} at {self.entry} {self.method} "
                f"[{self.sent or 'no cookies'}] -> {what} {'>'.join(self.path)} [{self.after}]")


def named(cookies: str | None) -> str | None:
    """The server that cookies name."""
    for part in (cookies or "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == "JSESSIONID" and "~" in value:
            return value.split("~", 1)[0]
    return None
