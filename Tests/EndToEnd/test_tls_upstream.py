"""TLS towards servers: who is believed, whose names are checked, what is reused, and how failures are told and routed around."""

import contextlib
import re
import signal
import socket
import ssl
import subprocess
import threading

import pytest

from harness import haproxy, waiting
from harness.certificates import Authority, SecureConnection, secure_get
from harness.raw import RawConnection, get
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.timeout(90)]


@pytest.fixture
def balancer(tmp_path, authority):
    """Starts a balancer whose servers A and B are reached by TLS; `contexts` by server, or one that is right for its name."""
    with contextlib.ExitStack() as stack:

        def starter(contexts=None, tls=None, upstream=None, names=("A", "B"), check=None, **settings):
            settings = {"session": {"name": "S", "mode": "insert"}} | settings
            options = settings.pop("options", {}) | {"upstream": {"tls": {"ca": str(authority.path)} | (upstream or {})}}
            single = stack.enter_context(Single(tmp_path, names=names, options=options, **settings))
            for name, origin in single.origins.items():
                origin.context = (contexts or {}).get(name) or authority.server(authority.issue(name, file=f"own-{name}"))
            for entry in single.data["sites"][0]["servers"]:
                entry["tls"] = (tls or {}).get(entry["name"], True)
            single.data["applications"][0]["check"] = check or "tcp"
            single.address = single.geodirector()
            single.said = lambda: single.nodes["geodirector"].err.read_text()
            return single

        yield starter


def served(single, cookie: str = "", **more) -> str | int:
    """Who answered; or the status of an error."""
    answer = get(single.address, headers=[("Cookie", f"S={cookie}")] if cookie else [], **more)
    return answer.first("X-Origin") or answer.status


def troubles(single, server: str) -> list[str]:
    return re.findall(rf"TLS to {server} failed: (.*) \(", single.said())


class TestConnections:
    def test_requests_reach_servers_by_tls_whose_names_are_told(self, balancer):
        single = balancer(tls={"B": {"name": "A"}})
        single.origins["B"].context = single.origins["A"].context
        assert {served(single) for _ in range(6)} == {"A", "B"}
        assert set(single.origins["A"].names) == set(single.origins["B"].names) == {"A"}

    def test_an_address_is_expected_in_the_certificate_and_not_told(self, balancer, authority):
        single = balancer(names=("A",), contexts={"A": authority.server(authority.issue("A", "192.0.2.7"))},
                          tls={"A": {"name": "192.0.2.7"}})
        assert served(single) == "A" and set(single.origins["A"].names) == {None}

    def test_connections_are_kept_and_their_successors_resume_the_session(self, balancer):
        single = balancer(names=("A",))
        origin = single.origins["A"]
        with RawConnection(single.address) as connection:
            for _ in range(10):
                assert connection.ask().status == 200
            assert len(origin.names) == 1
            for _ in range(5):
                before = len(origin.names)
                origin.close_kept()
                waiting.until(lambda: connection.ask().status == 200 and len(origin.names) > before, "a new connection")
        assert origin.resumed[0] is False and all(origin.resumed[1:]), origin.resumed

    def test_bodies_of_any_size_come_and_go_whole(self, balancer):
        single = balancer(names=("A",), timeouts={"client": "10s", "server": "10s"})
        single.origins["A"].handler = lambda exchange: exchange.answer(body=exchange.request.body)
        data = bytes(range(256)) * 20_000
        with RawConnection(single.address) as connection:
            for count in (0, 1, 16_384, 65_000, len(data)):
                assert connection.ask("POST", body=data[:count]).body == data[:count]

    def test_a_body_that_lasts_until_the_end_needs_a_proper_end(self, balancer):
        single = balancer(names=("A",))

        def truncated(exchange):
            exchange.send("HTTP/1.1 200 OK\r\n\r\nthe beginning")
            # Without close_notify: anybody on the way could have done it.
            exchange.socket.shutdown(socket.SHUT_RDWR)
            exchange.close()

        def whole(exchange):
            exchange.send("HTTP/1.1 200 OK\r\n\r\nall of it")
            with contextlib.suppress(OSError):
                exchange.socket.unwrap()
            exchange.close()

        single.origins["A"].handler = whole
        with RawConnection(single.address) as connection:
            assert connection.ask().body == b"all of it"
        single.origins["A"].handler = truncated
        with RawConnection(single.address) as connection, pytest.raises(OSError):
            connection.ask()

    def test_the_reference_as_server(self, balancer, authority, tmp_path):
        single = balancer(names=("A",), upstream={"certificate": str(authority.issue("N"))})
        address = (single.range.map("127.0.1.2"), 8080)
        path = tmp_path / "server.cfg"
        path.write_text(haproxy.header(1, tmp_path / "server.sock") + "listen H\n  bind {}:{} ssl crt {} ca-file {} verify required\n"
                        "  http-request return status 200 hdr X-Origin H hdr X-Client %[ssl_c_s_dn(CN)] hdr X-Resumed %[ssl_fc_is_resumed]\n"
                        .format(*address, authority.issue("A", file="reference"), authority.path))
        process = subprocess.Popen([haproxy.program(), "-db", "-f", str(path)], stdout=subprocess.DEVNULL)
        try:
            waiting.until(lambda: waiting.listens(address), "the reference")
            node = single.nodes["geodirector"]
            node.stop()
            single.data["sites"][0]["servers"][0]["address"] = "{}:{}".format(*address)
            single.geodirector()
            answers = [get(single.address) for _ in range(3)]
            assert [(answer.first("X-Origin"), answer.first("X-Client")) for answer in answers] == [("H", "N")] * 3
        finally:
            process.kill()
            process.wait()


