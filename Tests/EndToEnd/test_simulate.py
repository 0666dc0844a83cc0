"""`geodirector topology simulate`: the report, its JSON, the plot, and what it says when something is wrong."""

import json
import os
import pathlib
import pty
import re
import select
import subprocess
import xml.etree.ElementTree as ElementTree

import jsonschema
import pytest
import referencing

from harness import sanitizer
from harness.geodirector import binary
from harness.topology import REPOSITORY

USAGE, CONFIGURATION = 64, 78
TWO_SITES = REPOSITORY / "topologies" / "two-sites.yaml"
THREE_SITES = REPOSITORY / "topologies" / "three-sites.yaml"
SCHEMA = pathlib.Path(__file__).parent / "schemas" / "simulation-1.json"
COMPARISON = SCHEMA.with_name("comparison-1.json")
DOCUMENT = REPOSITORY / "docs" / "simulation.md"

# One office, one site; what the scenario expects cannot be.
SMALL = """
geodirector: 1
network: small
sites:
  - name: HOME
    directors: [{name: D, listen: "127.1.1.1:8080"}]
    balancers: [{name: L, listen: "127.1.1.11:8080"}]
    servers: [{name: W, address: "127.1.2.1:8080"}]
offices: [{name: OFFICE, listen: "127.0.1.1:8080"}]
"""
STORY = """
scenarios:
  - name: server-dies
    duration: 2m
    steps: [{at: 1m, for: 20s, kill: W}]
    expect: [{errors: 0}]
"""


def environment(**more) -> dict:
    kept = {key: value for key, value in os.environ.items()
            if key not in ("GEODIRECTOR_TOPOLOGY", "NO_COLOR", "LC_ALL", "LC_CTYPE", "LANG")}
    return kept | {"LANG": "C"} | more


def simulate(*arguments, code: int | None = 0, **more) -> subprocess.CompletedProcess:
    done = subprocess.run([str(binary()), "topology", "simulate", *map(str, arguments)], capture_output=True, text=True,
                          timeout=60 * sanitizer.slower(), env=environment(**more), cwd="/")
    assert code is None or done.returncode == code, done
    assert "Fatal error" not in done.stderr
    return done


def written(path: pathlib.Path, text: str) -> pathlib.Path:
    path.write_text(text)
    return path


@pytest.fixture
def small(tmp_path):
    return written(tmp_path / "small.yaml", SMALL + STORY)


def validate(text: str) -> dict:
    found = json.loads(text)
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(found)
    return found


class TestText:
    def test_a_scenario_is_told_with_table_timeline_and_verdicts(self):
        text = simulate(TWO_SITES, "--scenario", "director-dies").stdout
        assert text.startswith("-- director-dies ---")
        assert "2m to 4m: kill SD1" in text
        assert re.search(r"^ +before +detection +failed over +after heal +all$", text, re.M)
        for row in ("requests", "errors", "sessions lost", "users moved", "inter-site requests", "cost of links"):
            assert re.search(rf"^  {row} +[\d.,]", text, re.M), row
        assert re.search(r"^  inter-site +\|.{60}\| [\d,]+, up to", text, re.M)
        assert "  ok     no user moved back" in text
        assert text.splitlines()[-1].startswith("ok: two-sites: every property and expectation holds")

    def test_several_end_with_a_table_and_what_came_of_them(self):
        text = simulate(TWO_SITES, code=None).stdout
        assert re.search(r"^-- all scenarios -+$", text, re.M)
        assert len(re.findall(r"^  (?:way-to-site1-cut|director-dies|sick-server) +[\d,]+ ", text, re.M)) == 3

    def test_what_fails_is_in_the_last_line_and_the_exit_code(self, small):
        text = simulate(small, code=1).stdout
        assert re.search(r"^  FAILED expected errors at most 0, found [1-9]", text, re.M)
        assert text.splitlines()[-1] == "FAILED: small: server-dies (expected errors at most 0)"

    def test_a_network_without_scenarios_loses_each_element_in_turn(self, tmp_path):
        text = simulate(written(tmp_path / "n.yaml", SMALL), code=None).stdout
        for name in ("kill-W", "kill-L", "kill-D", "kill-HOME", "power-HOME"):
            assert f"-- {name} ---" in text

    def test_the_same_file_and_seed_give_the_same_bytes(self):
        first, second = (simulate(TWO_SITES, "--scenario", "sick-server", "--seed", 5).stdout for _ in range(2))
        assert first == second
        assert first != simulate(TWO_SITES, "--scenario", "sick-server", "--seed", 6).stdout

    def test_signs_are_for_utf8_and_no_page_is_wider_than_100(self):
        for language in ("C", "C.UTF-8"):
            text = simulate(TWO_SITES, code=None, LANG=language).stdout
            assert ("✔" in text) == (language != "C") and text.isascii() == (language == "C")
            assert max(len(line) for line in text.splitlines()[:-1]) <= 100
            assert "\x1b" not in text

    def test_a_users_story_is_told(self):
        text = simulate(TWO_SITES, "--scenario", "way-to-site1-cut", "--trace", 7).stdout
        story = text[text.index("  user 7 at OP1, "):]
        assert re.search(r"^    at [\dms.]+ (GET|POST), without cookies$", story, re.M)
        assert re.search(r"^      OP1 -> SD1 \(new\): answered 200, session begun$", story, re.M)
        assert re.search(r"^      cookies then: SITE=SITE1; JSESSIONID=W1\d~1$", story, re.M)
        assert re.search(r"^      the same \d+ times more, until ", story, re.M)


