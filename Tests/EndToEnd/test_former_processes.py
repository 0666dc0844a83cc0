"""Processes that have handed over and still finish what they have, and the node that goes on beside them."""

import contextlib
import os
import signal
import socket

import pytest

from harness import waiting
from harness.hand_over import YOURS, restored
from harness.reloaded import HandedOver
from test_hand_over import GOES_ON, asked_slowly, ends, has_ended, held

pytestmark = [pytest.mark.own, pytest.mark.timeout(90)]


@pytest.fixture(autouse=True)
def ours(request):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")


def killed(process: int):
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


@pytest.mark.threads
def test_one_that_does_not_read_what_it_is_told_holds_nothing_up(tmp_path):
    with contextlib.ExitStack() as stack:
        # 1 s, scaled.
        node, _, before, _ = asked_slowly(tmp_path, stack, "10s")
        for process in before:
            os.kill(process, signal.SIGSTOP)
            stack.callback(killed, process)
        deaf = "does not read what it is told"

        def ordered():
            for order in ("drain A", "ready A"):
                assert node.admin(order).startswith("ok\n")

        # The kernel holds some hundreds for each.
        for _ in range(2_000):
            ordered()
            if node.said(deaf) == len(before):
                break
        for _ in range(10):
            ordered()
        # Of each once.
        assert [node.said(f"process {process}, which has handed over, {deaf}") for process in before] == [1, 1]
        assert node.said(deaf) == 2 and node.status()["processesBefore"] == 2
        node.origins["A"].stop()
        waiting.until(lambda: node.server("A")["health"] == "down", "a check that failed")
        # A stop is bounded, whoever hears of it.
        watched = ends(node.current)
        stack.callback(os.close, watched)
        os.kill(node.current, signal.SIGTERM)
        waiting.until(lambda: has_ended(watched), "the end of the node")
        assert node.said("ends before processes that handed over to it") == 1


def test_a_hand_over_that_fails_in_its_last_step_leaves_the_pid_file(tmp_path):
    node = HandedOver(tmp_path)
    node.entry["pidfile"] = str(tmp_path / "{node}.pid")
    file, there = tmp_path / "N.pid", tmp_path / "other" / "N.sock"
    with node:
        node.run()
        # The new one is to take commands where somebody does already, so that it takes that place last.
        there.parent.mkdir()
        before = node.data["admin"]
        node.data["admin"] = {"socket": f"{there.parent}/{{node}}.sock"}
        node.write()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(there))
            other.listen()
            go_on = held(node, YOURS)
            there.with_name("N.sock.new").unlink()
            go_on()
            waiting.until(lambda: node.said(GOES_ON), "the end of the new process")
        assert "another process begins to take them there" in node.node.tail()
        # It is written again a moment after the line in the log.
        waiting.until(lambda: file.exists() and file.read_text() == f"{node.current}\n", "the id of the process that goes on", 5)
        node.data["admin"] = before
        node.write()
        restored(node)
        first = node.hand_over()
        node.wait_gone(first)
        assert file.read_text() == f"{node.current}\n"
    waiting.until(lambda: not file.exists(), "the end of the pid file")
