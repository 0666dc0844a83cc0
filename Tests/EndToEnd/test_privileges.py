"""A node started as root gives its privileges up when its sockets are bound."""

import contextlib
import grp
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess

import pytest
import yaml

from harness import waiting
from harness.certificates import Authority, SecureConnection
from harness.geodirector import binary
from harness.raw import get
from harness.reloaded import HandedOver, Load, alive
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.timeout(60), pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")]
USER = "nobody"


@pytest.fixture
def node(request, tmp_path):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with contextlib.ExitStack() as stack:

        def starter(prepare=lambda single: None, **options):
            single = stack.enter_context(Single(tmp_path, names=("A",), options=options))
            prepare(single)
            single.address = single.geodirector()
            single.said = lambda: single.nodes["geodirector"].err.read_text()
            return single

        yield starter


def status(single) -> dict[str, list[str]]:
    text = pathlib.Path(f"/proc/{single.nodes['geodirector'].process.pid}/status").read_text()
    return {key: value.split() for key, _, value in (line.partition(":") for line in text.splitlines())}


def test_it_serves_on_as_the_user_with_no_way_back(node):
    single = node(user=USER)
    assert get(single.address).status == 200
    told, entry = status(single), pwd.getpwnam(USER)
    assert told["Uid"] == [str(entry.pw_uid)] * 4 and told["Gid"] == [str(entry.pw_gid)] * 4
    assert told["Groups"] == [] and told["CapEff"] == told["CapPrm"] == ["0000000000000000"]
    # Every thread.
    threads = pathlib.Path(f"/proc/{single.nodes['geodirector'].process.pid}/task")
    assert all(f"Uid:\t{entry.pw_uid}\t" in (thread / "status").read_text() for thread in threads.iterdir())


def test_the_group_may_be_another(node):
    single = node(user=USER, group="daemon")
    assert get(single.address).status == 200
    assert status(single)["Gid"] == [str(grp.getgrnam("daemon").gr_gid)] * 4


def test_ports_and_keys_of_root_are_had_and_what_cannot_be_read_again_is_named(node, tmp_path):
    authority = Authority(tmp_path)
    certificate = authority.issue("shop.example")

    def secure(single):
        listen = single.range.map("127.0.1.1")
        single.data["sites"][0]["balancers"][0]["listen"] = [{"address": f"{listen}:8080"}, {"address": f"{listen}:443", "tls": str(certificate)}]

    single = node(secure, user=USER)
    with SecureConnection((single.address[0], 443), authority.client()) as connection:
        assert connection.ask().status == 200
    assert f"{certificate} can be read no more since privileges were given up" in single.said()
    single.nodes["geodirector"].send(signal.SIGHUP)
    waiting.until(lambda: "certificates stay as they were" in single.said(), "the line in the log")
    with SecureConnection((single.address[0], 443), authority.client()) as connection:
        assert connection.ask().status == 200


def rights(folder: pathlib.Path) -> list[str]:
    """What stands before the program so that it has the rights of its unit, and no more."""
    unit = subprocess.run([binary(), "topology", "render", "systemd", folder / "topology.yaml", "--node", "N"],
                          capture_output=True, text=True, timeout=30, check=True).stdout
    names = re.search("^CapabilityBoundingSet=CAP_(.*)$", unit, re.M)[1].lower().split(" cap_")
    return ["setpriv", "--bounding-set", "-all," + ",".join("+" + name for name in names)]


@pytest.mark.skipif(not shutil.which("setpriv"), reason="setpriv (util-linux) takes rights away")
def test_with_the_rights_of_its_unit_it_reads_keys_that_are_the_users_alone(request, cage, tmp_path):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    authority = Authority(cage)

    def given(name):
        path = authority.issue(name, "shop.example", file="shop")
        for owned in (authority.folder, path):
            shutil.chown(owned, USER)
        authority.folder.chmod(0o700)
        assert path.stat().st_mode & 0o777 == 0o600
        return path

    with HandedOver(tmp_path, names=("A",), options={"user": USER}) as single:
        host = single.range.map("127.0.1.1")
        single.entry["listen"] = [f"{host}:8080", {"address": f"{host}:443", "tls": str(given("before"))}]
        single.write()
        single.prefix = rights(tmp_path)
        single.run()

        def subject():
            with SecureConnection((host, 443), authority.client()) as connection:
                assert connection.ask().status == 200
                return connection.subject

        assert subject() == "before" and "can be read no more" not in single.node.err.read_text()
        told = status(single)
        assert told["CapEff"] == told["CapPrm"] == told["CapInh"] == told["CapAmb"] == ["0000000000000000"]
        given("after")
        waiting.until(lambda: subject() == "after", "the new certificate")


