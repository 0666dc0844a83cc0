"""An office with `preference: {by: client-location}`: every client to the site nearest to it, by a MaxMind database."""

import contextlib
import datetime
import json
import os
import pathlib
import signal
import subprocess
import threading
import time

import pytest

from harness import sanitizer, waiting
from harness.access_log import entries
from harness.geodirector import binary
from harness.geo import city_database, lookup, placed, random_addresses
from harness.raw import RawConnection, request
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.threads, pytest.mark.timeout(120)]

# Each site's director is an origin of the test, by this letter.
SITES = {"BRUSSELS": ["A"], "BOSTON": ["B"], "TOKYO": ["C"]}
PLACES = {"BRUSSELS": (50.85, 4.35), "BOSTON": (42.36, -71.06), "TOKYO": (35.68, 139.69)}
LETTERS = {site: names[0] for site, names in SITES.items()}
CLIENTS = {"198.51.100.0/24": (48.8, 2.3), "192.0.2.0/24": (40.7, -74.0), "203.0.113.0/24": (37.5, 127.0),
           "2001:db8::/32": (37.5, 127.0)}
PARIS, NEW_YORK, SEOUL = "198.51.100.7", "192.0.2.7", "203.0.113.7"


class Entry(Single):
    """A public entry in front of three sites, which believes what 127.0.0.0/8 says of clients."""

    def __init__(self, folder, geo, order=("TOKYO", "BRUSSELS", "BOSTON"), options=None, applications=None, **settings):
        super().__init__(folder, role="office-proxy", tiers=SITES, site="SITE",
                         options={"forwarded": {"trusted": "127.0.0.0/8"}} | (options or {}), **settings)
        for site in self.data["sites"]:
            site["location"] = list(PLACES[site["name"]])
        self.data["geo"] = geo
        self.data["offices"][0]["preference"] = {"by": "client-location", "sites": list(order)}
        if applications:
            self.data["applications"] = applications

    def ask(self, client=None, cookie=None, host="shop.test", connection=None):
        """The origin that answered."""
        headers = []
        if client:
            headers.append(("X-Forwarded-For", client))
        if cookie:
            headers.append(("Cookie", f"SITE={cookie}"))
        with contextlib.ExitStack() as stack:
            connection = connection or stack.enter_context(RawConnection(self.address))
            connection.send(request("GET", "/", headers, host=host))
            answer = connection.answer()
        assert answer.status == 200
        return answer.first("X-Origin")

    @property
    def node(self):
        return self.nodes["geodirector"]


@pytest.fixture
def entry(pytestconfig, tmp_path):
    if pytestconfig.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with contextlib.ExitStack() as stack:

        def starter(geo=None, workers=None, **settings):
            if geo is None:
                placed(tmp_path / "clients.mmdb", CLIENTS)
                geo = {"database": "clients.mmdb"}
            made = stack.enter_context(Entry(tmp_path, geo, **settings))
            made.workers = workers
            made.address = made.geodirector()
            return made

        yield starter


def test_each_client_goes_to_the_nearest_site_and_the_unknown_ones_to_the_first(entry):
    office = entry()
    assert [office.ask(client) for client in (PARIS, NEW_YORK, SEOUL, "2001:db8::7")] == ["A", "B", "C", "C"]
    assert [office.ask(client) for client in ("8.8.8.8", "10.1.1.1", None, "unknown")] == ["C", "C", "C", "C"]
    logged = entries(office.node.log_lines())[-8:]
    assert {(line.tier, line.why, line.away) for line in logged} == {("0", "new", 0)}, "each has its first site"
    assert "not available" not in office.node.tail(100)
    built = datetime.datetime.now(datetime.UTC).date()
    assert any(f"built={day}" in office.node.tail(100) for day in (built, built - datetime.timedelta(days=1)))


def test_clients_of_one_connection_are_told_apart(entry):
    office = entry()
    with RawConnection(office.address) as connection:
        for _ in range(3):
            for client, site in [(PARIS, "A"), (PARIS, "A"), (SEOUL, "C"), (NEW_YORK, "B"), (None, "C")]:
                assert office.ask(client, connection=connection) == site