class TestWhoIsBelieved:
    @pytest.mark.parametrize("what, reason", [
        ("expired", "certificate has expired"), ("not yet valid", "certificate is not yet valid"), ("name", "hostname mismatch"),
        ("authority", "unable to get local issuer certificate|self-signed certificate in certificate chain"),
        ("plain", "the handshake was not finished in time"), ("old", "unsupported protocol|protocol version|handshake failure|alert")])
    def test_a_server_that_cannot_prove_itself_is_a_failed_connect(self, balancer, authority, tmp_path, what, reason):
        other = Authority(tmp_path, "stranger")
        bad = {"expired": lambda: authority.issue("A", days=(-9, -2)), "not yet valid": lambda: authority.issue("A", days=(2, 9)),
               "name": lambda: authority.issue("somebody-else"), "authority": lambda: other.issue("A"),
               "plain": lambda: None, "old": lambda: authority.issue("A")}[what]()
        context = authority.server(bad) if bad else None
        tls = {"A": {"minimum": "1.3"}} if what == "old" else {}
        if what == "old":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        single = balancer(contexts={"A": context} if context else {}, tls=tls, checked=False)
        if what == "plain":
            single.origins["A"].context = None
        # Bound to A: the next candidate takes over at once, whatever the method, as nothing was sent.
        assert [served(single, "A", method=method) for method in ("GET", "POST")] == ["B", "B"]
        assert {served(single) for _ in range(4)} == {"B"}
        said = waiting.until(lambda: troubles(single, "A"), "the line in the log")
        assert re.search(reason, said[0]), said
        assert not single.origins["A"].received and not troubles(single, "B")
        single.origins["B"].stop()
        assert served(single) == 503

    def test_nothing_is_checked_where_that_is_switched_off(self, balancer, tmp_path):
        context = Authority(tmp_path, "stranger").server(Authority(tmp_path, "another").issue("X"))
        single = balancer(names=("A",), contexts={"A": context}, upstream={"verify": False})
        assert served(single) == "A"

    def test_the_systems_authorities_are_trusted_without_a_file(self, balancer):
        single = balancer()
        # The test's authority is not among them.
        node = single.nodes["geodirector"]
        node.stop()
        del single.data["defaults"]["site-balancer"]["upstream"]["tls"]["ca"]
        single.geodirector()
        assert served(single) == 503
        waiting.until(lambda: troubles(single, "A"), "the line in the log")

    def test_a_server_that_accepts_and_never_shakes_hands_costs_the_connect_timeout(self, balancer):
        single = balancer()
        single.origins["A"].stop()
        with socket.create_server(single.at["A"]):
            assert served(single, "A") == "B"
            said = waiting.until(lambda: troubles(single, "A"), "the line in the log")
            assert said == ["the handshake was not finished in time"]

    def test_a_new_authority_and_certificate_are_taken_when_their_files_change(self, balancer, authority, tmp_path):
        other = Authority(tmp_path, "stranger")
        single = balancer(names=("A",), contexts={"A": authority.server(other.issue("A"))}, check="tcp")
        assert served(single) == 503
        new = authority.path.with_name("new")
        new.write_bytes(other.path.read_bytes() + authority.path.read_bytes())
        new.rename(authority.path)
        waiting.until(lambda: served(single) == "A", "the authority being believed")
        assert "connections to A: certificates were read again" in single.said()


