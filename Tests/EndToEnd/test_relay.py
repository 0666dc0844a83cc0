"""Relays: TCP connections passed on byte for byte, whatever they carry."""

import contextlib
import hashlib
import json
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest
import yaml

from harness import haproxy, sanitizer, waiting
from harness.addresses import LoopbackRange, moved
from harness.certificates import Authority
from harness.geodirector import Geodirector, binary
from harness.network import Network
from harness.process import Node
from harness.raw import get
from harness.tcp import TCPServer, echo, read_all, reset
from harness.topology import REPOSITORY, NodeSpec, Topology

LINE = re.compile(
    r"^(?P<client>\S+) \[[^]]+\] R R/(?P<server>\S+) (?P<times>-?\d+/-?\d+/-?\d+) (?P<bytes>\d+) (?P<end>\S\S) "
    r"[\d/]+ 0/0 in=(?P<received>\d+) port=(?P<port>\d+) tier=(?P<tier>\S+) why=(?P<why>\S+)$")


class Bed(contextlib.AbstractContextManager):
    """A relay R on loopback, and what it needs: addresses, servers, its log."""

    def __init__(self, folder):
        self.folder, self.range, self.stack = folder, LoopbackRange(), contextlib.ExitStack()
        self.node = None

    def __exit__(self, *_):
        if self.node:
            self.node.stop()
        self.stack.close()
        self.range.release()

    def at(self, host: str, port: int = 0):
        return (self.range.map(host), port) if port else self.range.map(host)

    def server(self, host: str, port: int, handler=echo, **more) -> TCPServer:
        return self.stack.enter_context(TCPServer(self.at(host, port), handler, **more))

    def start(self, workers=1, scale=1, **relay) -> Node:
        relay = {"name": "R", "listen": ["127.1.1.1:3389"], "check": "none"} | relay
        data = {"geodirector": 1, "network": "relay", "time-scale": scale, "admin": {"socket": f"{self.folder}/{{node}}.sock"}, "relays": [relay]}
        self.file = self.folder / "relay.yaml"
        self.file.write_text(yaml.safe_dump(moved(data, self.range)))
        spec = NodeSpec("R", "relay", None, self.at("127.1.1.1", 3389), None)
        self.node = Node(spec, [str(binary()), "deploy", "relay", "R", "--topology", str(self.file), "--workers", str(workers),
                                "--access-log", "-"], self.folder)
        self.node.start()
        # Not by a connection: the servers would see it.
        waiting.until(lambda: self.node.runs and "R serves" in self.node.err.read_text(), "R serving")
        return self.node

    def connect(self, port: int = 3389, seconds: float = 20.0) -> socket.socket:
        connection = socket.create_connection(self.at("127.1.1.1", port), timeout=seconds * sanitizer.slower())
        return self.stack.enter_context(connection)

    def ask(self, data: bytes, port: int = 3389) -> bytes:
        with self.connect(port) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            return read_all(connection)

    def lines(self, count: int) -> list:
        """The first lines of the access log, when there are so many."""
        waiting.until(lambda: len(self.node.log_lines()) >= count, f"{count} lines in the access log")
        found = [LINE.match(line) for line in self.node.log_lines()]
        assert all(found), self.node.log_lines()
        return found

    def status(self) -> dict:
        done = subprocess.run([str(binary()), "admin", "status", "--socket", f"{self.folder}/R.sock", "--format", "json"],
                              capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        status = json.loads(done.stdout)
        return status[0] if isinstance(status, list) else status


@pytest.fixture
def bed(tmp_path):
    with Bed(tmp_path) as bed:
        yield bed


def named(name: str):
    """A server that says who it is and ends."""
    return lambda connection: connection.sendall(name.encode())


def test_a_server_without_a_port_gets_the_port_that_the_client_used(bed):
    ports = (3389, 1494, 5900)
    for port in ports:
        bed.server("127.1.1.10", port, named(f"farm {port}"))
    bed.server("127.1.1.11", 22, named("own port"))
    bed.start(listen=[f"127.1.1.1:{port}" for port in ports], balance="roundrobin",
              servers=[{"name": "farm", "host": "127.1.1.10"}, {"name": "own", "address": "127.1.1.11:22"}])
    for port in ports:
        assert {bed.ask(b"", port) for _ in range(4)} == {f"farm {port}".encode(), b"own port"}


@pytest.mark.parametrize("workers", [1, 2])
def test_both_directions_at_once_are_byte_exact(bed, workers):
    size = 24 << 20
    from_client, from_server = random.Random(1).randbytes(size), random.Random(2).randbytes(size)
    received = []

    def serve(connection):
        reader = threading.Thread(target=lambda: received.append(read_all(connection)))
        reader.start()
        connection.sendall(from_server)
        connection.shutdown(socket.SHUT_WR)
        reader.join()

    bed.server("127.1.1.10", 3389, serve)
    bed.start(workers=workers, servers=[{"name": "S", "host": "127.1.1.10"}])
    answers = []
    with bed.connect(seconds=60) as connection:
        reader = threading.Thread(target=lambda: answers.append(read_all(connection)))
        reader.start()
        connection.sendall(from_client)
        connection.shutdown(socket.SHUT_WR)
        reader.join()
    waiting.until(lambda: received, "everything at the server")
    assert hashlib.sha256(received[0]).digest() == hashlib.sha256(from_client).digest()
    assert hashlib.sha256(answers[0]).digest() == hashlib.sha256(from_server).digest()
    (line,) = bed.lines(1)
    assert (int(line["received"]), int(line["bytes"]), line["end"], line["server"]) == (size, size, "--", "S")


def test_each_direction_ends_by_itself(bed):
    data = random.Random(3).randbytes(1 << 20)
    got = []

    def answer_at_the_end(connection):
        connection.sendall(hashlib.sha256(read_all(connection)).digest())

    def ends_first(connection):
        connection.shutdown(socket.SHUT_WR)
        got.append(read_all(connection))

    bed.server("127.1.1.10", 3389, answer_at_the_end)
    bed.server("127.1.1.10", 1494, ends_first)
    bed.start(listen=["127.1.1.1:3389", "127.1.1.1:1494"], servers=[{"name": "S", "host": "127.1.1.10"}])
    assert bed.ask(data) == hashlib.sha256(data).digest()
    with bed.connect(1494) as connection:
        assert connection.recv(1) == b""
        connection.sendall(data)
    waiting.until(lambda: got, "the rest at a server that has ended its own direction")
    assert got[0] == data


def test_a_reset_is_passed_on_as_a_reset(bed):
    seen = []

    def wait_for_end(connection):
        connection.sendall(b"x")
        try:
            seen.append(read_all(connection))
        except OSError as error:
            seen.append(error)

    def resets(connection):
        connection.recv(1)
        reset(connection)

    bed.server("127.1.1.10", 3389, wait_for_end)
    bed.server("127.1.1.10", 1494, resets)
    bed.start(listen=["127.1.1.1:3389", "127.1.1.1:1494"], servers=[{"name": "S", "host": "127.1.1.10"}])
    connection = bed.connect()
    assert connection.recv(1) == b"x"
    reset(connection)
    waiting.until(lambda: seen, "the reset at the server")
    assert isinstance(seen[0], ConnectionResetError)
    with bed.connect(1494) as connection:
        connection.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            read_all(connection)
    assert [line["end"] for line in bed.lines(2)] == ["CD", "SD"]


def test_who_reads_nothing_stops_who_writes_and_memory_stays_bounded(bed):
    go_on = threading.Event()
    totals = []

    def reads_later(connection):
        go_on.wait(300)
        totals.append(len(read_all(connection)))

    bed.server("127.1.1.10", 3389, reads_later, receive_buffer=4096)
    node = bed.start(servers=[{"name": "S", "host": "127.1.1.10"}])
    before = memory(node)
    connections, sent = [bed.connect() for _ in range(8)], 0
    piece = bytes(1 << 16)
    for connection in connections:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        connection.settimeout(0.2)
        taken = 0
        with contextlib.suppress(TimeoutError):
            while taken < 64 << 20:
                taken += connection.send(piece)
        # Kernels keep megabytes; who takes this much has somebody who reads, or no bound.
        assert taken < 64 << 20
        sent += taken
    # A buffer of the largest size a connection and some more; the kernel's own are not the node's.
    assert sanitizer.chosen() or memory(node) - before < 8 * 96 + 2_048
    go_on.set()
    for connection in connections:
        connection.settimeout(20)
        connection.shutdown(socket.SHUT_WR)
    waiting.until(lambda: len(totals) == 8, "all connections read to their end", 60)
    assert sum(totals) == sent


def memory(node) -> int:
    """KiB that are the process's own."""
    text = open(f"/proc/{node.process.pid}/status").read()
    return int(re.search(r"RssAnon:\s+(\d+)", text)[1])


def test_connections_at_rest_hold_no_buffers(bed):
    bed.server("127.1.1.10", 3389)
    node = bed.start(servers=[{"name": "S", "host": "127.1.1.10"}])
    assert bed.ask(b"warm") == b"warm"
    before = memory(node)
    connections = [bed.connect() for _ in range(400)]
    for connection in connections:
        connection.sendall(b"hello")
        assert connection.recv(5) == b"hello"
    if not sanitizer.chosen():
        assert (memory(node) - before) / 400 < 2.0
    for connection in connections:
        connection.sendall(b"again")
        assert connection.recv(5) == b"again"
        connection.close()
    waiting.until(lambda: bed.status()["clients"] == 0, "no connection left")
    assert all(server["inFlight"] == 0 for pool in bed.status()["pools"] for server in pool["servers"])


def test_a_backup_takes_over_with_the_first_connection_that_needs_it_and_gives_back(bed):
    first, second = bed.server("127.1.1.10", 3389, named("first")), bed.server("127.1.2.10", 3389, named("second"))
    bed.start(check={"interval": "500ms", "fall": 2, "rise": 1},
              servers=[{"name": "A", "host": "127.1.1.10"}, {"name": "B", "host": "127.1.2.10", "backup": True}])
    waiting.until(lambda: first.taken > 0 and second.taken > 0, "both checked")
    assert {bed.ask(b"") for _ in range(10)} == {b"first"}
    first.stop()
    assert bed.ask(b"") == b"second"
    waiting.until(lambda: "A is down" in bed.node.err.read_text(), "A seen to be down")
    assert {bed.ask(b"") for _ in range(10)} == {b"second"}
    first.start()
    waiting.until(lambda: bed.ask(b"") == b"first", "connections back at the first server")
    waiting.until(lambda: bed.lines(22)[-1]["tier"] == "0", "the last line")
    assert [line["tier"] for line in bed.lines(22)][:21] == ["0"] * 10 + ["1"] * 11


def test_without_any_server_the_connection_is_closed_and_told(bed):
    bed.start(servers=[{"name": "A", "host": "127.1.1.10"}])
    assert bed.ask(b"") == b""
    (line,) = bed.lines(1)
    assert (line["end"], line["bytes"], line["times"].split("/")[1]) == ("SC", "0", "-1")


def test_connections_without_a_byte_are_not_told(bed):
    server = bed.server("127.1.1.10", 3389)
    bed.start(servers=[{"name": "A", "host": "127.1.1.10"}])
    for number in range(6):
        connection = bed.connect()
        reset(connection) if number % 2 else connection.close()
    assert bed.ask(b"hello") == b"hello"
    (line,) = bed.lines(1)
    assert (line["bytes"], line["received"], line["port"], line["why"]) == ("5", "5", "3389", "new")
    waiting.until(lambda: bed.status()["clients"] == 0, "no connection left")
    assert len(bed.node.log_lines()) == 1 and server.taken >= 1


@pytest.mark.parametrize("behind", [b"", b"hello"])
def test_a_proxy_in_front_names_the_client_also_of_servers_that_speak_first(bed, behind):
    def greets(connection):
        connection.sendall(b"220 ready\r\n")
        connection.sendall(read_all(connection))

    bed.server("127.1.1.10", 3389, greets)
    bed.start(listen=[{"address": "127.1.1.1:3389", "proxy-protocol": "127.0.0.1/32"}],
              servers=[{"name": "A", "host": "127.1.1.10"}])
    header = b"PROXY TCP4 192.0.2.7 192.0.2.8 5555 3389\r\n"
    with bed.connect() as connection:
        for piece in (header[:9], header[9:] + behind):
            connection.sendall(piece)
        assert connection.recv(11, socket.MSG_WAITALL) == b"220 ready\r\n"
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection) == behind
    assert [line["client"] for line in bed.lines(1)] == ["192.0.2.7:5555"]
    with bed.connect() as connection:
        connection.sendall(b"no header at all\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""
    assert bed.lines(2)[1]["end"] == "PP"


def test_a_connection_ends_when_nothing_moves_and_lives_while_something_does(bed):
    bed.server("127.1.1.10", 3389)
    bed.start(servers=[{"name": "A", "host": "127.1.1.10"}], timeouts={"tunnel": "1s"})
    busy, idle = bed.connect(), bed.connect()
    idle.sendall(b"x")
    assert idle.recv(1) == b"x"
    began = time.monotonic()

    def keep_busy():
        while time.monotonic() < began + 3:
            busy.sendall(b"y")
            assert busy.recv(1) == b"y"
            # A quarter of the time-out between two bytes.
            threading.Event().wait(0.25)

    worker = threading.Thread(target=keep_busy)
    worker.start()
    with pytest.raises(ConnectionResetError):
        idle.recv(1)
    assert 0.8 < time.monotonic() - began < 2.5 * sanitizer.slower()
    worker.join()
    busy.sendall(b"z")
    assert busy.recv(1) == b"z"
    assert bed.lines(1)[0]["end"] == "sD"


def test_a_full_server_queues_and_a_full_queue_refuses(bed):
    bed.server("127.1.1.10", 3389)
    bed.start(queue=1, servers=[{"name": "A", "host": "127.1.1.10", "max-connections": 1}])
    first = bed.connect()
    first.sendall(b"1")
    assert first.recv(1) == b"1"
    second = bed.connect()
    second.sendall(b"2")
    waiting.until(lambda: bed.status()["clients"] == 2, "the second connection taken")
    assert bed.ask(b"") == b""
    second.settimeout(0.2)
    with pytest.raises(TimeoutError):
        second.recv(1)
    first.close()
    second.settimeout(20)
    assert second.recv(1) == b"2"
    assert [line["end"] for line in bed.lines(2)] == ["sQ", "--"]


def test_a_stop_lets_connections_finish_and_takes_no_more(bed):
    bed.server("127.1.1.10", 3389)
    node = bed.start(servers=[{"name": "A", "host": "127.1.1.10"}])
    connection = bed.connect()
    connection.sendall(b"1")
    assert connection.recv(1) == b"1"
    node.terminate()
    waiting.until(lambda: not waiting.listens(bed.at("127.1.1.1", 3389)), "the listener closed")
    connection.sendall(b"2")
    assert connection.recv(1) == b"2"
    connection.close()
    assert node.wait_exit() == 0


def test_drained_servers_get_no_new_connections_and_keep_theirs(bed):
    for name in ("A", "B"):
        bed.server(f"127.1.1.1{'AB'.index(name)}", 3389)
    bed.start(servers=[{"name": name, "host": f"127.1.1.1{'AB'.index(name)}"} for name in "AB"])
    held = [bed.connect() for _ in range(2)]
    for connection in held:
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"
    done = subprocess.run([str(binary()), "admin", "drain", "A", "--socket", f"{bed.folder}/R.sock"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for _ in range(6):
        assert bed.ask(b"y") == b"y"
    assert {line["server"] for line in bed.lines(6)} == {"B"}
    for connection in held:
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"


def test_the_relay_says_of_itself_whether_its_servers_live(bed):
    server = bed.server("127.1.1.10", 3389)
    bed.start(monitor="127.1.1.1:8081", check={"interval": "200ms", "fall": 1, "rise": 1},
              servers=[{"name": "A", "host": "127.1.1.10"}])
    assert get(bed.at("127.1.1.1", 8081)).status == 200
    server.stop()
    waiting.until(lambda: get(bed.at("127.1.1.1", 8081)).status == 503, "the monitor telling that nobody serves")


def test_haproxy_passes_on_the_same_way_with_what_is_rendered(bed, tmp_path):
    ports = (3389, 1494)
    for port in ports:
        bed.server("127.1.1.10", port, named(f"first {port}"))
        bed.server("127.1.2.10", port, named(f"second {port}"))
    bed.start(listen=[f"127.1.1.1:{port}" for port in ports], check={"interval": "500ms"},
              servers=[{"name": "A", "host": "127.1.1.10"}, {"name": "B", "host": "127.1.2.10", "backup": True}])
    text = subprocess.run([str(binary()), "topology", "render", "haproxy", str(bed.file)], capture_output=True, text=True)
    assert text.returncode == 0, text.stderr
    here, there = bed.at("127.1.1.1"), bed.at("127.1.3.1")
    path = tmp_path / "relay.cfg"
    path.write_text(text.stdout.replace(f"bind {here}:", f"bind {there}:"))
    spec = NodeSpec("H", "reference", None, (there, 3389), None)
    other = Node(spec, [haproxy.program(), "-db", "-f", str(path)], tmp_path)
    try:
        other.start().wait_ready()
        for port in ports:
            # Without a half-close: HAProxy gives up a client that ends before the server's connection is there.
            with socket.create_connection((there, port), timeout=20) as connection:
                assert read_all(connection) == f"first {port}".encode() == bed.ask(b"", port)
    finally:
        other.stop()


def secured_by(certificate):
    """Servers that say who they are, in TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def server(name):
        def serve(connection):
            # A check goes away in the middle of the handshake.
            with contextlib.suppress(ssl.SSLError, OSError), context.wrap_socket(connection, server_side=True) as secure:
                secure.sendall(name.encode())
                secure.unwrap()
        return serve

    return server


def said(host: str, port: int = 1514) -> str:
    """What a server of TLS says, whoever it is; nothing: none was reached."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(ssl.SSLError, OSError), socket.create_connection((host, port), timeout=5) as plain, context.wrap_socket(plain) as secure:
        return secure.recv(100).decode()
    return ""


def test_the_ready_made_relays_serve_their_ports(tmp_path):
    topology = Topology.read("tcp-relays").scaled(0.2)
    topology.data["admin"] = {"socket": f"{tmp_path}/{{node}}.sock"}
    with contextlib.ExitStack() as stack, Network(topology, Geodirector(), tmp_path) as network:
        def serve(host, port, handler=None):
            return stack.enter_context(TCPServer((network.range.map(host), port), handler or named(f"{host}:{port}")))

        def ask(port, relay="127.1.1.1", source=None):
            place = (network.range.map(relay), port)
            with socket.create_connection(place, timeout=20, source_address=source and (network.range.map(source), 0)) as connection:
                return read_all(connection).decode()

        farm = {port: serve("127.1.1.10", port) for port in (3389, 1494, 5900)}
        for relay in ("127.1.1.1", "127.1.1.2"):
            for port in farm:
                assert ask(port, relay) == f"127.1.1.10:{port}"

                def reaches_nobody():
                    # Checks of both relays connect, too: in one round of a few none does.
                    taken = farm[port].taken
                    return {ask(port, relay, looker) for looker in ("127.1.1.252", "127.1.1.253")} == {""} and farm[port].taken == taken

                waiting.until(reaches_nobody, "who only looks reaching no server")
        # Of the first site a firewall answers, which takes every connection: no server that speaks TLS is behind it.
        wall = serve("127.1.1.20", 1514, lambda connection: connection.recv(1) and connection.recv(1))
        certificate = Authority(tmp_path).issue("syslog")
        there = secured_by(certificate)
        serve("127.1.2.20", 1514, there("back"))
        log = network.nodes["syslog"].err
        waiting.until(lambda: "syslog-prod-site is down" in log.read_text(), "the check sees through the firewall")
        # Of the second one the checks have to see that it is there by now.
        waiting.until(lambda: said(network.range.map("127.1.1.1")) == "back", "the second site")
        wall.stop()
        serve("127.1.1.20", 1514, there("first"))
        waiting.until(lambda: said(network.range.map("127.1.1.1")) == "first", "the first site")


def test_a_stopped_port_redirector_stops_its_server_softly(tmp_path):
    topology = Topology.read("port-redirector").scaled(0.2)
    topology.data["admin"] = {"socket": f"{tmp_path}/{{node}}.sock"}
    with Network(topology, Geodirector(), tmp_path) as farm:
        def server(cookie=""):
            answer = get(farm.specs["LB1"].service, headers=[("Cookie", cookie)] if cookie else [])
            return answer.json["server"]

        assert {server() for _ in range(8)} == {"webA", "webB"}
        farm.nodes["admitA"].terminate()
        waiting.until(lambda: "webA is up for its own users only" in farm.nodes["LB1"].err.read_text(), "the closed port seen")
        assert {server() for _ in range(8)} == {"webB"} and server("SERVERID=A") == "webA"
        farm.nodes["admitA"].wait_exit()
        farm.nodes["admitA"].start().wait_ready()
        waiting.until(lambda: "webA" in {server() for _ in range(4)}, "new users at webA again")


def test_a_server_that_hangs_behind_its_port_redirector_is_seen(tmp_path):
    """Its kernel takes every connection, and so does the relay: only who asks for a page notices."""
    topology = Topology.read("port-redirector").scaled(0.2)
    topology.data["admin"] = {"socket": f"{tmp_path}/{{node}}.sock"}
    with Network(topology, Geodirector(), tmp_path) as farm:
        def server(cookie=""):
            return get(farm.specs["LB1"].service, headers=[("Cookie", cookie)] if cookie else []).json["server"]

        assert {server() for _ in range(8)} == {"webA", "webB"}
        farm.pause("webA")
        try:
            for port in (8080, 8081):
                socket.create_connection((farm.specs["webA"].service[0], port), 5).close()
            waiting.until(lambda: "webA is down" in farm.nodes["LB1"].err.read_text(), "the silent server seen")
            assert {server() for _ in range(8)} == {"webB"}
        finally:
            farm.resume("webA")
        waiting.until(lambda: "webA" in {server() for _ in range(4)}, "new users at webA again", 30)


@pytest.mark.timeout(120)
def test_servers_behind_port_redirectors_are_restarted_in_turn_by_their_balancer_alone(tmp_path):
    """The relays have the servers, too, but send them no users: they need not be named."""
    topology = Topology.read("port-redirector").scaled(0.2)
    topology.data["admin"] = {"socket": f"{tmp_path}/{{node}}.sock"}
    with Network(topology, Geodirector(), tmp_path) as farm:
        def admin(*words):
            return subprocess.run([str(binary()), "admin", *words, "--topology", str(farm.system.file)], capture_output=True, text=True,
                                  timeout=90)

        waiting.until(lambda: {get(farm.specs["LB1"].service).json["server"] for _ in range(4)} == {"webA", "webB"}, "both servers")
        drained = admin("drain", "webA")
        assert drained.returncode == 0 and len(drained.stdout.splitlines()) == 1, drained.stdout + drained.stderr
        assert {get(farm.specs["LB1"].service).json["server"] for _ in range(8)} == {"webB"}
        assert admin("ready", "webA").returncode == 0
        done = admin("rolling-restart", "webA", "webB", "--node", "LB1", "--drain", "0s", "--command",
                     f"echo $GEODIRECTOR_SERVER >> {tmp_path}/restarted")
        assert done.returncode == 0 and "all 2 restarted" in done.stdout, done.stdout + done.stderr
        assert (tmp_path / "restarted").read_text().split() == ["webA", "webB"]


def test_who_takes_nothing_learns_within_a_bound_that_the_server_is_gone(bed):
    go_on = threading.Event()

    def floods_and_dies(connection):
        connection.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            while True:
                connection.sendall(bytes(1 << 16))
        reset(connection)
        go_on.set()

    bed.server("127.1.1.10", 3389, floods_and_dies)
    # 30 s by 0.05; the tunnel's own bound is far away.
    bed.start(scale=0.05, servers=[{"name": "A", "host": "127.1.1.10"}], timeouts={"tunnel": "1h"})
    with bed.connect(seconds=60) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"x")
        assert go_on.wait(60)
        began = time.monotonic()
        waiting.until(lambda: bed.status()["clients"] == 0, "the connection given up", 20)
        assert time.monotonic() - began >= 0.5
    assert bed.lines(1)[0]["end"] == "cD"


def test_the_file_of_relays_can_be_checked_and_shown():
    file = str(REPOSITORY / "topologies" / "tcp-relays.yaml")
    done = subprocess.run([str(binary()), "topology", "check", file, "--strict"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "3 relays" in done.stdout, done.stdout + done.stderr
    for arguments in (["show", file], ["show", file, "--format", "json"], ["show", file, "--node", "syslog"],
                      ["show", file, "--node", "syslog", "--format", "json"], ["show", file, "--format", "svg"]):
        done = subprocess.run([str(binary()), "topology", *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and (done.stdout.count("syslog-back-site") == 1 or "svg" in arguments), done.stdout + done.stderr
