"""`geodirector deploy`: clear errors, and the whole network with one command."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest
import yaml

from harness import waiting
from harness.addresses import LoopbackRange
from harness.geodirector import binary
from harness.raw import get
from harness.topology import Topology

USAGE, CONFIGURATION = 64, 78


@pytest.fixture
def held():
    where = LoopbackRange()
    yield where
    where.release()


@pytest.fixture
def topology(held, tmp_path):
    moved = Topology.read("two-sites").scaled(0.1).moved(held)
    moved.write(tmp_path / "network.yaml")
    moved.path = tmp_path / "network.yaml"
    return moved


def run(*arguments, user: int | None = None, seconds: float = 20):
    environment = {key: value for key, value in os.environ.items() if key != "GEODIRECTOR_TOPOLOGY"}
    return subprocess.run([str(binary()), *map(str, arguments)], capture_output=True, text=True, timeout=seconds,
                          env=environment, user=user, group=user, extra_groups=[] if user else None, cwd="/")


def clear(done, *words, codes=None):
    """The error goes to standard error, in a few lines, names what matters and is no crash."""
    assert done.returncode > 0 and (codes is None or done.returncode in codes), (done.returncode, done.stderr)
    for word in words:
        assert word in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) <= 12 and "Fatal error" not in done.stderr and not done.stdout.strip()


@pytest.mark.parametrize("role, name, port", [
    ("office-proxy", "OP1", 8080), ("site-director", "SD1", 8080), ("site-director", "SD1", 8081),
    ("site-balancer", "S1L1", 8080), ("demo-server", "W11", 8080), ("demo-server", "W11", 8081)])
def test_a_port_in_use_is_named(topology, role, name, port):
    host = topology.nodes()[name].service[0]
    with socket.create_server((host, port)):
        clear(run("deploy", role, name, "--topology", topology.path), f"{host}:{port}", "in use")


def test_a_node_that_runs_already_is_said_to(topology):
    command = [str(binary()), "deploy", "site-balancer", "S1L1", "--topology", str(topology.path), "--access-log", "none"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        try:
            waiting.until(lambda: waiting.listens(topology.nodes()["S1L1"].service), "S1L1 listening")
            clear(run(*command[1:]), "S1L1")
        finally:
            first.kill()


@pytest.mark.parametrize("role", ["office-proxy", "site-director", "site-balancer", "demo-server"])
def test_an_unknown_node_is_named(topology, role):
    clear(run("deploy", role, "NOBODY", "--topology", topology.path), "NOBODY", codes=(USAGE, CONFIGURATION))


@pytest.mark.parametrize("role, name, right", [
    ("site-director", "OP1", "office"), ("office-proxy", "SD1", "director"), ("site-balancer", "SD1", "director"),
    ("site-director", "S1L1", "balancer")])
def test_a_wrong_role_tells_the_right_one(topology, role, name, right):
    clear(run("deploy", role, name, "--topology", topology.path), name, right, codes=(USAGE, CONFIGURATION))


def test_a_near_spelling_is_offered(topology):
    clear(run("deploy", "site-director", "SDI1", "--topology", topology.path), "SD1")


def test_a_file_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "absent.yaml"
    clear(run("deploy", "office-proxy", "OP1", "--topology", path), str(path))


def test_without_a_topology_the_option_is_named():
    clear(run("deploy", "office-proxy", "OP1"), "--topology", codes=(USAGE,))


def test_the_topology_may_come_from_the_environment(tmp_path):
    path = tmp_path / "absent.yaml"
    done = subprocess.run([str(binary()), "deploy", "office-proxy", "OP1"], capture_output=True, text=True, timeout=20,
                          env=os.environ | {"GEODIRECTOR_TOPOLOGY": str(path)})
    clear(done, str(path))


def test_a_broken_file_tells_file_line_and_column(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("geodirector: 1\nnetwork: x\nsitess: []\n")
    done = run("deploy", "office-proxy", "OP1", "--topology", path)
    clear(done, "sites", codes=(CONFIGURATION,))
    assert re.search(rf"{re.escape(str(path))}:3:1", done.stderr), done.stderr


def test_a_missing_privilege_is_named(held, tmp_path):
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as limit:
        if int(limit.read()) <= 80:
            pytest.skip("this machine lets everybody use port 80")
    data = Topology.read("two-sites").moved(held).data
    address = held.map("127.0.1.1:80")
    data["offices"][0]["listen"] = [{"address": address}]
    tmp_path.chmod(0o755)
    path = tmp_path / "privileged.yaml"
    path.write_text(yaml.safe_dump(data))
    # Nobody may read neither the build folder nor the folder of the test.
    with tempfile.TemporaryDirectory() as public:
        os.chmod(public, 0o755)
        shutil.copy(binary(), f"{public}/geodirector")
        shutil.copy(path, f"{public}/privileged.yaml")
        os.chmod(f"{public}/privileged.yaml", 0o644)
        done = subprocess.run([f"{public}/geodirector", "deploy", "office-proxy", "OP1", "--topology",
                               f"{public}/privileged.yaml"], capture_output=True, text=True, timeout=20, user=65534,
                              group=65534, extra_groups=[], cwd="/")
    clear(done, address, "permi" if "permi" in done.stderr else "privilege")


def children(pid: int) -> list[int]:
    """Processes whose parent is `pid`."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    if int(file.read().rsplit(")", 1)[1].split()[1]) == pid:
                        found.append(int(entry))
            except (FileNotFoundError, ProcessLookupError):
                pass
    return found


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def argument(pid: int) -> str:
    with open(f"/proc/{pid}/cmdline") as file:
        return file.read()