class TestMutual:
    """Only this company's own offices reach its directors."""

    @pytest.fixture
    def director(self, tmp_path, authority):
        with contextlib.ExitStack() as stack:

            def starter(**tls):
                (tmp_path / "director").mkdir()
                single = stack.enter_context(Single(tmp_path / "director", role="site-director", tiers={"HOME": ["A"]}))
                entry = single.data["sites"][0]["directors"][0]
                entry["listen"] = [{"address": entry["listen"], "tls": {
                    "certificates": str(authority.issue("SD1")), "require": "client-certificate", "client-ca": str(authority.path), **tls}}]
                single.address = single.geodirector()
                single.said = lambda: single.nodes["geodirector"].err.read_text()
                return single

            yield starter

    def test_names_on_the_list_come_in_and_others_do_not(self, director, authority, tmp_path):
        single = director(**{"client-names": ["OP1", "*.offices.example"]})
        for name, hosts in {"OP1": ["OP1"], "far": ["one.offices.example"]}.items():
            assert secure_get(single.address, authority.client(authority.issue(name, *hosts)), name="SD1").status == 200
        other = Authority(tmp_path, "stranger")
        for certificate in (None, authority.issue("OP9"), authority.issue("deep", "a.b.offices.example"), other.issue("OP1"),
                            authority.issue("over", "OP1", days=(-9, -2))):
            with pytest.raises(OSError):
                # With TLS 1.3 a client learns it with the first answer.
                secure_get(single.address, authority.client(certificate), name="SD1")
        said = waiting.until(lambda: len(found := set(re.findall(r"TLS with clients of \S+ failed: (.*) \(", single.said()))) >= 4 and found,
                             "the lines in the log")
        for reason in ("peer did not return a certificate", "the certificate's name is not on the list", "certificate has expired"):
            assert reason in said, said
        assert len(single.origins["A"].received) == 2

    def test_a_session_is_not_resumed_by_who_is_let_in_no_more(self, director, authority, tmp_path):
        other = Authority(tmp_path, "stranger")
        both = tmp_path / "both.pem"
        both.write_bytes(authority.path.read_bytes() + other.path.read_bytes())
        single = director(**{"client-ca": str(both)})
        client = authority.client(other.issue("OP1"))
        with SecureConnection(single.address, client, "SD1") as connection:
            assert connection.ask().status == 200
            session = connection.socket.session
        with SecureConnection(single.address, client, "SD1", session=session) as connection:
            assert connection.ask().status == 200 and connection.socket.session_reused
            session = connection.socket.session
        both.write_bytes(authority.path.read_bytes())
        single.nodes["geodirector"].send(signal.SIGHUP)
        waiting.until(lambda: "certificates were read again" in single.said(), "the line in the log")
        with pytest.raises(OSError), SecureConnection(single.address, client, "SD1", session=session) as connection:
            connection.ask()

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_a_server_that_rejects_our_certificate_is_a_failed_connect_whatever_was_sent(self, balancer, authority, tmp_path, method):
        """With TLS 1.3 the request is under way when the server says no."""
        stranger = Authority(tmp_path, "stranger")
        single = balancer(contexts={"A": authority.server(authority.issue("A"), requires=stranger)},
                          upstream={"certificate": str(authority.issue("N"))})
        for _ in range(3):
            assert served(single, "A", method=method, body=b"x=1" if method == "POST" else b"") == "B"
        assert not single.origins["A"].received
        said = waiting.until(lambda: troubles(single, "A"), "the line in the log")
        assert re.search("alert|unknown ca", said[0]), said

    def test_our_certificate_is_shown_and_changes_with_its_file(self, balancer, authority):
        context = authority.server(authority.issue("A"), requires=authority)
        single = balancer(names=("A",), contexts={"A": context}, upstream={"certificate": str(authority.issue("one", file="own"))})
        assert served(single) == "A"
        authority.issue("two", file="own")

        def shown():
            single.origins["A"].close_kept()
            return served(single) == "A" and dict(part[0] for part in single.origins["A"].shown[-1]["subject"])["commonName"]

        waiting.until(lambda: shown() == "two", "the new certificate being shown")


