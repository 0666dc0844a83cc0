"""Interim responses that a client does not take yet, and the answer that comes behind them."""

import contextlib
import os
import socket
import threading

import pytest

from harness import waiting
from harness.raw import RawConnection, request
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.threads, pytest.mark.timeout(60)]

PATIENT = {"request": "20s", "keep-alive": "20s", "client": "20s", "server": "20s"}
# As many as a server may send, each nearly as long as a head may be: more than a Unix socket's buffer holds.
INTERIMS = 16
HINT = b"HTTP/1.1 103 Early Hints\r\nLink: <" + b"l" * 15_000 + b">\r\n\r\n"
# The name is written before every session id, so that heads become longer.
LONG_NAME = "A" * 64


@pytest.fixture
def held(request, tmp_path):
    """A server that sends interim responses and then, when the test lets it, an answer; and a client who has asked and takes nothing.

    Gives the node, the client's connection, and a function that sends the answer and waits until the node has it.
    """
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with contextlib.ExitStack() as stack:

        def starter(answer: bytes, name="A", timeouts=None):
            path = str(tmp_path / "node")
            single = stack.enter_context(Single(
                tmp_path, names=(name,), session={"name": "S", "mode": "prefix"}, timeouts=PATIENT | (timeouts or {}),
                limits={"fields": 10_000}))
            entry = single.data["sites"][0]["balancers"][0]
            entry["listen"] = [entry["listen"], f"unix:{path}"]
            origin, go_on, sent = single.origins[name], threading.Event(), [threading.Event(), threading.Event()]
            stack.callback(go_on.set)

            def handler(exchange):
                if exchange.request.line.split()[1] != "/held":
                    return exchange.answer()
                exchange.send(HINT * INTERIMS)
                sent[0].set()
                go_on.wait(30)
                exchange.send(answer)
                sent[1].set()

            origin.handler = handler
            single.address = single.geodirector()
            # It is opened after the first one.
            waiting.until(lambda: os.path.exists(path), "the socket")
            client = stack.enter_context(RawConnection.of(connected(path)))
            client.send(ask("/held"))
            assert sent[0].wait(20)
            wait_held_up(origin.address)

            def send_answer():
                go_on.set()
                assert sent[1].wait(20)

            return single, client, send_answer

        yield starter


def ask(target: str) -> bytes:
    return request(target=target)


def connected(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    connection.connect(path)
    return connection


def wait_held_up(address):
    """Until the node has taken some of what the server has sent, and leaves the rest: its client takes no more."""
    packed = "{:08X}:{:04X}".format(int.from_bytes(socket.inet_aton(address[0]), "little"), address[1])

    def unread():
        with open("/proc/net/tcp") as table:
            rows = [row for row in map(str.split, table) if row[2] == packed and row[3] == "01"]
        return sum(int(row[4].split(":")[1], 16) for row in rows)

    seen = []

    def is_held_up():
        seen.append(unread())
        return len(seen) > 3 and 0 < seen[-1] < len(HINT) * INTERIMS and len(set(seen[-3:])) == 1

    waiting.until(is_held_up, "the node leaving what its client does not take")


def answer_of(fields: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + fields + b"Content-Length: 5\r\n\r\nhello"


@pytest.mark.parametrize("fields", [b"X: y\r\n", b"X: " + b"x" * 15_000 + b"\r\n", b"Set-Cookie:S=x\r\n" * 500,
                                    b"Set-Cookie:S=x\r\n" * 900],
                         ids=["short", "long", "made longer", "made much longer"])
def test_an_answer_behind_an_interim_response_that_waits_is_whole(held, fields):
    single, client, send_answer = held(answer_of(fields), LONG_NAME)
    send_answer()
    answer = client.answer()
    assert answer.status == 200 and answer.body == b"hello"
    assert len(answer.interim) == INTERIMS, "none is lost (RFC 9110 section 15.2)"
    cookies = fields.count(b"Set-Cookie")
    assert answer.raw_head.count(f"S={LONG_NAME}~x".encode()) == cookies
    assert cookies or fields.strip() in answer.raw_head
    # The connection goes on.
    client.send(ask("/next"))
    assert client.answer().status == 200


def test_who_takes_neither_the_interim_response_nor_the_answer_is_given_up_not_the_server(held):
    single, client, send_answer = held(answer_of(b""), timeouts={"client": "1s", "server": "30s"})
    send_answer()
    waiting.until(lambda: any(" cD" in line for line in single.nodes["geodirector"].log_lines()), "the line in the log", 10)


def test_a_server_that_is_silent_behind_an_interim_response_that_waits_is_answered_for_with_504(held):
    single, client, _ = held(b"", timeouts={"client": "20s", "server": "1s"})
    # From when the client has taken it the server's time runs.
    answer = client.answer()
    assert answer.status == 504 and answer.interim
