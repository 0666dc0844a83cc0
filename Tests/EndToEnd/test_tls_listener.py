"""Listeners with TLS: what they show, what they offer, what they make of clients that do it wrong, and what servers and browsers are told."""

import base64
import contextlib
import datetime
import hashlib
import json
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import warnings

import pytest

from harness import haproxy, waiting
from harness.access_log import entries
from harness.certificates import Authority, SecureConnection, put, s_client, secure_get
from harness.geodirector import binary
from harness.raw import CutShort, RawConnection, get, request
from harness.single import Single
from harness.topology import Topology

pytestmark = [pytest.mark.own, pytest.mark.timeout(90)]


@pytest.fixture
def director(tmp_path, authority):
    """Starts a director with TLS: `tls` as in a topology file, `more` beside it at the listener; `plain` adds a listener without."""
    with contextlib.ExitStack() as stack:

        def starter(tls=None, more=None, plain=None, workers=None, admin=None, cookies=None, **settings):
            settings = {"role": "site-director", "tiers": {"HOME": ["A"]}, "site": {"name": "SITE"}} | settings
            single = stack.enter_context(Single(tmp_path, **settings))
            entry = single.data["sites"][0]["directors"][0]
            single.data["applications"][0]["cookies"] |= cookies or {}
            if admin:
                single.data["admin"] = {"socket": admin}
            if tls is None:
                tls = str(authority.issue("shop.example"))
            listen = [{"address": entry["listen"], "tls": tls, **(more or {})}]
            if plain is not None:
                single.plain = (single.range.map("127.0.1.3"), 8080)
                listen.append({"address": "{}:{}".format(*single.plain), **plain})
            entry["listen"] = listen
            single.workers = workers
            single.address = single.geodirector()
            if plain is not None:
                # It is opened after the first one.
                waiting.until(lambda: waiting.listens(single.plain), "the listener without TLS")
            single.said = lambda: single.nodes["geodirector"].err.read_text()
            return single

        yield starter


def allow_early_data(path):
    """Writes into a session of openssl's, a SEQUENCE in PEM, that 16,384 bytes of early data may be sent: field 15, behind those before it."""
    lines = path.read_text().splitlines()
    der = base64.b64decode("".join(lines[1:-1]))

    def element(at: int) -> tuple[int, int]:
        """Where its content begins, and where it ends."""
        count = der[at + 1]
        if count < 128:
            return at + 2, at + 2 + count
        size = count & 127
        return at + 2 + size, at + 2 + size + int.from_bytes(der[at + 2:at + 2 + size], "big")

    begin, end = element(0)
    at = begin
    # Constructed, of the context, with a number below 15; or one of the first fields, which have none.
    while at < end and (der[at] & 0xE0 != 0xA0 or der[at] & 31 < 15):
        at = element(at)[1]
    body = der[begin:at] + bytes([0xA0 | 15, 4, 2, 2, 0x40, 0]) + der[at:end]
    whole = b"\x30\x82" + len(body).to_bytes(2, "big") + body
    text = base64.encodebytes(whole).decode().replace("\n", "")
    path.write_text("\n".join([lines[0], *(text[i:i + 64] for i in range(0, len(text), 64)), lines[-1], ""]))


def subject(address, context, name):
    with SecureConnection(address, context, name) as connection:
        assert connection.ask().status == 200
        return connection.subject


