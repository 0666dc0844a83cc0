"""Relays and TLS: ended here, begun here, or passed through to the pool that its ClientHello names."""

import contextlib
import hashlib
import os
import random
import re
import socket
import ssl
import struct
import subprocess
import threading

import pytest
import yaml

from harness import haproxy, waiting
from harness.certificates import Authority, secure_get
from harness.geodirector import Geodirector, binary
from harness.network import Network
from harness.process import Node
from harness.tcp import TCPServer, echo, read_all, reset
from harness.topology import NodeSpec, Topology
from test_relay import Bed

pytestmark = [pytest.mark.own, pytest.mark.timeout(120)]

LINE = re.compile(
    r"^(?P<client>\S+) \[[^]]+\] R (?P<pool>[^/ ]+)/(?P<server>\S+) \S+ (?P<bytes>\d+) (?P<end>\S\S) [\d/]+ 0/0 in=(?P<received>\d+) "
    r"port=\d+ tier=\S+ why=(?P<why>\S+)(?: name=(?P<name>\S*))?$")


@pytest.fixture
def authority(request, tmp_path):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    return Authority(tmp_path)


@pytest.fixture
def bed(tmp_path):
    with Bed(tmp_path) as bed:
        yield bed


def lines(bed, count: int) -> list:
    waiting.until(lambda: len(bed.node.log_lines()) >= count, f"{count} lines in the access log")
    found = [LINE.match(line) for line in bed.node.log_lines()]
    assert all(found), bed.node.log_lines()
    return found


class Pipe:
    """One end of a TLS connection of which each part is done by itself: bytes, the end of a stream, the end of the connection."""

    def __init__(self, plain: socket.socket, context: ssl.SSLContext, name: str | None = None, is_server: bool = False):
        self.plain, self._in, self._out, self._kept = plain, ssl.MemoryBIO(), ssl.MemoryBIO(), []
        # Python takes an end without close_notify for an end of the stream, unless told.
        context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 1 << 7)
        self.tls = context.wrap_bio(self._in, self._out, server_side=is_server, server_hostname=name)
        self._go(self.tls.do_handshake)

    def _flush(self):
        if self._out.pending:
            self.plain.sendall(self._out.read())

    def _go(self, what, *arguments):
        while True:
            try:
                result = what(*arguments)
                self._flush()
                return result
            except ssl.SSLWantReadError:
                self._flush()
                piece = self.plain.recv(1 << 16)
                if piece:
                    self._in.write(piece)
                else:
                    self._in.write_eof()
            except ssl.SSLError:
                self._flush()
                raise

    def send(self, data: bytes):
        for start in range(0, len(data), 1 << 16):
            self._go(self.tls.write, data[start:start + (1 << 16)])

    def end(self):
        """A close_notify; what the other side sends is still to come. What came with its handshake is taken out first: it would be
        an error to Python behind a close_notify."""
        try:
            while piece := self.tls.read(1 << 16):
                self._kept.append(piece)
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self._flush()

    def read(self) -> tuple[bytes, str]:
        """All that comes, and how it ended: whole, cut short, or reset."""
        pieces, self._kept = self._kept, []
        while True:
            try:
                piece = self._go(self.tls.read, 1 << 16)
            except ssl.SSLZeroReturnError:
                return b"".join(pieces), "whole"
            except ssl.SSLError as error:
                if not isinstance(error, ssl.SSLEOFError) and "EOF" not in str(error):
                    raise
                return b"".join(pieces), "cut short"
            except ConnectionResetError:
                return b"".join(pieces), "reset"
            if not piece:
                return b"".join(pieces), "whole"
            pieces.append(piece)