def test_an_unknown_user_is_an_error_before_anything_is_bound(node):
    with pytest.raises(AssertionError, match='ended with 78(?s:.*)there is no user "nobody-of-that-name"'):
        node(user="nobody-of-that-name")


def test_the_pid_file_is_there_while_the_node_serves(node, tmp_path):
    path = tmp_path / "N.pid"
    single = node(pidfile=f"{tmp_path}/{{node}}.pid")
    process = single.nodes["geodirector"].process
    # It listens a moment before.
    single.wait_log("N serves")
    assert path.read_text() == f"{process.pid}\n"
    single.nodes["geodirector"].terminate()
    single.nodes["geodirector"].wait_exit()
    assert not path.exists()


def test_a_pid_file_of_a_killed_node_is_replaced_and_that_of_a_living_one_is_not(node, tmp_path):
    path = tmp_path / "node.pid"
    single = node(pidfile=str(path))
    first = single.nodes["geodirector"]
    single.wait_log("N serves")
    # Another node of the same machine, with the same file by mistake.
    data = yaml.safe_load((next(single.folder.glob("topology.yaml"))).read_text())
    balancer = data["sites"][0]["balancers"][0]
    balancer["name"], balancer["listen"] = "M", balancer["listen"].replace(":8080", ":8090")
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(data))
    command = [str(binary()), "deploy", "site-balancer", "M", "--topology", str(other), "--workers", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and f"{path} is held by process {first.process.pid}" in done.stderr, done.stderr
    assert path.read_text() == f"{first.process.pid}\n"
    first.kill()
    assert path.exists()
    first.start().wait_ready()
    single.wait_log("N serves", times=2)
    assert path.read_text() == f"{first.process.pid}\n"
    assert not list(tmp_path.glob("node.pid.*"))


def test_a_pid_file_that_cannot_be_written_ends_the_start(node, tmp_path):
    with contextlib.suppress(AssertionError):
        # It listens for a moment.
        node(pidfile=str(tmp_path / "nowhere" / "pid")).nodes["geodirector"].wait_exit()
    said = next(tmp_path.glob("*.err")).read_text()
    assert re.search(r"the pid file \S+/nowhere/pid cannot be written: No such file or directory", said) and "serves" not in said


def test_a_pid_file_in_a_folder_of_roots_is_emptied_at_the_end(node, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir(mode=0o755)
    single = node(user=USER, pidfile=str(folder / "pid"))
    single.wait_log("N serves")
    assert (folder / "pid").read_text() == f"{single.nodes['geodirector'].process.pid}\n"
    single.nodes["geodirector"].terminate()
    single.nodes["geodirector"].wait_exit()
    assert (folder / "pid").read_text() == ""


class TestChroot:
    def secure(self, certificate):
        def prepare(single):
            listen = single.range.map("127.0.1.1")
            single.data["sites"][0]["balancers"][0]["listen"] = [{"address": f"{listen}:8080"}, {"address": f"{listen}:8443", "tls": str(certificate)}]
        return prepare

    def test_it_serves_reads_its_files_again_and_ends_cleanly(self, node, cage, tmp_path):
        authority = Authority(cage)
        certificate = authority.issue("before", "shop.example", file="shop")
        for path in [authority.folder, certificate]:
            shutil.chown(path, USER)
        single = node(self.secure(certificate), user=USER, chroot=str(cage), pidfile=str(tmp_path / "pid"))
        process = single.nodes["geodirector"].process
        # It listens a moment before.
        single.wait_log("N serves")
        assert os.path.realpath(f"/proc/{process.pid}/root") == str(cage)
        assert all(os.path.realpath(task / "root") == str(cage) for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir())
        secure = (single.address[0], 8443)

        def subject():
            with SecureConnection(secure, authority.client()) as connection:
                assert connection.ask().status == 200
                return connection.subject

        assert get(single.address).status == 200 and subject() == "before"
        assert "can be read no more" not in single.said()
        authority.issue("after", "shop.example", file="shop")
        shutil.chown(certificate, USER)
        waiting.until(lambda: subject() == "after", "the new certificate")
        single.nodes["geodirector"].terminate()
        assert single.nodes["geodirector"].wait_exit() == 0
        assert len(single.nodes["geodirector"].log_lines()) >= 3, "the access log goes on"
        assert (tmp_path / "pid").read_text() == ""

    @pytest.mark.parametrize("what, said", [
        ("certificate", r"/shop\.pem lies outside of the chroot .*: move it below .*, or remove \"chroot:\""),
        ("names", r"names of servers are looked up again .*: copy /etc/resolv\.conf, /etc/hosts and /etc/nsswitch\.conf to \S+/etc"),
        ("authorities", r"the system's authorities are not there: name those that are trusted with \"ca:\""),
        ("notify", r"\"notify\" runs /bin/true, which is not there"), ("folder", r"there is no directory \S+/nowhere: make it"),
    ])
    def test_what_would_not_work_is_refused_with_its_mend(self, node, cage, tmp_path, what, said):
        authority = Authority(tmp_path)

        def prepare(single):
            if what == "certificate":
                self.secure(authority.issue("shop.example", file="shop"))(single)
            if what == "names":
                single.data["sites"][0]["servers"].append({"name": "named", "address": "localhost:9"})
            if what == "authorities":
                single.data["sites"][0]["servers"][0]["tls"] = True
            if what == "notify":
                single.data["notify"] = {"command": ["/bin/true"]}

        with pytest.raises(AssertionError, match=rf"ended with 78(?s:.*){said}"):
            node(prepare, user=USER, chroot=str(cage / "nowhere" if what == "folder" else cage))

    def test_names_are_looked_up_in_it(self, node, cage):
        (cage / "etc").mkdir()
        (cage / "etc" / "resolv.conf").write_text("")
        (cage / "etc" / "nsswitch.conf").write_text("hosts: files\n")

        def prepare(single):
            host, port = single.at["A"]
            (cage / "etc" / "hosts").write_text(f"{host} named.example\n")
            single.data["sites"][0]["servers"] = [{"name": "A", "address": f"named.example:{port}"}]
            single.data["resolve-interval"] = "1s"

        single = node(prepare, user=USER, chroot=str(cage))
        # Known inside alone, so from the second look on.
        waiting.until(lambda: get(single.address).status == 200, "the name found")

    @pytest.fixture
    def caged(self, request, cage, tmp_path):
        if request.config.getoption("--system") == "haproxy":
            pytest.skip("behaviour of ours, not of the reference")
        with HandedOver(tmp_path, names=("A", "B"), options={"user": USER, "chroot": str(cage), "pidfile": str(tmp_path / "pid")}) as single:
            single.run()
            yield single

    def inside(self, single, cage):
        process = single.serving
        assert os.path.realpath(f"/proc/{process}/root") == str(cage)
        assert pathlib.Path(f"/proc/{process}").stat().st_uid == pwd.getpwnam(USER).pw_uid
        assert (single.folder / "pid").read_text() == f"{process}\n"

    def keepers(self, process: int) -> list[int]:
        children = [pid for task in pathlib.Path(f"/proc/{process}/task").iterdir() for pid in (task / "children").read_text().split()]
        return [int(pid) for pid in children if pathlib.Path(f"/proc/{pid}/comm").read_text() == "keeper\n"]

    def test_another_process_takes_over_behind_it(self, caged, cage):
        self.inside(caged, cage)
        with Load(caged.address) as load:
            for _ in range(3):
                keeper, = self.keepers(caged.serving)
                caged.wait_gone(caged.hand_over())
                waiting.until(lambda: not alive(keeper), "the keeper ends with its node")
                self.inside(caged, cage)
                answers = load.answers
                waiting.until(lambda: load.answers > answers + 20, "answers of the new process")
        assert not load.failures, (len(load.failures), load.failures[:5])

    def test_a_new_topology_is_taken_up_by_another_process(self, caged, cage):
        caged.site["servers"].pop()
        before = caged.serving
        with Load(caged.address) as load:
            caged.write()
            caged.hang_up("is served by process")
            caged.found()
            caged.wait_gone(before)
            self.inside(caged, cage)
            assert {caged.asked() for _ in range(8)} == {"A"}
            caged.site["servers"][0]["weight"] = 3
            caged.write()
            before = caged.serving
            told = caged.admin("reload")
            assert told.startswith("ok\n") and "is served by process" in told
            caged.found()
            caged.wait_gone(before)
            self.inside(caged, cage)
        assert not load.failures, (len(load.failures), load.failures[:5])

    def test_a_topology_that_cannot_be_used_changes_nothing(self, caged, cage):
        before = caged.serving
        caged.write("geodirector: 1\nsites: nowhere\n")
        caged.hang_up("goes on in this process")
        told = caged.admin("reload")
        assert told.startswith("error") and "goes on in this process" in told and "it ended with 78" in told
        assert "topology.yaml:2" in caged.node.err.read_text(), "the new process says what is wrong with it, and where"
        assert caged.serving == before and caged.asked() in "AB"
        self.inside(caged, cage)

    def test_without_its_keeper_the_node_says_so_and_goes_on(self, caged, cage):
        keeper, = self.keepers(caged.serving)
        os.kill(keeper, signal.SIGKILL)
        caged.hand_over("goes on in this process")
        assert "its keeper has ended: restart the node" in caged.node.err.read_text()
        self.inside(caged, cage)
        assert caged.asked() in "AB"

    @pytest.mark.timeout(90)
    def test_what_a_keeper_answers_too_late_is_taken_for_no_other_answer(self, caged, cage):
        keeper, = self.keepers(caged.serving)
        os.kill(keeper, signal.SIGSTOP)
        # It is asked for, and waited for 10 s.
        caged.hand_over("goes on in this process")
        os.kill(keeper, signal.SIGCONT)
        first, known = caged.serving, len(caged.admin("status"))
        assert known and caged.asked() in "AB"
        # The answer to the first question comes before that to the second.
        caged.wait_gone(caged.hand_over())
        assert caged.serving != first and caged.serving == caged.listener()
        self.inside(caged, cage)
        assert caged.asked() in "AB"
        # A failure after that is an end of the right process.
        waiting.until(lambda: not alive(keeper), "the keeper ends with its node")

    def test_with_the_rights_of_its_unit_the_keeper_ends_what_does_not_take_over(self, request, cage, tmp_path):
        if request.config.getoption("--system") == "haproxy":
            pytest.skip("behaviour of ours, not of the reference")
        with HandedOver(tmp_path, names=("A", "B"), options={"user": USER, "chroot": str(cage)}) as single:
            single.write()
            single.prefix = rights(tmp_path)
            single.run()
            keeper, = self.keepers(single.serving)
            # It becomes the user, as it should, and says nothing then.
            single.program.unlink()
            single.program.write_text(f"#!/bin/sh\nexec setpriv --reuid {USER} --clear-groups sleep 60\n")
            single.program.chmod(0o755)
            single.hand_over("goes on in this process")
            assert not pathlib.Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
            assert "it said nothing for 6 s\n" in single.node.err.read_text()
            single.program.unlink()
            single.program.symlink_to(binary())
            single.wait_gone(single.hand_over())
            assert single.asked() in "AB"

    def test_a_keeper_is_good_for_nothing_else(self, caged):
        # Root, but it listens to nobody but the node: a line, and what the node was started with.
        keeper, = self.keepers(caged.serving)
        held = {os.readlink(f"/proc/{keeper}/fd/{number}") for number in os.listdir(f"/proc/{keeper}/fd") if int(number) > 2}
        assert len(held) == 1 and held.pop().startswith("socket:")
        for signal_ in (signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
            os.kill(keeper, signal_)
        caged.wait_gone(caged.hand_over())
        waiting.until(lambda: not alive(keeper), "the keeper ends with its node")

    def test_root_is_not_kept_by_it(self, tmp_path):
        path = tmp_path / "topology.yaml"
        path.write_text('geodirector: 1\nrelays: [{name: R, listen: "127.0.0.1:1", chroot: /srv, servers: [{name: A, host: 127.0.0.2}]}]\n')
        done = subprocess.run([binary(), "topology", "check", path], capture_output=True, text=True, timeout=30)
        assert done.returncode == 78 and 'root leaves a chroot whenever it wants to; add "user:", or remove "chroot:"' in done.stderr
