"""`pki init`: what it prints, written into the topology as it stands there, gives a network whose nodes let in nobody else."""

import ssl
import subprocess

import pytest
import yaml

from harness import waiting
from harness.certificates import Authority, put, secure_get
from harness.geodirector import binary
from harness.raw import CutShort, get
from harness.topology import REPOSITORY, Topology

pytestmark = pytest.mark.own
FILES = sorted(path for path in (REPOSITORY / "topologies").glob("*.yaml") if "sites" in yaml.safe_load(path.read_text()))


def printed(file, folder, directory: str = "pki") -> dict:
    """What it prints, from `folder`: the whole of it is YAML."""
    done = subprocess.run([str(binary()), "pki", "init", str(file), "--directory", directory], capture_output=True, text=True, timeout=60, cwd=folder)
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)


def pasted(found, told):
    """Keys beside those that are there; entries of lists by their names, and listeners by their addresses."""
    if isinstance(told, dict):
        # Short forms: an address, or a file.
        found = ({"address": found} if "address" in told else {}) if isinstance(found, str) else found
        return {**found, **{key: pasted(found[key], value) if key in found else value for key, value in told.items()}}
    if not isinstance(told, list) or not all(isinstance(item, dict) for item in told):
        return told
    mark = "name" if "name" in told[0] else "address"
    entries = [entry if isinstance(entry, dict) else {mark: entry} for entry in (found if isinstance(found, list) else [found])]
    new = {item[mark]: item for item in told}
    assert set(new) <= {entry[mark] for entry in entries}, "nothing is told of what is not there"
    return [pasted(entry, new[entry[mark]]) if entry[mark] in new else entry for entry in entries]


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_what_is_printed_fits_every_topology(file, tmp_path):
    data = pasted(yaml.safe_load(file.read_text()), printed(file, tmp_path))
    # What it includes is found from where it is.
    (tmp_path / "topology.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
    done = subprocess.run([str(binary()), "topology", "check", "topology.yaml"], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 0 and "error" not in done.stderr, done.stderr


def test_names_are_those_of_who_connects(tmp_path):
    """Of the offices that go to a site at all, and of all directors; the public and who has none of ours in front needs no certificate."""
    text = """
geodirector: 1
sites:
  - name: EU
    directors:
      - {name: E1, listen: [{address: "10.0.0.1:80", public: true}, "10.0.0.1:81", {address: "10.0.0.1:82", redirect: https}], monitor: "10.0.0.1:8081"}
    balancers: [{name: EL, listen: "10.0.0.2:80", monitor: {address: "10.0.0.2:8081", advertise: "10.0.0.9:8081"}}, {name: EP, listen: "10.0.0.3:80", tls: false}]
    servers: [{name: EW, address: "10.0.0.4:80"}]
  - name: US
    directors: [{name: U1, listen: "10.1.0.1:80"}]
    balancers: [{name: UL, listen: "unix:/run/ul.sock"}]
    servers: [{name: UW, address: "10.1.0.4:80"}]
offices:
  - {name: A, listen: "10.2.0.1:80", preference: [EU, US]}
  - {name: B, listen: "10.2.0.2:80", preference: [EU]}
"""
    file = tmp_path / "network.yaml"
    file.write_text(text)
    odd = 'a "b" \\c'
    told = printed(file, tmp_path, odd)

    def tls(*names):
        known = {"certificates": f"{odd}/{{node}}.pem"}
        return known | {"require": "client-certificate", "client-ca": f"{odd}/ca.pem", "client-names": list(names)} if names else known

    assert told["sites"] == [
        {"name": "EU", "directors": [{
            "name": "E1", "listen": [{"address": "10.0.0.1:80", "tls": tls()}, {"address": "10.0.0.1:81", "tls": tls("A", "B")}],
            "monitor": {"address": "10.0.0.1:8081", "tls": tls("A", "B")}}],
         "balancers": [{"name": "EL", "listen": [{"address": "10.0.0.2:80", "tls": tls("E1", "U1")}],
                        "monitor": {"address": "10.0.0.2:8081", "advertise": "10.0.0.9:8081", "tls": tls("E1", "U1")}}]},
        {"name": "US", "directors": [{"name": "U1", "listen": [{"address": "10.1.0.1:80", "tls": tls("A")}]}],
         "balancers": [{"name": "UL", "listen": [{"address": "unix:/run/ul.sock", "tls": tls("E1", "U1")}]}]},
    ]


def test_a_network_with_what_is_printed_serves_users_and_refuses_certificates_of_other_names(request, start, tmp_path):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    plain = Topology.read("two-sites").scaled(0.1)
    file = plain.write(tmp_path / "plain.yaml")
    topology = Topology(pasted(plain.data, printed(file, tmp_path)))
    for settings in topology.data["defaults"].values():
        settings["timeouts"] = {"connect": "10s", "request": "100s"}
    network = start(topology)
    for office in ("OP1", "OP2", "OP3"):
        answer = network.ask(office)
        assert answer.status == 200 and answer.json["site"] == network.specs[office].preference[0]

    certificates = network.folder / "pki"

    def reaches(shown: str | None, address, node: str) -> bool:
        context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
        if shown:
            context.load_cert_chain(certificates / f"{shown}.pem")
        try:
            return secure_get(address, context, name=node).status == 200
        except OSError:
            return False

    names = [*network.specs, None]
    for node, allowed in {"SD1": {"OP1", "OP2", "OP3"}, "S1L1": {"SD1", "SD2"}}.items():
        for address in (network.specs[node].service, network.specs[node].monitor):
            assert {name for name in names if reaches(name, address, node)} == allowed, (node, address)
            with pytest.raises((OSError, ValueError, CutShort)):
                get(address)
    waiting.until(lambda: "the certificate's name is not on the list" in (network.folder / "SD1.err").read_text(), "the line in the log")


@pytest.mark.parametrize("key, place", [
    ("client-names:", "client-names of tls"), ("client-names:\n              # - B\n", "client-names of tls"), ("client-ca: ~", "client-ca of tls"),
    ("require:", "require of tls")])
def test_what_says_who_is_let_in_is_not_empty(tmp_path, key, place):
    """Here as it would let in everybody of the authority, or everybody."""
    given = {"require": "require: client-certificate", "client-ca": "client-ca: ca.pem", "client-names": "client-names: [A]"}
    lines = "\n            ".join((given | {key.partition(":")[0]: key}).values())
    (tmp_path / "network.yaml").write_text(f"""
geodirector: 1
sites:
  - name: EU
    directors:
      - name: E1
        listen:
        - address: "10.0.0.1:443"
          tls:
            certificates: x.pem
            {lines}
    balancers: [{{name: EL, listen: "10.0.0.2:80"}}]
    servers: [{{name: EW, address: "10.0.0.4:80"}}]
""")
    done = subprocess.run([str(binary()), "topology", "check", "network.yaml"], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode != 0 and f"error: {place} has no value" in done.stdout + done.stderr, done.stdout + done.stderr


SMALL = """
geodirector: 1
sites:
  - name: EU
    directors: [{name: E1, listen: "10.0.0.1:80"}]
    balancers: [{name: EL, listen: "10.0.0.2:80"}]
    servers: [{name: EW, address: "10.0.0.4:80"}]
"""


@pytest.fixture
def small(tmp_path):
    """Runs `pki init` for a small network; `name` stands in for one of its nodes."""
    def run(*options, name="EW"):
        (tmp_path / "network.yaml").write_text(SMALL.replace("EW", name))
        return subprocess.run([str(binary()), "pki", "init", "network.yaml", *options], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    return run


def test_no_node_has_the_name_of_the_authoritys_file(small, tmp_path):
    done = small(name="ca")
    assert done.returncode != 0 and 'a node or server is named "ca"' in done.stderr, done.stderr
    assert not (tmp_path / "pki" / "ca.pem").exists()


def _end(path) -> float:
    said = subprocess.run(["openssl", "x509", "-in", str(path), "-noout", "-enddate"], capture_output=True, text=True, timeout=30, check=True)
    return ssl.cert_time_to_seconds(said.stdout.strip().partition("=")[2])


def test_what_is_renewed_ends_with_its_authority_and_says_so(small, tmp_path):
    assert small("--days", "5").returncode == 0
    done = small("--renew", "--days", "4")
    assert done.returncode == 0 and done.stderr == "" and _end(tmp_path / "pki" / "E1.pem") < _end(tmp_path / "pki" / "ca.pem")
    done = small("--renew", "--days", "30")
    assert done.returncode == 0 and "the new certificates end with their authority, before 30 days are over" in done.stderr, done.stderr
    assert _end(tmp_path / "pki" / "E1.pem") == _end(tmp_path / "pki" / "ca.pem")


def test_nothing_is_renewed_by_an_authority_that_is_over(small, tmp_path):
    assert small().returncode == 0
    before = (tmp_path / "pki" / "E1.pem").read_bytes()
    old = Authority(tmp_path, "old", above=Authority(tmp_path, "root"), seconds=-60)
    for name in ("ca.pem", "ca.key"):
        put(tmp_path / "pki" / name, (old.folder / name).read_bytes())
    done = small("--renew")
    assert done.returncode != 0 and "the authority is over, nothing was written: the certificate in pki/ca.pem expired on" in done.stderr, done.stderr
    assert (tmp_path / "pki" / "E1.pem").read_bytes() == before
