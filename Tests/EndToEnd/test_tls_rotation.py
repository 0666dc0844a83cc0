"""Keys, certificates and authorities change under the load of many users, on kept connections, new ones and resumed ones: no request fails, and
sessions stay where they are."""

import contextlib
import os
import re

import pytest

from harness import waiting
from harness.certificates import Authority, SecureConnection, put, s_client
from harness.raw import CutShort
from harness.secure_balancer import SecureBalancer
from harness.secure_load import SecureLoad
from test_signed_cookies import forged_cookies, signed

pytestmark = [pytest.mark.own, pytest.mark.timeout(120)]

VERSIONS = ("1.2", "1.3")
READ_AGAIN = "certificates were read again"


@pytest.fixture
def balancer(tmp_path):
    with contextlib.ExitStack() as stack:
        yield lambda tls, prepare=None, **more: stack.enter_context(prepared(SecureBalancer(tmp_path, tls, **more), prepare)).run()


def prepared(single, prepare):
    if prepare:
        prepare(single)
    return single


@pytest.fixture
def users(authority):
    """What users have: each version of TLS."""
    return [authority.client(version=version) for version in VERSIONS]


def nobody_noticed(load):
    assert not load.failed and not load.moved, (load.failed[:5], load.moved[:5])


def ticket_key(single) -> bytes:
    """The name of the key with which tickets are made: the first 16 bytes of each."""
    said = s_client(single.address, "-tls1_2", "-servername", "shop.example")
    found = re.search(r"TLS session ticket:\s+0000 - ((?:[0-9a-f]{2}[ -]){16})", said)
    assert found, said
    return bytes.fromhex(found[1].replace("-", " "))


class TestKeys:
    def test_ticket_keys_change_and_every_session_is_resumed(self, balancer, authority, users, tmp_path):
        path, (first, *others) = tmp_path / "tickets", [os.urandom(80) for _ in range(3)]
        put(path, first)
        single = balancer({"certificates": str(authority.issue("shop.example")), "ticket-keys": str(path)})
        with SecureLoad(single.address, users) as load:
            with SecureConnection(single.address, users[0]) as connection:
                assert connection.ask().status == 200
                left_behind = connection.socket.session
            old = first
            for new in others:
                for keys in (new + old, new):
                    put(path, keys)
                    waiting.until(lambda: ticket_key(single) == new[:16], "tickets of the new key")
                    # Each has resumed a session of the old key by then, and got a ticket of the new one.
                    load.go_on()
                    assert load.resumptions()[1] == 0
                old = new
        nobody_noticed(load)
        assert all(len(user.resumed) >= 2 * len(others) for user in load.users if user.habit in ("resumes", "visits"))
        # The keys before are gone indeed.
        with SecureConnection(single.address, users[0], session=left_behind) as connection:
            assert connection.ask().status == 200 and not connection.socket.session_reused

    def test_cookie_keys_change_and_every_session_keeps_its_server(self, balancer, authority, users, tmp_path):
        path, keys = tmp_path / "cookies", [os.urandom(32) for _ in range(3)]

        def write(*keys):
            put(path, "".join(f"{key.hex()}\n" for key in keys).encode())

        def prepare(single):
            single.monitor = (single.range.map("127.0.1.1"), 8081)
            single.data["sites"][0]["balancers"][0]["monitor"] = "{}:{}".format(*single.monitor)

        write(keys[0])
        single = balancer(str(authority.issue("shop.example")), prepare, cookies={"key-file": str(path), "signing": "require"})
        with SecureLoad(single.address, users) as load:
            count = 0
            for old, new in zip(keys, keys[1:]):
                for step in ((old, new), (new, old), (new,)):
                    write(*step)
                    count += 1
                    waiting.until(lambda: single.said("cookies of shop: keys were read again") >= count, "the keys being read")
                    load.go_on()
                    cookies = [(user.cookies["S"], signed(step[0], "S", user.server)) for user in load.users]
                    assert all(has == expected for has, expected in cookies), (step, cookies)
        nobody_noticed(load)
        assert {user.server for user in load.users} == {"A", "B"}
        assert forged_cookies(single) == 0


