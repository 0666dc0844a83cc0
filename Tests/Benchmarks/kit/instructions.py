"""Instructions per request in user space, counted by valgrind: the difference between two amounts of requests."""

import http.client
import math
import os
import pathlib
import re
import signal
import subprocess

from harness import waiting

from . import peers
from .requests import origin
from .row import Bench, Row, Told, ratio

AMOUNTS = (500, 2500)
# nginx without a master does not end under valgrind when it is told to, and so tells nothing.
NAMES = ["geodirector", "HAProxy"]


def _run(bench: Bench, peer: peers.Peer, requests: int) -> float | str:
    """Instructions of a whole run with that many requests on one connection; or what went wrong."""
    service = peer.processes[0]
    program, *arguments = service.command
    if peer.name == "geodirector":
        # Debug information that Swift writes is too new for valgrind; the code stays the same.
        stripped = bench.folder / "geodirector-stripped"
        if not stripped.exists():
            subprocess.run(["objcopy", "--strip-debug", program, stripped], check=True)
        program = str(stripped)
    preload = bench.folder / "sigsuspend.so"
    if not preload.exists():
        source = pathlib.Path(__file__).resolve().parents[1] / "sigsuspend.c"
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", preload, source], check=True)
    errors = bench.folder / f"{service.name}.valgrind"
    with open(errors, "wb") as output:
        process = subprocess.Popen(["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", program,
                                    *arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                   env=os.environ | {"LD_PRELOAD": str(preload)})
    try:
        waiting.until(lambda: process.poll() is not None or waiting.listens(peer.address), f"{peer.name} under valgrind", 60)
        if process.poll() is None:
            connection = http.client.HTTPConnection(*peer.address, timeout=30)
            for _ in range(requests):
                connection.request("GET", "/", headers={"Cookie": "SITE=SITE1"})
                answer = connection.getresponse()
                assert answer.status == 200 and len(answer.read()) == 1024
            connection.close()
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    text = errors.read_text(errors="replace")
    found = re.search(r"I\s+refs:\s+([\d,]+)", text)
    if found:
        return float(found[1].replace(",", ""))
    reasons = [line.split("==", 2)[-1].strip() for line in text.splitlines()
               if re.search(r"corrupted debuginfo|unhandled|Assertion|internal error|FATAL|impossible", line)]
    return reasons[0] if reasons else f"ended with {process.returncode}"


def _measure(bench: Bench) -> Told:
    amounts = (50, 150) if bench.short else AMOUNTS
    found = {}
    with origin(bench, "instructions-origin") as servers:
        for name in NAMES:
            counts = []
            for amount in amounts:
                counts.append(_run(bench, peers.director(bench, name, servers, tag=f"-{amount}"), amount))
                if isinstance(counts[-1], str):
                    break
            found[name] = counts[-1] if isinstance(counts[-1], str) else (counts[1] - counts[0]) / (amounts[1] - amounts[0])
    reference = found["HAProxy"] if not isinstance(found["HAProxy"], str) else math.nan
    rows = [[name, value if isinstance(value, str) else f"{value:,.0f}",
             "" if isinstance(value, str) or name == "HAProxy" else ratio(value, reference)] for name, value in found.items()]
    ours = found["geodirector"]
    if isinstance(ours, str):
        # Not the processor's fault: it must serve and end in order there, too.
        raise RuntimeError(f"geodirector under valgrind: {ours}")
    return Told(["proxy", "instructions a request", "ratio to HAProxy"], rows,
                [("instructions per request in user space", 0.25, ours / reference)])


ROW = Row("instructions", "Instructions per request in user space", _measure)