def seconds(text: str) -> float:
    return sum(float(number) * {"h": 3600, "m": 60, "s": 1}[unit] for number, unit in re.findall(r"([\d.]+)([hms])", text))


class TestSoftStops:
    """The ready-made files of the architecture guide's fourth chapter say what it says."""

    @pytest.mark.parametrize("name", ["soft-stop-by-file", "soft-stop-by-port", "port-redirector"])
    def test_what_the_file_expects_holds(self, name):
        text = simulate(REPOSITORY / "topologies" / f"{name}.yaml").stdout
        assert text.splitlines()[-1].startswith(f"ok: {name}: every property and expectation holds in ")
        # Who is stopped at last has users still, and few: without the soft stop it would be all.
        lost = {row[0]: int(row[1]) for row in re.findall(r"^  (\S+) +[\d,]+ +0 +(\d+) ", text, re.M)}
        assert 1 <= lost["then-stopped"] <= 20 and lost.get("stopped-at-once", 30) >= 30

    @pytest.mark.parametrize("name, scenario", [
        ("soft-stop-by-file", "file-removed"), ("soft-stop-by-port", "port-closed"), ("port-redirector", "relay-stopped")])
    def test_no_new_user_comes_meanwhile_and_those_who_are_there_stay(self, name, scenario):
        # Two checks, with their jitter; until they have failed nobody knows.
        begins, knows, ends = 120, 130, 600
        came, stayed = [], 0
        for user in range(12):
            text = simulate(REPOSITORY / "topologies" / f"{name}.yaml", "--scenario", scenario, "--users", 12, "--trace", user).stdout
            story = text[text.index(f"  user {user} at FARM, "):]
            came += [(seconds(at), server) for at, server in
                     re.findall(r"^    at (\S+) \w+, without cookies\n      LB1 -> (\w+) \(new\): answered 200", story, re.M)]
            # Requests in a row that went alike are told once, with the time of the last.
            for block in re.split(r"^    at ", story, flags=re.M)[1:]:
                if re.match(r"\S+ \w+, Cookie: SERVERID=webA; session=\d+\n      LB1 -> webA \(\w+\): answered 200\n", block):
                    last = re.search(r"until (\S+)$", block, re.M)
                    stayed += knows < seconds(last[1] if last else block.split()[0]) < ends
        meanwhile = [server for at, server in came if knows < at < ends]
        assert len(meanwhile) >= 10 and "webA" not in meanwhile
        assert "webA" in {server for at, server in came if not begins < at < ends + 10}
        assert stayed >= 1

    def test_a_file_that_is_not_asked_for_is_missed_by_nobody(self, tmp_path):
        """A check by a connection alone sees no page."""
        text = (REPOSITORY / "topologies" / "soft-stop-by-file.yaml").read_text()
        asked = 'check: {http: {method: HEAD, path: /running, version: "1.0"}}'
        assert asked in text
        file = written(tmp_path / "tcp.yaml", text.replace(asked, "check: tcp"))
        story = simulate(file, "--scenario", "file-removed", "--users", 3, "--trace", 0).stdout
        assert " down" not in story[story.index("  user 0 at FARM, "):]
        wrong = written(tmp_path / "wrong.yaml", text.replace("check-fails: webA", "check-fails: LB1"))
        assert "only application servers have a page that is checked" in simulate(wrong, code=CONFIGURATION).stderr


