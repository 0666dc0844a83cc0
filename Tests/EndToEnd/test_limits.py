"""Bounds of connections and shortages of the system: a node degrades, says so once, recovers by itself, and blames no server."""

import contextlib
import pathlib
import resource
import socket
import threading
import time

import pytest

from harness import waiting
from harness.access_log import entries
from harness.raw import RawConnection, get, request
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.threads, pytest.mark.timeout(60)]


@pytest.fixture
def node(request, tmp_path):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with contextlib.ExitStack() as stack:

        def starter(prepare=lambda single: None, **settings):
            settings.setdefault("names", ("A",))
            single = stack.enter_context(Single(tmp_path, **settings))
            prepare(single)
            single.address = single.geodirector()
            return single

        yield starter


def said(single, words: str) -> int:
    return single.nodes["geodirector"].err.read_text(errors="replace").count(words)


def opened(stack, address, count, source=None) -> list[socket.socket]:
    connections = [socket.create_connection(address, 5, (source, 0) if source else None) for _ in range(count)]
    for connection in connections:
        stack.enter_context(connection)
    return connections


def works(connection: socket.socket) -> bool:
    """Whether a request on an open connection is answered within the connection's time-out."""
    try:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        return connection.recv(4096).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def must_serve_unharmed(single):
    process = single.nodes["geodirector"]
    waiting.until(lambda: get(single.address).status == 200, "the node serving again")
    assert process.runs and " is down" not in process.err.read_text(), process.tail()


LONG = {"request": "20s", "keep-alive": "20s"}


def listener_bound(bound):
    def prepare(single):
        entry = single.data["sites"][0]["balancers"][0]
        entry["listen"] = [{"address": entry["listen"], "max-connections": bound}]

    return prepare


@pytest.mark.parametrize("settings, words", [
    ({"limits": {"connections": 10}}, "10 client connections are open, the limit"),
    ({"prepare": listener_bound(10)}, "is at its limit of connections"),
])
def test_above_a_bound_connections_wait_and_are_served_when_others_end(node, settings, words):
    single = node(timeouts=LONG, **settings)
    with contextlib.ExitStack() as stack:
        first = opened(stack, single.address, 10)
        assert all(works(connection) for connection in first)
        late = opened(stack, single.address, 1)[0]
        late.settimeout(0.5)
        late.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with pytest.raises(TimeoutError):
            late.recv(1)
        first.pop().close()
        late.settimeout(5)
        assert late.recv(4096).startswith(b"HTTP/1.1 200")
        waiting.until(lambda: said(single, words), "the line in the log")
        assert said(single, words) == 1
    must_serve_unharmed(single)


def test_a_source_above_its_bound_is_closed_and_others_are_served(node):
    single = node(timeouts=LONG, limits={"connections-per-source": 5, "exempt-sources": "127.77.0.0/16"})
    with contextlib.ExitStack() as stack:
        first = opened(stack, single.address, 5, "127.76.0.1")
        assert all(works(connection) for connection in first)
        assert not works(opened(stack, single.address, 1, "127.76.0.1")[0])
        assert works(opened(stack, single.address, 1, "127.76.0.2")[0])
        assert all(works(connection) for connection in opened(stack, single.address, 20, "127.77.0.1"))
        waiting.until(lambda: said(single, "a source address has 5 connections open"), "the line in the log")
        first.pop().close()

        def admitted():
            with socket.create_connection(single.address, 5, ("127.76.0.1", 0)) as connection:
                return works(connection)

        waiting.until(admitted, "the source being admitted again")
    must_serve_unharmed(single)


def test_behind_a_proxy_that_names_its_clients_the_bound_is_theirs(node):
    def behind_a_proxy(single):
        entry = single.data["sites"][0]["balancers"][0]
        entry["listen"] = [{"address": entry["listen"], "proxy-protocol": "127.77.0.0/16"}]

    single = node(prepare=behind_a_proxy, timeouts=LONG, limits={"connections-per-source": 5})
    with contextlib.ExitStack() as stack:

        def proxied(source):
            connection = opened(stack, single.address, 1, "127.77.0.1")[0]
            connection.sendall(f"PROXY TCP4 {source} 192.0.2.1 4711 443\r\n".encode())
            return connection

        assert all(works(connection) for connection in opened(stack, single.address, 4, "127.76.0.1"))
        fifth = proxied("127.76.0.1")
        assert works(fifth)
        assert not works(proxied("127.76.0.1")), "the header's source is at its bound"
        assert not works(opened(stack, single.address, 1, "127.76.0.1")[0]), "what was refused has given no place back"
        assert all(works(proxied(f"198.51.100.{last}")) for last in range(1, 20)), "the proxy itself has no bound"
        fifth.close()
        waiting.until(lambda: works(proxied("127.76.0.1")), "the source being admitted again")
        assert not works(opened(stack, single.address, 1, "127.76.0.1")[0]), "and one place is one"
    must_serve_unharmed(single)


