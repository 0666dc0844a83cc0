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

# Beside "no latency" of loopback and network namespaces.
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


def play(network: Network, users: list[Listed], faults: list[Fault]) -> tuple[Outcome, list]:
    """On running nodes. The times of `faults` become those measured."""
    assign_cookies(network, users)
    turns = sorted([(fault.at, True, fault) for fault in faults] + [(fault.until, False, fault) for fault in faults],
                   key=lambda turn: turn[0])
    with ListedCrowd(network, users) as crowd:
        for at, begins, fault in turns:
            crowd.until(at)
            began = time.monotonic()
            _turn(network, fault, begins)
            if begins:
                # Between the order and its completion.
                fault.at = (began + time.monotonic()) / 2 - crowd.begin
            else:
                fault.until = time.monotonic() - crowd.begin
        crowd.finish()
    return _seen(crowd, network), crowd.records


def _turn(network: Network, fault: Fault, begins: bool):
    match fault.kind:
        case "kill":
            (network.kill if begins else network.start)(*fault.subjects)
        case "cut":
            (network.cut if begins else network.heal)(*fault.subjects)
        case "rolling-restart":
            for name in fault.subjects:
                (network.soft_stop if begins else network.start_again)(name)


def _crossed(crowd: ListedCrowd, network: Network) -> set[str]:
    """Requests that a balancer had from a director of another site, whatever came of it: by the access logs."""
    def logged(name):
        lines = entries(network.nodes[name].log_lines())
        return [(entry.request.split(" ")[1].partition("?")[2], entry.away) for entry in lines]

    # Logs are written a moment after the answer.
    last = {record.identity for record in crowd.records if record.good and record.end > time.monotonic() - 2}
    waiting.until(lambda: last <= {identity for name in network.names("site-balancer") for identity, _ in logged(name)},
                  "the last requests in the balancers' logs")
    crossed = set()
    for director in network.names("site-director"):
        away = {identity for identity, tries in logged(director) if tries}
        for balancer in network.names("site-balancer"):
            if network.specs[balancer].site != network.specs[director].site:
                crossed |= away & {identity for identity, _ in logged(balancer)}
    return crossed


def _seen(crowd: ListedCrowd, network: Network) -> Outcome:
    crossed = _crossed(crowd, network)
    found = {user.name: Met() for user in crowd.listed}
    at = {user.name: user.server for user in crowd.listed}
    for record in sorted(crowd.records, key=lambda record: record.end):
        name = crowd.listed[record.user].name
        met = found[name]
        met.requests += 1
        met.crossed += record.identity in crossed
        if not record.good:
            met.errors += 1
            continue
        met.lost |= record.new and "JSESSIONID=" in (record.sent or "")
        if record.server != at[name]:
            met.moves.append((at[name], record.server))
            at[name] = record.server
    return Outcome(found)


def simulate(network: Network, users: list[Listed], faults: list[Fault], seconds: float, folder: pathlib.Path,
             seed: int = 1) -> Outcome:
    """In virtual time: the nodes' own file, with the scenario as it was played."""
    scenario = {"name": "played", "duration": f"{seconds:g}s", "seed": seed, "steps": [fault.step() for fault in faults]}
    file = Topology(network.topology.data | {"scenarios": [scenario]}).write(folder / "played.yaml")
    population = write(users, network, folder / "population.yaml")
    done = subprocess.run(
        [str(binary()), "topology", "simulate", str(file), "--population", str(population), "--per-user", "--format",
         "json"], capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)["scenarios"][0]["perUser"]
    return Outcome({
        user["name"]: Met(
            requests=user["requests"], errors=user["errors"], crossed=user["interSiteRequests"],
            lost=bool(user["sessionsLostAtMilliseconds"]),
            moves=[(move["from"], move["to"]) for move in user["moves"]]) for user in found})
