"""What the scenarios share: who the users are and how long finding out may take."""

from harness import sanitizer
from harness.crowd import Crowd
from harness.network import Network
from harness.verdict import Verdict

# Shares of the users by the office they sit in.
OFFICES = {"OP1": 2, "OP2": 1, "OP3": 1}
# Seconds, at time-scale 0.1: a server that came back is tried once in 0.1 s by each node before it (rule C2), and a trial
# begun before it came back may take a connect time-out of 0.1 s; the rest is for a busy machine. Well below the 0.8 s that
# two successful checks take, so that belief alone does not pass.
RECOVERY = 0.4
# An office checks its preferred site every 3 s and believes two successes; a check under way may have to time out first.
RELEARNING = 8.0
# Office's check interval of its preferred site (rule E4), seconds.
OFFICE_INTERVAL = 3.0


# Programs under a sanitizer take several times the processor: as many users would starve the machine, and what is judged would be that.
USERS = int(200 / sanitizer.slower())


def crowd(network: Network, entries=None, pace: float = 1.0) -> Crowd:
    return Crowd(network, entries or OFFICES, USERS, pace=pace)


def verdict(name: str, network: Network, users: Crowd) -> Verdict:
    # With TLS a trial may have to wait for a connect time-out of 0.3 s.
    recovery = RECOVERY + (0.2 if network.context else 0)
    return Verdict(name, network.system.name, users.records, network.timeline, recovery, RELEARNING)
