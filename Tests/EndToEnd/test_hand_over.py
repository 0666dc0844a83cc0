"""SIGUSR2: another process of the program takes the sockets over, and goes on from what this one knows."""

import base64
import contextlib
import os
import re
import select
import signal
import stat
import subprocess
import threading

import pytest

from harness import sanitizer, waiting
from harness.geodirector import binary
from harness.certificates import secure_get
from harness.hand_over import (END, FAILED, FORM, HEADER, PREPARED, READY, STAGES, STATE, VARIABLE, WITHDRAWN, YOURS, Line, played,
                               restored)
from harness.raw import RawConnection, get
from harness.reloaded import REFUSED, HandedOver, Load
from harness.tcp import echo, has_socket, node_side
from test_systemd import Manager

pytestmark = [pytest.mark.own, pytest.mark.timeout(90)]
GOES_ON = "goes on in this process"
ASK = "GET / HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n"


@pytest.fixture
def node(request, tmp_path):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with contextlib.ExitStack() as stack:
        yield lambda **more: stack.enter_context(HandedOver(tmp_path, **more)).run()


def test_counts_since_the_start_go_on(node):
    node = node(names=("A", "B"))
    for _ in range(10):
        node.asked()
    node.origins["A"].stop()
    waiting.until(lambda: node.server("A")["health"] == "down", "A down")
    assert {node.asked() for _ in range(5)} == {"B"}

    def counted(status):
        return {server["name"]: [server[key] for key in ("requests", "failures", "timesDown")] for server in status["pools"][0]["servers"]}

    before = counted(node.status())
    assert sum(requests for requests, _, _ in before.values()) >= 15 and before["A"][2] == 1
    for _ in range(2):
        node.hand_over()
        assert counted(node.status()) == before
    # It was down already: coming back and going down again is the second time.
    node.origins["A"].start()
    waiting.until(lambda: node.server("A")["health"] == "up", "A up")
    assert counted(node.status())["A"][2] == 1
    node.origins["A"].stop()
    waiting.until(lambda: node.server("A")["health"] == "down", "A down again")
    assert counted(node.status())["A"][2] == 2
    asked = counted(node.status())["B"][0]
    node.asked()
    assert counted(node.status())["B"][0] == asked + 1


def test_a_server_that_was_down_already_is_not_counted_as_going_down(node):
    node = node(names=("A", "B"))
    node.origins["A"].stop()
    waiting.until(lambda: node.server("A")["health"] == "down", "A down")
    times = node.server("A")["timesDown"]
    node.hand_over()
    # An order changes its state, and not that it is down.
    node.admin("drain A because looking")
    assert node.server("A")["reason"].endswith("looking") and node.server("A")["timesDown"] == times


def test_counts_of_handshakes_go_on(request, tmp_path, authority):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with HandedOver(tmp_path, names=("A",)) as node:
        node.entry["listen"] = [{"address": node.entry["listen"], "tls": str(authority.issue("shop.example"))}]
        node.run()
        # The harness has looked whether it listens.
        (before,) = node.status()["handshakes"]
        for _ in range(3):
            assert secure_get(node.address, authority.client()).status == 200
        (counted,) = node.status()["handshakes"]
        assert counted["full"] == before["full"] + 3
        for _ in range(2):
            node.hand_over()
            assert node.status()["handshakes"] == [counted]
        secure_get(node.address, authority.client())
        assert node.status()["handshakes"][0]["full"] == counted["full"] + 1


def new_users(node) -> set[str]:
    return {node.asked() for _ in range(16)}


