"""What one more request costs a warm node: no heap allocation, no retain or release of Swift's run time, at most 4.5 system calls.

Counted by a library loaded before the node, and by strace; many requests on kept connections, of which what the node does without any
(health checks every second at most, a log line's thread) is a small part."""

import contextlib
import functools
import itertools
import re
import shutil
import signal
import subprocess

import pytest

from harness import waiting
from harness.counting import ALLOCATIONS, REFERENCES, Counting
from harness.geo import city_database, random_addresses
from harness.raw import RawConnection, request
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.timeout(60),
              pytest.mark.measures("it counts allocations and calls, and a sanitizer makes its own")]

REQUESTS = 2000
# Of the node's other work while they are made: checks, the log's thread, timers.
PER_REQUEST_MAX = 0.05
SYSTEM_CALLS_MAX = 4.5
CASES = {
    "with the cookie": [("Cookie", "SITE=HOME")],
    "without a cookie": [],
    "with other cookies and fields": [("Cookie", "theme=dark; SITE=HOME; lang=en"), ("User-Agent", "test"), ("Accept-Encoding", "gzip")],
}


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


@pytest.fixture
def balancer(request, tmp_path):
    """Starts a balancer that prefixes the application's cookie; the application sets it with these attributes by turns, if any."""
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with contextlib.ExitStack() as stack:

        def starter(before=(), attributes=()):
            single = stack.enter_context(Single(tmp_path, names=("A",), session={"name": "SID", "mode": "prefix"}, check="10s"))
            single.wrapped_in = list(before)
            turns = itertools.cycle([[("Set-Cookie", f"SID=abc; {text}")] for text in attributes] or [[]])
            single.origins["A"].handler = lambda exchange: exchange.answer(headers=next(turns))
            return single, single.geodirector()

        yield starter


@pytest.fixture
def public_entry(request, tmp_path):
    """Starts an office whose clients have orders of sites of their own, by a real database."""
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with contextlib.ExitStack() as stack:

        def starter(before=()):
            single = stack.enter_context(Single(
                tmp_path, tiers={"EAST": ["A"], "WEST": ["B"]}, role="office-proxy", site={"name": "SITE"}, check="10s",
                options={"forwarded": {"trusted": "127.0.0.0/8"}}))
            for site, place in zip(single.data["sites"], ([50.1, 8.7], [38.9, -77.4])):
                site["location"] = place
            single.data["geo"] = {"database": str(city_database()), "networks": {"10.0.0.0/8": ["WEST"]}}
            single.data["offices"][0]["preference"] = "client-location"
            single.wrapped_in = list(before)
            return single, single.geodirector()

        yield starter


def ask(connection: RawConnection, fields: list, count: int):
    """Asks so many times, with each list of fields in turn."""
    asked = [request(headers=headers) for headers in fields]
    for number in range(count):
        connection.send(asked[number % len(asked)])
        assert connection.answer().status == 200


@pytest.mark.parametrize("case", CASES)
def test_a_warm_node_allocates_nothing_for_a_request(director, tmp_path, case):
    spent = spent_for_each(director, tmp_path, [CASES[case]])
    assert max(spent[name] for name in ALLOCATIONS) <= PER_REQUEST_MAX, f"for each request: {spent}"


@pytest.mark.parametrize("case", CASES)
def test_a_warm_node_neither_retains_nor_releases_for_a_request(director, tmp_path, case):
    spent = spent_for_each(director, tmp_path, [CASES[case]])
    assert max(spent[name] for name in REFERENCES) <= PER_REQUEST_MAX, f"for each request: {spent}"


# Fields of the request, and attributes of the application's cookie by turns.
SESSIONS = {
    "its own": ([("Cookie", "SID=A~123")], ()),
    "of a server that is no more": ([("Cookie", "SID=ZZ~123")], ()),
    "given with each answer": ([], ("Path=/",)),
    "given with other attributes each time": ([], ("Path=/a", "Path=/b")),
}


@pytest.mark.parametrize("case", SESSIONS)
def test_a_warm_balancer_allocates_and_retains_nothing_for_a_request_with_a_session(balancer, tmp_path, case):
    fields, attributes = SESSIONS[case]
    spent = spent_for_each(functools.partial(balancer, attributes=attributes), tmp_path, [fields])
    assert max(spent[name] for name in (*ALLOCATIONS, *REFERENCES)) <= PER_REQUEST_MAX, f"for each request: {spent}"


# Addresses of clients: one, which a connection remembers; and another with each request, each looked up.
CLIENTS = {"one client": ["81.2.69.160"], "another client each time": [*random_addresses(397, seed=3), "10.1.2.3"]}


@pytest.mark.parametrize("case", CLIENTS)
def test_a_public_entry_allocates_and_retains_nothing_to_find_the_clients_sites(public_entry, tmp_path, case):
    spent = spent_for_each(public_entry, tmp_path, [[("X-Forwarded-For", client)] for client in CLIENTS[case]])
    assert max(spent[name] for name in (*ALLOCATIONS, *REFERENCES)) <= PER_REQUEST_MAX, f"for each request: {spent}"


def test_a_node_that_serves_has_given_back_the_pages_that_its_start_needed(director):
    single, address = director()
    process = single.nodes["geodirector"].process

    def mebibytes(name):
        with open(f"/proc/{process.pid}/status") as status:
            return int(re.search(rf"{name}:\s+(\d+) kB", status.read())[1]) / 1024

    # It says that it serves before.
    waiting.until(lambda: mebibytes("VmHWM") - mebibytes("VmRSS") > 4, "the pages of code given back", 5)
    peak = mebibytes("VmHWM")
    with RawConnection(address) as connection:
        ask(connection, [CASES["with other cookies and fields"]], 100)
    assert peak - mebibytes("VmRSS") > 4, "what serves needs few of them again"


def spent_for_each(starter, folder, fields) -> dict[str, float]:
    """What each counter grew by for each request of a warm node."""
    counting = Counting(folder)
    single, address = starter(counting.before)
    with RawConnection(address) as connection:
        ask(connection, fields, 400)
        before = counting.read()
        assert before["malloc"] and before["retain"], f"nothing was counted: {before}"
        ask(connection, fields, REQUESTS)
        spent = {name: (value - before[name]) / REQUESTS for name, value in counting.read().items()}
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
            ask(connection, [CASES["with the cookie"]], 20)
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
