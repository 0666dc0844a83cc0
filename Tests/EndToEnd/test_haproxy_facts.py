"""What the reference really does, and the same requests to us: equal unless a test names the rule by which we differ.

Every test runs twice: [haproxy] shows that the statement about the reference still holds, [geodirector] what we do.
The rules are those of docs/architecture.md.
"""

import re
import socket
import time

import pytest

from harness.raw import get
from harness.single import Single

@pytest.fixture(params=["haproxy", "geodirector"])
def side(request) -> str:
    return request.param


@pytest.fixture
def one(side, tmp_path):
    """Starts the origins and, before them, the one proxy that this run of the test is about."""
    held = []

    def starter(backend: str, **settings):
        single = held_enter(Single(tmp_path, **settings))
        address = single.haproxy(backend) if side == "haproxy" else single.geodirector()
        return Proxy(single, address, side)

    def held_enter(single):
        held.append(single)
        return single.__enter__()

    yield starter
    for single in held:
        single.__exit__(None, None, None)


class Proxy:
    """The proxy under test and what it makes of requests."""

    def __init__(self, single: Single, address, side: str):
        self.single, self.address, self.side = single, address, side
        self.origins = single.origins

    def ask(self, cookies: str = "", method: str = "GET", headers=()):
        """The answer, the origin that gave it, and the Cookie header that arrived there."""
        before = {name: len(origin.received) for name, origin in self.origins.items()}
        answer = get(self.address, "/", method, [*headers, *([("Cookie", cookies)] if cookies else [])])
        for name, origin in self.origins.items():
            if len(origin.received) > before[name]:
                self.request = origin.received[-1]
                return answer, answer.first("X-Origin") or name, self.request.first("Cookie")
        return answer, None, None

    def server_of(self, cookies: str = "") -> str | None:
        return self.ask(cookies)[1]

    def down(self, name: str):
        """Stops an origin and, where the reference must have noticed first, waits until it has."""
        self.origins[name].stop()
        if self.side == "haproxy":
            self.single.wait_reference_sees(name, "DOWN")


INSERT = "balance roundrobin\ncookie SERVERID insert indirect nocache\nserver A @A cookie A check inter 200ms\nserver B @B cookie B check inter 200ms"
INSERT_COOKIE = {"name": "SERVERID", "mode": "insert", "indirect": True, "nocache": True}
PREFIX = "balance roundrobin\ncookie JSESSIONID prefix\nserver A @A cookie A check inter 200ms\nserver B @B cookie B check inter 200ms"
PREFIX_COOKIE = {"name": "JSESSIONID", "mode": "prefix"}


def set_cookie(answer, name: str) -> str | None:
    """The value that an answer sets, without attributes."""
    for cookie in answer.all("Set-Cookie"):
        key, _, value = cookie.split(";")[0].partition("=")
        if key == name:
            return value
    return None


