"""Options and fixtures of the end-to-end tests."""

import contextlib
import os
import pathlib
import shutil
import tempfile

import pytest

from harness import geodirector, sanitizer
from harness.certificates import Authority
from harness.geodirector import Geodirector
from harness.haproxy import HAProxy
from harness.network import Network
from harness.topology import Topology

SYSTEMS = {system.name: system for system in (Geodirector, HAProxy)}
# Every duration of the scenarios is this much shorter than in the topology file.
SCALE = 0.1


def pytest_addoption(parser):
    parser.addoption("--system", choices=SYSTEMS, default="geodirector",
                     help="whose nodes the scenarios run on; haproxy gives the reference's numbers")


def pytest_collection_modifyitems(config, items):
    for item in items:
        if sanitizer.chosen():
            _sanitize(item)
        if item.get_closest_marker("scenario"):
            # Two crowds at once would measure the machine: all scenarios on one worker, longest first.
            item.add_marker(pytest.mark.xdist_group("scenarios"))
    items.sort(key=lambda item: item.get_closest_marker("scenario") is None)


def _sanitize(item):
    """What is different for a test of a program built under a sanitizer."""
    measures = item.get_closest_marker("measures")
    if measures:
        item.add_marker(pytest.mark.skip(reason=f"not under a sanitizer: {measures.args[0]}"))
    bound = item.get_closest_marker("timeout")
    seconds = bound.args[0] if bound else float(item.config.getini("timeout") or item.config.getoption("timeout"))
    item.add_marker(pytest.mark.timeout(seconds * sanitizer.slower()), append=False)


# A test that fails in a run with `--reruns 1` is run once more, and told with why it failed: machines that do much else at the time
# are late now and then. More of them than this is no accident, and fails the run.
SECOND_TRIES_MAX = 4


def _second_tries(config) -> list:
    return config.pluginmanager.get_plugin("terminalreporter").stats.get("rerun", [])


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session, exitstatus):
    if not hasattr(session.config, "workerinput") and exitstatus == 0 and len(_second_tries(session.config)) > SECOND_TRIES_MAX:
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter, config):
    for report in _second_tries(config):
        terminalreporter.section(f"failed at its first try: {report.nodeid}")
        terminalreporter.write_line(report.longreprtext)
        for title, content in report.sections:
            terminalreporter.write_line(f"-- {title}\n{content}")
    if len(_second_tries(config)) > SECOND_TRIES_MAX:
        terminalreporter.write_line(f"{len(_second_tries(config))} tests failed at their first try: more than {SECOND_TRIES_MAX} fail the run")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for network in getattr(item, "networks", []):
            said = [f"-- {name}\n{node.tail()}" for name, node in network.nodes.items() if node.tail()]
            report.sections.append(("what the nodes said", "\n".join(said)))


@pytest.fixture(scope="session")
def sanitizer_reports():
    reports = sanitizer.Reports() if sanitizer.chosen() else None
    yield reports
    # Of nodes that several tests shared.
    found = reports.new() if reports else ""
    assert not found, found
    if reports:
        reports.end()


@pytest.fixture(autouse=True)
def nothing_reported(sanitizer_reports):
    """Fails the test in which a process told its sanitizer's find; set up first, so looked at when all nodes have ended."""
    yield
    found = sanitizer_reports.new() if sanitizer_reports else ""
    assert not found, found


@pytest.fixture(autouse=True)
def as_many_workers(request):
    """Nodes have one worker in tests that say that they count on it."""
    with geodirector.one_worker() if request.node.get_closest_marker("one_worker") else contextlib.nullcontext():
        yield


@pytest.fixture
def system(request):
    return SYSTEMS[request.config.getoption("--system")]()


@pytest.fixture
def authority(request, tmp_path):
    """Who signs the certificates of a test."""
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    return Authority(tmp_path)


# Whose scenarios are played with TLS on every hop, too, by `Tests/run --all`.
SECURE_TOO = ("test_walk", "test_failures", "test_rolling_restart", "test_silence")


def pytest_generate_tests(metafunc):
    if "two_sites" in metafunc.fixturenames and metafunc.module.__name__ in SECURE_TOO:
        secure = pytest.param("two-sites-tls", marks=pytest.mark.long)
        metafunc.parametrize("two_sites", ["two-sites", secure], indirect=True, ids=["plain", "tls"])


@pytest.fixture
def two_sites(request) -> Topology:
    """The repository's two-sites network, ten times faster."""
    name = getattr(request, "param", "two-sites")
    if name != "two-sites" and request.config.getoption("--system") == "haproxy":
        pytest.skip("the reference is set up without TLS")
    topology = Topology.read(name).scaled(SCALE)
    if topology.is_secure:
        # The users' own part of a handshake is done by one process for all of them: it is not in a hurry.
        # And a tenth of a second is little for a handshake between nodes where two hundred users and twenty nodes share two cores: the time
        # scale makes no machine faster. A second, as it is by default without a scale, is not reached by a machine that lives. Who repeats a
        # request after that second may wait in line for it (rule D4): for as long as by default, too, or nothing would fit together.
        for role, settings in topology.data["defaults"].items():
            settings["timeouts"] = {"connect": f"{1 / SCALE:g}s", "queue": f"{10 / SCALE:g}s"}
            if role == "office-proxy":
                settings["timeouts"]["request"] = f"{10 / SCALE:g}s"
    return topology


@pytest.fixture
def start(request, system, tmp_path):
    """Starts networks that are stopped after the test."""
    request.node.networks = []
    with contextlib.ExitStack() as stack:

        def starter(topology: Topology, apart: list[str] | None = None, system=system) -> Network:
            folder = tmp_path / f"network{len(request.node.networks)}"
            folder.mkdir()
            network = stack.enter_context(Network(topology, system, folder, apart))
            request.node.networks.append(network)
            return network

        yield starter


@pytest.fixture
def cage(monkeypatch):
    """A directory to be a node's root, readable for all, as is all above it."""
    # LeakSanitizer looks for threads in /proc at the end, which a cage has not, and does so for ever.
    if sanitizer.chosen() == "address":
        monkeypatch.setenv("ASAN_OPTIONS", os.environ["ASAN_OPTIONS"].replace("detect_leaks=1", "detect_leaks=0"))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="geodirector-cage-"))
    folder.chmod(0o755)
    with sanitizer.reports_within(folder):
        yield folder
    shutil.rmtree(folder)
