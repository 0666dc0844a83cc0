"""The soak's judges find what they are there for, and a short soak finds nothing."""

import subprocess
import sys

import pytest

from harness.access_log import parse
from harness.geodirector import binary
from harness.soak import judge
from harness.soak.load import Asked
from harness.timeline import Timeline
from harness.topology import REPOSITORY, Topology

LINE = ('127.0.0.1:40820 [21/Nov/2026:05:20:50.355] {node} shop/{server} 0/0/1/2/3 {status} 473 - - {end}-- 1/1/0/0/0 0/0 '
        '"GET /{name}?x HTTP/1.1" tier=0 site=EU why=new away=0')


def line(name: str, status: int = 200, end: str = "--", node: str = "OP1", server: str = "SD1"):
    return parse(LINE.format(name=name, status=status, end=end, node=node, server=server))


def test_a_request_with_its_line_is_accounted_for():
    asked = [Asked("s1-1", "get", "answered", 200), Asked("s1-2", "large", "cut", 200), Asked("s1-3", "vanish-waiting", "vanished")]
    assert judge.answers([asked[0], asked[2]], [line("s1-1")], Always(True)) == ([], {})
    assert judge.accounted(asked, [line("s1-1"), line("s1-2", end="SD")]) == []


@pytest.mark.parametrize("asked, lines", [
    ([Asked("s1-1", "get", "answered", 200)], []),
    ([Asked("s1-1", "get", "answered", 200)], [line("s1-1"), line("s1-1")]),
    ([Asked("s1-1", "get", "answered", 200)], [line("s1-1", 503)]),
    ([Asked("s1-1", "get", "cut", 200)], [line("s1-1")]),
    ([Asked("s1-1", "get", "vanished")], [line("s1-1"), line("s1-1")]),
    ([], [line("s9-9")])],
    ids=["no line", "two lines", "another status", "cut but logged complete", "vanished, two lines", "nobody's line"])
def test_a_request_not_accounted_for_is_found(asked, lines):
    assert judge.accounted(asked, lines)


@pytest.fixture
def timeline() -> Timeline:
    specs = Topology.read("two-sites").nodes()
    return Timeline(specs, {name: spec.site or name for name, spec in specs.items()})


class Always:
    """A timeline on which something could always answer, or never, something failed, or not, and one node was silent."""

    def __init__(self, servable, changed=False, silent=""):
        self.fell_out = lambda names, *_: silent in names
        self.servable = lambda *_: servable
        self.changed = lambda *_: changed
        self.around = lambda _: "in the middle of it"


@pytest.mark.parametrize("end", ["timeout", "nothing", "refused", "cut", "stale"])
def test_requests_without_an_answer_are_found_where_nothing_failed(end):
    """As of a proxy that breaks every hundredth answer: whatever else is right, each is found."""
    asked = [Asked(f"s1-{number}", "get", "answered" if number % 100 else end, 200 if number % 100 or end == "cut" else 0,
                   "OP1", begin=number, over=number + 0.1, idle=3.0) for number in range(10_000)]
    lines = [line(one.identity, end="--" if one.end == "answered" else "SD") for one in asked if one.status]
    wrong, reasons = judge.answers(asked, lines, Always(True), {"SD1"}, keep_alive=6)
    assert wrong and wrong[0].startswith("100 of 10000 requests without an answer") and not reasons


@pytest.mark.parametrize("fell, from_second, to_second, is_wrong", [
    ("W11", 5, 9, False), ("S1L1", 5, 9, False), ("SD1", 5, 9, False), ("W11", 7, 9, True), ("W11", 0, 4.9, True),
    # Not on its way.
    ("W12", 5, 9, True), ("SD2", 5, 9, True)])
def test_an_answer_may_break_off_only_when_a_node_on_its_way_fell_out(timeline, fell, from_second, to_second, is_wrong):
    timeline.down(fell, at=from_second)
    timeline.up(fell, at=to_second)
    asked = [Asked("s1-1", "large", "cut", 200, "OP1", begin=5.0, over=6.0)]
    lines = [line("s1-1", end="SD"), line("s1-1", end="SD", node="SD1", server="S1L1"), line("s1-1", end="SD", node="S1L1", server="W11")]
    assert bool(judge.answers(asked, lines, timeline, {"OP1", "SD1", "S1L1"}, 6)[0]) == is_wrong


def test_an_answer_may_break_off_behind_a_node_whose_line_was_lost_in_a_kill(timeline):
    """S1L1 was killed soon afterwards: which of its servers had failed before is not known."""
    asked = [Asked("s1-1", "large", "cut", 200, "OP1", begin=5.0, over=6.0)]
    known, last = [line("s1-1", end="SD"), line("s1-1", end="SD", node="SD1", server="S1L1")], line("s1-1", end="SD", node="S1L1", server="W11")
    timeline.down("S1L1", at=6.02)
    for lines, is_wrong in [(known, False), ([*known, last], True)]:
        assert bool(judge.answers(asked, lines, timeline, {"OP1", "SD1", "S1L1"}, 6)[0]) == is_wrong


