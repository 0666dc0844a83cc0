"""What `topology simulate` says is what running nodes do: the same users, cookies, requests and faults in both."""

import dataclasses

import pytest

from harness.population import population
from harness.rehearsal import Fault, Play, modelled, simulate
from harness.verdict import keep

pytestmark = [pytest.mark.scenario, pytest.mark.own,
              pytest.mark.measures("when something happens is compared with the simulation, which knows no slower program")]

SITE1 = ["W11", "W12", "W13", "W14"]
SITE2 = ["W21", "W22", "W23", "W24"]
# Most users sit where they prefer to be, some at the other site, as after an earlier failover.
OFFICES = {"OP1": [*SITE1, "W21"], "OP2": [*SITE1, "W22"], "OP3": [*SITE2, "W13"]}
LOCAL = {"SD1": SITE1, "OP1": [*SITE1, "W21"], "OP3": [*SITE2, "W13"]}
USERS = 180

# Seconds in which nobody asks, so that chance decides nothing. Before a failure: a request in flight, or a connection just
# used, on which a POST would be lost. Before its end: attempts that may or may not outlast it. After its end: a process
# needs a moment to start, and so do the first trials of servers that came back.
BEFORE, ENDING, AFTER = 0.3, 0.4, 0.6
# Later than this, in seconds, on a day without failures, users make another scenario of it: it is played again.
LATE, PLAYS = 0.2, 3


def quiet(faults):
    return [(fault.at - BEFORE, fault.at + 0.1) for fault in faults] + [
        (fault.until - ENDING, fault.until + AFTER) for fault in faults]


def played(start, topology, apart, entries, seconds, faults, staggered):
    """Live, on a machine that had the time for it; users, faults as measured, network, outcome, records."""
    for _ in range(PLAYS):
        network = start(modelled(topology), apart=apart)
        measured = [dataclasses.replace(fault) for fault in faults]
        dawns = [fault.at + 0.1 for fault in faults] if staggered else []
        users = population(entries, USERS, seconds, quiet(faults), dawns)
        play = Play(network, users, measured)
        if play.lateness < LATE:
            return users, measured, network, play
    raise AssertionError(f"the machine is too busy: users waited for {play.lateness:.2f} s when nothing was wrong")


# How far counts may be apart, or by two if that is more.
BOUND = 0.05


def agree(start, topology, folder, name, faults, seconds, entries=OFFICES, apart=None, staggered=False, crossed=BOUND):
    users, faults, network, play = played(start, topology, apart, entries, seconds, faults, staggered)
    live = play.outcome
    simulated = simulate(network, users, faults, seconds + 30, folder)
    counts = {what: (live.count(what), simulated.count(what)) for what in ("requests", "errors", "crossed")}
    keep({"scenario": f"simulated and live: {name}", "system": network.system.name,
          "users moved": (len(live.moved), len(simulated.moved)),
          "users with sessions lost": (len(live.lost), len(simulated.lost)), **counts})

    def told(names):
        lines = []
        for user in sorted(names)[:3]:
            lines.append(f"  {user}: live {live.users[user]}, simulated {simulated.users[user]}")
            lines += [f"    {record}" for record in play.of(user)[:15]]
        return "\n".join(lines)

    assert live.lost == simulated.lost, f"sessions lost by others\n{told(live.lost ^ simulated.lost)}"
    assert live.moved == simulated.moved, f"others moved\n{told(live.moved ^ simulated.moved)}"
    # And they moved to the same servers: the replacement follows from the session's id alone (rule B5).
    elsewhere = {user for user in live.moved if live.users[user].moves[0] != simulated.users[user].moves[0]}
    assert not elsewhere, f"moved to other servers\n{told(elsewhere)}"
    for what, (seen, said) in counts.items():
        bound = crossed if what == "crossed" else BOUND
        assert abs(seen - said) <= max(2, bound * seen), f"{what}: {seen} live, {said} simulated"
    return live, simulated


def test_an_application_server_killed_and_restarted(start, two_sites, tmp_path):
    live, simulated = agree(start, two_sites, tmp_path, "an application server", [Fault("kill", ["W11"], 2, 4.5)], 7)
    assert live.moved and live.count("crossed") == 0


