"""`geodirector geo lookup`: against the reference reader of MaxMind databases, with broken files, and what it says."""

import csv
import functools
import io
import ipaddress
import json
import math
import random

import maxminddb
import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from harness.geo import (
    boundary_addresses, city_database, lookup, network_of, random_addresses, unmapped)

NETWORK = """
geodirector: 1
geo:
  database: {database}
  networks:
    10.0.0.0/8: [TOKYO]
    10.1.0.0/16: {{location: [40.7, -74.0]}}
    10.2.0.0/16: {{sites: [TOKYO], location: [40.7, -74.0]}}
  regions:
    continents: {{AF: [BOSTON]}}
    countries: {{FR: [TOKYO, BOSTON]}}
    subdivisions: {{GB-ENG: [BOSTON]}}
  minimum-gain: {gain}
sites:
  - name: BRUSSELS
    location: [50.85, 4.35]
    directors: [{{name: SD1, listen: "127.0.0.1:8001", monitor: "127.0.0.1:8011"}}]
    balancers: [{{name: L1, listen: "127.0.0.1:8002", monitor: "127.0.0.1:8012"}}]
    servers: [{{name: W1, address: "127.0.0.1:9001"}}]
  - name: BOSTON
    location: [42.36, -71.06]
    directors: [{{name: SD2, listen: "127.0.0.1:8003", monitor: "127.0.0.1:8013"}}]
    balancers: [{{name: L2, listen: "127.0.0.1:8004", monitor: "127.0.0.1:8014"}}]
    servers: [{{name: W2, address: "127.0.0.1:9002"}}]
  - name: TOKYO
    location: [35.68, 139.69]
    directors: [{{name: SD3, listen: "127.0.0.1:8005", monitor: "127.0.0.1:8015"}}]
    balancers: [{{name: L3, listen: "127.0.0.1:8006", monitor: "127.0.0.1:8016"}}]
    servers: [{{name: W3, address: "127.0.0.1:9003"}}]
offices:
  - {{name: ENTRY, listen: "127.0.0.1:8000", preference: {{by: client-location, sites: [TOKYO, BRUSSELS]}}}}
"""
PLACES = {"BRUSSELS": (50.85, 4.35), "BOSTON": (42.36, -71.06), "TOKYO": (35.68, 139.69)}


@pytest.fixture
def network(tmp_path):
    def write(database=None, gain="0"):
        path = tmp_path / "network.yaml"
        path.write_text(NETWORK.format(database=database or city_database(), gain=gain))
        return path

    return write


def synthetic(path, entries, **options):
    writer = MMDBWriter(**{"ip_version": 6, "ipv4_compatible": True, "database_type": "Test"} | options)
    for networks, record in entries:
        writer.insert_network(IPSet(networks), record)
    writer.to_db_file(str(path))
    return path


def compare(database, addresses):
    """Record and range of every address are those of the reference reader (the one in Python: the other one is
    libmaxminddb)."""
    reader = maxminddb.open_database(str(database), maxminddb.MODE_MEMORY)
    parse = functools.lru_cache(maxsize=1 << 16)(json.loads)
    # Few at a time: records are long.
    for start in range(0, len(addresses), 20_000):
        some = addresses[start:start + 20_000]
        lines = lookup("--database", database, "--format=json", addresses=some).splitlines()
        assert len(lines) == len(some)
        for address, line in zip(some, lines):
            # A record met before is not parsed again.
            begin = line.index('"record":') + len('"record":')
            record = parse(line[begin:line.rindex(',"location":')])
            assert record == reader.get(unmapped(address)), address
            assert json.loads(line[:begin] + "0}")["network"] == str(network_of(reader, address)), address


def test_records_are_those_of_the_reference_reader():
    reader = maxminddb.open_database(str(city_database()))
    compare(city_database(), random_addresses(6000, seed=1) + boundary_addresses(reader, 6000, seed=2))


@pytest.mark.long
def test_two_hundred_thousand_records_are_those_of_the_reference_reader():
    reader = maxminddb.open_database(str(city_database()))
    compare(city_database(), random_addresses(100_000, seed=3) + boundary_addresses(reader, 100_000, seed=4))


