"""A whole network with TLS on every hop: who gets in where, and keys that change while users go on."""

import re
import ssl
import subprocess

import pytest

from harness import waiting
from harness.certificates import Authority, SecureConnection, secure_get
from harness.geodirector import binary
from harness.raw import CutShort, get
from harness.topology import Topology
from scenarios import crowd, verdict


@pytest.fixture
def network(request, start):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("the reference is set up without TLS")
    topology = Topology.read("two-sites-tls").scaled(0.1)
    for settings in topology.data["defaults"].values():
        settings["timeouts"] = {"connect": "10s", "request": "100s"}
    return start(topology)


@pytest.mark.own
def test_only_those_in_front_reach_directors_and_balancers(network, tmp_path):
    """And nobody without TLS, whatever the certificate."""
    certificates = network.folder / "pki"
    stranger = Authority(tmp_path, "stranger")

    def reaches(shown, node: str) -> bool:
        context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
        if shown:
            context.load_cert_chain(shown)
        try:
            return secure_get(network.specs[node].service, context, name=node).status == 200
        except OSError:
            return False

    files = {name: certificates / f"{name}.pem" for name in network.specs} | {"nobody": None, "stranger": stranger.issue("OP1")}
    for node, allowed in {"SD1": {"OP1", "OP2", "OP3"}, "S1L1": {"SD1", "SD2"}}.items():
        assert {name for name, file in files.items() if reaches(file, node)} == allowed, node
    assert reaches(None, "OP1"), "users need none"
    for node in ("OP1", "SD1", "S1L1", "W11"):
        with pytest.raises((OSError, ValueError, CutShort)):
            get(network.specs[node].service)
    said = waiting.until(lambda: (text := (network.folder / "SD1.err").read_text()).count("TLS with clients") >= 4 and text, "the lines in the log")
    for reason in ("the certificate's name is not on the list", "peer did not return a certificate", "plain HTTP on a TLS port"):
        assert reason in said, said


@pytest.mark.own
def test_only_those_in_front_may_ask_a_monitor_and_what_it_says_reaches_the_offices(network):
    certificates = network.folder / "pki"

    def asks(shown, node: str) -> int | None:
        context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
        if shown:
            context.load_cert_chain(certificates / f"{shown}.pem")
        try:
            return secure_get(network.specs[node].monitor, context, name=node).status
        except OSError:
            return None

    for node, allowed in {"SD1": {"OP1", "OP2", "OP3"}, "S1L1": {"SD1", "SD2"}}.items():
        assert {name for name in [*network.specs, None] if asks(name, node) == 200} == allowed, node
        with pytest.raises((OSError, ValueError, CutShort)):
            get(network.specs[node].monitor)
    said = waiting.until(lambda: (text := (network.folder / "SD1.err").read_text()).count("TLS with clients of the monitor") >= 2 and text,
                         "the lines in the log")
    assert "the certificate's name is not on the list" in said and "plain HTTP on a TLS port" in said
    host, port = network.specs["SD1"].monitor

    def health(*arguments):
        done = subprocess.run([str(binary()), "admin", "health", f"{host}:{port}", "--timeout", "10s", *map(str, arguments)], capture_output=True, text=True,
                              timeout=60)
        return done.returncode, done.stderr

    trusted, shown = ("--tls", "--ca", certificates / "ca.pem"), ("--certificate", certificates / "OP1.pem")
    assert health(*trusted, "--name", "SD1", *shown) == (0, "")
    assert health(*trusted, *shown) == (0, ""), "its address is in the certificate, too"
    assert health("--tls", "--no-verify", *shown) == (0, ""), "whoever it is"
    for arguments, said in (((*trusted, "--name", "SD2", *shown), "hostname mismatch"), (("--tls", "--name", "SD1", *shown), "unable to get"),
                            ((*trusted, "--name", "SD1"), "certificate"), ((), "monitor"),
                            (("--tls", "--ca", "/nowhere"), "/nowhere cannot be read")):
        code, told = health(*arguments)
        assert code == 1 and (said in told or not arguments), (arguments, told)
    for arguments in (("--ca", "x"), ("--no-verify",), ("--tls", "--key", "x"), ("--tls", "--ca", "x", "--no-verify")):
        assert health(*arguments)[0] == 64
    # By their word alone: nobody sends a request.
    network.kill(*network.names("demo-server", "SITE1"))
    waiting.until(lambda: asks("OP1", "SD1") == 503, "the director's word")
    for office in ("OP1", "OP2", "OP3"):
        waiting.until(lambda: "SD1 is down by its own word: its monitor says so" in (network.folder / f"{office}.err").read_text(), f"{office} knowing it", 60)


@pytest.mark.scenario
def test_keys_and_certificates_of_all_nodes_change_under_users_without_a_failed_request(network):
    def renew():
        subprocess.run([binary(), "pki", "init", network.system.file, "--directory", network.folder / "pki", "--renew"], check=True,
                       stdout=subprocess.DEVNULL)

    def serial() -> str:
        with SecureConnection(network.specs["OP1"].service, network.context, "OP1") as connection:
            return connection.socket.getpeercert()["serialNumber"]

    def read_again(name: str) -> int:
        return len(re.findall("certificates were read again", (network.folder / f"{name}.err").read_text()))

    proxies = [name for name, spec in network.specs.items() if spec.role != "demo-server"]
    with crowd(network) as users:
        for _ in range(3):
            before, first = {name: read_again(name) for name in proxies}, serial()
            renew()
            waiting.until(lambda: all(read_again(name) > before[name] for name in proxies), "every node having read its files again", 60)
            assert serial() != first
            users.settle(2)
    result = verdict("keys of all nodes renewed", network, users)
    bad = [record for record in result.records if not record.good]
    assert not bad, f"{len(bad)} of {len(result.records)} requests: " + "\n".join(map(str, bad[:5]))
    result.must_be_clean()
