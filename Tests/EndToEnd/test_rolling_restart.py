"""Soft stops and stops of running nodes under two hundred users: nobody notices."""

import pytest

from harness.topology import ROLES
from scenarios import crowd, verdict

pytestmark = pytest.mark.scenario


@pytest.mark.timeout(400)
def test_every_server_balancer_and_director_restarted_softly_one_by_one_gives_no_error(start, two_sites):
    network = start(two_sites.with_two_directors())
    order = [name for role in reversed(ROLES) if role != "office-proxy" for name in network.names(role)]
    with crowd(network) as users:
        for name in order:
            network.soft_restart(name)
            users.settle(1)
        users.settle(2)
    result = verdict("rolling restart with soft stop", network, users)
    bad = [record for record in result.records if not record.good]
    assert not bad, f"{len(bad)} of {len(result.records)} requests: " + "\n".join(map(str, bad[:5]))
    result.must_be_clean()
    ran = {name: network.nodes[name].starts for name in order}
    assert set(ran.values()) == {2}, ran


@pytest.mark.parametrize("role, names", [("balancers", ["S1L1", "S1L2"]), ("directors", ["SD1", "SD1B"])])
def test_sigterm_under_load_cuts_no_request(start, two_sites, role, names):
    network = start(two_sites.with_two_directors())
    codes = {}
    with crowd(network) as users:
        for name in names:
            network.timeline.down(name)
            network.nodes[name].terminate()
            codes[name] = network.nodes[name].wait_exit()
            users.settle(2)
            network.start(name)
            users.settle(2)
    result = verdict(f"SIGTERM to the {role} of a site", network, users)
    assert set(codes.values()) == {0}, codes
    cut = [record for record in result.records if record.failure == "cut"]
    assert not cut, "\n".join(map(str, cut[:5]))
    result.must_be_clean()