class TestJSON:
    @pytest.mark.parametrize("file", [TWO_SITES, THREE_SITES])
    def test_it_is_as_the_schema_says(self, file):
        done = simulate(file, "--format", "json", "--trace", 3, code=None)
        found = validate(done.stdout)
        assert found["network"] == file.stem
        assert done.returncode == (0 if found["holds"] else 1)
        # What failed is told to people beside the program's output.
        assert done.stderr.startswith("FAILED: ") != found["holds"]
        for scenario in found["scenarios"]:
            counted = scenario["total"]
            for count in ("requests", "errors", "sessionsLost", "interSiteRequests"):
                assert sum(phase[count] for phase in scenario["phases"]) == counted[count]
            assert sum(phase["lengthMilliseconds"] for phase in scenario["phases"]) == pytest.approx(
                scenario["durationMilliseconds"])
            spans = sorted((span["beginMilliseconds"], span["endMilliseconds"])
                           for phase in scenario["phases"] for span in phase["spans"])
            assert [begin for begin, _ in spans[1:]] == [end for _, end in spans[:-1]] and spans[0][0] == 0
            for part in (*scenario["phases"], counted):
                assert part["costBest"] <= part["cost"] and part["usersMoved"] <= part["moves"]
            series = scenario["series"]
            assert sum(series["errors"]) == counted["errors"]
            assert sum(series["interSiteRequests"]) == counted["interSiteRequests"]
            assert len({len(values) for values in series["requestsBySite"]} | {len(series["moves"])}) == 1
            assert scenario["trace"]["requests"]

    def test_the_document_names_every_key(self):
        document = DOCUMENT.read_text()
        schema = json.loads(SCHEMA.read_text())

        def keys(part):
            """Names of members: those of `properties` where that is a word of the schema, not itself a member."""
            for name, inner in part.get("properties", {}).items():
                yield name
                yield from keys(inner)
            for inner in (*part.get("$defs", {}).values(), *([part["items"]] if "items" in part else [])):
                yield from keys(inner)

        assert not [key for key in sorted(set(keys(schema))) if f"`{key}`" not in document]

    def test_the_document_defines_every_property(self):
        found = json.loads(simulate(TWO_SITES, "--format", "json", "--scenario", "director-dies", code=None).stdout)
        document = DOCUMENT.read_text()
        for verdict in found["scenarios"][0]["properties"]:
            assert f"`{verdict['property']}`" in document and verdict["statement"] in document


USERS = """
population: 1
users:
  - {name: anna, entry: OFFICE, cookies: SERVERID=W, requests: [10s, 70s, {at: 100s, method: POST}]}
  - {name: ben, entry: HOME, requests: [10s]}
"""


ROLLOUT = """
scenarios:
  - name: another-server
    duration: 4m
    traffic: {session-length: 10s}
    steps: [{at: 1m, rollout: next.yaml, order: [L]}, {at: 3m, reload: [D, L, OFFICE]}]
"""


class TestRollout:
    def test_a_node_that_has_the_new_file_uses_its_servers(self, tmp_path):
        written(tmp_path / "next.yaml", SMALL.replace(
            'address: "127.1.2.1:8080"}', 'address: "127.1.2.1:8080", weight: 0}, {name: W2, address: "127.1.2.2:8080"}'))
        file = written(tmp_path / "small.yaml", SMALL + ROLLOUT)
        text = simulate(file).stdout
        assert "  at 1m: rollout next.yaml to L" in text and "  at 3m: reload D, L, OFFICE" in text
        story = simulate(file, "--trace", 1).stdout
        assert "L -> W (" in story and "L -> W2 (" in story

    def test_what_cannot_be_rolled_out_is_told(self, tmp_path):
        written(tmp_path / "next.yaml", SMALL.replace("127.1.2.1", "127.1.2.9").replace("{name: L,", "{name: L2,"))
        done = simulate(written(tmp_path / "small.yaml", SMALL + ROLLOUT), code=CONFIGURATION)
        for reason in ('"L" is not in it', '"W" has other addresses', '"L2" has the address of "L"'):
            assert f"error: rollout of \"next.yaml\": {reason}" in done.stderr
        assert not done.stdout
        written(tmp_path / "next.yaml", SMALL + "sitez: []\n")
        assert "next.yaml" in simulate(tmp_path / "small.yaml", code=CONFIGURATION).stderr


