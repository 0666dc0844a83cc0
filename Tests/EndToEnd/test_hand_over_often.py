"""A hundred processes of the program in a row, each with the sockets of the one before, and no request lost."""

import pytest

from harness import waiting
from harness.reloaded import HandedOver, Load

pytestmark = [pytest.mark.own, pytest.mark.timeout(900)]


@pytest.mark.parametrize("times", [3, pytest.param(100, marks=pytest.mark.long)])
def test_hand_overs_in_a_row_under_load_fail_no_request(tmp_path, times):
    with HandedOver(tmp_path, names=("A", "B", "C")) as handed:
        node, processes = handed.run(), set()
        with Load(node.address) as load:
            for _ in range(times):
                before = node.hand_over()
                node.wait_gone(before)
                processes.add(before)
                answers = load.answers
                waiting.until(lambda: load.answers > answers + 20, "answers of the new process")
        assert not load.failures and load.answers > 20 * times, (load.answers, load.failures[:5])
        assert len(processes) == times
