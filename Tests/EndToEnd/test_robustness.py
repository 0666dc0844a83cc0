"""What a client or a server may do that is no everyday use, and what must not come of it: a process that ends, an upload
cut although it went on, a user's bytes at another user's connection, a request that is never answered."""

import contextlib
import random
import socket
import threading
import time

import pytest

from harness import waiting
from harness.geodirector import Geodirector
from harness.process import Node
from harness.raw import RawConnection, elapsed, get, request
from harness.single import Single
from harness.topology import NodeSpec, Topology

pytestmark = [pytest.mark.own, pytest.mark.timeout(30)]

FIN_WAIT2 = 5
PREFIX = {"name": "S", "mode": "prefix"}
SITE = {"name": "SITE"}
MALFORMED = b"POST / HTTP/1.1\r\nHost: a\r\nAccept: x\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n"


@pytest.fixture
def node(request, tmp_path):
    """Starts origins and one node before them; `node.address` is where it serves. After the test it must run still."""
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with contextlib.ExitStack() as stack:

        def starter(prepare=lambda single: None, **settings):
            settings.setdefault("names", ("A",))
            single = stack.enter_context(Single(tmp_path, **settings))
            prepare(single)
            single.address = single.geodirector()
            single.origin = single.origins["A"]
            return single

        yield starter


def must_serve(single):
    """The process of the start runs and answers a new user."""
    process = single.nodes["geodirector"]
    assert get(single.address).status == 200 and process.runs, process.tail()


def narrow(exchange, size: int = 262144):
    """A server that takes little beforehand: what it has not read waits at the node, not in its own kernel."""
    exchange.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def send_beside(client: RawConnection, data: bytes) -> threading.Thread:
    """Sends while the test does something else; a connection that ends meanwhile ends the sending."""
    def send():
        with contextlib.suppress(OSError):
            client.send(data)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    return thread


def unread(address: tuple[str, int]) -> int:
    """Bytes that arrived at the sockets of an address and that their process has not read yet."""
    local = "{:08X}:{:04X}".format(int.from_bytes(socket.inet_aton(address[0]), "little"), address[1])
    with open("/proc/net/tcp") as table:
        rows = [row.split() for row in list(table)[1:]]
    # State 0A is the listener, whose queue counts connections; those not accepted yet have rows of their own.
    return sum(int(row[4].split(":")[1], 16) for row in rows if row[1] == local and row[3] != "0A")


def connecting(address: tuple[str, int]) -> int:
    """Handshakes begun towards an address and not ended."""
    remote = "{:08X}:{:04X}".format(int.from_bytes(socket.inet_aton(address[0]), "little"), address[1])
    with open("/proc/net/tcp") as table:
        rows = [row.split() for row in list(table)[1:]]
    return sum(1 for row in rows if row[2] == remote and row[3] == "02")


class TestMalformedBodies:
    @pytest.mark.parametrize("pooled", [False, True])
    def test_a_malformed_chunk_in_the_segment_of_the_head_is_400(self, node, pooled):
        single = node()
        if pooled:
            must_serve(single)
            assert single.origin.open_connections > 0, "no connection to the server was kept"
        for _ in range(3):
            with RawConnection(single.address) as client:
                client.send(MALFORMED)
                assert client.answer().status == 400
                assert client.closed()
        must_serve(single)
        assert all("GET" in received.line for received in single.origin.received)


