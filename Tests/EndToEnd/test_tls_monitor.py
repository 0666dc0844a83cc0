"""The monitor with TLS, where only those in front are let in: nobody else keeps it from answering them."""

import contextlib
import json
import re
import socket
import ssl
import subprocess

import pytest

from harness import waiting
from harness.certificates import secure_get
from harness.geodirector import binary
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.timeout(90)]


@pytest.fixture
def director(tmp_path, authority):
    with Single(tmp_path, role="site-director", tiers={"HOME": ["A"]}) as single:
        single.monitor = (single.range.map("127.0.1.1"), 8081)
        single.data["admin"] = {"socket": str(tmp_path / "{node}.sock")}
        single.data["sites"][0]["directors"][0]["monitor"] = {"address": "{}:{}".format(*single.monitor), "tls": {
            "certificates": str(authority.issue("SD1")), "require": "client-certificate", "client-ca": str(authority.path), "client-names": ["OP1"]}}
        single.geodirector()
        single.said = lambda: single.nodes["geodirector"].err.read_text()
        waiting.until(lambda: "N serves" in single.said(), "the node serving with its monitor")
        yield single


def unfinished(single) -> int:
    done = subprocess.run([binary(), "admin", "status", "--socket", single.folder / "N.sock", "--format", "json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    status = json.loads(done.stdout)
    entries = (status[0] if isinstance(status, list) else status)["handshakes"]
    return next(entry["failed"].get("unfinished", 0) for entry in entries if entry["with"] == "clients of the monitor")


def hello() -> bytes:
    out = ssl.MemoryBIO()
    end = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname="SD1")
    with contextlib.suppress(ssl.SSLWantReadError):
        end.do_handshake()
    return out.read()


@pytest.mark.parametrize("source", ["its own", "that of the others"])
def test_half_handshakes_lock_nobody_out_of_the_monitor(director, authority, source):
    """A thousand, four times as many as there are places, and others for as long as checks go on."""
    office = authority.client(authority.issue("OP1"))
    begun, flights = [], [b"\x16\x03\x01", hello()]
    stranger = director.range.map("127.0.9.9") if source == "its own" else "127.0.0.1"

    def half():
        begun.append(socket.create_connection(director.monitor, timeout=10, source_address=(stranger, 0)))
        begun[-1].sendall(flights[len(begun) % 2])

    try:
        for _ in range(1000):
            half()
        for _ in range(40):
            for _ in range(10):
                half()
            assert secure_get(director.monitor, office, name="SD1").status == 200
    finally:
        for connection in begun:
            connection.close()
    assert waiting.until(lambda: unfinished(director), "their being counted") > 500
    waiting.until(lambda: "TLS with clients of the monitor failed: the handshake was not finished when others needed its place" in director.said(),
                  "the line in the log")


def test_a_handshake_that_is_not_finished_in_time_is_counted_and_told(director):
    with socket.create_connection(director.monitor, timeout=20) as half:
        half.sendall(hello())
        # The server's part, and the end when the time is up.
        with contextlib.suppress(ConnectionResetError):
            while half.recv(65536):
                pass
    waiting.until(lambda: re.search(r"TLS with clients of the monitor failed: the handshake was not finished in time \(once\)", director.said()),
                  "the line in the log")
    assert unfinished(director) == 1
