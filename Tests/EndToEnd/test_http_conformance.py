"""The tables of `conformance` through one running node: what is malformed is refused or reaches the other side as exactly
one message, whole and byte by byte."""

import pytest

from conformance import framing_cases, head_cases, response_cases
from conformance.__main__ import figures
from conformance.judge import judge_request, judge_response
from conformance.nodes import started

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


@pytest.mark.long
@pytest.mark.timeout(170)
@pytest.mark.parametrize("system, must", [("geodirector", range(1)), ("haproxy", range(30, 1000)), ("nginx", range(30, 1000))])
def test_the_tables_tell_systems_apart(system, must, tmp_path):
    """Against others they fail: they look at what they say they do."""
    assert sum(row.broken for row in figures(system, tmp_path)) in must