@pytest.mark.threads
def test_what_is_under_way_ends_in_the_old_process_and_the_new_one_knows_what_it_knew(node):
    node = node(names=("A", "B", "C"), session={"name": "JSESSIONID", "mode": "prefix"})
    release = threading.Event()

    def serve(exchange):
        if exchange.request.first("Upgrade"):
            exchange.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
            echo(exchange.socket)
            return exchange.close()
        if "slow" in exchange.request.line:
            release.wait(30)
        return exchange.answer(headers=[("X-Origin", exchange.origin.name)])

    for origin in node.origins.values():
        origin.handler = serve
    node.origins["A"].stop()
    assert node.asked("JSESSIONID=A~1") in "BC"
    waiting.until(lambda: node.server("A")["health"] == "down", "A down")
    node.admin("drain B because new disk")
    node.admin("drain N because moving out")
    before, counted = node.status(), node.counts()["cookies-not-written"]
    assert counted > 0
    with RawConnection(node.address, 30) as waits, RawConnection(node.address, 30) as tunnel:
        waits.send("GET /slow HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n")
        tunnel.send("GET /tunnel HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
        assert b"101" in tunnel._until(b"\r\n\r\n")
        waiting.until(lambda: node.origins["C"].received, "the slow request at its server")
        first = node.hand_over()
        second = node.hand_over()
        assert node.node.runs
        after = node.status()
        for old, new in zip(before["pools"][0]["servers"], after["pools"][0]["servers"]):
            for key in ("name", "state", "health", "reason", "since"):
                assert old[key] == new[key], key
        assert (after["state"], after["reason"]) == ("drain", "moving out")
        assert node.counts()["cookies-not-written"] >= counted
        assert new_users(node) == {"C"}
        tunnel.send(b"ping")
        assert tunnel.exactly(4) == b"ping"
        release.set()
        assert waits.answer().status == 200
    node.wait_gone(first)
    node.wait_gone(second)
    assert node.node.process.wait(20) == 0
    assert new_users(node) == {"C"}
    assert os.path.exists(node.folder / "N.sock")
    # It is a node like any other.
    node.site["servers"][2]["weight"] = 3
    node.reload()
    assert new_users(node) == {"C"}


def test_round_robin_goes_on_in_the_new_process(node, tmp_path):
    single = HandedOver(tmp_path, names=("A", "B", "C", "D", "E"))
    single.workers = 1
    with single:
        single.run()
        taken = []
        for _ in range(4):
            taken += [single.asked() for _ in range(3)]
            single.wait_gone(single.hand_over())
        assert sorted(taken[:5]) == list("ABCDE") and taken == [taken[index % 5] for index in range(12)], taken


@pytest.mark.threads
def test_hand_overs_under_load_fail_no_request(node):
    node = node(names=("A", "B", "C"))
    with Load(node.address) as load:
        for _ in range(8 if not sanitizer.chosen() else 3):
            node.wait_gone(node.hand_over())
            answers = load.answers
            waiting.until(lambda: load.answers > answers + 20, "answers of the new process")
    assert not load.failures, (len(load.failures), load.failures[:5])


def test_the_new_process_reads_the_topology_anew(node):
    node = node(names=("A", "B"))
    host = node.address[0]
    node.entry["listen"] = [f"{host}:8080", f"{host}:8090"]
    node.site["servers"].pop()
    node.write()
    node.wait_gone(node.hand_over())
    assert get((host, 8090)).status == 200 and new_users(node) == {"A"}
    node.entry["listen"] = f"{host}:8080"
    node.write()
    node.wait_gone(node.hand_over())
    with pytest.raises(ConnectionRefusedError):
        get((host, 8090))
    assert new_users(node) == {"A"}


def spoiled_file(node):
    node.write("geodirector: 1\nsites: [\n")
    return "it has gone; it ended with 78"


def gone_program(node):
    node.program.unlink()
    return "cannot be started: No such file"


def script(node, text):
    node.program.unlink()
    node.program.write_text(f"#!/bin/sh\n{text}\n")
    node.program.chmod(node.program.stat().st_mode | stat.S_IXUSR)


def crashing_program(node):
    script(node, "kill -SEGV $$")
    return "it has gone; it ended with 139"


def hanging_program(node):
    script(node, "exec sleep 60")
    return "it said nothing for"


def taken_address(node):
    node.entry["listen"] = [f"{node.address[0]}:8080", "198.51.100.77:8080"]
    node.write()
    return "198.51.100.77:8080 is no address of this machine"


def older_program(node):
    """It knows another form of the line only."""
    script(node, "exit 64")
    return "it ended with 64"


@pytest.mark.parametrize("spoil", [spoiled_file, gone_program, crashing_program, hanging_program, taken_address, older_program],
                         ids=lambda spoil: spoil.__name__)
def test_a_process_that_does_not_take_over_changes_nothing(node, spoil):
    node = node()
    with RawConnection(node.address) as kept:
        kept.send(ASK)
        assert kept.answer().status == 200
        expected = spoil(node)
        node.hand_over(GOES_ON)
        assert expected in node.node.tail(), node.node.tail()
        kept.send(ASK)
        answer = kept.answer()
        assert answer.status == 200 and answer.first("Connection") is None
    assert node.node.runs and new_users(node) == {"A", "B"}
    assert "ok" in node.admin("drain A")
    assert new_users(node) == {"B"}


def test_a_stop_right_after_a_hand_over_stops_both(node):
    node = node()
    first = node.hand_over()
    os.kill(first, signal.SIGTERM)
    node.wait_gone(first)
    assert new_users(node) == {"A", "B"}
    second = node.current
    os.kill(second, signal.SIGTERM)
    node.wait_gone(second)
    assert not os.path.exists(node.folder / "N.sock")


def asked_slowly(folder, stack, shutdown: str):
    """A node that has handed over twice; a request under way in the process of before each time; and what lets them be answered."""
    release = threading.Event()
    stack.callback(release.set)
    single = HandedOver(folder, names=("A",))
    single.data["defaults"][single.role]["shutdown"] = shutdown
    # Nobody else ends what is under way.
    single.data["defaults"][single.role]["timeouts"] |= {"server": "600s", "client": "600s"}
    stack.enter_context(single).run()

    def serve(exchange):
        release.wait(60)
        exchange.answer(headers=[("X-Origin", exchange.origin.name)])

    single.origins["A"].handler = serve
    waits, before = [], []

    def is_asked() -> bool:
        """The process before may have taken the connection still, in the moment in which it handed over: then another one is made."""
        number = len(waits)
        waits.append(stack.enter_context(RawConnection(single.address, 60)))
        waits[-1].send(ASK)
        waiting.until(lambda: len(single.origins["A"].received) > number, "the request at its server")
        return has_socket(single.current, node_side(single.address, waits[-1].socket.getsockname())[1])

    for _ in range(2):
        waiting.until(is_asked, "a request in the process that serves")
        before.append(single.hand_over())
    return single, waits, before, release


def ends(process: int) -> int:
    """What tells that a process has ended, also when somebody else gets its id."""
    return os.pidfd_open(process)


def has_ended(entry: int) -> bool:
    return bool(select.select([entry], [], [], 0)[0])


@pytest.mark.threads
def test_a_stop_ends_the_node_when_the_processes_before_have_finished(request, tmp_path):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with contextlib.ExitStack() as stack:
        # 60 s, scaled.
        node, waits, before, release = asked_slowly(tmp_path, stack, "600s")
        watched = [ends(process) for process in (*before, node.current)]
        stack.callback(lambda: [os.close(entry) for entry in watched])
        # As a service manager does: the node's process alone. What is left when that has ended would be killed.
        os.kill(node.current, signal.SIGTERM)
        waiting.until(lambda: node.said("N stops: requests in flight are finished"), "the stop")
        waiting.until(lambda: not any("worker" in task for task in node.tasks()), "the end of its own work")
        assert not any(map(has_ended, watched))
        release.set()
        assert {wait.answer().status for wait in waits} == {200}
        waiting.until(lambda: has_ended(watched[-1]), "the end of the node")
        assert all(map(has_ended, watched))
        assert node.said("ends with connections left") == node.said("ends before processes") == 0


@pytest.mark.threads
@pytest.mark.parametrize("second", [False, True])
def test_a_stop_bounds_the_processes_before_as_well(request, tmp_path, second):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with contextlib.ExitStack() as stack:
        node, waits, before, _ = asked_slowly(tmp_path, stack, "600s" if second else "10s")
        watched = [ends(process) for process in (*before, node.current)]
        stack.callback(lambda: [os.close(entry) for entry in watched])
        os.kill(node.current, signal.SIGTERM)
        waiting.until(lambda: node.said("N stops: requests in flight are finished"), "the stop")
        if second:
            waiting.until(lambda: not any("worker" in task for task in node.tasks()), "the end of its own work")
            os.kill(node.current, signal.SIGTERM)
        waiting.until(lambda: all(map(has_ended, watched)), "the end of all")
        assert node.said("the process that has taken over was told to" if second else "ends with connections left: 1") == 2
        # Under a sanitizer the end of a process may take longer than it is waited for.
        assert sanitizer.chosen() or node.said("ends before processes") == 0


def test_the_service_manager_is_told_of_the_new_process(node, tmp_path, monkeypatch):
    manager = Manager(str(tmp_path / "notify"), abstract=False)
    monkeypatch.setenv("NOTIFY_SOCKET", manager.name)
    node = node()
    assert manager.told()["MAINPID"] == str(node.current)
    first = node.hand_over()
    assert manager.told()["RELOADING"] == "1"
    told = manager.told()
    assert (told["READY"], told["MAINPID"]) == ("1", str(node.current))
    node.wait_gone(first)
    os.kill(node.current, signal.SIGTERM)
    assert manager.told() == {"STOPPING": "1"}
    node.wait_gone(node.current)


@pytest.mark.threads
def test_the_pid_file_and_the_status_page_go_over_too(node, tmp_path):
    single = HandedOver(tmp_path)
    (tmp_path / "password").write_text("secret\n")
    page = single.range.map("127.0.1.1")
    single.entry["pidfile"] = str(tmp_path / "{node}.pid")
    single.entry["status-page"] = {"listen": f"{page}:8082", "user": "operator", "password": f"file:{tmp_path}/password"}
    known = [("Authorization", "Basic " + base64.b64encode(b"operator:secret").decode())]

    def shown(port, headers=known) -> int:
        return get((page, port), "/", headers=headers).status

    def written() -> int:
        return int((tmp_path / "N.pid").read_text())

    with single:
        single.run()
        assert written() == single.current and shown(8082) == 200 and shown(8082, []) == 401
        first = single.hand_over()
        assert written() == single.current != first and shown(8082) == 200
        single.wait_gone(first)
        assert written() == single.current and shown(8082) == 200
        # In place: at another port, and then with another password at the same.
        single.entry["status-page"]["listen"] = f"{page}:8083"
        single.reload()
        assert shown(8083) == 200
        waiting.until(lambda: not waiting.listens((page, 8082)), "the end of the former page")
        (tmp_path / "other").write_text("other\n")
        single.entry["status-page"]["password"] = f"file:{tmp_path}/other"
        single.reload()
        waiting.until(lambda: shown(8083) == 401, "the former password refused")
        assert shown(8083, [("Authorization", "Basic " + base64.b64encode(b"operator:other").decode())]) == 200
        # None is made without its password, and nothing changes.
        single.entry["status-page"]["password"] = f"file:{tmp_path}/missing"
        single.reload(REFUSED)
        assert single.said("the password of the status page of N") and shown(8083) == 401
        second = single.hand_over(GOES_ON)
        assert single.current == second and written() == second
    waiting.until(lambda: not (tmp_path / "N.pid").exists(), "the end of the pid file")


def held(node, message: bytes):
    """A hand-over begins, and one of its messages is kept back until the returned function is called."""
    played(node, f"holds {message.decode()}")
    os.kill(node.current, signal.SIGUSR2)
    waiting.until((node.folder / "held").exists, "the message")
    return (node.folder / "go").touch


def takes_over(node):
    waiting.until(lambda: node.said("is served by process"), "the new process in its place")
    node.current = int(re.findall(r"is served by process (\d+)", node.node.err.read_text())[-1])


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGUSR1])
def test_a_stop_while_the_new_process_is_about_to_serve_stops_the_node_and_silences_nobody(node, stop):
    node = node()
    node.data["defaults"][node.role]["grace"] = "1s"
    node.write()
    first = node.current
    go_on = held(node, READY)
    os.kill(first, stop)
    # Both have the sockets, and each serves until it is sure who is the node.
    for _ in range(20):
        assert node.asked() in "AB"
    go_on()
    takes_over(node)
    node.wait_gone(first)
    node.wait_gone(node.current)
    assert not os.path.exists(node.folder / "N.sock")


