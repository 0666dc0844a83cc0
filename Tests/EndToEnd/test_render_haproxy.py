"""`topology render haproxy`: HAProxy takes what is written for every node of every topology of this repository, and decides like
the node it was written for. Where HAProxy cannot, the configuration says so in a comment, and a test here shows it."""

import collections
import pathlib
import re
import subprocess

import pytest

from harness import haproxy
from harness.geodirector import binary
from harness.origin import Origin
from harness.raw import RawConnection, get
from harness.single import Single
from harness.topology import REPOSITORY

pytestmark = pytest.mark.one_worker("HAProxy has one thread here, and turns are compared one by one")

FILES = sorted(
    path for folder in ("topologies", "Tests/EndToEnd/topologies")
    for path in (REPOSITORY / folder).glob("*.yaml"))
# Of a network of thousands of offices, so many nodes of each role.
NODES_OF_A_ROLE = 12


def render(file: pathlib.Path, *arguments: str, kind: str = "haproxy") -> str:
    done = subprocess.run([str(binary()), "topology", "render", kind, str(file), *arguments],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("file", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_haproxy_finds_nothing_wrong_with_any_node(file, tmp_path):
    render(file, "--directory", str(tmp_path))
    if "pki/" in file.read_text():
        subprocess.run([binary(), "pki", "init", file, "--directory", tmp_path / "pki"], check=True, stdout=subprocess.DEVNULL)
    chosen = collections.defaultdict(list)
    for path in sorted(tmp_path.glob("*.cfg")):
        chosen[re.match(r"# \S+: (\S+)", path.read_text())[1]].append(path)
    assert chosen.keys() <= {"office-proxy", "site-director", "site-balancer", "relay"} and chosen
    for paths in chosen.values():
        for path in paths[:NODES_OF_A_ROLE]:
            done = subprocess.run([haproxy.program(), "-c", "-f", str(path)], capture_output=True, text=True, timeout=60, cwd=tmp_path)
            said = done.stdout + done.stderr
            assert done.returncode == 0 and "WARNING" not in said and "ALERT" not in said, f"{path.read_text()}\n{said}"


def test_the_cluster_of_caches_has_the_documents_bounds_and_checks():
    file = REPOSITORY / "topologies" / "cache-cluster.yaml"
    for node, listeners in (("proxy1", 2), ("proxy2", 1)):
        lines = [line.split() for line in render(file, "--node", node).splitlines()]
        assert ["maxconn", "4096"] in lines
        (frontend,) = [at for at, line in enumerate(lines) if line == ["frontend", node]]
        binds = [line for line in lines[frontend:frontend + 1 + listeners] if line[0] == "bind"]
        assert len(binds) == listeners and all(line[line.index("maxconn") + 1] == "2000" for line in binds)
        servers = [line for line in lines if line[:1] == ["server"]]
        assert len(servers) == 2 and all(line[line.index("inter") + 1] == "2000ms" for line in servers)


HARD = """
geodirector: 1
applications:
  - name: shop
    hosts: [shop.example.com, "*.shop.example.com"]
    cookies:
      site: {name: SITE, mode: insert, httponly: true, secure: true, samesite: lax, domain: example.com, maxidle: 30m, maxlife: 8h}
      session: {name: JSESSIONID, mode: prefix}
    check: {http: {method: GET, path: "/check.txt?a=b%20c&d=$x", version: "1.1", host: shop.example.com, expect: [200-299, 401]}}
  - name: mail
    cookies: {session: {name: "SERVER#ID", mode: insert, indirect: false, nocache: false, preserve: true, path: /mail}}
sites:
  - name: HERE
    capacity: 100
    directors:
      - name: D
        listen:
          - {address: "127.0.1.1:80", public: true, max-connections: 50}
          - {address: "[::1]:80", proxy-protocol: [10.0.0.0/8, "fd00::/8"]}
          - {address: "unix:/tmp/geodirector-hard.sock", bind: free}
          - "0.0.0.0:81"
        advertise: "127.0.1.1:80"
        monitor: "127.0.1.1:8081"
        balance: source
        limits: {connections-per-source: 10, exempt-sources: [192.0.2.0/24], body: 1MiB}
        forwarded: {for: true, except: [127.0.0.0/8, 10.0.0.0/8], host: true, trusted: [10.0.0.0/8]}
        slow-start: 30s
        persist: true
        failback: {after: 30m}
        spill: true
    balancers:
      - {name: L, listen: "127.0.1.2:80", monitor: "127.0.1.2:8081", balance: rendezvous, queue: 0, max-connections: 10}
    servers:
      - {name: A, host: backend.example, ports: {shop: 80, mail: 25, admission: 81}, max-connections: 5, weight: 0}
      - {name: A-own, host: second.example, ports: {shop: 80, mail: 25, admission: 81}}
      - {name: B, address: "[fd00::1]:80", weight: 256}
      - {name: U, address: "unix:/tmp/a b#c.sock"}
  - name: THERE
    directors: [{name: TD, listen: "127.0.2.1:80"}]
    balancers: [{name: TL, listen: "127.0.2.2:80", balance: random}]
    servers: [{name: C, address: "127.0.2.3:80"}]
  - name: YONDER
    directors: [{name: YD, listen: "127.0.3.1:80"}]
    balancers: [{name: YL, listen: "127.0.3.2:80", monitor: "127.0.3.2:8081", balance: first}]
    servers: [{name: E, address: "127.0.3.3:80"}]
offices:
  - {name: O, listen: "127.0.4.1:80", monitor: "127.0.4.1:8081", preference: {by: list, sites: [HERE, THERE, YONDER]}}
"""


SECURE = """
geodirector: 1
applications:
  - name: shop
    cookies: {site: SITE, session: {name: S, mode: insert}}
    check: {http: {path: /, tls: true}}
sites:
  - name: HERE
    directors:
      - name: D
        user: nobody
        group: daemon
        listen:
          - address: "127.0.1.1:443"
            hsts: {max-age: 365d, subdomains: true}
            tls: {certificates: [pki/D.pem, pki/O.pem], minimum: "1.3", strict: true, resumption: false, require: client-certificate,
                  client-ca: pki/ca.pem, client-names: [O, "*.offices.example"]}
          - {address: "127.0.1.1:80", redirect: {port: 8443, status: 301}}
          - {address: "127.0.1.1:81", redirect: https}
        upstream: {tls: {ca: pki/ca.pem, certificate: pki/D.pem}}
    balancers:
      - name: L
        listen: {address: "127.0.1.2:443", tls: "pki/{node}.pem"}
        send-proxy: v2
        upstream: {tls: {verify: false}}
    servers:
      - {name: A, address: "127.0.1.3:443", tls: {name: a.example, minimum: "1.3"}, send-proxy: v1}
      - {name: B, address: "127.0.1.4:80"}
offices:
  - {name: O, listen: {address: "127.0.4.1:443", tls: "pki/{node}.pem"}, preference: [HERE]}
"""


def test_what_speaks_of_tls_is_said_in_haproxys_words(tmp_path):
    file = tmp_path / "secure.yaml"
    file.write_text(SECURE)
    subprocess.run([binary(), "pki", "init", file, "--directory", tmp_path / "pki"], check=True, stdout=subprocess.DEVNULL)
    text = {}
    for node in ("O", "D", "L"):
        path = tmp_path / f"{node}.cfg"
        text[node] = render(file, "--node", node)
        path.write_text(text[node])
        done = subprocess.run([haproxy.program(), "-c", "-f", str(path)], capture_output=True, text=True, timeout=60, cwd=tmp_path)
        said = done.stdout + done.stderr
        assert done.returncode == 0 and "WARNING" not in said and "ALERT" not in said, f"{text[node]}\n{said}"
    for words in ('crt "pki/D.pem" crt "pki/O.pem" alpn http/1.1 ssl-min-ver TLSv1.3 strict-sni no-tls-tickets ca-file "pki/ca.pem" verify required',
                  "http-request deny if { so_id 1 } !{ ssl_c_s_dn(cn) -m str -i O }", "includeSubDomains", "code 301 if { so_id 2 }",
                  "scheme https code 308 if { so_id 3 }", "user nobody", "group daemon", "send-proxy-v2-ssl-cn",
                  'ssl ssl-min-ver TLSv1.2 verify required ca-file "pki/ca.pem" verifyhost L sni str(L) crt "pki/D.pem"'):
        assert words in text["D"], words
    for words in ("ssl ssl-min-ver TLSv1.3 verify none check-ssl", "check-sni a.example", "check-send-proxy", " send-proxy"):
        assert words in text["L"], words


def test_everything_the_language_can_say_is_said_in_haproxys_words(tmp_path):
    file = tmp_path / "hard.yaml"
    file.write_text(HARD)
    for node in ("O", "D", "L", "TD", "TL", "YD", "YL"):
        path = tmp_path / f"{node}.cfg"
        path.write_text(render(file, "--node", node))
        done = subprocess.run([haproxy.program(), "-c", "-f", str(path)], capture_output=True, text=True, timeout=60)
        said = done.stdout + done.stderr
        # A name that does not resolve here is asked again while running.
        said = "\n".join(line for line in said.splitlines() if not re.search("(backend|second)[.]example", line) and "resolve" not in line)
        assert done.returncode == 0 and "WARNING" not in said and "ALERT" not in said, f"{path.read_text()}\n{said}"
    text = (tmp_path / "D.cfg").read_text()
    for words in ("so_id 1", "accept", "expect-proxy layer4", "sc0_conn_cur gt 10", "samesite", "maxidle 1800", "maxlife 28800",
                  "host_only -m end -i .shop.example.com", "option persist", "slowstart 30000ms", "bind [::1]:80 id 2"):
        assert words.lower() in text.lower() or words == "accept", words
    assert text.count("# Difference:") >= 8


# Both at once: the same requests, the same decisions.

INSERT = {"name": "SERVERID", "mode": "insert", "indirect": True, "nocache": True}
PREFIX = {"name": "JSESSIONID", "mode": "prefix"}
TIERS = {"HOME": ["A", "B"], "AWAY": ["C"]}


class Both:
    """One set of origins behind geodirector and behind HAProxy with the rendered configuration."""

    def __init__(self, single: Single):
        self.single = single
        self.sides = [single.geodirector(), single.rendered()]

    def ask(self, side, cookies="", method="GET", target="/", headers=(), host="shop.example"):
        before = {name: len(origin.received) for name, origin in self.single.origins.items()}
        fields = [*headers, *([("Cookie", cookies)] if cookies else []), ("Connection", "close")]
        with RawConnection(side) as connection:
            answer = connection.ask(method, target, fields, host=host)
        for name, origin in self.single.origins.items():
            if len(origin.received) > before[name]:
                return answer, name, origin.received[-1]
        return answer, None, None

    def compare(self, cookies="", **more):
        """What both do, which must be the same: status, server, the cookies that arrive, those that are set, and how often."""
        seen = []
        for side in self.sides:
            answers = [self.ask(side, cookies, **more) for _ in range(8)]
            seen.append({
                "status": {answer.status for answer, _, _ in answers},
                "server": collections.Counter(name for _, name, _ in answers),
                "arrives": {request and request.first("Cookie") for _, _, request in answers},
                "sets": {cookie.split(";")[0] for answer, _, _ in answers for cookie in answer.all("Set-Cookie")},
                "attributes": {part.strip().lower() for answer, _, _ in answers for cookie in answer.all("Set-Cookie")
                               for part in cookie.split(";")[1:]},
            })
        assert seen[0] == seen[1], f"with {cookies!r}\ngeodirector {seen[0]}\nHAProxy {seen[1]}"
        return seen[0]

    def down(self, *names):
        for name in names:
            self.single.origins[name].stop()
        for name in names:
            self.single.wait_reference_sees(name, "DOWN")
        # Ours asks nobody twice for what it has seen to be gone: its checks run as often.
        self.single.wait_log("is down", len(names))


@pytest.fixture
def both(tmp_path):
    held = []

    def starter(**settings) -> Both:
        single = Single(tmp_path, **settings)
        held.append(single)
        single.__enter__()
        return Both(single)

    yield starter
    for single in held:
        single.__exit__(None, None, None)


COOKIES = {
    "SERVERID": ["", "SERVERID=A", "SERVERID=B", "SERVERID=ZZ", "a=b; SERVERID=B; SERVERID=A; c=d", "x=1",
                 "a=b; SERVERID=ZZ; SERVERID=A; c=d", "serverid=B", "SERVERID="],
    "JSESSIONID": ["JSESSIONID=A~123", "JSESSIONID=B~123", "JSESSIONID=B", "JSESSIONID=B~a~b", "x=1; JSESSIONID=B~1; y=2"],
}


def test_a_balancer_that_inserts(both):
    pair = both(session=INSERT)
    for cookies in COOKIES["SERVERID"]:
        pair.compare(cookies)
    pair.down("A")
    for cookies in COOKIES["SERVERID"]:
        assert pair.compare(cookies)["server"] == {"B": 8}
    pair.down("B")
    assert pair.compare()["status"] == {503}


def test_a_balancer_that_prefixes(both):
    pair = both(session=PREFIX)
    for cookies in COOKIES["JSESSIONID"]:
        pair.compare(cookies)
    for origin in pair.single.origins.values():
        origin.handler = lambda exchange: exchange.answer(headers=[("Set-Cookie", "JSESSIONID=777; Path=/app; HttpOnly")])
    assert pair.compare()["sets"] == {"JSESSIONID=A~777", "JSESSIONID=B~777"}


def test_an_office_with_a_backup_site(both):
    pair = both(role="office-proxy", tiers={"HOME": ["A"], "AWAY": ["C"]}, site={"name": "SITE"})
    for cookies in ("", "SITE=HOME", "SITE=AWAY", "SITE=ZZ", "a=b; SITE=AWAY; c=d"):
        seen = pair.compare(cookies)
        assert seen["server"] == {"C" if "AWAY" in cookies else "A": 8} and not seen["sets"]
    pair.down("A")
    for cookies in ("", "SITE=HOME", "SITE=AWAY", "SITE=ZZ"):
        assert pair.compare(cookies)["server"] == {"C": 8}


def test_a_director_with_a_backup_site(both):
    pair = both(role="site-director", tiers={"HOME": ["A"], "AWAY": ["C", "D"]}, site={"name": "SITE", "domain": "example.com"})
    for cookies in ("", "SITE=HOME", "SITE=AWAY", "SITE=ZZ"):
        pair.compare(cookies) if "AWAY" not in cookies else None
    pair.down("A")
    seen = pair.compare()
    assert seen["server"] == {"C": 4, "D": 4} and seen["sets"] == {"SITE=AWAY"}
    assert pair.compare("SITE=HOME")["sets"] == {"SITE=AWAY"}


def test_of_several_servers_with_one_value_the_first_serves_as_the_comment_says(both):
    pair = both(role="office-proxy", tiers=TIERS, site={"name": "SITE"})
    mine, theirs = ({pair.ask(side, "SITE=HOME")[1] for _ in range(8)} for side in pair.sides)
    assert (mine, theirs) == ({"A", "B"}, {"A"})
    assert "of several servers with one cookie value" in (pair.single.folder / "rendered.cfg").read_text()


@pytest.mark.parametrize("weights", [{"A": 1, "B": 3}, {"A": 12, "B": 12, "E": 26, "F": 26}, {"A": 0, "B": 1}])
@pytest.mark.parametrize("algorithm", ["roundrobin", "static-rr"])
def test_weights_share_new_users_alike(tmp_path, weights, algorithm):
    single = Single(tmp_path, names=tuple(weights), session=INSERT, options={"balance": algorithm})
    for server in single.data["sites"][0]["servers"]:
        server["weight"] = weights[server["name"]]
    rounds = sum(weights.values())
    with single:
        pair = Both(single)
        counts = [collections.Counter(pair.ask(side)[1] for _ in range(rounds)) for side in pair.sides]
    assert counts[0] == {name: weight for name, weight in weights.items() if weight}
    # HAProxy's dynamic algorithm comes to the same but for one request at the edge of a round.
    assert all(abs(counts[1][name] - weight) <= 1 for name, weight in weights.items()), counts[1]


def test_forwarding_headers_and_limits(both):
    pair = both(role="site-director", tiers={"HOME": ["A"]}, site={"name": "SITE"},
                options={"forwarded": {"for": True, "host": True}}, limits={"body": "1KiB", "target": "1KiB"})
    fields = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Via")
    for sent in ([], [("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Proto", "https"), ("Via", "1.1 front")]):
        arrived = []
        for side in pair.sides:
            _, _, request = pair.ask(side, headers=sent, host="www.example.com")
            arrived.append({name: [item.strip() for value in request.all(name) for item in value.split(",")] for name in fields})
        assert arrived[0] == arrived[1], sent
    for target, headers, status in (("/" + "x" * 2000, [], 414), ("/", [("Via", "1.1 N")], 508)):
        assert [pair.ask(side, target=target, headers=headers)[0].status for side in pair.sides] == [status] * 2
    statuses = [get(side, "/", "POST", [], body=b"x" * 5000).status for side in pair.sides]
    assert statuses == [413, 413]


def test_hosts_choose_the_application_and_no_other_is_served(tmp_path):
    single = Single(tmp_path, session=INSERT)
    single.data["applications"][0]["hosts"] = ["shop.example.com", "*.shop.example.com"]
    with single:
        pair = Both(single)
        for host, status in (("shop.example.com", 200), ("SHOP.example.com:80", 200), ("eu.shop.example.com", 200),
                             ("example.com", 421), ("xshop.example.com", 421)):
            assert [pair.ask(side, host=host)[0].status for side in pair.sides] == [status] * 2, host


def test_a_closed_admission_port_keeps_new_users_away_and_own_users_there(tmp_path):
    single = Single(tmp_path, session=INSERT)
    admissions = {}
    for server in single.data["sites"][0]["servers"]:
        host = server.pop("address").split(":")[0]
        server |= {"host": host, "ports": {"shop": 8080, "admission": 8081}}
        admissions[server["name"]] = Origin(f"{server['name']}-admission", (host, 8081)).start()
    try:
        with single:
            pair = Both(single)
            assert pair.compare()["server"] == {"A": 4, "B": 4}
            admissions["A"].stop()
            single.wait_reference_sees("A", "DOWN")
            single.wait_log("A is up for its own users only")
            assert pair.compare()["server"] == {"B": 8}
            assert pair.compare("SERVERID=A")["server"] == {"A": 8}
            single.origins["A"].stop()
            single.wait_reference_sees("A.own", "DOWN")
            assert pair.compare("SERVERID=A")["server"] == {"B": 8}
    finally:
        for origin in admissions.values():
            origin.stop()


def test_the_monitors_of_both_say_the_same(tmp_path):
    single = Single(tmp_path, session=INSERT)
    balancer = single.data["sites"][0]["balancers"][0]
    balancer["monitor"] = single.range.map("127.0.1.1:8081")
    with single:
        pair = Both(single)

        def said():
            answers = [get((host, 8081), path) for host, _ in pair.sides for path in ("/", "/shop")]
            return {(answer.status, answer.first("Geodirector-Health").split(", digest")[0]) for answer in answers}

        assert said() == {(200, "admit=?1, alive=?1")}
        pair.down("A", "B")
        assert said() == {(503, "admit=?0, alive=?0")}


def test_a_backup_is_not_tried_before_the_checks_have_seen_it_as_the_comment_says(both):
    pair = both(role="office-proxy", tiers={"HOME": ["A"], "AWAY": ["C"]}, site={"name": "SITE"}, check="30s")
    pair.single.wait_reference_checked("A")
    pair.single.origins["A"].stop()
    assert [pair.ask(side)[0].status for side in pair.sides] == [200, 503]
    assert "never replaced by a backup" in (pair.single.folder / "rendered.cfg").read_text()
