"""Connections that never end by themselves: relays and tunnels whose peer is trusted no more, through changes of files, reloads and hand-overs."""

import contextlib
import os
import re
import signal
import ssl
import threading

import pytest
import yaml

from harness import waiting
from harness.certificates import Authority, put
from harness.tcp import echo
from test_relay import Bed
from test_relay_tls import Pipe, client

pytestmark = [pytest.mark.own, pytest.mark.timeout(90)]


@pytest.fixture
def bed(tmp_path):
    with Bed(tmp_path) as bed:
        yield bed


class Bundle:
    """A file of authorities: at first the test's own, and another one."""

    def __init__(self, folder):
        self.path, self.own, self.other = folder / "both.pem", Authority(folder), Authority(folder, "stranger")
        self.write(self.own, self.other)

    def write(self, *authorities):
        put(self.path, b"".join(each.path.read_bytes() for each in authorities))


@pytest.fixture
def bundle(tmp_path):
    return Bundle(tmp_path)


def said(bed, text: str, times: int = 1):
    waiting.until(lambda: bed.node.err.read_text().count(text) >= times, f"{text!r} in the log")


def echoes(pipe) -> bool:
    pipe.send(b"ping")
    return pipe._go(pipe.tls.read, 4) == b"ping"


def ended(pipe):
    """Nothing but an end comes."""
    data, how = pipe.read()
    assert data == b"" and how != "whole", (data, how)


def cut(bed, count: int = 1):
    waiting.until(lambda: sum(" K- " in line for line in bed.node.log_lines()) == count, "the line in the access log")


class TestServers:
    def test_a_relay_to_a_server_that_is_believed_no_more_ends_and_a_handshake_under_way_leads_nowhere(self, bed, bundle):
        """The other server, of the authority that stays, goes on."""
        go, taken, got = threading.Event(), [], []
        contexts = {name: signer.server(signer.issue(name)) for name, signer in {"own": bundle.own, "other": bundle.other}.items()}

        def serve(name):
            def handler(connection):
                taken.append(name)
                if taken.count("other") == 2 and name == "other":
                    go.wait(60)
                with contextlib.suppress(ssl.SSLError):
                    pipe = Pipe(connection, contexts[name], is_server=True)
                    while data := pipe._go(pipe.tls.read, 100):
                        got.append((name, data))
                        pipe.send(data)
            return handler

        bed.server("127.1.1.10", 3389, serve("own"))
        bed.server("127.1.1.11", 3390, serve("other"))
        bed.start(listen=["127.1.1.1:3389"], servers=[
            {"name": "other", "address": "127.1.1.11:3390", "tls": {"ca": str(bundle.path)}},
            {"name": "own", "address": "127.1.1.10:3389", "tls": {"ca": str(bundle.path)}}], balance="roundrobin")
        kept = [bed.connect() for _ in range(2)]
        for connection in kept:
            connection.sendall(b"ping")
            assert connection.recv(4) == b"ping"
        late = bed.connect()
        waiting.until(lambda: taken.count("other") == 2, "the handshake under way")
        late.sendall(b"secret")
        bundle.write(bundle.own)
        # The one of the two that leads to the other server.
        position = 0 if got[0][0] == "other" else 1
        with contextlib.suppress(ConnectionResetError):
            assert kept[position].recv(100) == b""
        cut(bed)
        go.set()
        kept[1 - position].sendall(b"more")
        assert kept[1 - position].recv(4) == b"more"
        # It is the next candidate's.
        assert late.recv(6) == b"secret"
        assert [name for name, data in got if data == b"secret"] == ["own"]
        said(bed, "its certificate is accepted no more")


class TestClients:
    def start(self, bed, bundle, **more):
        bed.server("127.1.1.10", 3389, echo)
        tls = {"certificates": str(bundle.own.issue("shop.example")), "require": "client-certificate", "client-ca": str(bundle.path),
               "client-names": ["A", "B"]}
        bed.start(listen=[{"address": "127.1.1.1:3389", "tls": tls}], servers=[{"name": "S", "host": "127.1.1.10"}], **more)
        good = client(bed, bundle.own, certificate=bundle.own.issue("A"))
        bad = client(bed, bundle.own, certificate=bundle.other.issue("B"))
        assert echoes(good) and echoes(bad)
        return good, bad

    @staticmethod
    def change(bed, how):
        data = yaml.safe_load(bed.file.read_text())
        how(data["relays"][0])
        bed.file.write_text(yaml.safe_dump(data))
        before = bed.node.err.read_text().count("serves by the topology read again")
        bed.node.send(signal.SIGHUP)
        said(bed, "serves by the topology read again", before + 1)

    @pytest.mark.parametrize("workers", [1, 2])
    def test_who_is_taken_off_the_list_by_a_reload_is_out(self, bed, bundle, workers):
        good, bad = self.start(bed, bundle, workers=workers)
        self.change(bed, lambda relay: relay["listen"][0]["tls"].update({"client-names": ["A"]}))
        ended(bad)
        cut(bed)
        assert echoes(good)

    @pytest.mark.parametrize("reloads", [1, 2])
    def test_an_authority_that_goes_after_a_reload_takes_its_clients_along(self, bed, bundle, reloads):
        good, bad = self.start(bed, bundle)
        for weight in range(reloads):
            self.change(bed, lambda relay, weight=weight: relay["servers"][0].update({"weight": weight + 2}))
        assert echoes(good) and echoes(bad)
        bundle.write(bundle.own)
        ended(bad)
        cut(bed)
        assert echoes(good)

    def test_files_of_a_listener_that_is_gone_count_for_its_connections_still(self, bed, bundle):
        good, bad = self.start(bed, bundle)
        port = int(bed.at("127.1.1.1", 3389)[1])
        self.change(bed, lambda relay: relay.update({"listen": [relay["listen"][0]["address"].replace(str(port), "3390")]}))
        assert echoes(good) and echoes(bad)
        bundle.write(bundle.own)
        ended(bad)
        cut(bed)
        assert echoes(good)

    def test_an_authority_that_goes_after_a_hand_over_takes_its_clients_along(self, bed, bundle):
        good, bad = self.start(bed, bundle)
        os.kill(bed.node.process.pid, signal.SIGUSR2)
        said(bed, "is served by process")
        successor = int(re.findall(r"is served by process (\d+)", bed.node.err.read_text())[-1])
        try:
            assert echoes(good) and echoes(bad)
            bundle.write(bundle.own)
            ended(bad)
            cut(bed)
            assert echoes(good)
        finally:
            os.kill(successor, signal.SIGTERM)
            for pipe in (good, bad):
                pipe.plain.close()
