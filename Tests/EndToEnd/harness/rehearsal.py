"""The same scenario twice, with the same users: on running nodes and in the simulation."""

import dataclasses
import json
import pathlib
import subprocess
import time

from . import waiting
from .access_log import entries
from .geodirector import binary
from .network import Network
from .population import Listed, ListedCrowd, assign_cookies, write
from .topology import Topology

# What loopback and network namespaces take.
LATENCY, SERVICE = "0.1ms", "1ms"


@dataclasses.dataclass
class Fault:
    """Something that fails from `at` to `until`, in seconds after the start; measured, once it has been played."""

    kind: str
    subjects: list[str]
    at: float
    until: float

    def step(self) -> dict:
        def milliseconds(seconds):
            return f"{round(seconds * 1000, 2):g}ms"

        step = {"at": milliseconds(self.at), self.kind: self.subjects}
        # A soft stop ends by itself.
        return step if self.kind == "rolling-restart" else step | {"for": milliseconds(self.until - self.at)}


@dataclasses.dataclass
class Met:
    """What one user met."""

    requests: int = 0
    errors: int = 0
    crossed: int = 0
    lost: bool = False
    # From which server to which, in the order of the answers.
    moves: list[tuple[str, str]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Outcome:
    users: dict[str, Met]

    @property
    def moved(self) -> set[str]:
        return {name for name, met in self.users.items() if met.moves}

    @property
    def lost(self) -> set[str]:
        return {name for name, met in self.users.items() if met.lost}

    def count(self, what: str) -> int:
        return sum(getattr(met, what) for met in self.users.values())


def modelled(topology: Topology) -> Topology:
    """The network as this machine is: links without latency worth speaking of, servers that answer at once."""
    links = [link | {"latency": LATENCY} for link in topology.data["links"]]
    kept = {key: value for key, value in topology.data.items() if key not in ("scenarios", "traffic")}
    return Topology(kept | {"links": links, "service": {"time": SERVICE}})


class Play:
    """On running nodes. The times of `faults` become those measured."""

    def __init__(self, network: Network, users: list[Listed], faults: list[Fault]):
        self.network = network
        assign_cookies(network, users)
        first = min(fault.at for fault in faults)
        turns = sorted([(fault.at, True, fault) for fault in faults] + [(fault.until, False, fault) for fault in faults],
                       key=lambda turn: turn[0])
        with ListedCrowd(network, users) as crowd:
            for at, begins, fault in turns:
                crowd.until(at)
                began = time.monotonic()
                self._turn(fault, begins)
                if begins:
                    # Between the order and its completion.
                    fault.at = (began + time.monotonic()) / 2 - crowd.begin
                else:
                    fault.until = time.monotonic() - crowd.begin
            crowd.finish()
        self.crowd = crowd
        # The longest that anybody waited before anything failed.
        self.lateness = max((record.end - record.begin for record in crowd.records if record.end < crowd.begin + first),
                            default=0.0)
        self.outcome = self._outcome()

    def of(self, name: str) -> list:
        """The records of a user."""
        return [record for record in self.crowd.records if self.crowd.listed[record.user].name == name]

    def _turn(self, fault: Fault, begins: bool):
        network = self.network
        match fault.kind:
            case "kill":
                (network.kill if begins else network.start)(*fault.subjects)
            case "cut":
                (network.cut if begins else network.heal)(*fault.subjects)
            case "rolling-restart":
                for name in fault.subjects:
                    (network.soft_stop if begins else network.start_again)(name)

    def _crossed(self) -> set[str]:
        """Requests that a balancer had from a director of another site, whatever came of it: by the access logs."""
        network = self.network
        directors, balancers = network.names("site-director"), network.names("site-balancer")

        def logged(name):
            lines = entries(network.nodes[name].log_lines())
            return [(entry.request.split(" ")[1].partition("?")[2], entry.away) for entry in lines]

        # Logs are written a moment after the answer.
        last = {record.identity for record in self.crowd.records if record.good and record.end > time.monotonic() - 2}
        waiting.until(lambda: last <= {identity for name in balancers for identity, _ in logged(name)},
                      "the last requests in the balancers' logs")
        crossed = set()
        for director in directors:
            away = {identity for identity, tries in logged(director) if tries}
            for balancer in balancers:
                if network.specs[balancer].site != network.specs[director].site:
                    crossed |= away & {identity for identity, _ in logged(balancer)}
        return crossed

    def _outcome(self) -> Outcome:
        crossed, listed = self._crossed(), self.crowd.listed
        found = {user.name: Met() for user in listed}
        at = {user.name: user.server for user in listed}
        for record in sorted(self.crowd.records, key=lambda record: record.end):
            name = listed[record.user].name
            met = found[name]
            met.requests += 1
            met.crossed += record.identity in crossed
            if not record.good:
                met.errors += 1
                continue
            met.lost |= record.new and "JSESSIONID=" in (record.sent or "")
            if at[name] is None:
                at[name] = record.server
            if record.server != at[name]:
                met.moves.append((at[name], record.server))
                at[name] = record.server
        return Outcome(found)


def simulate(network: Network, users: list[Listed], faults: list[Fault], seconds: float, folder: pathlib.Path,
             seed: int = 1) -> Outcome:
    """In virtual time: the nodes' own file, with the scenario as it was played."""
    scenario = {"name": "played", "duration": f"{seconds:g}s", "seed": seed, "steps": [fault.step() for fault in faults]}
    Topology(network.topology.data | {"scenarios": [scenario]}).write(folder / "played.yaml")
    write(users, network, folder / "population.yaml")
    found = _simulated(folder)["perUser"]
    return Outcome({
        user["name"]: Met(
            requests=user["requests"], errors=user["errors"], crossed=user["interSiteRequests"],
            lost=bool(user["sessionsLostAtMilliseconds"]),
            moves=[(move["from"], move["to"]) for move in user["moves"]]) for user in found})


def _simulated(folder: pathlib.Path, *arguments) -> dict:
    """The scenario that `simulate` wrote into the folder."""
    done = subprocess.run(
        [str(binary()), "topology", "simulate", "played.yaml", "--population", "population.yaml", "--per-user", "--format",
         "json", *arguments], capture_output=True, text=True, timeout=60, cwd=folder)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)["scenarios"][0]


def simulated_servers(folder: pathlib.Path) -> dict[str, list[str | None]]:
    """The servers of each user's answers, of what `simulate` wrote into the folder: a run for each user."""
    return {user["name"]: [asked.get("server") for asked in _simulated(folder, "--trace", str(user["user"]))["trace"]["requests"]]
            for user in _simulated(folder)["perUser"]}
