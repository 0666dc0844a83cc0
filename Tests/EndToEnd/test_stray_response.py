"""Bytes that a server sends without being asked never become the answer to another user's request."""

import contextlib
import os
import pathlib
import signal
import threading

import pytest

from harness import waiting
from harness.raw import RawConnection, request
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.threads, pytest.mark.timeout(60)]
PATIENT = {"request": "20s", "keep-alive": "20s", "client": "20s", "server": "20s"}


@pytest.mark.parametrize("times", range(4))
def test_a_body_behind_the_answer_to_head_is_nobodys(request_for, times):
    """A broken server answers HEAD with a head, and its body, which looks like a response, a moment later; the next user's request
    is in the same round of the worker, before it."""
    single, go_on, sent = request_for
    node = single.nodes["geodirector"].process.pid
    with RawConnection(single.address) as first, RawConnection(single.address) as second:
        second.send(request(target="/warm"))
        assert second.answer().body == b"mine"
        first.send(request("HEAD", "/stray"))
        assert first.answer("HEAD").status == 200
        os.kill(node, signal.SIGSTOP)
        try:
            waiting.until(lambda: stands_still(node), "the node standing still")
            second.send(request(target="/other"))
            go_on.set()
            assert sent.wait(10)
        finally:
            os.kill(node, signal.SIGCONT)
        answer = second.answer()
        assert answer.status == 200 and answer.body == b"mine"


@pytest.fixture
def request_for(request, tmp_path):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    go_on, sent = threading.Event(), threading.Event()
    with contextlib.ExitStack() as stack:
        single = stack.enter_context(Single(tmp_path, names=("A",), check="30s", timeouts=PATIENT))
        stack.callback(go_on.set)

        def handler(exchange):
            if exchange.request.line.startswith("HEAD /stray"):
                exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 46\r\n\r\n")
                go_on.wait(20)
                exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstray!")
                sent.set()
            else:
                exchange.answer(body=b"mine")

        single.origins["A"].handler = handler
        single.workers = 1
        single.address = single.geodirector()
        yield single, go_on, sent


def stands_still(pid: int) -> bool:
    """All of its threads: one that has taken the next request from its socket already would see nothing of what comes before it goes on."""
    tasks = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
    return all((task / "stat").read_text().rsplit(")", 1)[1].split()[0] in "Tt" for task in tasks)
