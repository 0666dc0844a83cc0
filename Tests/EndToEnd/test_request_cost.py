"""What one more request costs a warm node: no heap allocation, no retain or release of Swift's run time, at most 4.5 system calls.

Counted by a library loaded before the node, and by strace; many requests on kept connections, of which what the node does without any
(health checks every second at most, a log line's thread) is a small part."""

import contextlib
import pathlib
import re
import shutil
import signal
import struct
import subprocess

import pytest

from harness import waiting
from harness.raw import RawConnection, request
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.timeout(60),
              pytest.mark.measures("it counts allocations and calls, and a sanitizer makes its own")]

REQUESTS = 2000
# Of the node's other work while they are made: checks, the log's thread, timers.
PER_REQUEST_MAX = 0.05
SYSTEM_CALLS_MAX = 4.5
COUNTERS = ("malloc", "calloc", "realloc", "free", "aligned", "retain", "release", "bridge")
CASES = {
    "with the cookie": [("Cookie", "SITE=HOME")],
    "without a cookie": [],
    "with other cookies and fields": [("Cookie", "theme=dark; SITE=HOME; lang=en"), ("User-Agent", "test"), ("Accept-Encoding", "gzip")],
}


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> pathlib.Path:
    """The counting library, compiled now."""
    path = tmp_path_factory.mktemp("counting") / "counting.so"
    source = pathlib.Path(__file__).parent / "harness" / "counting.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-Wl,-z,initfirst", "-o", path, source, "-ldl"], check=True)
    return path


@pytest.fixture
def director(request, tmp_path):
    """Starts a site director, with what is put before its command."""
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with contextlib.ExitStack() as stack:

        def starter(before=()):
            single = stack.enter_context(Single(tmp_path, names=("A",), role="site-director", site={"name": "SITE"}, check="10s"))
            single.wrapped_in = list(before)
            return single, single.geodirector()

        yield starter


def ask(connection: RawConnection, headers, count: int):
    asked = request(headers=headers)
    for _ in range(count):
        connection.send(asked)
        assert connection.answer().status == 200


@pytest.mark.parametrize("case", CASES)
def test_a_warm_node_allocates_nothing_for_a_request(director, library, tmp_path, case):
    spent = spent_for_each(director, library, tmp_path, case)
    assert max(spent[name] for name in COUNTERS[:5]) <= PER_REQUEST_MAX, f"for each request: {spent}"


@pytest.mark.parametrize("case", CASES)
def test_a_warm_node_neither_retains_nor_releases_for_a_request(director, library, tmp_path, case):
    spent = spent_for_each(director, library, tmp_path, case)
    assert max(spent[name] for name in COUNTERS[5:]) <= PER_REQUEST_MAX, f"for each request: {spent}"


def spent_for_each(director, library, tmp_path, case) -> dict[str, float]:
    """What each counter grew by for each request of a warm node."""
    counts = tmp_path / "counts"
    single, address = director(["env", f"LD_PRELOAD={library}", f"COUNTING_FILE={counts}"])

    def read() -> dict[str, int]:
        return dict(zip(COUNTERS, struct.unpack("8Q", counts.read_bytes())))

    with RawConnection(address) as connection:
        ask(connection, CASES[case], 200)
        before = read()
        assert before["malloc"] and before["retain"], f"nothing was counted: {before}"
        ask(connection, CASES[case], REQUESTS)
        spent = {name: (value - before[name]) / REQUESTS for name, value in read().items()}
    logged = len(single.nodes["geodirector"].log_lines())
    assert logged >= REQUESTS // 2, "the access log is part of the work"
    return spent


def test_a_warm_node_makes_at_most_four_and_a_half_system_calls_for_a_request(director, tmp_path):
    assert shutil.which("strace"), "strace is missing: Tests/run installs it"
    single, address = director()
    process = single.nodes["geodirector"].process
    summary = tmp_path / "calls"
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(RawConnection(address)) for _ in range(16)]
        for connection in connections:
            ask(connection, CASES["with the cookie"], 20)
        said = tmp_path / "strace"
        with open(said, "wb") as output:
            tracer = subprocess.Popen(["strace", "-c", "-f", "-U", "calls,name", "-o", str(summary), "-p", str(process.pid)], stderr=output)
        try:
            # It says so once it holds the threads.
            waiting.until(lambda: b"attached" in said.read_bytes() or tracer.poll() is not None, "strace attached")
            rounds = 1000 // len(connections)
            asked = request(headers=CASES["with the cookie"])
            for _ in range(rounds):
                # All at once, as a busy node is asked: one wait hands out many connections.
                for connection in connections:
                    connection.send(asked)
                for connection in connections:
                    assert connection.answer().status == 200
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait(10)
    calls = {name: int(number) for number, name in re.findall(r"^\s*(\d+)\s+(\w+)$", summary.read_text(), re.MULTILINE)}
    calls.pop("total", None)
    each = sum(calls.values()) / (rounds * len(connections))
    assert each > 1, f"nothing was counted: {summary.read_text()}"
    assert each <= SYSTEM_CALLS_MAX, f"{each:.2f} for each request: {calls}"
