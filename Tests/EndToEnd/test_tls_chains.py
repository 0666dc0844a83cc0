"""What a certificate is for, and what stands between it and its authority, in both directions: clients of a listener that requires one, and
servers behind a balancer."""

import contextlib
import re
import ssl
import time

import pytest

from harness import waiting
from harness.certificates import Authority, SecureConnection, secure_get
from harness.raw import CutShort, get
from harness.secure_balancer import SecureBalancer
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.timeout(90)]

VERSIONS = ("1.2", "1.3")
CLOCK_REALTIME_COARSE = 5
# Until a certificate is over: time enough for what is to happen before.
SECONDS = 6


@pytest.fixture
def listener(tmp_path, authority):
    """A node that lets in whoever has a certificate below `authority`."""
    tls = {"certificates": str(authority.issue("shop.example")), "require": "client-certificate", "client-ca": str(authority.path)}
    with SecureBalancer(tmp_path, tls, names=("A",)) as single:
        yield single.run()


@pytest.fixture
def balancer(tmp_path, authority):
    """A node before A, whose context is given, and B, which is as it should be; both by TLS."""
    with contextlib.ExitStack() as stack:

        def starter(context, check="tcp"):
            upstream = {"tls": {"ca": str(authority.path)}}
            single = stack.enter_context(Single(tmp_path, options={"upstream": upstream}, session={"name": "S", "mode": "insert"},
                                                timeouts={"pooled": "60s", "keep-alive": "60s"}, checked=False))
            # Each keeps connections of its own.
            single.workers = 1
            single.origins["A"].context = context
            single.origins["B"].context = authority.server(authority.issue("B", file="server-B"))
            for entry in single.data["sites"][0]["servers"]:
                entry["tls"] = True
            single.data["applications"][0]["check"] = check
            single.address = single.geodirector()
            single.said = lambda: single.nodes["geodirector"].err.read_text()
            return single

        yield starter


def served(single) -> str:
    """Who answers a user of A's."""
    return get(single.address, headers=[("Cookie", "S=A")]).first("X-Origin")


def reasons(said: str, where: str) -> list[str]:
    return re.findall(rf"TLS {where} failed: (.*) \(", said)


def over(signer: Authority):
    # As time(2) has it, which may be a tick of the kernel's behind.
    waiting.until(lambda: time.clock_gettime(CLOCK_REALTIME_COARSE) >= signer.until, "the certificate's end", SECONDS + 30)


def refused(single, context, **more):
    with pytest.raises((OSError, ValueError, CutShort)), SecureConnection(single.address, context, **more) as connection:
        # With TLS 1.3 a client learns it with the first answer.
        connection.ask()


class TestUsage:
    """Of the extension extendedKeyUsage (RFC 5280 section 4.2.1.12): where it is there, it is to speak of what the certificate is used for."""

    def test_clients_whose_certificate_is_for_servers_only_are_refused(self, listener, authority):
        for version in VERSIONS:
            for usage in (None, "clientAuth", "serverAuth,clientAuth"):
                client = authority.client(authority.issue("OP1", usage=usage), version=version)
                assert secure_get(listener.address, client).status == 200, usage
            for usage in ("serverAuth", "codeSigning"):
                refused(listener, authority.client(authority.issue("OP1", usage=usage), version=version))
        assert len(listener.origins["A"].received) == 3 * len(VERSIONS)
        said = waiting.until(lambda: reasons(listener.node.err.read_text(), r"with clients of \S+"), "the line in the log")
        assert set(said) == {"unsuitable certificate purpose"}, said
        told = {"certificate": 2 * len(VERSIONS)}
        waiting.until(lambda: listener.handshakes()["failed"] == told, f"{told} counted")

    def test_clients_below_an_authority_for_servers_only_are_refused(self, listener, authority, tmp_path):
        for name, usage, good in (("both", "serverAuth,clientAuth", True), ("servers", "serverAuth", False)):
            offices = Authority(tmp_path, name, above=authority, more=f"extendedKeyUsage = {usage}\n")
            client = offices.client(offices.issue("OP1"))
            if good:
                assert secure_get(listener.address, client).status == 200
            else:
                refused(listener, client)
        waiting.until(lambda: listener.said("unsuitable certificate purpose"), "the line in the log")

    @pytest.mark.parametrize("usage, expected", [
        (None, "A"), ("serverAuth", "A"), ("serverAuth,clientAuth", "A"), ("clientAuth", "B"), ("codeSigning", "B")])
    def test_servers_whose_certificate_is_for_clients_only_are_passed_over(self, balancer, authority, usage, expected):
        single = balancer(authority.server(authority.issue("A", usage=usage)))
        assert [served(single) for _ in range(3)] == [expected] * 3
        if expected == "B":
            said = waiting.until(lambda: reasons(single.said(), "to A"), "the line in the log")
            assert set(said) == {"unsuitable certificate purpose"} and not single.origins["A"].received, said
        else:
            assert not reasons(single.said(), "to A")

    def test_a_check_names_the_purpose(self, balancer, authority):
        single = balancer(authority.server(authority.issue("A", usage="clientAuth")), TestServers.HTTP)
        waiting.until(lambda: "A is down: check: TLS failed: unsuitable certificate purpose" in single.said(), "the line in the log")
        assert "B is down" not in single.said()