class TestChoosingByCookie:
    def test_of_two_servers_with_one_value(self, one, side):
        """The reference serves returning users by the first only; every director of a site is as good (rule B1)."""
        proxy = one("cookie SITE\nserver A @A cookie HOME\nserver B @B cookie HOME", role="office-proxy", site={"name": "SITE"})
        seen = {proxy.server_of("SITE=HOME") for _ in range(20)}
        assert seen == ({"A"} if side == "haproxy" else {"A", "B"})

    def test_a_backup_that_the_cookie_names_is_served_while_the_actives_are_up(self, one):
        proxy = one("cookie SITE\nserver A @A cookie HOME check inter 200ms\nserver C @C cookie AWAY backup check inter 200ms",
                    role="office-proxy", tiers={"HOME": ["A"], "AWAY": ["C"]}, site={"name": "SITE"})
        assert [proxy.server_of("SITE=AWAY") for _ in range(4)] == ["C"] * 4
        assert [proxy.server_of() for _ in range(4)] == ["A"] * 4

    def test_the_value_of_a_server_that_is_down_goes_on_to_balancing_and_the_new_value_is_given(self, one):
        proxy = one(INSERT, session=INSERT_COOKIE)
        proxy.down("A")
        answer, server, _ = proxy.ask("SERVERID=A")
        assert (answer.status, server, set_cookie(answer, "SERVERID")) == (200, "B", "B")

    def test_the_value_of_a_server_that_is_down_goes_on_to_another_of_the_same_value(self, one):
        proxy = one("cookie SITE\nserver A @A cookie HOME check inter 200ms\nserver B @B cookie HOME check inter 200ms\n"
                    "server C @C cookie AWAY backup check inter 200ms",
                    role="office-proxy", tiers={"HOME": ["A", "B"], "AWAY": ["C"]}, site={"name": "SITE"})
        proxy.down("A")
        assert [proxy.server_of("SITE=HOME") for _ in range(4)] == ["B"] * 4

    def test_a_matched_cookie_is_not_given_again(self, one):
        proxy = one(INSERT, session=INSERT_COOKIE)
        answer, server, _ = proxy.ask("SERVERID=B")
        assert server == "B" and not answer.all("Set-Cookie")

    @pytest.mark.parametrize("sent, server, arrives", [
        ("a=b; SERVERID=B; SERVERID=A; c=d", "B", "a=b; c=d"),
        ("a=b; SERVERID=ZZ; SERVERID=A; c=d", "A", "a=b; c=d"),
        ("SERVERID=A; a=b", "A", "a=b"),
        ("a=b; SERVERID=A", "A", "a=b"),
        ("SERVERID=A", "A", None),
        ("a=b; XSERVERID=B; SERVERID=A", "A", "a=b; XSERVERID=B"),
        ("a=b; serverid=B; SERVERID=A", "A", "a=b; serverid=B"),
    ])
    def test_of_several_cookies_the_first_usable_decides_and_all_are_removed(self, one, sent, server, arrives):
        proxy = one(INSERT, session=INSERT_COOKIE)
        assert proxy.ask(sent)[1:] == (server, arrives)

    def test_an_unknown_value_counts_as_none(self, one):
        proxy = one(INSERT, session=INSERT_COOKIE)
        answer, server, _ = proxy.ask("SERVERID=ZZ")
        assert set_cookie(answer, "SERVERID") == server

    def test_a_server_in_drain_serves_its_own_users_and_no_new_ones(self, tmp_path):
        with Single(tmp_path, session=INSERT_COOKIE) as single:
            proxy = Proxy(single, single.haproxy(INSERT), "haproxy")
            single.administer("set server H/A state drain")
            assert {proxy.server_of("SERVERID=A") for _ in range(4)} == {"A"}
            assert {proxy.server_of() for _ in range(4)} == {"B"}

    def test_a_server_in_maintenance_serves_nobody(self, tmp_path):
        with Single(tmp_path, session=INSERT_COOKIE) as single:
            proxy = Proxy(single, single.haproxy(INSERT), "haproxy")
            single.administer("set server H/A state maint")
            assert {proxy.server_of("SERVERID=A") for _ in range(4)} == {"B"}

    def test_a_server_without_a_value_makes_the_client_forget(self, tmp_path):
        """Only the reference: a server of ours always has a value, its name unless the file says another."""
        with Single(tmp_path, session=INSERT_COOKIE) as single:
            proxy = Proxy(single, single.haproxy("cookie SERVERID insert indirect\nserver A @A check"), "haproxy")
            answer, _, _ = proxy.ask("SERVERID=ZZ")
            assert answer.all("Set-Cookie") == ["SERVERID=; Expires=Thu, 01-Jan-1970 00:00:01 GMT; path=/"]