RELAYS = """
relays:
  - {name: admitW, listen: "127.1.2.1:8081", check: none, servers: [{name: W, address: "127.1.2.1:8080"}]}
  - {name: health, listen: "127.1.1.11:8081", check: none, servers: [{name: L, address: "127.1.1.11:8082"}]}
  - {name: mail, listen: "127.1.1.9:25", check: none, servers: [{name: post, address: "127.1.1.10:25"}]}
traffic: {users: 40, session-length: 20s}
scenarios:
  - {name: no-admission, duration: 4m, steps: [{at: 1m, for: 2m, kill: admitW}], expect: [{errors: 0}, {sessions-lost: 0}]}
"""
RELAYED = SMALL.replace(
    'listen: "127.1.1.11:8080"}',
    'listen: "127.1.1.11:8080", monitor: {address: "127.1.1.11:8082", advertise: "127.1.1.11:8081"}}, {name: M, listen: "127.1.1.12:8080"}')
RELAYED = RELAYED.replace(
    '{name: W, address: "127.1.2.1:8080"}',
    '{name: W, host: "127.1.2.1", ports: {default: 8080, admission: 8081}}, {name: W2, address: "127.1.2.2:8080"}')


class TestRelays:
    def test_the_end_of_one_that_makes_an_admission_port_keeps_new_users_away_and_nobody_else(self, tmp_path):
        file = written(tmp_path / "relayed.yaml", RELAYED + RELAYS)
        done = simulate(file)
        assert "1m to 3m: kill admitW" in done.stdout
        assert done.stderr.splitlines()[-1] == "note: only relays before monitors and admission ports are simulated, not what these pass on: mail"
        begun = [visit for user in range(20) for visit in self.visits(file, user)]
        at_w = [seconds for seconds, server in begun if server == "W"]
        assert any(seconds < 60 for seconds in at_w) and any(seconds > 190 for seconds in at_w)
        # The checks have seen it by then.
        assert not [seconds for seconds in at_w if 75 < seconds < 180], at_w
        assert any(server == "W2" for seconds, server in begun if 75 < seconds < 180)

    @staticmethod
    def visits(file, user) -> list[tuple[float, str]]:
        """When, in seconds, and at which server a user's visits began."""
        story = simulate(file, "--trace", user).stdout
        found = re.findall(r"^    at (?:(\d+)m)?([\d.]+)s \w+, without cookies$(?:\n .*)*?\n      200 from (\w+) after", story, re.MULTILINE)
        return [(60 * int(minutes or 0) + float(seconds), server) for minutes, seconds, server in found]

    def test_the_end_of_one_before_a_monitor_takes_the_balancer_out_and_loses_nothing(self, tmp_path):
        text = RELAYED + RELAYS.replace("kill: admitW", "power: health")
        report = validate(simulate(written(tmp_path / "relayed.yaml", text), "--format", "json").stdout)
        scenario = report["scenarios"][0]
        assert [phase["phase"] for phase in scenario["phases"]] == ["before", "detection", "failed-over", "after-heal"]
        assert scenario["total"]["errors"] == scenario["total"]["sessionsLost"] == 0

    @pytest.mark.parametrize("step, words", [
        ("drain: admitW", 'error: "admitW" is a relay, which a scenario can stop and nothing else; kill, power and restart it'),
        ("kill: mail", 'no monitor and no admission port is asked by way of relay "mail"'),
        ("kill: admitX", 'unknown element "admitX"; did you mean "admitW"?')])
    def test_what_it_cannot_show_is_told_with_its_place(self, tmp_path, step, words):
        file = written(tmp_path / "relayed.yaml", RELAYED + RELAYS.replace("kill: admitW", step))
        assert words in simulate(file, code=CONFIGURATION).stderr


