"""The status page: a node and its servers for people, at a listener of its own, for who has user and password."""

import base64
import contextlib
import html.parser
import os
import re
import socket
import subprocess

import pytest
import yaml

from harness import waiting
from harness.geodirector import Geodirector, binary
from harness.network import Network
from harness.raw import RawConnection, get
from harness.rendered import Rendered
from harness.topology import REPOSITORY, Topology

pytestmark = pytest.mark.timeout(90)
PASSWORD = "päss:word"
FILE = REPOSITORY / "topologies" / "cache-cluster.yaml"


def basic(user: str, password: str, scheme: str = "Basic") -> list[tuple[str, str]]:
    return [("Authorization", f"{scheme} " + base64.b64encode(f"{user}:{password}".encode()).decode())]


class Cluster(Network):
    def wait_new_user_site(self, *_):
        """There are no offices."""

    @property
    def page(self) -> tuple[str, int]:
        return self.specs["proxy1"].service[0].rsplit(".", 1)[0] + ".41", 1936

    def shown(self, headers=None, target="/", method="GET"):
        return get(self.page, target, method, basic("user", PASSWORD) if headers is None else headers)

    def rows(self) -> dict[str, dict[str, str]]:
        """The page's table of servers, by name."""
        table = Table()
        table.feed(self.shown().body.decode())
        heads, *rows = table.rows
        return {row[0]: dict(zip(heads, row)) for row in rows if len(row) == len(heads)}


