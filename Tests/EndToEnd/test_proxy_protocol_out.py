"""PROXY protocol headers towards servers: what they say of the client, and of its TLS."""

import contextlib
import ipaddress
import struct
import subprocess

import pytest

from harness import haproxy, waiting
from harness.certificates import Authority, SecureConnection
from harness.raw import RawConnection, get
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.timeout(60)]
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def read_header(stream) -> dict:
    """Takes a header from the front of a stream apart, as the specification's section 2 has it."""
    first = stream.read(6)
    if not first:
        raise ConnectionError("a check that only connects")
    if first == b"PROXY ":
        return {"version": 1, "line": stream.readline().decode()}
    rest = stream.read(10)
    assert (first + rest)[:12] == SIGNATURE, first + rest
    kind, family, length = struct.unpack(">BBH", rest[6:])
    body, found = stream.read(length), {"version": 2, "command": kind & 15, "family": family}
    assert kind >> 4 == 2
    if family == 0x11:
        found["source"], found["destination"] = (str(ipaddress.ip_address(body[at:at + 4])) for at in (0, 4))
        found["ports"], body = struct.unpack(">HH", body[8:12]), body[12:]
    found["fields"] = fields = vectors(body)
    if secure := fields.get(0x20):
        client, verify = struct.unpack(">BI", secure[:5])
        found["tls"] = {"client": client, "verify": verify} | vectors(secure[5:])
    return found


def vectors(data: bytes) -> dict:
    found = {}
    while data:
        kind, length = struct.unpack(">BH", data[:3])
        found[kind], data = data[3:3 + length], data[3 + length:]
    return found


@pytest.fixture
def balancer(request, tmp_path):
    """Starts a balancer whose server A expects headers; they come into `headers`."""
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with contextlib.ExitStack() as stack:

        def starter(version, tls=None, context=None, server=None, check="tcp", **settings):
            single = stack.enter_context(Single(tmp_path, names=("A",), **settings))
            site, single.headers = single.data["sites"][0], []
            site["servers"][0] |= {"send-proxy": version} | (server or {})
            if tls:
                site["balancers"][0]["listen"] = [{"address": site["balancers"][0]["listen"], "tls": tls}]
            single.data["applications"][0]["check"] = check
            single.origins["A"].context = context
            single.origins["A"].before = lambda stream: single.headers.append(read_header(stream))
            single.address = single.geodirector()
            return single

        yield starter


def of_users(single):
    return [header for header in single.headers if header.get("command") != 0 and "UNKNOWN" not in header.get("line", "")]


class TestHeaders:
    def test_version_1_names_both_ends(self, balancer):
        single = balancer("v1")
        with RawConnection(single.address, source="127.0.0.9") as connection:
            assert connection.ask().status == 200
            port = connection.socket.getsockname()[1]
        assert of_users(single) == [{"version": 1, "line": f"TCP4 127.0.0.9 {single.address[0]} {port} {single.address[1]}\r\n"}]

    def test_version_2_names_both_ends(self, balancer):
        single = balancer("v2")
        with RawConnection(single.address, source="127.0.0.9") as connection:
            assert connection.ask().status == 200
            port = connection.socket.getsockname()[1]
        header, = of_users(single)
        assert (header["command"], header["source"], header["destination"]) == (1, "127.0.0.9", single.address[0])
        assert header["ports"] == (port, single.address[1]) and "tls" not in header

    def test_a_connection_that_names_a_client_serves_nobody_else(self, balancer):
        single = balancer("v2")
        for source in ("127.0.0.9", "127.0.0.10", "127.0.0.9"):
            with RawConnection(single.address, source=source) as connection:
                assert [connection.ask().status for _ in range(3)] == [200] * 3
        assert [header["source"] for header in of_users(single)] == ["127.0.0.9"] * 3 + ["127.0.0.10"] * 3 + ["127.0.0.9"] * 3

    @pytest.mark.parametrize("version", ["v1", "v2"])
    def test_checks_say_that_they_are_the_nodes_own(self, balancer, version):
        single = balancer(version, check={"http": {"path": "/", "version": "1.0"}})
        waiting.until(lambda: single.origins["A"].checks > 2, "checks")
        assert get(single.address).status == 200
        own = [header for header in single.headers if header not in of_users(single)]
        assert len(own) >= 3 and all(header.get("command", 0) == 0 for header in own)

    def test_it_comes_before_tls(self, balancer, tmp_path):
        authority = Authority(tmp_path)
        single = balancer("v2", context=authority.server(authority.issue("A")), server={"tls": {"name": "A", "ca": str(authority.path)}})
        assert get(single.address).status == 200 and len(of_users(single)) == 1
        assert single.origins["A"].names == ["A"]


class TestTLSFields:
    def test_what_the_client_spoke_is_told(self, balancer, tmp_path):
        authority = Authority(tmp_path)
        single = balancer("v2", tls={"certificates": str(authority.issue("shop.example"))})
        client = authority.client(version="1.3")
        client.set_alpn_protocols(["http/1.1"])
        with SecureConnection(single.address, client) as connection:
            assert connection.ask().status == 200
            suite = connection.socket.cipher()[0].encode()
        header, = of_users(single)
        assert header["fields"][1] == b"http/1.1" and header["fields"][2] == b"shop.example"
        assert header["tls"] == {"client": 1, "verify": 1, 0x21: b"TLSv1.3", 0x23: suite}

    def test_a_certificate_is_told_by_its_common_name(self, balancer, tmp_path):
        authority = Authority(tmp_path)
        single = balancer("v2", tls={"certificates": str(authority.issue("shop.example")), "require": "client-certificate",
                                     "client-ca": str(authority.path)})
        client, session = authority.client(authority.issue("OP1"), version="1.2"), None
        for shown in (7, 5):
            with SecureConnection(single.address, client, session=session) as connection:
                assert connection.ask().status == 200
                session = connection.socket.session
            told = of_users(single)[-1]["tls"]
            assert (told["client"], told["verify"], told[0x22], told[0x21]) == (shown, 0, b"OP1", b"TLSv1.2")

    def test_the_reference_understands_it(self, balancer, tmp_path):
        authority = Authority(tmp_path)
        single = balancer("v2", tls={"certificates": str(authority.issue("shop.example"))})
        address = (single.range.map("127.0.1.2"), 8080)
        path = tmp_path / "server.cfg"
        path.write_text(haproxy.header(1, tmp_path / "server.sock") + "listen H\n  bind {}:{} accept-proxy\n  http-request return status 200 "
                        "hdr X-Client %[src]:%[src_port] hdr X-Name %[fc_pp_authority]\n".format(*address))
        process = subprocess.Popen([haproxy.program(), "-db", "-f", str(path)], stdout=subprocess.DEVNULL)
        try:
            waiting.until(lambda: waiting.listens(address), "the reference")
            single.nodes["geodirector"].stop()
            single.data["sites"][0]["servers"][0]["address"] = "{}:{}".format(*address)
            single.geodirector()
            with SecureConnection(single.address, authority.client()) as connection:
                answer = connection.ask()
                port = connection.socket.getsockname()[1]
            assert (answer.first("X-Client"), answer.first("X-Name")) == (f"127.0.0.1:{port}", "shop.example")
        finally:
            process.kill()
            process.wait()
