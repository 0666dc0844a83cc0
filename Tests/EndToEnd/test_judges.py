"""The judges on made-up records: each finds what it is for, and nothing else."""

import pytest

from harness.judges.crossings import crossings_after, crosses
from harness.access_log import parse
from harness.judges.errors import avoidable_errors
from harness.judges.logged_crossings import logged_crossings
from harness.judges.moves import needless_moves
from harness.judges.new_users import strayed_new_users
from harness.judges.returns import returns
from harness.judges.sessions import lost_sessions
from harness.records import Record
from harness.timeline import Timeline
from harness.topology import Topology


@pytest.fixture
def timeline() -> Timeline:
    specs = Topology.read("two-sites").nodes()
    return Timeline(specs, {name: spec.site or name for name, spec in specs.items()})


def record(begin, server="W11", sent="", user=1, status=200, path=None, end=None, entry="OP1", **more) -> Record:
    site = f"SITE{server[1]}" if server else None
    if path is None and server:
        path = (entry, f"SD{server[1]}", f"S{server[1]}L1", server)
    return Record(user, entry, begin, begin + 0.01 if end is None else end, status=status, server=server, site=site,
                  path=tuple(path or ()), sent=sent or None, **more)


def bound(server):
    return f"SITE=SITE{server[1]}; JSESSIONID={server}~1"


class TestAvoidableErrors:
    def test_an_error_while_a_server_could_be_reached_is_found(self, timeline):
        timeline.down("W11", "W12", "W13", "W14", at=5)
        assert len(avoidable_errors([record(10, None, status=503), record(11)], timeline)) == 1

    def test_every_kind_of_missing_answer_counts(self, timeline):
        for kind in ("refused", "timeout", "reset", "cut"):
            assert avoidable_errors([record(1, None, status=None, failure=kind)], timeline)

    def test_an_error_while_nothing_could_be_reached_is_excused(self, timeline):
        timeline.down("SD1", "SD2", at=5)
        timeline.up("SD1", at=8)
        assert not avoidable_errors([record(6, None, status=503)], timeline)
        assert avoidable_errors([record(9, None, status=503)], timeline)
        assert not avoidable_errors([record(7.5, None, status=503, end=8.5)], timeline)

    def test_an_entry_that_is_down_excuses_its_users_only(self, timeline):
        timeline.down("OP1", at=5)
        bad = avoidable_errors([record(6, None, status=None, failure="refused"),
                                record(6, None, status=503, entry="OP2")], timeline)
        assert [r.entry for r in bad] == ["OP2"]

    def test_a_post_is_excused_only_when_something_failed_while_it_ran(self, timeline):
        timeline.down("W11", at=5)
        assert not avoidable_errors([record(4.9, None, status=502, method="POST", end=5.1)], timeline)
        timeline.complete(at=5.3)
        assert not avoidable_errors([record(5.25, None, status=502, method="POST")], timeline)
        assert avoidable_errors([record(6.0, None, status=502, method="POST")], timeline)
        assert avoidable_errors([record(4.9, None, status=502, method="GET", end=5.1)], timeline)

    def test_a_wrong_answer_is_never_excused(self, timeline):
        timeline.down("SD1", "SD2", at=5)
        assert avoidable_errors([record(6, failure="answer of session b instead of a")], timeline)


class TestNeedlessMoves:
    def test_another_server_while_the_sessions_own_is_there(self, timeline):
        assert needless_moves([record(1), record(2, "W12", sent=bound("W11"))], timeline)

    def test_not_while_it_cannot_be_reached(self, timeline):
        timeline.down("W11", at=1.5)
        timeline.up("W11", at=3)
        assert not needless_moves([record(1), record(2, "W12", sent=bound("W11"))], timeline)
        assert needless_moves([record(4, "W12", sent=bound("W11"))], timeline)

    def test_a_time_to_recover_is_granted_and_no_more(self, timeline):
        timeline.down("W11", at=1)
        timeline.up("W11", at=3)
        assert not needless_moves([record(3.2, "W12", sent=bound("W11"))], timeline, recovery=0.5)
        assert needless_moves([record(3.6, "W12", sent=bound("W11"))], timeline, recovery=0.5)

    def test_without_a_name_in_the_cookie_the_last_answer_counts(self, timeline):
        assert needless_moves([record(1), record(2, "W12", sent="JSESSIONID=1")], timeline)
        assert not needless_moves([record(1), record(2, "W12")], timeline)

    def test_the_other_site_still_reaches_it(self, timeline):
        timeline.cut("OP1", "SITE1", at=1)
        assert needless_moves([record(2, "W21", sent=bound("W11"))], timeline)
        timeline.cut("SITE2", "SITE1", at=3)
        assert not needless_moves([record(4, "W21", sent=bound("W11"))], timeline)


