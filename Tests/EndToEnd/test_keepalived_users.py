"""Users of an address that moves: they lose nothing but what was in flight at the node that held it, and keep their sessions."""

import collections
import contextlib
import threading
import time

import pytest

from harness import waiting
from harness.raw import RawConnection
from test_keepalived import BOUND_SECONDS, SHARED, Cluster, _batch


class Users(contextlib.AbstractContextManager):
    """Each asks again and again with the cookies it has. Who is not let in tries again; a request that was sent and not answered is lost.

    Half of them are at the left side, half at the right one. `homes`: the server where those of a side have sessions from the start.
    """

    def __init__(self, cluster, count=4, homes=None):
        self.cluster, self.ended, self.homes = cluster, threading.Event(), homes or {}
        self.places = ["UL", "UR"] * count
        self.lost, self.moved, self.doubles = [], [], []
        self.counts, self.refused = [0] * (2 * count), 0
        self.threads = [threading.Thread(target=self._sample)] + [
            threading.Thread(target=cluster.spaces[place].call, args=(lambda number=number: self._ask(number),))
            for number, place in enumerate(self.places)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.asked_again()
        return self

    def __exit__(self, *_):
        self.end()

    def _ask(self, number):
        server = self.homes.get(self.places[number])
        cookies = {"SERVERID": server} if server else {}
        while not self.ended.is_set():
            try:
                connection = RawConnection((SHARED, 8080), seconds=1)
            except OSError:
                # Nobody holds the address, or nobody listens there: nothing is lost.
                self.refused += 1
                self.ended.wait(0.05)
                continue
            began = time.monotonic()
            try:
                with connection:
                    connection.socket.settimeout(10)
                    fields = [("Accept", "application/json"), ("Connection", "close")]
                    fields += [("Cookie", "; ".join(f"{name}={value}" for name, value in cookies.items()))] if cookies else []
                    answer = connection.ask("GET", "/?delay=50ms", fields)
                assert answer.status == 200, answer.status
            except Exception as error:  # noqa: BLE001 - whatever ends it, it is lost
                self.lost.append((began, number, repr(error)))
                continue
            cookies.update(value.split(";")[0].split("=", 1) for value in answer.all("Set-Cookie"))
            if server not in (None, answer.json["server"]):
                self.moved.append((number, server, answer.json["server"]))
            server = answer.json["server"]
            self.counts[number] += 1

    def _sample(self):
        while not self.ended.wait(0.05):
            found = self.cluster.holders()
            # One after the other they were asked: those that hold it still held it together.
            if len(found) > 1 and self.cluster.holders(found) == found:
                self.doubles.append(found)

    def end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def asked_again(self):
        before = list(self.counts)
        waiting.until(lambda: all(now >= then + 3 for now, then in zip(self.counts, before)), "every user served again", BOUND_SECONDS + 20)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("death", ["process", "machine"])
def test_users_lose_nothing_but_what_was_in_flight_at_the_node_that_died(tmp_path, death):
    with Cluster(tmp_path) as cluster, Users(cluster) as users:
        cluster.wait_holder("A")
        assert not users.lost and not users.refused
        if death == "machine":
            # Nothing of it is heard any more; its keepalived dies with it.
            _batch(cluster.switches.name, ["link set pA down"])
            cluster.end(cluster.keepers["A"])
        cluster.nodes["A"].kill()
        died = time.monotonic()
        successor, _ = cluster.wait_successor("B", "C", among="BC")
        if death == "process":
            cluster.wait_holder(successor)
        users.asked_again()
        users.end()
        # One that was in flight, and one that a dying process had taken still: begun before the end, all of them.
        assert len(users.lost) <= 2 * len(users.counts) and all(began <= died for began, *_ in users.lost), (died, users.lost)
        # It was an interruption, and it ended no session.
        assert (users.refused or users.lost) and not users.moved
        # The dead machine's own table still has the address: nobody hears of that.
        alone = [found for found in users.doubles if death == "process" or "A" not in found]
        assert not alone, alone


@pytest.mark.timeout(240)
def test_users_cut_apart_go_on_at_their_own_side_and_healed_lose_what_the_one_that_yields_had(tmp_path):
    with Cluster(tmp_path) as cluster, Users(cluster, homes={"UL": "W1", "UR": "W2"}) as users:
        cluster.wait_holder("A")
        assert not users.lost and not users.refused and not users.moved
        _batch(cluster.switches.name, ["link set cable down"])
        other, _ = cluster.wait_successor("B", "C", among="BC")
        apart = time.monotonic()
        cluster.wait_holder("A", other)
        users.asked_again()
        in_cut = list(users.lost)
        # Both sides hold the address now: each its own users' one.
        assert (in_cut or users.refused) and lost_once(users, in_cut, "UR", apart), (apart, in_cut)
        _batch(cluster.switches.name, ["link set cable up"])
        # It has the higher priority; here nobody takes the address, one gives it up.
        cluster.wait_holder("A")
        healed = time.monotonic()
        users.asked_again()
        users.end()
        at_heal = users.lost[len(in_cut):]
        assert lost_once(users, at_heal, "UR", healed), (healed, at_heal)
        print({"lost by the cut": len(in_cut), "at the heal": len(at_heal), "not let in": users.refused})
        assert not users.moved, users.moved


def lost_once(users, lost, place, before) -> bool:
    """Whether only users of that side lost requests, one each at most, that were under way before that time."""
    counts = collections.Counter(number for _, number, _ in lost)
    return all(count == 1 and users.places[number] == place for number, count in counts.items()) and all(
        began <= before for began, *_ in lost)
