"""One soak: starts the network, notes its idle state, lets users and faults loose, and judges what is left."""

import contextlib
import itertools
import os
import pathlib
import random
import re
import sys
import time

from .. import sanitizer, waiting
from ..access_log import entries
from ..geodirector import Geodirector
from ..network import Network
from ..raw import get
from ..topology import Topology
from . import judge
from .load import Load

WORKERS = 2
# Places at a server for each balancer, and in its queue: few enough that both are full at times.
PLACES, QUEUE = 6, 8
SCALE = 0.1
# Of the offices' connections to users: longer than users think, so that each that ends unanswered needs a reason.
KEEP_ALIVE_SECONDS = 6.0
DOWN_MAX = 3
# The part of the run, and of the run's time for each process, after which memory may hardly grow.
WARM_UP = 0.4
# Roles that fail; offices stay, as they are where each request is counted.
FAILING = ("demo-server", "site-balancer", "site-director")


class Nodes(Geodirector):
    def command(self, spec, topology, folder):
        command = super().command(spec, topology, folder)
        if "--workers" in command:
            command[command.index("--workers") + 1] = str(WORKERS)
        return command


def topology() -> Topology:
    data = Topology.read("two-sites").scaled(SCALE).data
    for site in data["sites"]:
        for server in site["servers"]:
            server["max-connections"] = PLACES
    defaults = data.setdefault("defaults", {})
    defaults["site-balancer"] = defaults.get("site-balancer", {}) | {"queue": QUEUE}
    # Durations are a tenth. Users of a busy machine may need more than a second from the connection to the request: closed by then,
    # it would be an answer missing that is no fault of the node.
    defaults["office-proxy"] = defaults.get("office-proxy", {}) | {
        "timeouts": {"request": "100s", "keep-alive": f"{KEEP_ALIVE_SECONDS / SCALE:g}s"}}
    for office in data["offices"]:
        office["monitor"] = re.sub(r":\d+$", ":8081", office["listen"][0]["address"])
    return Topology(data)


def usage(node) -> dict[str, int]:
    """The counts that the node's monitor tells."""
    body = get(node.spec.monitor, "/").body
    text = body.decode() if isinstance(body, bytes) else body
    return {name: int(count) for name, count in re.findall(r"^([a-z-]+) (\d+)$", text, re.MULTILINE)}


