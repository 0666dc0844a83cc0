"""`geodirector topology explain`: what it says on paper is what the nodes do; `topology show` draws and tells scenarios."""

import json
import os
import pathlib
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from harness import waiting
from harness.geodirector import binary
from harness.topology import REPOSITORY

USAGE, CONFIGURATION = 64, 78
TWO_SITES = REPOSITORY / "topologies" / "two-sites.yaml"
THREE_SITES = REPOSITORY / "topologies" / "three-sites.yaml"
OLD = "SITE=SITE1; JSESSIONID=W14~123"


def run(*arguments):
    environment = {key: value for key, value in os.environ.items() if key != "GEODIRECTOR_TOPOLOGY"}
    return subprocess.run([str(binary()), "topology", *map(str, arguments)], capture_output=True, text=True, timeout=20,
                          env=environment, cwd="/")


def explain(*arguments, file: pathlib.Path = TWO_SITES) -> str:
    done = run("explain", file, *arguments)
    assert done.returncode == 0 and not done.stderr, done
    return done.stdout


def explained(*arguments, **more) -> dict:
    return json.loads(explain(*arguments, "--format", "json", **more))


class TestExplain:
    def test_text_tells_the_way_and_the_reasons(self):
        text = explain("--at", "OP1", "--cookie", OLD, "--cut", "OP1:SITE1")
        assert "every checker has noticed what is broken" in text
        assert "attempt 1: SD1 (trial)" in text and "connect time-out of 1s" in text
        assert "attempt 2: SD2 (failover)" in text
        assert "path      OP1 > SD2 > S1L1 > W14" in text
        assert "session   goes on at W14" in text
        assert "->  SD2  SITE2  tier 1" in text
        assert "Most requests come while no trial is due" in text

    def test_json_has_the_same(self):
        found = explained("--at", "OP1", "--cookie", OLD, "--cut", "OP1:SITE1")
        assert found["result"]["path"] == ["OP1", "SD2", "S1L1", "W14"]
        assert found["result"]["waitedMilliseconds"] == 1000 and found["others"]["waitedMilliseconds"] == 0
        assert [link["isInterSite"] for link in found["result"]["links"]] == [False, True]
        first, second = found["visit"]["attempts"]
        assert [candidate["name"] for candidate in first["candidates"]] == ["SD1", "SD2"]
        assert [candidate["isChosen"] for candidate in second["candidates"]] == [True, False]
        assert second["candidates"][1]["standing"] == "tried"
        assert second["visit"]["node"] == "SD2" and second["visit"]["role"] == "site-director"

    def test_the_addresses_that_connections_leave_from_are_told(self, tmp_path):
        file = tmp_path / "sources.yaml"
        file.write_text(TWO_SITES.read_text().replace("name: SD1,", "name: SD1, source: 127.1.1.99,"))
        found = explained("--at", "OP1", file=file)
        assert "sources" not in found["visit"] and found["visit"]["attempts"][0]["visit"]["sources"] == ["127.1.1.99"]
        assert "its connections leave from 127.1.1.99\n" in explain("--at", "OP1", file=file)

    def test_fresh_means_nobody_has_noticed(self):
        found = explained("--at", "OP1", "--cookie", OLD, "--down", "SD1", "--fresh")
        assert found["isFresh"] and [attempt["reason"] for attempt in found["visit"]["attempts"]] == ["cookie", "failover"]
        assert found["visit"]["attempts"][0]["outcome"] == "connection refused"

    def test_several_may_be_down_or_cut(self):
        found = explained("--at", "OP1", "--down", "SD1,S2L1", "--down", "W21", "--cut", "OP1>SITE1", "--cut", "OP3:SITE1")
        assert found["down"] == ["SD1", "S2L1", "W21"] and found["cuts"] == ["OP1>SITE1", "OP3:SITE1"]
        assert found["result"]["path"][:3] == ["OP1", "SD2", "S2L2"]

    def test_a_post_is_not_sent_twice_where_that_could_do_harm(self):
        assert explained("--at", "SD1", "--method", "post")["method"] == "POST"

    def test_the_file_may_come_from_the_environment(self):
        done = subprocess.run([str(binary()), "topology", "explain", "--at", "OP1"], capture_output=True, text=True,
                              timeout=20, env=os.environ | {"GEODIRECTOR_TOPOLOGY": str(TWO_SITES)})
        assert done.returncode == 0 and "path      OP1 > SD1" in done.stdout

    @pytest.mark.parametrize("arguments, words", [
        (["--at", "OP11"], ["OP11", 'did you mean "OP1"?']),
        (["--at", "W11"], ["W11", "an application server"]),
        (["--at", "OP1", "--down", "SD3"], ["SD3", 'did you mean "SD1"?']),
        (["--at", "OP1", "--cut", "OP1:SITE3"], ["SITE3", 'did you mean "SITE1"?']),
        (["--at", "OP1", "--cut", "OP1:OP2"], ["no link", "OP1:SITE1"]),
        (["--at", "OP1", "--cut", "OP1"], ["is not a link", "OP1:SITE1"]),
        (["--at", "OP1", "--down", "OP1"], ["down itself"]),
        (["--at", "OP1", "--client", "here"], ["here"]),
        ([], ["--at"]),
    ])
    def test_what_is_not_there_is_named_with_the_nearest(self, arguments, words):
        done = run("explain", TWO_SITES, *arguments)
        assert done.returncode == USAGE and not done.stdout
        for word in words:
            assert word in done.stderr, done.stderr

    def test_a_broken_file_is_a_configuration_error(self, tmp_path):
        path = tmp_path / "broken.yaml"
        path.write_text("geodirector: 1\nsitess: []\n")
        done = run("explain", path, "--at", "OP1")
        assert done.returncode == CONFIGURATION and f"{path}:2:1" in done.stderr


