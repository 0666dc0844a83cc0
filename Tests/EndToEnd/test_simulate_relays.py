"""`geodirector topology simulate` of networks of relays: the report, its JSON, what it refuses, and that running relays do the same."""

import contextlib
import json
import pathlib
import re
import socket
import time

import jsonschema
import pytest
import yaml

from harness import waiting
from harness.tcp import TCPServer
from harness.topology import REPOSITORY
from test_relay import Bed
from test_simulate import CONFIGURATION, DOCUMENT, USAGE, simulate, written

TCP_RELAYS = REPOSITORY / "topologies" / "tcp-relays.yaml"
SCHEMA = pathlib.Path(__file__).parent / "schemas" / "relays-1.json"


@pytest.fixture
def bed(tmp_path):
    with Bed(tmp_path) as bed:
        yield bed


def report(*arguments, code: int | None = 0) -> dict:
    found = json.loads(simulate(*arguments, "--format", "json", code=code).stdout)
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(found)
    return found


class TestReport:
    def test_the_guides_relays_hold_in_all_built_in_failures(self):
        found = report(TCP_RELAYS)
        assert [scenario["name"] for scenario in found["scenarios"]] == [
            *(f"{fault}-{name}" for fault in ("kill", "power")
              for name in ("tse-farm", "syslog-prod-site", "syslog-back-site", "LB1", "LB2", "syslog")),
            "stall-syslog-prod-site", "stall-syslog-back-site"]
        assert found["holds"]
        by_name = {scenario["name"]: scenario for scenario in found["scenarios"]}
        killed = by_name["kill-syslog-prod-site"]["total"]["connections"]
        assert killed["failed"] == 0 and killed["openedAtBackups"] > 0 and killed["cut"] > 0
        # The farm has no backup: its users wait for as long as it is away.
        for listener in by_name["kill-tse-farm"]["listeners"]:
            (away,) = listener["notServed"] or [None] if listener["relay"] != "syslog" else [None]
            assert (away is None) == (listener["relay"] == "syslog"), listener
            assert away is None or 239_000 < away["endMilliseconds"] - away["beginMilliseconds"] < 241_500
        # A handshake sees a server that says nothing: some wait in vain, the others get the backup.
        phases = {phase["phase"]: phase["connections"] for phase in by_name["stall-syslog-prod-site"]["phases"]}
        assert phases["failed-over"]["failed"] == 0 < phases["failed-over"]["openedAtBackups"]

    def test_people_get_a_table_of_all_and_one_in_full(self):
        text = simulate(TCP_RELAYS).stdout
        assert re.search(r"^  kill-LB1 .* ok$", text, re.MULTILINE)
        assert text.splitlines()[-1] == "ok: tcp-relays: every property and expectation holds in 14 scenarios"
        text = simulate(TCP_RELAYS, "--scenario", "kill-LB1").stdout
        assert "  2m to 6m: kill LB1" in text
        assert re.search(r"^  LB1 127\.1\.1\.1:3389 +20 .* from 2m[\d.]*s$", text, re.MULTILINE)
        assert re.search(r"^  LB2 127\.1\.1\.2:3389 +20 .* never$", text, re.MULTILINE)
        assert re.search(r"^      refused +0 +[1-9][\d,]+ +0 +[1-9][\d,]+$", text, re.MULTILINE)
        assert "no connection failed while its relay ran and a server of it took connections" in text

    def test_the_same_seed_gives_the_same_bytes(self):
        first, second = (simulate(TCP_RELAYS, "--seed", 5, "--format", "json").stdout for _ in range(2))
        assert first == second != simulate(TCP_RELAYS, "--seed", 6, "--format", "json").stdout

    def test_a_statement_that_does_not_hold_is_told_and_is_the_exit_code(self, tmp_path):
        text = TCP_RELAYS.read_text() + "\nscenarios: [{name: dead, steps: [{at: 1m, kill: tse-farm}], expect: [{errors: 0}]}]\n"
        done = simulate(written(tmp_path / "relays.yaml", text), code=1)
        assert done.stdout.splitlines()[-1].startswith("FAILED: tcp-relays: dead (expected errors at most 0)")

    def test_its_words_are_documented(self):
        document = DOCUMENT.read_text()
        schema = json.loads(SCHEMA.read_text())
        keys = set(schema["properties"]).union(*(part["properties"] for part in schema["$defs"].values()))
        assert not [key for key in sorted(keys) if f"`{key}`" not in document]

    @pytest.mark.parametrize("arguments", [
        ["--plot", "a.svg"], ["--trace", 1], ["--explore", 5], ["--compare"], ["--per-user"], ["--geography"]])
    def test_what_is_about_requests_is_wrong_usage(self, arguments):
        assert f"{arguments[0]} is about requests and sites, and the network has relays alone" in simulate(
            TCP_RELAYS, *arguments, code=USAGE).stderr

    def test_steps_that_it_does_not_know_are_errors_of_the_file(self, tmp_path):
        text = TCP_RELAYS.read_text() + "\nscenarios: [{name: a, steps: [{at: 1m, drain: tse-farm}]}]\n"
        assert "this step cannot be simulated in a network of relays alone" in simulate(
            written(tmp_path / "relays.yaml", text), code=CONFIGURATION).stderr

    def test_a_network_of_sites_and_relays_is_simulated_by_its_requests(self):
        done = simulate(REPOSITORY / "topologies" / "tls-relays.yaml", "--scenario", "kill-W1")
        assert "note: only relays before monitors and admission ports are simulated" in done.stderr