class TestManyCopiesOfACookie:
    COPIES = 600

    @pytest.mark.parametrize("role, cookies, value", [
        ("site-director", {"site": SITE}, "SITE=Q"),
        ("site-director", {"site": SITE}, "SITE=HOME"),
        ("site-balancer", {"session": PREFIX}, "S=A~1"),
        ("site-balancer", {"session": PREFIX}, "S=Q~1"),
    ])
    def test_hundreds_of_routing_cookies_are_removed_or_refused(self, node, role, cookies, value):
        single = node(role=role, **cookies)
        header = f"{value}; x=1; " * self.COPIES + "y=2"
        assert len(header) > 6000
        answer = get(single.address, headers=[("Cookie", header)])
        assert answer.status in (200, 431)
        if answer.status == 200:
            arrived = "; ".join(single.origin.received[0].all("Cookie")).split("; ")
            # A prefix is taken off the first cookie of the name only, as the reference does.
            left = [pair for pair in arrived if pair.startswith(("SITE=", "S=A~", "S=Q~"))]
            assert len(left) == (0 if role == "site-director" else self.COPIES - 1)
            assert arrived.count("x=1") == self.COPIES and arrived[-1] == "y=2"
        must_serve(single)


class TestUploads:
    def test_bytes_on_their_way_to_a_server_that_does_not_read_stay_their_own_users(self, node):
        """The server takes nothing for longer than the client may be silent. The client is not to blame: its request is not
        given up, and what of it waits in the node is not written over by the next user's request."""
        client_timeout = 0.8
        single = node(timeouts={"client": f"{client_timeout}s", "server": "20s", "unacknowledged": "20s"},
                      limits={"body": "100MiB"}, options={"workers": 1})
        size, secret, release, at_first = 20_000_000, b"SECRET-OF-B ", threading.Event(), []
        seen_whole = threading.Event()

        def handler(exchange):
            if exchange.request.line.startswith("POST /first"):
                narrow(exchange)
                release.wait(20)
                with contextlib.suppress(OSError):
                    while sum(map(len, at_first)) < size and (data := exchange.stream.read1(1 << 20)):
                        at_first.append(data)
                    exchange.answer()
                seen_whole.set()
            else:
                exchange.request.body = exchange.stream.read(int(exchange.request.first("Content-Length")))
                exchange.answer()
        handler.reads_itself = True
        single.origin.handler = handler
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(RawConnection(single.address))
            first.send(f"POST /first HTTP/1.1\r\nHost: a\r\nAccept: x\r\nContent-Length: {size}\r\n\r\n")
            # The pause: the node has passed on the head, and waits for the body with the client's time running.
            single.origin.wait_received(1)
            send_beside(first, b"A" * size)
            time.sleep(1.5 * client_timeout)  # The case itself: a server that is slower than its client's time-out.
            body = secret * 5000
            second = stack.enter_context(RawConnection(single.address))
            second.send(b"POST /second HTTP/1.1\r\nHost: a\r\nAccept: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:-12])
            single.origin.wait_received(2)
            release.set()
            assert seen_whole.wait(10), "the first upload does not come to an end"
            second.send(body[-12:])
            assert second.answer().status == 200
            assert single.origin.received[1].body == body
            taken = b"".join(at_first)
            assert secret not in taken, "bytes of the second user went to the first one's server connection"
            assert taken == b"A" * size, f"{len(taken)} of {size} bytes of the first user arrived"
            assert first.answer().status == 200

    def test_a_server_that_pauses_longer_than_bytes_may_stay_unacknowledged_gets_the_whole_upload(self, node):
        unacknowledged = 0.7
        single = node(timeouts={"client": "6s", "server": "6s", "unacknowledged": "700ms"})

        def pausing(exchange):
            narrow(exchange)
            time.sleep(2 * unacknowledged)  # The case itself: alive, but busy.
            exchange.request.body = exchange.stream.read(int(exchange.request.first("Content-Length")))
            exchange.answer()
        pausing.reads_itself = True
        single.origin.handler = pausing
        body = random.Random(4).randbytes(5 * 1024 * 1024)
        with RawConnection(single.address) as client:
            send_beside(client, request("POST", body=body))
            seconds, answer = elapsed(client.answer)
        assert answer.status == 200 and seconds > 2 * unacknowledged
        assert single.origin.received[0].body == body

    def test_an_upload_may_take_longer_than_every_timeout_while_it_goes_on(self, node):
        size, rate = 9_000_000, 3_000_000
        single = node(timeouts={"client": "1s", "server": "1s", "unacknowledged": "1s"}, limits={"body": "10MiB"})

        def slow(exchange):
            narrow(exchange)
            begin, parts, have = time.monotonic(), [], 0
            while have < size:
                parts.append(exchange.stream.read(min(100_000, size - have)))
                have += len(parts[-1])
                # The case itself: a server at a steady, slow rate.
                time.sleep(max(0.0, begin + have / rate - time.monotonic()))
            exchange.request.body = b"".join(parts)
            exchange.answer()
        slow.reads_itself = True
        single.origin.handler = slow
        body = random.Random(5).randbytes(size)
        with RawConnection(single.address) as client:
            send_beside(client, request("POST", body=body))
            seconds, answer = elapsed(client.answer)
        assert answer.status == 200 and seconds > 2.5
        assert single.origin.received[0].body == body


    TIMEOUT = 1.5

    @staticmethod
    def uploading(read_late: float, answer_late: float, late: int = 300_000):
        """A server that reads all but the last bytes, these after a while, and answers after another."""
        def handler(exchange):
            narrow(exchange, 65536)
            size = int(exchange.request.first("Content-Length"))
            exchange.request.body = exchange.stream.read(size - late)
            time.sleep(read_late)  # The case itself, both times: a server that takes its time.
            exchange.request.body += exchange.stream.read(late)
            time.sleep(answer_late)
            exchange.answer()
        handler.reads_itself = True
        return handler

    def test_the_servers_time_runs_from_the_last_byte_it_acknowledged(self, node):
        """Its tail waits in the kernels' buffers when the upload has left the node."""
        single = node(timeouts={"client": "1s", "server": f"{self.TIMEOUT:g}s", "unacknowledged": "5s"})
        single.origin.handler = self.uploading(0.8 * self.TIMEOUT, 0.7 * self.TIMEOUT)
        body = random.Random(8).randbytes(2_000_000)
        with RawConnection(single.address) as client:
            send_beside(client, request("POST", body=body))
            assert client.answer().status == 200
        assert single.origin.received[0].body == body

    # The longer time is beyond the moment from which the kernel asks whether the server lives: its answers are no progress.
    @pytest.mark.parametrize("timeout", [TIMEOUT, 4.0])
    def test_a_server_that_has_the_whole_upload_and_stays_silent_has_no_more_time_than_with_a_small_request(
            self, node, timeout):
        single = node(timeouts={"client": "1s", "server": f"{timeout:g}s", "unacknowledged": "5s"})
        single.origin.handler = self.uploading(0, 3 * timeout)
        with RawConnection(single.address) as client:
            begin = time.monotonic()
            send_beside(client, request("POST", body=bytes(2_000_000)))
            assert client.answer().status == 504
            assert timeout <= time.monotonic() - begin < 1.8 * timeout


class TestHalfClosedClients:
    """A client that has sent its request and closes its direction still waits for the answer, as the reference has it
    unless told otherwise (`option abortonclose`)."""

    BACKEND = "timeout queue 10s\noption redispatch\ncookie S prefix\nserver A @A cookie A maxconn 1"

    @staticmethod
    def asked(single, stack, target, headers=()):
        client = stack.enter_context(RawConnection(single.address))
        client.send(request(target=target, headers=headers))
        return client

    @staticmethod
    def half_close(single, *clients):
        # All of them first: an end of stream that nobody has read counts as unread.
        waiting.until(lambda: unread(single.address) == 0, "the node having the requests")
        for client in clients:
            client.socket.shutdown(socket.SHUT_WR)
            state = waiting.until(
                lambda: (state := client.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]) > 4 and state,
                "the end of the stream having arrived")
            assert state == FIN_WAIT2, "the node has ended the connection, too"

    @pytest.mark.parametrize("side", ["geodirector", "haproxy"])
    def test_is_served_from_a_queue_and_while_the_answer_is_awaited(self, node, side):
        def one_slot(single):
            single.data["sites"][0]["servers"][0]["max-connections"] = 1

        single = node(one_slot, session=PREFIX, timeouts={"queue": "10s", "server": "10s"})
        if side == "haproxy":
            single.address = single.haproxy(self.BACKEND)
        released = threading.Event()

        def held(exchange):
            released.wait(10)
            exchange.answer()
        single.origin.handler = held
        with contextlib.ExitStack() as stack:
            holder = self.asked(single, stack, "/holder")
            single.origin.wait_received(1)
            queued = self.asked(single, stack, "/queued")
            self.half_close(single, holder, queued)
            assert len(single.origin.received) == 1, "nobody waits"
            released.set()
            for client in (holder, queued):
                assert client.answer().status == 200
                assert client.closed()
        assert [received.line.split()[1] for received in single.origin.received] == ["/holder", "/queued"]

    def test_is_served_when_the_trial_it_awaits_succeeds(self, node):
        single = node(names=("A", "B"), session=PREFIX, timeouts={"connect": "5s", "server": "5s"})
        single.origin.stop()
        process = single.nodes["geodirector"]
        waiting.until(lambda: "A is down" in process.tail(), "A being believed down")
        with contextlib.ExitStack() as stack:
            # A server that is there and takes no connection: its queue is full, so nobody's handshake ends.
            silent = stack.enter_context(socket.socket())
            silent.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            silent.bind(single.origin.address)
            silent.listen(0)
            for _ in range(3):
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(single.origin.address)
            session = [("Cookie", "S=A~1")]
            waiting.until(lambda: connecting(single.origin.address) >= 2, "a full queue")
            clients = [self.asked(single, stack, "/trial", session)]
            waiting.until(lambda: unread(single.address) == 0, "the trial")
            clients.append(self.asked(single, stack, "/waits", session))
            self.half_close(single, clients[1])
            silent.close()
            single.origin.start()
            answers = [client.answer() for client in clients]
            assert [(answer.status, answer.first("X-Origin")) for answer in answers] == [(200, "A")] * 2
            assert clients[1].closed()
        assert not single.origins["B"].received


