"""Commands to running nodes: who is led where, what the status tells, and restarts that nobody notices."""

import json
import os
import pathlib
import re
import resource
import socket
import stat
import subprocess
import tempfile
import threading
import time

import pytest

from harness import waiting
from harness.geodirector import binary
from harness.raw import get
from harness.single import Single
from harness.topology import Topology

INSERT = {"name": "SERVERID", "mode": "insert", "indirect": True, "nocache": True}


def admin(*arguments: str, seconds: float = 60) -> subprocess.CompletedProcess:
    return subprocess.run([str(binary()), "admin", *map(str, arguments)], capture_output=True, text=True, timeout=seconds)


def done(*arguments: str, **more) -> str:
    result = admin(*arguments, **more)
    assert result.returncode == 0, f"{arguments}: {result.stderr}"
    return result.stdout


@pytest.fixture
def single(tmp_path):
    single = Single(tmp_path, session=INSERT)
    single.data["admin"] = {"socket": f"{tmp_path}/{{node}}.sock"}
    single.data["sites"][0]["balancers"][0]["monitor"] = single.range.map("127.0.1.1:8081")
    with single:
        single.address = single.geodirector()
        single.socket = str(tmp_path / "N.sock")
        yield single


def server_of(single, cookies=""):
    answer = get(single.address, "/", headers=[("Cookie", cookies)] if cookies else [])
    return answer.first("X-Origin")


def new_users(single) -> set:
    return {server_of(single) for _ in range(8)}


def talk(path: str, data: bytes) -> str:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(20)
        line.connect(path)
        line.sendall(data)
        line.shutdown(socket.SHUT_WR)
        return line.makefile(errors="replace").read()


def test_drain_keeps_own_users_until_the_deadline_and_ready_ends_it(single):
    assert new_users(single) == {"A", "B"}
    assert "its own users only" in done("drain", "A", "--socket", single.socket, "--because", "new disk")
    assert new_users(single) == {"B"}
    assert {server_of(single, "SERVERID=A") for _ in range(4)} == {"A"}
    done("drain", "A", "--socket", single.socket, "--for", "1s")
    waiting.until(lambda: server_of(single, "SERVERID=A") == "B", "users of A led elsewhere after the deadline", 5)
    assert "all users" in done("ready", "A", "--socket", single.socket)
    assert new_users(single) == {"A", "B"}


def test_who_drains_again_says_why_today(single):
    def reason():
        (pool,) = json.loads(done("status", "--socket", single.socket, "--format", "json"))["pools"]
        return next(server["reason"] for server in pool["servers"] if server["name"] == "A")

    done("drain", "A", "--socket", single.socket, "--because", "new disk")
    assert reason() == "by command: new disk"
    done("drain", "A", "--socket", single.socket, "--because", "the disk was the wrong one")
    assert reason() == "by command: the disk was the wrong one"


@pytest.mark.parametrize("mode, well", [(0o755, True), (0o777, False), (0o1777, True)])
def test_a_folder_open_to_all_is_refused_and_one_not_there_is_made(tmp_path, mode, well):
    single = Single(tmp_path, session=INSERT)
    # Paths of sockets are short.
    with tempfile.TemporaryDirectory(prefix="geodirector-") as name, single:
        folder = pathlib.Path(name)
        folder.chmod(mode)
        single.data["admin"] = {"socket": f"{folder}/{{node}}.sock" if mode != 0o755 else f"{folder}/a/{{network}}/{{node}}.sock"}
        if well:
            single.geodirector()
            path = folder / "N.sock" if mode != 0o755 else folder / "a/single/N.sock"
            assert "N:" in done("status", "--socket", path)
        else:
            with pytest.raises(AssertionError, match="everybody may replace"):
                single.geodirector()


def test_maintenance_leads_all_users_elsewhere_and_the_cookie_follows(single):
    done("maintain", "A", "--socket", single.socket)
    answer = get(single.address, "/", headers=[("Cookie", "SERVERID=A")])
    assert answer.first("X-Origin") == "B" and answer.first("Set-Cookie").startswith("SERVERID=B")
    done("maintain", "B", "--socket", single.socket)
    assert get(single.address).status == 503
    done("ready", "B", "--socket", single.socket)
    assert new_users(single) == {"B"}


