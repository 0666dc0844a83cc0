"""What is for operators and nodes only, the monitor and commands, is not reached through the port that serves users, however it is asked for."""

import contextlib
import json
import socket
import subprocess

import pytest

from harness.certificates import SecureConnection
from harness.geodirector import binary
from harness.raw import RawConnection, get
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.timeout(90)]


@pytest.fixture(params=["plain", "tls"])
def director(request, tmp_path, authority):
    with Single(tmp_path, role="site-director", tiers={"HOME": ["A"]}) as single:
        entry = single.data["sites"][0]["directors"][0]
        single.monitor = (single.range.map("127.0.1.1"), 8081)
        entry["monitor"] = "{}:{}".format(*single.monitor)
        single.data["admin"] = {"socket": str(tmp_path / "{node}.sock")}
        if request.param == "tls":
            entry["listen"] = [{"address": entry["listen"], "tls": str(authority.issue("shop.example"))}]
        single.address = single.geodirector()
        single.connect = lambda: (SecureConnection(single.address, authority.client()) if request.param == "tls" else RawConnection(single.address))
        yield single


def state(single) -> str:
    """What `admin status` says of the node and its servers, without what runs on by itself."""
    done = subprocess.run([binary(), "admin", "status", "--socket", single.folder / "N.sock", "--format", "json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    status = json.loads(done.stdout)
    status = status[0] if isinstance(status, list) else status
    return json.dumps({key: status[key] for key in status if key in ("node", "role", "phase", "state", "digest")}, sort_keys=True)


def answers_to(single, sent: bytes) -> bytes:
    """Everything that comes back until the node ends the connection, or says nothing more."""
    with single.connect() as connection:
        connection.send(sent)
        connection.socket.settimeout(4)
        got = b""
        with contextlib.suppress(OSError):
            while piece := connection.socket.recv(65536):
                got += piece
        return got


def test_neither_the_monitor_nor_commands_are_reached_through_the_service_port(director):
    where = "{}:{}".format(*director.monitor)
    direct = get(director.monitor, "/shop")
    assert direct.status == 200 and direct.first("Geodirector-Health"), "what must not be seen"
    before = state(director)
    hidden = f"GET /shop HTTP/1.1\r\nHost: {where}\r\nX-Hidden: 1\r\n\r\n".encode()
    head = "Accept: application/json\r\nConnection: close\r\n\r\n"
    asked = {
        "path": f"GET /shop HTTP/1.1\r\nHost: shop.example\r\n{head}",
        "host": f"GET /shop HTTP/1.1\r\nHost: {where}\r\n{head}",
        "absolute": f"GET http://{where}/shop HTTP/1.1\r\nHost: {where}\r\n{head}",
        "absolute, other host": f"GET http://{where}/shop HTTP/1.1\r\nHost: shop.example\r\n{head}",
        "path of an address": f"GET //{where}/shop HTTP/1.1\r\nHost: shop.example\r\n{head}",
        "connect": f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n{head}",
        "upgrade": f"GET / HTTP/1.1\r\nHost: {where}\r\nUpgrade: geodirector\r\nConnection: Upgrade\r\n\r\n",
        "pipelined": f"GET / HTTP/1.1\r\nHost: shop.example\r\nAccept: application/json\r\n\r\nGET /shop HTTP/1.1\r\nHost: {where}\r\n{head}",
        "CL.TE": "POST / HTTP/1.1\r\nHost: shop.example\r\nAccept: application/json\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                 .format(len(hidden) + 5) + hidden.decode(),
        "TE.CL": "POST / HTTP/1.1\r\nHost: shop.example\r\nAccept: application/json\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n"
                 f"{len(hidden):x}\r\n{hidden.decode()}\r\n0\r\n\r\n",
        "commands": "status\nmaintenance\nstop\nset server shop/A state down\n\r\n",
        "commands as JSON": '{"command": "maintenance"}\n\r\n',
        "path of commands": f"POST /maintenance HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n{head}",
    }
    for kind, text in asked.items():
        got = answers_to(director, text.encode())
        assert b"Geodirector-Health" not in got and b"tls-handshakes" not in got and b"log-lines-dropped" not in got, (kind, got)
        if kind == "connect":
            assert not got.startswith(b"HTTP/1.1 2"), got
    # What reached the server was sent to it, and nothing that was hidden in a body came as a request.
    lines = [received.line for received in director.origins["A"].received]
    assert lines.count("GET /shop HTTP/1.1") >= 2 and not any(received.all("X-Hidden") for received in director.origins["A"].received)
    assert not any(received.line.startswith("CONNECT") for received in director.origins["A"].received)
    assert state(director) == before and get(director.monitor, "/shop").first("Geodirector-Health") == direct.first("Geodirector-Health")
    with socket.create_connection(director.monitor, timeout=5) as monitor:
        # Nor are commands taken by the monitor.
        monitor.sendall(b"maintenance\n\r\n\r\n")
        assert monitor.recv(100).startswith(b"HTTP/1.1 400")
    assert state(director) == before
