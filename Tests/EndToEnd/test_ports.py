"""A node that has used up its local ports: it degrades, says so once, blames no server and recovers by itself."""

import contextlib
import queue
import socket
import threading
import time

import pytest

from harness import waiting
from harness.namespaces import lone
from harness.raw import RawConnection, request
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.timeout(60)]

PORTS = 4
WORDS = "no local port for a connection to a server"
LONG = {"request": "20s", "keep-alive": "20s", "client": "20s", "server": "20s"}


@pytest.fixture
def few_ports(request, tmp_path):
    """A node, its origins and its users in a network namespace with four local ports towards each address."""
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with contextlib.ExitStack() as stack:
        space = stack.enter_context(lone("ports"))

        def narrow():
            with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as file:
                file.write(f"40000 {40000 + PORTS - 1}")

        space.call(narrow)
        single = Single(tmp_path, timeouts=LONG, **getattr(request, "param", {"names": ("A",)}))
        single.data["applications"][0]["check"] = {"http": {"method": "HEAD", "path": "/", "version": "1.0"}}
        single.space = single.namespace = space
        # The origin's socket is made in the thread that enters it.
        space.call(lambda: stack.enter_context(single))
        single.address = single.geodirector()
        numbers = iter(range(1, 250))

        def user() -> RawConnection:
            # Each from an address of its own and a port that is not scarce: one that is bound by itself is given to no connection.
            return stack.enter_context(space.call(
                lambda: RawConnection(single.address, 10, source=f"127.250.0.{next(numbers)}", source_port=50_000)))

        single.user = user
        yield single


def said(single) -> int:
    return single.nodes["geodirector"].err.read_text(errors="replace").count(f"warning N: {WORDS}") or sum(
        WORDS in line and "over:" not in line for line in single.nodes["geodirector"].err.read_text().splitlines())


class Holding:
    """An origin's handler that answers when the test lets it."""

    def __init__(self):
        self.arrived, self.permits, self._lock = 0, queue.Queue(), threading.Lock()

    def __call__(self, exchange):
        with self._lock:
            self.arrived += 1
        self.permits.get(timeout=30)
        exchange.answer()

    def let(self, count=1):
        for _ in range(count):
            self.permits.put(True)


def holding(single):
    handler = single.origins["A"].handler = Holding()
    return handler


def fill(single, gate, headers=()) -> list[RawConnection]:
    """Users whose requests use up the ports: asked until one finds none left."""
    held = []
    for _ in range(3 * PORTS):
        connection = single.user()
        before = gate.arrived
        connection.send(request(headers=list(headers)))
        waiting.until(lambda: gate.arrived > before or readable(connection), "the request at the origin, or answered")  # noqa: B023
        if gate.arrived == before:
            assert connection.answer().status == 503
            return held
        held.append(connection)
    raise AssertionError("the ports do not run out")


def readable(connection) -> bool:
    connection.socket.settimeout(0.02)
    try:
        connection._more()
    except TimeoutError:
        return False
    finally:
        connection.socket.settimeout(10)
    return True


def must_blame_nobody(single):
    process = single.nodes["geodirector"]
    assert process.runs and " is down" not in process.err.read_text(), process.tail()


@pytest.mark.one_worker("idle connections are their worker's, and so are their ports")
def test_without_ports_requests_are_503_at_once_one_line_tells_it_and_no_server_is_blamed(few_ports):
    single = few_ports
    gate = holding(single)
    held = fill(single, gate)
    assert 1 <= len(held) <= PORTS
    # Many more than the budget of retries has room for: who has no port makes no attempt.
    for _ in range(20):
        with single.user() as user:
            begin = time.monotonic()
            answer = user.ask()
            assert answer.status == 503 and answer.all("Retry-After") and time.monotonic() - begin < 2
    # Longer than the checks need to take a server that is silent for down.
    end = time.monotonic() + 2
    waiting.until(lambda: time.monotonic() > end, "several checks")
    must_blame_nobody(single)
    assert said(single) == 1
    gate.let(len(held))
    assert {connection.answer().status for connection in held} == {200}
    # Their connections are kept, and carry what comes now, although there is still no port.
    gate.let(3 * PORTS)
    for _ in range(3 * PORTS):
        with single.user() as user:
            assert user.ask().status == 200
    waiting.until(lambda: "over: " + WORDS in single.nodes["geodirector"].err.read_text(), "the end told in the log", 30)
    must_blame_nobody(single)


@pytest.mark.one_worker("idle connections are their worker's, and so are their ports")
def test_a_request_that_must_not_be_repeated_gets_the_port_of_an_idle_connection(few_ports):
    single = few_ports
    gate = holding(single)
    held = fill(single, gate)
    gate.let(len(held))
    assert {connection.answer().status for connection in held} == {200}
    # Rule C5: a POST takes no connection that was idle for a second, and there is no port for another.
    end = time.monotonic() + 1.2
    waiting.until(lambda: time.monotonic() > end, "the connections growing old")
    gate.let()
    with single.user() as user:
        assert user.ask("POST", body=b"once").status == 200
    must_blame_nobody(single)


TWO = {"names": ("A", "B"), "session": {"name": "SID", "mode": "prefix"}}


@pytest.mark.one_worker("idle connections are their worker's, and so are their ports")
@pytest.mark.parametrize("few_ports", [TWO], indirect=True)
def test_where_ports_to_one_server_have_run_out_others_take_the_users_without_session(few_ports):
    single = few_ports
    gate = holding(single)
    bound = [("Cookie", "SID=A~1234")]
    held = fill(single, gate, bound)
    # Many more than the budget of retries has room for: where there was no port nothing was tried.
    for _ in range(30):
        with single.user() as user:
            answer = user.ask()
            assert answer.status == 200 and answer.first("X-Origin") == "B"
    # The shortage passes, a session that has moved stays away.
    with single.user() as user:
        answer = user.ask(headers=bound)
        assert answer.status == 503 and answer.all("Retry-After") and not answer.all("Set-Cookie")
    must_blame_nobody(single)
    gate.let(len(held) + 1)
    assert {connection.answer().status for connection in held} == {200}
    with single.user() as user:
        assert user.ask(headers=bound).status == 200
    assert {received.first("Cookie") for received in single.origins["B"].received} == {None}


@pytest.mark.one_worker("idle connections are their worker's, and so are their ports")
def test_a_trial_gets_the_port_of_an_idle_connection(few_ports):
    single = few_ports
    gate = holding(single)
    held = [single.user() for _ in range(PORTS - 1)]
    for number, connection in enumerate(held):
        connection.send(request())
        waiting.until(lambda: gate.arrived == number + 1, "the request at the origin")  # noqa: B023
    gate.let(len(held))
    assert {connection.answer().status for connection in held} == {200}
    # The last port is left to the checks, which find the server ill.
    single.origins["A"].healthy = False
    waiting.until(lambda: " is down" in single.nodes["geodirector"].err.read_text(), "the server being believed down", 20)

    def taken():
        try:
            return single.space.call(lambda: socket.create_connection(single.at["A"], 5))
        except OSError:
            return None

    with waiting.until(taken, "the last port"):
        gate.let()
        with single.user() as user:
            assert user.ask().status == 200