@pytest.mark.parametrize("version", VERSIONS)
class TestClients:
    def test_an_authority_between_that_is_over_is_as_none(self, listener, authority, tmp_path, version):
        good, late = (Authority(tmp_path, name, above=authority, seconds=seconds) for name, seconds in {"good": 3600, "late": -60}.items())
        assert secure_get(listener.address, authority.client(good.issue("OP1"), version)).status == 200
        refused(listener, authority.client(late.issue("OP1"), version))
        waiting.until(lambda: set(reasons(listener.node.err.read_text(), r"with clients of \S+")) == {"certificate has expired"}, "the line in the log")
        assert len(listener.origins["A"].received) == 1

    def test_no_session_outlives_an_authority_between(self, listener, authority, tmp_path, version):
        offices = Authority(tmp_path, "offices", above=authority, seconds=SECONDS)
        client = authority.client(offices.issue("OP1"), version)
        with SecureConnection(listener.address, client) as kept:
            assert kept.ask().status == 200
            session = kept.socket.session
            for _ in range(2):
                # Each gives a ticket, which is to know of the end, too.
                with SecureConnection(listener.address, client, session=session) as connection:
                    assert connection.ask().status == 200 and connection.socket.session_reused
                    session = connection.socket.session
            assert time.time() < offices.until, "the machine is too slow for this test"
            over(offices)
            refused(listener, client, session=session)
            refused(listener, client)
            # What is open goes on.
            assert kept.ask().status == 200
        said = waiting.until(lambda: reasons(listener.node.err.read_text(), r"with clients of \S+"), "the line in the log")
        assert set(said) == {"certificate has expired"}, said
        waiting.until(lambda: listener.handshakes()["failed"] == {"certificate": 2}, "both counted")
        assert listener.handshakes()["failed"] == {"certificate": 2} and listener.handshakes()["resumed"] == 2


class TestServers:
    HTTP = {"http": {"method": "GET", "path": "/health", "version": "1.1"}}

    @staticmethod
    def _context(authority, signer, version):
        context = authority.server(signer.issue("A"))
        context.minimum_version = context.maximum_version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
        return context

    @pytest.mark.parametrize("version", VERSIONS)
    @pytest.mark.parametrize("seconds, expected", [(3600, "A"), (-60, "B")])
    def test_an_authority_between_that_is_over_is_as_none(self, balancer, authority, tmp_path, version, seconds, expected):
        halls = Authority(tmp_path, "halls", above=authority, seconds=seconds)
        single = balancer(self._context(authority, halls, version))
        assert [served(single) for _ in range(3)] == [expected] * 3
        if expected == "B":
            waiting.until(lambda: set(reasons(single.said(), "to A")) == {"certificate has expired"}, "the line in the log")
            assert not single.origins["A"].received

    @pytest.mark.parametrize("version", VERSIONS)
    def test_no_session_outlives_an_authority_between(self, balancer, authority, tmp_path, version):
        halls = Authority(tmp_path, "halls", above=authority, seconds=SECONDS)
        single = balancer(self._context(authority, halls, version))
        origin = single.origins["A"]
        assert served(single) == "A"
        for _ in range(2):
            # Each gives a session, which is to know of the end, too.
            before = len(origin.resumed)
            origin.close_kept()
            waiting.until(lambda: served(single) == "A" and len(origin.resumed) > before, "a new connection")
        assert origin.resumed == [False, True, True] and time.time() < halls.until, (origin.resumed, "the machine is too slow for this test")
        over(halls)
        # What is open goes on.
        assert served(single) == "A" and len(origin.resumed) == 3
        origin.close_kept()
        waiting.until(lambda: served(single) == "B", "A being believed no more")
        assert [served(single) for _ in range(3)] == ["B"] * 3
        assert set(waiting.until(lambda: reasons(single.said(), "to A"), "the line in the log")) == {"certificate has expired"}

    def test_a_check_does_not_outlive_it_either(self, balancer, authority, tmp_path):
        halls = Authority(tmp_path, "halls", above=authority, seconds=SECONDS)
        single = balancer(authority.server(halls.issue("A")), self.HTTP)
        waiting.until(lambda: any(single.origins["A"].resumed), "checks that resume sessions")
        assert "A is down" not in single.said() and time.time() < halls.until, "the machine is too slow for this test"
        over(halls)
        waiting.until(lambda: "A is down: check: TLS failed: certificate has expired" in single.said(), "the line in the log")
        assert "B is down" not in single.said()
