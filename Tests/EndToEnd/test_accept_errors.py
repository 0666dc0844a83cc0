"""Accepts that fail: a line in the log, no spinning, the connections served afterwards, and nobody else hurt."""

import contextlib
import errno
import socket
import time

import pytest

from harness import waiting
from harness.failing import FailingAccepts
from harness.raw import RawConnection, request
from harness.single import Single
from test_limits import LONG, cpu_ticks, must_serve_unharmed, said

pytestmark = [pytest.mark.own, pytest.mark.timeout(60), pytest.mark.measures("its own library has to be loaded first")]

# Of accept(2): the connection is to blame, and is gone; or the machine is, and the connection waits.
CONNECTIONS = ["ECONNABORTED", "EPROTO"]
SHORTAGES = ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]
# No error that the manual tells of: nothing is known, so it is taken for a shortage.
UNKNOWN = ["EFAULT"]
FAILED = "connections of clients failed before they were taken"
SHORT = "no descriptor or memory for client connections: none is taken for 100 ms"


@pytest.fixture
def node(request, tmp_path):
    """A node whose accepts fail as `.failing` is told, and a user on a connection that it has taken."""
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with Single(tmp_path, names=("A",), timeouts=LONG) as single:
        single.failing = FailingAccepts(tmp_path)
        single.wrapped_in = single.failing.before
        single.address = single.geodirector()
        with RawConnection(single.address) as user:
            single.user = user
            assert user.ask().status == 200
            assert single.failing.calls > 0, "the node takes its connections in another way: nothing would fail"
            yield single


@contextlib.contextmanager
def asking(address):
    """Somebody who asks on a connection of their own and waits for the answer."""
    with socket.create_connection(address, 5) as connection:
        connection.settimeout(10)
        connection.sendall(request())
        yield connection


def answered(connection) -> bool:
    return connection.recv(4096).startswith(b"HTTP/1.1 200")


def must_have_said(single, words):
    waiting.until(lambda: said(single, words), "the line in the log")
    assert said(single, words) == 1, single.nodes["geodirector"].tail()


@pytest.mark.parametrize("name", SHORTAGES + UNKNOWN)
def test_connections_that_could_not_be_taken_are_served_when_they_can(node, name):
    node.failing.order(getattr(errno, name), 3)
    with contextlib.ExitStack() as stack:
        late = [stack.enter_context(asking(node.address)) for _ in range(5)]
        assert all(answered(connection) for connection in late)
        assert node.failing.failed == 3
        assert node.user.ask().status == 200
    must_have_said(node, FAILED if name in UNKNOWN else SHORT)
    must_serve_unharmed(node)


@pytest.mark.parametrize("name", SHORTAGES + UNKNOWN)
def test_while_none_can_be_taken_nothing_spins_and_those_that_are_there_are_served(node, name):
    node.failing.order(getattr(errno, name))
    with asking(node.address) as late:
        must_have_said(node, FAILED if name in UNKNOWN else SHORT)
        ticks, calls, begin = cpu_ticks(node.nodes["geodirector"].process.pid), node.failing.calls, time.monotonic()
        # Tried again and again, ten times a second.
        waiting.until(lambda: node.failing.calls >= calls + 10, "ten more attempts")
        assert time.monotonic() - begin > 0.5, "the node spins"
        assert cpu_ticks(node.nodes["geodirector"].process.pid) - ticks < 30, "the node spins"
        assert all(node.user.ask().status == 200 for _ in range(20))
        node.failing.end()
        assert answered(late)
    must_have_said(node, FAILED if name in UNKNOWN else SHORT)
    must_serve_unharmed(node)


@pytest.mark.parametrize("name", CONNECTIONS)
def test_a_connection_that_failed_before_it_was_taken_costs_no_other_one(node, name):
    calls = node.failing.calls
    node.failing.order(getattr(errno, name), 3)
    with contextlib.ExitStack() as stack:
        asked = [stack.enter_context(asking(node.address)) for _ in range(8)]
        begin, served = time.monotonic(), 0
        for connection in asked:
            with contextlib.suppress(ConnectionError):
                served += answered(connection)
        # Those of which the kernel said nothing are not made to wait for them.
        assert served == 5 and node.failing.failed == 3
        assert time.monotonic() - begin < 5
        assert node.user.ask().status == 200
    must_have_said(node, FAILED)
    # Each of them once, and for each time that the queue was found to be empty.
    assert node.failing.calls - calls <= 4 * len(asked), "the node spins"
    must_serve_unharmed(node)