def test_the_status_tells_states_and_their_causes(single):
    def server(name):
        status = json.loads(done("status", "--socket", single.socket, "--format", "json"))
        return next(entry for entry in status["pools"][0]["servers"] if entry["name"] == name)

    waiting.until(lambda: all(check["succeeded"] for check in server("A")["checks"]), "a check of A")
    began = time.time()
    done("drain", "A", "--socket", single.socket, "--until", str(int(began) + 600), "--because", "new disk")
    drained = server("A")
    assert (drained["state"], drained["health"], drained["deadline"]) == ("drain", "up", int(began) + 600)
    assert drained["reason"] == "by command: new disk" and began - 1 <= drained["since"] / 1000 <= time.time()
    single.origins["B"].stop()
    waiting.until(lambda: server("B")["health"] == "down", "B down")
    assert "refused" in server("B")["reason"].lower() and not server("B")["checks"][0]["succeeded"]
    text = done("status", "--socket", single.socket)
    assert "new disk" in text and "N: site-balancer, running, ready" in text


def test_requests_in_flight_are_counted_where_they_are(single):
    release = threading.Event()

    def slow(exchange):
        release.wait(20)
        exchange.answer()

    single.origins["A"].handler = slow
    waiter = threading.Thread(target=lambda: get(single.address, "/", headers=[("Cookie", "SERVERID=A")]))
    waiter.start()
    try:
        def flights():
            status = json.loads(done("status", "--socket", single.socket, "--format", "json"))
            return {entry["name"]: entry["inFlight"] for entry in status["pools"][0]["servers"]}

        waiting.until(lambda: flights() == {"A": 1, "B": 0}, "one request at A")
    finally:
        release.set()
        waiter.join()


@pytest.mark.parametrize("arguments, expected", [
    (("drain", "C"), 'N has no server "C"'),
    (("drain", "A", "--application", "mail"), 'N has no application "mail"'),
])
def test_what_cannot_be_done_is_refused_with_a_reason(single, arguments, expected):
    result = admin(*arguments, "--socket", single.socket)
    assert result.returncode == 1 and expected in result.stderr


@pytest.mark.parametrize("arguments", [
    ("drain", "A", "--for", "soon", "--socket", "/x"), ("drain", "A", "--for", "1s", "--until", "5", "--socket", "/x"),
    ("drain", "A\nready B", "--socket", "/x"), ("status",), ("drain", "A", "--because", "a\nready B", "--socket", "/x")])
def test_wrong_usage_is_told_before_anything_is_sent(arguments, monkeypatch):
    monkeypatch.delenv("GEODIRECTOR_TOPOLOGY", raising=False)
    assert admin(*arguments).returncode == 64


def test_malformed_lines_get_clear_errors_and_change_nothing(single):
    answers = talk(single.socket, b"drian A\n\xff\xfe\0\n" + b"drain\n" + b"status json\n").split("\n\n")
    assert answers[0] == 'error: unknown command "drian"; did you mean "drain"?'
    assert answers[1] == "error: the line has characters that are no text"
    assert answers[2] == "error: drain what? Name a server, or the node itself"
    status = json.loads(answers[3].removeprefix("ok\n"))
    assert {server["state"] for server in status["pools"][0]["servers"]} == {"ready"}
    assert talk(single.socket, b"x" * 2000) == "error: the line is longer than 1024 bytes\n\n"
    assert new_users(single) == {"A", "B"}


def test_silent_and_deaf_operators_delay_no_user(single):
    lines = [socket.socket(socket.AF_UNIX) for _ in range(30)]
    try:
        for index, line in enumerate(lines):
            line.setblocking(False)
            try:
                line.connect(single.socket)
                line.send(b"status json\n" * (50 if index % 2 else 0) + b"sta")
            except BlockingIOError:
                pass
        slowest = 0.0
        for _ in range(200):
            began = time.monotonic()
            assert get(single.address).status == 200
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < 2, slowest
    finally:
        for line in lines:
            line.close()
    done("status", "--socket", single.socket)


def test_the_socket_has_its_permissions_and_goes_with_the_node(single):
    mode = os.stat(single.socket).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
    node = single.nodes["geodirector"]
    node.terminate()
    assert node.wait_exit() == 0
    assert not os.path.exists(single.socket)
    assert "no node takes commands" in admin("status", "--socket", single.socket).stderr


def test_a_killed_node_leaves_its_socket_and_the_next_replaces_it(single):
    node = single.nodes["geodirector"]
    node.kill()
    assert os.path.exists(single.socket)
    node.start().wait_ready()
    done("status", "--socket", single.socket)