class TestModes:
    @pytest.mark.parametrize("sent", ["SITE=AWAY", "SITE=HOME", "SITE=ZZ", "a=b; SITE=HOME; c=d", "x=1"])
    def test_passive_routes_and_neither_removes_nor_writes(self, one, sent):
        proxy = one("cookie SITE\nserver A @A cookie HOME\nserver C @C cookie AWAY backup",
                    role="office-proxy", tiers={"HOME": ["A"], "AWAY": ["C"]}, site={"name": "SITE"})
        answer, server, arrives = proxy.ask(sent)
        assert (server, arrives) == ("C" if "AWAY" in sent else "A", sent)
        assert not answer.all("Set-Cookie")

    def test_insert_gives_a_new_user_the_servers_value_with_path(self, one):
        answer, server, _ = one(INSERT, session=INSERT_COOKIE).ask()
        (cookie,) = answer.all("Set-Cookie")
        parts = [part.strip() for part in cookie.split(";")]
        assert parts[0] == f"SERVERID={server}" and "path=/" in [part.lower() for part in parts]

    @pytest.mark.parametrize("storable", [True, False])
    def test_nocache_keeps_answers_that_set_the_cookie_out_of_shared_caches(self, one, side, storable):
        """The reference marks only what a cache could store (a validator or a lifetime); we mark every one (rule B6)."""
        proxy = one(INSERT, session=INSERT_COOKIE)
        for origin in proxy.origins.values():
            origin.handler = lambda exchange: exchange.answer(headers=[("ETag", '"1"')] if storable else [])
        answer, _, _ = proxy.ask()
        assert set_cookie(answer, "SERVERID")
        assert ("private" in ", ".join(answer.all("Cache-Control"))) == (storable or side == "geodirector")

    def test_insert_without_nocache_leaves_cache_control_alone(self, one):
        proxy = one(INSERT.replace(" nocache", ""), session=INSERT_COOKIE | {"nocache": False})
        assert not proxy.ask()[0].all("Cache-Control")

    def test_insert_without_indirect_leaves_the_cookie_in_the_request(self, one):
        proxy = one(INSERT.replace(" indirect", ""), session=INSERT_COOKIE | {"indirect": False})
        assert proxy.ask("a=b; SERVERID=B; c=d")[1:] == ("B", "a=b; SERVERID=B; c=d")

    @pytest.mark.parametrize("preserve", [False, True])
    def test_a_cookie_of_the_name_set_by_the_server(self, one, preserve):
        """Deleted and replaced with insert indirect; with preserve it stays and nothing is inserted."""
        proxy = one(INSERT.replace("nocache", "nocache preserve") if preserve else INSERT,
                    session=INSERT_COOKIE | {"preserve": preserve})
        for origin in proxy.origins.values():
            origin.handler = lambda exchange: exchange.answer(
                headers=[("Set-Cookie", "SERVERID=own; Path=/"), ("Set-Cookie", "other=1; Path=/")])
        answer, server, _ = proxy.ask()
        values = [cookie.split(";")[0] for cookie in answer.all("Set-Cookie")]
        if preserve:
            assert sorted(values) == ["SERVERID=own", "other=1"]
        else:
            assert sorted(values) == sorted(["other=1", f"SERVERID={server}"])

    def test_a_cookie_set_by_the_server_suppresses_insertion_even_on_failover_with_preserve(self, one):
        proxy = one(INSERT.replace("nocache", "nocache preserve"), session=INSERT_COOKIE | {"preserve": True})
        proxy.origins["B"].handler = lambda exchange: exchange.answer(headers=[("Set-Cookie", "SERVERID=own; Path=/")])
        proxy.down("A")
        answer, server, _ = proxy.ask("SERVERID=A")
        assert server == "B" and [cookie.split(";")[0] for cookie in answer.all("Set-Cookie")] == ["SERVERID=own"]

    @pytest.mark.parametrize("setting, written", [
        ("httponly", "httponly"), ("secure", "secure"), ("domain .example.com", "domain=.example.com")])
    def test_attributes_of_the_inserted_cookie(self, one, setting, written):
        key, _, value = setting.partition(" ")
        proxy = one(INSERT.replace("nocache", f"nocache {setting}"), session=INSERT_COOKIE | {key: value or True})
        (cookie,) = proxy.ask()[0].all("Set-Cookie")
        # A leading dot of Domain means nothing (RFC 6265 section 5.2.3).
        parts = [part.strip().lower().replace("domain=.", "domain=") for part in cookie.split(";")]
        assert written.replace("=.", "=") in parts

    @pytest.mark.parametrize("sent, server, arrives", [
        ("JSESSIONID=B~123", "B", "JSESSIONID=123"),
        ("JSESSIONID=A~123", "A", "JSESSIONID=123"),
        ("JSESSIONID=ZZ~123", None, "JSESSIONID=123"),
        ("JSESSIONID=B", "B", "JSESSIONID=B"),
        ("JSESSIONID=B~a~b", "B", "JSESSIONID=a~b"),
        ("JSESSIONID=~123", None, "JSESSIONID=123"),
        ("JSESSIONID=123", None, "JSESSIONID=123"),
        ("x=1; JSESSIONID=B~123; y=2", "B", "x=1; JSESSIONID=123; y=2"),
    ])
    def test_prefix_of_requests(self, one, sent, server, arrives):
        proxy = one(PREFIX, session=PREFIX_COOKIE)
        _, reached, arrived = proxy.ask(sent)
        assert arrived == arrives and (server is None or reached == server)

    def test_prefix_touches_only_the_first_occurrence(self, one):
        proxy = one(PREFIX, session=PREFIX_COOKIE)
        _, server, arrived = proxy.ask("JSESSIONID=B~1; JSESSIONID=A~2")
        assert server == "B" and arrived.startswith("JSESSIONID=1; ")

    def test_prefix_of_answers(self, one):
        proxy = one(PREFIX, session=PREFIX_COOKIE)
        for origin in proxy.origins.values():
            origin.handler = lambda exchange: exchange.answer(
                headers=[("Set-Cookie", "JSESSIONID=777; Path=/app; HttpOnly"), ("Set-Cookie", "other=1")])
        answer, server, _ = proxy.ask()
        assert answer.all("Set-Cookie") == [f"JSESSIONID={server}~777; Path=/app; HttpOnly", "other=1"]

    def test_prefix_when_the_named_server_is_gone_and_the_application_sets_nothing(self, one, side):
        """The reference leaves `A~123` and throws the client back to A later; we name the new server (rule B6)."""
        proxy = one(PREFIX, session=PREFIX_COOKIE | ({"path": "/"} if side == "geodirector" else {}))
        proxy.down("A")
        answer, server, arrived = proxy.ask("JSESSIONID=A~123")
        assert (server, arrived) == ("B", "JSESSIONID=123")
        assert set_cookie(answer, "JSESSIONID") == (None if side == "haproxy" else "B~123")
        if side == "geodirector":
            assert "private" in ", ".join(answer.all("Cache-Control"))

    def test_prefix_is_written_with_the_attributes_learned_from_the_application(self, one, side):
        """Rule B6: the Path of the application's own cookie, or the new one would sit beside it."""
        proxy = one(PREFIX, session=PREFIX_COOKIE)
        for origin in proxy.origins.values():
            origin.handler = lambda exchange: exchange.answer(
                headers=[] if exchange.request.all("Cookie") else [("Set-Cookie", "JSESSIONID=123; Path=/app; HttpOnly")])
        assert {proxy.server_of() for _ in range(4)} == {"A", "B"}
        proxy.down("A")
        answer, _, _ = proxy.ask("JSESSIONID=A~123")
        cookies = answer.all("Set-Cookie")
        if side == "haproxy":
            assert cookies == []
        else:
            (cookie,) = cookies
            assert cookie.split(";")[0] == "JSESSIONID=B~123"
            assert {"path=/app", "httponly"} <= {part.strip().lower() for part in cookie.split(";")[1:]}

    def test_prefix_without_known_attributes_writes_nothing_and_still_meets_on_one_server(self, one):
        """Rule B6: neither configured nor learned, so the cookie stays as it is; both sides are the same here."""
        proxy = one(PREFIX, session=PREFIX_COOKIE)
        proxy.down("A")
        answers = [proxy.ask("JSESSIONID=A~123") for _ in range(4)]
        assert {server for _, server, _ in answers} == {"B"} and not any(answer.all("Set-Cookie") for answer, _, _ in answers)


