"""What must hold when a soak is over. Each judge takes plain facts and returns what is wrong, in words; nothing wrong: empty."""

from collections import Counter

from ..access_log import parse
from ..judges.errors import DOUBT_SECONDS

# Resident memory may grow by this from the end of the warm-up: allocators keep pages. And by a buffer for each by which more were in use at
# one time than ever before: pools keep those for reuse, up to their bounds. (A small one; most are.) A short warm-up has seen little of what the
# load and the faults can be.
GROWTH, GROWTH_KIB, BUFFER_KIB = 0.05, 4 * 1024, 17
SHORT_SECONDS, SHORT_GROWTH_KIB = 30.0, 8 * 1024
# A killed node takes the lines with it that it has not yet written (they are written every 25 ms), and a busy machine is late.
UNWRITTEN_SECONDS = 1.0
# A node that came back is tried once in 0.1 s by each before it (rule C2), and those before it take as long to hear of it: until then an error
# is no fault. As the scenarios have it.
RECOVERY_SECONDS = 0.4
# A connection that had ended shows it at once; one that ends later had swallowed the request.
STALE_SECONDS = 2.0
# A user reads an answer later than the node, which counts from then, has sent it: on a busy machine by so much at most.
LATE_SECONDS = 0.5
# Habits of users (`load`) whose requests may not be repeated.
POSTING = ("post", "stall-in-body", "vanish-in-body")
EMPTY = ("clients", "counted-connections", "in-flight", "waiting", "buffers", "request-records", "server-connections", "timers")


def complete_lines(name: str, text: str, kills: int) -> list[str]:
    """Every line of an access log can be read; each kill may have cut one short."""
    bad = [line for line in text.splitlines() if parse(line) is None]
    if text and not text.endswith("\n") and not kills:
        bad.append(text.splitlines()[-1])
    return [f"{name}: {len(bad)} broken log lines, {kills} kills: {bad[0][:200]!r}"] if len(bad) > kills else []


# A free slot is found by who waits for it within so long, on a slow machine, too; a refusal of a full queue is judged by the slots of so
# long before it. Judged are servers that have been up since longer than checks and a slow machine need to find that out.
LOOK_SECONDS, SETTLED_SECONDS = 0.3, 3.0
# A node that hung lets go of all it held at once: that takes the free slots and fills the queue in one moment, which two workers' clocks
# tell so differently. Who was refused then was refused after those had been taken.
BURST_SECONDS = 0.05
# Requests last so long at most. Those under way at a node that is killed have no line, those at a server are tried elsewhere, and their
# lines do not tell of it any more.
LASTING_SECONDS = 15.0


def idle_beside_queue(entries: list, servers: dict[str, list[str]], places: int, timeline, clock: float = 0.0) -> tuple[list[str], int]:
    """Nobody is refused a slot, or waits for one in vain, while a server that would have taken the request has one free for LOOK_SECONDS.
    What is wrong, and how many refusals could be judged. `entries`: the lines of balancers, each with `servers` of its own that take `places` requests at once from it. `clock`: what the timeline's
    clock shows when the lines' shows 0."""
    held: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for entry in entries:
        if not entry.termination.startswith("sQ"):
            held.setdefault((entry.node, entry.server), []).append((entry.begin + sum(max(0, time) for time in entry.times[:2]) / 1000, entry.end))
    busy = {key: _full_spans(spans, places) for key, spans in held.items()}
    wrong, judged = [], 0
    for entry in entries:
        if not entry.termination.startswith("sQ") or entry.node not in servers:
            continue
        came = entry.begin + max(0, entry.times[0]) / 1000
        begin = min(came, entry.end - LOOK_SECONDS)
        since, until = begin - SETTLED_SECONDS + clock, entry.end + LASTING_SECONDS + clock
        # Whoever belongs to one server waits for that one, if it is there; where it is not, the rest of the line does not tell.
        fit = [entry.named] if entry.named else servers[entry.node]
        known = [server for server in fit if server in servers[entry.node] and not timeline.fell_out({entry.node, server}, since, until)]
        judged += bool(known)
        for server in known:
            free = _longest_gap(busy.get((entry.node, server), []), begin, entry.end, came + BURST_SECONDS)
            # Times of the log are whole milliseconds.
            if free >= LOOK_SECONDS - 0.001:
                wrong.append(f"{entry} although {server} had a free slot for {free:.2f} s")
                break
    return wrong, judged


