"""Queues of a site director whose nodes take one request at a time: whoever may be served at several of them waits for all."""

import contextlib

import pytest

from harness import waiting
from harness.gate import PATIENT, Gate, wait_taken_up
from harness.raw import RawConnection, request
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.threads, pytest.mark.timeout(60)]


@pytest.fixture
def director(request, tmp_path):
    """`starter(down, **options)`: nodes A and B of HOME, C and D of AWAY; all but those that are `down` hold a request."""
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with contextlib.ExitStack() as stack:

        def starter(down=(), **options):
            single = stack.enter_context(Single(
                tmp_path, role="site-director", tiers={"HOME": ["A", "B"], "AWAY": ["C", "D"]}, site={"name": "SITE"},
                timeouts=PATIENT, options=options))
            single.gates = {}
            for site in single.data["sites"]:
                for node in site["balancers"]:
                    node["max-connections"] = 1
                    single.gates[node["name"]] = single.origins[node["name"]].handler = Gate()
            # The origins' threads may not outlive the test.
            stack.callback(lambda: [gate.permits.put(True) for gate in single.gates.values() for _ in range(50)])
            for name in down:
                single.origins[name].stop()
            single.address = single.geodirector()
            single.node = single.nodes["geodirector"]

            def ask(target, site=None):
                connection = stack.enter_context(RawConnection(single.address, 20))
                connection.send(request_of(target, site))
                wait_taken_up(single, connection)
                return connection

            single.ask = ask
            for name in down:
                wait_said(single, f"{name} is down")
            single.holders = []
            for site, names in (("HOME", "AB"), ("AWAY", "CD")):
                held = [name for name in names if name not in down]
                single.holders += [ask("/holder", site) for _ in held]
                for name in held:
                    single.gates[name].wait_arrived(1)
            return single

        yield starter


def request_of(target, site):
    return request(target=target, headers=[("Cookie", f"SITE={site}")] if site else [])


def wait_said(single, words):
    waiting.until(lambda: words in single.node.err.read_text(), words)


def serve(gate, count):
    """The node answers what it has and the `count` requests that come after it."""
    for number in range(count + 1):
        gate.wait_arrived(number + 1)
        gate.let()


def test_users_of_a_dead_site_wait_for_whichever_node_has_a_slot_ahead_of_new_users(director):
    single = director(down="CD")
    free = single.ask("/free")
    bound = [single.ask(f"/bound-{number}", "AWAY") for number in range(4)]
    serve(single.gates["B"], 5)
    assert [connection.answer().status for connection in [free, *bound]] == [200] * 5
    assert single.gates["B"].arrived == ["/holder", *(f"/bound-{number}" for number in range(4)), "/free"]
    assert single.gates["A"].arrived == ["/holder"]


def test_who_waits_at_a_full_backup_goes_home_when_home_is_back(director):
    single = director(down="AB")
    waits = [single.ask("/free"), single.ask("/bound", "HOME")]
    for name in "AB":
        # Both may come to the same node, one after the other.
        for _ in waits:
            single.gates[name].permits.put(True)
        single.origins[name].start()
    assert [connection.answer().status for connection in waits] == [200, 200]
    assert sorted(single.gates["A"].arrived + single.gates["B"].arrived) == ["/bound", "/free"]
    assert single.gates["C"].arrived == single.gates["D"].arrived == ["/holder"]


def test_where_load_may_spill_the_first_slot_of_any_site_is_the_first_one_s(director):
    single = director(spill=True)
    waits = single.ask("/free")
    serve(single.gates["D"], 1)
    assert waits.answer().status == 200
    assert single.gates["D"].arrived == ["/holder", "/free"]
