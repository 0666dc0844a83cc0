"""What the command of a rolling restart may do, and what becomes of a server when nodes, the command or the operator do something else."""

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import subprocess
import termios
import threading

import pytest

from harness import waiting
from harness.geodirector import binary
from harness.raw import get
from harness.reloaded import HandedOver, alive
from harness.single import Single
from harness.topology import Topology

pytestmark = [pytest.mark.own, pytest.mark.timeout(120)]


@pytest.fixture
def single(request, tmp_path):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    single = Single(tmp_path)
    single.data["admin"] = {"socket": f"{tmp_path}/{{node}}.sock"}
    with single:
        single.geodirector()
        single.socket = str(tmp_path / "N.sock")
        yield single


class Round(contextlib.AbstractContextManager):
    """`admin rolling-restart` at work; what it says is in a file, so that nobody waits for what the command leaves behind."""

    def __init__(self, folder, *arguments, **more):
        self.log = folder / "round.log"
        with open(self.log, "w") as log:
            # Who runs the suite may have it ignore a hang-up (nohup), which goes on to what it starts.
            words = ["env", "--default-signal=HUP", str(binary()), "admin", "rolling-restart", *map(str, arguments)]
            self.process = subprocess.Popen(words, stdout=log, stderr=log, **more)

    @property
    def said(self) -> str:
        return self.log.read_text()

    def ended(self, seconds=60) -> int:
        return self.process.wait(seconds)

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def admin(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run([str(binary()), "admin", *map(str, arguments)], capture_output=True, text=True, timeout=60)


def states(path) -> dict[str, str]:
    status = json.loads(admin("status", "--socket", path, "--format", "json").stdout)
    return {server["name"]: server["state"] for server in status["pools"][0]["servers"]}


def process_in(path) -> int:
    return int(waiting.until(lambda: path.exists() and path.read_text().strip(), f"{path.name} written", 30))


def test_what_the_command_leaves_behind_is_not_waited_for(single, tmp_path):
    with Round(tmp_path, "A", "--socket", single.socket, "--drain", "0s", "--command", f"sleep 600 & echo $! > {tmp_path}/left") as turn:
        try:
            assert turn.ended() == 0, turn.said
            assert alive(process_in(tmp_path / "left")) and states(single.socket) == {"A": "ready", "B": "ready"}
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process_in(tmp_path / "left"), signal.SIGKILL)


def test_a_command_that_asks_on_the_terminal_fails_at_once(single, tmp_path):
    ours, theirs = pty.openpty()
    try:
        with Round(tmp_path, "A", "--socket", single.socket, "--drain", "0s", "--command", "read answer < /dev/tty", stdin=theirs,
                   start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) as turn:
            assert turn.ended() == 1
            assert re.search(r"A: the restart ended with status \d+; it is left in maintenance", turn.said), turn.said
    finally:
        os.close(ours)
        os.close(theirs)
    assert states(single.socket) == {"A": "maintain", "B": "ready"}


