"""SIGUSR2 while requests wait for a server's slot: the old process serves those it has, in order and within its own bounds."""

import collections
import contextlib
import os
import pathlib
import select
import socket
import threading

import pytest

from harness import waiting
from harness.gate import wait_taken_up
from harness.raw import RawConnection, request
from harness.reloaded import HandedOver

pytestmark = [pytest.mark.own, pytest.mark.threads, pytest.mark.timeout(120)]


class Doors:
    """Handler of an origin: each request is answered when the test opens the door of its name."""

    def __init__(self):
        self.arrived, self.inside, self.most = [], 0, 0
        self._lock, self._doors = threading.Lock(), collections.defaultdict(threading.Event)

    def __call__(self, exchange):
        target = exchange.request.line.split()[1]
        with self._lock:
            self.arrived.append(target)
            self.inside += 1
            self.most = max(self.most, self.inside)
            door = self._doors[target]
        door.wait(60)
        # Before the answer: the node may send the next one the moment it has that.
        with self._lock:
            self.inside -= 1
        exchange.answer()

    def let(self, *targets):
        with self._lock:
            doors = [self._doors[target] for target in targets]
        for door in doors:
            door.set()

    def wait_arrived(self, count):
        waiting.until(lambda: len(self.arrived) >= count, f"{count} requests at the server, there were {self.arrived}")
        return self.arrived[count - 1]


@pytest.fixture
def full(request, tmp_path):
    """A node with one server that takes `slots` requests at a time and has as many, `/holder-0` and so on."""
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with contextlib.ExitStack() as stack:

        def starter(slots=1, options=None, names=("A",), **timeouts):
            node = HandedOver(tmp_path, names=names, session={"name": "SID", "mode": "prefix"}, options=options or {})
            # All are scaled: nobody is to run out of time while the test looks, unless the test is about that.
            node.data["defaults"][node.role]["timeouts"] |= {"queue": "600s", "server": "600s", "client": "600s"} | timeouts
            node.site["servers"][0]["max-connections"] = slots
            node.doors = node.origins["A"].handler = Doors()
            stack.enter_context(node).run()
            # The origin's threads may not outlive the test.
            stack.callback(lambda: node.doors.let(*list(node.doors._doors)))

            def ask(target, session=False):
                connection = stack.enter_context(RawConnection(node.address, 60))
                connection.send(request_of(target, session))
                wait_taken_up(node, connection)
                return connection

            node.ask = ask
            node.holders = []
            for number in range(slots):
                node.holders.append(ask(f"/holder-{number}", len(names) > 1))
                node.doors.wait_arrived(number + 1)
            return node

        yield starter


def request_of(target, session):
    return request(target=target, headers=[("Cookie", "SID=A~1234")] if session else [])


def leave_to_another(node) -> int:
    """Hands over, and waits until the old process accepts nobody any more."""
    first = node.hand_over()
    host, port = node.address
    mine = f"{int.from_bytes(socket.inet_aton(host), 'little'):08X}:{port:04X}"

    def listens() -> bool:
        inodes = {f"socket:[{line.split()[9]}]" for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
                  if line.split()[1] == mine and line.split()[3] == "0A"}
        assert inodes, "nobody listens"
        # Each worker has a descriptor table of its own.
        for entry in pathlib.Path(f"/proc/{first}/task").glob("*/fd/*"):
            with contextlib.suppress(OSError):
                if os.readlink(entry) in inodes:
                    return True
        return False

    waiting.until(lambda: not listens(), "the old process leaving its listeners")
    return first


def unanswered(*connections) -> bool:
    return not select.select([connection.socket for connection in connections], [], [], 0)[0]


