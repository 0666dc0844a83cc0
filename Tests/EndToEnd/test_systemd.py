"""Units for systemd, and what a node tells the service manager."""

import collections
import os
import re
import signal
import socket
import subprocess

import pytest

from harness.geodirector import binary
from harness.single import Single
from harness.topology import REPOSITORY

TOPOLOGIES = sorted(path.stem for path in (REPOSITORY / "topologies").glob("*.yaml"))
# Of a network of thousands of nodes, so many of each role.
NODES_OF_A_ROLE = 12


def verify(units):
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *map(str, units)], capture_output=True, text=True, timeout=120)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "geodirector" in line]
    assert done.returncode == 0 and not said, said


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_systemd_finds_nothing_wrong_with_any_unit(name, tmp_path):
    file = REPOSITORY / "topologies" / f"{name}.yaml"
    subprocess.run([str(binary()), "topology", "render", "systemd", str(file), "--directory", str(tmp_path), "--program",
                    str(binary())], check=True, timeout=60)
    roles = collections.defaultdict(list)
    for unit in sorted(tmp_path.glob("geodirector-*.service")):
        roles[re.search(r"^Description=geodirector (\S+)", unit.read_text(), re.MULTILINE)[1]].append(unit)
    assert roles
    verify([unit for units in roles.values() for unit in units[:NODES_OF_A_ROLE]])


@pytest.mark.parametrize("settings", [
    "pidfile: /run/geodirector/L.pid", "pidfile: /run/L.pid", "pidfile: /var/lib/x/L.pid", "user: nobody, group: daemon", "user: nobody, chroot: /var/empty",
    "user: nobody, chroot: /var/empty, pidfile: /run/L.pid",
    'status-page: {listen: "127.0.0.2:1936", user: u, password: "env:PASS"}'])
def test_systemd_finds_nothing_wrong_with_what_a_node_is_to_become(settings, tmp_path):
    file = tmp_path / "farm.yaml"
    file.write_text(f"""geodirector: 1
admin: true
sites:
  - name: S
    balancers: [{{name: L, listen: "127.0.0.2:80", {settings}}}]
    servers: [{{name: W, address: "127.0.0.3:8080"}}]
""")
    unit = tmp_path / "geodirector-L.service"
    unit.write_text(subprocess.run(
        [str(binary()), "topology", "render", "systemd", str(file), "--program", str(binary())],
        check=True, capture_output=True, text=True, timeout=60).stdout)
    verify([unit])
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=30", str(unit)],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_folders_with_odd_names_are_one_word_of_the_unit(tmp_path):
    file = tmp_path / "odd.yaml"
    file.write_text("""geodirector: 1
admin: {socket: "/srv/a 'b' 50%n/{node}.sock"}
sites:
  - name: S
    directors: [{name: D, listen: ["127.0.0.1:8080", "unix:/srv/shop x/l.sock"], advertise: "127.0.0.1:8080"}]
    balancers: [{name: L, listen: "127.0.0.2:8080"}]
    servers: [{name: W, address: "127.0.0.3:8080"}]
""")
    unit = tmp_path / "geodirector-D.service"
    unit.write_text(subprocess.run(
        [str(binary()), "topology", "render", "systemd", str(file), "--node", "D", "--program", str(binary())],
        check=True, capture_output=True, text=True, timeout=60).stdout)
    assert [line for line in unit.read_text().splitlines() if line.startswith("ReadWritePaths")] == [
        """ReadWritePaths="-/srv/a 'b' 50%%n\"""", 'ReadWritePaths="-/srv/shop x"']
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "geodirector" in line]
    assert done.returncode == 0 and not said, said


@pytest.mark.parametrize("name, node", [("two-sites-tls", "S1L1"), ("tls-relays", None)])
def test_the_unit_runs_where_the_nodes_certificates_are_found(name, node, tmp_path):
    file = REPOSITORY / "topologies" / f"{name}.yaml"
    for words in (["pki", "init", str(file), "--directory", "pki"],
                  ["topology", "render", "systemd", str(file), "--directory", ".", "--program", str(binary())]):
        subprocess.run([str(binary()), *words], check=True, timeout=60, cwd=tmp_path, stdout=subprocess.DEVNULL)
    units = [tmp_path / f"geodirector-{node}.service"] if node else sorted(tmp_path.glob("geodirector-*.service"))
    verify(units)
    for unit in units:
        text = unit.read_text()
        files = re.findall(r"^#   (\S+)$", text, re.MULTILINE)
        if not files:
            assert "WorkingDirectory" not in text and "pki" not in text
            continue
        assert f"\nWorkingDirectory={tmp_path}\n" in text
        # Those that are beside it, as keys in files of their own, are there if they are used.
        assert all(os.path.exists(file) for file in files), files
    assert any("WorkingDirectory" in unit.read_text() for unit in units)


def test_the_unit_gives_few_rights(tmp_path):
    file = REPOSITORY / "topologies" / "two-sites.yaml"
    unit = tmp_path / "geodirector-SD1.service"
    unit.write_text(subprocess.run(
        [str(binary()), "topology", "render", "systemd", str(file), "--node", "SD1", "--program", str(binary())],
        check=True, capture_output=True, text=True, timeout=60).stdout)
    # In tenths of systemd's 0 (nothing is open) to 10.
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit)],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


class Manager:
    """The service manager's end of NOTIFY_SOCKET."""

    def __init__(self, path, abstract):
        self.name = f"@{os.path.basename(os.path.dirname(path))}-{os.getpid()}" if abstract else path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(20)
        self.socket.bind("\0" + self.name[1:] if abstract else path)

    def told(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_a_node_tells_the_service_manager_when_it_serves_reloads_and_stops(tmp_path, monkeypatch, abstract):
    manager = Manager(str(tmp_path / "notify"), abstract)
    monkeypatch.setenv("NOTIFY_SOCKET", manager.name)
    with Single(tmp_path) as single:
        single.geodirector()
        node = single.nodes["geodirector"]
        ready = manager.told()
        assert ready["READY"] == "1" and ready["MAINPID"] == str(node.process.pid)
        node.send(signal.SIGHUP)
        assert manager.told()["RELOADING"] == "1"
        assert manager.told()["READY"] == "1"
        assert node.runs
        node.terminate()
        assert manager.told() == {"STOPPING": "1"}
        assert node.wait_exit() == 0


def test_a_service_manager_that_is_gone_stops_no_node(tmp_path, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    with Single(tmp_path) as single:
        single.geodirector()
        single.nodes["geodirector"].terminate()
        assert single.nodes["geodirector"].wait_exit() == 0
