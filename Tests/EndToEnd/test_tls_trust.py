"""Who is let in no more, because authorities or names have changed, is out also where a connection was kept; everybody else goes on."""

import contextlib
import signal
import socket
import ssl
import threading

import pytest

from harness import sanitizer, waiting
from harness.certificates import Authority, SecureConnection
from harness.origin import ok
from harness.raw import CutShort, RawConnection, get
from harness.secure_balancer import SecureBalancer
from harness.single import Single
from harness.topology import Topology

pytestmark = [pytest.mark.own, pytest.mark.timeout(90)]


@pytest.fixture
def bundle(tmp_path, authority):
    """A file of authorities: at first the test's own, and another one."""
    class Bundle:
        path = tmp_path / "both.pem"
        own, other = authority, Authority(tmp_path, "stranger")

        def write(self, *authorities):
            new = self.path.with_name("new")
            new.write_bytes(b"".join(each.path.read_bytes() for each in authorities))
            new.rename(self.path)

    bundle = Bundle()
    bundle.write(bundle.own, bundle.other)
    return bundle


UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "echo")]


def echo(exchange):
    """Switches protocols where that is asked for, and gives back what comes then."""
    if not exchange.request.first("Upgrade"):
        return ok(exchange)
    exchange.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
    while data := exchange.stream.read1(100):
        exchange.send(data)
    exchange.keep = False


def echoes(tunnel, text: bytes = b"hello") -> bool:
    tunnel.send(text)
    return tunnel.exactly(len(text)) == text


def ends(tunnel) -> bool:
    """With what is an end of TLS, or without."""
    tunnel.socket.settimeout(10 * sanitizer.slower())
    with contextlib.suppress(OSError):
        return tunnel.socket.recv(1) == b""
    return True


class TestClients:
    @pytest.fixture
    def director(self, tmp_path, bundle):
        with Single(tmp_path, role="site-director", tiers={"HOME": ["A"]}, timeouts={"keep-alive": "30s", "server": "10s"}) as single:
            entry = single.data["sites"][0]["directors"][0]
            single.tls = {"certificates": str(bundle.own.issue("SD1")), "require": "client-certificate", "client-ca": str(bundle.path),
                          "client-names": ["OP1", "OP2"]}
            entry["listen"] = [{"address": entry["listen"], "tls": single.tls}]
            single.address = single.geodirector()
            single.said = lambda: single.nodes["geodirector"].err.read_text()
            yield single

    def _offices(self, stack, director, bundle):
        good = bundle.own.client(bundle.own.issue("OP1"))
        bad = bundle.own.client(bundle.other.issue("OP2"))
        connections = [stack.enter_context(SecureConnection(director.address, context, "SD1")) for context in (good, bad)]
        assert [connection.ask().status for connection in connections] == [200, 200]
        return connections

    @staticmethod
    def _is_out(connection) -> bool:
        with contextlib.suppress(OSError, ValueError, CutShort):
            connection.ask()
            return False
        return True

    def test_kept_connections_of_an_authority_that_is_no_more_end_and_others_go_on(self, director, bundle):
        with contextlib.ExitStack() as stack:
            good, bad = self._offices(stack, director, bundle)
            failed, done, over = [], [], threading.Event()

            def load():
                while not over.is_set():
                    try:
                        status = good.ask().status
                        (done if status == 200 else failed).append(status)
                    except (OSError, ValueError, CutShort) as error:
                        failed.append(error)

            thread = threading.Thread(target=load, daemon=True)
            thread.start()
            bundle.write(bundle.own)
            waiting.until(lambda: "certificates were read again" in director.said(), "the new authorities")
            before = len(director.origins["A"].received)
            waiting.until(lambda: len(director.origins["A"].received) > before + 50, "requests of the other office")
            over.set()
            thread.join(10)
            assert not failed and done, failed[:3]
            assert self._is_out(bad)

    def test_a_request_under_way_is_answered_and_is_the_last(self, director, bundle):
        held = threading.Event()

        def handler(exchange):
            if exchange.request.line.startswith("GET /slow"):
                held.wait(8)
            exchange.answer()

        director.origins["A"].handler = handler
        with contextlib.ExitStack() as stack:
            good, bad = self._offices(stack, director, bundle)
            answers = []
            thread = threading.Thread(target=lambda: answers.append(bad.ask(target="/slow")), daemon=True)
            thread.start()
            waiting.until(lambda: any(each.line.startswith("GET /slow") for each in director.origins["A"].received), "the request at the server")
            bundle.write(bundle.own)
            waiting.until(lambda: "certificates were read again" in director.said(), "the new authorities")
            # One request for each worker that may have it.
            assert all(good.ask().status == 200 for _ in range(3))
            held.set()
            thread.join(10)
            assert [answer.status for answer in answers] == [200]
            assert self._is_out(bad)

    def test_a_tunnel_of_an_authority_that_is_no_more_ends_and_others_go_on(self, director, bundle):
        director.origins["A"].handler = echo
        with contextlib.ExitStack() as stack:
            good, bad = self._offices(stack, director, bundle)
            assert [connection.ask(headers=UPGRADE).status for connection in (good, bad)] == [101, 101]
            assert echoes(good) and echoes(bad)
            bundle.write(bundle.own)
            assert ends(bad)
            assert echoes(good)
            waiting.until(lambda: " K" in director.nodes["geodirector"].out.read_text(), "its line in the access log")

    def test_a_certificate_of_ours_changes_without_ending_a_connection(self, director, bundle):
        with contextlib.ExitStack() as stack:
            connections = self._offices(stack, director, bundle)
            bundle.own.issue("SD1")
            waiting.until(lambda: "certificates were read again" in director.said(), "the new certificate")
            for _ in range(3):
                assert [connection.ask().status for connection in connections] == [200, 200]

    def test_a_handshake_that_began_before_the_change_lets_nobody_in(self, tmp_path, bundle):
        tls = {"certificates": str(bundle.own.issue("SD1")), "require": "client-certificate", "client-ca": str(bundle.path)}
        inside, outside = ssl.MemoryBIO(), ssl.MemoryBIO()
        end = bundle.own.client(bundle.other.issue("OP2")).wrap_bio(inside, outside, server_hostname="SD1")
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()
        hello = outside.read()
        with SecureBalancer(tmp_path, tls) as single:
            single.run()
            before = single.sockets()
            with socket.create_connection(single.address, timeout=10 * sanitizer.slower()) as plain:
                plain.sendall(hello[:-1])
                waiting.until(lambda: single.sockets() > before, "the connection at the node")
                bundle.write(bundle.own)
                waiting.until(lambda: single.said("certificates were read again"), "the new authorities")
                plain.sendall(hello[-1:])
                # An alert, or the end, at whichever step.
                with contextlib.suppress(OSError):
                    for step in (end.do_handshake, lambda: end.write(b"GET / HTTP/1.1\r\nHost: a\r\nAccept: a\r\n\r\n"), lambda: end.read(100)):
                        while True:
                            try:
                                last = step()
                                break
                            except ssl.SSLWantReadError:
                                plain.sendall(outside.read())
                                received = plain.recv(65_536)
                                inside.write(received) if received else inside.write_eof()
                        plain.sendall(outside.read())
                    assert last == b"", "an answer"
            assert not [each for origin in single.origins.values() for each in origin.received if not each.is_check]

    def test_who_is_taken_off_the_list_is_out(self, director, bundle, tmp_path):
        with contextlib.ExitStack() as stack:
            good, bad = self._offices(stack, director, bundle)
            director.tls["client-names"] = ["OP1"]
            Topology(director.data).write(tmp_path / "topology.yaml")
            director.nodes["geodirector"].send(signal.SIGHUP)

            def out():
                return self._is_out(bad)

            waiting.until(out, "the connection's end")
            with pytest.raises((OSError, ValueError, CutShort)), SecureConnection(director.address, bundle.own.client(bundle.other.issue("OP2")), "SD1") as again:
                again.ask()