def test_out_of_descriptors_nothing_spins_and_no_server_is_blamed(node):
    single = node(timeouts=LONG)
    process = single.nodes["geodirector"]
    with RawConnection(single.address) as user:
        user.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert user.answer().status == 200
        # Standard input, output and error are all that every thread has open: not one more can be had, on either side.
        before = resource.prlimit(process.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.process.pid, resource.RLIMIT_NOFILE, (3, before[1]))
        with socket.create_connection(single.address, 5) as late:
            waiting.until(lambda: said(single, "no descriptor or memory for client connections"), "the line in the log")
            ticks = cpu_ticks(process.process.pid)
            late.settimeout(1)
            late.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            with pytest.raises(TimeoutError):
                late.recv(1)
            assert cpu_ticks(process.process.pid) - ticks < 30, "the node spins"
            resource.prlimit(process.process.pid, resource.RLIMIT_NOFILE, before)
            late.settimeout(5)
            assert late.recv(4096).startswith(b"HTTP/1.1 200")
        assert said(single, "no descriptor or memory for client connections") == 1
    must_serve_unharmed(single)


def test_a_request_that_finds_no_descriptor_for_its_server_is_503_and_the_next_one_is_served(node):
    single = node(timeouts=LONG, limits={"pooled-per-server": 0})
    process = single.nodes["geodirector"]
    with RawConnection(single.address) as user:
        user.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert user.answer().status == 200
        before = resource.prlimit(process.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.process.pid, resource.RLIMIT_NOFILE, (3, before[1]))
        for _ in range(8):
            user.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = user.answer()
            assert answer.status == 503 and answer.all("Retry-After")
        waiting.until(lambda: said(single, "for a connection to a server: 503"), "the line in the log")
        resource.prlimit(process.process.pid, resource.RLIMIT_NOFILE, before)
        user.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert user.answer().status == 200
    must_serve_unharmed(single)