def _full_spans(spans: list[tuple[float, float]], places: int) -> list[tuple[float, float]]:
    """When so many of the spans, or more, were going on at once. Times are told in milliseconds: what ends in the one in which another
    begins counts as going on."""
    steps = sorted([(begin - 0.001, 1) for begin, _ in spans] + [(end + 0.001, -1) for _, end in spans])
    full, count, since = [], 0, 0.0
    for at, step in steps:
        if count < places <= count + step:
            since = at
        if count >= places > count + step:
            full.append((since, at))
        count += step
    return full


def _longest_gap(spans: list[tuple[float, float]], begin: float, end: float, lasts_to: float = 0.0) -> float:
    """The longest time from `begin` to `end` that is in none of the spans, which are in order and do not overlap; of those that last
    until `lasts_to`, or longer."""
    longest, free_since = 0.0, begin
    for first, last in spans:
        if last < begin:
            continue
        if first >= lasts_to:
            longest = max(longest, min(first, end) - free_since)
        if last >= end:
            return longest
        free_since = last
    return max(longest, end - free_since)


def answers(asked: list, entries: list, timeline, nodes: set[str] = frozenset(), keep_alive: float = 0.0) -> tuple[list[str], Counter]:
    """Every request got a whole answer, or its user went away, or there is a reason (`broken_off`). What is wrong, by the log lines of all
    nodes, and how many requests were broken off for each reason. `nodes` are those that log, `keep_alive` is how long, in seconds, the
    nodes that users reach keep an idle connection."""
    logged = _by_identity(entries)
    lost, reasons = [], Counter()
    for one in asked:
        if one.end in ("answered", "vanished"):
            continue
        why = broken_off(one, logged.get(one.identity, []), timeline, set(nodes), keep_alive)
        if why is None:
            lost.append(one)
        else:
            reasons[why] += 1
    if not lost:
        return [], reasons
    told = [f"{len(lost)} of {len(asked)} requests without an answer: {dict(Counter(one.end for one in lost))}, such as"]
    for one in lost[:4]:
        told.append(f"  {one}")
        told += [f"    {entry}" for entry in logged.get(one.identity, [])]
    return ["\n".join(told)], reasons


def broken_off(one, lines: list, timeline, nodes: set[str], keep_alive: float) -> str | None:
    """Why a request may have no answer, or none that is whole; None: nothing excuses it. An answer may break off when a node or server that
    it came by fell out meanwhile, or may have done so by the line that was lost in a kill. A kept connection may end unanswered when it has been
    idle for about as long as it is kept, or its node was stopped: then at once, and the node has not read, nor logged, the request."""
    if one.end == "cut":
        way = {name for entry in lines for name in (entry.node, entry.server)}
        if timeline.fell_out(way, one.begin, one.over):
            return "cut by a node that fell out"
        unwritten = way & nodes - {entry.node for entry in lines}
        if timeline.fell_out(unwritten, one.over, one.over + UNWRITTEN_SECONDS):
            return "cut, line lost with a killed node"
    if one.end == "stale" and not lines and one.over - one.begin <= STALE_SECONDS:
        if one.idle + one.late >= keep_alive - LATE_SECONDS:
            return "idle for too long"
        if timeline.fell_out({one.entry}, one.begin - one.idle, one.over):
            return "kept by a node that was stopped"
    return None


def accounted(asked: list, entries: list) -> list[str]:
    """One line for each request, that tells how it ended; for who vanished, or met a connection that had ended, at most one; none for others."""
    lines = _by_identity(entries)
    known = {one.identity for one in asked}
    wrong = []
    for one in asked:
        found = lines.get(one.identity, [])
        if len(found) > 1 or (not found and one.end in ("answered", "cut")):
            wrong.append(f"{len(found)} lines for {one}")
        elif found and one.end == "answered" and found[0].status != one.status:
            wrong.append(f"status {found[0].status} in the line of {one}")
        elif found and one.end == "cut" and found[0].termination.startswith("--"):
            wrong.append(f"a complete answer in the line of {one}")
    wrong += [f"a line for {name}, which nobody asked" for name in lines if name.startswith("s") and name not in known]
    return [f"{len(wrong)} requests not accounted for: {wrong[0]}"] if wrong else []