@pytest.mark.parametrize("stage", STAGES)
def test_the_node_goes_on_whenever_the_new_process_dies(node, stage, tmp_path):
    node = HandedOver(tmp_path)
    node.entry["pidfile"] = str(tmp_path / "{node}.pid")
    with node:
        node.run()
        played(node, f"dies {stage}")
        with RawConnection(node.address) as kept, Load(node.address, 4) as load:
            kept.send(ASK)
            assert kept.answer().status == 200
            node.hand_over(GOES_ON)
            answers = load.answers
            waiting.until(lambda: load.answers > answers + 20, "answers afterwards")
            kept.send(ASK)
            answer = kept.answer()
            assert answer.status == 200 and answer.first("Connection") is None
        assert not load.failures, load.failures[:5]
        assert "did not take over: it has gone" in node.node.tail()
        assert int((tmp_path / "N.pid").read_text()) == node.current
        assert "ok" in node.admin("drain A") and new_users(node) == {"B"} and node.counts()["redirects"] == 0
        node.origins["B"].stop()
        waiting.until(lambda: node.server("B")["health"] == "down", "a check that failed")
        # And another hand-over comes off.
        restored(node)
        node.origins["B"].start()
        first = node.hand_over()
        node.wait_gone(first)
        assert int((tmp_path / "N.pid").read_text()) == node.current