REDIRECTING = """
geodirector: 1
applications: [{name: shop, hosts: ["*.shop.test"]}, {name: mail, hosts: ["*.mail.test"]}]
geo: {redirect: true, networks: {192.0.2.0/24: [BOSTON, TOKYO], 198.51.100.0/24: BRUSSELS, 203.0.113.0/24: TOKYO}}
sites:
  - name: BRUSSELS
    directors: [{name: SD1, listen: {address: "127.0.1.1:8080", public: true}, monitor: "127.0.1.1:8081"}]
    balancers: [{name: L1, listen: "127.0.1.2:8080", monitor: "127.0.1.2:8081"}]
    servers: [{name: W1, address: "127.0.1.3:8080"}]
  - name: BOSTON
    url: "https://us.shop.test"
    directors: [{name: SD2, listen: "127.0.2.1:8080", monitor: "127.0.2.1:8081"}]
    balancers: [{name: L2, listen: "127.0.2.2:8080", monitor: "127.0.2.2:8081"}]
    servers: [{name: W2, address: "127.0.2.3:8080"}]
  - name: TOKYO
    directors: [{name: SD3, listen: "127.0.3.1:8080", monitor: "127.0.3.1:8081"}]
    balancers: [{name: L3, listen: "127.0.3.2:8080", monitor: "127.0.3.2:8081"}]
    servers: [{name: W3, address: "127.0.3.3:8080"}]
offices: [{name: OP, listen: "127.0.9.1:8080", preference: [BRUSSELS]}]
"""


class TestRedirects:
    @pytest.fixture
    def says(self, tmp_path):
        file = tmp_path / "network.yaml"
        file.write_text(REDIRECTING)

        def ask(*arguments, at="SD1", client="192.0.2.7") -> dict | str:
            client = ["--client", client] if client else []
            done = run("explain", file, "--at", at, *client, *arguments)
            assert done.returncode == 0, done
            return json.loads(done.stdout) if "json" in arguments else done.stdout

        return ask

    def test_a_new_user_is_sent_to_the_nearer_site(self, says):
        text = says()
        assert "BOSTON comes before BRUSSELS for this client" in text
        assert "answer    307 to https://us.shop.test\n" in text
        found = says("--format", "json", "--method", "head")
        assert found["result"]["status"] == 307 and found["result"]["path"] == ["SD1"]
        assert found["result"]["redirect"] == found["visit"]["redirect"] == "https://us.shop.test"
        assert found["geography"]["sites"][0] == "BOSTON" and "others" not in found

    @pytest.mark.parametrize("more", [
        {"client": "198.51.100.7"}, {"client": "203.0.113.7"}, {"client": "8.8.8.8"}, {"client": None}, {"at": "OP"}])
    def test_others_are_served(self, says, more):
        found = says("--format", "json", **more)
        assert found["result"]["status"] == 200 and "redirect" not in found["result"]
        assert found["result"]["server"] == "W1"

    @pytest.mark.parametrize("arguments, server", [
        (["--method", "POST"], "W1"), (["--cookie", "SITE=BRUSSELS"], "W1"), (["--cookie", "SITE=TOKYO"], "W3"),
        (["--host", "www.mail.test"], "W1"), (["--down", "BOSTON"], "W1"), (["--down", "L2"], "W1")])
    def test_what_is_not_sent_on_is_served_in_the_configured_order(self, says, arguments, server):
        assert says("--format", "json", *arguments)["result"]["server"] == server


