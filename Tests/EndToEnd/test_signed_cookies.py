"""Signed cookies: nobody chooses a site or server, or takes over a session, by writing a cookie; and they can be switched on without ending one."""

import base64
import contextlib
import hashlib
import hmac
import os
import re
import struct

import pytest

from harness import waiting
from harness.raw import get
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.timeout(60)]


def tag(key: bytes, cookie: str, value: str, session: str = "", application: str = "shop") -> str:
    """As docs/signed-cookies.md has it."""
    key = hmac.new(key, f"geodirector application {application}".encode(), hashlib.sha256).digest()
    parts = b"".join(struct.pack(">H", len(part)) + part for part in (text.encode() for text in (cookie, value, session)))
    code = hmac.new(key, b"geodirector cookie 1" + parts, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(code).decode()[:22]


def signed(key: bytes, cookie: str, value: str, session: str | None = None) -> str:
    text = f"{value}!{tag(key, cookie, value, session or '')}"
    return text if session is None else f"{text}~{session}"


@pytest.fixture
def keys(request, tmp_path):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")

    class Keys:
        path = tmp_path / "cookies.keys"
        own, other = os.urandom(32), os.urandom(48)

        def write(self, *keys: bytes):
            new = self.path.with_name("new")
            new.write_text("# the first one signs\n" + "".join(key.hex() + "\n" for key in keys))
            new.chmod(0o600)
            new.rename(self.path)

    keys = Keys()
    keys.write(keys.own)
    return keys


@pytest.fixture
def node(tmp_path, keys):
    """Starts a node whose cookies are signed; `restart(phase)` goes on with another phase."""
    with contextlib.ExitStack() as stack:

        def starter(phase, prepare=None, **settings):
            single = stack.enter_context(Single(tmp_path, **settings))
            single.data["applications"][0]["cookies"] |= {"key-file": str(keys.path), "signing": phase}
            if prepare:
                prepare(single)
            single.address = single.geodirector()
            single.said = lambda: single.nodes["geodirector"].err.read_text()

            def restart(phase):
                single.data["applications"][0]["cookies"]["signing"] = phase
                single.nodes["geodirector"].stop()
                single.geodirector()

            single.restart = restart
            return single

        yield starter


def monitored(single):
    single.monitor = (single.range.map("127.0.1.1"), 8081)
    single.data["sites"][0]["balancers"][0]["monitor"] = "{}:{}".format(*single.monitor)


def forged_cookies(single, name: str = "cookies-forged") -> int:
    return int(re.search(rf"^{name} (\d+)$", get(single.monitor).body.decode(), re.M)[1])


def director(node, phase, **more):
    return node(phase, role="site-director", tiers={"HOME": ["A"], "AWAY": ["B"]}, site={"name": "SITE"} | more)


def ask(single, cookie: str = "", headers=()):
    """Who answered, and the value that the cookie was set to."""
    answer = get(single.address, headers=[("Cookie", cookie), *headers] if cookie else headers)
    assert answer.status == 200, answer
    made = answer.first("Set-Cookie")
    return answer.first("X-Origin"), made and made.split(";")[0].partition("=")[2]


class TestSiteCookies:
    def test_accept_believes_both_and_makes_none(self, node, keys):
        single = director(node, "accept")
        assert ask(single) == ("A", "HOME")
        assert ask(single, "SITE=AWAY") == ("B", None)
        assert ask(single, f"SITE={signed(keys.own, 'SITE', 'AWAY')}") == ("B", None)

    def test_issue_gives_tags_also_to_who_has_none(self, node, keys):
        single = director(node, "issue")
        good = {site: signed(keys.own, "SITE", site) for site in ("HOME", "AWAY")}
        assert ask(single) == ("A", good["HOME"])
        assert ask(single, "SITE=AWAY") == ("B", good["AWAY"])
        assert ask(single, f"SITE={good['AWAY']}") == ("B", None)

    def test_require_believes_nothing_without_a_tag(self, node, keys):
        single = director(node, "require")
        good = {site: signed(keys.own, "SITE", site) for site in ("HOME", "AWAY")}
        assert ask(single, "SITE=AWAY") == ("A", good["HOME"])
        assert ask(single, f"SITE={good['AWAY']}") == ("B", None)
        waiting.until(lambda: "cookie SITE of shop counted as none: no tag, and one is required (once, last 127." in single.said(), "the log")

    @pytest.mark.parametrize("phase", ["accept", "issue", "require"])
    @pytest.mark.parametrize("value", ["wrong key", "other cookie", "other value", "one bit", "with a session"])
    def test_a_wrong_tag_is_as_no_cookie_in_every_phase_and_is_counted(self, node, keys, phase, value):
        single = director(node, phase)
        good = signed(keys.own, "SITE", "AWAY")
        forged = {"wrong key": signed(keys.other, "SITE", "AWAY"), "other cookie": signed(keys.own, "SITES", "AWAY"),
                  "other value": "AWAY!" + tag(keys.own, "SITE", "HOME"),
                  "one bit": good[:-3] + ("A" if good[-3] != "A" else "B") + good[-2:],
                  "with a session": f"AWAY!{tag(keys.own, 'SITE', 'AWAY', 'x')}"}[value]
        assert ask(single, f"SITE={forged}") == ("A", "HOME" if phase == "accept" else signed(keys.own, "SITE", "HOME"))
        # The servers behind never see it.
        assert "SITE" not in (single.origins["A"].received[-1].first("Cookie") or "")
        waiting.until(lambda: "counted as none: a tag of no key of ours" in single.said(), "the log")
        # The first usable of several decides.
        assert ask(single, f"SITE={forged}; SITE={good}")[0] == "B"

    def test_only_the_first_cookies_of_the_name_are_judged(self, node, keys):
        single = director(node, "require")
        forged, good = f"SITE={signed(keys.other, 'SITE', 'AWAY')}", f"SITE={signed(keys.own, 'SITE', 'AWAY')}"
        assert ask(single, "; ".join([*[forged] * 7, good]))[0] == "B"
        assert ask(single, "; ".join([*[forged] * 8, good]))[0] == "A"
        # None of them goes on to the server.
        assert "SITE" not in (single.origins["A"].received[-1].first("Cookie") or "")

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_key_files_have_lines_as_any_system_ends_them(self, node, keys, end):
        keys.path.write_bytes(end.join(["# new", keys.own.hex(), keys.other.hex(), ""]).encode())
        single = director(node, "require")
        assert ask(single) == ("A", signed(keys.own, "SITE", "HOME"))
        for key in (keys.own, keys.other):
            assert ask(single, f"SITE={signed(key, 'SITE', 'AWAY')}")[0] == "B"

    def test_dates_belong_to_the_value(self, node, keys):
        single = director(node, "require", **{"maxidle": "30m", "maxlife": "8h"})
        made = ask(single)[1]
        value, _, mark = made.partition("!")
        assert re.fullmatch(r"HOME\|[\w+/]{5}\|[\w+/]{5}", value) and mark == tag(keys.own, "SITE", value)
        assert ask(single, f"SITE={made}")[0] == "A"
        younger = value[:-1] + ("A" if value[-1] != "A" else "B")
        answered = ask(single, f"SITE={younger}!{mark}")
        assert answered[0] == "A" and answered[1], "as a new user"

    def test_an_office_believes_the_same_and_leaves_the_cookie_as_it_is(self, node, keys):
        single = node("require", role="office-proxy", tiers={"HOME": ["A"], "AWAY": ["B"]}, site={"name": "SITE"})
        good = signed(keys.own, "SITE", "AWAY")
        assert ask(single, f"SITE={good}") == ("B", None) and ask(single, "SITE=AWAY") == ("A", None)
        assert single.origins["A"].received[-1].first("Cookie") == "SITE=AWAY"


class TestSessionCookies:
    SESSION = {"name": "JSESSIONID", "mode": "prefix"}

    def balancer(self, node, phase):
        single = node(phase, session=self.SESSION)
        for origin in single.origins.values():
            origin.handler = lambda exchange: exchange.answer(headers=[
                ("X-Origin", exchange.origin.name), ("X-Cookie", exchange.request.first("Cookie") or "none"),
                *([] if "JSESSIONID" in (exchange.request.first("Cookie") or "") else [("Set-Cookie", "JSESSIONID=s1; Path=/; HttpOnly")])])
        return single

    def test_the_prefix_is_good_for_one_session_only(self, node, keys):
        single = self.balancer(node, "require")
        server, made = ask(single)
        assert made == signed(keys.own, "JSESSIONID", server, "s1")
        for _ in range(3):
            answer = get(single.address, headers=[("Cookie", f"JSESSIONID={made}")])
            assert (answer.first("X-Origin"), answer.first("X-Cookie")) == (server, "JSESSIONID=s1")
        # Another session with this prefix: the prefix goes, nobody is chosen by it.
        taken = f"{made.split('~')[0]}~s2"
        reached = {get(single.address, headers=[("Cookie", f"JSESSIONID={taken}")]).first("X-Origin") for _ in range(8)}
        assert reached == {"A", "B"}
        assert get(single.address, headers=[("Cookie", f"JSESSIONID={taken}")]).first("X-Cookie") == "JSESSIONID=s2"
        waiting.until(lambda: "counted as none: a tag of no key of ours" in single.said(), "the log")

    def test_after_a_failover_the_new_prefix_is_signed_for_the_same_session(self, node, keys):
        single = self.balancer(node, "require")
        server, made = ask(single)
        other = {"A": "B", "B": "A"}[server]
        single.origins[server].stop()
        assert ask(single, f"JSESSIONID={made}") == (other, signed(keys.own, "JSESSIONID", other, "s1"))

    def test_a_prefix_without_a_tag_gets_one_while_they_are_introduced(self, node, keys):
        single = self.balancer(node, "issue")
        ask(single)
        assert ask(single, "JSESSIONID=B~s1") == ("B", signed(keys.own, "JSESSIONID", "B", "s1"))
        assert ask(single, f"JSESSIONID={signed(keys.own, 'JSESSIONID', 'B', 's1')}") == ("B", None)

    def test_switching_them_on_ends_no_session(self, node, keys):
        single = self.balancer(node, "accept")
        server, value = ask(single)
        assert value == f"{server}~s1"
        for phase in ("issue", "require", "issue", "accept"):
            single.restart(phase)
            if phase == "issue" and "!" not in value:
                # The attributes are learned anew from the first session that begins.
                ask(single)
            reached, made = ask(single, f"JSESSIONID={value}")
            value = made or value
            assert reached == server, phase
        assert value == signed(keys.own, "JSESSIONID", server, "s1")


class TestInsertedCookies:
    """Without a session behind them: the tag is of the server only."""

    def test_the_server_is_signed_and_a_forged_one_is_none_and_counted(self, node, keys):
        single = node("require", session={"name": "S", "mode": "insert"}, prepare=monitored)
        server, made = ask(single)
        assert made == signed(keys.own, "S", server)
        for name in ("A", "B"):
            # Good for whoever has it.
            assert {ask(single, f"S={signed(keys.own, 'S', name)}") for _ in range(4)} == {(name, None)}
        assert forged_cookies(single) == 0
        other = tag(keys.own, "S", "B", application="desk")
        for count, value in enumerate((f"B!{tag(keys.other, 'S', 'B')}", f"B!{tag(keys.own, 'S', 'A')}", f"B!{other}"), 1):
            reached, made = ask(single, f"S={value}")
            assert made == signed(keys.own, "S", reached), "as a new user"
            assert forged_cookies(single) == count
        # None at all, and one without a tag, are no forgery; the latter counts for itself.
        assert forged_cookies(single, "cookies-unsigned") == 0
        assert ask(single)[1] and ask(single, "S=B")[1]
        assert forged_cookies(single) == 3 and forged_cookies(single, "cookies-unsigned") == 1
        waiting.until(lambda: "cookie S of shop counted as none: a tag of no key of ours" in single.said(), "the log")

    def test_one_that_the_server_sets_itself_is_signed_where_it_is_preserved(self, node, keys):
        single = node("require", session={"name": "S", "mode": "insert", "preserve": True}, prepare=monitored)
        for name, origin in single.origins.items():
            def handler(exchange, name=name):
                more = [("Set-Cookie", "S=; Max-Age=0" if "out" in exchange.request.line else f"S={name}; Path=/")] if "/log" in exchange.request.line else []
                exchange.answer(headers=[("X-Origin", name), *more])

            origin.handler = handler
        answer = get(single.address, "/login")
        name, (cookie,) = answer.first("X-Origin"), answer.all("Set-Cookie")
        assert cookie == f"S={signed(keys.own, 'S', name)}; Path=/"
        for _ in range(4):
            assert ask(single, cookie.split(";")[0]) == (name, None)
        assert forged_cookies(single, "cookies-unsigned") == 0
        # What takes the cookie away is no value.
        assert get(single.address, "/logout").all("Set-Cookie") == ["S=; Max-Age=0"]

    @pytest.mark.parametrize("phase", ["accept", "issue", "require"])
    def test_a_broken_tag_is_a_wrong_one(self, node, keys, phase):
        single = node(phase, session={"name": "S", "mode": "insert"}, prepare=monitored)
        good = signed(keys.own, "S", "B")
        for count, value in enumerate((good[:-1], good + "A", "B!", f"{good}{good[1:]}", good[:-1] + "."), 1):
            reached, made = ask(single, f"S={value}")
            assert made == (reached if phase == "accept" else signed(keys.own, "S", reached)), (value, "as a new user")
            assert forged_cookies(single) == count, value
        assert forged_cookies(single, "cookies-unsigned") == 0

    def test_an_application_may_have_the_mark_in_its_own_sessions(self, node, keys):
        single = node("accept", session={"name": "JSESSIONID", "mode": "prefix"}, prepare=monitored)
        assert ask(single, "JSESSIONID=x1!-20!tag") and forged_cookies(single) == 0
        assert "JSESSIONID=x1!-20!tag" in {received.first("Cookie") for origin in single.origins.values() for received in origin.received}

    def test_they_are_introduced_without_moving_anybody(self, node, keys):
        single = node("accept", session={"name": "S", "mode": "insert"})
        assert ask(single, "S=B") == ("B", None)
        single.restart("issue")
        assert ask(single, "S=B") == ("B", signed(keys.own, "S", "B"))
        single.restart("require")
        assert ask(single, f"S={signed(keys.own, 'S', 'B')}") == ("B", None)


class TestKeys:
    def test_they_change_in_three_steps_under_running_nodes(self, node, keys):
        single = director(node, "require")
        old, new = (signed(key, "SITE", "AWAY") for key in (keys.own, keys.other))
        count = lambda: single.said().count("cookies of shop: keys were read again")  # noqa: E731
        # Added as the last: what other nodes sign with it is believed, and given anew with the first.
        keys.write(keys.own, keys.other)
        waiting.until(lambda: count() == 1, "the keys being read")
        waiting.until(lambda: ask(single, f"SITE={new}") == ("B", old), "the new key being believed")
        assert ask(single, f"SITE={old}") == ("B", None)
        # Made the first.
        keys.write(keys.other, keys.own)
        waiting.until(lambda: ask(single, f"SITE={old}") == ("B", new), "the new key signing")
        # The old one removed.
        keys.write(keys.other)
        waiting.until(lambda: ask(single, f"SITE={old}")[0] == "A", "the old key being gone")
        assert ask(single, f"SITE={new}") == ("B", None)

    def test_a_broken_file_changes_nothing_and_is_named(self, node, keys):
        single = director(node, "require")
        keys.path.write_text("no key\n")
        waiting.until(lambda: "cookies of shop: keys stay as they were" in single.said(), "the log")
        assert f"line 1 of {keys.path}" in single.said()
        assert ask(single, f"SITE={signed(keys.own, 'SITE', 'AWAY')}") == ("B", None)

    def test_a_node_without_its_keys_does_not_start(self, node, keys):
        keys.path.unlink()
        with pytest.raises(AssertionError, match="ended with 78"):
            director(node, "accept")