class TestDeployAll:
    @pytest.fixture
    def all(self, topology, tmp_path):
        out = open(tmp_path / "out", "w+")
        process = subprocess.Popen([str(binary()), "deploy", "all", "--topology", str(topology.path)], stdout=out,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)
        process.text = lambda: (tmp_path / "out").read_text()
        nodes = topology.nodes()
        waiting.until(lambda: builtin_all(waiting.listens(node.service) for node in nodes.values()), "every node listening", 60)
        yield process
        if process.poll() is None:
            left = children(process.pid)
            process.kill()
            for child in left:
                os.kill(child, signal.SIGKILL)
            process.wait()
        out.close()

    def test_it_starts_every_node_and_shows_them(self, all, topology):
        nodes = topology.nodes()
        waiting.until(lambda: builtin_all(name in all.text() for name in nodes), "the table of nodes")
        assert len(children(all.pid)) == len(nodes)
        assert get(nodes["OP1"].service).json["path"][0] == "OP1"

    def test_a_node_that_is_killed_stays_down_and_its_restart_is_told(self, all, topology):
        nodes = topology.nodes()
        (victim,) = [pid for pid in children(all.pid) if "SD1" in argument(pid).split("\0")]
        os.kill(victim, signal.SIGKILL)
        waiting.until(lambda: re.search(r"geodirector deploy site-director SD1\b.*--topology", all.text()), "the restart command")
        assert not waiting.listens(nodes["SD1"].service)
        waiting.until(lambda: get(nodes["OP1"].service).json["path"][1] == "SD2", "the other site's director taking over")

    def test_sighup_reloads_all_nodes_and_sigusr2_hands_them_over(self, all, topology):
        nodes = topology.nodes()
        proxies = [name for name, node in nodes.items() if node.role != "demo-server"]
        waiting.until(lambda: "Ctrl-C stops the network" in all.text(), "the table of nodes")
        first = topology.data["sites"][0]["servers"][0]
        first["weight"] = first.get("weight", 1) + 1
        topology.write(topology.path)
        os.kill(all.pid, signal.SIGHUP)
        told = lambda: re.findall(r"(\w+)(?: serves by|: the) (?:the )?topology (?:was )?read again", all.text())  # noqa: E731
        waiting.until(lambda: sorted(told()) == sorted(proxies), "every node having read the topology", 40)
        before = set(children(all.pid))
        os.kill(all.pid, signal.SIGUSR2)
        waiting.until(lambda: all.text().count("goes on as process") == len(proxies), "every node in another process", 60)
        assert get(nodes["OP1"].service).json["path"][0] == "OP1"
        after = set(children(all.pid))
        assert len(after) == len(nodes) and len(after - before) == len(proxies)
        os.kill(all.pid, signal.SIGINT)
        assert all.wait(40) == 0
        waiting.until(lambda: not any(alive(pid) for pid in after), "every child gone")

    def test_control_c_stops_everything_and_leaves_no_child(self, all, topology):
        before = children(all.pid)
        assert before
        os.kill(all.pid, signal.SIGINT)
        assert all.wait(40) == 0
        waiting.until(lambda: not any(alive(pid) for pid in before), "every child gone")
        assert not any(waiting.listens(node.service) for node in topology.nodes().values())


builtin_all = all


def test_the_plan_as_json_tells_the_bounds_of_connections(topology):
    entry = topology.data["sites"][0]["directors"][0]
    entry["listen"][0]["max-connections"] = 50
    entry["limits"] = {"connections-per-source": 7, "exempt-sources": ["10.0.0.0/8"]}
    topology.write(topology.path)
    done = run("topology", "show", topology.path, "--node", "SD1", "--format", "json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert [listener["connectionsMax"] for listener in plan["listeners"]] == [50]
    limits = plan["limits"]
    assert limits["connectionsPerSourceMax"] == 7 and limits["connectionsMax"] == 10_000
    offices = [f"{topology.nodes()[name].service[0]}/32" for name in ("OP1", "OP2", "OP3")]
    assert limits["sourcesExempt"][0] == "10.0.0.0/8" and set(offices) <= set(limits["sourcesExempt"])


def test_the_plan_for_people_tells_who_may_name_the_client(topology):
    entry = topology.data["sites"][0]["directors"][0]
    entry["listen"][0]["proxy-protocol"] = ["10.0.0.0/8", "2001:db8::/32"]
    entry["limits"] = {"connections-per-source": 7, "exempt-sources": "192.0.2.0/24"}
    entry["forwarded"] = {"trusted": "10.9.0.0/16", "client": "forwarded"}
    office = topology.data["offices"][0]
    office["preference"] = {"by": "client-location"}
    topology.data["geo"] = {"database": "City.mmdb", "networks": {"10.0.0.0/8": [topology.data["sites"][0]["name"]]}}
    for site in topology.data["sites"]:
        site["location"] = [1, 2]
    path = topology.write(topology.path)

    def shown(name):
        return run("topology", "show", str(path), "--node", name).stdout

    text = shown(entry["name"])
    assert "(PROXY protocol from 10.0.0.0/8, 2001:db8::/32)" in text
    assert "client by Forwarded from 10.9.0.0/16" in text
    assert "7 per source (but " in text and "192.0.2.0/24" in text
    assert "City.mmdb" in shown(office["name"]) and "checked every" in shown(office["name"])