def sites(path: list[str]) -> list[str]:
    """A path in which balancers and servers are told by their site only: which of them is taken is a matter of turn."""
    return [name[:2] + ("x" if name[0] in "SW" and name[1].isdigit() else name[2:]) for name in path]


def test_the_running_network_does_what_is_explained(start, two_sites):
    network = start(two_sites)

    def agree(cookies: str, *down: str):
        arguments = ["--at", "OP1", "--cookie", cookies] + (["--down", ",".join(down)] if down else [])
        found = explained(*arguments)
        expected = sites((found.get("others") or found["result"])["path"])

        def does() -> bool:
            # A trial makes its own way once in a while, so several in a row are looked at.
            answers = [network.ask("OP1", cookies) for _ in range(3)]
            return all(answer.status == 200 and sites(answer.json["path"]) == expected for answer in answers)

        waiting.until(does, f"{expected} with {down} down and {cookies!r}", 60)

    for cookies in ("", "SITE=SITE1", "SITE=SITE2; JSESSIONID=W21~1"):
        agree(cookies)
    for down in (["SD1"], ["S1L1"], network.names("demo-server", "SITE1")):
        network.kill(*down)
        for cookies in ("", "SITE=SITE1", "SITE=SITE2; JSESSIONID=W21~1"):
            agree(cookies, *down)
        network.start(*down)
        network.wait_new_user_site("OP1", "SITE1")


class TestShow:
    def test_scenarios_are_told(self):
        text = run("show", TWO_SITES).stdout
        assert "scenario director-dies, 10m" in text and "kill: SD1" in text
        assert "expects errors at most 0 in phase failed-over" in text

    def test_scenarios_are_in_the_json(self):
        shown = json.loads(run("show", THREE_SITES, "--format", "json").stdout)
        stories = {story["name"]: story for story in shown["scenarios"]}
        assert stories["london-half-deaf"]["steps"][0] == {
            "atMilliseconds": 180_000, "forMilliseconds": 300_000, "what": "cut", "link": ["LONDON", "BRUSSELS"], "oneWay": True}
        assert {"measure": "p99", "phase": "failed-over", "atMost": 2000} in stories["brussels-without-power"]["expect"]
        assert shown["traffic"]["thinkTimeMilliseconds"] == 15_000 and shown["offices"][0]["traffic"] == {"users": 120}

    @pytest.mark.parametrize("file", [TWO_SITES, THREE_SITES])
    def test_the_drawing_is_svg_with_every_name(self, file):
        done = run("show", file, "--format", "svg")
        assert done.returncode == 0 and not done.stderr
        root = ElementTree.fromstring(done.stdout)
        assert root.tag == "{http://www.w3.org/2000/svg}svg" and root.find("{http://www.w3.org/2000/svg}title") is not None
        words = " ".join(root.itertext())
        for node in json.loads(run("show", file, "--format", "json").stdout)["offices"]:
            assert node["name"] in words

    def test_the_drawing_is_mermaid_too(self):
        lines = run("show", TWO_SITES, "--format", "mermaid").stdout.splitlines()
        assert lines[0].startswith("flowchart") and any("SITE1" in line and "subgraph" in line for line in lines)

    def test_a_nodes_plan_is_not_drawn(self):
        done = run("show", TWO_SITES, "--node", "SD1", "--format", "svg")
        assert done.returncode == USAGE and "--node" in done.stderr


