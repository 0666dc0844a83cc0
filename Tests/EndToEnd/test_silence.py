"""Links are cut and nodes fall silent (nothing is refused, nothing answers) under two hundred users."""

import time

import pytest

from harness import waiting
from harness.verdict import keep
from scenarios import crowd, verdict

pytestmark = pytest.mark.scenario

# A balancer's check of a server being alive: every 0.4 s, down after 3 failures.
DETECTION = 3 * 0.4


def test_an_office_that_cannot_reach_its_site_keeps_its_sessions_there(start, two_sites):
    network = start(two_sites, apart=[])
    with crowd(network) as users:
        network.cut("OP1", "SITE1")
        users.settle(6)
        network.heal("OP1", "SITE1")
        users.settle(4)
    result = verdict("an office cut off from its site", network, users)
    result.must_be_clean()


@pytest.mark.long
def test_an_office_whose_packets_arrive_but_get_no_answer_keeps_its_sessions(start, two_sites):
    network = start(two_sites, apart=[])
    with crowd(network) as users:
        network.cut("SITE1", "OP1", both=False)
        users.settle(6)
        network.heal("SITE1", "OP1", both=False)
        users.settle(4)
    result = verdict("an office that hears nothing from its site", network, users)
    result.must_be_clean()


@pytest.mark.parametrize("share", [pytest.param(0.8, marks=pytest.mark.long), 1.0, pytest.param(1.25, marks=pytest.mark.long)])
def test_an_outage_as_long_as_its_detection_costs_no_session_that_is_still_there(start, two_sites, share):
    network = start(two_sites, apart=["W11", "W12"])
    # Users who think longer than the outage: many do not ask while it lasts, and must find their sessions after it.
    with crowd(network, pace=4) as users:
        for _ in range(2):
            # The site's router loses both servers for just about the time the balancers need to notice.
            network.cut("SITE1", "W11")
            network.cut("SITE1", "W12")
            users.go_on(share * DETECTION)
            network.heal("SITE1", "W11")
            network.heal("SITE1", "W12")
            users.settle(2)
    result = verdict(f"an outage {share:g} times its detection", network, users)
    result.must_be_clean()


def test_sessions_that_were_idle_during_an_outage_are_all_found_again_at_once(start, two_sites):
    """The checks believe the servers down when the outage ends, and nobody has asked meanwhile: no session may be lost."""
    network = start(two_sites, apart=["W11", "W12"])
    sessions = {}
    for _ in range(200):
        answer = network.ask("OP1")
        sessions[answer.json["session"]] = (
            answer.json["server"], "; ".join(cookie.split(";")[0] for cookie in answer.all("Set-Cookie")))
    network.cut("SITE1", "W11")
    network.cut("SITE1", "W12")
    end = time.monotonic() + 1.25 * DETECTION
    waiting.until(lambda: time.monotonic() > end, "the end of the outage")
    network.heal("SITE1", "W11")
    network.heal("SITE1", "W12")
    affected = {session: held for session, held in sessions.items() if held[0] in ("W11", "W12")}
    lost = []
    for session, (server, cookies) in affected.items():
        answer = network.ask("OP1", cookies)
        if answer.status != 200 or answer.json["session"] != session:
            lost.append((server, answer.status))
    assert len(affected) > 50, "too few users at the two servers to show anything"
    keep({"scenario": "sessions idle during an outage", "system": network.system.name, "sessions": len(affected),
          "sessions lost": len(lost)})
    assert not lost, f"{len(lost)} of {len(affected)} sessions were lost: {lost[:5]}"


def test_a_server_that_accepts_and_never_answers_moves_only_its_own_users(start, two_sites):
    network = start(two_sites)
    with crowd(network) as users:
        network.pause("W11")
        users.settle(4, seconds=60, of=lambda user: "W11~" not in (user.jar.header("/") or ""))
        network.resume("W11")
        users.settle(4, seconds=60)
    result = verdict("a server that never answers", network, users)
    # Its own users wait for their server as long as the server time-out says: that is no error of routing, but nobody
    # else may notice anything.
    strangers = [record for record in result.findings["avoidable errors"] if record.bound != "W11"]
    assert not strangers, "\n".join(map(str, strangers[:5]))
    result.must_be_clean(but=("avoidable errors",))


def test_a_balancer_that_falls_silent_moves_nobody(start, two_sites):
    network = start(two_sites, apart=["S1L1"])
    with crowd(network) as users:
        for group in ("SITE1", "SITE2"):
            network.cut(group, "S1L1")
        users.settle(5)
        for group in ("SITE1", "SITE2"):
            network.heal(group, "S1L1")
        users.settle(4)
    verdict("a silent balancer", network, users).must_be_clean()


def test_a_site_that_falls_silent(start, two_sites):
    network = start(two_sites, apart=[])
    others = ["OP1", "OP2", "OP3", "SITE2"]
    with crowd(network) as users:
        for group in others:
            network.cut(group, "SITE1")
        users.settle(5)
        for group in others:
            network.heal(group, "SITE1")
        users.settle(4)
    verdict("a silent site", network, users).must_be_clean()