class TestPopulation:
    def test_each_listed_user_is_told(self, small, tmp_path):
        users = written(tmp_path / "users.yaml", USERS)
        done = simulate(small, "--population", users, "--per-user", "--format", "json", code=1)
        scenario = validate(done.stdout)["scenarios"][0]
        assert scenario["users"] == 2 and scenario["total"]["requests"] == 4
        anna, ben = scenario["perUser"]
        # W is dead from 1m to 1m20s, and has forgotten her then.
        assert (anna["name"], anna["errors"], anna["sessionsLostAtMilliseconds"], anna["moves"]) == ("anna", 1, [100_000], [])
        assert ben == {"user": 1, "name": "ben", "entry": "HOME", "requests": 1, "errors": 0, "interSiteRequests": 0,
                       "sessionsLostAtMilliseconds": [], "moves": []}
        text = simulate(small, "--population", users, "--per-user", code=1).stdout
        assert re.search(r"^    anna +OFFICE +3 +1 +1 +0$", text, re.M) and "ben" not in text

    def test_users_by_number_are_told_too(self, small):
        found = validate(simulate(small, "--users", 3, "--per-user", "--format", "json", code=None).stdout)
        users = found["scenarios"][0]["perUser"]
        assert [user["user"] for user in users] == [0, 1, 2] and "name" not in users[0]
        assert sum(user["requests"] for user in users) == found["scenarios"][0]["total"]["requests"]

    def test_what_is_wrong_with_it_is_told_with_its_place(self, small, tmp_path):
        users = written(tmp_path / "users.yaml", USERS.replace("entry: OFFICE", "entry: OFICE").replace("=W", "=X"))
        done = simulate(small, "--population", users, code=CONFIGURATION)
        assert "users.yaml:4:25: error: no office or site is named \"OFICE\"; did you mean \"OFFICE\"?" in done.stderr
        assert "no server has the value \"X\"" in done.stderr and not done.stdout
        assert "no such file" in simulate(small, "--population", tmp_path / "none", code=CONFIGURATION).stderr

    def test_numbers_and_lists_exclude_each_other(self, small, tmp_path):
        users = written(tmp_path / "users.yaml", USERS)
        assert "--users has no meaning" in simulate(small, "--population", users, "--users", 3, code=USAGE).stderr


class TestExplore:
    @pytest.fixture
    def hasty(self, tmp_path):
        """Two sites whose directors send users home at once."""
        text, _, _ = TWO_SITES.read_text().partition("\nscenarios:")
        place = "  site-director:\n"
        assert place in text
        return written(tmp_path / "hasty.yaml", text.replace(place, place + "    failback: immediate\n"))

    @staticmethod
    def judged(text):
        both = {name: json.loads((SCHEMA.parent / name).read_text()) for name in ("simulation-1.json", "exploration-1.json")}
        registry = referencing.Registry().with_resources(
            (name, referencing.Resource.from_contents(schema)) for name, schema in both.items())
        data = json.loads(text)
        jsonschema.Draft202012Validator(both["exploration-1.json"], registry=registry).validate(data)
        return data

    def test_random_schedules_hold(self):
        done = simulate(TWO_SITES, "--explore", 20, "--seed", 5)
        assert "20 schedules of two-sites, seed 5, 140 users" in done.stdout
        assert "every property holds in 20 schedules" in done.stdout
        found = self.judged(simulate(TWO_SITES, "--explore", 20, "--seed", 5, "--format", "json").stdout)
        assert found["holds"] and found["schedules"] == 20 and "find" not in found

    def test_what_violates_is_made_small_and_can_be_pasted_into_the_file(self, hasty, tmp_path):
        found = self.judged(simulate(hasty, "--explore", 12, "--format", "json", code=1).stdout)
        find = found["find"]
        assert not found["holds"] and find["scenario"] in simulate(hasty, "--explore", 12, code=1).stdout
        assert find["report"]["users"] < 140 and find["report"]["durationMilliseconds"] < 600_000
        pasted = written(tmp_path / "pasted.yaml", hasty.read_text() + "\nscenarios:\n" + find["scenario"] + "\n")
        scenario, = json.loads(simulate(pasted, "--format", "json", code=1).stdout)["scenarios"]
        assert find["property"] in [verdict["property"] for verdict in scenario["properties"] if not verdict["holds"]]

    def test_options_of_scenarios_are_refused(self, tmp_path):
        for other in (["--scenario", "director-dies"], ["--trace", 3], ["--plot", tmp_path / "x.svg"], ["--full"], ["--per-user"]):
            done = simulate(TWO_SITES, "--explore", 2, *other, code=USAGE)
            assert f"it does not go with {other[0]}" in done.stderr and not done.stdout
        assert "at least 1" in simulate(TWO_SITES, "--explore", 0, code=USAGE).stderr


