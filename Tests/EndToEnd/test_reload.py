"""SIGHUP: the node goes on by the topology as it is now, in the same process, and no connection notices."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import tempfile
import threading
import time

import pytest

from harness import sanitizer, waiting
from harness.raw import CutShort, RawConnection, get
from harness.reloaded import REFUSED, SCALE, Load, Reloaded, resident_kib
from harness.tcp import TCPServer, echo

pytestmark = [pytest.mark.own, pytest.mark.timeout(60)]


@pytest.fixture
def reloaded(request, tmp_path):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with contextlib.ExitStack() as stack:
        yield lambda folder=tmp_path, **more: stack.enter_context(Reloaded(folder, **more)).run()


def new_users(node) -> set[str]:
    return {node.asked() for _ in range(16)}


@pytest.mark.threads
def test_servers_come_go_and_change_their_weight_in_the_same_process(reloaded):
    node = reloaded(names=("A", "B", "C"))
    process = node.node.process.pid
    servers = node.site["servers"]
    third = servers.pop()
    node.reload()
    assert new_users(node) == {"A", "B"}
    servers.append(third)
    servers.pop(0)
    node.reload()
    assert new_users(node) == {"B", "C"}
    servers[0]["weight"] = 3
    servers[1]["weight"] = 1
    node.reload()
    taken = [node.asked() for _ in range(16)]
    # Two workers take turns of their own.
    assert 10 <= taken.count("B") <= 14, taken
    assert "weight of B" in node.node.tail()
    assert node.node.process.pid == process and node.node.runs


@pytest.mark.parametrize("role", ["office-proxy", "site-director"])
def test_offices_and_directors_take_up_another_order_of_sites(reloaded, role):
    node = reloaded(role=role, tiers={"HOME": ["A"], "AWAY": ["B"]}, site={"name": "SITE"})
    assert node.asked() == "A"
    if role == "office-proxy":
        node.entry["preference"]["sites"].reverse()
        node.reload()
        assert node.asked() == "B"
    else:
        nodes = node.site["balancers"]
        nodes[0]["listen"] = "{}:{}".format(*node.at["B"])
        node.data["sites"][1]["balancers"][0]["listen"] = "{}:{}".format(*node.at["A"])
        node.reload()
        assert node.asked() == "B"


def test_a_relay_is_reloaded_and_its_connections_go_on(reloaded, tmp_path):
    with contextlib.ExitStack() as stack:
        single = Reloaded(tmp_path, names=("A",))
        stack.callback(single.range.release)
        ends = {name: stack.enter_context(TCPServer((single.range.map(f"127.3.0.{index}"), 9000), echo))
                for index, name in ((1, "one"), (2, "two"))}
        greeting = lambda name: lambda connection: (connection.sendall(name.encode()), echo(connection))  # noqa: E731
        for name, server in ends.items():
            server.handler = greeting(name)
        place = single.range.map("127.0.1.1:8080")
        relay = {"name": "N", "listen": place, "servers": [{"name": "one", "address": single.range.map("127.3.0.1:9000")}]}
        single.entry["name"] = "L"
        single.entry["listen"] = single.range.map("127.0.1.9:8080")
        single.entry.pop("monitor")
        single.data["relays"] = [relay]
        single.role = "relay"
        single.run()
        stack.callback(single.node.stop)

        def connect():
            connection = stack.enter_context(socket.create_connection(single.address, timeout=10))
            return connection, connection.recv(3)

        first, name = connect()
        assert name == b"one"
        relay["servers"] = [{"name": "two", "address": single.range.map("127.3.0.2:9000")}]
        single.reload()
        second, name = connect()
        assert name == b"two"
        for connection in (first, second):
            connection.sendall(b"still there")
            assert connection.recv(100) == b"still there"


def listening_inode(address) -> str | None:
    host, port = address
    number = "".join(f"{int(part):02X}" for part in reversed(host.split(".")))
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[1] == f"{number}:{port:04X}" and words[3] == "0A":
            return words[9]
    return None


@pytest.mark.threads
def test_listeners_that_stay_are_the_same_sockets_new_ones_open_and_gone_ones_close(reloaded):
    node = reloaded()
    host = node.address[0]
    kept = listening_inode(node.address)
    node.entry["listen"] = [f"{host}:8080", f"{host}:8090"]
    node.entry["monitor"] = f"{host}:8082"
    node.reload()
    assert listening_inode(node.address) == kept
    assert get((host, 8090)).status == 200 and get((host, 8082)).status == 200
    waiting.until(lambda: listening_inode((host, 8081)) is None, "the former monitor closed")
    with RawConnection((host, 8090)) as idle:
        idle.send("GET / HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n")
        assert idle.answer().status == 200
        node.entry["listen"] = f"{host}:8080"
        node.reload()
        waiting.until(lambda: listening_inode((host, 8090)) is None, "the gone listener closed")
        assert idle.socket.recv(1) == b""
    assert listening_inode(node.address) == kept and node.asked() in "AB"


def bad_syntax(node):
    node.write("geodirector: 1\nsites: [\n")
    return "topology.yaml:"


def unknown_key(node):
    node.data["sites"][0]["colour"] = "blue"
    node.write()
    return r'topology.yaml:\d+:\d+: error: .*colour'


def node_gone(node):
    node.entry["name"] = "OTHER"
    node.write()
    return 'no .*"N"|"N"'


def address_in_use(node):
    place = node.range.map("127.0.1.7")
    node.taken = socket.create_server((place, 8080))
    node.entry["listen"] = [f"{node.address[0]}:8080", f"{place}:8080"]
    node.write()
    return f"{place}:8080 is in use.*(another address|restart)"


def no_such_address(node):
    node.entry["listen"] = [f"{node.address[0]}:8080", "198.51.100.77:8080"]
    node.write()
    return "198.51.100.77:8080 is no address of this machine: add it"


def no_certificate(node):
    node.entry["listen"] = [f"{node.address[0]}:8080", {"address": f"{node.address[0]}:8443", "tls": "/nowhere/x.pem"}]
    node.write()
    return "/nowhere/x.pem"


@pytest.mark.parametrize("spoil", [bad_syntax, unknown_key, node_gone, address_in_use, no_such_address, no_certificate],
                         ids=lambda spoil: spoil.__name__)
def test_a_file_that_cannot_be_used_changes_nothing_and_one_line_says_why(reloaded, spoil):
    node = reloaded()
    before, open_before = node.tasks(), node.descriptors()
    with RawConnection(node.address) as kept:
        ask = "GET / HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n"
        kept.send(ask)
        assert kept.answer().status == 200
        expected = spoil(node)
        lines = len(node.node.err.read_text().splitlines())
        node.hang_up(REFUSED)
        said = node.node.err.read_text().splitlines()[lines:]
        assert len(said) == 1 and re.search(expected, said[0]), said
        kept.send(ask)
        answer = kept.answer()
        assert answer.status == 200 and answer.first("Connection") is None
    assert new_users(node) == {"A", "B"}
    waiting.until(lambda: node.tasks() == before, "the threads as before")
    if node.has_tables_of_its_own():
        assert node.descriptors()["geodirector"] == open_before["geodirector"]
    if hasattr(node, "taken"):
        node.taken.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give privileges up")
def test_a_low_port_without_the_privilege_is_refused_by_name(request, reloaded):
    if int(pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 80:
        pytest.skip("low ports need no privilege on this machine")
    # A folder that the user can enter: it reads the file again.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="geodirector-reload-"))
    request.addfinalizer(lambda: shutil.rmtree(folder))
    shutil.chown(folder, "nobody")
    node = reloaded(folder=folder, options={"user": "nobody"})
    node.entry["listen"] = [f"{node.address[0]}:8080", f"{node.address[0]}:80"]
    node.reload(REFUSED)
    assert f"{node.address[0]}:80 needs a privilege this process lacks" in node.node.tail()
    assert new_users(node) == {"A", "B"}


def test_files_read_again_without_a_change_for_this_node_end_no_connection(reloaded):
    node = reloaded()
    with RawConnection(node.address) as kept:
        node.data["sites"][0]["location"] = {"latitude": 1, "longitude": 1}
        node.reload("nothing of it has changed for this node")
        kept.send("GET / HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n")
        answer = kept.answer()
        assert answer.status == 200 and answer.first("Connection") is None


@pytest.mark.threads
def test_requests_under_way_tunnels_and_downloads_end_by_the_plan_they_began_with(reloaded):
    node = reloaded(names=("A", "B"))
    release = threading.Event()
    sizes = 64 << 20

    def slow(exchange):
        if "upgrade" in [value.lower() for value in exchange.request.all("Connection")]:
            exchange.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
            echo(exchange.socket)
            return exchange.close()
        if "big" in exchange.request.line:
            exchange.send(f"HTTP/1.1 200 OK\r\nContent-Length: {sizes}\r\n\r\n")
            for _ in range(sizes >> 20):
                exchange.send(bytes(1 << 20))
            return None
        release.wait(30)
        return exchange.answer(headers=[("X-Origin", exchange.origin.name)])

    for origin in node.origins.values():
        origin.handler = slow
    with RawConnection(node.address) as waits, RawConnection(node.address, 30) as tunnel, RawConnection(node.address, 30) as loads:
        waits.send("GET /slow HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n")
        tunnel.send("GET /tunnel HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
        assert b"101" in tunnel._until(b"\r\n\r\n")
        loads.send("GET /big HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n")
        assert loads._until(b"\r\n\r\n")
        waiting.until(lambda: sum(len(origin.received) for origin in node.origins.values()) == 3, "three requests at the servers")
        for weight in (2, 3, 4):
            node.site["servers"][0]["weight"] = weight
            node.reload()
        tunnel.send(b"ping")
        assert tunnel.exactly(4) == b"ping"
        assert node.counts()["clients"] >= 3 and sum(entry["inFlight"] for entry in node.status()["pools"][0]["servers"]) >= 2
        assert len(loads.exactly(sizes)) == sizes
        release.set()
        answer = waits.answer()
        assert answer.status == 200 and answer.first("Connection") == "close"
        tunnel.send(b"pong")
        assert tunnel.exactly(4) == b"pong"
    waiting.until(lambda: node.tasks().count("worker-0") == 1 and node.tasks().count("worker-1") == 1, "the former workers gone")


@pytest.mark.threads
def test_health_drains_and_their_reasons_are_kept(reloaded):
    node = reloaded(names=("A", "B", "C"))
    node.admin("drain A because new disk")
    node.admin("drain N because moving out")
    node.origins["B"].stop()
    waiting.until(lambda: node.server("B")["health"] == "down", "B down")
    # From here on no check comes.
    before = {name: node.server(name) for name in "ABC"}
    node.site["servers"][2]["weight"] = 7
    node.reload()
    status = node.status()
    after = {entry["name"]: entry for entry in status["pools"][0]["servers"]}
    for name in "AB":
        for key in ("state", "health", "reason", "since", "deadline"):
            assert after[name].get(key) == before[name].get(key), (name, key)
    assert (status["state"], status["reason"]) == ("drain", "moving out")
    assert new_users(node) == {"C"}
    # Nobody was sent to B to find out.
    assert node.said("B is down") == 1
    node.origins["B"].start()
    waiting.until(lambda: node.server("B")["health"] == "up", "B up")
    node.admin("ready A")
    assert new_users(node) == {"A", "B", "C"}


def test_round_robin_goes_on_where_it_stood(reloaded, tmp_path):
    single = Reloaded(tmp_path, names=("A", "B", "C", "D", "E"))
    single.workers = 1
    with single:
        node = single.run()
        taken = []
        for round in range(7):
            taken += [node.asked() for _ in range(3)]
            node.data["time-scale"] = SCALE * (1 + 0.01 * (round + 1))
            node.reload()
    order = taken[:5]
    assert sorted(order) == list("ABCDE") and taken == [order[index % 5] for index in range(21)], taken


def test_counters_do_not_go_back(reloaded):
    node = reloaded(session={"name": "JSESSIONID", "mode": "prefix"})
    node.origins["A"].stop()
    assert node.asked("JSESSIONID=A~1") == "B"
    assert node.counts()["cookies-not-written"] == 1
    node.site["servers"][1]["weight"] = 5
    node.reload()
    assert node.counts()["cookies-not-written"] == 1
    node.site["servers"][0]["weight"] = 4
    node.reload()
    assert node.asked("JSESSIONID=A~1") == "B"
    assert node.counts()["cookies-not-written"] == 2


def test_places_that_requests_of_the_former_plan_hold_at_a_server_are_not_free(reloaded):
    node = reloaded(names=("A",))
    node.site["servers"][0]["max-connections"] = 4
    node.reload()
    release, most = threading.Event(), []
    origin = node.origins["A"]
    running = []

    def slow(exchange):
        running.append(1)
        most.append(len(running))
        release.wait(30)
        running.pop()
        exchange.answer(headers=[("X-Origin", "A")])

    origin.handler = slow
    users = [threading.Thread(target=node.asked) for _ in range(3)]
    for user in users:
        user.start()
    origin.wait_received(3)
    node.site["servers"][0]["weight"] = 2
    node.reload()
    users += [threading.Thread(target=node.asked) for _ in range(4)]
    for user in users[3:]:
        user.start()
    waiting.until(lambda: node.counts()["waiting"] == 3 and len(running) == 4, "three that wait for a place")
    assert max(most) == 4
    release.set()
    for user in users:
        user.join(30)
    assert len(origin.received) == 7 and max(most) == 4


@pytest.mark.threads
@pytest.mark.parametrize("workers", [1, 2])
def test_a_reload_gives_no_server_more_than_its_bound_and_who_waited_before_is_served_first(tmp_path, request, workers):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with Reloaded(tmp_path, names=("A",)) as node:
        node.workers = workers
        node.site["servers"][0]["max-connections"] = 2
        node.data["defaults"][node.role]["timeouts"] |= {"queue": "250s", "server": "250s"}
        node.run()
        lock, turn = threading.Lock(), threading.Semaphore(0)
        running, most, order = [], [], []

        def slow(exchange):
            with lock:
                running.append(1)
                most.append(len(running))
                order.append(exchange.request.line.split()[1])
            turn.acquire(timeout=30)
            with lock:
                running.pop()
            exchange.answer(headers=[("X-Origin", "A")])

        node.origins["A"].handler = slow
        statuses = []

        def user(path):
            statuses.append(get(node.address, path, headers=[("Accept", "*/*")], seconds=30).status)

        users = [threading.Thread(target=user, args=(f"/before/{index}",)) for index in range(6)]
        for thread in users:
            thread.start()
        waiting.until(lambda: len(order) == 2 and node.counts()["waiting"] == 4, "two at the server, four that wait")
        for weight in (2, 3):
            node.site["servers"][0]["weight"] = weight
            node.reload()
            later = [threading.Thread(target=user, args=(f"/after/{weight}/{index}",)) for index in range(3)]
            for thread in later:
                thread.start()
            users += later
            waiting.until(lambda: node.counts()["waiting"] == 4 + 3 * (weight - 1), "more that wait")
        assert len(order) == 2 and node.server("A")["inFlight"] == 2 and node.counts()["in-flight"] == 2
        for served in range(3, 13):
            turn.release()
            waiting.until(lambda: len(order) == served, f"request {served} at the server")
        turn.release()
        turn.release()
        for thread in users:
            thread.join(30)
        assert statuses == [200] * 12 and max(most) == 2, (statuses, most)
        assert [path.split("/")[1:-1] for path in order] == [["before"]] * 6 + [["after", "2"]] * 3 + [["after", "3"]] * 3, order
        waiting.until(lambda: node.counts()["in-flight"] == 0, "no request left")


def test_connections_of_the_former_plan_count_against_a_bound_that_a_listener_or_the_sources_get_or_change(reloaded):
    node = reloaded()
    host = node.range.map("127.0.1.1")
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(RawConnection(node.address, 30)) for _ in range(2)]
        for connection in held:
            # Busy, so that it outlives its plan.
            connection.send("GET / HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nContent-Length: 2\r\n\r\n1")
        waiting.until(lambda: node.counts()["clients"] == 2, "two connections")
        node.entry["listen"] = [{"address": f"{host}:8080", "max-connections": 3}]
        node.reload()
        assert node.asked() in "AB"
        node.entry["listen"] = [{"address": f"{host}:8080", "max-connections": 2}]
        node.reload()
        waits = stack.enter_context(RawConnection(node.address, 30))
        waits.send("GET / HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n")
        with pytest.raises(TimeoutError):
            waits.socket.settimeout(0.5)
            waits.answer()
        waits.socket.settimeout(30)
        held[0].send("2")
        assert held[0].answer().status == 200
        assert waits.answer().status == 200


def test_connections_of_the_former_plan_count_against_a_changed_bound_of_their_source(tmp_path, request):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with Reloaded(tmp_path, limits={"connections-per-source": 10}) as node:
        node.run()
        with RawConnection(node.address, 30) as first, RawConnection(node.address, 30) as second:
            for connection in (first, second):
                connection.send("GET / HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nContent-Length: 2\r\n\r\n1")
            waiting.until(lambda: node.counts()["clients"] == 2, "two connections")
            node.data["defaults"][node.role]["limits"]["connections-per-source"] = 2
            node.reload()
            with pytest.raises((CutShort, ConnectionError)):
                node.asked()
            first.send("2")
            assert first.answer().status == 200
            waiting.until(lambda: node.counts()["clients"] == 1, "the end of the first one")
            assert node.asked() in "AB"


def test_a_reload_that_takes_long_delays_no_other_command(reloaded):
    node = reloaded()
    # It is read when somebody writes it.
    file = node.folder / "password"
    os.mkfifo(file)
    node.entry["status-page"] = {"listen": f"{node.address[0]}:8082", "user": "operator", "password": f"file:{file}"}
    node.write()
    answers = []
    asks = threading.Thread(target=lambda: answers.append(node.admin("reload")))
    asks.start()
    waiting.until(lambda: any("wait_for_partner" in channel for channel in node.waits()), "the node reading the file")
    assert "ok" in node.admin("drain A") and node.status()["phase"] == "running" and not answers
    file.write_text("secret\n")
    asks.join(30)
    assert answers[0].startswith("ok\n") and get((node.address[0], 8082)).status == 401, answers


@pytest.mark.threads
def test_a_hundred_reloads_under_load_fail_no_request_and_leave_nothing_behind(reloaded):
    node = reloaded(names=("A", "B", "C"))
    count = 100 if not sanitizer.chosen() else 20
    with Load(node.address) as load:
        for _ in range(3):
            node.site["servers"][0]["weight"] = node.site["servers"][0].get("weight", 1) % 5 + 1
            node.reload()

        def rest():
            return sorted(name for name in node.tasks())

        waiting.until(lambda: rest().count("worker-0") == 1 and rest().count("worker-1") == 1, "the former workers gone")
        tasks, began = rest(), time.monotonic()
        open_before = node.descriptors()
        memory = resident_kib(node.node.process.pid)
        for number in range(count):
            node.site["servers"][number % 3]["weight"] = number % 7 + 1
            node.reload()
        seconds = time.monotonic() - began
    assert not load.failures, (len(load.failures), load.failures[:5])
    assert load.answers > count
    waiting.until(lambda: rest() == tasks, "the former workers gone")
    if node.has_tables_of_its_own():
        main = len(open_before["geodirector"][0])
        waiting.until(lambda: len(node.descriptors()["geodirector"][0]) <= main, "descriptors of the process as before")
        for links in node.descriptors()["worker-0"] + node.descriptors()["worker-1"]:
            assert len(links) < 40, links
    waiting.until(lambda: node.counts()["clients"] == node.counts()["in-flight"] == 0, "nobody there")
    if not sanitizer.chosen():
        assert resident_kib(node.node.process.pid) - memory < 8_192, (memory, resident_kib(node.node.process.pid))
    print(f"{count} reloads in {seconds:.1f} s, {load.answers} answers")


@pytest.mark.measures("under a sanitizer, which knows what is in memory, nothing is given back")
def test_memory_that_a_reload_needed_is_given_back(reloaded):
    node = reloaded(names=("A", "B"))
    process = node.node.process.pid
    node.site["servers"][0]["weight"] = 50
    # The highest is counted from here on.
    pathlib.Path(f"/proc/{process}/clear_refs").write_text("5")
    node.reload()

    def given_back() -> int:
        status = pathlib.Path(f"/proc/{process}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) - resident_kib(process)

    waiting.until(lambda: given_back() > 4096, "4 MiB of what the reload needed given back", 10)


def test_sigterm_right_after_a_reload_ends_in_order(reloaded):
    node = reloaded()
    with Load(node.address, keeps=lambda _: False) as load:
        node.site["servers"][0]["weight"] = 9
        node.write()
        node.node.send(signal.SIGHUP)
        node.node.terminate()
        assert node.node.wait_exit() == 0
    assert not any("cut" in failure for failure in load.failures), load.failures[:5]


def test_the_command_tells_what_has_changed_or_why_nothing_has(reloaded):
    node = reloaded()
    node.site["servers"][0]["weight"] = 9
    node.write()
    assert node.admin("reload") == "ok\nN serves by the topology read again: weight of A 1 -> 9\n\n"
    assert "nothing of it has changed" in node.admin("reload")
    node.write("geodirector: 1\nsites: [\n")
    assert node.admin("reload").startswith("error: N goes on with the topology it has: ")
    assert new_users(node) == {"A", "B"}
