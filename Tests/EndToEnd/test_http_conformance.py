"""The tables of `conformance` through one running node: what is malformed is refused or reaches the other side as exactly
one message, whole and byte by byte."""

import contextlib

import pytest

from conformance import framing_cases, head_cases, response_cases
from conformance.__main__ import figures
from conformance.judge import judge_request, judge_response
from conformance.nodes import started
from conformance.origin import StrictOrigin
from harness.addresses import LoopbackRange

pytestmark = [pytest.mark.own, pytest.mark.timeout(60), pytest.mark.xdist_group("conformance")]


@pytest.fixture(scope="module")
def node(request, tmp_path_factory):
    if request.config.getoption("--system") != "geodirector":
        pytest.skip("python -m conformance runs the tables against other proxies")
    with started("geodirector", tmp_path_factory.mktemp("node")) as single:
        yield single
        assert single.nodes["geodirector"].runs, single.nodes["geodirector"].tail()


def _table(cases):
    return pytest.mark.parametrize("case", cases, ids=lambda case: f"{case.section} {case.name}"[:100])


@pytest.mark.parametrize("slowly", [False, True], ids=["whole", "bytewise"])
@_table(framing_cases.CASES + head_cases.CASES)
def test_a_request_is_refused_or_arrives_as_exactly_one(node, case, slowly):
    verdict = judge_request(node.address, node.origin, case, slowly)
    assert not verdict.faults
    if verdict.refused and case.status:
        assert verdict.status == case.status


@pytest.mark.parametrize("slowly", [False, True], ids=["whole", "bytewise"])
@_table(response_cases.CASES)
def test_a_response_arrives_whole_or_is_seen_as_broken(node, case, slowly):
    if slowly and len(case.sent) > 10_000:
        pytest.skip("nothing new byte by byte")
    assert not judge_response(node.address, node.origin, case, slowly).faults


class Silent(StrictOrigin):
    """Instead of a node: ends each connection without a word, but for those by which the judge looks on."""

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection:
            if connection.recv(1 << 16).startswith(b"GET /sync "):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n/sync")


def test_to_end_the_connection_without_an_answer_is_no_refusal():
    addresses = LoopbackRange()
    try:
        with Silent("silent", (addresses.map("127.0.1.1"), 8080)) as node, StrictOrigin("A", (addresses.map("127.0.1.2"), 8080)) as origin:
            for case in framing_cases.CASES + head_cases.CASES:
                verdict = judge_request(node.address, origin, case)
                assert verdict.faults and verdict.refused, case
                if case.outcome != "forward":
                    assert verdict.faults == ["refused without an answer"], case
    finally:
        addresses.release()


@pytest.mark.long
@pytest.mark.timeout(170)
@pytest.mark.parametrize("system, must", [("geodirector", range(1)), ("haproxy", range(30, 1000)), ("nginx", range(30, 1000))])
def test_the_tables_tell_systems_apart(system, must, tmp_path):
    """Against others they fail: they look at what they say they do."""
    assert sum(row.broken for row in figures(system, tmp_path)) in must