class TestResponsesBesideUploads:
    SIZE = 2 * 1024 * 1024

    def test_the_response_arrives_whole_although_the_server_stops_reading(self, node):
        single = node(limits={"body": "100MiB"})
        body = random.Random(6).randbytes(self.SIZE)
        finished = threading.Event()

        def deaf(exchange):
            narrow(exchange)
            exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self.SIZE + body[:1000])
            exchange.socket.shutdown(socket.SHUT_RD)
            for begin in range(1000, self.SIZE, 100_000):
                exchange.send(body[begin:min(begin + 100_000, self.SIZE)])
            # Closing now would reset the connection, and with it what the node has not read yet.
            finished.wait(10)
            exchange.close()
        deaf.reads_itself = True
        single.origin.handler = deaf
        with RawConnection(single.address) as client:
            client.send("POST / HTTP/1.1\r\nHost: a\r\nAccept: x\r\nContent-Length: 50000000\r\n\r\n")
            send_beside(client, b"u" * 50_000_000)
            answer = client.answer()
            finished.set()
        assert answer.status == 200 and answer.body == body
        single.origin.handler = lambda exchange: exchange.answer()
        must_serve(single)

    def test_a_request_that_cannot_be_sent_further_does_not_end_its_response(self, node, tmp_path):
        """Through a Unix socket the node is told at once that the server's reading side is closed (EPIPE)."""
        path = str(tmp_path / "a")
        body = random.Random(7).randbytes(self.SIZE)
        finished = threading.Event()

        def serve(listener):
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=one, args=(connection,), daemon=True).start()

        def one(connection):
            with contextlib.suppress(OSError), connection:
                head = b""
                while b"\r\n\r\n" not in head and (data := connection.recv(4096)):
                    head += data
                if not head.startswith(b"POST"):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    return
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self.SIZE + body[:1000])
                connection.shutdown(socket.SHUT_RD)
                connection.sendall(body[1000:])
                finished.wait(10)

        def move(single):
            single.data["sites"][0]["servers"][0]["address"] = "unix:" + path

        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(16)
            threading.Thread(target=serve, args=(listener,), daemon=True).start()
            single = node(move, limits={"body": "100MiB"})
            with RawConnection(single.address) as client:
                client.send("POST / HTTP/1.1\r\nHost: a\r\nAccept: x\r\nContent-Length: 50000000\r\n\r\n")
                send_beside(client, b"u" * 50_000_000)
                answer = client.answer()
                finished.set()
            assert answer.status == 200 and answer.body == body
            must_serve(single)
            listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.threads
