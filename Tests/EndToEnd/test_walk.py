"""The walk through a failure of the two-sites network, chapter 5.5 of the architecture guide, under two hundred users."""

import pytest

from harness import waiting
from scenarios import crowd, verdict

pytestmark = pytest.mark.scenario


class Person:
    """One user of an office with curl and a note of the cookies."""

    def __init__(self, network, entry: str):
        self.network, self.entry, self.cookies = network, entry, {}

    def ask(self):
        sent = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self.network.ask(self.entry, sent)
        for cookie in answer.all("Set-Cookie"):
            name, _, value = cookie.split(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    def path(self) -> list[str]:
        answer = self.ask()
        assert answer.status == 200, answer
        return answer.json["path"]


def walk_to(path, *hops) -> bool:
    """Whether a path goes through the hops: a name, or the beginning of one followed by a star."""
    return len(path) == len(hops) and all(
        node.startswith(hop[:-1]) if hop.endswith("*") else node == hop for node, hop in zip(path, hops))


def test_the_walk(start, two_sites):
    network = start(two_sites, apart=[])
    with crowd(network) as users:
        # A user whose session is at W14.
        first = Person(network, "OP1")
        for _ in range(50):
            first.cookies = {}
            if walk_to(first.path(), "OP1", "SD1", "S1L*", "W14"):
                break
        assert first.cookies["SITE"] == "SITE1" and first.cookies["JSESSIONID"].startswith("W14~")
        session = first.ask().json["session"]

        # 1. OP1 cannot reach SITE1: by the other director over the sites' own link, to the same session.
        network.cut("OP1", "SITE1")
        answer = first.ask()
        assert walk_to(answer.json["path"], "OP1", "SD2", "S1L*", "W14"), answer.json["path"]
        assert answer.json["session"] == session and not answer.json["new"]
        assert not answer.all("Set-Cookie") and first.cookies["SITE"] == "SITE1"

        # 2. A new user of OP1 meanwhile stays off that link.
        second = Person(network, "OP1")
        assert walk_to(second.path(), "OP1", "SD2", "S2L*", "W2*")
        assert second.cookies["SITE"] == "SITE2"
        users.settle(4)

        # 3. Healed: the first user directly again, the second stays.
        network.heal("OP1", "SITE1")
        waiting.until(lambda: walk_to(first.path(), "OP1", "SD1", "S1L*", "W14"), "the first user going through SD1")
        assert first.ask().json["session"] == session
        assert walk_to(second.path(), "OP1", "SD2", "S2L*", "W2*")
        users.settle(4)

        # 4. SITE2 cannot be reached from OP1: its user goes by SD1.
        home = second.path()[-1]
        network.cut("OP1", "SITE2")
        assert walk_to(second.path(), "OP1", "SD1", "S2L*", home)
        users.settle(4)
        network.heal("OP1", "SITE2")
        waiting.until(lambda: walk_to(second.path(), "OP1", "SD2", "S2L*", home), "the second user going through SD2")

        # 5. Every server of SITE1 dies: users get SITE2 and go there directly, also when SITE1 is back.
        servers = network.names("demo-server", "SITE1")
        network.kill(*servers)
        assert first.path()[-1].startswith("W2")
        assert first.cookies["SITE"] == "SITE2"
        taken = first.path()
        assert walk_to(taken, "OP1", "SD2", "S2L*", "W2*"), taken
        users.settle(4)
        network.start(*servers)
        network.wait_new_user_site("OP1", "SITE1")
        assert walk_to(first.path(), "OP1", "SD2", "S2L*", taken[-1])
        users.settle(3)
    verdict("the walk", network, users).must_be_clean()