class TestIdleAndLife:
    DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    LIMITED = INSERT.replace("nocache", "nocache maxidle 30m maxlife 8h")
    COOKIE = INSERT_COOKIE | {"maxidle": "30m", "maxlife": "8h"}

    @classmethod
    def date(cls, seconds_ago: float) -> str:
        """A date as the cookie carries it: five digits of 6 bits, in units of 4 seconds."""
        number = int(time.time() - seconds_ago) >> 2
        return "".join(cls.DIGITS[(number >> shift) & 63] for shift in (24, 18, 12, 6, 0))

    def test_the_inserted_value_carries_both_dates(self, one):
        answer, server, _ = one(self.LIMITED, session=self.COOKIE).ask()
        value = set_cookie(answer, "SERVERID")
        name, last, first = value.split("|")
        assert name == server and len(last) == len(first) == 5
        assert abs(self.number(last) - int(time.time() / 4)) <= 1 and abs(self.number(first) - self.number(last)) <= 1

    def number(self, text: str) -> int:
        value = 0
        for digit in text:
            value = value * 64 + self.DIGITS.index(digit)
        return value

    @pytest.mark.parametrize("idle, life, honoured", [
        (60, 600, True), (1000, 600, True), (2000, 2500, False), (60, 9 * 3600, False), (-25 * 3600, 60, False)])
    def test_a_value_too_old_counts_as_none(self, one, idle, life, honoured):
        proxy = one(self.LIMITED, session=self.COOKIE)
        value = f"B|{self.date(idle)}|{self.date(life)}"
        seen = [proxy.server_of(f"SERVERID={value}") for _ in range(4)]
        assert (set(seen) == {"B"}) == honoured, seen

    def test_a_value_without_dates_is_honoured_and_given_dates(self, one):
        answer, server, _ = one(self.LIMITED, session=self.COOKIE).ask("SERVERID=B")
        assert server == "B" and re.fullmatch(r"B\|.{5}\|.{5}", set_cookie(answer, "SERVERID") or "")

    def test_the_date_of_last_use_is_refreshed_and_the_first_kept(self, one):
        first = self.date(600)
        answer, server, _ = one(self.LIMITED, session=self.COOKIE).ask(f"SERVERID=B|{self.date(300)}|{first}")
        value = set_cookie(answer, "SERVERID")
        assert server == "B" and value is not None and value.split("|")[2] == first
        assert abs(self.number(value.split("|")[1]) - int(time.time() / 4)) <= 1


