"""SIGTTOU and SIGTTIN: a node leaves its addresses to another process for a while, as in the guide's hot reconfiguration."""

import contextlib
import fcntl
import os
import signal
import socket
import struct
import subprocess
import threading

import pytest

from harness import sanitizer, waiting
from harness.geodirector import binary
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


def test_the_status_page_leaves_its_address_to_the_other_process_too(tmp_path, request):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    (tmp_path / "password").write_text("pass\n")
    with Reloaded(tmp_path) as node, contextlib.ExitStack() as stack:
        page = (node.range.map("127.0.1.1"), 1936)
        node.entry["status-page"] = {"listen": "{}:{}".format(*page), "user": "u", "password": f"file:{tmp_path}/password"}
        node.run()
        assert get(page).status == 401
        # Who is there already is answered to the end.
        with RawConnection(page) as reader:
            pause(node)
            reader.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert reader.answer().status == 401
        assert refused(page)
        resume(node)
        # It looks for it ten times a second.
        assert get(page).status == 401
        pause(node)
        new = other(node).start()
        stack.callback(new.stop)
        new.wait_ready()
        assert get(page).status == 401 and get(node.address).status == 200
        node.node.send(signal.SIGUSR1)
        assert node.node.wait_exit() == 0
        assert get(page).status == 401


@pytest.fixture
def written(request, tmp_path):
    """A node with a pid file, and that file."""
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with Reloaded(tmp_path) as single:
        single.entry["pidfile"] = str(tmp_path / "{node}.pid")
        yield single.run(), tmp_path / "N.pid"


def test_the_pid_file_is_left_to_the_other_process_and_stays_when_the_first_one_ends(written):
    node, file = written
    first = node.node.process.pid
    pause(node)
    # Until another has it, it leads to who can be told to go on.
    assert file.read_text() == f"{first}\n"
    with contextlib.ExitStack() as stack:
        new = other(node).start()
        stack.callback(new.stop)
        new.wait_ready()
        waiting.until(lambda: file.read_text() == f"{new.process.pid}\n", "the id of the new process")
        node.node.send(signal.SIGUSR1)
        assert node.node.wait_exit() == 0
        assert file.read_text() == f"{new.process.pid}\n"
    waiting.until(lambda: not file.exists(), "the end of the pid file")


def test_a_node_that_ends_while_paused_leaves_the_pid_file_to_one_that_has_not_written_it_yet(written):
    node, file = written
    pause(node)
    with locked(file):
        node.node.send(signal.SIGTERM)
        assert node.node.wait_exit() == 0
        assert file.exists()


def test_without_another_process_the_pid_file_ends_with_the_paused_node(written):
    node, file = written
    pause(node)
    node.node.send(signal.SIGTERM)
    assert node.node.wait_exit() == 0 and not file.exists()


def test_the_pid_file_is_taken_again_also_when_the_other_process_has_taken_it_away(written):
    node, file = written
    first = node.node.process.pid
    for _ in range(2):
        pause(node)
        new = other(node).start()
        new.wait_ready()
        waiting.until(lambda: file.read_text() == f"{new.process.pid}\n", "the id of the new process")  # noqa: B023
        new.send(signal.SIGTERM)
        assert new.wait_exit() == 0 and not file.exists()
        resume(node)
        assert file.read_text() == f"{first}\n" and refuses(file)
    pause(node)
    resume(node)
    assert file.read_text() == f"{first}\n" and refuses(file)
    node.node.send(signal.SIGTERM)
    assert node.node.wait_exit() == 0 and not file.exists()


def test_a_node_goes_on_without_a_pid_file_that_somebody_else_has(written):
    node, file = written
    pause(node)
    with locked(file) as descriptor:
        # Another node by mistake.
        os.pwrite(descriptor, b"4711\n", 0)
        os.ftruncate(descriptor, 5)
        resume(node)
        assert get(node.address).status == 200
        assert f"N goes on without its pid file: {file} is held by process 4711, which lives" in node.node.err.read_text()
        assert node.node.runs and file.read_text() == "4711\n"
        # And without it there is nothing to take away.
        node.node.send(signal.SIGTERM)
        assert node.node.wait_exit() == 0
        assert file.read_text() == "4711\n"