def exactly(connection, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        assert piece, "ended early"
        data += piece
    return data


def client(bed, authority, name="shop.example", version=None, certificate=None, port=3389, protocols=()) -> Pipe:
    context = authority.client(certificate, version)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return Pipe(bed.connect(port), context, name)


def secured(authority, certificate, handler, seen=None, protocols=(), requires=None):
    """A server that speaks TLS; `handler` gets its side."""
    context = authority.server(certificate, requires)
    if protocols:
        context.set_alpn_protocols(list(protocols))

    def serve(connection):
        pipe = Pipe(connection, context, is_server=True)
        if seen is not None:
            seen.append(pipe)
        handler(pipe)

    return serve


def answers(text: str):
    """A server that says who it is when the client has ended, and ends."""
    def serve(pipe):
        data, how = pipe.read()
        pipe.send(f"{text} {len(data)} {how}".encode())
        pipe.end()
    return serve


PLAIN = [{"name": "S", "host": "127.1.1.10"}]


class TestEndedHere:
    """A listener with a certificate; the server gets what was within."""

    def start(self, bed, authority, tls=None, **more):
        tls = {"certificates": str(authority.issue("shop.example"))} | (tls or {})
        more = {"servers": PLAIN} | more
        return bed.start(listen=[{"address": "127.1.1.1:3389", "tls": tls}], **more)

    @pytest.mark.parametrize("version", ["1.2", "1.3"])
    def test_both_directions_at_once_are_byte_exact(self, bed, authority, version):
        size = 8 << 20
        sent, answer, received = random.Random(1).randbytes(size), random.Random(2).randbytes(size), []

        def serve(connection):
            reader = threading.Thread(target=lambda: received.append(read_all(connection)))
            reader.start()
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
            reader.join()

        bed.server("127.1.1.10", 3389, serve)
        self.start(bed, authority)
        pipe = client(bed, authority, version=version)
        # All is sent while nothing is read of the answer, which fills every buffer on its way.
        pipe.send(sent)
        pipe.end()
        got, how = pipe.read()
        assert how == "whole" and hashlib.sha256(got).digest() == hashlib.sha256(answer).digest()
        waiting.until(lambda: received, "everything at the server")
        assert hashlib.sha256(received[0]).digest() == hashlib.sha256(sent).digest()
        (line,) = lines(bed, 1)
        assert (int(line["received"]), int(line["bytes"]), line["end"]) == (size, size, "--")

    def test_each_direction_ends_by_itself(self, bed, authority):
        data, got = random.Random(3).randbytes(1 << 20), []

        def ends_first(connection):
            connection.shutdown(socket.SHUT_WR)
            got.append(read_all(connection))

        bed.server("127.1.1.10", 3389, lambda connection: connection.sendall(hashlib.sha256(read_all(connection)).digest()))
        bed.server("127.1.1.10", 1494, ends_first)
        tls = {"certificates": str(authority.issue("shop.example"))}
        bed.start(listen=[{"address": f"127.1.1.1:{port}", "tls": tls} for port in (3389, 1494)], servers=PLAIN)
        pipe = client(bed, authority)
        pipe.send(data)
        pipe.end()
        assert pipe.read() == (hashlib.sha256(data).digest(), "whole")
        pipe = client(bed, authority, port=1494)
        assert pipe.read() == (b"", "whole")
        pipe.send(data)
        pipe.end()
        waiting.until(lambda: got, "the rest at a server that has ended its own direction")
        assert got[0] == data

    def test_who_reads_slowly_gets_all_and_the_end_of_it(self, bed, authority):
        data = random.Random(4).randbytes(12 << 20)
        bed.server("127.1.1.10", 3389, lambda connection: (connection.sendall(data), connection.shutdown(socket.SHUT_WR), read_all(connection)))
        self.start(bed, authority)
        for _ in range(3):
            pipe = client(bed, authority)
            waiting.until(lambda: bed.status()["clients"] == 1, "the connection")
            got, how = pipe.read()
            assert how == "whole" and got == data
            pipe.end()
            pipe.plain.close()
            waiting.until(lambda: bed.status()["clients"] == 0, "the connection's end")

    def test_a_client_that_cuts_its_stream_short_is_passed_on_as_a_reset(self, bed, authority):
        seen = []

        def wait_for_end(connection):
            connection.sendall(b"x")
            try:
                seen.append(read_all(connection))
            except OSError as error:
                seen.append(error)

        bed.server("127.1.1.10", 3389, wait_for_end)
        self.start(bed, authority)
        pipe = client(bed, authority)
        assert pipe._go(pipe.tls.read, 1) == b"x"
        pipe.plain.shutdown(socket.SHUT_WR)
        waiting.until(lambda: seen, "the reset at the server")
        assert isinstance(seen[0], ConnectionResetError)
        assert lines(bed, 1)[0]["end"] == "CD"

    def test_a_reset_of_the_server_is_no_end_of_the_stream(self, bed, authority):
        bed.server("127.1.1.10", 3389, lambda connection: (connection.sendall(b"part"), connection.recv(1), reset(connection)))
        self.start(bed, authority)
        pipe = client(bed, authority)
        assert pipe._go(pipe.tls.read, 100) == b"part"
        pipe.send(b"x")
        assert pipe.read()[1] == "cut short"
        assert lines(bed, 1)[0]["end"] == "SD"

    def test_no_server_is_asked_before_the_handshake_is_done(self, bed, authority):
        server = bed.server("127.1.1.10", 3389, echo)
        self.start(bed, authority, timeouts={"request": "500ms"})
        for sent in (b"", b"GET / HTTP/1.1\r\n\r\n", os.urandom(100), b"\x16\x03\x01\x02\x00\x01"):
            with bed.connect() as connection:
                connection.sendall(sent)
                try:
                    while connection.recv(1000):
                        pass
                except ConnectionResetError:
                    pass
        said = bed.node.err
        waiting.until(lambda: "plain HTTP on a TLS port" in said.read_text(), "the line in the log")
        waiting.until(lambda: "the handshake was not finished in time" in said.read_text(), "the line in the log")
        assert server.taken == 0
        pipe = client(bed, authority)
        pipe.send(b"well")
        pipe.end()
        assert pipe.read() == (b"well", "whole")

    def test_who_must_show_a_certificate_and_does_not_gets_no_server(self, bed, authority):
        server = bed.server("127.1.1.10", 3389, echo)
        self.start(bed, authority, {"require": "client-certificate", "client-ca": str(authority.path), "client-names": ["OP1"]})
        pipe = client(bed, authority, certificate=authority.issue("OP1"))
        pipe.send(b"well")
        pipe.end()
        assert pipe.read() == (b"well", "whole")
        for certificate in (None, authority.issue("OP2")):
            with pytest.raises((ssl.SSLError, OSError)):
                pipe = client(bed, authority, certificate=certificate)
                pipe.send(b"x")
                if pipe.read()[1] != "whole":
                    raise OSError
        assert server.taken == 1

    def test_the_name_chooses_the_pool_here_too(self, bed, authority):
        for host, name in {"127.1.1.10": "one", "127.1.1.11": "two"}.items():
            bed.server(host, 3389, lambda connection, name=name: connection.sendall(name.encode()))
        certificate = authority.issue("many", "shop.example", "one.example", "other.example")
        self.start(bed, authority, {"certificates": str(certificate)}, servers=[], pools=[
            {"name": "ones", "server-names": "one.example", "servers": [{"name": "A", "host": "127.1.1.10"}]},
            {"name": "shops", "server-names": "shop.example", "servers": [{"name": "B", "host": "127.1.1.11"}]}])
        for version in ("1.2", "1.3"):
            for name, answer in {"one.example": b"one", "shop.example": b"two"}.items():
                pipe = client(bed, authority, name, version)
                assert pipe.read() == (answer, "whole")
                pipe.plain.close()
            # There is a certificate for it, but no pool: it is told so in the handshake.
            with pytest.raises(ssl.SSLError, match="(?i)unrecognized.name"):
                client(bed, authority, "other.example", version)
        refused = [line for line in lines(bed, 6) if line["end"] == "PR"]
        assert [(line["why"], line["name"]) for line in refused] == [("no-pool", "other.example")] * 2
        said = bed.node.err
        waiting.until(lambda: "no pool is for the name it asked for (once" in said.read_text(), "the line in the log")
        assert " for other.example)" in said.read_text()

    @pytest.mark.parametrize("version", ["1.2", "1.3"])
    def test_a_session_of_one_name_does_not_lead_to_the_pool_of_another(self, bed, authority, version):
        """With TLS 1.2 OpenSSL tells the name of the session in the place of the ClientHello's."""
        for host, name in {"127.1.1.10": "one", "127.1.1.11": "two"}.items():
            bed.server(host, 3389, lambda connection, name=name: connection.sendall(name.encode()))
        certificate = authority.issue("many", "one.example", "two.example", "other.example")
        self.start(bed, authority, {"certificates": str(certificate)}, servers=[], pools=[
            {"name": "ones", "server-names": "one.example", "servers": [{"name": "A", "host": "127.1.1.10"}]},
            {"name": "twos", "server-names": "two.example", "servers": [{"name": "B", "host": "127.1.1.11"}]}])
        context = authority.client(version=version)

        def ask(name, session=None):
            with context.wrap_socket(bed.connect(3389), server_hostname=name, session=session) as connection:
                return connection.recv(100), connection.session_reused, connection.session

        answer, _, session = ask("one.example")
        assert answer == b"one"
        assert ask("one.example", session)[:2] == (b"one", True)
        assert ask("two.example", session)[:2] == (b"two", False)
        with pytest.raises(ssl.SSLError, match="(?i)unrecognized.name"):
            ask("other.example", session)

    def test_a_strict_listener_logs_the_name_it_refuses(self, bed, authority):
        server = bed.server("127.1.1.10", 3389, echo)
        self.start(bed, authority, {"strict": True})
        with pytest.raises(ssl.SSLError, match="(?i)unrecognized.name"):
            client(bed, authority, "other.example")
        (line,) = lines(bed, 1)
        assert (line["end"], line["why"], line["name"], server.taken) == ("PR", "no-certificate", "other.example", 0)

    def test_the_protocol_within_is_agreed_on_only_where_it_is_named(self, bed, authority):
        bed.server("127.1.1.10", 3389, echo)
        certificate = str(authority.issue("shop.example"))
        bed.start(listen=[{"address": "127.1.1.1:3389", "tls": certificate},
                          {"address": "127.1.1.1:1494", "tls": {"certificates": certificate, "alpn": ["h2", "imap"]}}], servers=PLAIN)
        assert client(bed, authority, protocols=["imap"]).tls.selected_alpn_protocol() is None
        assert client(bed, authority, port=1494, protocols=["imap", "h2"]).tls.selected_alpn_protocol() == "h2"
        assert client(bed, authority, port=1494).tls.selected_alpn_protocol() is None
        with pytest.raises(ssl.SSLError, match="no.application.protocol"):
            client(bed, authority, port=1494, protocols=["http/1.1"])

    def test_a_header_in_front_tells_the_server_of_the_clients_tls(self, bed, authority):
        heads = []

        def serve(connection):
            head = connection.recv(16, socket.MSG_WAITALL)
            heads.append(head + connection.recv(struct.unpack(">H", head[14:])[0], socket.MSG_WAITALL))
            echo(connection)

        bed.server("127.1.1.10", 3389, serve)
        self.start(bed, authority, servers=[{"name": "S", "host": "127.1.1.10", "send-proxy": "v2"}])
        pipe = client(bed, authority, version="1.3")
        pipe.send(b"behind it")
        pipe.end()
        assert pipe.read() == (b"behind it", "whole")
        assert heads[0].startswith(b"\r\n\r\n\0\r\nQUIT\n\x21\x11") and b"TLSv1.3" in heads[0] and b"shop.example" in heads[0]


class TestBegunHere:
    """Servers that are reached by TLS."""

    SERVERS = [{"name": "S", "host": "127.1.1.10", "tls": {"name": "s.example"}}]

    def start(self, bed, authority, servers=None, **more):
        return bed.start(servers=servers or self.SERVERS, upstream={"tls": {"ca": str(authority.path)}}, **more)

    @pytest.mark.parametrize("version", ["1.2", "1.3"])
    def test_a_plain_client_is_carried_whole(self, bed, authority, version):
        data = random.Random(5).randbytes(3 << 20)
        context = authority.server(authority.issue("s.example"))
        context.minimum_version = context.maximum_version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]

        def serve(connection):
            pipe = Pipe(connection, context, is_server=True)
            got, how = pipe.read()
            pipe.send(how.encode() + got)
            pipe.end()

        bed.server("127.1.1.10", 3389, serve)
        self.start(bed, authority)
        assert bed.ask(data) == b"whole" + data

    @pytest.mark.parametrize("wrong", ["name", "authority", "expired"])
    def test_a_server_that_cannot_prove_who_it_is_gets_nothing_and_the_next_one_takes_over(self, bed, authority, tmp_path, wrong):
        got = []
        bad = {"name": lambda: authority.issue("x.example"), "expired": lambda: authority.issue("s.example", days=(-9, -2)),
               "authority": lambda: Authority(tmp_path, "stranger").issue("s.example")}[wrong]()
        bed.server("127.1.1.10", 3389, secured(authority, bad, lambda pipe: got.append(pipe.read())))
        bed.server("127.1.1.11", 3389, secured(authority, authority.issue("t.example"), answers("spare")))
        self.start(bed, authority, [*self.SERVERS, {"name": "T", "host": "127.1.1.11", "backup": True, "tls": {"name": "t.example"}}])
        assert bed.ask(b"secret") == b"spare 6 whole"
        assert not any(data for data, _ in got)
        reason = {"name": "hostname mismatch", "expired": "certificate has expired", "authority": "unable to get local issuer"}[wrong]
        waiting.until(lambda: f"TLS to S failed: {reason}" in bed.node.err.read_text(), "the line in the log")

    def test_a_server_that_cuts_its_stream_short_is_passed_on(self, bed, authority):
        """To a plain client as a reset; to one with TLS as what it is, with all that came before."""
        data = random.Random(6).randbytes(2 << 20)

        def cut(pipe):
            pipe.send(data)
            # Not before the client has taken it: a reset would overtake what is on its way.
            if pipe._go(pipe.tls.read, 1) == b"x":
                pipe.plain.shutdown(socket.SHUT_RDWR)

        bed.server("127.1.1.10", 3389, secured(authority, authority.issue("s.example"), cut))
        bed.server("127.1.1.10", 1494, secured(authority, authority.issue("s.example"), lambda pipe: (pipe.send(data), pipe.plain.close())))
        tls = {"certificates": str(authority.issue("shop.example"))}
        self.start(bed, authority, listen=["127.1.1.1:3389", {"address": "127.1.1.1:1494", "tls": tls}])
        with bed.connect() as connection:
            assert exactly(connection, len(data)) == data
            connection.sendall(b"x")
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
        got, how = client(bed, authority, port=1494).read()
        assert how == "cut short" and got == data
        assert [line["end"] for line in lines(bed, 2)] == ["SD", "SD"]

    def test_a_client_that_cuts_its_stream_short_is_seen_as_that_by_the_server(self, bed, authority):
        seen = []

        def serve(pipe):
            seen.append(pipe._go(pipe.tls.read, 100))
            seen.append(pipe.read())

        bed.server("127.1.1.10", 3389, secured(authority, authority.issue("s.example"), serve))
        self.start(bed, authority, listen=[{"address": "127.1.1.1:3389", "tls": str(authority.issue("shop.example"))}])
        pipe = client(bed, authority)
        pipe.send(b"a part")
        waiting.until(lambda: seen == [b"a part"], "the beginning at the server")
        pipe.plain.shutdown(socket.SHUT_WR)
        waiting.until(lambda: len(seen) == 2, "the end at the server")
        assert seen[1] == (b"", "cut short")

    def test_what_the_client_agreed_on_is_what_the_server_is_offered(self, bed, authority):
        sides = []
        bed.server("127.1.1.10", 3389, secured(authority, authority.issue("s.example"), answers("x"), sides, ["imap", "h2"]))
        tls = {"certificates": str(authority.issue("shop.example")), "alpn": ["h2", "imap"]}
        self.start(bed, authority, listen=[{"address": "127.1.1.1:3389", "tls": tls}])
        for offered, agreed in {("imap",): "imap", ("h2", "imap"): "h2", (): None}.items():
            pipe = client(bed, authority, protocols=offered)
            pipe.end()
            assert pipe.read()[1] == "whole"
            assert sides[-1].tls.selected_alpn_protocol() == agreed

    def test_our_certificate_is_shown_to_servers_that_ask(self, bed, authority):
        bed.server("127.1.1.10", 3389, secured(authority, authority.issue("s.example"), answers("in"), requires=authority))
        bed.start(servers=self.SERVERS, upstream={"tls": {"ca": str(authority.path), "certificate": str(authority.issue("R"))}})
        assert bed.ask(b"x") == b"in 1 whole"

    def test_a_server_that_does_not_accept_us_is_told_of_in_the_log(self, bed, authority):
        bed.server("127.1.1.10", 3389, secured(authority, authority.issue("s.example"), answers("in"), requires=authority))
        self.start(bed, authority)
        with bed.connect() as connection, pytest.raises(ConnectionResetError):
            connection.sendall(b"x")
            if not connection.recv(1):
                raise ConnectionResetError
        waiting.until(lambda: re.search("TLS to S failed: .*(alert|certificate required)", bed.node.err.read_text()), "the line in the log")