class TestCertificates:
    @pytest.mark.parametrize("files", ["one file", "two files"])
    def test_certificate_and_key_of_a_listener_change(self, balancer, authority, users, tmp_path, files):
        certificate, key = tmp_path / "own.crt", tmp_path / "own.key"

        def issue(name):
            whole = authority.issue(name, "shop.example", file="shop").read_bytes()
            at = whole.index(b"-----BEGIN PRIVATE KEY")
            return whole[:at], whole[at:]

        def shown() -> str:
            with SecureConnection(single.address, users[0]) as connection:
                return connection.subject

        if files == "one file":
            tls = str(authority.issue("one", "shop.example", file="shop"))
        else:
            for path, data in zip((certificate, key), issue("one")):
                put(path, data)
            tls = {"certificates": [{"certificate": str(certificate), "key": str(key)}]}
        single = balancer(tls)
        with SecureLoad(single.address, users) as load:
            for number, name in enumerate(("two", "three", "four")):
                if files == "one file":
                    authority.issue(name, "shop.example", file="shop")
                else:
                    data = issue(name)
                    put(certificate, data[0])
                    # The key is still the former one's: nothing changes until it has come, too.
                    waiting.until(lambda: single.said("certificates stay as they were") > number, "the line in the log")
                    load.go_on()
                    put(key, data[1])
                waiting.until(lambda: shown() == name, "the new certificate")
                load.go_on()
        nobody_noticed(load)
        # Tickets outlast the certificate under which they were given.
        resumed, not_resumed = load.resumptions()
        assert resumed > 3 * len(users) and not_resumed == 0

    def test_certificates_of_both_ends_towards_servers_change(self, balancer, authority, users):
        def server(name):
            return authority.server(authority.issue(name, file=f"server-{name}"), requires=authority)

        def prepare(single):
            for name, origin in single.origins.items():
                origin.context = server(name)
            for entry in single.data["sites"][0]["servers"]:
                entry["tls"] = True

        upstream = {"tls": {"ca": str(authority.path), "certificate": str(authority.issue("one", file="own"))}}
        # Few are kept, so that new connections are made all the time.
        single = balancer(str(authority.issue("shop.example")), prepare, options={"upstream": upstream}, limits={"pooled-per-server": 2})
        with SecureLoad(single.address, users) as load:
            for number, name in enumerate(("two", "three", "four"), 1):
                for each, origin in single.origins.items():
                    origin.context = server(each)
                authority.issue(name, file="own")
                waiting.until(lambda: all(single.said(f"connections to {each}: {READ_AGAIN}") >= number for each in "AB"), "the new certificate")
                before = {each: len(origin.shown) for each, origin in single.origins.items()}
                load.go_on()
                waiting.until(lambda: all(shows(origin, name, before[each]) for each, origin in single.origins.items()), f"{name} being shown")
        nobody_noticed(load)
        for origin in single.origins.values():
            assert any(origin.resumed) and not all(origin.resumed)


def shows(origin, name: str, begin: int) -> bool:
    """Whether a connection from the `begin`th on showed that name."""
    return any(dict(part[0] for part in shown["subject"])["commonName"] == name for shown in list(origin.shown[begin:]) if shown)


@pytest.fixture
def bundle(tmp_path, authority):
    """A file of authorities: that of everybody, and another one that comes and goes."""
    class Bundle:
        path, own, other = tmp_path / "both.pem", authority, Authority(tmp_path, "stranger")

        def write(self, *authorities):
            put(self.path, b"".join(each.path.read_bytes() for each in authorities))

    bundle = Bundle()
    bundle.write(bundle.own, bundle.other)
    return bundle


class TestAuthorities:
    def test_clients_whose_authority_stays_notice_nothing(self, balancer, bundle, tmp_path):
        offices = Authority(tmp_path, "offices", above=bundle.own)
        single = balancer({"certificates": str(bundle.own.issue("shop.example")), "require": "client-certificate", "client-ca": str(bundle.path),
                           "client-names": ["OP1", "OP2", "OP3"]})
        # Directly below the authority, and with another one between.
        contexts = [signer.client(signer.issue(name), version=version)
                    for name, signer in {"OP1": bundle.own, "OP2": offices}.items() for version in VERSIONS]
        stranger = bundle.own.client(bundle.other.issue("OP3"))
        with SecureLoad(single.address, contexts) as load:
            for number in range(3):
                with SecureConnection(single.address, stranger) as guest:
                    assert guest.ask().status == 200
                    bundle.write(bundle.own)
                    waiting.until(lambda: single.said(READ_AGAIN) > 2 * number, "one authority less")
                    waiting.until(lambda: is_out(guest), "the other one's client being out")
                load.go_on()
                bundle.write(bundle.own, bundle.other)
                waiting.until(lambda: single.said(READ_AGAIN) > 2 * number + 1, "one authority more")
                load.go_on()
        nobody_noticed(load)
        resumed, not_resumed = load.resumptions()
        # Who comes for the first time after a change proves itself anew, and then resumes again.
        assert resumed > not_resumed > 0

    def test_servers_whose_authority_stays_keep_their_sessions(self, balancer, bundle, users, tmp_path):
        halls = Authority(tmp_path, "halls", above=bundle.own)
        signers = {"A": bundle.own, "B": halls, "C": bundle.other}

        def prepare(single):
            for name, origin in single.origins.items():
                origin.context = signers[name].server(signers[name].issue(name, file=f"server-{name}"))
            for entry in single.data["sites"][0]["servers"]:
                entry["tls"] = True
            single.data["applications"][0]["check"] = "tcp"

        single = balancer(str(bundle.own.issue("shop.example")), prepare, names=tuple(signers), limits={"pooled-per-server": 2},
                          options={"upstream": {"tls": {"ca": str(bundle.path)}}})
        with SecureLoad(single.address, users) as load:
            assert {user.server for user in load.users} == set(signers)
            bundle.write(bundle.own)
            waiting.until(lambda: all(single.said(f"connections to {name}: {READ_AGAIN}") for name in signers), "one authority less")
            waiting.until(lambda: "C" not in {user.server for user in load.users}, "users of C being elsewhere")
            load.go_on()
            moved = list(load.moved)
            bundle.write(bundle.own, bundle.other)
            waiting.until(lambda: all(single.said(f"connections to {name}: {READ_AGAIN}") > 1 for name in signers), "one authority more")
            load.go_on()
        assert not load.failed, load.failed[:5]
        assert moved and {left for left, _ in moved} == {"C"}, moved


def is_out(connection) -> bool:
    with contextlib.suppress(OSError, ValueError, CutShort):
        connection.ask()
        return False
    return True
