"""SIGTTOU and SIGTTIN: a node leaves its addresses to another process for a while, as in the guide's hot reconfiguration."""

import contextlib
import os
import signal
import socket
import threading

import pytest

from harness import waiting
from harness.process import Node
from harness.raw import RawConnection, get
from harness.reloaded import Load, Reloaded

pytestmark = [pytest.mark.own, pytest.mark.timeout(60)]
ASK = "GET / HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n"


@pytest.fixture
def node(request, tmp_path):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with Reloaded(tmp_path) as single:
        yield single.run()


def pause(node):
    before = node.said("N has stopped listening")
    node.node.send(signal.SIGTTOU)
    waiting.until(lambda: node.said("N has stopped listening") > before, "the end of listening")


def resume(node, expected="N listens again"):
    before = node.said(expected)
    node.node.send(signal.SIGTTIN)
    waiting.until(lambda: node.said(expected) > before, expected)


def refused(address) -> bool:
    try:
        socket.create_connection(address, 1).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.threads
def test_the_addresses_are_free_while_connections_go_on_and_are_taken_again(node):
    monitor = (node.address[0], 8081)
    with RawConnection(node.address) as kept:
        kept.send(ASK)
        assert kept.answer().status == 200
        for _ in range(3):
            pause(node)
            assert refused(node.address) and refused(monitor)
            kept.send(ASK)
            answer = kept.answer()
            assert answer.status == 200 and answer.first("Connection") is None
            resume(node)
            assert get(node.address).status == 200 and get(monitor).status == 200
        kept.send(ASK)
        assert kept.answer().status == 200


def other(node) -> Node:
    """Another process of the same node, by the topology as it is now."""
    first = node.node
    return Node(first.spec, first.command, node.folder)


@pytest.mark.threads
def test_the_procedure_of_the_guide_with_a_new_process_that_fails_and_one_that_starts(node):
    release = threading.Event()

    def slow(exchange):
        if "slow" in exchange.request.line:
            release.wait(30)
        exchange.answer(headers=[("X-Origin", exchange.origin.name)])

    for origin in node.origins.values():
        origin.handler = slow
    with contextlib.ExitStack() as stack:
        waits = stack.enter_context(RawConnection(node.address))
        waits.send("GET /slow HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n")
        waiting.until(lambda: any(origin.received for origin in node.origins.values()), "the slow request at its server")
        pause(node)
        good = (node.folder / "topology.yaml").read_text()
        node.write("geodirector: 1\nsites: [\n")
        failing = other(node).start()
        assert failing.wait_exit() == 78
        # Restored, as nothing took its place.
        resume(node)
        assert get(node.address).status == 200
        pause(node)
        node.write(good)
        new = other(node).start()
        stack.callback(new.stop)
        new.wait_ready()
        # While the new one is there the old one cannot come back, and says so.
        resume(node, "N cannot listen again")
        assert "N runs already on this machine" in node.node.tail()
        node.node.send(signal.SIGUSR1)
        release.set()
        assert waits.answer().status == 200
        assert node.node.wait_exit() == 0
        assert get(node.address).status == 200


def test_it_tries_again_until_the_address_is_free(node):
    pause(node)
    with socket.create_server(node.address):
        resume(node, "N cannot listen again")
        assert "is in use by another process" in node.node.tail()
        assert node.said("N listens again") == 0
    waiting.until(lambda: node.said("N listens again"), "listening again")
    assert get(node.address).status == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give privileges up")
def test_a_low_port_is_taken_again_without_the_privilege(tmp_path, request):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with Reloaded(tmp_path, options={"user": "nobody"}) as single:
        host = single.range.map("127.0.1.1")
        single.entry["listen"] = [f"{host}:8080", f"{host}:80"]
        node = single.run()
        pause(node)
        assert refused((host, 80))
        resume(node)
        assert get((host, 80)).status == 200


def test_whoever_was_in_the_queue_is_served(node):
    with Load(node.address, keeps=lambda _: False) as load:
        for _ in range(3):
            pause(node)
            resume(node)
            answers = load.answers
            waiting.until(lambda: load.answers > answers + 10, "answers")
    # While nobody listens there is nobody; but nobody that was taken is dropped.
    assert set(load.failures) <= {f"{method} new: refused" for method in ("GET", "POST")}, set(load.failures)


def test_a_soft_stop_while_paused_ends_with_the_last_connection(node):
    with RawConnection(node.address) as kept:
        kept.send(ASK)
        assert kept.answer().status == 200
        pause(node)
        node.node.send(signal.SIGUSR1)
    assert node.node.wait_exit() == 0


def test_a_reload_while_paused_is_refused_by_name(node):
    pause(node)
    node.hang_up("is not reloaded: it has stopped listening; SIGTTIN first")
    resume(node)
    assert get(node.address).status == 200