class TestRelays:
    FILE = REPOSITORY / "topologies" / "tcp-relays.yaml"

    def test_a_connection_goes_to_the_first_server_at_the_clients_port(self):
        text = explain("--at", "LB1", file=self.FILE)
        assert "A connection at LB1" in text and "ends at   tse-farm" in text and "path      LB1 > tse-farm" in text
        assert "connected to 127.1.1.10:3389, the port that the client used" in text and "cookie" not in text
        other = explain("--at", "LB1", "--port", "1494", file=self.FILE)
        assert "A connection at LB1 port 1494" in other and "connected to 127.1.1.10:1494, the port that the client used" in other

    def test_its_monitor_says_whether_it_serves(self):
        assert "answer    200" in explain("--at", "LB1", "--port", "8081", file=self.FILE)
        assert "answer    503" in explain("--at", "LB1", "--port", "8081", "--down", "tse-farm", file=self.FILE)
        for arguments, said in ((["--port", "22"], "its ports: 3389, 1494, 5900, 8081"), (["--at", "SD1", "--server-name", "x"], "--host")):
            done = run("explain", self.FILE if "--port" in arguments else TWO_SITES, "--at", "LB1", *arguments)
            assert done.returncode == USAGE and said in done.stderr, done.stderr

    def test_the_name_chooses_the_pool(self):
        file = REPOSITORY / "topologies" / "tls-relays.yaml"
        text = explain("--at", "front", "--server-name", "www.shop.example", file=file)
        assert "front, relay: asks for www.shop.example: pool shops" in text
        assert "connected to 127.3.0.2:8443, where SD listens" in text and "ends at   SD-1" in text
        assert explained("--at", "front", "--server-name", "Desktops.example.", file=file)["result"]["path"] == ["front", "desk"]
        for asked in (["--server-name", "other.example"], []):
            found = explained("--at", "front", *asked, file=file)
            assert found["visit"]["error"] == "the TLS alert unrecognized_name" and found["result"]["path"] == ["front"]
        assert "server" not in explained("--at", "front", "--server-name", "desktops.example", "--down", "desktops", file=file)["result"]
        assert "server" not in explained("--at", "front", "--server-name", "desktops.example", "--cut", "front:desk", file=file)["result"]

    def test_a_backup_takes_what_the_first_does_not(self):
        down = explained("--at", "syslog", "--down", "syslog-prod-site", file=self.FILE)
        assert down["result"]["server"] == "syslog-back-site" and len(down["visit"]["attempts"]) == 1
        fresh = explained("--at", "syslog", "--down", "syslog-prod-site", "--fresh", file=self.FILE)
        assert [attempt["outcome"] for attempt in fresh["visit"]["attempts"]][0] == "connection refused"
        assert fresh["result"]["path"] == ["syslog", "syslog-back-site"]
        cut = explained("--at", "syslog", "--cut", "syslog:syslog-prod-site", "--fresh", file=self.FILE)
        assert cut["result"]["server"] == "syslog-back-site" and cut["result"]["waitedMilliseconds"] == 1000

    def test_without_any_server_it_is_closed(self):
        found = explained("--at", "syslog", "--down", "syslog-prod-site,syslog-back-site", file=self.FILE)
        assert found["result"]["status"] == 0 and "server" not in found["result"]
        assert "ends at   nobody" in explain("--at", "syslog", "--down", "syslog-prod-site,syslog-back-site", file=self.FILE)

    def test_what_is_down_is_down_for_relays_too(self):
        file = REPOSITORY / "topologies" / "port-redirector.yaml"
        assert explained("--at", "admitA", file=file)["result"]["server"] == "webA"
        assert "server" not in explained("--at", "admitA", "--down", "webA", file=file)["result"]
        world = REPOSITORY / "topologies" / "multi-site.yaml"
        assert "server" not in explained("--at", "S1L1-health", "--down", "S1L1", file=world)["result"]

    def test_names_that_nothing_has_are_refused_with_the_nearest(self):
        for arguments, said in ((["--down", "syslog-prod-sit"], "syslog-prod-site"), (["--cut", "syslog:tse-farm"], "has no server")):
            done = run("explain", self.FILE, "--at", "syslog", *arguments)
            assert done.returncode == USAGE and said in done.stderr, done.stderr