def test_all_servers_of_a_site(start, two_sites, tmp_path):
    live, _ = agree(start, two_sites, tmp_path, "all servers of a site", [Fault("kill", SITE1, 2, 5)], 8, staggered=True)
    assert len(live.lost) > USERS / 2


def test_a_balancer(start, two_sites, tmp_path):
    live, _ = agree(start, two_sites, tmp_path, "a balancer", [Fault("kill", ["S1L1"], 2, 4.5)], 6)
    assert not live.moved and not live.lost and live.count("errors") == 0


def test_a_director_of_two(start, two_sites, tmp_path):
    live, _ = agree(
        start, two_sites.with_two_directors(), tmp_path, "a director of two", [Fault("kill", ["SD1"], 2, 4.5)], 6)
    assert not live.moved and not live.lost and live.count("errors") == 0


def test_a_whole_site(start, two_sites, tmp_path):
    # The entry first: a site that loses its power does not pass requests on while it dies.
    names = ["SD1", "S1L1", "S1L2", *SITE1]
    live, _ = agree(start, two_sites, tmp_path, "a whole site", [Fault("kill", names, 2, 5)], 8, staggered=True)
    assert len(live.lost) > USERS / 2


def test_local_users_of_a_site_whose_director_and_servers_fail(start, two_sites, tmp_path):
    faults = [Fault("kill", SITE1, 1.5, 3), Fault("kill", ["SD1"], 5, 6.5)]
    live, _ = agree(start, two_sites, tmp_path, "local users", faults, 8, entries=LOCAL, staggered=True)
    # Without their director they get nothing: that counts, too.
    assert live.count("errors") > 50


def test_nobody_left_to_serve(start, two_sites, tmp_path):
    # Each director tries each balancer of the other site every 0.1 s, as often as simulated; how many of those trials fall
    # upon the same request is chance: the same play crosses 62 to 81 times.
    live, _ = agree(start, two_sites, tmp_path, "both sites' servers", [Fault("kill", SITE1 + SITE2, 2, 5)], 7,
                    staggered=True, crossed=0.3)
    assert live.count("errors") > 50


def test_an_office_that_cannot_reach_its_site(start, two_sites, tmp_path):
    live, _ = agree(
        start, two_sites, tmp_path, "an office cut off", [Fault("cut", ["OP1", "SITE1"], 2, 5)], 7.5, apart=[])
    assert not live.moved and not live.lost
    assert live.count("crossed") > 50


# A balancer's check of a server being alive: every 0.4 s, down after 3 failures.
DETECTION = 3 * 0.4


def test_an_outage_as_long_as_its_detection(start, two_sites, tmp_path):
    faults = [Fault("cut", ["SITE1", server], at, at + DETECTION) for at in (1.5, 5) for server in ("W11", "W12")]
    live, _ = agree(start, two_sites, tmp_path, "an outage as long as its detection", faults, 8, apart=["W11", "W12"])
    assert live.moved


@pytest.mark.long
def test_the_walk(start, two_sites, tmp_path):
    faults = [Fault("cut", ["OP1", "SITE1"], 2, 4.5), Fault("cut", ["OP1", "SITE2"], 7, 9.5), Fault("kill", SITE1, 12, 15)]
    live, _ = agree(start, two_sites, tmp_path, "the walk", faults, 18, apart=[], staggered=True)
    assert live.count("crossed") > 50 and len(live.lost) > USERS / 2


@pytest.mark.long
def test_soft_restarts_of_balancers_and_a_director(start, two_sites, tmp_path):
    # A director serves on until its farthest checker has seen it go: 18 s.
    faults = [Fault("rolling-restart", [name], at, until)
              for name, at, until in (("S1L1", 1.5, 5.5), ("S2L2", 7, 11), ("SD1", 8, 28))]
    live, _ = agree(start, two_sites.with_two_directors(), tmp_path, "soft restarts", faults, 30)
    assert not live.moved and not live.lost and live.count("errors") == 0