def descriptors(pid: int) -> int:
    """Of the main thread and each worker, which has a table of its own. Other threads share the main one, and come and go."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(len(os.listdir(task / "fd")) for task in tasks
               if task.name == str(pid) or (task / "comm").read_text().startswith("worker-"))


def resident_kib(pid: int) -> int:
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


class Faults:
    """A schedule drawn from a seed: a node is killed or hangs, and comes back a few seconds later."""

    def __init__(self, network: Network, seed: int):
        self.network, self.random = network, random.Random(seed)
        self.candidates = [name for name, spec in network.specs.items() if spec.role in FAILING]
        self.down: dict[str, tuple[str, float]] = {}
        self.kills = dict.fromkeys(network.specs, 0)
        # When the node's process was started.
        self.since = dict.fromkeys(network.specs, time.monotonic())
        self.hangs = 0
        self.next = time.monotonic() + 2

    def step(self):
        now = time.monotonic()
        for name, (kind, until) in list(self.down.items()):
            if now >= until:
                self.heal(name, kind)
        if now >= self.next and len(self.down) < DOWN_MAX:
            self.next = now + self.random.uniform(1, 4)
            name = self.random.choice([name for name in self.candidates if name not in self.down])
            kind = self.random.choice(["kill", "kill", "hang"])
            if kind == "kill":
                self.network.kill(name)
                self.kills[name] += 1
            else:
                self.network.pause(name)
                self.hangs += 1
            self.down[name] = kind, now + self.random.uniform(0.5, 5)

    def heal(self, name: str, kind: str):
        if kind == "kill":
            self.network.start(name)
            self.since[name] = time.monotonic()
        else:
            self.network.resume(name)
        del self.down[name]

    def heal_all(self):
        for name, (kind, _) in list(self.down.items()):
            self.heal(name, kind)


# All nodes together have this long to let go of what the last users left.
SETTLING_SECONDS = 60


def settled(node, idle: int, deadline: float) -> tuple[int, dict[str, int]]:
    """Descriptors and counts once nothing is held any more; what they are at the deadline if that never comes."""
    last = (0, {})

    def quiet():
        nonlocal last
        last = descriptors(node.process.pid), usage(node)
        return not judge.descriptors("", idle, last[0]) and not judge.released("", last[1])

    with contextlib.suppress(AssertionError):
        waiting.until(quiet, "nothing held", max(0.5, deadline - time.monotonic()))
    return last


def soak(seconds: float, users: int, seed: int, folder: pathlib.Path, say=print) -> list[str]:
    """Runs it and returns what was wrong."""
    wrong: list[str] = []
    with Network(topology(), Nodes(), folder) as network:
        watched = {name: node for name, node in network.nodes.items() if node.spec.role != "demo-server"}
        idle = {}
        for name, node in watched.items():
            waiting.until(lambda: not judge.released(name, usage(node)), f"{name} idle", 60)
            idle[name] = min(descriptors(node.process.pid) for _ in range(20))
        fresh = {name: node.starts for name, node in watched.items()}
        offices = [(name, network.specs[name].service) for name in network.names("office-proxy")]
        begin, warm = time.monotonic(), {}
        load = Load(folder, offices, users, 2, seed, time.time() + seconds)
        faults = Faults(network, seed)
        told = begin
        peak = dict.fromkeys(judge.EMPTY, 0)
        # Of each process, by its node and how often that was started.
        most_buffers: dict[tuple[str, int], int] = {}
        while (passed := time.monotonic() - begin) < seconds:
            faults.step()
            for name, node in watched.items():
                if (node.runs and warm.get(name, (0,))[0] != node.starts and passed > seconds * WARM_UP
                        and time.monotonic() - faults.since[name] > seconds * WARM_UP):
                    warm[name] = node.starts, resident_kib(node.process.pid), most_buffers.get((name, node.starts), 0)
            if time.monotonic() - told > 1:
                told = time.monotonic()
                for name, node in watched.items():
                    if name not in faults.down:
                        counts = usage(node)
                        for count in judge.EMPTY:
                            peak[count] = max(peak[count], counts[count])
                        key = name, node.starts
                        most_buffers[key] = max(most_buffers.get(key, 0), counts["buffers"])
                if sys.stdout.isatty():
                    say(f"\r{passed:4.0f} of {seconds:.0f} s  {sum(faults.kills.values())} kills  {faults.hangs} hangs  down: "
                        f"{', '.join(faults.down) or 'none'}\033[K", end="", flush=True)
            # Not a wait for anything: the pace of the schedule.
            time.sleep(0.02)
        faults.heal_all()
        asked = load.finish(120)
        deadline = time.monotonic() + SETTLING_SECONDS
        ended = {name: settled(node, idle[name], deadline) for name, node in watched.items()}
        last = {name: resident_kib(node.process.pid) for name, node in watched.items()}
        for name, (open_now, counts) in ended.items():
            node = watched[name]
            wrong += judge.descriptors(name, idle[name], open_now) + judge.released(name, counts)
            # A sanitizer keeps what was freed, to recognise it.
            if name in warm and warm[name][0] == node.starts and not sanitizer.chosen():
                more = most_buffers.get((name, node.starts), 0) - warm[name][2]
                wrong += judge.memory(name, warm[name][1], last[name], seconds * WARM_UP, more)
        wrong += [f"{name} ended by itself" for name, node in network.nodes.items() if not node.runs]
        wrong += [f"{name} was started {node.starts} times after {faults.kills[name]} kills"
                  for name, node in watched.items() if node.starts != fresh[name] + faults.kills[name]]
        office_names = network.names("office-proxy")
        flatten = itertools.chain.from_iterable
        lines = list(flatten(entries(network.nodes[name].log_lines()) for name in office_names))
        for name, node in watched.items():
            text = node.out.read_text(errors="replace")
            wrong += judge.complete_lines(name, text, faults.kills[name])
        behind = list(flatten(entries(node.log_lines()) for name, node in watched.items() if name not in office_names))
        unanswered, broken = judge.answers(asked, behind + lines, network.timeline, set(watched), KEEP_ALIVE_SECONDS)
        errors, excuses = judge.server_errors(asked, behind + lines, network.timeline, set(watched))
        wrong += unanswered + judge.accounted(asked, lines) + errors
        own = {name: network.names("demo-server", network.specs[name].site) for name in network.names("site-balancer")}
        idle_slots, refusals = judge.idle_beside_queue([entry for entry in behind if entry.node in own], own, PLACES, network.timeline,
                                                       time.monotonic() - time.time())
        # Lines tell less than all: a request that a server's death sent elsewhere held a slot that no line tells of.
        if len(idle_slots) > max(3, refusals // 50):
            wrong.append(f"{len(idle_slots)} of {refusals} requests refused beside a free slot: {idle_slots[0]}")
    ends: dict[str, int] = {}
    for one in asked:
        key = f"{one.end} {one.status // 100}xx" if one.end == "answered" else one.end
        ends[key] = ends.get(key, 0) + 1
    say(f"\n{seconds:.0f} s, seed {seed}, {users} users, {len(asked)} requests: "
        + ", ".join(f"{count} {key}" for key, count in sorted(ends.items())))
    say(f"{sum(faults.kills.values())} kills, {faults.hangs} hangs; most at once: "
        + ", ".join(f"{value} {count}" for count, value in peak.items()))
    say("broken off: " + (", ".join(f"{count} {why}" for why, count in sorted(broken.items())) or "none that is excused"))
    say("answers 5xx: " + (", ".join(f"{count} {why}" for why, count in sorted(excuses.items())) or "none that are excused")
        + f"; {refusals} refusals of balancers judged by their servers' slots")
    for name in office_names:
        say(f"{name}: descriptors {idle[name]} idle, {ended[name][0]} at the end")
    say("memory after the warm-up and at the end, KiB: " + ", ".join(
        f"{name} {kib} {last[name]}" for name, (starts, kib, _) in warm.items() if starts == watched[name].starts))
    return wrong