class TestCompare:
    WAYS = ["ours", "guide", "no-site-cookie", "dns-failover", "return-at-once"]

    @staticmethod
    def compare(*arguments, code: int | None = 0) -> dict:
        done = simulate(TWO_SITES, "--compare", "--format", "json", *arguments, code=code)
        found = json.loads(done.stdout)
        jsonschema.Draft202012Validator(json.loads(COMPARISON.read_text())).validate(found)
        assert done.returncode == (0 if found["holds"] else 1)
        return found

    def test_every_way_is_counted_for_the_same_users_and_faults(self):
        found = self.compare(code=None)
        plain = validate(simulate(TWO_SITES, "--format", "json", code=None).stdout)
        assert [way["way"] for way in found["ways"]] == [way["way"] for way in found["totals"]] == self.WAYS
        assert found["holds"] == plain["holds"]
        for scenario, alone in zip(found["scenarios"], plain["scenarios"], strict=True):
            assert [way["way"] for way in scenario["ways"]] == self.WAYS
            assert all(scenario[key] == alone[key] for key in ("name", "seed", "users", "faults"))
            ours, total = scenario["ways"][0], alone["total"]
            assert all(ours[key] == total[key] for key in ("requests", "errors", "sessionsLost", "bytes", "cost"))
            assert ours["errorsAvoidable"] == total["errors"] - total["errorsBest"]
            assert all(abs(way["requests"] - ours["requests"]) < ours["requests"] / 50 for way in scenario["ways"])
        for number, total in enumerate(found["totals"]):
            for key in ("requests", "errorsAvoidable", "sessionsLost", "movedBack"):
                assert total[key] == sum(scenario["ways"][number][key] for scenario in found["scenarios"])

    def test_each_way_does_its_harm(self):
        ways = {way["way"]: way for way in self.compare("--scenario", "director-dies")["scenarios"][0]["ways"]}
        assert ways["ours"]["errorsAvoidable"] == ways["ours"]["sessionsLostAvoidable"] == 0
        assert ways["guide"]["errorsAvoidable"] > 100 and ways["dns-failover"]["errorsAvoidable"] > 100
        assert ways["no-site-cookie"]["movedNeedlessly"] > 50 and ways["return-at-once"]["movedNeedlessly"] > 50
        assert ways["dns-failover"]["interSiteRequests"] == 0 < ways["ours"]["interSiteRequests"]

    def test_a_longer_time_to_live_costs_more(self):
        def errors(ttl):
            found = self.compare("--scenario", "site1-without-power", "--dns-ttl", ttl)
            assert found["dnsTTLMilliseconds"] == {"5s": 5_000, "5m": 300_000}[ttl]
            return found["totals"][self.WAYS.index("dns-failover")]["errors"]

        assert errors("5s") < errors("5m")

    def test_it_is_the_same_on_one_processor(self):
        command = [str(binary()), "topology", "simulate", str(TWO_SITES), "--compare", "--scenario", "sick-server"]
        alone = subprocess.run(["taskset", "-c", "0", *command], capture_output=True, text=True, timeout=60 * sanitizer.slower(),
                               env=environment(), cwd="/")
        assert alone.stdout == simulate(TWO_SITES, "--compare", "--scenario", "sick-server").stdout

    def test_the_document_shows_what_is_printed(self):
        shown = simulate(TWO_SITES, "--compare", "--scenario", "director-dies", LANG="C.UTF-8").stdout
        assert max(len(line) for line in shown.splitlines()[:-1]) <= 100

        def words(text):
            return re.sub(r" +", " ", re.sub(r"[\d,.]*\d", "0", text)).strip()

        assert words(shown) in words(DOCUMENT.read_text())

    def test_the_document_names_every_way_and_key(self):
        document = DOCUMENT.read_text()
        assert all(f"**`{way}`**" in document for way in self.WAYS)
        schema = json.loads(COMPARISON.read_text())
        keys = set(schema["properties"]).union(*(part["properties"] for part in schema["$defs"].values()))
        assert not [key for key in sorted(keys) if f"`{key}`" not in document]

    def test_several_scenarios_end_with_a_table_and_a_verdict(self, small):
        text = simulate(TWO_SITES, "--compare", code=None).stdout
        assert re.search(r"^  avoidable errors and lost sessions +ours +guide +no site cookie +DNS failover +return", text, re.M)
        assert re.search(r"; avoidable errors and lost sessions: ours [\d,]+, guide [\d,]+, ", text.splitlines()[-1])
        # Only our own way decides.
        last = simulate(small, "--compare", code=1).stdout.splitlines()[-1]
        assert last.startswith("FAILED: small: server-dies (expected errors at most 0); avoidable errors")

    def test_applications_may_adopt_sessions(self):
        assert self.compare("--scenario", "director-dies", "--adopt-sessions")["adoptsSessions"]
        text = simulate(TWO_SITES, "--compare", "--scenario", "director-dies", "--adopt-sessions").stdout
        assert "Applications go on with sessions they do not know" in text

    @pytest.mark.parametrize("arguments, words", [
        (("--compare", "--explore", 3), "--explore"), (("--compare", "--trace", 3), "--trace"),
        (("--compare", "--plot", "x.svg"), "--plot"), (("--compare", "--full"), "--full"),
        (("--compare", "--per-user"), "--per-user"), (("--dns-ttl", "1m"), "no meaning without --compare"),
        (("--adopt-sessions",), "no meaning without --compare"), (("--compare", "--dns-ttl", "0s"), "at least 1s"),
        (("--compare", "--dns-ttl", "5"), "has no unit")])
    def test_what_does_not_go_with_it_is_refused(self, arguments, words):
        done = simulate(TWO_SITES, *arguments, code=USAGE)
        assert words in done.stderr and not done.stdout