class TestRedispatchAndBackups:
    TIERS = {"HOME": ["A"], "AWAY": ["C"]}

    def test_active_dead_but_not_yet_noticed_and_a_backup_alive(self, one, side):
        """The reference answers 503 and never tries the backup; we try the next tier at once (rule D2)."""
        proxy = one("cookie SITE\nserver A @A cookie HOME check inter 30s\nserver C @C cookie AWAY backup check inter 30s",
                    role="office-proxy", tiers=self.TIERS, site={"name": "SITE"}, check="30s")
        assert proxy.server_of() == "A"
        proxy.origins["A"].stop()
        answer, server, _ = proxy.ask()
        assert (answer.status, server) == ((503, None) if side == "haproxy" else (200, "C"))

    def test_active_dead_but_not_yet_noticed_and_another_active_alive(self, one):
        proxy = one(INSERT.replace("200ms", "30s"), session=INSERT_COOKIE, check="30s")
        proxy.origins["A"].stop()
        answers = [proxy.ask("SERVERID=A") for _ in range(3)]
        assert [(answer.status, server) for answer, server, _ in answers] == [(200, "B")] * 3

    def test_persist_still_tries_a_server_that_is_down_for_its_own_users(self, one, side):
        proxy = one("option persist\n" + INSERT, session=INSERT_COOKIE, options={"persist": True})
        proxy.origins["A"].healthy = False
        if side == "haproxy":
            pytest.skip("the reference needs an http check to see a server down that answers; see the next test")
        assert {proxy.server_of("SERVERID=A") for _ in range(8)} == {"A"}

    def test_persist_redispatches_when_the_server_refuses(self, one):
        proxy = one("option persist\n" + INSERT, session=INSERT_COOKIE, options={"persist": True})
        proxy.down("A")
        answer, server, _ = proxy.ask("SERVERID=A")
        assert (answer.status, server) == (200, "B")

    def test_persist_of_the_reference(self, tmp_path):
        with Single(tmp_path, session=INSERT_COOKIE) as single:
            proxy = Proxy(single, single.haproxy("option persist\noption httpchk GET /\n" + INSERT), "haproxy")
            single.origins["A"].healthy = False
            single.wait_reference_sees("A", "DOWN")
            assert {proxy.server_of("SERVERID=A") for _ in range(4)} == {"A"}

    def test_of_several_backups_without_allbackups(self, one, side):
        """The reference uses the first only; a tier of ours is balanced as a whole (rule B1)."""
        proxy = one("cookie SITE\nbalance roundrobin\nserver A @A cookie HOME check inter 200ms\n"
                    "server C @C cookie AWAY backup check inter 200ms\nserver D @D cookie AWAY backup check inter 200ms",
                    role="office-proxy", tiers={"HOME": ["A"], "AWAY": ["C", "D"]}, site={"name": "SITE"})
        proxy.down("A")
        seen = {proxy.server_of() for _ in range(12)}
        assert seen == ({"C"} if side == "haproxy" else {"C", "D"})

    def test_with_allbackups_all_backups_are_used(self, one):
        proxy = one("cookie SITE\nbalance roundrobin\noption allbackups\nserver A @A cookie HOME check inter 200ms\n"
                    "server C @C cookie AWAY backup check inter 200ms\nserver D @D cookie AWAY backup check inter 200ms",
                    role="office-proxy", tiers={"HOME": ["A"], "AWAY": ["C", "D"]}, site={"name": "SITE"})
        proxy.down("A")
        assert {proxy.server_of() for _ in range(12)} == {"C", "D"}

    def test_all_servers_down(self, one):
        proxy = one(INSERT, session=INSERT_COOKIE)
        proxy.down("A")
        proxy.down("B")
        assert proxy.ask()[0].status == 503