@pytest.mark.parametrize("idle, late, took, lines, is_wrong", [
    (5.9, 0, 0.1, [], False), (6.3, 0, 0.1, [], False), (3.0, 0, 0.1, [], True), (5.9, 0, 6.0, [], True),
    (5.9, 0, 0.1, [line("s1-1", -1, "CR")], True), (3.0, 2.6, 0.1, [], False), (3.0, 2.4, 0.1, [], True)],
    ids=["idle for as long as it is kept", "a little longer", "too early", "the request was swallowed", "the request was read",
         "seen late", "not so late"])
def test_a_kept_connection_may_end_unanswered_only_when_it_was_idle_for_too_long(timeline, idle, late, took, lines, is_wrong):
    asked = [Asked("s1-1", "get", "stale", 0, "OP1", begin=5.0, over=5.0 + took, idle=idle, late=late)]
    assert bool(judge.answers(asked, lines, timeline, {"OP1"}, keep_alive=6)[0]) == is_wrong


def test_a_kept_connection_may_end_unanswered_when_its_node_was_stopped(timeline):
    asked = [Asked("s1-1", "get", "stale", 0, "OP1", begin=5.0, over=5.1, idle=3.0)]
    for stopped, is_wrong in [("OP2", True), ("OP1", False)]:
        timeline.down(stopped, at=4)
        assert bool(judge.answers(asked, [], timeline, {"OP1"}, keep_alive=6)[0]) == is_wrong


@pytest.mark.parametrize("asked, full, servable, changed, excuse", [
    (Asked("s1-1", "get", "answered", 503), [], True, True, None),
    (Asked("s1-1", "get", "answered", 502), [], False, False, "nobody there"),
    (Asked("s1-1", "get", "answered", 503), [line("s1-1", 503, "sQ")], True, False, "full"),
    (Asked("s1-1", "get", "answered", 503), [line("s1-1", 503, "SC"), line("s1-2", 503, "sQ")], True, False, None),
    (Asked("s1-1", "post", "answered", 502), [], True, True, "POST at a failure"),
    (Asked("s1-1", "post", "answered", 502), [], True, False, None)])
def test_a_5xx_is_right_only_while_nobody_could_have_answered(asked, full, servable, changed, excuse):
    wrong, excuses = judge.server_errors([asked], full, Always(servable, changed))
    assert bool(wrong) == (excuse is None) and excuses == ({excuse: 1} if excuse else {})


def test_a_line_that_a_killed_node_has_not_written_is_no_proof():
    asked = [Asked("s1-1", "get", "answered", 503)]
    # SD1 was asked last.
    for nodes, written, changed, is_wrong in [({"SD1"}, False, True, False), ({"SD1"}, False, False, True),
                                              ({"SD1"}, True, True, True), (set(), False, True, True)]:
        lines = [line("s1-1", 503), *([line("s1-1", 503, node="SD1", server="S1L1")] if written else [])]
        assert bool(judge.server_errors(asked, lines, Always(True, changed), nodes)[0]) == is_wrong, (nodes, written, changed)


def test_a_504_is_right_only_when_a_node_that_was_asked_fell_silent():
    for status, silent, is_wrong in [(504, "S1L1", False), (504, "S1L2", True), (503, "S1L1", True)]:
        lines = [line("s1-1", status, "sH"), line("s1-1", status, "sH", node="SD1", server="S1L1")]
        asked = [Asked("s1-1", "get", "answered", status)]
        assert bool(judge.server_errors(asked, lines, Always(True, silent=silent), set())[0]) == is_wrong, (status, silent)


def waits(milliseconds: int, named: str = "-"):
    """A request that a balancer refused after so long; its session is with `named`."""
    return parse(LINE.format(name="s1-1", status=503, end="sQ", node="S1L1", server="<none>")
                 .replace("0/0/1/2/3", f"0/{milliseconds}/-1/-1/{milliseconds}").replace("473 - -", f"473 {named} -")
                 .replace("50.355", "50.500"))


def served(server: str, begin: int, end: int):
    return parse(LINE.format(name="s1-2", status=200, end="--", node="S1L1", server=server)
                 .replace("0/0/1/2/3", f"0/0/1/2/{end - begin}").replace("50.355", f"{50 + (500 + begin) // 1000:02}.{(500 + begin) % 1000:03}"))