@pytest.mark.parametrize("message", [PREPARED, STATE, READY, YOURS], ids=["prepared", "state", "ready", "yours"])
def test_the_new_process_goes_on_when_the_old_one_dies(node, message):
    node = node()
    go_on = held(node, message)
    first = node.current
    said = node.said("N serves")
    os.kill(first, signal.SIGKILL)
    go_on()
    waiting.until(lambda: node.said("N serves") > said, "the new process serving")
    # When it has been given the node it has no more to do with the old one.
    if message != YOURS:
        waiting.until(lambda: node.said("died while it handed over"), "what the new process says of the old one")
    status = node.status()
    assert status["phase"] == "running" and new_users(node) == {"A", "B"}
    # The one that holds the lock of the name is the process itself.
    node.node.process.wait(20)
    node.current = node.listener()
    node.site["servers"].pop()
    node.reload()
    assert new_users(node) == {"A"}


def test_another_form_of_the_hand_over_is_refused_by_name_in_both_logs(node):
    node = node()
    refusal = "its program takes over in the form \"geodirector-hand-over 9\": restart the node instead"
    played(node, f"foreign {refusal}")
    node.hand_over(GOES_ON)
    assert refusal in node.node.tail() and new_users(node) == {"A", "B"}
    # And the other way round: one that is given another form.
    mine, given = Line.pair()
    new = subprocess.Popen(node.node.command[:1] + node.node.command[1:], pass_fds=[given.end.fileno()], stderr=subprocess.PIPE,
                           executable=str(binary()), text=True, env=os.environ | {VARIABLE: str(given.end.fileno())})
    given.close()
    mine.send(HEADER, "geodirector-hand-over 1")
    kind, text, _ = mine.receive()
    said = new.communicate(timeout=30)[1]
    assert (kind, new.returncode) == (FAILED, 1)
    for name in ("geodirector-hand-over 1", FORM, "restart the node instead"):
        assert name in text and name in said, (text, said)
    assert new_users(node) == {"A", "B"}