class TestPlot:
    def test_it_is_one_drawing_of_all_scenarios(self, tmp_path):
        simulate(TWO_SITES, "--plot", tmp_path / "plot.svg", code=None)
        root = ElementTree.parse(tmp_path / "plot.svg").getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        texts = ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]
        for text in ("way-to-site1-cut", "director-dies", "kill SD1, 2m to 4m", "requests/s", "SITE1", "SITE2"):
            assert text in texts
        assert "prefers-color-scheme: dark" in (tmp_path / "plot.svg").read_text()

    def test_that_of_the_document_shows_what_the_command_draws(self, tmp_path):
        simulate(TWO_SITES, "--scenario", "site1-without-power", "--plot", tmp_path / "plot.svg", code=None)

        def words(path):
            texts = ElementTree.parse(path).getroot().iter("{http://www.w3.org/2000/svg}text")
            return {re.sub(r"[\d.,]+", "0", "".join(text.itertext())) for text in texts}

        assert words(tmp_path / "plot.svg") == words(REPOSITORY / "docs" / "simulation.svg")

    def test_a_place_that_cannot_be_written_is_told_before_anything_runs(self, tmp_path):
        done = simulate(TWO_SITES, "--plot", tmp_path / "nowhere" / "plot.svg", code=USAGE)
        assert "there is no directory" in done.stderr and not done.stdout
        (tmp_path / "folder.svg").mkdir()
        assert "is a directory" in simulate(TWO_SITES, "--plot", tmp_path / "folder.svg", code=USAGE).stderr

    def test_a_topology_is_not_overwritten(self, tmp_path):
        file = written(tmp_path / "own.yaml", TWO_SITES.read_text())
        done = simulate(file, "--plot", file, code=USAGE)
        assert "is no name of a drawing" in done.stderr and file.read_text() == TWO_SITES.read_text()