LOCK = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


@contextlib.contextmanager
def locked(file):
    """The file, with the lock of an open file description on it."""
    descriptor = os.open(file, os.O_RDWR)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, LOCK)
        yield descriptor
    finally:
        os.close(descriptor)


def refuses(file) -> bool:
    """Whether somebody has the lock of a file."""
    try:
        with locked(file):
            return False
    except BlockingIOError:
        return True


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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give privileges up")
def test_a_node_that_has_given_root_up_keeps_taking_commands(tmp_path, request):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")

    def admin(*words) -> str:
        done = subprocess.run([str(binary()), "admin", *words, "--socket", str(tmp_path / "N.sock")], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout

    with Reloaded(tmp_path, options={"user": "nobody"}) as node, contextlib.ExitStack() as stack:
        node.run()
        pause(node)
        # It has given root up when it may not start its threads. Sanitizers have threads of their own, which would fail before.
        if not sanitizer.chosen():
            failing = other(node)
            failing.command = ["prlimit", "--nproc=1", *failing.command]
            failing.start()
            assert failing.wait_exit() == 1
        assert node.status()["phase"] == "paused" and not (tmp_path / "N.sock.new").exists()
        new = other(node).start()
        stack.callback(new.stop)
        new.wait_ready()
        waiting.until(lambda: '"phase":"running"' in node.admin("status json"), "the new process taking commands")
        new.send(signal.SIGTERM)
        assert new.wait_exit() == 0
        # It may not write to the folder, so its socket is beside its place.
        assert '"phase":"paused"' in admin("status", "--format", "json")
        assert "N listens again" in admin("resume")
        assert "A: its own users only" in admin("drain", "A") and get(node.address).status == 200


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


def test_a_new_process_that_fails_takes_no_commands_away_and_one_that_served_gives_them_back(node):
    pause(node)
    good = (node.folder / "topology.yaml").read_text()
    # It gets as far as its last address, when it has all others.
    with socket.create_server((node.range.map("127.0.1.5"), 8080)) as taken:
        node.entry["listen"] = [node.entry["listen"], "{}:{}".format(*taken.getsockname())]
        node.write()
        failing = other(node).start()
        assert failing.wait_exit() == 1
    assert '"phase":"paused"' in node.admin("status json") and not (node.folder / "N.sock.new").exists()
    node.write(good)
    new = other(node).start()
    new.wait_ready()
    waiting.until(lambda: '"phase":"running"' in node.admin("status json"), "the new process taking commands")
    assert "ok" in node.admin("drain A")
    new.send(signal.SIGTERM)
    assert new.wait_exit() == 0
    resume(node)
    # What was ordered of the other process was of that one.
    assert node.status()["phase"] == "running" and node.server("A")["state"] == "ready"
    assert get(node.address).status == 200 and get((node.address[0], 8081)).status == 200


def test_a_paused_node_takes_commands_and_listens_again_by_one(node):
    monitor = (node.address[0], 8081)
    with RawConnection(node.address) as kept:
        kept.send(ASK)
        assert kept.answer().status == 200
        # By the signal, and by a command.
        for stop in (lambda: node.node.send(signal.SIGTTOU), lambda: node.admin("pause")):
            before = node.said("N has stopped listening")
            stop()
            waiting.until(lambda: node.said("N has stopped listening") > before, "the end of listening")  # noqa: B023
            assert refused(node.address) and refused(monitor)
            assert node.status()["phase"] == "paused"
            # Orders hold for the connections that go on.
            assert node.admin("drain A because moving") == "ok\nA: its own users only\n\n"
            for _ in range(4):
                kept.send(ASK)
                assert kept.answer().first("X-Origin") == "B"
            assert node.admin("ready A").startswith("ok\n")
            assert node.admin("pause") == "ok\nN has stopped listening already\n\n"
            assert node.admin("resume") == "ok\nN listens again\n\n"
            assert node.status()["phase"] == "running"
            assert get(node.address).status == 200 and get(monitor).status == 200
    assert node.admin("resume") == "ok\nN listens\n\n"


def test_a_command_is_told_why_the_node_cannot_listen_again(node):
    pause(node)
    with socket.create_server(node.address):
        answer = node.admin("resume")
        assert answer.startswith("error: N cannot listen again: ") and "is in use by another process" in answer and "tries every second" in answer
        assert node.status()["phase"] == "paused"
        # It is no longer wanted.
        assert node.admin("pause") == "ok\nN does not try to listen any more\n\n"
    assert node.admin("resume") == "ok\nN listens again\n\n" and get(node.address).status == 200


def test_what_changes_while_nobody_listens_is_told_when_the_node_listens_again(tmp_path, request):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    told, script = tmp_path / "told", tmp_path / "tell"
    script.write_text(f"#!/bin/sh\ncat >> {told}\n")
    script.chmod(0o700)
    with Reloaded(tmp_path) as node:
        node.data["notify"] = {"command": [str(script)], "interval": "100ms"}
        node.run()
        pause(node)
        # Another process of the node may be there by now, and tell.
        node.origins["A"].stop()
        waiting.until(lambda: node.said("A is down"), "A seen to be down")
        node.origins["A"].start()
        waiting.until(lambda: node.said("A is up"), "A seen to be up")
        node.origins["B"].stop()
        waiting.until(lambda: node.said("B is down"), "B seen to be down")
        assert not told.exists()
        resume(node)
        waiting.until(lambda: told.exists() and "N B down" in told.read_text(), "B told to be down")
        assert [line.split()[1:3] for line in told.read_text().splitlines()] == [["A", "up"], ["B", "down"]]


@pytest.mark.threads
@pytest.mark.parametrize("what", ["pause", "reload", "soft stop", "stop"])
@pytest.mark.parametrize("served", [True, False], ids=["served", "timed out"])
def test_who_waits_in_a_queue_is_served_or_refused_in_time_whatever_comes(tmp_path, request, what, served):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with Reloaded(tmp_path, names=("A",)) as node:
        node.site["servers"][0]["max-connections"] = 1
        node.data["defaults"][node.role] |= {"grace": "1s", "shutdown": "200s"}
        node.run()
        answers, release = queued(node)
        if what == "pause":
            pause(node)
        elif what == "reload":
            node.site["servers"][0]["weight"] = 2
            node.reload()
        else:
            node.node.send(signal.SIGTERM if what == "stop" else signal.SIGUSR1)
            waiting.until(lambda: node.said("N stops"), "the stop")
        if served:
            release.set()
        waiting.until(lambda: len(answers) >= (4 if served else 3), "answers of those who wait")
        release.set()
        waiting.until(lambda: len(answers) == 4, "all answers")
        assert sorted(answers) == ([200] * 4 if served else [200] + [503] * 3), answers
        if "stop" in what:
            assert node.node.wait_exit() == 0


def queued(node):
    """One request that holds the only place of A, and three that wait; their answers, and what lets them go."""
    release, answers = threading.Event(), []

    def slow(exchange):
        release.wait(30)
        exchange.answer(headers=[("X-Origin", exchange.origin.name)])

    node.origins["A"].handler = slow

    def user():
        with RawConnection(node.address, 30) as connection:
            connection.send(ASK)
            answers.append(connection.answer().status)

    threading.Thread(target=user).start()
    node.origins["A"].wait_received(1)
    for _ in range(3):
        threading.Thread(target=user).start()
    waiting.until(lambda: node.counts()["waiting"] == 3, "three that wait")
    return answers, release
