"""The harness does what the scenarios trust it to do."""

import errno
import socket
import time

from harness.access_log import parse
from harness.addresses import LoopbackRange, NamespaceRange, fixed
from harness.cookies import Jar
from harness.delay import DelayThread
from harness.namespaces import Fabric
from harness.origin import Origin
from harness.raw import RawConnection, elapsed, get
from harness.topology import REPOSITORY, Topology

ONE, OTHER = "198.18.0.1", "198.18.0.2"


def test_a_cut_is_silent_and_heals():
    fabric = Fabric({"one": [ONE], "other": [OTHER]})
    try:
        listener = fabric.namespaces["other"].call(lambda: socket.create_server((OTHER, 8080)))

        def connect():
            with socket.socket() as client:
                client.settimeout(0.3)
                return client.connect_ex((OTHER, 8080))

        def timed():
            begin = time.monotonic()
            return fabric.namespaces["one"].call(connect), time.monotonic() - begin

        assert timed()[0] == 0
        for source, target in (("one", "other"), ("other", "one")):
            fabric.cut(source, target)
            code, seconds = timed()
            assert code in (errno.EAGAIN, errno.ETIMEDOUT) and seconds >= 0.3, "the cut was noticed at once"
            fabric.heal(source, target)
            assert timed()[0] == 0
        listener.close()
    finally:
        fabric.remove()


def test_a_cut_is_silent_for_open_connections_too():
    fabric = Fabric({"one": [ONE], "other": [OTHER]})
    try:
        listener = fabric.namespaces["other"].call(lambda: socket.create_server((OTHER, 8080)))
        client = fabric.namespaces["one"].call(lambda: socket.create_connection((OTHER, 8080)))
        server, _ = listener.accept()
        fabric.cut("one", "other")
        client.sendall(b"x")
        server.settimeout(0.3)
        try:
            assert not server.recv(1)
        except TimeoutError:
            pass
        fabric.heal("one", "other")
        server.settimeout(10)
        assert server.recv(1) == b"x", "what was sent during the cut is sent again after it"
        for end in (client, server, listener):
            end.close()
    finally:
        fabric.remove()


def test_ranges_do_not_overlap_and_keep_what_is_no_node():
    one, other = LoopbackRange(), LoopbackRange()
    try:
        assert one.map("127.1.2.3:8080") != other.map("127.1.2.3:8080")
        for kept in ("127.0.0.1:80", "127.0.0.0/8", "10.1.2.3", "127.1.0.0/16"):
            assert one.map(kept) == kept
        assert NamespaceRange().map("127.2.1.11:8080") == "198.18.129.11:8080"
    finally:
        one.release()
        other.release()


def test_two_directors_a_site_are_distinct_nodes():
    nodes = Topology.read("two-sites").with_two_directors().nodes()
    services = [node.service for node in nodes.values()]
    assert {"SD1", "SD1B", "SD2", "SD2B"} <= set(nodes) and len(set(services)) == len(services)


def test_the_jar_keeps_path_and_expiry():
    jar = Jar("shop.example")
    jar.learn("/app/x", [("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; Path=/app"), ("Set-Cookie", "c=3; Domain=other.example")])
    assert jar.header("/") == "a=1" and set(jar.header("/app/y").split("; ")) == {"a=1", "b=2"}
    jar.learn("/", [("Set-Cookie", "a=; Expires=Thu, 01-Jan-1970 00:00:01 GMT; path=/")])
    assert jar.header("/") is None


def test_an_origin_that_stops_refuses():
    held = LoopbackRange()
    address = (held.map("127.1.1.1"), 8080)
    origin = Origin("A", address)
    with origin:
        assert get(address).status == 200
        assert [received.line for received in origin.received] == ["GET / HTTP/1.1"]
    try:
        get(address)
        raise AssertionError("the origin still answers")
    except ConnectionRefusedError:
        pass
    with origin:
        assert get(address).status == 200
    held.release()


def test_an_access_log_line_is_taken_apart():
    line = ('127.0.0.1:40000 [21/Nov/2026:04:00:00.123] SD1 shop/S1L1 0/0/1/2/3 200 512 SITE=SITE1 - --VN 1/1/1/1/+2 '
            '0/0 "GET / HTTP/1.1" tier=0 site=SITE1 why=cookie')
    entry = parse(line)
    assert (entry.node, entry.server, entry.retries, entry.why) == ("SD1", "S1L1", 2, "cookie")
    assert parse("SD1 listening on 127.1.1.1:8080") is None


def test_no_ready_made_network_has_an_address_that_tests_beside_each_other_would_share():
    names = sorted(path.stem for path in (REPOSITORY / "topologies").glob("*.yaml"))
    assert len(names) > 10
    for name in names:
        Topology.read(name)
    assert fixed('"127.11.1.1:80", 127.0.0.1, 127.0.0.0/8, 127.7.1.1, 10.8.0.1') == ["127.11.1.1"]


def test_a_delayed_line_takes_what_a_handshake_and_a_round_trip_take():
    where = LoopbackRange()
    try:
        near, far = (where.map("127.1.1.1"), 8080), (where.map("127.1.1.2"), 8080)
        with Origin("far", far, lambda exchange: exchange.answer(body=b"x" * 100_000)), DelayThread(near, far, 0.1):
            with RawConnection(near) as connection:
                seconds, answer = elapsed(lambda: connection.ask())
                assert len(answer.body) == 100_000 and 0.2 <= seconds < 0.5
                seconds, _ = elapsed(lambda: connection.ask())
                assert 0.1 <= seconds < 0.4
    finally:
        where.release()