class TestExtremes:
    @pytest.mark.parametrize("line, what", [
        ("traffic: {think-time: 36500d, session-length: 36500d}", None),
        ("service: {time: 36500d, concurrency: 1}", None),
        ("scenarios: [{name: long, duration: 36500d}]", "lasts 36500d"),
        ("scenarios: [{name: slow, duration: 1h, steps: [{at: 1m, slow: W, by: 36500d}]}]", "slow by 36500d"),
        ("links: [{between: [OFFICE, HOME], latency: 36500d}]", "the latency of a link is 36500d"),
        ("traffic: {users: 0}\nscenarios: [{name: calm, duration: 1m}]", "no office or site has users"),
    ])
    def test_what_nobody_means_is_refused_or_simulated(self, tmp_path, line, what):
        done = simulate(written(tmp_path / "odd.yaml", SMALL + line + "\n"), code=None)
        assert done.returncode in (0, 1, CONFIGURATION)
        assert what is None or what in done.stderr

    def test_numbers_that_no_memory_holds_are_refused(self):
        assert "at most 10000000" in simulate(TWO_SITES, "--users", 99_999_999_999, code=USAGE).stderr
        assert "at most 1000000" in simulate(TWO_SITES, "--explore", 99_999_999_999, code=USAGE).stderr


class TestUsage:
    def test_an_unknown_scenario_gets_the_nearest_name(self):
        done = simulate(TWO_SITES, "--scenario", "director-died", code=USAGE)
        assert 'did you mean "director-dies"?' in done.stderr and not done.stdout
        assert "there are: way-to-site1-cut, director-dies" in simulate(TWO_SITES, "--scenario", "x", code=USAGE).stderr

    def test_an_unknown_user_is_told_who_there_is(self):
        done = simulate(TWO_SITES, "--scenario", "director-dies", "--users", 10, "--trace", 10, code=USAGE)
        assert "numbered from 0 to 9" in done.stderr and not done.stdout

    @pytest.mark.parametrize("arguments", [("--users", 0), ("--trace", -1), ("--format", "xml"), ("--seed", "x")])
    def test_wrong_arguments_are_told(self, arguments):
        assert not simulate(TWO_SITES, *arguments, code=USAGE).stdout

    def test_a_wrong_file_is_told(self, tmp_path):
        simulate(written(tmp_path / "wrong.yaml", SMALL + "sitez: []\n"), code=CONFIGURATION)


class TestTerminal:
    @staticmethod
    def on_terminal(*arguments, **more) -> tuple[str, int]:
        """What a terminal shows of both outputs."""
        master, slave = pty.openpty()
        process = subprocess.Popen([str(binary()), "topology", "simulate", *map(str, arguments)], stdin=slave,
                                   stdout=slave, stderr=slave, env=environment(**more), cwd="/")
        os.close(slave)
        shown = b""
        while select.select([master], [], [], 60)[0]:
            try:
                part = os.read(master, 65536)
            except OSError:  # Linux: the other side is closed.
                break
            if not part:
                break
            shown += part
        os.close(master)
        return shown.decode(), process.wait(60)

    def test_colours_are_for_terminals_that_want_them(self):
        arguments = (TWO_SITES, "--scenario", "director-dies")
        shown, _ = self.on_terminal(*arguments, TERM="xterm", LANG="C.UTF-8")
        assert "\x1b[32m✔\x1b[0m" in shown
        plain, _ = self.on_terminal(*arguments, TERM="xterm", LANG="C.UTF-8", NO_COLOR="1")
        assert "✔" in plain and "\x1b[3" not in plain

    def test_a_long_run_shows_how_far_it_has_come(self):
        shown, _ = self.on_terminal(TWO_SITES, "--scenario", "director-dies", "--users", 30_000, TERM="xterm")
        assert re.search(r"\r[#.]{20} 0/1, [\d,]+ requests/s, director-dies \d+m[\d.]*s? of 10m", shown)
        # The line is gone before the report.
        assert "\r\x1b[K" in shown[:shown.index("SD1 is dead")]

    def test_a_comparison_shows_which_way_is_under_way(self):
        shown, _ = self.on_terminal(TWO_SITES, "--scenario", "director-dies", "--compare", "--users", 10_000, TERM="xterm")
        assert re.search(r"\r[#.]{20} \d/5, [\d,]+ requests/s, director-dies, [\w ]+ \d+m[\d.]*s?( of|\x1b)", shown)
        assert "\r\x1b[K" in shown[:shown.index("The same users and faults")]