def test_a_new_process_that_is_told_to_leave_leaves(node):
    node = node()
    mine, given = Line.pair()
    # Beside the node, and at an address of its own.
    node.entry["listen"] = f"{node.range.map('127.0.1.4')}:8080"
    node.entry["monitor"] = f"{node.range.map('127.0.1.4')}:8081"
    node.write()
    new = subprocess.Popen(node.node.command, pass_fds=[given.end.fileno()], stderr=subprocess.PIPE, executable=str(binary()),
                           text=True, env=os.environ | {VARIABLE: str(given.end.fileno())})
    given.close()
    mine.send(HEADER, FORM)
    mine.send(END)
    assert mine.receive()[0] == PREPARED
    mine.send(WITHDRAWN)
    assert "the process before goes on by itself" in new.communicate(timeout=30)[1] and new.returncode == 1
    # Its commands were never taken away.
    assert "ok" in node.admin("drain A") and not (node.folder / "N.sock.new").exists()


@pytest.mark.threads
def test_one_process_checks_and_tells_while_two_live(node, tmp_path):
    single = HandedOver(tmp_path, names=("A", "B", "C"))
    told = tmp_path / "told"
    script = tmp_path / "tell"
    script.write_text(f"#!/bin/sh\ncat >> {told}\n")
    script.chmod(0o700)
    single.data["notify"] = {"command": [str(script)], "interval": "100ms"}
    with single:
        node = single.run()

        def serve(exchange):
            if exchange.request.first("Upgrade"):
                exchange.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
                echo(exchange.socket)
                return exchange.close()
            return exchange.answer(headers=[("X-Origin", exchange.origin.name)])

        for origin in node.origins.values():
            origin.handler = serve
        with RawConnection(node.address, 30) as tunnel:
            tunnel.send("GET /tunnel HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
            assert b"101" in tunnel._until(b"\r\n\r\n")
            # Who stops cuts the tunnel.
            one, other = (name for name, origin in node.origins.items() if not origin.received)
            # Between what the new process is told and its beginning nobody tells.
            go_on = held(node, READY)
            node.origins[one].stop()
            go_on()
            first = node.current
            takes_over(node)
            waiting.until(lambda: node.said(f"{one} is down"), "one seen to be down")
            node.origins[one].start()
            waiting.until(lambda: node.said(f"{one} is up"), "it seen to be up")
            node.origins[other].stop()
            waiting.until(lambda: node.said(f"{other} is down"), "the other seen to be down")
            waiting.until(lambda: told.exists() and f"N {other} down" in told.read_text(), "it told to be down")
            tunnel.send(b"ping")
            assert tunnel.exactly(4) == b"ping"
            lines = [" ".join(line.split()[:3]) for line in told.read_text().splitlines()]
            assert lines == [f"N {one} down", f"N {one} up", f"N {other} down"], lines
            assert [node.said(f"{what}: ") for what in (f"{one} is down", f"{one} is up", f"{other} is down")] == [1, 1, 1]
        os.kill(node.current, signal.SIGTERM)
        node.wait_gone(first)