def test_a_node_that_is_drained_says_so_to_the_tiers_in_front(single):
    host = single.address[0]

    def said():
        answer = get((host, 8081))
        return answer.status, answer.first("Geodirector-Health")

    assert said()[0] == 200
    until = int(time.time()) + 600
    done("drain", "N", "--socket", single.socket, "--until", str(until))
    status, field = said()
    assert status == 503 and f"admit=?0, alive=?1, deadline={until}" in field
    assert get(single.address).status == 200
    assert admin("health", f"{host}:8081").returncode == 0
    done("maintain", "N", "--socket", single.socket)
    assert "admit=?0, alive=?0" in said()[1]
    refused = admin("health", f"{host}:8081")
    assert refused.returncode == 1 and "it serves nobody" in refused.stderr
    done("ready", "N", "--socket", single.socket)
    assert said()[0] == 200


def test_a_node_whose_servers_all_look_dead_is_well_as_it_tries_them(single):
    host = single.address[0]

    def said() -> str:
        return get((host, 8081)).first("Geodirector-Health")

    for origin in single.origins.values():
        origin.stop()
    waiting.until(lambda: "alive=?0" in said(), "all servers seen to be down")
    # Users are refused after a try, and not by nobody: the address stays where it is.
    assert "serves=?1" in said() and admin("health", f"{host}:8081").returncode == 0
    done("maintain", "N", "--socket", single.socket)
    assert "serves" not in said() and admin("health", f"{host}:8081").returncode == 1
    done("ready", "N", "--socket", single.socket)
    for origin in single.origins.values():
        origin.start()
    waiting.until(lambda: "alive=?1" in said(), "they are back")
    assert "serves" not in said()


def test_commands_find_the_nodes_of_a_server_by_the_topology(start, two_sites, tmp_path):
    network = start(Topology(two_sites.data | {"admin": {"socket": f"{tmp_path}/{{node}}.sock"}}))
    file = network.system.file
    answer = done("drain", "W11", "--topology", file).splitlines()
    assert len(answer) == 2
    for balancer in ("S1L1", "S1L2"):
        status = json.loads(done("status", "--node", balancer, "--topology", file, "--format", "json"))
        states = {server["name"]: server["state"] for server in status["pools"][0]["servers"]}
        assert states == {"W11": "drain", "W12": "ready", "W13": "ready", "W14": "ready"}
    # A director that is drained: its office leads new users to the other site.
    done("drain", "SD1", "--topology", file)
    network.wait_new_user_site("OP1", "SITE2")
    done("ready", "SD1", "--topology", file)
    network.wait_new_user_site("OP1", "SITE1")


def test_the_only_running_node_is_meant_and_of_several_those_are_named(start, two_sites, tmp_path):
    network = start(Topology(two_sites.data | {"admin": {"socket": f"{tmp_path}/{{node}}.sock"}}))
    file, nodes = network.system.file, [name for name, spec in network.specs.items() if spec.role != "demo-server"]
    for command in ("status", "reload"):
        result = admin(command, "--topology", file)
        assert result.returncode == 64 and "which node?" in result.stderr and "--node NAME" in result.stderr
        assert [name for name in nodes if re.search(rf"\b{name}\b", result.stderr)] and " ..." in result.stderr
    # What a killed node leaves is no node.
    network.kill(*(name for name in nodes if name not in ("SD2", "S1L2")))
    assert (tmp_path / "S1L1.sock").exists()
    assert admin("status", "--topology", file).stderr.strip().endswith("give --node NAME: S1L2, SD2")
    network.nodes["SD2"].terminate()
    network.nodes["SD2"].wait_exit()
    assert done("status", "--topology", file).startswith("S1L2:")
    assert "S1L2" in done("reload", "--topology", file)
    # Who restarts servers names all nodes that have them: this machine need not have them all.
    result = admin("rolling-restart", "--topology", file, "--command", "true")
    assert result.returncode == 64 and "which node?" in result.stderr
    network.kill("S1L2")
    result = admin("status", "--topology", file)
    assert result.returncode == 64 and "no node of two-sites takes commands" in result.stderr and "OP1" in result.stderr