class TestReturns:
    def test_back_at_a_server_once_left(self, timeline):
        assert returns([record(1, "W11"), record(2, "W12"), record(3, "W11")], timeline)

    def test_onward_is_not_back(self, timeline):
        assert not returns([record(1, "W11"), record(2, "W12"), record(3, "W13")], timeline)

    def test_back_because_the_new_one_failed_is_excused(self, timeline):
        timeline.down("W12", at=2.5)
        assert not returns([record(1, "W11"), record(2, "W12"), record(3, "W11")], timeline)

    def test_a_move_by_an_answer_without_a_page_is_judged_by_when_it_may_have_been(self, timeline):
        timeline.down("W12", at=2.5)
        timeline.up("W12", at=4)
        moved = [record(1, "W11"), record(2, "W12"), record(3, None, sent=bound("W12"), method="HEAD")]
        moved[1].after = bound("W12")
        assert not returns([*moved, record(6, "W11", sent=bound("W11"))], timeline)
        # Nobody moved the user while W12 was away, or W12 never was.
        assert returns([*moved, record(6, "W11", sent=bound("W12"))], timeline)
        assert returns([record(5, "W11"), record(6, "W12"), record(7, "W11", sent=bound("W11"))], timeline)

    def test_a_cookie_left_behind_by_a_failover_is_not_excused_by_a_later_outage(self, timeline):
        timeline.down("W11", at=1.5)
        timeline.up("W11", at=2.4)
        timeline.down("W12", at=2.5)
        timeline.up("W12", at=4)
        stale = bound("W11")
        assert returns([record(1, "W11", sent=stale, after=stale), record(2, "W12", sent=stale, after=stale),
                        record(6, "W11", sent=stale, after=stale)], timeline)

    def test_an_older_request_that_ends_later_is_not_a_return(self, timeline):
        assert not returns([record(1, "W11"), record(2, "W12"), record(1.5, "W11", end=2.5)], timeline)

    def test_a_user_is_where_the_page_s_last_answer_came_from(self, timeline):
        page = [record(1, "W11"), record(2, "W12", end=2.4, after=bound("W12")), record(2, "W11", end=2.5, after=bound("W11"))]
        assert not returns([*page, record(3, "W11", sent=bound("W11"), after=bound("W11"))], timeline)
        assert returns([*page, record(3, "W12", sent=bound("W11"))], timeline)

    def test_the_page_s_last_answer_may_be_one_without_a_page(self, timeline):
        page = [record(1, "W11"), record(2, "W12", end=2.4, after=bound("W12")),
                record(2, None, end=2.5, sent=bound("W11"), after=bound("W11"), method="HEAD")]
        assert not returns([*page, record(3, "W11", sent=bound("W11"), after=bound("W11"))], timeline)
        assert returns([*page, record(3, "W12", sent=bound("W11"))], timeline)

    def test_an_answer_without_a_page_can_be_the_return(self, timeline):
        moved = [record(1, "W11"), record(2, "W12", after=bound("W12"))]
        back = record(3, None, sent=bound("W12"), after=bound("W11"), method="HEAD")
        assert returns([*moved, back], timeline) == [back]
        stays = record(3, None, sent=bound("W12"), after=bound("W12"), method="HEAD")
        assert not returns([*moved, stays, record(4, "W12", sent=bound("W12"))], timeline)

    def test_users_are_told_apart(self, timeline):
        assert not returns([record(1, "W11", user=1), record(2, "W12", user=2), record(3, "W11", user=1)], timeline)


class TestLostSessions:
    def test_a_session_sent_and_not_known_any_more_is_lost_once(self):
        lost = [record(1, sent="SITE=SITE1; JSESSIONID=W11~1", new=True), record(2, sent="JSESSIONID=1", new=True)]
        assert lost_sessions([*lost, record(3, sent="JSESSIONID=W12~2", new=True)]) == {"1", "2"}

    def test_not_by_an_error_nor_by_being_new(self):
        assert not lost_sessions([record(1, new=True), record(2, sent=bound("W11")),
                                  record(3, None, sent=bound("W11"), status=503, new=True)])


class TestNewUsers:
    def test_at_the_second_site_while_the_first_serves(self, timeline):
        assert strayed_new_users([record(1, "W21")], timeline)
        assert not strayed_new_users([record(1, "W11")], timeline)
        assert not strayed_new_users([record(1, "W21", entry="OP3")], timeline)

    def test_users_with_cookies_are_none_of_its_business(self, timeline):
        assert not strayed_new_users([record(1, "W21", sent=bound("W21"))], timeline)

    def test_over_the_link_between_the_sites(self, timeline):
        timeline.cut("OP1", "SITE1", at=1)
        assert not strayed_new_users([record(2, "W21")], timeline)
        assert strayed_new_users([record(2, "W11", path=("OP1", "SD2", "S1L1", "W11"))], timeline)

    def test_until_the_checks_believe_again(self, timeline):
        timeline.down("SD1", at=1)
        timeline.up("SD1", at=5)
        assert not strayed_new_users([record(7, "W21")], timeline, recovery=3)
        assert strayed_new_users([record(9, "W21")], timeline, recovery=3)