class Table(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.rows, self._in = [], False

    def handle_starttag(self, tag, _):
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self._in = True
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self._in = False

    def handle_data(self, data):
        if self._in:
            self.rows[-1][-1] += data


@pytest.fixture
def start(tmp_path, monkeypatch):
    monkeypatch.setenv("STATUS_PASSWORD", PASSWORD)
    with contextlib.ExitStack() as stack:
        def starter(system=None, change=lambda data: None) -> Cluster:
            topology = Topology.read("cache-cluster").scaled(0.1)
            topology.data["admin"] = {"socket": f"{tmp_path}/{{node}}.command"}
            change(topology.data)
            return stack.enter_context(Cluster(topology, system or Geodirector(), tmp_path))

        yield starter


@pytest.mark.parametrize("system", [Geodirector, Rendered], ids=["geodirector", "HAProxy"])
def test_only_who_has_user_and_password_sees_it(start, system):
    cluster = start(system())
    refused = [[], basic("user", "wrong"), basic("User", PASSWORD), basic("user", PASSWORD + "x"), basic("user", PASSWORD[:-1]),
               basic("", ""), [("Authorization", "Basic")], [("Authorization", "Basic !!!")], basic("user", PASSWORD, "Bearer")]
    for headers in refused:
        answer = cluster.shown(headers)
        assert answer.status == 401 and answer.first("WWW-Authenticate").startswith("Basic realm="), headers
        assert b"webA" not in answer.body
    answer = cluster.shown()
    assert answer.status == 200 and answer.first("Content-Type").startswith("text/html")
    assert b"webA" in answer.body and b"webB" in answer.body


def test_whatever_is_asked_for_nothing_is_told_before_the_password(start):
    cluster = start()
    for target, method in (("/nowhere", "GET"), ("/", "POST"), ("/?format=json", "GET"), ("/", "HEAD")):
        answer = cluster.shown([], target, method)
        assert answer.status == 401 and b"webA" not in answer.body
    # The same field twice is nobody's.
    assert cluster.shown(basic("user", PASSWORD) + basic("user", PASSWORD)).status == 401
    assert cluster.shown(basic("user", PASSWORD, "bAsIc")).status == 200
    assert (cluster.shown(target="/nowhere").status, cluster.shown(method="POST").status) == (404, 405)
    assert cluster.shown(method="FETCH").first("Allow") == "GET, HEAD"
    for headers, target in ((None, "/"), (None, "/nowhere"), ([], "/")):
        # What is behind the head would be taken for another answer.
        with RawConnection(cluster.page) as connection:
            connection.send("HEAD " + target + " HTTP/1.1\r\nHost: x\r\n"
                            + "".join(f"{name}: {value}\r\n" for name, value in (basic("user", PASSWORD) if headers is None else headers)) + "\r\n")
            head = connection.rest()
            assert head.endswith(b"\r\n\r\n") and head.count(b"\r\n\r\n") == 1, head
            assert int(re.search(rb"Content-Length: (\d+)", head)[1]) > 10
    for answer in (cluster.shown(), cluster.shown([])):
        assert answer.first("Cache-Control") == "no-store" and "default-src 'none'" in answer.first("Content-Security-Policy")


def test_it_shows_servers_their_states_sessions_and_counts(start):
    cluster = start()
    for _ in range(6):
        assert cluster.ask("proxy1", "SERVERID=A").status == 200
    rows = cluster.rows()
    assert set(rows) == {"webA", "webB"}
    assert rows["webA"]["requests"] == "6" and rows["webB"]["requests"] == "0"
    assert rows["webA"]["in flight"] == "0" and rows["webA"]["state"] == "ready"
    waiting.until(lambda: "well" in cluster.rows()["webB"]["last check"], "a check")
    with RawConnection(cluster.specs["proxy1"].service) as slow:
        slow.send("GET /?delay=30s HTTP/1.1\r\nHost: x\r\nCookie: SERVERID=B\r\n\r\n")
        waiting.until(lambda: cluster.rows()["webB"]["in flight"] == "1", "the session under way")
    cluster.kill("webA")
    waiting.until(lambda: cluster.rows()["webA"]["health"] == "down", "the dead server")
    row = cluster.rows()["webA"]
    assert row["times down"] == "1" and row["reason"]
    done = subprocess.run([str(binary()), "admin", "drain", "webB", "--socket", f"{cluster.folder}/proxy1.command", "--because", "<b>x&y"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = cluster.shown().body.decode()
    assert cluster.rows()["webB"]["state"].startswith("drain") and "&lt;b&gt;x&amp;y" in text and "<b>" not in text
    told = cluster.shown(target="/?format=json").json
    assert told["node"] == "proxy1" and {server["name"] for server in told["pools"][0]["servers"]} == {"webA", "webB"}
    assert {"in-flight", "clients"} <= {counter["name"] for counter in told["counters"]}


def test_the_service_port_knows_nothing_of_it(start):
    cluster = start()
    for target in ("/", "/?format=json"):
        answer = get(cluster.specs["proxy1"].service, target, headers=basic("user", PASSWORD))
        assert answer.status == 200 and b"topology" not in answer.body and b"<h2>Counts</h2>" not in answer.body
    monitor = get(cluster.specs["proxy1"].monitor, "/", headers=basic("user", PASSWORD))
    assert b"webA" not in monitor.body


def test_who_says_nothing_or_trickles_keeps_nobody_from_it(start):
    cluster = start()
    idle = [socket.create_connection(cluster.page, timeout=10) for _ in range(80)]
    try:
        for connection in idle[::2]:
            connection.sendall(b"GET / HTTP/1.1\r\nAuthorization: ")
        for _ in range(5):
            assert cluster.shown().status == 200
        # A head without an end is refused, unless the reset of what was sent behind it is there first.
        with RawConnection(cluster.page) as connection, contextlib.suppress(ConnectionError):
            connection.send(b"GET / HTTP/1.1\r\nX: " + b"x" * 9_000)
            assert connection.answer().status == 431
        assert cluster.shown().status == 200
    finally:
        for connection in idle:
            connection.close()


def test_an_unanswered_request_ends_in_ten_seconds(start):
    cluster = start()
    with RawConnection(cluster.page, 20) as connection:
        connection.send("GET / HTTP/1.1\r\n")
        assert connection.answer().status == 408
        assert connection.closed(5)
    with RawConnection(cluster.page, 20) as silent:
        assert silent.closed(15) and not silent.rest()


def test_a_password_in_a_file_and_a_path_of_its_own(start, tmp_path):
    (tmp_path / "password").write_text(PASSWORD + "\nsomething else\n")

    def change(data):
        data["defaults"]["site-balancer"]["status-page"] = {"user": "user", "path": "/status", "password": f"file:{tmp_path}/password"}

    cluster = start(change=change)
    assert cluster.shown(target="/status").status == 200 and cluster.shown(target="/").status == 404


@pytest.mark.parametrize("password", ["env:NOT_THERE", "file:/nowhere/at/all", "file:EMPTY"])
def test_without_its_password_a_node_does_not_start(tmp_path, password):
    (tmp_path / "empty").write_text("\n")
    data = yaml.safe_load(FILE.read_text())
    data["defaults"]["site-balancer"]["status-page"]["password"] = password.replace("EMPTY", str(tmp_path / "empty"))
    data["admin"] = False
    path = Topology(data).write(tmp_path / "topology.yaml")
    done = subprocess.run([str(binary()), "deploy", "site-balancer", "proxy2", "--topology", str(path)], capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 78 and "password of the status page" in done.stderr, done.stderr


def test_the_password_stands_in_nothing_that_is_printed(tmp_path):
    environment = os.environ | {"STATUS_PASSWORD": PASSWORD}
    for arguments in (["show", FILE], ["show", FILE, "--node", "proxy1"], ["show", FILE, "--node", "proxy1", "--format", "json"],
                      ["render", "haproxy", FILE, "--node", "proxy1"], ["render", "systemd", FILE, "--node", "proxy1"]):
        done = subprocess.run([str(binary()), "topology", *map(str, arguments)], capture_output=True, text=True, timeout=60, env=environment)
        assert done.returncode == 0 and PASSWORD not in done.stdout + done.stderr, done.stderr
    shown = subprocess.run([str(binary()), "topology", "show", str(FILE), "--node", "proxy1"], capture_output=True, text=True, timeout=60)
    assert re.search(r"status page +127\.1\.1\.41:1936/, user user, password in env:STATUS_PASSWORD", shown.stdout)
    secret = FILE.read_text().replace('"env:STATUS_PASSWORD"', "hunter2")
    (tmp_path / "secret.yaml").write_text(secret)
    done = subprocess.run([str(binary()), "topology", "check", str(tmp_path / "secret.yaml")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 78 and "does not stand in the topology" in done.stderr + done.stdout
    assert "hunter2" not in done.stderr + done.stdout