def test_who_waits_at_a_server_is_served_by_the_old_process_in_order_and_one_at_a_time(full):
    node = full(options={"queue": 3})
    asked = [(f"/{'bound' if bound else 'free'}-{number}", bound) for number in range(3) for bound in (False, True)]
    waits = [node.ask(target, bound) for target, bound in asked]
    # As many as may wait, of each kind.
    for bound in (False, True):
        assert node.ask("/too-many", bound).answer().status == 503
    first = leave_to_another(node)
    assert unanswered(*node.holders, *waits) and node.doors.arrived == ["/holder-0"]
    # The new process has a slot and a queue of its own, in which those of the old one take no place.
    new = node.ask("/new")
    assert node.doors.wait_arrived(2) == "/new"
    later = [node.ask(f"/later-{number}") for number in range(3)]
    assert node.ask("/too-many").answer().status == 503
    targets = ["/new", *(f"/later-{number}" for number in range(3))]
    for count, target in enumerate(targets, 2):
        assert node.doors.wait_arrived(count) == target and len(node.doors.arrived) == count
        node.doors.let(target)
    assert {connection.answer().status for connection in [new, *later]} == {200}
    assert unanswered(*node.holders, *waits)
    # Now those of the old one: sessions first, each kind as it came, one at a time.
    expected = ["/holder-0", *(target for target, bound in asked if bound), *(target for target, bound in asked if not bound)]
    node.doors.let("/holder-0")
    for count, target in enumerate(expected[1:], 6):
        assert node.doors.wait_arrived(count) == target and len(node.doors.arrived) == count, node.doors.arrived
        node.doors.let(target)
    assert {connection.answer().status for connection in [*node.holders, *waits]} == {200}
    assert node.doors.most == 2
    node.wait_gone(first)


def test_who_goes_away_gives_the_place_up_in_the_old_process(full):
    node = full()
    gone, stays = node.ask("/gone"), node.ask("/stays")
    first = leave_to_another(node)
    # By a reset: a client that only ends its own direction is served.
    gone.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    gone.socket.close()
    node.doors.let("/holder-0")
    assert node.doors.wait_arrived(2) == "/stays"
    node.doors.let("/stays")
    assert stays.answer().status == node.holders[0].answer().status == 200
    node.wait_gone(first)
    assert node.doors.arrived == ["/holder-0", "/stays"]


def test_who_waits_too_long_in_the_old_process_is_told_so(full):
    # 10 s, scaled.
    node = full(queue="100s")
    late = [node.ask("/late"), node.ask("/late-too", True)]
    first = leave_to_another(node)
    assert unanswered(*late)
    for connection in late:
        answer = connection.answer()
        assert answer.status == 503 and answer.all("Retry-After"), answer
    node.doors.let("/holder-0")
    assert node.holders[0].answer().status == 200
    node.wait_gone(first)
    assert node.doors.arrived == ["/holder-0"]


def test_an_order_given_to_the_new_process_holds_for_who_waits_in_those_before(full):
    node = full(names=("A", "B"))
    waits = node.ask("/waits", True)
    first = leave_to_another(node)
    second = node.hand_over()
    assert unanswered(waits)
    assert "ok" in node.admin("maintain A because new disk")
    # Its own server takes nobody any more: it is led to the other.
    answer = waits.answer()
    assert answer.status == 200 and answer.first("X-Origin") == "B" and node.doors.arrived == ["/holder-0"]
    node.wait_gone(second)
    node.doors.let("/holder-0")
    assert node.holders[0].answer().status == 200
    node.wait_gone(first)
    # Said once, by the process that was told.
    assert node.said("A: nobody, by command: new disk") == 1


def test_half_the_slots_for_the_time_of_the_hand_over_keep_a_bound_that_must_hold(full):
    """As docs/operations.md has it for a server that bears not one request more."""
    node = full(slots=2)
    server = node.site["servers"][0]
    server["max-connections"] = 1
    node.reload()
    node.doors.let("/holder-0")
    assert node.holders[0].answer().status == 200
    waits = node.ask("/waits")
    # One is in flight: the half has come to hold.
    waiting.until(lambda: node.server("A")["inFlight"] == 1, "one in flight")
    first = leave_to_another(node)
    new = [node.ask("/new"), node.ask("/new-too")]
    node.doors.wait_arrived(3)
    assert node.doors.arrived == ["/holder-0", "/holder-1", "/new"] and node.doors.inside == 2
    node.doors.let("/holder-1", "/waits", "/new", "/new-too")
    assert {connection.answer().status for connection in [node.holders[1], waits, *new]} == {200}
    assert node.doors.most == 2
    node.wait_gone(first)
    server["max-connections"] = 2
    node.reload()
    both = [node.ask("/one"), node.ask("/two")]
    node.doors.wait_arrived(7)
    assert node.doors.inside == 2
    node.doors.let("/one", "/two")
    assert {connection.answer().status for connection in both} == {200}
