"""What `topology simulate` says is what running nodes do: the same users, cookies, requests and faults in both."""

import dataclasses
import re

import pytest

from harness.addresses import moved
from harness.geo import placed
from harness.population import Listed, Page, population
from harness.rehearsal import LATENCY, Fault, Play, modelled, simulate, simulated_servers
from harness.topology import Topology
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


# Addresses by the place that the database has for them; of the last it knows nothing.
CLIENTS = {"198.51.100.7": (48.8, 2.3), "192.0.2.7": (40.7, -74.0), "203.0.113.7": (37.5, 127.0), "100.64.0.7": (-34.6, -58.4),
           "100.65.0.7": (25.2, 55.3), "10.1.2.3": None, "8.8.8.8": None}


class IntoTheRange:
    """Addresses of that file, 127.7.x.y and above, where a test's range of addresses begins."""

    @staticmethod
    def map(text: str) -> str:
        return re.sub(r"^127\.(7|8|9|10|11)\.", lambda match: f"127.{int(match[1]) - 6}.", text)


def public_entry(database) -> Topology:
    """Four sites around the world behind an entry that believes a proxy before it."""
    data = moved(Topology.read("world").scaled(0.1).data, IntoTheRange)
    entry = next(office for office in data["offices"] if office["name"] == "PUBLIC")
    entry["listen"] = entry["listen"][0]["address"]
    entry["preference"] = {"by": "client-location", "sites": [site["name"] for site in data["sites"]]}
    entry["forwarded"] = {"trusted": "127.0.0.0/8"}
    data["offices"] = [entry]
    data["geo"] |= {"database": str(database), "networks": {"10.0.0.0/8": ["SINGAPORE", "SAO-PAULO"]}}
    names = ["PUBLIC", *(site["name"] for site in data["sites"])]
    data["links"] = [{"between": [one, other], "latency": LATENCY} for number, one in enumerate(names) for other in names[:number]]
    return modelled(Topology(data))


def test_clients_of_a_public_entry_while_their_nearest_site_fails(start, tmp_path):
    database = placed(tmp_path / "clients.mmdb", {f"{address}/32": place for address, place in CLIENTS.items() if place})
    network = start(public_entry(database))
    users = []
    for number in range(3 * len(CLIENTS)):
        # A third comes when the site is down; nobody comes after it is back, when chance decides who finds out first.
        times = [3.0, 4.0, 6.0, 6.5] if number % 3 == 0 else [0.3, 1.2, 3.0, 4.0, 6.0]
        pages = [Page(round(at + number * 0.02, 3)) for at in times]
        users.append(Listed(f"u{number}", "PUBLIC", None, pages, client=list(CLIENTS)[number % len(CLIENTS)]))
    down = ["FRA-D", "FRA-L", "FRA-W1", "FRA-W2"]
    faults = [Fault("kill", down, 2, 5)]
    play = Play(network, users, faults)
    simulated = simulate(network, users, faults, 8, tmp_path)
    site_of = {name: spec.site for name, spec in network.specs.items()}
    live = {user.name: [site_of[record.server] for record in play.of(user.name) if record.good] for user in users}
    told = {name: [site_of[server] for server in servers] for name, servers in simulated_servers(tmp_path).items()}
    assert live == told
    assert {sites[0] for sites in live.values()} == set(site_of.values()) - {None}, "every site was somebody's nearest"
    assert play.outcome.moved == simulated.moved and play.outcome.lost == simulated.lost
    # From Paris and from Dubai the next site is another.
    second = {user.client: live[user.name][-1] for user in users if user.name in simulated.moved}
    assert second["198.51.100.7"] == "VIRGINIA" and second["100.65.0.7"] == "SINGAPORE"


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