class TestSlowUploads:
    """From when the server's time-out counts while a server is slow to take a request's body."""

    SECONDS = 1.0
    TAIL = 300_000

    def ask(self, one, read_late: float, answer_late: float):
        """A server that reads the body but for its tail, that after a while, and answers after another."""
        proxy = one("timeout server 1s\nserver A @A", names=("A",), timeouts={"server": "1s", "unacknowledged": "5s"})

        def slow(exchange):
            # What is left unread must wait in the proxy's kernel, not in the server's.
            exchange.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            size = int(exchange.request.first("Content-Length"))
            exchange.stream.read(size - self.TAIL)
            time.sleep(read_late)  # The case itself, both times.
            exchange.stream.read(self.TAIL)
            time.sleep(answer_late)
            exchange.answer()
        slow.reads_itself = True
        proxy.origins["A"].handler = slow
        answer = get(proxy.address, method="POST", body=bytes(2_000_000))
        return answer.status

    def test_silence_after_the_whole_body_was_taken(self, one):
        assert self.ask(one, 0, 2 * self.SECONDS) == 504

    def test_a_tail_in_the_kernels_that_the_server_goes_on_to_take(self, one, side):
        """HAProxy counts from when its own kernel had all of it, geodirector from when the server's kernel had."""
        assert self.ask(one, 0.7 * self.SECONDS, 0.7 * self.SECONDS) == (504 if side == "haproxy" else 200)
