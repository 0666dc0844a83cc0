"""Nodes are killed (connections refused) and started again under two hundred users."""

import time

import pytest

from harness.judges.crossings import crossings_after
from harness.judges.logged_crossings import logged_crossings
from scenarios import OFFICE_INTERVAL, crowd, verdict

pytestmark = pytest.mark.scenario


def outage(network, users, names, settle: int = 4):
    """Kills, lets every user ask a few times, starts again, and lets them ask again."""
    network.kill(*names)
    users.settle(settle)
    network.start(*names)
    users.settle(settle)


def test_an_application_server_killed_and_restarted_moves_only_its_own_users(start, two_sites):
    network = start(two_sites)
    with crowd(network) as users:
        outage(network, users, ["W11"])
    result = verdict("an application server", network, users)
    result.must_be_clean()
    at_first = {record.user for record in result.records if record.server == "W11"}
    assert at_first, "nobody was at W11 before"
    # A server of the same site took over: nobody crossed.
    assert result.crossed == 0


def test_all_servers_of_a_site_killed_sends_its_users_to_the_other_site_for_good(start, two_sites):
    network = start(two_sites)
    servers = network.names("demo-server", "SITE1")
    with crowd(network) as users:
        network.kill(*servers)
        failure = network.timeline.changes[-1]
        users.settle(6)
        network.start(*servers)
        healed = network.timeline.changes[-1]
        users.settle(4)
    result = verdict("all servers of a site", network, users)
    result.must_be_clean()
    settled = {record.user: record.site for record in result.records if record.begin < healed and record.site}
    assert set(settled.values()) == {"SITE2"}
    late = [record for record in result.records if record.begin > healed and record.sent and record.site]
    assert {record.site for record in late} == {"SITE2"}
    # And they go there directly: rule E4.
    crossings = crossings_after(result.records, network.timeline, failure, healed, OFFICE_INTERVAL)
    assert crossings.kept, (
        f"{len(crossings.crossed)} requests crossed between the sites, in waves {crossings.waves}, allowed "
        f"{crossings.allowed_waves} an office; {crossings.in_flight} were in flight at the failure")
    if network.system.name == "geodirector":
        # The logs tell the time of day.
        wall = time.time() - time.monotonic()
        failed = network.timeline.completed(failure)
        logged = logged_crossings(network.logged(len(result.records)), network.specs, "SITE1", failure + wall, failed + wall,
                                  healed + wall, OFFICE_INTERVAL)
        assert logged.kept, str(logged)


def test_a_balancer_killed_and_restarted_moves_nobody(start, two_sites):
    network = start(two_sites)
    with crowd(network) as users:
        outage(network, users, ["S1L1"])
    result = verdict("a balancer", network, users)
    result.must_be_clean()
    assert result.crossed == 0


def test_a_director_of_two_killed_and_restarted_moves_nobody(start, two_sites):
    network = start(two_sites.with_two_directors())
    with crowd(network) as users:
        outage(network, users, ["SD1"])
    result = verdict("a director of two", network, users)
    result.must_be_clean()
    assert result.crossed == 0


def test_a_whole_site_killed_and_restarted(start, two_sites):
    network = start(two_sites)
    # The entry first: a site that loses its power does not pass requests on while it dies.
    names = sorted((name for name, spec in network.specs.items() if spec.site == "SITE1"),
                   key=lambda name: network.specs[name].role != "site-director")
    with crowd(network) as users:
        outage(network, users, names)
    result = verdict("a whole site", network, users)
    result.must_be_clean()
    assert result.crossed == 0


def test_users_at_a_site_go_to_its_director_and_survive_the_loss_of_its_servers(start, two_sites):
    network = start(two_sites)
    with crowd(network, {"SD1": 1, "OP1": 1}) as users:
        outage(network, users, network.names("demo-server", "SITE1"))
    result = verdict("local users, all servers of their site", network, users)
    result.must_be_clean()