class TestLive:
    """The same failure at a running relay: as many connections cut and opened, and at the same servers."""

    USERS = 12

    def simulated(self, bed, steps: list) -> dict:
        data = yaml.safe_load(bed.file.read_text())
        del data["admin"]
        # Users who stay: each has one connection, and another when that is cut.
        data["scenarios"] = [{"name": "s", "duration": "2m", "users": self.USERS, "steps": steps,
                              "traffic": {"session-length": "1000h", "think-time": "1s"}}]
        file = bed.folder / "simulated.yaml"
        file.write_text(yaml.safe_dump(data))
        (scenario,) = report(file)["scenarios"]
        return scenario

    @staticmethod
    def says(name: str):
        """Says who it is, and holds the connection until the other side ends it."""
        def serve(connection: socket.socket):
            connection.sendall(name.encode())
            while connection.recv(1 << 16):
                pass
        return serve

    def test_a_server_that_ends_with_a_backup(self, bed):
        first = bed.server("127.1.1.10", 3389, self.says("first"))
        bed.server("127.1.1.11", 3389, self.says("spare"))
        bed.start(check={"tcp": None, "interval": "200ms"}, servers=[
            {"name": "first", "address": "127.1.1.10:3389"}, {"name": "spare", "address": "127.1.1.11:3389", "backup": True}])
        connections = [bed.connect() for _ in range(self.USERS)]
        opened = [connection.recv(100) for connection in connections]
        first.stop()
        cut = sum(self.is_cut(connection) for connection in connections)
        opened += [bed.connect().recv(100) for _ in range(self.USERS)]
        live = {"opened": len(opened), "openedAtBackups": opened.count(b"spare"), "cut": cut, "failed": opened.count(b"")}
        counts = self.simulated(bed, [{"at": "1m", "kill": "first"}])["total"]["connections"]
        assert live == {key: counts[key] for key in live}
        # New connections go to the first again, those at the backup stay there.
        first.start()
        waiting.until(lambda: bed.connect().recv(100) == b"first", "a connection to the first server")
        scenario = self.simulated(bed, [{"at": "1m", "for": "20s", "kill": "first"}])
        assert scenario["total"]["connections"]["cut"] == self.USERS

    def test_a_server_that_ends_without_a_backup(self, bed):
        server: TCPServer = bed.server("127.1.1.10", 3389, self.says("first"))
        bed.start(check={"tcp": None, "interval": "200ms"}, servers=[{"name": "first", "address": "127.1.1.10:3389"}])
        connections = [bed.connect() for _ in range(self.USERS)]
        assert [connection.recv(100) for connection in connections] == [b"first"] * self.USERS
        server.stop()
        assert all(self.is_cut(connection) for connection in connections)
        # The relay takes them, and has nobody.
        assert [self.word(bed) for _ in range(self.USERS)] == [b""] * self.USERS
        server.start()
        began = time.monotonic()
        waiting.until(lambda: self.word(bed) == b"first", "a connection")
        live = time.monotonic() - began
        scenario = self.simulated(bed, [{"at": "1m", "for": "20s", "kill": "first"}])
        counts = scenario["total"]["connections"]
        assert counts["cut"] == self.USERS and counts["failed"] == counts["closed"] > 0
        (away,) = scenario["listeners"][0]["notServed"]
        simulated = away["endMilliseconds"] / 1000 - 80
        # A trial is made each second, or a check has succeeded before; users come again after 1.5 s at the latest.
        assert simulated < 1.5, simulated
        assert live < 1.5 + 1, live

    @staticmethod
    def word(bed) -> bytes:
        with contextlib.suppress(ConnectionResetError):
            return bed.connect().recv(100)
        return b""

    @staticmethod
    def is_cut(connection: socket.socket) -> bool:
        with contextlib.suppress(ConnectionResetError):
            return connection.recv(100) == b""
        return True