@pytest.mark.parametrize("version", [4, 6])
def test_databases_of_other_makers(tmp_path, version):
    generator = random.Random(version)
    entries = []
    for number in range(300):
        record = {"number": number, "name": f"é{number}", "list": [1, {"deep": [number / 7]}], "flag": number % 2 == 0,
                  "big": 1 << 40, "negative": -number, "location": {"latitude": 1.5, "longitude": float(number - 150)}}
        entries.append(([f"{number % 200 + 1}.{generator.randrange(256)}.0.0/16"], record))
        if version == 6:
            entries.append(([f"2001:db8:{number:x}::/48"], record))
    database = synthetic(tmp_path / "db", entries, ip_version=version, ipv4_compatible=version == 6)
    addresses = [address for address in random_addresses(3000, seed=5) if version == 6 or ":" not in address]
    addresses += [str(next(ipaddress.ip_network(networks[0]).hosts())) for networks, _ in entries]
    compare(database, addresses)


def test_an_ipv4_database_knows_no_ipv6_address(tmp_path):
    database = synthetic(tmp_path / "db", [(["1.0.0.0/8"], {"a": 1})], ip_version=4, ipv4_compatible=False)
    answers = lookup("2001:db8::1", "::ffff:1.2.3.4", "--database", database, "--format", "json")
    assert [answer["record"] for answer in answers] == [None, {"a": 1}]
    assert answers[0]["network"] == "::/0" and answers[1]["address"] == "1.2.3.4"