class TestStops:
    @pytest.mark.parametrize("workers", [1, 3])
    def test_what_is_closed_is_closed_in_every_worker_and_what_is_in_flight_is_finished(self, node, workers):
        """Each worker has a descriptor table of its own: a copy left open would keep a port open."""
        def monitored(single):
            single.workers = workers
            single.data["sites"][0]["balancers"][0]["monitor"] = "{}:{}".format(*monitor(single))

        def monitor(single):
            return single.range.map("127.0.1.1"), 8081

        released = threading.Event()

        def held(exchange):
            released.wait(20)
            exchange.answer()

        single = node(monitored, timeouts={"client": "20s", "server": "20s"})
        single.origin.handler = held
        process = single.nodes["geodirector"]
        assert waiting.listens(monitor(single))
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(RawConnection(single.address)) for _ in range(8)]
            for client in clients:
                client.send(request())
            waiting.until(lambda: len(single.origin.received) == len(clients), "the server having every request")
            process.soft_stop()
            waiting.until(lambda: not waiting.listens(monitor(single)), "the monitor refusing", 2.0)
            process.terminate()
            waiting.until(lambda: not waiting.listens(single.address), "the node refusing connections", 5.0)
            assert process.runs
            released.set()
            assert [client.answer().status for client in clients] == [200] * len(clients)
        assert process.wait_exit(5) == 0

    def test_a_fresh_connection_that_speaks_after_sigterm_is_answered(self, node):
        single = node()
        assert single.data.get("time-scale", 1) == 1
        process = single.nodes["geodirector"]
        with RawConnection(single.address) as client:
            process.terminate()
            waiting.until(lambda: "stops" in process.tail(), "the stop having begun")
            time.sleep(0.2)  # The case itself: a client that is slow to speak.
            client.send(request("POST", body=b"late"))
            answer = client.answer()
            assert answer.status == 200 and (answer.first("Connection") or "").lower() == "close"
            assert client.closed()
        assert process.wait_exit(5) == 0
        assert single.origin.received[-1].body == b"late"


    def test_in_the_middle_of_a_check_and_of_a_question_to_the_monitor_nothing_is_left_over(self, node):
        """The process ends in order; what it would have left in memory, LeakSanitizer tells."""
        def prepare(single):
            single.data["applications"][0]["check"] = {"http": {"method": "HEAD", "path": "/", "version": "1.0"}}
            single.data["sites"][0]["balancers"][0]["monitor"] = "{}:{}".format(*monitor(single))
            single.origins["B"].stop()

        def monitor(single):
            return single.range.map("127.0.1.1"), 8081

        single = node(prepare, names=("A", "B"), check="50ms")
        process = single.nodes["geodirector"]
        with socket.create_server(single.at["B"]) as silent, socket.create_connection(monitor(single)) as asking:
            asking.sendall(b"GET /")
            silent.settimeout(10)
            check, _ = silent.accept()
            with check:
                assert check.recv(1000).startswith(b"HEAD / HTTP/1.0")
                waiting.until(lambda: unread(monitor(single)) == 0, "the monitor having read")
                process.terminate()
                assert process.wait_exit(5) == 0