class TestChecks:
    HTTP = {"http": {"method": "GET", "path": "/health", "version": "1.1"}}

    def test_http_checks_are_made_over_tls(self, balancer):
        single = balancer(check=self.HTTP)
        waiting.until(lambda: all(origin.checks > 3 for origin in single.origins.values()), "checks")
        assert "is down" not in single.said() and served(single) in ("A", "B")
        single.origins["A"].healthy = False
        waiting.until(lambda: "A is down: check: status 503" in single.said(), "the check having failed")
        assert {served(single) for _ in range(4)} == {"B"}
        single.origins["A"].healthy = True
        waiting.until(lambda: {served(single) for _ in range(4)} == {"A", "B"}, "A taking users again")
        # Checks resume sessions, too: a full handshake each few seconds at each of many servers is work.
        assert any(single.origins["A"].resumed[1:])

    def test_a_check_names_what_is_wrong_with_a_certificate(self, balancer, authority):
        single = balancer(contexts={"A": authority.server(authority.issue("A", days=(-9, -2)))}, check=self.HTTP)
        waiting.until(lambda: re.search("A is down: .*TLS failed: certificate has expired", single.said()), "the line in the log")
        assert "B is down" not in single.said()

    def test_a_servers_hello_is_enough_where_that_is_asked(self, balancer, authority):
        """Of A, whose certificate ran out; and of nobody who says anything else, or nothing."""
        single = balancer(names=("A", "B", "C", "D", "E"), check="tls-hello", checked=False,
                          contexts={"A": authority.server(authority.issue("A", days=(-9, -2)))})
        for name in ("B", "C", "D", "E"):
            single.origins[name].stop()
        # As HTTP servers answer to what they cannot read; and a fatal handshake_failure (RFC 8446 section 6.2).
        words = {"B": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "C": b"\x15\x03\x03\x00\x02\x02\x28"}
        with contextlib.ExitStack() as stack:
            listening = {name: stack.enter_context(socket.create_server(single.at[name])) for name in ("B", "C", "D")}

            def answer(name: str):
                with contextlib.suppress(OSError):
                    while True:
                        with listening[name].accept()[0] as connection:
                            connection.recv(4096)
                            connection.sendall(words[name])

            for name in words:
                threading.Thread(target=answer, args=(name,), daemon=True).start()

            def reason(name: str) -> str:
                found = waiting.until(lambda: re.search(rf"{name} is down: check: (.*)", single.said()), f"{name} being down")
                return found[1]

            reasons = {name: reason(name) for name in ("B", "C", "D", "E")}
        assert reasons["C"] == "TLS alert 40" and reasons["D"].startswith("no answer within") and reasons["E"] == "Connection refused", reasons
        assert reasons["B"] == "the answer is not TLS", reasons
        assert "A is down" not in single.said()

    def test_a_plain_server_can_be_checked_by_tls_and_the_reverse(self, balancer):
        single = balancer(check={"http": {"path": "/", "tls": False}})
        # They speak TLS, the check does not.
        waiting.until(lambda: "A is down: check" in single.said(), "the check having failed")