class TestCertificates:
    def test_the_name_asked_for_chooses_the_certificate(self, director, authority):
        for name, hosts in {"first": ["one.example"], "wild": ["*.wild.example"], "exact": ["exact.wild.example"]}.items():
            authority.issue(name, *hosts)
        certificates = [str(authority.folder / f"{name}.pem") for name in ("first", "wild", "exact")]
        single = director({"certificates": certificates})
        client = authority.client()
        for asked, shown in {"one.example": "first", "some.wild.example": "wild", "exact.wild.example": "exact",
                             "SOME.Wild.Example": "wild"}.items():
            assert subject(single.address, client, asked) == shown, asked
        client.check_hostname = False
        for asked in ("other.example", "a.b.wild.example", None):
            assert subject(single.address, client, asked) == "first", asked

    def test_who_names_no_host_of_the_certificates_is_refused_where_they_are_strict(self, director, authority):
        single = director({"certificates": str(authority.issue("shop.example")), "strict": True})
        client = authority.client()
        assert subject(single.address, client, "shop.example") == "shop.example"
        client.check_hostname = False
        with pytest.raises(ssl.SSLError, match="unrecognized.name"):
            SecureConnection(single.address, client, "other.example")

    def test_two_kinds_of_keys_serve_one_name(self, director, authority):
        files = [str(authority.issue("shop.example", file=kind, kind=kind)) for kind in ("rsa", "ec")]
        single = director({"certificates": files})
        for algorithms, kind in {"rsa_pss_rsae_sha256": "rsa", "ecdsa_secp256r1_sha256": "id-ecPublicKey"}.items():
            said = s_client(single.address, "-servername", "shop.example", "-sigalgs", algorithms)
            assert re.search(rf"a:PKEY: {kind}", said), said

    def test_a_response_of_ocsp_beside_the_certificate_is_stapled(self, director, authority):
        certificate = authority.issue("shop.example")
        certificate.with_name("shop.example.pem.ocsp").write_bytes(authority.staple(authority.folder / "shop.example.crt"))
        single = director(str(certificate))
        said = s_client(single.address, "-servername", "shop.example", "-status", "-CAfile", authority.path)
        assert "OCSP Response Status: successful" in said and "Cert Status: good" in said, said

    def _stapled(self, single, authority) -> str:
        """What is stapled for a client that asks for it; the handshake is good in any case."""
        said = s_client(single.address, "-servername", "shop.example", "-status", "-CAfile", authority.path, "-verify_return_error")
        assert "Verify return code: 0 (ok)" in said, said
        return "nothing" if "OCSP response: no response sent" in said else re.search(r"OCSP Response Status: (\w+)", said)[1]

    @staticmethod
    def _broken_staple(authority, kind: str) -> bytes:
        if kind == "other certificate":
            authority.issue("other.example")
            return authority.staple(authority.folder / "other.example.crt")
        if kind == "over":
            return authority.staple(authority.folder / "shop.example.crt", seconds=-60)
        if kind == "not yet":
            return authority.staple(authority.folder / "shop.example.crt", seconds=7200)
        if kind == "revoked":
            return authority.staple(authority.folder / "shop.example.crt", revoked=True)
        return {"page": b"<html><body>502 Bad Gateway</body></html>\n", "empty": b"", "try later": b"0\3\n\1\3"}[kind]

    @pytest.mark.parametrize("kind, why", [
        ("page", "no OCSP response in DER"), ("empty", "no OCSP response in DER"), ("try later", "the responder had no answer"),
        ("other certificate", "says nothing of the certificate"), ("over", "is over since"),
        ("not yet", "is not good before"), ("revoked", "is revoked")])
    def test_a_broken_response_of_ocsp_changes_nothing_and_is_named(self, director, authority, kind, why):
        certificate = authority.issue("shop.example")
        path = certificate.with_name("shop.example.pem.ocsp")
        path.write_bytes(authority.staple(authority.folder / "shop.example.crt"))
        single = director(str(certificate))
        assert self._stapled(single, authority) == "successful"
        path.write_bytes(self._broken_staple(authority, kind))
        waiting.until(lambda: "certificates stay as they were" in single.said(), "the line in the log")
        told = single.said().split("certificates stay as they were")[1]
        assert str(path) in told and why in told, told
        assert self._stapled(single, authority) == "successful"
        path.unlink()
        waiting.until(lambda: self._stapled(single, authority) == "nothing", "the file being gone")

    def test_a_node_with_a_broken_response_of_ocsp_starts_without_it_and_names_it(self, director, authority):
        certificate = authority.issue("shop.example")
        path = certificate.with_name("shop.example.pem.ocsp")
        path.write_bytes(self._broken_staple(authority, "page"))
        single = director(str(certificate))
        assert re.search(rf"{re.escape(str(path))} cannot be stapled: .*\. It is left out", single.said())
        assert self._stapled(single, authority) == "nothing"
        # The right one is taken when it comes.
        path.write_bytes(authority.staple(authority.folder / "shop.example.crt"))
        waiting.until(lambda: self._stapled(single, authority) == "successful", "the response being stapled")

    def test_a_new_certificate_does_not_wait_for_its_response_of_ocsp(self, director, authority):
        certificate = authority.issue("before", "shop.example", file="shop")
        path = certificate.with_name("shop.pem.ocsp")
        path.write_bytes(authority.staple(authority.folder / "shop.crt"))
        single = director(str(certificate))
        assert self._stapled(single, authority) == "successful"
        authority.issue("after", "shop.example", file="shop")
        waiting.until(lambda: subject(single.address, authority.client(), "shop.example") == "after", "the new certificate")
        assert self._stapled(single, authority) == "nothing"
        waiting.until(lambda: f"{path} cannot be stapled: it says nothing of the certificate" in single.said(), "the line in the log")

    def test_a_response_of_ocsp_is_stapled_until_its_end_and_then_warned_of(self, director, authority):
        certificate = authority.issue("shop.example")
        path = certificate.with_name("shop.example.pem.ocsp")
        path.write_bytes(authority.staple(authority.folder / "shop.example.crt", seconds=8))
        single = director(str(certificate))
        assert self._stapled(single, authority) == "successful"
        assert "stapled no more" not in single.said()
        waiting.until(lambda: self._stapled(single, authority) == "nothing", "its end")
        waiting.until(lambda: f"the OCSP response in {path} is over" in single.said(), "the line in the log")
        # A node started now does without it.
        single.nodes["geodirector"].stop()
        single.geodirector()
        assert self._stapled(single, authority) == "nothing" and "stapled no more" in single.said()

    def test_a_changed_certificate_serves_new_connections_and_leaves_the_open_ones(self, director, authority):
        single = director(str(authority.issue("before", "shop.example", file="shop")))
        client = authority.client()
        with SecureConnection(single.address, client) as open_before:
            assert open_before.ask().status == 200 and open_before.subject == "before"
            authority.issue("after", "shop.example", file="shop")
            waiting.until(lambda: subject(single.address, client, "shop.example") == "after", "the new certificate")
            assert open_before.ask().status == 200
        assert "certificates were read again" in single.said()

    @pytest.mark.parametrize("breakage", ["text", "other key", "gone", "expired"])
    def test_a_broken_file_changes_nothing_and_is_named(self, director, authority, breakage):
        path = authority.issue("before", "shop.example", file="shop")
        single = director(str(path))
        good = path.read_bytes()
        if breakage == "text":
            path.write_text("nothing of the kind\n")
        elif breakage == "other key":
            key = authority.issue("other").read_bytes().split(b"-----BEGIN PRIVATE KEY")[1]
            path.write_bytes(good.split(b"-----BEGIN PRIVATE KEY")[0] + b"-----BEGIN PRIVATE KEY" + key)
        elif breakage == "gone":
            path.unlink()
        else:
            authority.issue("over", "shop.example", file="shop", days=(-9, -2))
        single.nodes["geodirector"].send(signal.SIGHUP)
        waiting.until(lambda: "certificates stay as they were" in single.said(), "the line in the log")
        assert str(path) in single.said().split("certificates stay as they were")[1]
        assert subject(single.address, authority.client(), "shop.example") == "before"
        authority.issue("after", "shop.example", file="shop")
        waiting.until(lambda: subject(single.address, authority.client(), "shop.example") == "after", "the mended file")

    def test_a_node_with_a_broken_file_does_not_start_and_names_it(self, director, authority, tmp_path):
        path = tmp_path / "empty.pem"
        path.write_text("")
        with pytest.raises(AssertionError, match=rf"ended with 78.*\n(?s:.*){re.escape(str(path))}"):
            director(str(path))

    @pytest.mark.parametrize("days, said", [((-9, -2), "EXPIRED ON"), ((2, 9), "IS NOT VALID BEFORE")])
    def test_a_certificate_out_of_its_time_is_shown_and_told_of_loudly(self, director, authority, days, said):
        """A node comes back after a power cut, whatever ran out while it was up; who checks refuses it."""
        path = authority.issue("old", "shop.example", file="shop", days=days)
        day = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days[1] if days[0] < 0 else days[0])).strftime("%Y-%m-%d")
        single = director(str(path), plain={})
        assert get(single.plain).status == 200
        line = waiting.until(lambda: re.search(rf"error .*THE CERTIFICATE IN {re.escape(str(path))} {said} {day}", single.said()), "the line in the log")
        assert single.said().count(said) == 1, line
        unbelieving = authority.client()
        with pytest.raises(ssl.SSLCertVerificationError):
            SecureConnection(single.address, unbelieving)
        unbelieving.check_hostname, unbelieving.verify_mode = False, ssl.CERT_NONE
        with SecureConnection(single.address, unbelieving) as connection:
            assert connection.ask().status == 200
        # Another of the kind changes nothing; a good one is taken as soon as it is there.
        authority.issue("older", "shop.example", file="shop", days=(-9, -3))
        waiting.until(lambda: "certificates stay as they were" in single.said(), "the line in the log")
        authority.issue("new", "shop.example", file="shop")

        def is_mended():
            with contextlib.suppress(ssl.SSLCertVerificationError):
                return subject(single.address, authority.client(), "shop.example") == "new"

        waiting.until(is_mended, "the mended file")

    def test_the_check_of_a_topology_tells_of_dates(self, director, authority):
        path = authority.issue("old", "shop.example", file="shop", days=(-9, -2))
        single = director(str(path))
        file = next(single.folder.glob("*.yaml"))
        for strict, code in ((), 0), (("--strict",), 1):
            done = subprocess.run([binary(), "topology", "check", file, *strict], capture_output=True, text=True, timeout=30)
            assert done.returncode == code and f"THE CERTIFICATE IN {path} EXPIRED ON" in done.stderr, done.stderr
        path.unlink()
        done = subprocess.run([binary(), "topology", "check", file], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0 and "CERTIFICATE" not in done.stderr, "files that are not here are no matter of a topology's"

    def test_a_certificate_near_its_end_is_warned_of_once_a_day(self, director, authority):
        path = authority.issue("soon", "shop.example", file="shop", days=(-40, 5))
        single = director(str(path))
        assert f"the certificate in {path} expires on " in single.said()
        for _ in range(3):
            before = single.said().count("certificates were read again")
            single.nodes["geodirector"].send(signal.SIGHUP)
            waiting.until(lambda: single.said().count("certificates were read again") > before, "the files read again")
        assert single.said().count("expires on") == 1

    @pytest.mark.parametrize("kind", ["certificate", "tickets", "cookies"])
    def test_a_key_that_everybody_can_read_is_refused(self, director, authority, tmp_path, kind):
        files = {"certificate": authority.issue("shop.example"), "tickets": tmp_path / "tickets", "cookies": tmp_path / "cookies"}
        put(files["tickets"], os.urandom(80))
        put(files["cookies"], os.urandom(32).hex().encode())
        single = director({"certificates": str(files["certificate"]), "ticket-keys": str(files["tickets"])},
                          cookies={"key-file": str(files["cookies"]), "signing": "issue"})
        path, node = files[kind], single.nodes["geodirector"]
        refusal = f"everybody on this machine can read the key in {path}, so it is not used; run: chmod 600 {path}"
        # What is in use goes on to be used.
        path.chmod(0o644)
        waiting.until(lambda: f"stay as they were: {refusal}" in single.said(), "the line in the log")
        assert secure_get(single.address, authority.client()).status == 200
        node.stop()
        node.start()
        assert node.wait_exit() == 78 and single.said().count(refusal) == 2
        path.chmod(0o600)
        node.start().wait_ready()
        assert secure_get(single.address, authority.client()).status == 200


class TestOffer:
    """What an attacker's scanner would list."""

    def test_versions(self, director):
        single = director()
        offered = {version: "Cipher is (NONE)" not in s_client(single.address, f"-{version}", "-cipher", "ALL:@SECLEVEL=0")
                   for version in ("tls1", "tls1_1", "tls1_2", "tls1_3")}
        assert offered == {"tls1": False, "tls1_1": False, "tls1_2": True, "tls1_3": True}

    def test_only_13_where_that_is_the_minimum(self, director, authority):
        single = director({"certificates": str(authority.issue("shop.example")), "minimum": "1.3"})
        assert subject(single.address, authority.client(version="1.3"), "shop.example")
        with pytest.raises(ssl.SSLError):
            SecureConnection(single.address, authority.client(version="1.2"))

    def test_suites_of_12_have_forward_secrecy_and_authenticated_encryption(self, director):
        single = director()
        names = subprocess.run(["openssl", "ciphers", "-s", "-tls1_2", "ALL:@SECLEVEL=0"], capture_output=True, text=True).stdout
        every = [name for name in names.strip().split(":") if not name.startswith("TLS_")]
        taken = {name for name in every
                 if "Cipher is (NONE)" not in s_client(single.address, "-tls1_2", "-cipher", f"{name}:@SECLEVEL=0")}
        # The key is EC, so those of RSA have no place.
        assert len(every) > 20 and taken == {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
                                             "ECDHE-ECDSA-CHACHA20-POLY1305"}

    def test_alpn(self, director, authority):
        single = director()
        for offered, chosen in {("http/1.1",): "http/1.1", ("h2", "http/1.1"): "http/1.1", (): None}.items():
            client = authority.client()
            if offered:
                client.set_alpn_protocols(list(offered))
            with SecureConnection(single.address, client) as connection:
                assert connection.socket.selected_alpn_protocol() == chosen
        client.set_alpn_protocols(["h2"])
        with pytest.raises(ssl.SSLError, match="no.application.protocol"):
            SecureConnection(single.address, client)

    def test_early_data_that_is_sent_all_the_same_reaches_nobody(self, director, authority, tmp_path):
        """By a client that believes that the session allows it (RFC 8446 section 4.2.10): it is skipped, and the handshake goes on without."""
        single = director()
        session, early = tmp_path / "session", tmp_path / "early"
        closing = [("Connection", "close")]
        s_client(single.address, "-tls1_3", "-ign_eof", "-sess_out", session, given=request("GET", "/first", closing))
        allow_early_data(session)
        early.write_bytes(request("POST", "/early", closing, b"x=1"))
        said = s_client(single.address, "-tls1_3", "-ign_eof", "-sess_in", session, "-early_data", early, given=request("GET", "/late", closing))
        assert "Early data was rejected" in said and "Reused, TLSv1.3" in said and "HTTP/1.1 200" in said, said
        lines = [received.line for received in single.origins["A"].received]
        assert lines == ["GET /first HTTP/1.1", "GET /late HTTP/1.1"]

    def test_renegotiation_and_early_data_are_refused(self, director, authority, tmp_path):
        single = director()
        # It reads commands as long as its input is open.
        asking = subprocess.Popen(["openssl", "s_client", "-tls1_2", "-connect", "{}:{}".format(*single.address)],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        with asking:
            asking.stdin.write(b"R\n")
            asking.stdin.flush()
            said = asking.stdout.read().decode(errors="replace")
        assert "RENEGOTIATING" in said and re.search("no renegotiation|handshake failure", said), said
        session, early = tmp_path / "session", tmp_path / "early"
        early.write_bytes(request())
        with SecureConnection(single.address, authority.client(version="1.3")) as connection:
            assert connection.ask().status == 200
        s_client(single.address, "-tls1_3", "-ign_eof", "-sess_out", session, given=request(headers=[("Connection", "close")]))
        said = s_client(single.address, "-tls1_3", "-sess_in", session, "-early_data", early)
        assert "Reused, TLSv1.3" in said and "Early data was not sent" in said, said


class TestResumption:
    @pytest.mark.parametrize("version", ["1.2", "1.3"])
    def test_tickets_are_good_at_every_worker(self, director, authority, version):
        single = director(workers=2)
        client = authority.client(version=version)
        with SecureConnection(single.address, client) as connection:
            assert connection.ask().status == 200 and not connection.socket.session_reused
            session = connection.socket.session
        with contextlib.ExitStack() as stack:
            # All open at once, so that both workers get some.
            connections = [stack.enter_context(SecureConnection(single.address, client, session=session)) for _ in range(24)]
            assert [connection.ask().status for connection in connections] == [200] * 24
            assert all(connection.socket.session_reused for connection in connections)

    def test_none_where_it_is_off(self, director, authority):
        single = director({"certificates": str(authority.issue("shop.example")), "resumption": False})
        client = authority.client()
        with SecureConnection(single.address, client) as connection:
            connection.ask()
            session = connection.socket.session
        assert session is None or not session.has_ticket

    def test_keys_of_a_file_serve_after_a_restart(self, director, authority, tmp_path):
        keys = tmp_path / "tickets"
        put(keys, os.urandom(80))
        single = director({"certificates": str(authority.issue("shop.example")), "ticket-keys": str(keys)})
        client = authority.client()
        with SecureConnection(single.address, client) as connection:
            connection.ask()
            session = connection.socket.session
        node = single.nodes["geodirector"]
        node.stop()
        node.start().wait_ready()
        with SecureConnection(single.address, client, session=session) as connection:
            assert connection.ask().status == 200 and connection.socket.session_reused


class TestRequests:
    def test_a_broken_file_of_keys_keeps_no_certificate_back(self, director, authority, tmp_path):
        keys = tmp_path / "keys"
        put(keys, os.urandom(80))
        single = director({"certificates": str(authority.issue("before", "shop.example", file="shop")), "ticket-keys": str(keys)})
        client = authority.client()
        assert subject(single.address, client, "shop.example") == "before"
        # Both at once, and a signal: neither is lost.
        keys.write_bytes(b"short")
        authority.issue("after", "shop.example", file="shop")
        single.nodes["geodirector"].send(signal.SIGHUP)
        waiting.until(lambda: subject(single.address, client, "shop.example") == "after", "the new certificate")
        waiting.until(lambda: f"{keys} has 5 bytes" in single.said(), "the line in the log")

    @pytest.mark.parametrize("version", ["1.2", "1.3"])
    def test_sessions_are_resumed_after_a_reload_that_changes_the_listener(self, director, authority, tmp_path, version):
        tls = {"certificates": [str(authority.issue("shop.example"))]}
        single = director(tls)
        client = authority.client(version=version)
        with SecureConnection(single.address, client) as connection:
            assert connection.ask().status == 200
            session = connection.socket.session
        tls["certificates"].append(str(authority.issue("more.example")))
        Topology(single.data).write(tmp_path / "topology.yaml")
        single.nodes["geodirector"].send(signal.SIGHUP)

        def serves_more():
            with contextlib.suppress(ssl.SSLError):
                return subject(single.address, client, "more.example") == "more.example"

        waiting.until(serves_more, "the new plan")
        with SecureConnection(single.address, client, session=session) as connection:
            assert connection.ask().status == 200 and connection.socket.session_reused

    def test_bodies_of_any_size_come_and_go_whole(self, director, authority):
        single = director(limits={"body": "64MiB"}, timeouts={"client": "10s", "server": "10s"})
        data = os.urandom(7_000_003)

        def echo(exchange):
            exchange.answer(headers=[("X-Hash", hashlib.sha256(exchange.request.body).hexdigest())], body=exchange.request.body)

        single.origins["A"].handler = echo
        for version in ("1.2", "1.3"):
            with SecureConnection(single.address, authority.client(version=version)) as connection:
                for count in (0, 1, 16_383, 16_384, 16_385, 70_000, len(data)):
                    answer = connection.ask("POST", body=data[:count])
                    assert answer.status == 200 and answer.body == data[:count], count

    def test_a_slow_reader_gets_all_of_it(self, director, authority):
        single = director(timeouts={"client": "10s", "server": "10s"})
        data = os.urandom(12_000_000)
        single.origins["A"].handler = lambda exchange: exchange.answer(body=data)
        with SecureConnection(single.address, authority.client()) as connection:
            connection.send(request())
            assert waiting.until(lambda: single.origins["A"].received, "the request")
            got = connection.answer().body
            assert got == data

    def test_pipelined_requests_and_records_of_one_byte(self, director, authority):
        single = director()
        with SecureConnection(single.address, authority.client()) as connection:
            connection.send(request(target="/1") + request(target="/2") + request(target="/3"))
            assert [connection.answer().status for _ in range(3)] == [200] * 3
            connection.send_slowly(request(target="/4"))
            assert connection.answer().status == 200
        assert [received.line.split()[1] for received in single.origins["A"].received] == ["/1", "/2", "/3", "/4"]

    def test_an_answer_cut_short_is_seen_as_that(self, director, authority):
        single = director()

        def cut(exchange):
            exchange.send("HTTP/1.1 200 OK\r\n\r\nthe beginning")
            exchange.close(reset=True)

        single.origins["A"].handler = cut
        with SecureConnection(single.address, authority.client()) as connection:
            connection.send(request())
            with pytest.raises((OSError, CutShort)):
                connection.answer()

    def test_an_upgraded_connection_is_a_tunnel_both_ways(self, director, authority):
        single = director()

        def upgrade(exchange):
            exchange.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n")
            while data := exchange.stream.read1(65536):
                exchange.send(data)
            exchange.close()

        single.origins["A"].handler = upgrade
        with SecureConnection(single.address, authority.client()) as connection:
            connection.send(request(headers=[("Upgrade", "echo"), ("Connection", "upgrade")]))
            assert connection.head().status == 101
            data = os.urandom(100_000)
            connection.send(data)
            assert connection.exactly(len(data)) == data

    def test_curl(self, director, authority):
        single = director()
        done = subprocess.run(["curl", "-sS", "--cacert", authority.path, "--connect-to", "shop.example:443:{}:{}".format(*single.address),
                               "-d", "x=1", "-w", "%{http_code} %{ssl_verify_result}", "https://shop.example/"], capture_output=True, text=True)
        assert done.stdout == "ok200 0", done.stderr

    def test_a_proxy_header_comes_before_tls(self, director, authority):
        single = director(more={"proxy-protocol": "127.0.0.0/8"})
        client = authority.client()
        for _ in range(3):
            with SecureConnection(single.address, client, before=b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 443\r\n") as connection:
                assert connection.ask().status == 200 and connection.ask().status == 200
        log = waiting.until(lambda: entries(single.nodes["geodirector"].log_lines()), "the log")
        assert {entry.client for entry in log} == {"198.51.100.7:4711"}

    def test_the_reference_as_client_with_its_proxy_header_in_the_same_segment(self, director, authority, tmp_path):
        single = director(more={"proxy-protocol": "127.0.0.0/8"})
        address = (single.range.map("127.0.1.2"), 8080)
        path = tmp_path / "client.cfg"
        path.write_text(haproxy.header(1, tmp_path / "client.sock") + "listen H\n  bind {}:{}\n  server N {}:{} ssl verify required "
                        "ca-file {} sni str(shop.example) verifyhost shop.example send-proxy-v2-ssl-cn\n".format(
                            *address, *single.address, authority.path))
        process = subprocess.Popen([haproxy.program(), "-db", "-f", str(path)], stdout=subprocess.DEVNULL)
        try:
            waiting.until(lambda: waiting.listens(address), "the reference")
            with RawConnection(address) as connection:
                assert [connection.ask(body=b"x" * 100_000, method="POST").status for _ in range(5)] == [200] * 5
                port = connection.socket.getsockname()[1]
            assert entries(single.nodes["geodirector"].log_lines())[-1].client == f"127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


class TestWhatIsTold:
    def test_the_scheme_is_told_and_cookies_of_https_are_for_https_only(self, director, authority):
        single = director(plain={})
        answers = {"https": secure_get(single.address, authority.client()), "http": get(single.plain)}
        seen = {scheme: received.first("X-Forwarded-Proto") for scheme, received in zip(answers, single.origins["A"].received)}
        assert seen == {"https": "https", "http": "http"}
        assert {scheme: "; Secure" in answer.first("Set-Cookie") for scheme, answer in answers.items()} == {"https": True, "http": False}

    def test_what_a_node_in_front_said_of_the_scheme_stands(self, director, authority):
        single = director(plain={})
        over = secure_get(single.address, authority.client(), headers=[("X-Forwarded-Proto", "http")])
        plain = get(single.plain, headers=[("X-Forwarded-Proto", "https")])
        assert [received.all("X-Forwarded-Proto") for received in single.origins["A"].received] == [["http"], ["https"]]
        assert ("; Secure" in over.first("Set-Cookie"), "; Secure" in plain.first("Set-Cookie")) == (False, True)

    def test_the_public_is_not_believed(self, director, authority):
        single = director(more={"public": True})
        answer = secure_get(single.address, authority.client(), headers=[("X-Forwarded-Proto", "http")])
        assert single.origins["A"].received[-1].all("X-Forwarded-Proto") == ["https"] and "; Secure" in answer.first("Set-Cookie")

    def test_strict_transport_security_is_ours_on_every_answer(self, director, authority):
        single = director(more={"hsts": {"max-age": "365d", "subdomains": True}}, plain={})
        single.origins["A"].handler = lambda exchange: exchange.answer(headers=[("strict-transport-security", "max-age=1"), ("X", "y")])
        value = ["max-age=31536000; includeSubDomains"]
        answer = secure_get(single.address, authority.client())
        assert answer.all("Strict-Transport-Security") == value and answer.first("X") == "y"
        assert get(single.plain).all("Strict-Transport-Security") == ["max-age=1"]
        single.origins["A"].stop()
        refused = secure_get(single.address, authority.client())
        assert refused.status == 503 and refused.all("Strict-Transport-Security") == value

    @pytest.mark.parametrize("setting, port, status", [("https", "", 308), ({"port": 8443, "status": 301}, ":8443", 301)])
    def test_a_listener_sends_everybody_to_https(self, director, setting, port, status):
        single = director(plain={"redirect": setting})
        with RawConnection(single.plain) as connection:
            for target, sent in {"/": "/", "/a/b?c=d": "/a/b?c=d", "http://shop.example:8080/x?y": "/x?y"}.items():
                answer = connection.ask(target=target, host="shop.example:8080")
                assert (answer.status, answer.first("Location")) == (status, f"https://shop.example{port}{sent}")
            answer = connection.ask("POST", "/form", body=b"x=1", host="[2001:db8::1]:80")
            assert (answer.status, answer.first("Location")) == (status, f"https://[2001:db8::1]{port}/form")
            assert connection.ask("OPTIONS", "*").first("Location") == f"https://shop.example{port}/"
        with RawConnection(single.plain) as connection:
            connection.send("GET / HTTP/1.0\r\n\r\n")
            assert connection.answer().status == 400, "nobody knows where to"
        assert not single.origins["A"].received


class TestCounts:
    def test_handshakes_are_counted_by_what_came_of_them(self, director, authority, tmp_path):
        tls = {"certificates": str(authority.issue("shop.example")), "strict": True}
        single = director(tls, admin=str(tmp_path / "{node}.sock"))

        def counts() -> dict:
            done = subprocess.run([binary(), "admin", "status", "--socket", tmp_path / "N.sock", "--format", "json"], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            status = json.loads(done.stdout)
            (entry,) = (status[0] if isinstance(status, list) else status)["handshakes"]
            return entry

        client = authority.client(version="1.3")
        with SecureConnection(single.address, client) as connection:
            assert connection.ask().status == 200
            session = connection.socket.session
        with SecureConnection(single.address, client, session=session) as connection:
            assert connection.ask().status == 200
        for sent in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x40\x10" + bytes(0x4010), b""):
            with socket.create_connection(single.address, timeout=5) as plain, contextlib.suppress(ConnectionResetError):
                plain.sendall(sent)
                plain.shutdown(socket.SHUT_WR)
                while plain.recv(1000):
                    pass
        for wrong in (lambda: SecureConnection(single.address, Authority(tmp_path, "stranger").client()),
                      lambda: SecureConnection(single.address, client, "other.example")):
            with pytest.raises(ssl.SSLError):
                wrong()
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.check_hostname = False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with pytest.raises(ssl.SSLError):
            SecureConnection(single.address, old)
        with socket.create_connection(single.address, timeout=5) as half:
            half.sendall(b"\x16\x03\x01\x02\x00\x01")
            assert half.recv(10) == b"", "closed when its time is up"
        expected = {"plain-http": 1, "malformed": 1, "alert": 1, "name": 1, "version": 1, "unfinished": 1}
        waiting.until(lambda: sum(counts()["failed"].values()) >= 6, "all counted")
        found = counts()
        assert (found["full"], found["resumed"], found["failed"]) == (1, 1, expected), found
        assert found["with"] == "clients of {}:{}".format(*single.address)


class TestClientsThatDoItWrong:
    @pytest.fixture(scope="class")
    def hello(self):
        """A real first flight of openssl's, recorded."""
        out, own = ssl.MemoryBIO(), ssl.create_default_context()
        end = own.wrap_bio(ssl.MemoryBIO(), out, server_hostname="shop.example")
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()
        return out.read()

    def test_connection_limits_hold(self, director, authority, hello):
        single = director(limits={"connections-per-source": 20}, timeouts={"request": "5s"})
        with contextlib.ExitStack() as stack:
            halves = [stack.enter_context(socket.create_connection(single.address, timeout=5)) for _ in range(20)]
            for half in halves:
                half.sendall(hello)
                assert half.recv(10), "the server's part"
            with socket.create_connection(single.address, timeout=5) as beyond:
                beyond.sendall(hello)
                with contextlib.suppress(ConnectionResetError):
                    assert beyond.recv(10) == b""
        waiting.until(lambda: self._serves(single, authority), "places given back")

    def _serves(self, single, authority):
        with contextlib.suppress(OSError):
            return secure_get(single.address, authority.client()).status == 200

    @pytest.mark.parametrize("sent, reason", [
        (b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n", "plain HTTP on a TLS port"),
        # No letter first: that would be taken for plain HTTP.
        ((b"\x05" + os.urandom(2)) * 100, "wrong version number|unsupported protocol|http request|packet length|record|unexpected message"),
        (b"\x15\x03\x01\x00\x02\x02\x28", "unexpected message"),
        (b"\x16\x03\x01\x40\x10" + bytes(0x4010), "."),
        ("truncated", "closed without a close_notify"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "."),
    ], ids=["http", "random", "alert", "overlong", "truncated", "ssh"])
    def test_what_is_no_handshake_is_counted_and_blames_nobody(self, director, authority, hello, sent, reason):
        single = director()
        for _ in range(5):
            with socket.create_connection(single.address, timeout=5) as connection:
                connection.sendall(hello[:200] if sent == "truncated" else sent)
                if sent == "truncated":
                    connection.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionResetError):
                    while connection.recv(65536):
                        pass
        said = waiting.until(lambda: re.findall(r"TLS with clients of \S+ failed: (.*) \(", single.said()), "the line in the log")
        assert re.search(reason, said[0]), said
        assert len(said) <= 2, "one line each ten seconds"
        assert secure_get(single.address, authority.client()).status == 200
        assert "A is down" not in single.said()

    def test_clients_that_do_not_believe_us_say_so(self, director, authority, tmp_path):
        single = director()
        with pytest.raises(ssl.SSLError):
            secure_get(single.address, Authority(tmp_path, "stranger").client())
        waiting.until(lambda: "alert unknown ca (once, last 127." in single.said(), "the line in the log")

    def test_a_broken_record_ends_the_connection(self, director, authority):
        single = director()
        with SecureConnection(single.address, authority.client()) as connection:
            assert connection.ask().status == 200
            plain = socket.socket(fileno=os.dup(connection.socket.fileno()))
            with plain:
                plain.sendall(b"\x17\x03\x03" + struct.pack(">H", 64) + os.urandom(64))
                with pytest.raises((ssl.SSLError, OSError)):
                    while True:
                        if not connection.socket.recv(1000):
                            raise OSError
        assert secure_get(single.address, authority.client()).status == 200

    @pytest.mark.parametrize("bytes_of_it", [1, 5, 6, 40])
    def test_a_record_cut_off_in_its_middle_ends_the_connection_and_no_request_comes_of_it(self, director, authority, bytes_of_it):
        single = director()
        with SecureConnection(single.address, authority.client()) as connection:
            assert connection.ask().status == 200
            # A whole request but for the end of its last record.
            plain = socket.socket(fileno=os.dup(connection.socket.fileno()))
            with plain:
                plain.sendall((b"\x17\x03\x03" + struct.pack(">H", 64) + os.urandom(64))[:bytes_of_it])
                plain.shutdown(socket.SHUT_WR)
                with contextlib.suppress(OSError):
                    while connection.socket.recv(1000):
                        pass
        assert secure_get(single.address, authority.client()).status == 200
        assert len(single.origins["A"].received) == 2 and "A is down" not in single.said()

    def test_who_opens_and_closes_is_not_told_of(self, director):
        single = director()
        for _ in range(20):
            socket.create_connection(single.address, timeout=5).close()
        single.nodes["geodirector"].stop()
        assert "TLS with clients" not in single.said()