def hello(name: str | None, version=None) -> bytes:
    """A first flight of OpenSSL's."""
    out, context = ssl.MemoryBIO(), ssl.create_default_context()
    context.check_hostname = name is not None
    context.verify_mode = ssl.CERT_NONE if name is None else ssl.CERT_REQUIRED
    try:
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def in_records(flight: bytes, size: int) -> bytes:
    """The same message in records of so many bytes."""
    body = flight[5:]
    return b"".join(b"\x16\x03\x01" + struct.pack(">H", len(body[at:at + size])) + body[at:at + size] for at in range(0, len(body), size))


class TestPassedThrough:
    """The pool is chosen by the name asked for; nothing is decrypted, and nothing changed."""

    POOLS = [{"name": "shops", "server-names": ["shop.example", "*.shop.example"], "servers": [{"name": "A", "host": "127.1.1.10"}]},
             {"name": "deep", "server-names": "*.deep.shop.example", "servers": [{"name": "B", "host": "127.1.1.11"}]}]
    DEFAULT = [{"name": "C", "host": "127.1.1.12"}]
    HOSTS = {"A": "127.1.1.10", "B": "127.1.1.11", "C": "127.1.1.12"}

    def start(self, bed, servers=DEFAULT, request="20s", **more):
        return bed.start(servers=servers, pools=self.POOLS, timeouts={"request": request}, **more)

    def recorders(self, bed) -> dict[str, list]:
        """Servers that keep what they get."""
        got = {name: [] for name in self.HOSTS}
        for name, host in self.HOSTS.items():
            bed.server(host, 3389, lambda connection, name=name: got[name].append(read_all(connection)))
        return got

    def test_each_name_reaches_its_own_servers(self, bed, authority):
        for name, host in self.HOSTS.items():
            certificate = authority.issue(name, "shop.example", "*.shop.example", "x.deep.shop.example", "other.example")
            bed.server(host, 3389, secured(authority, certificate, answers(name)))
        self.start(bed)
        for name, server in {"shop.example": "A", "SHOP.example": "A", "a.shop.example": "A", "x.deep.shop.example": "B", "other.example": "C"}.items():
            pipe = client(bed, authority, name)
            pipe.send(b"hello")
            pipe.end()
            assert pipe.read() == (f"{server} 5 whole".encode(), "whole"), name
            pipe.plain.close()
        assert [(line["pool"], line["server"]) for line in lines(bed, 5)] == [("shops", "A"), ("shops", "A"), ("shops", "A"), ("deep", "B"), ("R", "C")]

    def test_who_asks_for_no_name_gets_the_default(self, bed, authority):
        got = self.recorders(bed)
        self.start(bed)
        flight = hello(None)
        bed.ask(flight)
        waiting.until(lambda: got["C"], "the connection")
        assert got["C"] == [flight]

    @pytest.mark.parametrize("size", [1, 2, 3, 5, 100, 1000])
    def test_records_of_any_size_reach_the_server_as_they_came(self, bed, size):
        got = self.recorders(bed)
        self.start(bed)
        flight = in_records(hello("shop.example"), size) + b"\x14\x03\x03\x00\x01\x01" + os.urandom(50)
        bed.ask(flight)
        waiting.until(lambda: got["A"], "the connection")
        assert got["A"] == [flight]

    def test_segments_cut_anywhere_reach_the_server_as_they_came(self, bed):
        got, source = self.recorders(bed), random.Random(7)
        self.start(bed)
        flight = hello("a.deep.shop.example")
        more = os.urandom(20)
        cuts = [[at] for at in range(1, len(flight), 7)] + [sorted(source.sample(range(1, len(flight)), 9)) for _ in range(20)]
        for number, places in enumerate([*cuts, list(range(1, len(flight)))]):
            with bed.connect() as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for begin, end in zip([0, *places], [*places, len(flight)]):
                    connection.sendall(flight[begin:end])
                connection.sendall(more)
                connection.shutdown(socket.SHUT_WR)
                read_all(connection)
            waiting.until(lambda: len(got["B"]) == number + 1, "the connection")
            assert got["B"][-1] == flight + more, places

    def test_a_long_hello_is_taken_and_one_without_end_is_not(self, bed):
        got = self.recorders(bed)
        self.start(bed)
        # Room for a padding extension (RFC 7685) within the bound of the message.
        flight = hello("shop.example")
        body, extra = flight[5:], struct.pack(">HH", 21, 12_000) + bytes(12_000)
        at = 4 + 34
        at += 1 + body[at]
        at += 2 + struct.unpack(">H", body[at:at + 2])[0]
        at += 1 + body[at]
        extensions = body[at + 2:] + extra
        body = body[:at] + struct.pack(">H", len(extensions)) + extensions
        body = body[:1] + struct.pack(">I", len(body) - 4)[1:] + body[4:]
        long = in_records(b"\0" * 5 + body, 3)
        assert 30_000 < len(long) < 81_000
        bed.ask(long)
        waiting.until(lambda: got["A"], "the connection")
        assert got["A"] == [long]
        with bed.connect() as connection:
            try:
                connection.sendall(in_records(b"\0" * 5 + b"\x01\x00\x3f\x00" + bytes(16_000), 1))
                while connection.recv(1000):
                    pass
            except OSError:
                pass
        line = lines(bed, 2)[1]
        assert (line["end"], line["why"]) == ("PR", "bad-hello")

    def test_a_name_for_nobody_is_refused_with_an_alert_where_there_is_no_default(self, bed, authority):
        got = self.recorders(bed)
        self.start(bed, servers=[])
        for name in ("other.example", "deep.shop.example.other"):
            with pytest.raises(ssl.SSLError, match="unrecognized.name"):
                client(bed, authority, name)
        nameless = hello(None)
        with bed.connect() as connection:
            connection.sendall(nameless)
            assert read_all(connection) == b"\x15\x03\x01\x00\x02\x02\x70"
        told = [(line["end"], line["server"], line["why"], line["name"]) for line in lines(bed, 3)]
        assert told == [("PR", "<none>", "no-pool", "other.example"), ("PR", "<none>", "no-pool", "deep.shop.example.other"),
                        ("PR", "<none>", "no-pool", None)]
        assert not any(got.values())

    def test_what_is_no_hello_or_comes_too_late_is_closed_and_logged(self, bed):
        got = self.recorders(bed)
        self.start(bed, request="1s")
        flight = hello("shop.example")
        for sent, ends in ((b"GET / HTTP/1.1\r\n\r\n", False), (b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", False), (b"", False),
                           (flight[:100], False), (flight[:100], True)):
            with bed.connect() as connection:
                connection.sendall(sent)
                if ends:
                    connection.shutdown(socket.SHUT_WR)
                try:
                    assert read_all(connection) == b""
                except ConnectionResetError:
                    pass
        told = [(line["end"], line["why"], int(line["received"])) for line in lines(bed, 5)]
        assert told == [("PR", "not-tls", 18), ("PR", "bad-hello", 9), ("cR", "no-hello", 0), ("cR", "no-hello", 100), ("CR", "no-hello", 100)]
        assert not any(got.values())

    def test_who_comes_and_goes_without_a_word_is_not_logged(self, bed):
        got = self.recorders(bed)
        self.start(bed)
        for _ in range(5):
            bed.connect().close()
        bed.ask(hello("shop.example"))
        assert [line["pool"] for line in lines(bed, 1)] == ["shops"]
        assert len(got["A"]) == 1

    def test_a_proxy_header_comes_before_it(self, bed):
        got = self.recorders(bed)
        self.start(bed, listen=[{"address": "127.1.1.1:3389", "proxy-protocol": "127.0.0.0/8"}])
        flight = hello("shop.example")
        header = b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 443\r\n"
        for cut in (0, 10, len(header), len(header) + 3):
            with bed.connect() as connection:
                connection.sendall((header + flight)[:cut])
                connection.sendall((header + flight)[cut:])
                connection.shutdown(socket.SHUT_WR)
                read_all(connection)
        waiting.until(lambda: len(got["A"]) == 4, "the connections")
        assert got["A"] == [flight] * 4
        assert {line["client"] for line in lines(bed, 4)} == {"198.51.100.7:4711"}

    def test_a_dead_server_is_passed_over_and_the_hello_reaches_the_next_one_whole(self, bed):
        got = []
        bed.server("127.1.1.11", 3389, lambda connection: got.append(read_all(connection)))
        bed.start(pools=[{"name": "shops", "server-names": "shop.example",
                          "servers": [{"name": "A", "host": "127.1.1.10"}, {"name": "B", "host": "127.1.1.11", "backup": True}]}])
        flight = hello("shop.example")
        bed.ask(flight + b"more")
        waiting.until(lambda: got, "the connection")
        assert got == [flight + b"more"]

    def test_five_hundred_half_hellos_hold_up_nobody(self, bed):
        got = self.recorders(bed)
        self.start(bed, request="2s")
        flight = hello("shop.example")
        halves = [bed.connect() for _ in range(500)]
        for index, half in enumerate(halves):
            half.sendall(flight[:index % 200])
        bed.ask(flight)
        assert got["A"] == [flight]
        for half in halves:
            try:
                assert half.recv(1) == b""
            except ConnectionResetError:
                pass
        waiting.until(lambda: bed.status()["clients"] == 0, "all closed")


def test_the_ready_made_relays_pass_tls_through_end_it_and_begin_it(tmp_path, request):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    topology = Topology.read("tls-relays").scaled(0.2)
    topology.data["admin"] = {"socket": f"{tmp_path}/{{node}}.sock"}
    with contextlib.ExitStack() as stack, Network(topology, Geodirector(), tmp_path) as network:
        def at(host):
            return network.range.map(host)

        for host in ("127.3.0.7", "127.3.0.8"):
            stack.enter_context(TCPServer((at(host), 3389), lambda connection, host=host: connection.sendall(host.encode() + read_all(connection))))
        trusted = ssl.create_default_context(cafile=str(tmp_path / "pki/ca.pem"))
        front = (at("127.3.0.1"), 8443)
        # The shop, through the front, to the director's own TLS.
        answer = secure_get(front, trusted, name="www.shop.example")
        assert answer.status == 200 and answer.json["server"] in ("W1", "W2")
        # The desktops, through the office's relay, which shows its certificate; nobody else is let in, by the front neither.
        with socket.create_connection((at("127.3.1.1"), 3389), timeout=20) as connection:
            connection.sendall(b" hello")
            connection.shutdown(socket.SHUT_WR)
            assert read_all(connection) == b"127.3.0.7 hello"
        with pytest.raises(OSError):
            stranger = stack.enter_context(socket.create_connection(front, timeout=20))
            pipe = Pipe(stranger, trusted, "desktops.example")
            pipe.send(b"hello")
            if pipe.read()[1] != "whole":
                raise OSError
        with pytest.raises(ssl.SSLError, match="unrecognized.name"):
            secure_get(front, trusted, name="other.example")


@contextlib.contextmanager
def rendered(bed, folder):
    """The reference with what is rendered of the relay, at an address of its own."""
    text = subprocess.run([str(binary()), "topology", "render", "haproxy", str(bed.file)], capture_output=True, text=True)
    assert text.returncode == 0, text.stderr
    here, there = bed.at("127.1.1.1"), bed.at("127.1.3.1")
    path = folder / "relay.cfg"
    path.write_text(text.stdout.replace(f"bind {here}:", f"bind {there}:"))
    node = Node(NodeSpec("H", "reference", None, (there, 3389), None), [haproxy.program(), "-db", "-f", str(path)], folder)
    try:
        node.start()
        # Its first checks are over when its port is there; a connection to see that would be one to a server.
        waiting.until(lambda: waiting.listens((there, 3389)), "the reference")
        yield there
    finally:
        node.stop()


def test_haproxy_chooses_the_same_servers_by_name_with_what_is_rendered(bed, authority, tmp_path):
    names = {"shop.example": "A", "SHOP.example": "A", "a.b.shop.example": "A", "x.deep.shop.example": "B", "deep.shop.example": "A", "other.example": "C"}
    for name, host in TestPassedThrough.HOSTS.items():
        certificate = authority.issue(name, *names, "*.shop.example", "*.b.shop.example")
        bed.server(host, 3389, secured(authority, certificate, answers(name)))
    bed.start(servers=TestPassedThrough.DEFAULT, pools=TestPassedThrough.POOLS)
    with rendered(bed, tmp_path) as there:
        for name, server in names.items():
            said = []
            for host in (bed.at("127.1.1.1"), there):
                with socket.create_connection((host, 3389), timeout=20) as plain:
                    pipe = Pipe(plain, authority.client(), name)
                    pipe.send(b"hello")
                    pipe.end()
                    said.append(pipe.read())
            assert said == [(f"{server} 5 whole".encode(), "whole")] * 2, name


def test_haproxy_ends_and_begins_tls_with_what_is_rendered(bed, authority, tmp_path):
    bed.server("127.1.1.10", 3389, secured(authority, authority.issue("s.example"), answers("in"), requires=authority))
    tls = {"certificates": str(authority.issue("shop.example")), "require": "client-certificate", "client-ca": str(authority.path),
           "client-names": ["OP1"]}
    bed.start(listen=[{"address": "127.1.1.1:3389", "tls": tls}], servers=[{"name": "S", "host": "127.1.1.10", "tls": {"name": "s.example"}}],
              upstream={"tls": {"ca": str(authority.path), "certificate": str(authority.issue("R"))}})
    with rendered(bed, tmp_path) as there:
        for host in (bed.at("127.1.1.1"), there):
            for name, is_let_in in (("OP1", True), ("OP2", False)):
                with socket.create_connection((host, 3389), timeout=20) as plain:
                    try:
                        pipe = Pipe(plain, authority.client(authority.issue(name)), "shop.example")
                        pipe.send(b"hello")
                        pipe.end()
                        said = pipe.read()
                    except OSError:
                        said = None
                    assert (said == (b"in 5 whole", "whole")) == is_let_in, (host, name, said)


def test_check_tells_of_names_without_a_certificate_and_of_keys_that_everybody_can_read(authority, tmp_path):
    certificate = authority.issue("many", "one.example", "*.two.example")
    (tmp_path / "tickets").write_bytes(os.urandom(80))
    (tmp_path / "tickets").chmod(0o644)
    certificate.chmod(0o600)
    pools = [{"name": "p", "server-names": ["one.example", "a.two.example", "two.example"], "servers": [{"name": "A", "address": "127.1.1.10:1"}]}]
    listen = {"address": "127.1.1.1:3389", "tls": {"certificates": str(certificate), "ticket-keys": str(tmp_path / "tickets")}}
    file = tmp_path / "names.yaml"
    file.write_text(yaml.safe_dump({"geodirector": 1, "network": "n", "relays": [{"name": "R", "listen": listen, "pools": pools}]}))
    done = subprocess.run([str(binary()), "topology", "check", "--strict", str(file)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("warning:") == 2, done.stderr
    assert "no certificate of relay R at 127.1.1.1:3389 is for two.example, which leads to pool p" in done.stderr
    assert f"everybody on this machine can read the secret in {tmp_path}/tickets" in done.stderr