@pytest.mark.parametrize("refused, others, is_wrong", [
    (waits(400), [served("W1", 0, 400), served("W2", 0, 400)], False),
    (waits(400), [served("W1", 0, 400)], True),
    (waits(400), [], True),
    (waits(400), [served("W1", 0, 400), served("W2", 0, 200), served("W2", 200, 300)], False),
    (waits(400), [served("W1", 0, 400), served("W2", -400, -10)], True),
    # Free for a while is enough, if there was time to see it.
    (waits(1000), [served("W1", 0, 1000), served("W2", 0, 300), served("W2", 700, 1000)], True),
    (waits(1000), [served("W1", 0, 1000), served("W2", 0, 300), served("W2", 500, 800)], False),
    (waits(1000, "W1"), [served("W1", 0, 1000)], False),
    (waits(1000, "W2"), [served("W1", 0, 1000), served("W2", 0, 600)], True),
    # Who belongs to one server waits for that one.
    (waits(400, "W1"), [served("W1", 0, 400)], False),
    (waits(400, "W1"), [served("W2", 0, 400)], True),
    # A queue that was full at once is judged by the moment before.
    (waits(0), [served("W1", -250, -150), served("W2", -100, -50)], False),
    (waits(0), [served("W1", -250, -150), served("W2", -450, -350)], True),
    # Many that come in one moment take the slots and fill the queue; two workers' clocks tell it differently by some milliseconds.
    (waits(0), [served("W1", 0, 200), served("W2", 0, 300)], False),
    (waits(0), [served("W1", 8, 200), served("W2", 8, 300)], False),
    (waits(0), [served("W1", 0, 200), served("W2", 100, 300)], True)])
def test_a_queue_beside_a_free_slot_is_found(refused, others, is_wrong):
    own = {"S1L1": ["W1", "W2"]}
    wrong, judged = judge.idle_beside_queue([refused, *others], own, 1, Always(True))
    assert bool(wrong) == is_wrong and judged == 1
    assert judge.idle_beside_queue([refused, *others], own, 1, Always(True, silent="S1L1")) == ([], 0)


def test_a_server_that_was_down_a_moment_ago_need_not_be_known_to_be_back():
    assert judge.idle_beside_queue([waits(400)], {"S1L1": ["W1"]}, 1, Always(True, silent="W1")) == ([], 0)


@pytest.mark.parametrize("places, spans, full", [
    (1, [(0, 1)], [(-0.001, 1.001)]), (2, [(0, 1)], []), (2, [(0, 3), (1, 2)], [(0.999, 2.001)]),
    (2, [(0, 1), (2, 3), (0, 3)], [(-0.001, 1.001), (1.999, 3.001)])])
def test_when_slots_were_taken(places, spans, full):
    assert judge._full_spans(spans, places) == pytest.approx(full)


@pytest.mark.parametrize("spans, longest", [
    ([], 4), ([(0, 9)], 0), ([(-2, -1)], 4), ([(5, 6)], 4), ([(0, 1), (3, 4)], 2), ([(-1, 1)], 3), ([(3.5, 9)], 3.5), ([(1, 2), (2.5, 3)], 1)])
def test_the_longest_time_in_which_slots_were_free(spans, longest):
    assert judge._longest_gap(spans, 0, 4) == pytest.approx(longest)


def test_other_answers_are_no_server_errors():
    asked = [Asked("s1-1", "get", "answered", 404), Asked("s1-2", "get", "cut", 503), Asked("s1-3", "get", "answered", 200)]
    assert judge.server_errors(asked, [], Always(True)) == ([], {})


def test_a_broken_log_line_is_found_unless_a_kill_cut_it():
    whole = LINE.format(name="s1-1", status=200, end="--", node="OP1", server="SD1") + "\n"
    assert judge.complete_lines("OP1", whole * 2, 0) == []
    assert judge.complete_lines("OP1", whole + whole[:60], 0)
    assert judge.complete_lines("OP1", whole[:60] + whole, 0)
    assert judge.complete_lines("OP1", whole[:60] + whole, 1) == []


@pytest.mark.parametrize("count", judge.EMPTY)
def test_each_leaked_or_untold_count_is_found(count):
    clean = dict.fromkeys(judge.EMPTY, 0)
    assert judge.released("OP1", clean) == []
    assert judge.released("OP1", clean | {count: 1})
    assert judge.released("OP1", {name: 0 for name in clean if name != count})


def test_leaked_descriptors_are_found():
    assert judge.descriptors("OP1", 20, 20) == [] and judge.descriptors("OP1", 20, 21)


@pytest.mark.parametrize("warm_kib, end_kib, more_buffers, is_wrong", [
    (14_000, 18_700, 0, False), (14_000, 18_900, 0, True), (42_000, 48_000, 0, False), (42_000, 49_000, 0, True),
    # What a higher peak has left in the pools, and no more than that; a lower one excuses nothing, and takes nothing away.
    (14_000, 22_000, 200, False), (14_000, 22_300, 200, True), (14_000, 18_700, -100, False)])
def test_memory_that_grows_is_found(warm_kib, end_kib, more_buffers, is_wrong):
    assert bool(judge.memory("OP1", warm_kib, end_kib, 240, more_buffers)) == is_wrong


def test_memory_may_grow_by_more_after_a_warm_up_of_a_few_seconds():
    assert judge.memory("OP1", 14_000, 22_000, 6) == [] and judge.memory("OP1", 14_000, 23_000, 6)


@pytest.mark.own
@pytest.mark.scenario
@pytest.mark.timeout(200)
def test_a_short_soak_finds_nothing(request):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("counts that the reference does not tell")
    command = [sys.executable, str(REPOSITORY / "Tests/soak"), "--short", "--geodirector", str(binary())]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
