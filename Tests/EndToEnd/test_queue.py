"""The queue of a server that takes one request at a time: who goes first, and what becomes of those who wait in vain."""

import contextlib
import os
import pathlib
import socket

import pytest

from harness import sanitizer, waiting
from harness.gate import PATIENT, Gate, wait_taken_up
from harness.origin import Origin
from harness.raw import RawConnection, elapsed, request
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.threads, pytest.mark.timeout(60)]


@pytest.fixture
def full(request, tmp_path):
    """Servers that take one request at a time and have one, `/holder`; `ask(target, session)` is one more. `session`: of which server, A if
    it is just true."""
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with contextlib.ExitStack() as stack:

        def starter(options=None, workers=1, names=("A",), admission=False, **timeouts):
            single = stack.enter_context(
                Single(tmp_path, names=names, session={"name": "SID", "mode": "prefix"}, timeouts=PATIENT | timeouts,
                       options=options or {}))
            single.workers = workers
            single.gates, single.admission = {name: Gate() for name in names}, {}
            for server in single.data["sites"][0]["servers"]:
                server["max-connections"] = 1
                single.origins[server["name"]].handler = single.gates[server["name"]]
                if admission:
                    host, port = single.at[server["name"]]
                    del server["address"]
                    server |= {"host": host, "ports": {"shop": port, "admission": 8081}}
                    single.admission[server["name"]] = stack.enter_context(Origin("admission", (host, 8081)))
            single.gate = single.gates["A"]
            # The origins' threads may not outlive the test.
            stack.callback(lambda: [gate.permits.put(True) for gate in single.gates.values() for _ in range(50)])
            single.address = single.geodirector()

            def connect():
                return stack.enter_context(RawConnection(single.address, 20))

            def ask(target, session=False, connection=None):
                connection = connection or connect()
                connection.send(message(target, session))
                return connection

            single.connect, single.ask = connect, ask
            # By name where there are several: the workers take them up in any order.
            single.holders = {name: ask("/holder", len(names) > 1 and name) for name in names}
            single.holder = single.holders["A"]
            for gate in single.gates.values():
                gate.wait_arrived(1)
            return single

        yield starter


def message(target, session):
    server = session if isinstance(session, str) else "A"
    return request(target=target, headers=[("Cookie", f"SID={server}~1234")] if session else [])


def workers_of(single, connections):
    """The worker that has taken each connection. None: one is not taken yet. Each worker has a descriptor table of its own."""
    owners = {}
    for task in pathlib.Path(f"/proc/{single.nodes['geodirector'].process.pid}/task").iterdir():
        name = (task / "comm").read_text().strip()
        if name.startswith("worker-"):
            for entry in os.listdir(task / "fd"):
                with contextlib.suppress(OSError):
                    owners[os.readlink(task / "fd" / entry)] = name
    host, at = single.address
    packed = "{:08X}:{:04X}".format(int.from_bytes(socket.inet_aton(host), "little"), at)
    sockets = {}
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == packed:
            sockets[int(fields[2].split(":")[1], 16)] = f"socket:[{fields[9]}]"
    found = [owners.get(sockets.get(connection.socket.getsockname()[1])) for connection in connections]
    return None if None in found else found


def spread(single, count):
    """At least `count` open connections at each worker, in lists by worker."""
    if sanitizer.chosen() == "thread":
        pytest.skip("workers share one descriptor table under ThreadSanitizer: nobody sees whose a connection is")
    found = {}
    for attempt in range(40):
        # What comes while nobody takes it is shared out when they go on. On a busy machine the first one to run takes all, so
        # each in turn is made the first.
        node = frozen(single)
        opened = [single.connect() for _ in range(12 * single.workers)]
        with preferred(single, attempt % single.workers):
            node.resume()
            owners = waiting.until(lambda: workers_of(single, opened), "the workers taking the connections")  # noqa: B023
        for worker, connection in zip(owners, opened, strict=True):
            found.setdefault(worker, []).append(connection)
        if len(found) == single.workers and all(len(there) >= count for there in found.values()):
            return list(found.values())
    raise AssertionError(f"connections by worker: { {worker: len(there) for worker, there in found.items()} }")


