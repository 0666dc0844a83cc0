"""A public office with TLS, clients' places and signed cookies, reloaded and handed over under load: nobody notices."""

import asyncio
import os
import signal
import ssl
import threading

import pytest

from harness import sanitizer, waiting
from harness.certificates import SecureConnection
from harness.client import Connection, Failure
from harness.geo import placed
from harness.reloaded import HandedOver
from test_client_location import CLIENTS, NEW_YORK, PARIS, PLACES, SEOUL, SITES
from test_signed_cookies import signed

pytestmark = [pytest.mark.own, pytest.mark.threads, pytest.mark.timeout(120)]


class Office(HandedOver):
    """An entry before three sites: who has no good cookie goes to the site nearest by."""

    def __init__(self, folder, authority):
        super().__init__(folder, role="office-proxy", tiers=SITES, site={"name": "SITE"},
                         options={"forwarded": {"trusted": "127.0.0.0/8"}})
        self.authority = authority
        self.key = os.urandom(32)
        (folder / "cookies").write_text(self.key.hex() + "\n")
        (folder / "tickets").write_bytes(os.urandom(80))
        for name in ("cookies", "tickets"):
            (folder / name).chmod(0o600)
        placed(folder / "clients.mmdb", CLIENTS)
        for site in self.data["sites"]:
            site["location"] = list(PLACES[site["name"]])
        self.data["geo"] = {"database": "clients.mmdb"}
        self.data["applications"][0]["cookies"] |= {"key-file": str(folder / "cookies"), "signing": "require"}
        self.entry["preference"] = {"by": "client-location", "sites": ["TOKYO", "BRUSSELS", "BOSTON"]}
        certificate = authority.issue("before", "shop.example", file="shop")
        self.entry["listen"] = [{"address": self.entry["listen"],
                                 "tls": {"certificates": str(certificate), "ticket-keys": str(folder / "tickets")}}]
        # Who comes from where with which cookie, and who answers.
        good = signed(self.key, "SITE", "BOSTON")
        self.users = [(PARIS, None, "A"), (NEW_YORK, None, "B"), (SEOUL, None, "C"), ("8.8.8.8", None, "C"), (PARIS, good, "B"),
                      (PARIS, "BOSTON", "A"), (SEOUL, good[:-1] + ("A" if good[-1] != "A" else "B"), "C")]

    def head(self, number: int, keeps: bool) -> tuple[bytes, str]:
        client, cookie, origin = self.users[number % len(self.users)]
        lines = [f"GET /{number} HTTP/1.1", "Host: shop.example", "Accept: */*", f"X-Forwarded-For: {client}"]
        lines += [f"Cookie: SITE={cookie}"] if cookie else []
        lines += [] if keeps else ["Connection: close"]
        return "\r\n".join([*lines, "", ""]).encode(), origin


class Users:
    """One after another asks, on kept connections and on new ones; whatever is not as it should be is a failure."""

    def __init__(self, office: Office):
        self.office, self.failures, self.answers, self.leaving = office, [], 0, False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()))

    async def _all(self):
        await asyncio.gather(*(self._user(index) for index in range(6)))

    async def _user(self, index: int):
        keeps = index % 2 == 0
        connection = Connection(self.office.address, 20 * sanitizer.slower(), self.office.authority.client(), "shop.example")
        number = index
        while not self.leaving:
            head, origin = self.office.head(number, keeps)
            try:
                answer = await connection.request(head, b"", "GET")
                known = dict(answer.headers).get("X-Origin")
                if (answer.status, known) != (200, origin):
                    self.failures.append(f"{number % len(self.office.users)}: {answer.status} of {known}, not {origin}")
                self.answers += 1
            except Failure as failure:
                self.failures.append(f"{'kept' if keeps else 'new'}: {failure.kind}")
            number += 1
            await asyncio.sleep(0.005)
        connection.close()

    def __enter__(self):
        self._thread.start()
        self.more()
        return self

    def more(self):
        answers = self.answers
        waiting.until(lambda: self.answers > answers + 50 or self.failures, "answers", 40)

    def __exit__(self, *_):
        self.leaving = True
        self._thread.join()


def resumed(office, context, session):
    """Whether a session of before is good still, and who the node says it is."""
    with SecureConnection(office.address, context, session=session, seconds=30) as connection:
        assert connection.ask("GET", "/", [("Accept", "*/*"), ("X-Forwarded-For", PARIS)]).first("X-Origin") == "A"
        return connection.socket.session_reused, connection.subject


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_tls_places_and_signed_cookies_go_through_reloads_and_hand_overs(tmp_path, authority, version):
    with Office(tmp_path, authority) as office:
        office.run()
        waiting.until(lambda: office.said("clients are placed by"), "the database")
        context = authority.client(version=version)
        with SecureConnection(office.address, context) as connection:
            assert connection.ask("GET", "/", [("Accept", "*/*"), ("X-Forwarded-For", PARIS)]).first("X-Origin") == "A"
            session = connection.socket.session
        with Users(office) as users:
            for step in ("reload", "hand over", "reload", "hand over"):
                first = office.current
                if step == "reload":
                    office.data["time-scale"] *= 1.01
                    office.reload()
                else:
                    office.hand_over()
                users.more()
                assert resumed(office, context, session) == (True, "before"), step
                if step == "hand over":
                    office.wait_gone(first)
        assert not users.failures, (len(users.failures), users.failures[:5])
        # What changed before a hand-over is what the new process shows, and its files are watched.
        authority.issue("after", "shop.example", file="shop")
        office.wait_gone(office.hand_over())
        fresh = authority.client(version=version)
        waiting.until(lambda: shown(office, fresh) == "after", "the new certificate")
        authority.issue("last", "shop.example", file="shop")
        waiting.until(lambda: shown(office, fresh) == "last", "the newest certificate")
        os.kill(office.current, signal.SIGTERM)
        office.wait_gone(office.current)


def shown(office, context: ssl.SSLContext) -> str:
    with SecureConnection(office.address, context, seconds=30) as connection:
        return connection.subject


def test_a_key_that_cannot_be_used_stops_the_hand_over_and_nobody_notices(tmp_path, authority):
    with Office(tmp_path, authority) as office:
        office.run()
        with Users(office) as users:
            (tmp_path / "shop.broken").write_text("no certificate")
            tls = office.entry["listen"][0]["tls"]
            good = tls["certificates"]
            tls["certificates"] = str(tmp_path / "shop.broken")
            office.write()
            office.hand_over("goes on in this process")
            users.more()
            assert "shop.broken" in office.node.tail()
            tls["certificates"] = good
            office.write()
            office.wait_gone(office.hand_over())
            users.more()
        assert not users.failures, (len(users.failures), users.failures[:5])
