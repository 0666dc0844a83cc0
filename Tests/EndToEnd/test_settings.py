"""Settings that change where requests go, each seen from outside: a node acts as its file says."""

import contextlib
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import waiting
from harness.access_log import entries
from harness.origin import Origin
from harness.raw import get
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.timeout(60)]

SITES = {"HOME": ["A"], "AWAY": ["B"]}
SITE = {"name": "SITE"}


@pytest.fixture
def node(request, tmp_path):
    """Starts origins and one node before them; `ask(...)` is one request, answered with the origin's name."""
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with contextlib.ExitStack() as stack:

        def starter(prepare=lambda single: None, **settings):
            single = stack.enter_context(Single(tmp_path, **settings))
            prepare(single)
            single.address = single.geodirector()

            def ask(cookies: str = "", forwarded=()):
                headers = [("Cookie", cookies)] if cookies else []
                answer = get(single.address, headers=headers + [("X-Forwarded-For", value) for value in forwarded])
                assert answer.status == 200, answer
                return answer.first("X-Origin")

            single.ask = ask
            return single

        starter.stack = stack
        yield starter


class TestFailback:
    STABLE = 2.0

    @pytest.mark.parametrize("role", ["office-proxy", "site-director"])
    def test_after_users_of_another_site_go_home_once_home_has_been_back_for_so_long(self, node, role):
        single = node(role=role, tiers=SITES, site=SITE, options={"failback": {"after": f"{self.STABLE:g}s"}})
        assert single.ask("SITE=AWAY") == "B", "nothing is known of how stable home is"
        waiting.until(lambda: single.ask("SITE=AWAY") == "A", "the user being taken home")
        single.origins["A"].stop()
        waiting.until(lambda: "A is down" in single.nodes["geodirector"].tail(), "the checks having noticed")
        assert (single.ask(), single.ask("SITE=AWAY")) == ("B", "B")
        single.origins["A"].start()
        waiting.until(lambda: single.ask() == "A", "home taking new users again")
        back = time.monotonic()
        assert single.ask("SITE=AWAY") == "B"
        waiting.until(lambda: single.ask("SITE=AWAY") == "A", "the user being taken home again")
        # Checks believed in home a little before the first new user came.
        assert time.monotonic() - back > self.STABLE / 2

    def test_session_leaves_everybody_where_they_are(self, node):
        single = node(role="office-proxy", tiers=SITES, site=SITE)
        assert {single.ask("SITE=AWAY") for _ in range(20)} == {"B"}


class TestDrainDeadlines:
    def test_own_users_stay_until_the_deadline_that_the_monitor_tells_and_are_moved_then(self, node):
        held = {}

        def monitored(single):
            host = single.range.map("127.0.1.9")
            held["monitor"] = node.stack.enter_context(Origin("M", (host, 8081)))
            held["monitor"].check_headers = [("Geodirector-Health", "admit=?1, alive=?1")]
            single.data["sites"][0]["directors"][0]["monitor"] = f"{host}:8081"

        single = node(monitored, role="office-proxy", tiers=SITES, site=SITE)
        assert (single.ask(), single.ask("SITE=HOME")) == ("A", "A")
        deadline = int(time.time()) + 3
        held["monitor"].check_headers = [("Geodirector-Health", f"admit=?0, alive=?1, deadline={deadline}")]
        waiting.until(lambda: single.ask() == "B", "new users elsewhere")
        if time.time() < deadline - 0.5:
            assert single.ask("SITE=HOME") == "A", "moved before the deadline"
        waiting.until(lambda: single.ask("SITE=HOME") == "B", "own users being moved")
        assert time.time() >= deadline
        held["monitor"].check_headers = [("Geodirector-Health", "admit=?1, alive=?1")]
        waiting.until(lambda: single.ask("SITE=HOME") == "A", "the end of the drain")


