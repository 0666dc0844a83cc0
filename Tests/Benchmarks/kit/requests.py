"""Rows of small requests: processor time per request of a director and of the whole chain, per connection, and of two workers against one."""

import contextlib
import http.client
from typing import NamedTuple

from harness import waiting

from . import configurations, load, peers
from .row import Bench, Row, Told, by_turns, median, ratio, services, spread
from .service import Service

CONNECTIONS = 64
BROWSER = [
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language: en-US,en;q=0.5", "Accept-Encoding: gzip, deflate, br, zstd", "Upgrade-Insecure-Requests: 1",
    "Sec-Fetch-Dest: document", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: same-origin",
    "Referer: http://shop.example/catalogue?page=3",
    "Cookie: theme=dark; JSESSIONID=W11~0123456789ABCDEF0123456789ABCDEF; SITE=SITE1; lang=en",
]
COOKIE = ["Cookie: SITE=SITE1"]


class Sample(NamedTuple):
    """One run of one proxy: microseconds of processor per request, and requests per second."""

    user: float
    system: float
    total: float
    per_second: float

    def __str__(self):
        return f"{self.total:.1f} us"


def sample(peer: peers.Peer, seconds: int, headers, connections: int = CONNECTIONS) -> Sample:
    before = peer.cpu()
    seen = load.run(peer.address, seconds, connections, headers)
    user, system = ((now - then) * 1e6 / seen.requests for now, then in zip(peer.cpu(), before))
    return Sample(user, system, user + system, seen.per_second)


@contextlib.contextmanager
def origin(bench: Bench, name: str, count: int = 2):
    """An nginx that answers for `count` servers."""
    servers = {f"S1L{number + 1}": bench.address() for number in range(count)}
    command = configurations.nginx(bench.folder, list(servers.values()), name)
    with Service(name, command, bench.folder, next(iter(servers.values()))):
        yield servers