def shed(entries: list) -> set[str]:
    """Requests that a node refused because its servers and their queues were full, by its own log."""
    return {_identity(entry) for entry in entries if entry.termination.startswith("sQ")}


def _identity(entry) -> str:
    path = entry.request.split(" ")[1] if " " in entry.request else entry.request
    return path.lstrip("/").split("?")[0]


def _by_identity(entries: list) -> dict[str, list]:
    found: dict[str, list] = {}
    for entry in entries:
        found.setdefault(_identity(entry), []).append(entry)
    return found


def excuse(one, lines: list, timeline, nodes: set[str]) -> str | None:
    """Why a 5xx was right: the servers were full, all were down or out of reach at some moment of the request, or it was a POST and something
    failed at the time (it may have been processed, so nobody repeats it); it was with a node that fell silent, for longer than answers are waited for (504); or the line
    of the node of ours that was asked last (one of `nodes`) was lost in a kill. `lines`: what all nodes logged of it. None: a healthy server could have answered."""
    if shed(lines):
        return "full"
    if not timeline.servable(one.entry, one.begin - RECOVERY_SECONDS, one.over):
        return "nobody there"
    if one.status == 504 and timeline.fell_out({entry.server for entry in lines}, one.begin, one.over):
        return "504 of a silent node"
    silent = {entry.server for entry in lines} & nodes - {entry.node for entry in lines}
    # It may have been killed between its answer and the user's reading it.
    if silent and timeline.changed(one.begin, one.over + UNWRITTEN_SECONDS):
        return "line lost with a killed node"
    if one.habit in POSTING and timeline.changed(one.begin - DOUBT_SECONDS, one.over):
        return "POST at a failure"
    return None


def server_errors(asked: list, entries: list, timeline, nodes: set[str] = frozenset()) -> tuple[list[str], Counter]:
    """What is wrong, by the log lines of all nodes, and how many answers 5xx there were by their excuse."""
    logged = _by_identity(entries)
    failed = [one for one in asked if one.end == "answered" and one.status >= 500]
    wrong, excuses = [], Counter()
    for one in failed:
        why = excuse(one, logged.get(one.identity, []), timeline, set(nodes))
        if why is None:
            wrong.append(one)
        else:
            excuses[why] += 1
    if not wrong:
        return [], excuses
    counts = Counter(one.status for one in wrong)
    told = [f"{len(wrong)} answers 5xx that a healthy server could have given: {dict(counts)}, such as"]
    for one in wrong[:4]:
        told.append(f"  {one}, {timeline.around(one.over)}")
        told += [f"    {entry}" for entry in logged.get(one.identity, [])]
    return ["\n".join(told)], excuses


def released(name: str, usage: dict[str, int]) -> list[str]:
    """Nothing is held when the last connection has gone."""
    missing = [count for count in EMPTY if count not in usage]
    held = {count: usage[count] for count in EMPTY if usage.get(count)}
    return [f"{name} does not tell {missing}"] * bool(missing) + [f"{name} still holds {held}"] * bool(held)


def descriptors(name: str, idle: int, now: int) -> list[str]:
    return [f"{name}: {now} descriptors, {idle} when it was idle at the start"] if now > idle else []


def memory(name: str, warm_kib: int, end_kib: int, warm_up_seconds: float, more_buffers: int = 0) -> list[str]:
    """`more_buffers`: by how many the most in use at one time was more after the warm-up than before its end."""
    fixed_kib = SHORT_GROWTH_KIB if warm_up_seconds < SHORT_SECONDS else GROWTH_KIB
    allowed = warm_kib * (1 + GROWTH) + fixed_kib + BUFFER_KIB * max(0, more_buffers)
    if end_kib > allowed:
        return [f"{name}: {end_kib} KiB resident at the end, {warm_kib} KiB after the warm-up, {allowed:.0f} KiB allowed"]
    return []
