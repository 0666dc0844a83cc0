"""The smaller systems of `topologies/`: each runs as its file says, and does what it is there for."""

import collections
import concurrent.futures
import contextlib
import grp
import json
import os
import pathlib
import pwd
import re
import subprocess
import time

import pytest
import yaml

from harness import waiting
from harness.addresses import LoopbackRange
from harness.geodirector import Geodirector, binary
from harness.network import Network
from harness.origin import Origin
from harness.process import Node
from harness.raw import RawConnection, get
from harness.tcp import TCPServer
from harness.topology import REPOSITORY, NodeSpec, Topology


class Running(Network):
    """A network without offices: its nodes are started, and nobody waits for users of offices."""

    def server(self, entry, cookie=""):
        answer = get(self.specs[entry].service, headers=[("Cookie", cookie)] if cookie else [])
        assert answer.status == 200, answer.status
        return answer

    def log_of(self, entry, text):
        waiting.until(lambda: text in self.nodes[entry].err.read_text(errors="replace"), f"{text!r} in the log of {entry}")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("STATUS_PASSWORD", "pass")
    with contextlib.ExitStack() as stack:
        def starter(name, scale=0.1, change=lambda data: None):
            topology = Topology.read(name).scaled(scale)
            change(topology.data)
            topology.data["admin"] = {"socket": f"{tmp_path}/{{node}}.sock"}
            return stack.enter_context(Running(topology, Geodirector(), tmp_path))

        yield starter


def name_of(answer) -> str:
    return answer.json["server"]


