"""TLS: handshakes, requests and bytes of a site director with a certificate, beside HAProxy on the same OpenSSL. nginx has no part in it."""

import contextlib
import http.client
import re
import ssl
import subprocess
from typing import NamedTuple

from harness import waiting
from harness.certificates import Authority

from . import load
from .configurations import geodirector_director, haproxy_director
from .peers import Peer
from .requests import CONNECTIONS, COOKIE, origin
from .row import Bench, Row, Told, by_turns, median, ratio, services
from .service import Service

NAMES = ["geodirector", "HAProxy"]
NAME = "shop.example"
MIB = 2 ** 20


class Cost(NamedTuple):
    """Processor time for each of what is counted, in microseconds (of bytes: milliseconds for a GiB)."""

    user: float
    system: float
    total: float

    def __str__(self):
        return f"{self.total:.1f}"


def director(bench: Bench, name: str, servers: dict, certificate) -> Peer:
    label, listen = f"{name}-secure", bench.address()
    make = (lambda: geodirector_director(bench.program, bench.folder, label, listen, servers, None, certificate=certificate)) \
        if name == "geodirector" else (lambda: haproxy_director(bench.folder, label, listen, servers, False, certificate=certificate))
    return Peer(name, [Service(label, make(), bench.folder, listen)])


def check(peer: Peer, context: ssl.SSLContext):
    """Both speak the same version and suite, and insert the cookie."""
    def ask():
        connection = http.client.HTTPSConnection(*peer.address, timeout=5, context=context)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/")
            suite, answer = connection.sock.cipher()[:2], connection.getresponse()
            return answer.status == 200 and len(answer.read()) == 1024 and "SITE=SITE1" in answer.getheader("Set-Cookie", "") and suite

    assert waiting.until(ask, f"{peer.name} answers") == ("TLS_AES_256_GCM_SHA384", "TLSv1.3")


def handshakes(peer: Peer, seconds: int, resumed: bool) -> int:
    """Connections of one request each that openssl made, all of them resumed or none."""
    command = ["openssl", "s_time", "-connect", "{}:{}".format(*peer.address), "-www", "/", "-tls1_3", "-time", str(seconds),
               "-reuse" if resumed else "-new"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds * 3 + 30)
    assert done.returncode == 0, done.stderr
    # A letter for each connection: * for a full handshake, r for a resumed one; the first of -reuse is not counted.
    letters = "".join(re.findall(r"^[*rt]+", done.stdout, re.MULTILINE))
    count = letters.count("r" if resumed else "*")
    assert count >= len(letters) - 1, letters[:100]
    assert count > 10, done.stdout[-2000:]
    return count


def measure(peer: Peer, run, scale: float = 1e6) -> Cost:
    before = peer.cpu()
    count = run()
    user, system = ((now - then) * scale / count for now, then in zip(peer.cpu(), before))
    return Cost(user, system, user + system)


def _measure(bench: Bench) -> Told:
    rounds, seconds = (1, 1) if bench.short else (bench.options.rounds, bench.options.seconds)
    authority = Authority(bench.folder)
    certificate = authority.issue(NAME)
    context = authority.client()
    context.check_hostname = False
    files = bench.folder / "files"
    files.mkdir(exist_ok=True)
    (files / "1m").write_bytes(bytes(MIB))
    cases = {
        "full handshake, one request": ("us", 1.0, 1e6, lambda peer: handshakes(peer, seconds, False)),
        "resumed handshake, one request": ("us", 1.0, 1e6, lambda peer: handshakes(peer, seconds, True)),
        "request on a kept connection": ("us", 0.85, 1e6,
                                         lambda peer: load.run(peer.address, seconds, CONNECTIONS, COOKIE, scheme="https").requests),
        "GiB of 1 MiB answers": ("ms", 1.0, 1e3, lambda peer: load.run(
            peer.address, seconds, 4, COOKIE, scheme="https", path="/files/1m").requests * MIB / 2 ** 30),
    }
    rows, aims = [], []
    with origin(bench, "secure-origin") as servers:
        made = {name: director(bench, name, servers, certificate) for name in NAMES}
        with services(process for peer in made.values() for process in peer.processes):
            for peer in made.values():
                check(peer, context)
            for case, (unit, aim, scale, run) in cases.items():
                taken = by_turns(rounds, NAMES, lambda name: measure(made[name], lambda: run(made[name]), scale), case)
                reference = median(taken["HAProxy"], "total")
                for name in NAMES:
                    user, system, total = (median(taken[name], part) for part in ("user", "system", "total"))
                    rows.append([case, name, f"{user:.1f} {unit}", f"{system:.1f} {unit}", f"{total:.1f} {unit}",
                                 "" if name == "HAProxy" else ratio(total, reference)])
                aims.append((f"TLS, CPU per {case}", aim, median(taken["geodirector"], "total") / reference if reference else float("nan")))
    return Told(["case", "proxy", "user", "system", "total", "ratio to HAProxy"], rows, aims)


ROW = Row("tls", "TLS 1.3, a P-256 certificate, a site director", _measure)
