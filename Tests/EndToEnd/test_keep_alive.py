"""Connections of clients are kept, those to servers kept or closed; what that is worth to a page behind a long line."""

import collections

import pytest

from harness.delay import DelayThread
from harness.page import load
from harness.raw import RawConnection
from harness.single import Single

pytestmark = pytest.mark.timeout(90)
OBJECTS, ROUND_TRIP = 30, 0.05
CLOSED = {"pooled-per-server": 0}
SIDES = ("geodirector", "HAProxy")


def side(single: Single, name: str):
    return single.geodirector() if name == "geodirector" else single.rendered()


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("kept", [True, False], ids=["kept", "closed"])
def test_a_client_keeps_its_connection_whether_those_to_servers_are_kept_or_not(tmp_path, name, kept):
    with Single(tmp_path, names=("A",), limits={} if kept else CLOSED, timeouts={"keep-alive": "5s"}, checked=False) as single:
        with RawConnection(side(single, name)) as connection:
            for number in range(10):
                answer = connection.ask("GET", f"/{number}")
                assert answer.status == 200 and "close" not in (answer.first("Connection") or "").lower()
        connections = collections.Counter(request.connection for request in single.origins["A"].received)
        assert sum(connections.values()) == 10
        assert len(connections) == (1 if kept else 10)


@pytest.mark.parametrize("name", SIDES)
def test_a_page_behind_a_long_line_takes_half_the_time_with_keep_alive(tmp_path, name):
    with Single(tmp_path, names=("A",), limits=CLOSED, timeouts={"keep-alive": "5s"}) as single:
        single.origins["A"].handler = lambda exchange: exchange.answer(body=b"x" * 2_000)
        near = (single.range.map("127.0.1.9"), 8080)
        with DelayThread(near, side(single, name), ROUND_TRIP) as line:
            kept = load(near, OBJECTS, keep_alive=True)
            assert line.connections == 1
            closed = load(near, OBJECTS, keep_alive=False)
            assert line.connections == 1 + OBJECTS + 1
    # A handshake and then a round trip an object; or both for each. Nothing is faster than its round trips.
    assert kept >= (OBJECTS + 2) * ROUND_TRIP and closed >= (OBJECTS + 1) * 2 * ROUND_TRIP
    assert kept < 0.75 * closed, (kept, closed)