def test_the_cookie_is_stronger_than_geography(entry):
    office = entry()
    for client in (PARIS, NEW_YORK, SEOUL, "8.8.8.8"):
        for site, name in LETTERS.items():
            assert office.ask(client, cookie=site) == name
    office.origins["B"].stop()
    # From New York Brussels is the next.
    assert office.ask(NEW_YORK, cookie="BOSTON") == "A"
    assert office.ask(NEW_YORK) == "A"
    assert office.ask(SEOUL, cookie="BOSTON") == "C"


def test_with_failback_immediate_clients_go_home_to_the_site_nearest_to_them(entry):
    office = entry(options={"failback": "immediate", "forwarded": {"trusted": "127.0.0.0/8"}})
    assert office.ask(PARIS, cookie="TOKYO") == "A"
    assert office.ask(NEW_YORK, cookie="TOKYO") == "B"
    assert office.ask(SEOUL, cookie="BOSTON") == "C"


def test_networks_and_regions_of_the_topology_come_first(entry, tmp_path):
    placed(tmp_path / "clients.mmdb", CLIENTS)
    office = entry({"database": "clients.mmdb", "networks": {
        "198.51.100.0/28": ["TOKYO"], "10.0.0.0/8": {"location": [40.7, -74.0]}}})
    assert [office.ask(client) for client in (PARIS, "198.51.100.77", "10.9.9.9")] == ["C", "A", "B"]


def test_networks_alone_need_no_database(entry):
    office = entry({"networks": {"10.0.0.0/8": ["BOSTON"]}})
    assert [office.ask(client) for client in ("10.1.1.1", PARIS)] == ["B", "C"]


def test_without_a_readable_database_the_configured_order_serves_until_there_is_one(entry, tmp_path):
    (tmp_path / "clients.mmdb").write_bytes(b"no database")
    office = entry({"database": "clients.mmdb", "networks": {"10.0.0.0/8": ["BOSTON"]}})
    assert [office.ask(client) for client in (PARIS, "10.1.1.1")] == ["C", "B"]
    assert "clients get the configured order" in office.node.tail(100)
    placed(tmp_path / "clients.mmdb", CLIENTS)
    office.node.send(signal.SIGHUP)
    waiting.until(lambda: office.ask(PARIS) == "A", "the database taken over")


def test_without_anything_to_read_a_node_that_is_a_service_goes_on_after_sighup(pytestconfig, tmp_path):
    if pytestconfig.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with Single(tmp_path) as single:
        address = single.geodirector()
        node = single.nodes["geodirector"]
        node.send(signal.SIGHUP)
        waiting.until(lambda: "nothing of it has changed for this node" in node.tail(100), "the log")
        with RawConnection(address) as connection:
            connection.send(request("GET", "/"))
            assert connection.answer().status == 200


def test_a_new_file_is_seen_by_itself_and_holds_for_connections_that_are_open(entry, tmp_path):
    office = entry()
    with RawConnection(office.address) as connection:
        assert office.ask(PARIS, connection=connection) == "A"
        placed(tmp_path / "clients.mmdb", {"198.51.100.0/24": PLACES["TOKYO"]})
        waiting.until(lambda: office.ask(PARIS, connection=connection) == "C", "the new database")
        assert office.ask(PARIS) == "C"
        # Between two looks at the file there are seconds.
        (tmp_path / "clients.mmdb").with_suffix(".bad").write_bytes(b"no database")
        os.replace(tmp_path / "clients.bad", tmp_path / "clients.mmdb")

        def refused():
            assert office.ask(PARIS, connection=connection) == "C"
            return "the one read before stays in use" in office.node.tail(100)

        waiting.until(refused, "the broken file seen")