class TestCrossings:
    CROSSING = ("OP1", "SD1", "S2L1", "W21")

    def test_a_crossing_is_told_from_a_straight_path(self, timeline):
        assert crosses(record(1, "W21", path=self.CROSSING), timeline)
        assert not crosses(record(1, "W21"), timeline)

    def test_one_wave_at_once_and_one_an_interval(self, timeline):
        def told(*begins):
            found = [record(begin, "W21", path=self.CROSSING) for begin in begins]
            return crossings_after(found, timeline, 10, 15, 3.0)

        assert told(10.0, 10.005, 13.1).kept
        assert told(10.0, 10.005, 13.1).waves == {"OP1": 2}
        assert not told(10.0, 10.5, 11.0).kept

    def test_what_was_in_flight_is_counted(self, timeline):
        assert crossings_after([record(9, end=10.5), record(8)], timeline, 10, 15, 3.0).in_flight == 1


class TestLoggedCrossings:
    @staticmethod
    def line(node, server, seconds, tier=0, retries=0, away=0, took=10):
        entry = parse(f"127.0.0.1:4711 [21/Nov/2026:04:00:{seconds:06.3f}] {node} shop/{server} 0/0/0/{took}/{took} 200 45 - - ---- "
                      f'1/1/0/0/{retries} 0/0 "GET / HTTP/1.1" tier={tier} site=SITE{server[2] if server[0] == "S" else 1} '
                      f"why=new away={away}")
        assert entry
        return entry

    def judge(self, timeline, *lines):
        begin = self.line("OP1", "SD1", 0).begin
        return logged_crossings(list(lines), timeline.specs, "SITE1", begin + 9.9, begin + 10, begin + 15, 3.0)

    def test_one_wave_at_once_and_one_an_interval(self, timeline):
        def sent(*moments):
            return self.judge(timeline, *(self.line("OP1", "SD1", moment) for moment in moments))

        assert sent(10.0, 10.005, 13.1).kept
        assert sent(10.0, 10.005, 13.1).by_office == {"OP1": 3}
        assert not sent(10.0, 10.5, 11.0).kept

    def test_a_failed_attempt_counts_although_the_user_was_served_elsewhere(self, timeline):
        found = self.judge(timeline, *(self.line("OP1", "SD2", moment, tier=1, retries=1, away=1) for moment in (10, 11, 12)))
        assert found.by_office == {"OP1": 3} and not found.kept
        # OP3 prefers the other site: here the failed one is the tier behind.
        found = self.judge(timeline, self.line("OP3", "SD2", 10, retries=1, away=1), self.line("OP3", "SD2", 11))
        assert found.by_office == {"OP3": 1} and found.kept

    def test_who_goes_straight_to_the_other_site_does_not_count(self, timeline):
        found = self.judge(timeline, *(self.line("OP1", "SD2", moment, tier=1, away=1) for moment in (10, 11, 12)))
        assert found.by_office == {} and found.kept

    def test_directors_have_one_wave_at_once_and_one_an_interval(self, timeline):
        def crossed(*moments, node="SD2", took=10):
            return [self.line(node, "S2L1", moment, tier=1, retries=2, away=1, took=took) for moment in moments]

        # A director of the other site tries the dead one in vain.
        assert self.judge(timeline, *crossed(9.95, 9.95, 9.959, 13)).kept
        assert self.judge(timeline, *crossed(9.95, 9.95, 9.959, 13)).by_director == {"SD2": 4}
        assert not self.judge(timeline, *crossed(9.95, 9.961, 13)).kept
        # The dead one's own has one for each of its three offices'.
        assert self.judge(timeline, *crossed(10, 10.1, 10.2, 13, 13.1, 13.2, node="SD1"), *crossed(10, 13)).kept
        assert not self.judge(timeline, *crossed(10, 10.1, 10.2, 10.3, 13, 13.1, 13.2, node="SD1")).kept
        # The first answer ends a wave, whichever of its requests it is to.
        assert self.judge(timeline, *crossed(10, 10.02, took=500), *crossed(10.29, 10.299)).kept
        assert not self.judge(timeline, *crossed(10, took=500), *crossed(10.01), *crossed(10.03), *crossed(10.05)).kept
        # Before the failure directors may do as they like.
        assert self.judge(timeline, *[self.line("SD1", "S2L1", 9, tier=1, away=1)] * 20).kept