@pytest.mark.threads
class TestQueues:
    @staticmethod
    def _one_at_a_time(single):
        # A queue is a worker's own, and so is its order.
        single.workers = 1
        single.data["sites"][0]["servers"][0]["max-connections"] = 1

    @staticmethod
    def _queued(single, targets_and_headers, stack):
        clients = []
        for target, headers in targets_and_headers:
            client = stack.enter_context(RawConnection(single.address))
            client.send(request(target=target, headers=headers))
            clients.append(client)
        waiting.until(lambda: unread(single.address) == 0, "the node having every request")
        return clients

    def test_users_with_sessions_go_before_users_without(self, node):
        single = node(self._one_at_a_time, session=PREFIX, timeouts={"queue": "10s", "server": "10s"})
        released = threading.Event()

        def held(exchange):
            released.wait(10)
            exchange.answer()
        single.origin.handler = held
        session = [("Cookie", "S=A~1")]
        with contextlib.ExitStack() as stack:
            clients = self._queued(single, [("/holder", [])], stack)
            single.origin.wait_received(1)
            for index in range(4):
                clients += self._queued(single, [(f"/new{index}", [])], stack)
            for index in range(4):
                clients += self._queued(single, [(f"/session{index}", session)], stack)
            released.set()
            assert [client.answer().status for client in clients] == [200] * 9
        order = [received.line.split()[1] for received in single.origin.received]
        assert order == ["/holder", *(f"/session{i}" for i in range(4)), *(f"/new{i}" for i in range(4))]

    def test_those_who_wait_for_a_server_that_is_killed_are_answered_by_another(self, node):
        single = node(self._one_at_a_time, names=("A", "B"), session=PREFIX,
                      timeouts={"queue": "10s", "server": "10s"})
        single.origin.handler = lambda exchange: released.wait(10)
        released = threading.Event()
        with contextlib.ExitStack() as stack:
            clients = self._queued(single, [("/holder", [("Cookie", "S=A~0")])], stack)
            single.origin.wait_received(1)
            clients += self._queued(single, [(f"/{index}", [("Cookie", f"S=A~{index}")]) for index in range(1, 7)], stack)
            assert len(single.origin.received) == 1 and not single.origins["B"].received, "nobody waits"
            single.origin.stop()
            released.set()
            answers = [client.answer() for client in clients]
        assert [(answer.status, answer.first("X-Origin")) for answer in answers] == [(200, "B")] * 7
        must_serve(single)


