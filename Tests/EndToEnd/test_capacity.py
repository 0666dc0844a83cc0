"""Rule C6: above a site's `capacity` its director turns new users away, and no one else; offices send those elsewhere only where
load may spill (rule D2)."""

import contextlib
import re

import pytest

from harness import waiting
from harness.access_log import entries
from harness.gate import PATIENT, Gate
from harness.raw import RawConnection, get, request
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.timeout(60)]

CAPACITY = 3


@pytest.fixture
def director(request, tmp_path):
    """A director of HOME, with a bound of two requests, before node A of HOME and C of AWAY, which answer when they are let."""
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with Single(tmp_path, role="site-director", tiers={"HOME": ["A"], "AWAY": ["C"]}, site={"name": "SITE"}, timeouts=PATIENT) as single, \
            contextlib.ExitStack() as stack:
        single.data["sites"][0]["capacity"] = 2
        single.gates = {name: Gate() for name in "AC"}
        # The origins' threads may not outlive the test.
        stack.callback(lambda: [gate.permits.put(True) for gate in single.gates.values() for _ in range(50)])
        for name, gate in single.gates.items():
            single.origins[name].handler = gate
        single.address = single.geodirector()

        def ask(target, cookie=None):
            connection = stack.enter_context(RawConnection(single.address))
            connection.send(request_of(target, cookie))
            return connection

        single.ask = ask
        yield single


def request_of(target, cookie):
    return request(target=target, headers=[("Cookie", cookie)] if cookie else [])


def must_be_turned_away(answer, node=None):
    assert answer.status == 503 and answer.all("Retry-After")
    assert not answer.all("Set-Cookie"), "who was not served belongs to no site"
    # What tells an office that another site may do is told by nodes among themselves.
    assert answer.all("Proxy-Status") == ([f"{node}; error=connection_limit_reached"] if node else [])


def test_above_its_capacity_a_director_serves_users_with_sessions_and_turns_new_ones_away(director):
    home, away = director.gates["A"], director.gates["C"]
    free = [director.ask("/new-1"), director.ask("/new-2")]
    home.wait_arrived(2)
    for cookie in (None, "SITE=NOWHERE", "theme=dark"):
        must_be_turned_away(director.ask("/late", cookie).answer(), "N")
    bound = [director.ask("/bound", "SITE=HOME")]
    home.wait_arrived(3)
    # Also those whose sessions are at the other site.
    crossing = director.ask("/crossing", "SITE=AWAY")
    away.wait_arrived(1)
    must_be_turned_away(director.ask("/late").answer(), "N")
    # Who has a session counts like everybody else.
    home.let()
    home.let()
    assert [connection.answer().status for connection in free] == [200, 200]
    must_be_turned_away(director.ask("/late").answer(), "N")
    away.let()
    assert crossing.answer().status == 200
    bound.append(director.ask("/in-time"))
    home.wait_arrived(4)
    home.let()
    home.let()
    assert [connection.answer().status for connection in bound] == [200, 200]
    assert home.arrived[2:] == ["/bound", "/in-time"] and away.arrived == ["/crossing"], "nothing of those turned away reached a node"
    process = director.nodes["geodirector"]
    waiting.until(lambda: len(process.log_lines()) == 10, "a line for each request")
    shed = [entry for entry in entries(process.log_lines()) if "/late" in entry.request]
    assert len(shed) == 5 and {(entry.termination[:2], entry.status, entry.attempts) for entry in shed} == {("sQ", 503, 0)}
    assert process.runs and " is down" not in process.err.read_text(), process.tail()


@pytest.mark.scenario
@pytest.mark.parametrize("spill", [False, True], ids=["load stays", "load spills"])
def test_new_users_of_a_full_site_are_turned_away_or_go_elsewhere_as_the_office_is_told(request, start, two_sites, spill):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    two_sites.data["sites"][0]["capacity"] = CAPACITY
    for role in ("office-proxy", "site-director", "site-balancer"):
        # Those that hold places do so for as long as the test wants.
        defaults = two_sites.data["defaults"].setdefault(role, {})
        defaults["timeouts"] = {key: "300s" for key in ("request", "client", "server", "keep-alive")}
    two_sites.data["defaults"]["office-proxy"]["spill"] = spill
    network = start(two_sites)
    office, director = network.specs["OP1"], network.specs["SD1"]

    def in_flight():
        return int(re.search(r"^in-flight (\d+)$", get(director.monitor).body.decode(), re.MULTILINE)[1])

    def cookies(answer):
        return "; ".join(value.split(";")[0] for value in answer.all("Set-Cookie"))

    returning = [cookies(network.ask("OP1")) for _ in range(4)]
    assert all("SITE=SITE1" in cookie and "JSESSIONID=W1" in cookie for cookie in returning)
    strangers = cookies(network.ask("OP3"))
    assert "SITE=SITE2" in strangers
    waiting.until(lambda: in_flight() == 0, "nothing in flight at SD1")
    with contextlib.ExitStack() as stack:
        # Bodies that do not come to their end.
        holders = [stack.enter_context(RawConnection(office.service)) for _ in range(CAPACITY)]
        for number, holder in enumerate(holders):
            holder.send(b"POST /holder HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nh")
            waiting.until(lambda number=number: in_flight() == number + 1, "a holder at SD1")
        for _ in range(5):
            answer = network.ask("OP1")
            if spill:
                assert (answer.status, answer.json["site"]) == (200, "SITE2") and "SITE=SITE2" in cookies(answer)
            else:
                must_be_turned_away(answer)
        for cookie in returning:
            answer = network.ask("OP1", cookie)
            assert (answer.status, answer.json["site"]) == (200, "SITE1")
            assert answer.json["server"] == re.search(r"JSESSIONID=(W\d+)~", cookie)[1] and not answer.json["new"]
        # Other sites have room.
        assert network.ask("OP3").json["site"] == "SITE2"
        assert network.ask("OP1", strangers).json["site"] == "SITE2"
        for holder in holders:
            holder.send(b"old!")
            assert holder.answer().status == 200
    waiting.until(lambda: in_flight() == 0, "the holders' end at SD1")
    answer = network.ask("OP1")
    assert (answer.status, answer.json["site"]) == (200, "SITE1")
    for name in ("OP1", "SD1"):
        assert " is down" not in network.nodes[name].err.read_text(), f"a full site is no dead one: {network.nodes[name].tail()}"