def test_a_file_cut_short_is_named(tmp_path):
    whole = city_database().read_bytes()
    cut = tmp_path / "cut.mmdb"
    for thousandth in (0, 1, 500, 998, 999):
        cut.write_bytes(whole[:len(whole) * thousandth // 1000])
        answer = lookup("8.8.8.8", "--database", cut, codes=(78,))
        assert answer == ""


@pytest.mark.long
def test_the_real_database_with_a_byte_changed_gives_an_error_or_a_record(tmp_path):
    whole = city_database().read_bytes()
    broken = tmp_path / "broken.mmdb"
    broken.write_bytes(whole)
    generator = random.Random(6)
    addresses = random_addresses(200, seed=7)
    refused = 0
    with open(broken, "r+b") as file:
        for _ in range(80):
            place = generator.randrange(len(whole))
            file.seek(place)
            file.write(bytes([whole[place] ^ generator.randrange(1, 256)]))
            file.flush()
            refused += lookup("--database", broken, "--format", "csv", addresses=addresses, codes=(0, 78)) == ""
            file.seek(place)
            file.write(whole[place:place + 1])
    assert 0 < refused < 80


def kilometres(first, second):
    """Haversine, on the sphere of mean radius."""
    (a, b), (c, d) = [[math.radians(number) for number in place] for place in (first, second)]
    half = math.sin((c - a) / 2) ** 2 + math.cos(a) * math.cos(c) * math.sin((d - b) / 2) ** 2
    return 2 * 6371.0088 * math.asin(math.sqrt(half))


@pytest.mark.parametrize("gain", [0, 300, 3000])
def test_the_order_is_by_distance(network, gain):
    path = network(gain=f"{gain}km" if gain else "0")
    reader = maxminddb.open_database(str(city_database()))
    asked = random_addresses(4000, seed=8)
    reasons = set()
    for address, row in zip(asked, csv.DictReader(io.StringIO(
            lookup("--topology", path, "--format", "csv", addresses=asked)))):
        record = reader.get(unmapped(address)) or {}
        continent = record.get("continent", {}).get("code")
        country = record.get("country", {}).get("iso_code")
        parts = [part.get("iso_code") for part in record.get("subdivisions", [])]
        first, reason = [], "distance"
        if unmapped(address) in ipaddress.ip_network("10.0.0.0/8"):
            continue
        if not record:
            reason = "unknown-address"
        elif country == "GB" and "ENG" in parts:
            first, reason = ["BOSTON"], "region"
        elif country == "FR":
            first, reason = ["TOKYO", "BOSTON"], "region"
        elif continent == "AF":
            first, reason = ["BOSTON"], "region"
        elif "latitude" not in record.get("location", {}):
            reason = "unknown-location"
        left = [name for name in PLACES if name not in first]
        if "latitude" in record.get("location", {}):
            here = record["location"]["latitude"], record["location"]["longitude"]
            far = {name: kilometres(here, PLACES[name]) for name in PLACES}
            while left:
                near = min(far[name] for name in left)
                first.append(next(name for name in left if far[name] <= near + gain))
                left.remove(first[-1])
            for name, said in zip(row["sites"].split(), row["kilometres"].split()):
                assert abs(float(said) - far[name]) < 0.06
        assert row["sites"].split() == first + left, (address, record)
        assert row["reason"] == reason, (address, record)
        reasons.add(reason)
    assert reasons >= {"distance", "region", "unknown-address"}


def test_networks_go_before_the_database(network):
    answers = lookup("10.9.9.9", "10.1.1.1", "10.2.1.1", "--topology", network(), "--format", "json")
    assert [[site["name"] for site in answer["sites"]] for answer in answers] == [
        ["TOKYO", "BRUSSELS", "BOSTON"], ["BOSTON", "BRUSSELS", "TOKYO"], ["TOKYO", "BOSTON", "BRUSSELS"]]
    assert [(answer["reason"], answer["rule"]) for answer in answers] == [
        ("network", "10.0.0.0/8"), ("network-location", "10.1.0.0/16"), ("network", "10.2.0.0/16")]


def test_an_office_has_its_own_sites_in_its_own_order(network):
    answers = lookup("10.9.9.9", "8.8.8.8", "192.168.1.1", "--topology", network(), "--at", "ENTRY", "--format", "json")
    assert [[site["name"] for site in answer["sites"]] for answer in answers] == [
        ["TOKYO", "BRUSSELS"], ["BRUSSELS", "TOKYO"], ["TOKYO", "BRUSSELS"]]
    assert answers[2]["reason"] == "unknown-address"


def test_the_database_is_named_relative_to_the_topology(network, tmp_path):
    synthetic(tmp_path / "small.mmdb", [(["1.0.0.0/8"], {"location": {"latitude": 35.0, "longitude": 135.0}})])
    text = lookup("1.1.1.1", "--topology", network("small.mmdb"))
    assert text.splitlines() == [
        "1.1.1.1 in 1.0.0.0/8", "  place   at 35.0, 135.0",
        "  sites   " + ", ".join(f"{name} {kilometres((35.0, 135.0), PLACES[name]):.0f} km"
                                for name in ("TOKYO", "BRUSSELS", "BOSTON")), "  reason  the nearest first"]


def test_standard_input_may_have_anything(network):
    rows = list(csv.DictReader(io.StringIO(lookup(
        "--topology", network(), "--format", "csv", addresses=["# a comment", "", " 8.8.8.8 ", "nonsense", "1.2.3.4/8"],
        codes=(1,)))))
    assert [row["address"] for row in rows] == ["8.8.8.8", "nonsense", "1.2.3.4/8"]
    assert not rows[0]["error"] and "nonsense" in rows[1]["error"] and "1.2.3.4/8" in rows[2]["error"]


@pytest.mark.parametrize("arguments, code", [
    (["8.8.8.8"], 64), (["--database", "/dev/null"], 64), (["8.8.8", "--database", "/dev/null"], 78),
    (["8.8.8.8", "--database", "/nowhere.mmdb"], 78), (["8.8.8.8", "--database", "/dev/zero"], 78),
    (["8.8.8.8", "--stdin", "--database", "/dev/null"], 64), (["8.8.8.8", "--at", "X", "--database", "/dev/null"], 64),
    (["8.8.8.8", "--topology", "/nowhere.yaml"], 78)])
def test_wrong_usage_is_said(arguments, code):
    assert lookup(*arguments, codes=(code,)) == ""