@contextlib.contextmanager
def preferred(single, number):
    """All workers but one run only when a core is idle."""
    tasks = pathlib.Path(f"/proc/{single.nodes['geodirector'].process.pid}/task")
    others = [int(task.name) for task in tasks.iterdir()
              if (name := (task / "comm").read_text().strip()).startswith("worker-") and name != f"worker-{number}"]
    for task in others:
        os.sched_setscheduler(task, os.SCHED_IDLE, os.sched_param(0))
    try:
        yield
    finally:
        for task in others:
            os.sched_setscheduler(task, os.SCHED_OTHER, os.sched_param(0))


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


@pytest.mark.parametrize("workers", [1, 3])
def test_while_sessions_wait_one_slot_in_eight_is_a_new_users(full, workers):
    """Sessions keep coming: there is always one more in the queue than is served, as long as a new user waits."""
    single = full(workers=workers)
    wait_taken_up(single, single.ask("/free-0"))
    for number in range(3):
        wait_taken_up(single, single.ask(f"/bound-{number}", session=True))
    wait_taken_up(single, single.ask("/free-1"))
    for number in range(3, 20):
        wait_taken_up(single, single.ask(f"/bound-{number}", session=True))
        single.gate.let()
        single.gate.wait_arrived(number - 1)
    bound = [f"/bound-{number}" for number in range(20)]
    assert single.gate.arrived == ["/holder", *bound[:7], "/free-0", *bound[7:14], "/free-1", bound[14]]


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
    # Those with a session have a bound of their own: no flood of new users shuts them out.
    for number in range(6):
        queued.append(single.ask(f"/queued-{number}", session=number >= 3))
        wait_taken_up(single, queued[-1])
    for session in (False, True):
        seconds, answer = elapsed(lambda: single.ask("/too-many", session).answer())  # noqa: B023
        assert answer.status == 503 and answer.all("Retry-After"), answer
        assert seconds < 5, "it waited"
    for count in range(7):
        single.gate.wait_arrived(count + 1)
        single.gate.let()
    assert [connection.answer().status for connection in queued] == [200] * 6
    assert single.gate.arrived == ["/holder", *(f"/queued-{number}" for number in (3, 4, 5, 0, 1, 2))]


@pytest.mark.parametrize("algorithm", ["roundrobin", "leastconn", "random", "first"])
@pytest.mark.parametrize("workers", [1, 3])
def test_new_users_wait_for_whichever_server_has_a_slot_first(full, algorithm, workers):
    single = full(names=("A", "B", "C"), workers=workers, options={"balance": algorithm})
    free = [single.ask(f"/free-{number}") for number in range(6)]
    for connection in free:
        wait_taken_up(single, connection)
    # Only B is ever done.
    for count in range(7):
        single.gates["B"].wait_arrived(count + 1)
        single.gates["B"].let()
    assert [connection.answer().status for connection in free] == [200] * 6
    assert single.gates["A"].arrived == single.gates["C"].arrived == ["/holder"]


def test_a_queue_full_of_sessions_at_one_server_refuses_no_new_user(full):
    single = full(names=("A", "B"), options={"queue": 2})
    sessions = [single.ask(f"/bound-{number}", session="A") for number in range(2)]
    for connection in sessions:
        wait_taken_up(single, connection)
    free = [single.ask(f"/free-{number}") for number in range(4)]
    for connection in free:
        wait_taken_up(single, connection)
    assert single.ask("/too-many", session="A").answer().status == 503
    for count in range(5):
        single.gates["B"].wait_arrived(count + 1)
        single.gates["B"].let()
    assert [connection.answer().status for connection in free] == [200] * 4


