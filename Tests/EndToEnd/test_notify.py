"""`notify:`: a command that is told of servers that go down or come back."""

import os
import signal
import socket
import time

import yaml

from harness import waiting
from harness.addresses import moved
from harness.geodirector import binary
from harness.process import Node
from harness.topology import NodeSpec
from test_relay import Bed


def run(bed, command, relay=None, **notify):
    """A relay R with the servers A and B that tells a script."""
    servers = [bed.server(f"127.1.1.1{number}", 3389) for number in (1, 2)]
    script = bed.folder / "tell"
    script.write_text(f"#!/bin/sh\n{command}\n")
    script.chmod(0o700)
    file = bed.folder / "notify.yaml"
    file.write_text(yaml.safe_dump(moved({
        "geodirector": 1, "network": "net", "admin": {"socket": f"{bed.folder}/{{node}}.sock"},
        "notify": {"command": [str(script), "operations"]} | notify,
        "relays": [{"name": "R", "listen": "127.1.1.1:3389", "check": {"interval": "100ms", "fall": 1, "rise": 1},
                    "servers": [{"name": "A", "host": "127.1.1.11"}, {"name": "B", "host": "127.1.1.12"}]} | (relay or {})]},
        bed.range)))
    spec = NodeSpec("R", "relay", None, bed.at("127.1.1.1", 3389), None)
    bed.node = Node(spec, [str(binary()), "deploy", "relay", "R", "--topology", str(file), "--workers", "1"], bed.folder)
    bed.node.start()
    waiting.until(lambda: "R serves" in bed.node.err.read_text(), "R serving")
    return servers


def test_a_command_is_told_who_went_down_and_who_came_back(tmp_path):
    with Bed(tmp_path) as bed:
        told = tmp_path / "told"
        first, _ = run(bed, f'echo "$1 $GEODIRECTOR_NODE $GEODIRECTOR_NETWORK $GEODIRECTOR_CHANGES" >> {told}; cat >> {told}',
                       interval="100ms")
        first.stop()
        waiting.until(lambda: told.exists() and "R A down" in told.read_text(), "A told to be down")
        first.start()
        waiting.until(lambda: "R A up" in told.read_text(), "A told to be up")
        lines = told.read_text().splitlines()
        assert lines[0] == "operations R net 1" and lines[1].startswith("R A down check: ") and len(lines) == 4


def test_what_changes_while_a_command_runs_is_told_by_the_next_one(tmp_path):
    with Bed(tmp_path) as bed:
        told, go_on = tmp_path / "told", tmp_path / "go-on"
        servers = run(bed, f"echo begin >> {told}; until [ -e {go_on} ]; do sleep 0.05; done; cat >> {told}; echo end >> {told}",
                      interval="1s")
        servers[0].stop()
        waiting.until(lambda: told.exists(), "the first run")
        # A command that hangs delays nobody: checks go on, and so do users.
        servers[1].stop()
        waiting.until(lambda: "B is down" in bed.node.err.read_text(), "B seen to be down")
        for server in servers:
            server.start()
        waiting.until(lambda: bed.node.err.read_text().count(" is up") == 2, "both seen to be up")
        assert bed.ask(b"hello") == b"hello" and told.read_text().count("begin") == 1
        released = time.monotonic()
        go_on.touch()
        waiting.until(lambda: told.read_text().count("end") == 2, "the second run")
        assert time.monotonic() - released > 0.8
        first, second = told.read_text().split("end\n")[:2]
        assert first.count("R A down") == 1 and first.count("\n") == 2
        assert sorted(line.split()[1:3] for line in second.splitlines()[1:]) == [["A", "up"], ["B", "down"], ["B", "up"]]


def test_what_waits_for_the_interval_is_told_before_the_node_ends(tmp_path):
    with Bed(tmp_path) as bed:
        told = tmp_path / "told"
        first, second = run(bed, f"cat >> {told}", interval="1h")
        first.stop()
        waiting.until(lambda: told.exists() and "R A down" in told.read_text(), "A told to be down")
        second.stop()
        waiting.until(lambda: "B is down" in bed.node.err.read_text(), "B seen to be down")
        bed.node.process.send_signal(signal.SIGTERM)
        assert bed.node.process.wait(20) == 0
        assert [line.split()[1:3] for line in told.read_text().splitlines()] == [["A", "down"], ["B", "down"]]


def test_a_command_that_hangs_does_not_keep_the_node_from_its_end(tmp_path):
    with Bed(tmp_path) as bed:
        told, go_on = tmp_path / "told", tmp_path / "go-on"
        first, _ = run(bed, f"echo $$ > {told}.new; mv {told}.new {told}; until [ -e {go_on} ]; do sleep 0.05; done", interval="100ms")
        first.stop()
        waiting.until(told.exists, "the command running")
        try:
            bed.node.process.send_signal(signal.SIGTERM)
            assert bed.node.process.wait(30) == 0
            # It goes on by itself.
            assert os.path.exists(f"/proc/{told.read_text().strip()}")
        finally:
            go_on.touch()


def test_a_command_that_fails_is_told_in_the_log_and_ends_nothing(tmp_path):
    with Bed(tmp_path) as bed:
        first, _ = run(bed, "exit 3", interval="100ms")
        first.stop()
        waiting.until(lambda: "failed: it ended with 3" in bed.node.err.read_text(), "the failure in the log")
        (tmp_path / "tell").unlink()
        first.start()
        waiting.until(lambda: "failed: No such file" in bed.node.err.read_text(), "the missing command in the log")
        assert bed.ask(b"hello") == b"hello"


def test_a_command_has_the_usual_signals_and_no_files_of_the_node(tmp_path):
    with Bed(tmp_path) as bed:
        told = tmp_path / "told"
        first, _ = run(bed, f"(grep -E 'SigIgn|SigBlk' /proc/self/status; ls /proc/self/fd | wc -l) > {told}.new; mv {told}.new {told}",
                       interval="100ms")
        with socket.create_connection(bed.at("127.1.1.1", 3389), timeout=10):
            first.stop()
            waiting.until(told.exists, "the command's word")
        blocked, ignored, files = told.read_text().splitlines()
        assert int(blocked.split()[1], 16) == 0 and not int(ignored.split()[1], 16) & 1 << 12
        # Standard input, output, error, the list itself and perhaps the script.
        assert int(files) <= 5


def test_a_command_gets_no_secret_of_the_node_and_nothing_of_its_service_manager(tmp_path, monkeypatch):
    monkeypatch.setenv("PAGE_PASSWORD", "hush")
    monkeypatch.setenv("PAGE_PASSWORD_HINT", "known")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    with Bed(tmp_path) as bed:
        told = tmp_path / "told"
        page = {"status-page": {"listen": "127.1.1.1:8099", "user": "operator", "password": "env:PAGE_PASSWORD"}}
        first, _ = run(bed, f"env > {told}.new; mv {told}.new {told}", relay=page, interval="100ms")
        first.stop()
        waiting.until(told.exists, "the environment of the command")
        names = {line.partition("=")[0] for line in told.read_text().splitlines()}
        assert {"PATH", "GEODIRECTOR_NODE", "PAGE_PASSWORD_HINT"} <= names
        assert not names & {"PAGE_PASSWORD", "NOTIFY_SOCKET", "GEODIRECTOR_HANDOVER"}