NAMES = ["web-farm", "web-farm-pair", "soft-stop-by-file", "soft-stop-by-port", "backup-server", "cache-cluster", "unicast-failover", "multi-site", "port-redirector", "web-farm-layer4",
         "web-farm-https"]


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_well_and_can_be_shown_and_drawn(name):

    file = str(REPOSITORY / "topologies" / f"{name}.yaml")
    for arguments in (["check", file], ["show", file], ["show", file, "--format", "svg"], ["show", file, "--format", "json"],
                      ["simulate", file, "--users", "20", "--format", "json"]):
        done = subprocess.run([str(binary()), "topology", *arguments], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
    for scenario in json.loads(done.stdout)["scenarios"]:
        # Whatever fails: somebody asks, and what fails for some minutes of ten does not end all.
        assert scenario["users"] == 20 and scenario["total"]["requests"] > 100, scenario["name"]
        assert scenario["total"]["errors"] < scenario["total"]["requests"] // 2, scenario["name"]


def test_a_web_farm_keeps_users_by_cookie_and_those_without_by_address(run):
    farm = run("web-farm")
    first = farm.server("LB1")
    (cookie,) = [value.split(";")[0] for value in first.all("Set-Cookie") if value.startswith("SERVERID=")]
    assert {name_of(farm.server("LB1")) for _ in range(6)} == {name_of(first)}
    other = next(value for value in "ABCD" if f"SERVERID={value}" != cookie)
    assert {name_of(farm.server("LB1", f"SERVERID={other}")) for _ in range(6)} == {f"web{other}"}
    farm.nodes[name_of(first)].kill()
    moved = farm.server("LB1", cookie)
    assert name_of(moved) != name_of(first) and any(value.startswith("SERVERID=") for value in moved.all("Set-Cookie"))


@pytest.mark.one_worker("turns are counted, and each worker takes turns of its own")
def test_a_pair_of_balancers_spreads_by_weight_and_either_keeps_sessions(run):
    pair = run("web-farm-pair")
    counts = collections.Counter(name_of(pair.server("LB1")) for _ in range(76))
    assert counts == {"webA": 12, "webB": 12, "webC": 26, "webD": 26}
    answer = pair.server("LB1")
    (cookie,) = [value.split(";")[0] for value in answer.all("Set-Cookie") if value.startswith("JSESSIONID=")]
    assert cookie.startswith(f"JSESSIONID={name_of(answer)[-1]}~")
    again = pair.server("LB2", cookie)
    assert name_of(again) == name_of(answer) and again.json["visits"] == 2


def test_the_checks_of_a_pair_of_balancers_leave_from_their_own_addresses_whoever_holds_the_shared_one(run):
    pair = run("web-farm-pair")
    own = {pair.range.map(address) for address in ("127.1.1.3", "127.1.1.4")}
    pair.nodes["webA"].kill()
    with TCPServer(pair.specs["webA"].service, lambda connection: connection.recv(100)) as server:
        waiting.until(lambda: len(server.peers) >= 6 and set(server.peers) >= own, "checks of both")
        assert set(server.peers) == own


def test_a_closed_port_stops_a_server_softly(run):
    farm = run("soft-stop-by-port")
    farm.nodes["webA"].soft_stop()
    farm.log_of("LB1", "webA is up for its own users only")
    assert {name_of(farm.server("LB1", "SERVERID=A")) for _ in range(4)} == {"webA"}
    assert "webA" not in {name_of(farm.server("LB1")) for _ in range(12)}
    farm.nodes["webA"].wait_exit(60)
    assert name_of(farm.server("LB1", "SERVERID=A")) != "webA"


def test_a_removed_file_stops_a_server_softly(run):
    farm = run("soft-stop-by-file")
    farm.nodes["webA"].kill()
    farm.log_of("LB1", "webA is down")

    def serve(exchange):
        exchange.answer(body=json.dumps({"server": "webA"}).encode())

    with Origin("webA", farm.specs["webA"].service, serve) as files:
        farm.log_of("LB1", "webA is up")
        waiting.until(lambda: "webA" in {name_of(farm.server("LB1")) for _ in range(4)}, "new users at webA")
        files.healthy, files.unhealthy_status = False, 404
        waiting.until(lambda: (farm.nodes["LB1"].err.read_text().count("webA is down")) == 2, "webA stopped")
        assert {name_of(farm.server("LB1", "SERVERID=A")) for _ in range(8)} == {"webA"}
        assert "webA" not in {name_of(farm.server("LB1")) for _ in range(12)}
    assert name_of(farm.server("LB1", "SERVERID=A")) != "webA"


def test_the_file_is_removed_and_made_again_at_a_demo_server(run):
    """The guide's chapter as an operator plays it: DELETE in place of `rm /home/httpd/www/running`, PUT in place of `touch`."""
    farm = run("soft-stop-by-file")
    server, balancer = farm.specs["webA"].service, farm.specs["LB1"].service
    seen = lambda text: farm.nodes["LB1"].err.read_text().count(text)  # noqa: E731
    waiting.until(lambda: "webA" in {name_of(farm.server("LB1")) for _ in range(4)}, "new users at webA")
    # Users cannot do it: theirs is a request to the application.
    for method in ("DELETE", "PUT"):
        assert get(balancer, "/running", method, [("Cookie", "SERVERID=A")]).json["server"] == "webA"
    assert get(server, "/running").status == 200
    assert get(server, "/running", "DELETE").status == 204
    assert [get(server, "/running", method).status for method in ("HEAD", "GET", "DELETE")] == [404, 404, 404]
    waiting.until(lambda: seen("webA is down") == 1, "webA stopped")
    assert {name_of(farm.server("LB1", "SERVERID=A")) for _ in range(8)} == {"webA"}
    assert "webA" not in {name_of(farm.server("LB1")) for _ in range(12)}
    assert get(server, "/running", "PUT").status == 201 and get(server, "/running", "PUT").status == 204
    waiting.until(lambda: seen("webA is up") == 1, "webA back")
    waiting.until(lambda: "webA" in {name_of(farm.server("LB1")) for _ in range(4)}, "new users at webA again")
    log = farm.nodes["webA"].err.read_text()
    assert log.count("/running was removed") == 1 and log.count("/running is there again") == 1
    # Removed once more, and then really gone.
    assert get(server, "/running?by=me", "DELETE").status == 204
    waiting.until(lambda: seen("webA is down") == 2, "webA stopped again")
    farm.nodes["webA"].kill()
    assert name_of(farm.server("LB1", "SERVERID=A")) != "webA"
    # A server that starts has its file.
    farm.nodes["webA"].start().wait_ready()
    waiting.until(lambda: seen("webA is up") == 2, "webA up after its start")


def test_a_page_that_users_ask_for_cannot_be_taken_away_by_its_check(run):
    farm = run("soft-stop-by-port")
    server = farm.specs["webA"].service
    for method in ("DELETE", "PUT"):
        answer = get(server, "/", method)
        assert answer.status == 405 and answer.first("Allow") == "GET, HEAD, POST" and b"path: /running" in answer.body
        # To those who come through a node it is the application's, as ever.
        assert get(farm.specs["LB1"].service, "/", method, [("Cookie", "SERVERID=A")]).json["method"] == method
    assert get(server, "/").status == 200


def test_a_demo_server_without_a_topology_has_the_file_too(tmp_path):
    addresses = LoopbackRange()
    place = (addresses.map("127.1.1.11"), 8080)
    command = [str(binary()), "deploy", "demo-server", "W", "--listen", "{}:{}".format(*place)]
    node = Node(NodeSpec("W", "demo-server", None, place, None), command, tmp_path).start()
    try:
        node.wait_ready()
        assert [get(place, "/running", method).status for method in ("HEAD", "DELETE", "HEAD", "PUT", "HEAD")] == [200, 204, 404, 201, 200]
        # Any other path is the application's.
        assert get(place, "/other", "DELETE").json["method"] == "DELETE" and get(place, "/other").status == 200
    finally:
        node.stop()
        addresses.release()


def test_a_server_that_is_really_gone_is_replaced_at_once(run):
    farm = run("soft-stop-by-file")
    assert name_of(farm.server("LB1", "SERVERID=A")) == "webA"
    farm.nodes["webA"].kill()
    for _ in range(8):
        assert name_of(farm.server("LB1", "SERVERID=A")) != "webA"


@pytest.mark.parametrize("name, holder, standby", [("unicast-failover", "node1", "node2"), ("web-farm-pair", "LB1", "LB2"), ("cache-cluster", "proxy1", "proxy2")])
def test_on_paper_a_dead_holder_costs_what_keepalived_needs_and_a_dead_standby_nothing(name, holder, standby):
    """Two questions to the monitor, a second apart, and the skew of the next one, whose priority is 150."""
    file = str(REPOSITORY / "topologies" / f"{name}.yaml")

    def simulated(scenario):
        done = subprocess.run([str(binary()), "topology", "simulate", file, "--scenario", scenario, "--format", "json"], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout[-500:]
        (told,) = json.loads(done.stdout)["scenarios"]
        return told

    dead = simulated(f"kill-{holder}")
    phases = {phase["phase"]: phase for phase in dead["phases"]}
    assert abs(phases["detection"]["lengthMilliseconds"] - (2_000 + 106 / 256 * 1_000)) < 2
    # Some 28 requests a second, all in vain; before, some were in flight. Nobody could have avoided it.
    assert 30 < phases["detection"]["errors"] == phases["detection"]["requests"] < 110
    assert dead["total"]["errors"] == dead["total"]["errorsBest"] <= phases["detection"]["errors"] + 10
    assert phases["failed-over"]["errors"] == phases["after-heal"]["errors"] == 0
    assert simulated(f"kill-{standby}")["total"]["errors"] == 0


def test_an_hour_on_paper_keeps_the_backup_idle_until_it_is_needed():

    file = str(REPOSITORY / "topologies" / "backup-server.yaml")
    done = subprocess.run([str(binary()), "topology", "simulate", file, "--format", "json"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-500:]
    told = json.loads(done.stdout)
    hour, full = told["scenarios"]
    assert (hour["name"], full["name"]) == ("an-hour", "full")
    phases = {phase["phase"]: phase for phase in hour["phases"]}
    assert phases["before"]["requests"] > 6_000 and phases["before"]["interSiteRequests"] == 0
    # With the first request that finds the first server gone; and home when the checks have seen it: twice a second at two tiers.
    assert phases["failed-over"]["interSiteRequests"] == phases["failed-over"]["requests"] > 100
    assert 0 < phases["after-heal"]["interSiteRequests"] < 20
    # It was full: requests waited beyond the second that each took. And nobody was sent elsewhere.
    assert full["total"]["errors"] == full["total"]["interSiteRequests"] == 0 and full["total"]["latency"]["p99Milliseconds"] > 1_200


@pytest.mark.timeout(150)
@pytest.mark.parametrize("scale", [0.1, pytest.param(1, marks=pytest.mark.long)], ids=["ten-times-faster", "live"])
def test_a_minute_of_requests_keeps_the_backup_idle_until_it_is_needed(run, scale):
    """The document's own test, a request every half second; checks and time-outs are those of the file, all by the same scale."""
    pair = run("backup-server", scale=scale)
    counts, turn = collections.Counter(), time.monotonic()
    ends = turn + 60 * scale
    while turn < ends:
        waiting.until(lambda: time.monotonic() >= turn, "the next request's turn")
        turn += 0.5 * scale
        counts[name_of(pair.server("puppet00"))] += 1
    assert counts.keys() == {"web1"} and counts["web1"] >= 119
    # Nobody else came there either.
    assert not any("/web2 " in line for line in pair.nodes["L2"].log_lines())
    pair.nodes["web1"].kill()
    began = time.monotonic()
    assert name_of(pair.server("puppet00")) == "web2" and time.monotonic() - began < 1
    pair.nodes["web1"].start().wait_ready()
    waiting.until(lambda: name_of(pair.server("puppet00")) == "web1", "users back at the first server", 40)
    assert {name_of(pair.server("puppet00")) for _ in range(20)} == {"web1"}


def test_a_backup_sees_nothing_while_the_first_is_full(run):
    def narrow(data):
        data["sites"][0]["servers"][0]["max-connections"] = 2

    pair = run("backup-server", change=narrow)
    with concurrent.futures.ThreadPoolExecutor(10) as users:
        answers = list(users.map(lambda _: get(pair.specs["puppet00"].service, "/?delay=200ms"), range(20)))
    assert {answer.status for answer in answers} == {200}
    assert {name_of(answer) for answer in answers} == {"web1"}


def test_a_cluster_of_caches_pins_visitors_and_names_clients(run):
    cluster = run("cache-cluster")
    answer = cluster.server("proxy1")
    (cookie,) = [value.split(";")[0] for value in answer.all("Set-Cookie") if value.startswith("SERVERID=")]
    assert name_of(cluster.server("proxy2", cookie)) == name_of(answer)


def test_a_cluster_of_caches_as_an_ordinary_user_in_an_empty_directory(run, cage, tmp_path):
    """user, group, chroot and pidfile of the document, which the ready-made file has as a comment; and its case: a cache server dies."""
    if os.geteuid() != 0:
        pytest.skip("only root becomes another user")
    said = (REPOSITORY / "topologies" / "cache-cluster.yaml").read_text()
    settings = yaml.safe_load("".join(line.partition("# ")[2] + "\n" for line in said.splitlines()
                                      if re.match(r" *# (user|group|chroot|pidfile): ", line)))
    assert set(settings) == {"user", "group", "chroot", "pidfile"}
    settings |= {"chroot": str(cage), "pidfile": f"{tmp_path}/{{node}}.pid"}
    cluster = run("cache-cluster", change=lambda data: data["defaults"]["site-balancer"].update(settings))
    user, group = pwd.getpwnam(settings["user"]).pw_uid, grp.getgrnam(settings["group"]).gr_gid
    for name in ("proxy1", "proxy2"):
        process = pathlib.Path(f"/proc/{cluster.nodes[name].process.pid}")
        cluster.log_of(name, f"{name} serves")
        ids = re.findall(r"^[UG]id:\t(.*)", (process / "status").read_text(), re.M)
        assert [set(line.split()) for line in ids] == [{str(user)}, {str(group)}]
        assert os.path.realpath(process / "root") == str(cage)
        assert (tmp_path / f"{name}.pid").read_text() == f"{process.name}\n"
    answer = cluster.server("proxy1")
    assert answer.json["forwardedFor"]
    first = name_of(answer)
    (other,) = {"webA", "webB"} - {first}
    (cookie,) = [value.split(";")[0] for value in answer.all("Set-Cookie") if value.startswith("SERVERID=")]
    assert {name_of(cluster.server(name, cookie)) for name in ("proxy1", "proxy2")} == {first}
    cluster.nodes[first].kill()
    assert {name_of(cluster.server(name, cookie)) for name in ("proxy1", "proxy2")} == {other}
    # The one that holds the address goes down: the other serves.
    cluster.nodes["proxy1"].terminate()
    assert cluster.nodes["proxy1"].wait_exit() == 0 and (tmp_path / "proxy1.pid").read_text() == ""
    assert name_of(cluster.server("proxy2", cookie)) == other


def test_a_layer_4_balancer_in_front_looks_and_nobody_hears_of_it(run):
    farm = run("web-farm-layer4")
    place = farm.specs["LB1"].service
    looker = place[0].rsplit(".", 1)[0] + ".252"
    for _ in range(5):
        with RawConnection(place, source=looker) as connection:
            assert connection.ask("GET", "/anything").status == 200
        # Its check of layer 4: a connection, and no word.
        RawConnection(place, source=looker).socket.close()
        RawConnection(place).socket.close()
    answer = farm.server("LB1")
    (cookie,) = [value.split(";")[0] for value in answer.all("Set-Cookie") if value.startswith("JSESSIONID=")]
    assert name_of(farm.server("LB2", cookie)) == name_of(answer)
    waiting.until(lambda: farm.nodes["LB1"].log_lines(), "the user's line in the log")
    assert len(farm.nodes["LB1"].log_lines()) == 1 and "/anything" not in farm.nodes["LB1"].log_lines()[0]
    # A balancer that stops says so to who looks, and serves on.
    farm.nodes["LB1"].soft_stop()

    def looked():
        with RawConnection(place, source=looker) as connection:
            return connection.ask().status

    waiting.until(lambda: looked() == 503, "the stop seen")
    assert farm.server("LB1").status == 200


def test_https_in_front_no_cache_keeps_the_cookie_and_clients_are_named_once(run):
    farm = run("web-farm-https")
    for name in ("webA", "webB", "webC", "webD"):
        farm.nodes[name].kill()
    for name in ("webA", "webB", "webC", "webD"):
        farm.log_of("LB1", f"{name} is down")
    with Origin("webA", farm.specs["webA"].service) as origin:
        farm.log_of("LB1", "webA is up")
        terminator, other = farm.specs["LB1"].service[0], farm.specs["webB"].service[0]
        for source, sent, arrives in ((terminator, "198.51.100.7", ["198.51.100.7"]), (other, None, [other])):
            with RawConnection(farm.specs["LB1"].service, source=source) as connection:
                answer = connection.ask("GET", "/", [("X-Forwarded-For", sent)] if sent else [])
            assert any(value.startswith("SERVERID=A") for value in answer.all("Set-Cookie"))
            assert "private" in answer.first("Cache-Control")
            assert origin.received[-1].all("X-Forwarded-For") == arrives
        # Who has the cookie gets none, and what is cached then has none either.
        with RawConnection(farm.specs["LB1"].service) as connection:
            answer = connection.ask("GET", "/", [("Cookie", "SERVERID=A")])
        assert not answer.all("Set-Cookie") and not answer.first("Cache-Control") and not origin.received[-1].first("Cookie")


def test_three_web_servers_share_the_load_whoever_holds_the_address_and_the_dead_one_is_told_of(run):
    cloud = run("unicast-failover")
    answer = cloud.server("node1")
    (cookie,) = [value.split(";")[0] for value in answer.all("Set-Cookie") if value.startswith("SERVERID=")]
    assert {name_of(cloud.server(node, cookie)) for node in ("node1", "node2", "node3")} == {name_of(answer)}
    cloud.nodes["web2"].kill()
    for node in ("node1", "node2", "node3"):
        cloud.log_of(node, f"{node} web2 down ")
        assert {name_of(cloud.server(node)) for _ in range(6)} == {"web1", "web3"}


@pytest.mark.parametrize("name, standby", [("web-farm-pair", ["LB2"]), ("cache-cluster", ["proxy2"]), ("unicast-failover", ["node2", "node3"])])
def test_on_machines_of_their_own_every_holder_has_to_listen_at_the_shared_address(tmp_path, name, standby):
    file = tmp_path / "network.yaml"
    file.write_text((REPOSITORY / "topologies" / f"{name}.yaml").read_text().replace("127.1.", "10.1."))

    def topology(*words):
        return subprocess.run([str(binary()), "topology", *words], capture_output=True, text=True, timeout=60)

    for done in (topology("check", str(file)), topology("render", "keepalived", str(file), "--directory", str(tmp_path))):
        assert done.returncode == 78
        for node in standby:
            assert f'error: "{node}" does not listen at 10.1.1.' in done.stderr
    assert not list(tmp_path.glob("*.conf"))
    # What the file says about it.
    data = yaml.safe_load(file.read_text())
    (site,) = data["sites"]
    shared = site["balancers"][0]["listen"][0]
    for node in site["balancers"][1:]:
        own = node["listen"]
        node |= {"listen": [shared, own], "advertise": own if isinstance(own, str) else own["address"]}
    file.write_text(yaml.safe_dump(data))
    assert topology("check", str(file)).returncode == 0
    assert topology("render", "keepalived", str(file), "--directory", str(tmp_path)).returncode == 0
    assert len(list(tmp_path.glob("*.conf"))) == len(standby) + 1


def test_what_is_doubtful_about_shared_addresses_is_told_where_keepalived_is_configured(tmp_path):
    """Who renders need not have checked: two of one priority, one whose monitor nobody asks, a `preempt` that keeps nobody from anything."""
    data = yaml.safe_load((REPOSITORY / "topologies" / "unicast-failover.yaml").read_text())
    (site,) = data["sites"]
    first, second, third = site["balancers"]
    first["vrrp"] |= {"priority": 90, "preempt": True}
    second["vrrp"] |= {"priority": 90}
    third["vrrp"] |= {"preempt": False, "priority": 80}
    del third["monitor"]
    file = tmp_path / "network.yaml"
    file.write_text(yaml.safe_dump(data))

    def topology(*words):
        return subprocess.run([str(binary()), "topology", *words], capture_output=True, text=True, timeout=60)

    checked = topology("check", str(file))
    assert checked.returncode == 0
    done = topology("render", "keepalived", str(file), "--node", first["name"])
    assert done.returncode == 0 and "vrrp_instance" in done.stdout and "warning" not in done.stdout
    for words in ("have the same priority 90", f'"{third["name"]}" has no monitor', f'"preempt: false" at "{third["name"]}" does not keep'):
        (line,) = [line for line in checked.stderr.splitlines() if words in line]
        assert line in done.stderr.splitlines()
    # Nothing to tell, nothing told; and nothing of it where it is no matter.
    assert topology("render", "haproxy", str(file), "--node", first["name"]).stderr == ""
    well = topology("render", "keepalived", str(REPOSITORY / "topologies" / "unicast-failover.yaml"), "--node", first["name"])
    assert well.returncode == 0 and well.stderr == ""


def test_sockets_of_two_networks_on_one_machine_do_not_meet(tmp_path):

    paths = set()
    files = sorted((REPOSITORY / "topologies").glob("*.yaml"))
    for file in files:
        nodes = Topology.read(file.stem).nodes()
        node = next(name for name, spec in nodes.items() if spec.role != "demo-server")
        shown = subprocess.run([str(binary()), "topology", "show", str(file), "--node", node], capture_output=True, text=True, timeout=60)
        assert shown.returncode == 0, shown.stderr
        found = [line.split()[-1] for line in shown.stdout.splitlines() if line.strip().startswith("commands")]
        assert not paths.intersection(found) and all(f"/{file.stem}/" in path for path in found), (file, found)
        paths.update(found)
    assert len(paths) >= 10