def test_a_new_user_is_not_given_the_slot_of_a_server_that_has_closed_its_admission(full):
    single = full(names=("A", "B"), admission=True)
    free = single.ask("/free")
    wait_taken_up(single, free)
    single.admission["A"].stop()
    node = single.nodes["geodirector"]
    waiting.until(lambda: "A is up for its own users only" in node.err.read_text(), "A's closing being noticed")
    single.gates["A"].let()
    assert single.holders["A"].answer().status == 200
    # A slot of A is free, and the one who waits does not get it.
    session = single.ask("/bound", session="A")
    single.gates["A"].wait_arrived(2)
    assert single.gates["A"].arrived == ["/holder", "/bound"]
    single.gates["B"].let()
    single.gates["B"].wait_arrived(2)
    single.gates["A"].let()
    single.gates["B"].let()
    assert free.answer().status == session.answer().status == 200
    assert single.gates["B"].arrived == ["/holder", "/free"]


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


@pytest.mark.parametrize("workers", [2, 3])
def test_the_queue_is_one_for_all_workers_sessions_first_and_then_who_came_first(full, workers):
    single = full(workers=workers)
    at = spread(single, 9)
    # Each at another worker than the one before.
    asked = [(f"/{'bound' if number % 3 == 2 else 'free'}-{number}", number % 3 == 2) for number in range(18)]
    for number, (target, session) in enumerate(asked):
        wait_taken_up(single, single.ask(target, session, at[number % len(at)].pop()))
    for count in range(len(asked) + 1):
        single.gate.wait_arrived(count + 1)
        assert len(single.gate.arrived) == count + 1, "more than one at a time"
        single.gate.let()
    expected = [target for target, session in asked if session] + [target for target, session in asked if not session]
    assert single.gate.arrived == ["/holder", *expected]


@pytest.mark.parametrize("workers", [2, 3])
def test_newcomers_at_other_workers_do_not_overtake_in_the_moment_in_which_the_slot_is_freed(full, workers):
    single = full(workers=workers)
    at = spread(single, 8)
    rounds = 4
    for number in range(rounds):
        first = single.ask(f"/first-{number}", connection=at[number % len(at)].pop())
        wait_taken_up(single, first)
        node = frozen(single)
        single.gate.let()
        newcomers = [single.ask(f"/newcomer-{number}", connection=there.pop()) for there in at]
        node.resume()
        single.gate.wait_arrived(number * (len(at) + 1) + 2)
        assert single.gate.arrived[-1] == f"/first-{number}", single.gate.arrived
        for newcomer in newcomers:
            wait_taken_up(single, newcomer)
        # All but the last newcomer, which is the next round's holder.
        for _ in newcomers:
            before = len(single.gate.arrived)
            single.gate.let()
            single.gate.wait_arrived(before + 1)
    single.gate.let()


def test_the_bound_of_the_queue_counts_the_requests_of_all_workers(full):
    single = full(options={"queue": 3}, workers=3)
    at = spread(single, 6)
    queued = [single.ask(f"/queued-{number}", number >= 3, at[number % len(at)].pop()) for number in range(6)]
    for connection in queued:
        wait_taken_up(single, connection)
    for there in at:
        for session in (False, True):
            seconds, answer = elapsed(lambda: single.ask("/too-many", session, there.pop()).answer())  # noqa: B023
            assert answer.status == 503 and answer.all("Retry-After") and seconds < 5, answer
    for count in range(7):
        single.gate.wait_arrived(count + 1)
        single.gate.let()
    assert [connection.answer().status for connection in queued] == [200] * 6


def test_who_waits_at_one_worker_is_served_when_those_of_others_leave(full):
    single = full(workers=2)
    at = spread(single, 4)
    gone = [single.ask(f"/gone-{number}", connection=at[0].pop()) for number in range(3)]
    for connection in gone:
        wait_taken_up(single, connection)
    stays = single.ask("/stays", connection=at[1].pop())
    wait_taken_up(single, stays)
    # Frozen, so that a slot is granted to clients that have gone already.
    node = frozen(single)
    single.gate.let()
    for connection in gone:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.socket.close()
    node.resume()
    # One of them may be at the server already.
    single.gate.permits.put(True)
    waiting.until(lambda: "/stays" in single.gate.arrived, "the one that stays at the server")
    single.gate.permits.put(True)
    assert stays.answer().status == 200