def check_same_job(peer: peers.Peer, cookies: list[str], size: int = 1024):
    """Before anything is measured: the cookies are inserted when there are none, and only then; the answer is whole."""
    def ask(*headers):
        connection = http.client.HTTPConnection(*peer.address, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/", headers={"Cookie": "; ".join(headers)} if headers else {})
            answer = connection.getresponse()
            body = answer.read()
            return (answer.msg.get_all("Set-Cookie", []), len(body)) if answer.status == 200 else None

    waiting.until(ask, f"{peer.name} answers")
    inserted, length = ask()
    kept, _ = ask(*cookies)
    assert sorted(value.split(";")[0] for value in inserted) == sorted(cookies) and not kept and length == size, (
        peer.name, inserted, kept, length)


def told(bench: Bench, cases, taken, aim: float, words: str, unit="us") -> Told:
    """A table with a line for each program in each case; the ratio is against the line's own case of HAProxy."""
    rows, worst = [], 0.0
    for case in cases:
        reference = median(taken[case]["HAProxy"], "total")
        for name in peers.NAMES:
            values = taken[case][name]
            total = median(values, "total")
            rows.append([case, name, f"{median(values, 'user'):.1f}", f"{median(values, 'system'):.1f}", f"{total:.1f}",
                         spread([value.total for value in values]), f"{median(values, 'per_second'):,.0f}",
                         "" if name == "HAProxy" else ratio(total, reference)])
        worst = max(worst, median(taken[case]["geodirector"], "total") / reference)
    return Told(["case", "proxy", f"user {unit}", f"system {unit}", f"total {unit}", "range", "requests/s", "ratio to HAProxy"], rows,
                [(words, aim, worst)])


def _director(bench: Bench) -> Told:
    cases = {"cookie": (COOKIE, False), "no cookie": ([], False), "browser": (BROWSER, False), "cookie, log": (COOKIE, True),
             "no cookie, log": ([], True)}
    taken = {}
    with origin(bench, "request-origin") as servers:
        for log in (False, True):
            made = {name: peers.director(bench, name, servers, log) for name in peers.NAMES}
            with services(process for peer in made.values() for process in peer.processes):
                for peer in made.values():
                    check_same_job(peer, ["SITE=SITE1"])
                    load.run(peer.address, 1, CONNECTIONS)
                for case, (headers, logged) in cases.items():
                    if logged == log:
                        taken[case] = by_turns(bench.options.rounds, peers.NAMES,
                                               lambda name: sample(made[name], bench.options.seconds, headers), case)
                memory = {name: peer.processes[0].peak_memory_kib() / 1024 for name, peer in made.items()}
                print(f"peak memory {'with' if log else 'without'} log, MiB: "
                      + ", ".join(f"{name} {value:.1f}" for name, value in memory.items()))
            if log:
                for file in bench.folder.glob("*-log.*"):
                    if file.suffix in (".log", ".out"):
                        file.unlink()
    return told(bench, cases, taken, 0.72, "CPU per request, site director, worst case")


def _chain(bench: Bench) -> Told:
    cases = {"cookies": ["Cookie: SITE=SITE1; SERVERID=W1"], "no cookies": []}
    taken = {}
    with origin(bench, "chain-origin", 1) as servers:
        made = {name: peers.chain(bench, name, next(iter(servers.values()))) for name in peers.NAMES}
        # From the last to the first, so that nobody finds its next node missing.
        with services(process for peer in made.values() for process in reversed(peer.processes)):
            for peer in made.values():
                check_same_job(peer, ["SITE=SITE1", "SERVERID=W1"])
                load.run(peer.address, 1, CONNECTIONS)
            for case, headers in cases.items():
                taken[case] = by_turns(bench.options.rounds, peers.NAMES,
                                       lambda name: sample(made[name], bench.options.seconds, headers), f"chain, {case}")
    return told(bench, cases, taken, 0.72, "CPU per request, the whole chain, worst case")


def _connection(bench: Bench) -> Told:
    taken = {}
    with origin(bench, "connection-origin") as servers:
        made = {name: peers.director(bench, name, servers, tag="-connection") for name in peers.NAMES}
        with services(process for peer in made.values() for process in peer.processes):
            for peer in made.values():
                check_same_job(peer, ["SITE=SITE1"])
            headers = [*COOKIE, "Connection: close"]
            taken["one request"] = by_turns(bench.options.rounds, peers.NAMES,
                                            lambda name: sample(made[name], bench.options.seconds, headers), "one request per connection")
    return told(bench, ["one request"], taken, 0.85, "CPU per connection, one request each")


def _workers(bench: Bench) -> Told:
    rows, aims = [], []
    with origin(bench, "workers-origin") as servers:
        made = {(name, workers): peers.director(bench, name, servers, workers=workers, tag=f"-{workers}-workers")
                for name in peers.NAMES for workers in (1, 2)}
        with services(process for peer in made.values() for process in peer.processes):
            for peer in made.values():
                check_same_job(peer, ["SITE=SITE1"])
            keys = {f"{name} {workers}": key for key in made for name, workers in [key]}
            # nginx with two workers does its work in children of the process that was started: their time is not in its own.
            keys = {label: key for label, key in keys.items() if key[0] != "nginx"}
            taken = by_turns(bench.options.rounds, list(keys), lambda label: sample(made[keys[label]], bench.options.seconds, COOKIE),
                             "workers")
    for name in ("geodirector", "HAProxy"):
        one, two = (1e6 / median(taken[f"{name} {workers}"], "total") for workers in (1, 2))
        rows.append([name, f"{one:,.0f}", f"{two:,.0f}", f"{two / one:.2f}"])
        if name == "geodirector":
            aims.append(("two workers against one, requests per CPU second", 0.95, two / one, "least"))
    return Told(["proxy", "1 worker, requests/CPU s", "2 workers, requests/CPU s", "ratio"], rows, aims)


ROWS = [
    Row("request", "CPU per request: a site director, 64 kept connections, 1 KB", _director),
    Row("chain", "CPU per request: office proxy, site director and site balancer", _chain),
    Row("connection", "CPU per connection: one request each", _connection),
    Row("workers", "Two workers against one", _workers),
]