@pytest.mark.timeout(300)
def test_a_rolling_restart_under_load_gives_no_error_and_cuts_no_request(start, two_sites, tmp_path):
    network = start(Topology(two_sites.data | {"admin": {"socket": f"{tmp_path}/{{node}}.sock"}}))
    (tmp_path / "wanted").mkdir()
    (tmp_path / "done").mkdir()
    servers = ["W11", "W12", "W13", "W14"]
    ended = threading.Event()
    failures, counts = [], [0] * 12

    def restarter():
        """Restarts the servers whose names appear in a folder: the processes are this test's."""
        while not ended.wait(0.02):
            for name in os.listdir(tmp_path / "wanted"):
                os.unlink(tmp_path / "wanted" / name)
                network.nodes[name].kill()
                network.nodes[name].start().wait_ready()
                (tmp_path / "done" / name).touch()

    def user(number):
        cookie = ""
        while not ended.is_set():
            try:
                answer = get(network.specs["OP1"].service, "/?delay=100ms", headers=[("Cookie", cookie)] if cookie else [])
            except Exception as error:  # noqa: BLE001 - every failure counts
                failures.append(repr(error))
                continue
            counts[number] += 1
            if answer.status != 200:
                failures.append(answer.status)
            given = [value.split(";")[0] for value in answer.all("Set-Cookie")]
            kept = [pair for pair in cookie.split("; ") if pair and pair.split("=")[0] not in {g.split("=")[0] for g in given}]
            cookie = "; ".join(kept + given)

    threads = [threading.Thread(target=restarter)] + [threading.Thread(target=user, args=(n,)) for n in range(len(counts))]
    for thread in threads:
        thread.start()
    command = (f'touch {tmp_path}/wanted/$GEODIRECTOR_SERVER; '
               f'until [ -e {tmp_path}/done/$GEODIRECTOR_SERVER ]; do sleep 0.05; done')
    try:
        result = admin("rolling-restart", *servers, "--topology", network.system.file, "--drain", "1s", "--timeout", "60s",
                       "--command", command, seconds=240)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert result.returncode == 0, result.stdout + result.stderr
    assert not failures, f"{len(failures)} of {sum(counts)}: {failures[:5]}"
    assert min(counts) > 10 and {network.nodes[name].starts for name in servers} == {2}
    assert "all 4 restarted" in result.stdout


def states(single):
    status = json.loads(done("status", "--socket", single.socket, "--format", "json"))
    return {server["name"]: server["state"] for server in status["pools"][0]["servers"]}


def test_a_rolling_restart_leaves_alone_what_an_operator_has_taken_out(single, tmp_path):
    done("maintain", "A", "--socket", single.socket, "--because", "broken disk")
    single_out = admin("rolling-restart", "--socket", single.socket, "--drain", "0s", "--command", f"touch {tmp_path}/ran")
    assert single_out.returncode == 1 and "B is the last that takes new users" in single_out.stderr
    assert "A: not touched, as it is not ready: maintain, by command: broken disk" in single_out.stdout
    named = admin("rolling-restart", "A", "--socket", single.socket, "--drain", "0s", "--command", f"touch {tmp_path}/ran")
    assert named.returncode == 1 and "A is not ready (maintain, by command: broken disk)" in named.stderr
    assert states(single) == {"A": "maintain", "B": "ready"} and not (tmp_path / "ran").exists()


def test_a_server_whose_requests_do_not_end_is_not_restarted_and_gets_its_users_back(single, tmp_path):
    release = threading.Event()
    single.origins["A"].handler = lambda exchange: (release.wait(30), exchange.answer())
    waiter = threading.Thread(target=lambda: get(single.address, "/", headers=[("Cookie", "SERVERID=A")]))
    waiter.start()
    try:
        single.origins["A"].wait_received(1)
        result = admin("rolling-restart", "A", "--socket", single.socket, "--drain", "0s", "--timeout", "300ms",
                       "--command", f"touch {tmp_path}/ran")
    finally:
        release.set()
        waiter.join()
    assert result.returncode == 1 and "was not restarted and has all users again" in result.stderr
    assert states(single) == {"A": "ready", "B": "ready"} and not (tmp_path / "ran").exists()


def test_a_rolling_restart_with_a_node_that_is_gone_gives_users_back_at_the_others(single, tmp_path):
    line = socket.socket(socket.AF_UNIX)
    line.bind(str(tmp_path / "half.sock"))
    line.listen()

    def half():
        """A node that tells its status and takes no order."""
        with line:
            for _ in range(6):
                connection, _ = line.accept()
                with connection, connection.makefile("rw") as words:
                    if words.readline().startswith("status"):
                        words.write(talk(single.socket, b"status json\n"))
                    else:
                        words.write("error: not now\n\n")
                        refused.append(True)
                if len(refused) == 2:
                    return

    refused = []
    node = threading.Thread(target=half, daemon=True)
    node.start()
    result = admin("rolling-restart", "A", "--socket", single.socket, "--socket", str(tmp_path / "half.sock"), "--drain", "0s",
                   "--command", f"touch {tmp_path}/ran")
    node.join(20)
    assert result.returncode == 1 and "not now" in result.stderr and not (tmp_path / "ran").exists()
    assert states(single) == {"A": "ready", "B": "ready"}