def cpu_ticks(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def taken(address, connection) -> bool:
    """Whether a worker has accepted the connection: in the kernel's queue its socket has no file yet."""
    def packed(host, port):
        return "{:08X}:{:04X}".format(int.from_bytes(socket.inet_aton(host), "little"), port)

    ends = [packed(*address), packed(*connection.getsockname())]
    with open("/proc/net/tcp") as table:
        return any(row[1:3] == ends and row[9] != "0" for row in map(str.split, table))


def accepting(single) -> int:
    """Workers that have the node's listener in their epoll set."""
    host, port = single.address
    local = "{:08X}:{:04X}".format(int.from_bytes(socket.inet_aton(host), "little"), port)
    with open("/proc/net/tcp") as table:
        inode, = (int(row[9]) for row in map(str.split, table) if row[1] == local and row[3] == "0A")
    # Each worker has a copy of the table in which all epoll descriptors are.
    found = set()
    for task in pathlib.Path(f"/proc/{single.nodes['geodirector'].process.pid}/task").iterdir():
        for entry in (task / "fdinfo").iterdir():
            with contextlib.suppress(OSError):
                if f" ino:{inode:x} " in entry.read_text():
                    found.add(entry.name)
    return len(found)


@contextlib.contextmanager
def parked(node, **timeouts):
    """A node at its bound of one connection, and one more that a worker has taken for the last place: the other's listener is open still."""
    single = node(prepare=lambda single: setattr(single, "workers", 2), timeouts=LONG | timeouts, limits={"connections": 1},
                  options={"grace": "500ms"})
    with contextlib.ExitStack() as stack:
        def held():
            """Both may pause, one of them for the connection that found the node ready: then it is tried again."""
            waiting.until(lambda: accepting(single) == 2, "both workers accepting")
            holder, = opened(stack, single.address, 1)
            assert works(holder)
            if accepting(single) == 1:
                return holder
            holder.close()
            return None

        holder = waiting.until(held, "one worker holding the place and the other accepting")
        late, = opened(stack, single.address, 1)
        waiting.until(lambda: taken(single.address, late), "a worker taking the connection beyond the bound")
        yield single, holder, late


def test_a_connection_taken_beyond_the_bound_is_served_when_a_place_is_free(node):
    with parked(node) as (single, holder, late):
        late.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        holder.close()
        assert late.recv(4096).startswith(b"HTTP/1.1 200")
    must_serve_unharmed(single)


@pytest.mark.parametrize("speaks", [False, True], ids=["a silent one", "one that has sent a request"])
def test_a_connection_taken_beyond_the_bound_is_given_up_in_time(node, speaks):
    with parked(node, request="1s") as (single, holder, late):
        if speaks:
            late.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        late.settimeout(10)
        begin = time.monotonic()
        with contextlib.suppress(ConnectionResetError):
            assert late.recv(1) == b""
        assert time.monotonic() - begin > 0.5, "not at once: a place may become free"
        # Those that come later wait in the kernel's queue, and are served.
        with contextlib.ExitStack() as stack:
            next_one, = opened(stack, single.address, 1)
            holder.close()
            assert works(next_one)
    must_serve_unharmed(single)


@pytest.mark.parametrize("soft", [False, True], ids=["SIGTERM", "SIGUSR1"])
def test_a_stop_with_a_connection_taken_beyond_the_bound_ends_in_order(node, soft):
    with parked(node) as (single, holder, late):
        process = single.nodes["geodirector"]
        process.soft_stop() if soft else process.terminate()
        waiting.until(lambda: "stops" in process.tail(), "the stop having begun")
        # A soft stop frees the place of who was idle, and the late one is served; else it is closed. Both are let go of.
        late.settimeout(20)
        with contextlib.suppress(OSError):
            late.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = late.recv(4096)
            assert answer == b"" or (answer.startswith(b"HTTP/1.1 200") and b"Connection: close" in answer)
        assert process.wait_exit(20) == 0
        assert "fatal" not in process.tail(50).lower()


def test_the_bound_of_connections_is_exact_with_several_workers_and_nobody_is_turned_away(node):
    """Many more clients than places, that come and go all the time: those that find no place wait, and never one too many is served."""
    bound, most, now, lock = 6, 0, 0, threading.Lock()
    single = node(prepare=lambda single: setattr(single, "workers", 3), timeouts=LONG | {"server": "20s"},
                  limits={"connections": bound, "pooled-per-server": 0})

    def counting(exchange):
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        # Long enough that those of all workers meet.
        threading.Event().wait(0.03)
        with lock:
            now -= 1
        exchange.answer()

    single.origins["A"].handler = counting
    wrong = []

    def user():
        for _ in range(8):
            try:
                with socket.create_connection(single.address, 20) as connection:
                    connection.sendall(request())
                    if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
                        wrong.append("no answer")
            except OSError as error:
                wrong.append(repr(error))

    users = [threading.Thread(target=user) for _ in range(5 * bound)]
    for thread in users:
        thread.start()
    for thread in users:
        thread.join()
    assert not wrong, f"{len(wrong)} of {len(users) * 8}: {wrong[0]}"
    assert most == bound, f"{most} at one time"
    must_serve_unharmed(single)


def test_a_target_full_of_quotes_leaves_each_line_of_the_log_whole(node):
    single = node(prepare=lambda single: setattr(single, "workers", 1))
    targets = [b"/" + b'"' * 900, b"/" + b'"' * 3_000, b"/" + b"x" * 3_000, b"/last"]
    for target in targets:
        with RawConnection(single.address) as user:
            user.send(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\nAccept: a\r\n\r\n")
            assert user.answer().status == 200
    process = single.nodes["geodirector"]
    waiting.until(lambda: any("/last" in line for line in process.log_lines()), "the last line in the log")
    lines = process.log_lines()
    assert len(lines) == len(targets), [len(line) for line in lines]
    for entry in entries(lines):
        assert entry.site == "HOME" and entry.why == "new" and entry.request.startswith("GET /"), entry
    assert len(entries(lines)) == len(targets)


def test_of_many_that_pipeline_at_once_nobody_is_forgotten(node):
    single = node(prepare=lambda single: setattr(single, "workers", 1), timeouts=LONG, limits={"connections": 50})
    process = single.nodes["geodirector"]
    with contextlib.ExitStack() as stack:
        users = [stack.enter_context(RawConnection(single.address)) for _ in range(50)]
        assert all(user.ask().status == 200 for user in users)
        # All in one round of the worker, and answers that need no server: each has its next request at once.
        process.pause()
        for user in users:
            user.send(b"OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n" * 20)
        process.resume()
        for user in users:
            user.socket.settimeout(5)
            assert {user.answer().status for _ in range(20)} == {200}