class TestHTTP10:
    def test_a_request_without_a_host_passes_two_tiers(self, node):
        single = node(session=PREFIX)
        topology = Topology(single.data)
        entry = single.data["sites"][0]["directors"][0]
        host, port = entry["listen"].rsplit(":", 1)
        system = Geodirector()
        system.prepare(topology, single.folder)
        spec = NodeSpec(entry["name"], "site-director", None, (host, int(port)), None)
        director = single.nodes["director"] = Node(spec, system.command(spec, topology, single.folder), single.folder)
        director.start().wait_ready()
        for _ in range(2):
            with RawConnection(spec.service) as client:
                client.send("GET /old HTTP/1.0\r\nAccept: x\r\n\r\n")
                answer = client.answer()
                assert (answer.status, answer.body) == (200, b"ok")
                assert client.closed()
        assert [received.line.split()[1] for received in single.origin.received] == ["/old"] * 2
        assert not single.origin.received[0].all("Host")


class TestChecks:
    def test_an_answer_to_a_check_with_a_long_head_counts_as_up(self, node):
        def lengthen(single):
            single.data["applications"][0]["check"] = {"http": {"method": "HEAD", "path": "/", "version": "1.0"}}
            single.origins["A"].check_headers = [("X-Long", "x" * 500)] * 20

        single = node(lengthen, names=("A", "B"), check="50ms")
        # Three failures in a row would be enough for down.
        waiting.until(lambda: single.origin.checks >= 6, "six checks of A")
        assert {get(single.address).first("X-Origin") for _ in range(8)} == {"A", "B"}
