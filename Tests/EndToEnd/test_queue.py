"""The queue of a server that takes one request at a time: who goes first, and what becomes of those who wait in vain."""

import contextlib
import pathlib
import queue
import socket

import pytest

from harness import waiting
from harness.raw import RawConnection, elapsed, request
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.threads, pytest.mark.timeout(60)]

PATIENT = {"request": "20s", "keep-alive": "20s", "client": "20s", "server": "20s", "queue": "20s"}


class Gate:
    """Handler of an origin: each request is answered when the test lets it, and the order they came in is kept."""

    def __init__(self):
        self.arrived = []
        self.answered = 0
        self.permits = queue.Queue()

    def __call__(self, exchange):
        self.arrived.append(exchange.request.line.split()[1])
        self.permits.get(timeout=30)
        exchange.answer()
        self.answered += 1

    def let(self):
        """Lets the request go that the origin has; true when its answer is with the node's kernel."""
        count = self.answered + 1
        self.permits.put(True)
        waiting.until(lambda: self.answered == count, "the origin's answer")

    def wait_arrived(self, count):
        waiting.until(lambda: len(self.arrived) >= count, f"{count} requests at the origin, there were {self.arrived}")


@pytest.fixture
def full(request, tmp_path):
    """One server that takes one request at a time and has one, `/holder`; `ask(target, session)` is one more."""
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with contextlib.ExitStack() as stack:

        def starter(options=None, **timeouts):
            single = stack.enter_context(
                Single(tmp_path, names=("A",), session={"name": "SID", "mode": "prefix"}, timeouts=PATIENT | timeouts,
                       options=options or {}))
            single.data["sites"][0]["servers"][0]["max-connections"] = 1
            # A queue is a worker's own, and so is its order.
            single.workers = 1
            single.gate = single.origins["A"].handler = Gate()
            # The origin's threads may not outlive the test.
            stack.callback(lambda: [single.gate.permits.put(True) for _ in range(50)])
            single.address = single.geodirector()

            def connect():
                return stack.enter_context(RawConnection(single.address, 20))

            def ask(target, session=False, connection=None):
                connection = connection or connect()
                connection.send(message(target, session))
                return connection

            single.connect, single.ask = connect, ask
            single.holder = ask("/holder")
            single.gate.wait_arrived(1)
            return single

        yield starter


def message(target, session):
    return request(target=target, headers=[("Cookie", "SID=A~1234")] if session else [])


def wait_taken_up(single, connection):
    """Until the node has read all the connection sent: what waits in its socket has no place in the queue yet."""
    port = connection.socket.getsockname()[1]
    host, at = single.address

    def read_up():
        for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if int(fields[1].split(":")[1], 16) == at and int(fields[2].split(":")[1], 16) == port:
                return fields[4].endswith(":00000000")
        return False

    waiting.until(read_up, "the node taking the request up")


def frozen(single):
    """The node stops at once, in all its threads; what arrives meanwhile is one round for it."""
    node = single.nodes["geodirector"]
    node.pause()
    tasks = pathlib.Path(f"/proc/{node.process.pid}/task")
    waiting.until(
        lambda: all((task / "stat").read_text().rsplit(")", 1)[1].split()[0] == "T" for task in tasks.iterdir()),
        "the node standing still")
    return node


def test_users_with_a_session_go_first_and_within_each_kind_who_came_first(full):
    single = full()
    asked = [("/free-1", False), ("/free-2", False), ("/bound-1", True), ("/free-3", False), ("/bound-2", True),
             ("/bound-3", True), ("/free-4", False)]
    connections = []
    for target, session in asked:
        connections.append(single.ask(target, session))
        wait_taken_up(single, connections[-1])
    for count in range(len(asked) + 1):
        single.gate.wait_arrived(count + 1)
        assert len(single.gate.arrived) == count + 1, "more than one at a time"
        single.gate.let()
    assert single.gate.arrived == ["/holder", "/bound-1", "/bound-2", "/bound-3", "/free-1", "/free-2", "/free-3", "/free-4"]
    assert {connection.answer().status for connection in [single.holder, *connections]} == {200}


@pytest.mark.parametrize("bound", [False, True], ids=["without a session", "with a session"])
@pytest.mark.parametrize("newcomer_bound", [False, True], ids=["newcomer without a session", "newcomer with a session"])
def test_a_newcomer_of_the_moment_in_which_the_slot_is_freed_does_not_overtake(full, bound, newcomer_bound):
    single = full()
    newcomer = single.connect()
    first = single.ask("/first", bound)
    wait_taken_up(single, first)
    node = frozen(single)
    single.gate.let()
    single.ask("/newcomer", newcomer_bound, newcomer)
    node.resume()
    single.gate.wait_arrived(2)
    assert single.gate.arrived == ["/holder", "/first"]
    single.gate.let()
    single.gate.wait_arrived(3)
    single.gate.let()
    assert {connection.answer().status for connection in (single.holder, first, newcomer)} == {200}


def test_the_holders_own_next_request_does_not_overtake(full):
    single = full()
    first = single.ask("/first")
    wait_taken_up(single, first)
    # Behind the one that is at the server, so that it is there the moment the answer has gone.
    single.ask("/next", connection=single.holder)
    single.gate.let()
    single.gate.wait_arrived(2)
    assert single.gate.arrived == ["/holder", "/first"]
    single.gate.let()
    single.gate.wait_arrived(3)
    single.gate.let()
    assert first.answer().status == single.holder.answer().status == single.holder.answer().status == 200


def test_what_finds_the_queue_full_is_503_at_once_and_those_in_it_are_served(full):
    single = full(options={"queue": 3})
    queued = []
    for number in range(3):
        queued.append(single.ask(f"/queued-{number}", session=number == 0))
        wait_taken_up(single, queued[-1])
    for session in (False, True):
        seconds, answer = elapsed(lambda: single.ask("/too-many", session).answer())  # noqa: B023
        assert answer.status == 503 and answer.all("Retry-After"), answer
        assert seconds < 5, "it waited"
    for count in range(4):
        single.gate.wait_arrived(count + 1)
        single.gate.let()
    assert [connection.answer().status for connection in queued] == [200] * 3
    assert single.gate.arrived == ["/holder", "/queued-0", "/queued-1", "/queued-2"]


def test_who_waits_longer_than_the_time_out_is_503_and_leaves_no_trace(full):
    single = full(queue="700ms")
    late = [single.ask("/free"), single.ask("/bound", session=True)]
    for connection in late:
        seconds, answer = elapsed(connection.answer)
        assert answer.status == 503 and answer.all("Retry-After"), answer
        assert seconds < 10
    # The connections go on, and the slot goes to who asks after that.
    single.gate.let()
    assert single.holder.answer().status == 200
    single.ask("/again", connection=late[0])
    single.gate.wait_arrived(2)
    single.gate.let()
    assert late[0].answer().status == 200
    assert single.gate.arrived == ["/holder", "/again"]


def test_who_leaves_the_queue_gives_up_the_place(full):
    single = full()
    gone = single.ask("/gone")
    wait_taken_up(single, gone)
    stays = single.ask("/stays")
    wait_taken_up(single, stays)
    # By a reset: a client that only ends its own direction is served.
    gone.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    gone.socket.close()
    single.gate.let()
    single.gate.wait_arrived(2)
    single.gate.let()
    assert stays.answer().status == 200
    assert single.gate.arrived == ["/holder", "/stays"]