def test_a_command_that_does_not_end_is_ended(single, tmp_path):
    with Round(tmp_path, "A", "--socket", single.socket, "--drain", "0s", "--timeout", "1s",
               "--command", f"sleep 600 & echo $! > {tmp_path}/child; sleep 600") as turn:
        assert turn.ended() == 1
        assert "A: the restart did not end within 1000 ms and was ended; it is left in maintenance" in turn.said, turn.said
    child = process_in(tmp_path / "child")
    waiting.until(lambda: not alive(child), "the end of what the command had started")
    assert states(single.socket) == {"A": "maintain", "B": "ready"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_stops_it_while_the_command_runs_ends_that_and_is_told_of_the_server(single, tmp_path, number):
    with Round(tmp_path, "A", "--socket", single.socket, "--drain", "0s", "--command", f"echo $$ > {tmp_path}/child; sleep 600") as turn:
        child = process_in(tmp_path / "child")
        turn.process.send_signal(number)
        assert turn.ended() == 1
        assert "A: stopped, and its restart ended half done; it is left in maintenance" in turn.said, turn.said
    waiting.until(lambda: not alive(child), "the end of the command")
    assert states(single.socket) == {"A": "maintain", "B": "ready"}


def test_who_stops_it_while_a_server_is_drained_has_the_server_ready_again(single, tmp_path):
    with Round(tmp_path, "A", "--socket", single.socket, "--drain", "10m", "--command", f"touch {tmp_path}/ran") as turn:
        waiting.until(lambda: states(single.socket)["A"] == "drain", "A drained")
        turn.process.send_signal(signal.SIGINT)
        assert turn.ended() == 1
        assert "A: stopped; it was not restarted and has all users again" in turn.said, turn.said
    assert states(single.socket) == {"A": "ready", "B": "ready"} and not (tmp_path / "ran").exists()


def test_the_last_other_server_that_goes_down_during_a_drain_ends_it(single, tmp_path):
    with Round(tmp_path, "A", "--socket", single.socket, "--drain", "10m", "--command", f"touch {tmp_path}/ran") as turn:
        waiting.until(lambda: states(single.socket)["A"] == "drain", "A drained")
        single.origins["B"].stop()
        assert turn.ended() == 1
        assert "A is the last that takes new users" in turn.said and "has all users again" in turn.said, turn.said
    assert states(single.socket) == {"A": "ready", "B": "ready"} and not (tmp_path / "ran").exists()


@pytest.fixture
def node(request, tmp_path):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with HandedOver(tmp_path, names=("A", "B")) as node:
        yield node.run()


def test_a_node_that_is_handed_over_meanwhile_is_asked_again(node, tmp_path):
    serving = tmp_path / "serving"
    serving.write_text(f"{node.current}\n")
    # Once each process, the one that serves now.
    command = (f'cd {tmp_path}; until p=$(cat serving) && [ -n "$p" ] && [ "$p" != "$(cat last 2>/dev/null)" ]; do sleep 0.05; done; '
               "echo $p > last; kill -USR2 $p")
    with Round(tmp_path, "A", "B", "--socket", tmp_path / "N.sock", "--drain", "200ms", "--command", command) as turn:
        for count in (1, 2):
            waiting.until(lambda: node.said("is served by process") == count, f"hand-over {count}", 60)
            node.found()
            serving.write_text(f"{node.current}\n")
        assert turn.ended() == 0 and "all 2 restarted" in turn.said, turn.said
    assert states(tmp_path / "N.sock") == {"A": "ready", "B": "ready"}


def test_what_a_process_that_has_handed_over_still_has_in_flight_is_not_cut(node, tmp_path):
    release = threading.Event()
    for origin in node.origins.values():
        origin.handler = lambda exchange: ("slow" in exchange.request.line and release.wait(60), exchange.answer())
    answers = []
    asks = threading.Thread(target=lambda: answers.append(get(node.address, "/slow").status))
    asks.start()
    try:
        waiting.until(lambda: any("slow" in request.line for origin in node.origins.values() for request in origin.received), "the slow request at its server")
        first = node.hand_over()
        second = node.hand_over()
        waiting.until(lambda: not alive(second), "the end of the second process, which had nothing")
        waiting.until(lambda: node.status()["processesBefore"] == 1, "the first process counted alone")
        name = next(origin.name for origin in node.origins.values() if any("slow" in request.line for request in origin.received))
        more = ["--socket", tmp_path / "N.sock", "--drain", "0s", "--command", f"touch {tmp_path}/ran"]
        with Round(tmp_path, name, *more, "--timeout", "1s") as turn:
            assert turn.ended() == 1
            assert "a process before that of N still finishes what it has; it was not restarted" in turn.said, turn.said
        assert not (tmp_path / "ran").exists()
        assert "1 process before it still finishes requests" in node.admin("status")
    finally:
        release.set()
        asks.join()
    assert answers == [200]
    node.wait_gone(first)
    with Round(tmp_path, name, *more) as turn:
        assert turn.ended() == 0, turn.said
    assert node.status()["processesBefore"] == 0


def test_servers_of_several_sites_are_restarted_in_one_round_by_all_who_send_there(start, two_sites, tmp_path):
    network = start(Topology(two_sites.data | {"admin": {"socket": f"{tmp_path}/{{node}}.sock"}}))
    file = network.system.file
    more = ["--topology", file, "--drain", "0s", "--command", f'echo "$GEODIRECTOR_SERVER" >> {tmp_path}/ran']
    balancers = [f"--node={name}" for name in ("S1L1", "S1L2", "S2L1", "S2L2")]
    # Who is not told would go on sending.
    result = admin("rolling-restart", "W11", "--node", "S1L1", *more)
    assert result.returncode == 64 and "S1L2 sends to the same servers" in result.stderr and "--without S1L2" in result.stderr
    result = admin("rolling-restart", "--node", "S1L1", *more)
    assert result.returncode == 64 and "S1L2" in result.stderr
    result = admin("rolling-restart", "W11", "--without", "S1L3", *more)
    assert result.returncode == 64 and 'no node "S1L3"' in result.stderr
    result = admin("rolling-restart", "W19", *more)
    assert result.returncode == 64 and 'server "W19"' in result.stderr
    assert not (tmp_path / "ran").exists()
    with Round(tmp_path, "W11", "W21", *more) as turn:
        assert turn.ended() == 0 and "all 2 restarted" in turn.said, turn.said
    with Round(tmp_path, *balancers, *more) as turn:
        assert turn.ended(100) == 0 and "all 8 restarted" in turn.said, turn.said
    assert (tmp_path / "ran").read_text().split() == ["W11", "W21", "W11", "W12", "W13", "W14", "W21", "W22", "W23", "W24"]
    network.kill("S1L2")
    with Round(tmp_path, "W12", *more) as turn:
        assert turn.ended() == 1 and "S1L2.sock" in turn.said, turn.said
    with Round(tmp_path, "W12", "--without", "S1L2", *more) as turn:
        assert turn.ended() == 0 and "all 1 restarted" in turn.said, turn.said