class TestForwardedAddresses:
    """`balance: source` shows whom a node takes for the client."""

    USERS = [f"198.51.100.{number}" for number in range(1, 41)]

    def balancer(self, node, trusted, prepare=lambda single: None):
        return node(prepare, names=("A", "B", "C", "D"),
                    options={"balance": "source", "forwarded": {"trusted": trusted}})

    def test_of_trusted_networks_the_address_before_the_last_trusted_one_is_the_client(self, node):
        single = self.balancer(node, ["127.0.0.0/8", "10.0.0.0/8"])
        at = {user: single.ask(forwarded=[user]) for user in self.USERS}
        assert set(at.values()) == {"A", "B", "C", "D"}
        for user in self.USERS[:8]:
            # What stands before the first address that nobody trusted vouches for is the client's own invention.
            for value in ([user], [f"192.0.2.7, {user}"], [f"{user}, 10.1.2.3"], [f"{user} ,10.1.2.3,  127.5.5.5"],
                          ["192.0.2.7", user, "10.1.2.3"], [f"unknown, {user}"], [f"{user}:4711"]):
                assert single.ask(forwarded=value) == at[user], value

    def test_forwarded_counts_instead_where_it_is_declared(self, node):
        single = node(names=("A", "B", "C", "D"), options={
            "balance": "source", "forwarded": {"trusted": ["127.0.0.0/8", "10.0.0.0/8"], "client": "forwarded"}})

        def asked(*values, forged=()):
            headers = [("Forwarded", value) for value in values] + [("X-Forwarded-For", value) for value in forged]
            answer = get(single.address, headers=headers)
            assert answer.status == 200
            return answer.first("X-Origin")

        at = {user: asked(f"for={user}") for user in self.USERS}
        assert set(at.values()) == {"A", "B", "C", "D"}
        nobody = asked()
        for user in self.USERS[:8]:
            for values in ([f'for="{user}:4711";proto=https'], [f"for=192.0.2.7, For={user} , for=10.1.2.3"],
                           [f"for={user}", "proto=http;for=10.1.2.3"], [f'for=_hidden, for="{user}:_port"']):
                assert asked(*values, forged=["192.0.2.8"]) == at[user], values
            # Not to be known, or not to be read: the node that says so is all there is.
            for values in ([f"for={user}, for=unknown"], [f'for="{user}'], [f'for="x, for={user}']):
                assert asked(*values, forged=[user]) == nobody, values

    def test_nobody_else_is_believed(self, node):
        single = self.balancer(node, ["10.0.0.0/8"])
        assert len({single.ask(forwarded=[user]) for user in [*self.USERS, "10.0.0.1", "nonsense"]} | {single.ask()}) == 1

    def test_a_public_listener_believes_nobody(self, node):
        def public(single):
            entry = single.data["sites"][0]["balancers"][0]
            entry["listen"] = [{"address": entry["listen"], "public": True}]

        single = self.balancer(node, ["127.0.0.0/8"], public)
        assert len({single.ask(forwarded=[user]) for user in self.USERS}) == 1


class TestNamesWithSeveralAddresses:
    def test_requests_that_meet_a_silent_address_together_all_go_on_to_the_living_one(self, node, tmp_path):
        def named(single):
            silent, living = (single.range.map(f"127.1.2.{10 + index}") for index in range(2))
            hosts = tmp_path / "hosts"
            hosts.write_text(f"{silent} app.test\n{living} app.test\n")
            single.wrapped_in = ["unshare", "--mount", "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$@"', "sh"]
            single.origin = node.stack.enter_context(Origin("A", (living, 8080)))
            # A listener whose queue is full answers nothing.
            full = node.stack.enter_context(socket.socket())
            full.bind((silent, 8080))
            full.listen(0)
            for _ in range(4):
                waits = node.stack.enter_context(socket.socket())
                waits.setblocking(False)
                waits.connect_ex((silent, 8080))
            single.data["sites"][0]["servers"][0]["address"] = "app.test:8080"

        single = node(named, names=("A",), check="20s", timeouts={"server": "10s", "connect": "500ms"})
        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(lambda _: single.ask(), range(6))) == ["A"] * 6

    @pytest.mark.parametrize("living", [0, 1, 2])
    def test_the_next_address_is_tried_within_the_attempt(self, node, tmp_path, living):
        def named(single):
            addresses = [single.range.map(f"127.1.2.{10 + index}") for index in range(3)]
            hosts = tmp_path / "hosts"
            hosts.write_text("".join(f"{address} app.test\n" for address in addresses))
            single.wrapped_in = ["unshare", "--mount", "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$@"', "sh"]
            single.origin = node.stack.enter_context(Origin("A", (addresses[living], 8080)))
            single.data["sites"][0]["servers"][0]["address"] = "app.test:8080"

        single = node(named, names=("A",))
        # At once, before any check can have found out.
        assert [single.ask() for _ in range(5)] == ["A"] * 5
        logged = waiting.until(lambda: len(found := entries(single.nodes["geodirector"].log_lines())) == 5 and found,
                               "five lines in the log")
        assert {line.retries for line in logged} == {0}
        # Every check is a connection of its own.
        seen = single.origin.connections
        waiting.until(lambda: single.origin.connections >= seen + 4, "checks at the living address")
        assert single.ask() == "A"
        assert {line.why for line in entries(single.nodes["geodirector"].log_lines())} == {"new"}