def test_no_request_fails_while_the_database_is_replaced(entry, tmp_path):
    office = entry()
    turns = [CLIENTS, {network: PLACES["TOKYO"] for network in CLIENTS}]
    wrong, stop = [], threading.Event()

    def user(client, sites):
        with RawConnection(office.address) as connection:
            while not stop.is_set():
                if office.ask(client, connection=connection) not in sites:
                    wrong.append(client)

    users = [threading.Thread(target=user, args=pair) for pair in [(PARIS, "AC"), (NEW_YORK, "BC"), (SEOUL, "C")]]
    for thread in users:
        thread.start()
    try:
        for turn in range(1, 21):
            placed(tmp_path / "clients.mmdb", turns[turn % 2])
            office.node.send(signal.SIGHUP)
            waiting.until(lambda: office.ask(PARIS) == "AC"[turn % 2], "the new database")
    finally:
        stop.set()
        for thread in users:
            thread.join()
    assert not wrong
    assert office.node.runs


@pytest.mark.skipif(sanitizer.chosen() is not None, reason="under a sanitizer memory that was given back stays mapped, and all is slower")
def test_workers_that_sleep_are_woken_to_let_go_of_the_database_before(entry, tmp_path):
    """Without being woken each would look up within a second, in its own time: three are never so quick again and again."""
    office = entry(workers=3)

    def databases():
        return (pathlib.Path("/proc") / str(office.node.process.pid) / "maps").read_text().count("/memfd:maxminddb")

    def replaced(times):
        return office.node.err.read_text(errors="replace").count("clients are placed by") >= times

    assert databases() == 1
    took = []
    for turn in range(7):
        placed(tmp_path / "clients.mmdb", {"198.51.100.0/24": PLACES[("TOKYO", "BOSTON")[turn % 2]]})
        office.node.send(signal.SIGHUP)
        waiting.until(lambda: replaced(turn + 2), "the new database")  # noqa: B023
        begin = time.monotonic()
        waiting.until(lambda: databases() == 1, "the database before being let go of")
        took.append(time.monotonic() - begin)
    assert sorted(took)[3] < 0.3, f"most of them took longer: {took}"


def test_an_application_of_fewer_sites_takes_their_order_from_the_same_lists(entry):
    office = entry(order=("BRUSSELS", "BOSTON", "TOKYO"), applications=[
        {"name": "mail", "hosts": ["mail.test"], "cookies": {"site": "SITE"}},
        {"name": "shop", "cookies": {"site": "SITE"}}])
    office.data["sites"][0]["applications"] = ["shop"]
    office.node.stop()
    office.address = office.geodirector()
    assert [office.ask(client) for client in (PARIS, NEW_YORK, SEOUL)] == ["A", "B", "C"]
    assert [office.ask(client, host="mail.test") for client in (PARIS, NEW_YORK, SEOUL)] == ["B", "B", "C"]


def test_explain_tells_the_clients_own_order(entry):
    office = entry()
    path = office.folder / "topology.yaml"

    def explained(*arguments):
        command = [str(binary()), "topology", "explain", str(path), "--at", "N", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True, cwd="/").stdout

    found = json.loads(explained("--client", NEW_YORK, "--format", "json"))
    assert found["geography"] == {
        "client": NEW_YORK, "sites": ["BOSTON", "BRUSSELS", "TOKYO"], "why": "the nearest first"}
    first = found["visit"]["attempts"][0]
    assert [(one["name"], one["tier"]) for one in first["candidates"]] == [("B", 0), ("A", 1), ("C", 2)]
    assert office.ask(NEW_YORK) == first["server"] == "B"
    assert "sites   BRUSSELS, BOSTON, TOKYO for 198.51.100.7: the nearest first" in explained("--client", PARIS)
    assert "sites   TOKYO, BRUSSELS, BOSTON: the configured order" in explained()
    bound = json.loads(explained("--client", NEW_YORK, "--cookie", "SITE=TOKYO", "--format", "json"))
    assert bound["visit"]["attempts"][0]["server"] == "C"


def test_real_addresses_go_where_geo_lookup_says(entry):
    office = entry({"database": str(city_database())})
    addresses = random_addresses(300, seed=11)
    told = lookup("--topology", office.folder / "topology.yaml", "--at", "N", "--format", "json", addresses=addresses)
    assert len(told) == len(addresses)
    with RawConnection(office.address) as connection:
        for address, answer in zip(addresses, told):
            first = answer["sites"][0]["name"]
            assert office.ask(address, connection=connection) == LETTERS[first], address