class TestServers:
    @pytest.fixture
    def balancer(self, tmp_path, bundle):
        """A is believed by the authority that stays, B by the other one."""
        options = {"upstream": {"tls": {"ca": str(bundle.path)}}}
        with Single(tmp_path, options=options, session={"name": "S", "mode": "insert"}, timeouts={"pooled": "60s"}, checked=False) as single:
            for name, signer in {"A": bundle.own, "B": bundle.other}.items():
                single.origins[name].context = signer.server(signer.issue(name, file=f"own-{name}"))
            for entry in single.data["sites"][0]["servers"]:
                entry["tls"] = True
            single.data["applications"][0]["check"] = "tcp"
            single.workers = 1
            single.address = single.geodirector()
            single.said = lambda: single.nodes["geodirector"].err.read_text()
            yield single

    def test_a_tunnel_to_a_server_that_is_believed_no_more_ends_and_others_go_on(self, balancer, bundle):
        tunnels = {}
        with contextlib.ExitStack() as stack:
            for name, origin in balancer.origins.items():
                origin.handler = echo
                tunnels[name] = stack.enter_context(RawConnection(balancer.address))
                assert tunnels[name].ask(headers=[*UPGRADE, ("Cookie", f"S={name}")]).status == 101
                assert echoes(tunnels[name]) and origin.received[-1].first("Upgrade")
            bundle.write(bundle.own)
            assert ends(tunnels["B"])
            assert echoes(tunnels["A"])

    def test_kept_connections_to_a_server_that_is_believed_no_more_are_used_no_more(self, balancer, bundle):
        def served(cookie):
            return get(balancer.address, headers=[("Cookie", f"S={cookie}")]).first("X-Origin")

        for _ in range(3):
            assert [served("A"), served("B")] == ["A", "B"]
        used = {name: len(origin.names) for name, origin in balancer.origins.items()}
        assert used == {"A": 1, "B": 1}
        bundle.write(bundle.own)
        waiting.until(lambda: "connections to B: certificates were read again" in balancer.said(), "the new authorities")
        waiting.until(lambda: served("B") == "A", "B being left")
        count = len(balancer.origins["B"].received)
        assert [served("B") for _ in range(4)] == ["A"] * 4
        assert len(balancer.origins["B"].received) == count
        # The one that is believed was never left.
        assert len(balancer.origins["A"].names) == 1