def test_an_order_holds_at_the_nodes_that_took_it_and_the_command_says_so(single, tmp_path):
    result = admin("maintain", "A", "--socket", single.socket, "--socket", str(tmp_path / "gone.sock"))
    assert result.returncode == 1 and "done at 1 of 2 nodes" in result.stderr
    assert states(single) == {"A": "maintain", "B": "ready"}


def test_the_longest_path_of_a_socket_works(tmp_path):
    with Single(tmp_path, session=INSERT) as single:
        # No node has a longer name than the one that runs.
        single.data["sites"][0]["directors"][0]["name"] = "D"
        folder = f"{tmp_path}/" + "x" * (103 - len(f"{tmp_path}/") - len("/N.sock"))
        os.mkdir(folder)
        single.data["admin"] = {"socket": f"{folder}/{{node}}.sock"}
        single.geodirector()
        assert len(f"{folder}/N.sock") == 103
        done("status", "--socket", f"{folder}/N.sock")


def test_a_server_that_was_well_from_the_start_is_said_to_be(single):
    def reasons():
        status = json.loads(done("status", "--socket", single.socket, "--format", "json"))
        return {server["reason"] for server in status["pools"][0]["servers"]}

    waiting.until(lambda: reasons() == {"up since the start"}, "the first checks")


def test_silent_operators_lock_nobody_out(single):
    lines = [socket.socket(socket.AF_UNIX) for _ in range(16)]
    try:
        for line in lines:
            line.connect(single.socket)
        done("status", "--socket", single.socket)
    finally:
        for line in lines:
            line.close()


def test_a_node_without_descriptors_does_not_spin_on_its_command_socket(single):
    node = single.nodes["geodirector"].process.pid
    # A thread has its name a moment after it was begun.
    thread = waiting.until(lambda: next((entry for entry in os.listdir(f"/proc/{node}/task")
                                         if open(f"/proc/{node}/task/{entry}/comm").read().strip() == "admin"), None), "the thread")
    limits = resource.prlimit(node, resource.RLIMIT_NOFILE)
    resource.prlimit(node, resource.RLIMIT_NOFILE, (3, limits[1]))

    def switches():
        text = open(f"/proc/{node}/task/{thread}/status").read()
        return sum(int(found) for found in re.findall(r"ctxt_switches:\s*(\d+)", text))

    def ticks():
        return sum(map(int, open(f"/proc/{node}/task/{thread}/stat").read().rpartition(")")[2].split()[11:13]))

    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(single.socket)
            used, before, began = ticks(), switches(), time.monotonic()
            waiting.until(lambda: switches() - before >= 5, "attempts to accept")
            took = max(0.5, time.monotonic() - began)
            assert (ticks() - used) / os.sysconf("SC_CLK_TCK") < took / 4
    finally:
        resource.prlimit(node, resource.RLIMIT_NOFILE, limits)
    done("status", "--socket", single.socket)


def test_a_rolling_restart_stops_at_a_server_that_does_not_come_back(single, tmp_path):
    # The command does what such commands do at times: it ends well, and nothing runs.
    wanted, stopped = tmp_path / "wanted", tmp_path / "stopped"

    def stop():
        waiting.until(wanted.exists, "the command at work", 30)
        single.origins["A"].stop()
        stopped.touch()

    stopper = threading.Thread(target=stop)
    stopper.start()
    result = admin("rolling-restart", "A", "B", "--socket", single.socket, "--drain", "500ms", "--timeout", "3s",
                   "--command", f"touch {wanted}; until [ -e {stopped} ]; do sleep 0.05; done")
    stopper.join()
    assert result.returncode == 1 and "left in maintenance" in result.stderr
    status = json.loads(done("status", "--socket", single.socket, "--format", "json"))
    assert {server["name"]: server["state"] for server in status["pools"][0]["servers"]} == {"A": "maintain", "B": "ready"}
    assert new_users(single) == {"B"}
