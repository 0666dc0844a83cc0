"""Users of an address that moves: they lose nothing but what was in flight at the node that died, and keep their sessions."""

import contextlib
import threading
import time

import pytest

from harness import waiting
from harness.raw import RawConnection
from test_keepalived import BOUND_SECONDS, SHARED, Cluster, _batch


class Users(contextlib.AbstractContextManager):
    """Each asks again and again with the cookies it has. Who is not let in tries again; a request that was sent and not answered is lost."""

    def __init__(self, cluster, count=4):
        self.cluster, self.ended = cluster, threading.Event()
        self.lost, self.moved, self.doubles = [], [], []
        self.counts, self.refused = [0] * (2 * count), 0
        self.threads = [threading.Thread(target=self._sample)] + [
            threading.Thread(target=cluster.spaces[place].call, args=(lambda number=number: self._ask(number),))
            for number, place in enumerate(["UL", "UR"] * count)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.asked_again()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def _ask(self, number):
        cookies, server = {}, None
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
                self.lost.append((began, repr(error)))
                continue
            cookies.update(value.split(";")[0].split("=", 1) for value in answer.all("Set-Cookie"))
            if server not in (None, answer.json["server"]):
                self.moved.append((server, answer.json["server"]))
            server = answer.json["server"]
            self.counts[number] += 1

    def _sample(self):
        while not self.ended.wait(0.05):
            found = self.cluster.holders()
            # One after the other they were asked: those that hold it still held it together.
            if len(found) > 1 and self.cluster.holders(found) == found:
                self.doubles.append(found)

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
        users.ended.set()
        for thread in users.threads:
            thread.join()
        # One that was in flight, and one that a dying process had taken still: begun before the end, all of them.
        assert len(users.lost) <= 2 * len(users.counts) and all(began <= died for began, _ in users.lost), (died, users.lost)
        # It was an interruption, and it ended no session.
        assert (users.refused or users.lost) and not users.moved
        # The dead machine's own table still has the address: nobody hears of that.
        alone = [found for found in users.doubles if death == "process" or "A" not in found]
        assert not alone, alone
