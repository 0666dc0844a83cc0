"""`topology simulate --geography` and `topology show --format map`."""

import json
import pathlib
import subprocess
import xml.etree.ElementTree as ElementTree

import jsonschema
import pytest

from harness.geodirector import binary
from harness.topology import REPOSITORY

USAGE, CONFIGURATION = 64, 78
WORLD = REPOSITORY / "topologies" / "world.yaml"
SCHEMA = pathlib.Path(__file__).parent / "schemas" / "geography-1.json"


def run(*arguments, code: int = 0) -> subprocess.CompletedProcess:
    done = subprocess.run([str(binary()), "topology", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done
    assert "Fatal error" not in done.stderr
    return done


def geography(*arguments) -> dict:
    report = json.loads(run("simulate", WORLD, "--geography", "--format", "json", *arguments).stdout)
    jsonschema.validate(report, json.loads(SCHEMA.read_text()))
    return report


def test_geography_is_nearer_than_every_other_way():
    report = geography()
    assert report["entry"] == "PUBLIC" and report["clients"] == 10_000
    ours, *others = report["ways"]
    assert [way["way"] for way in report["ways"]] == ["preference", "round-robin"] + ["one-site"] * 4
    for way in report["ways"]:
        assert sum(share["clients"] for share in way["sites"]) == report["clients"]
    for way in others:
        assert way["roundTripMilliseconds"]["mean"] > ours["roundTripMilliseconds"]["mean"] + 20


def test_the_files_regions_count():
    sites = {country["code"]: country["site"] for country in geography("--clients", 50_000)["countries"]}
    assert sites["KE"] == "FRANKFURT" and sites["BR"] == "SAO-PAULO" and sites["ID"] == "SINGAPORE"
    assert sites["DE"] == "FRANKFURT" and sites["US"] == "VIRGINIA"


def test_the_same_seed_gives_the_same_bytes():
    first, second = (run("simulate", WORLD, "--geography", "--seed", 5).stdout for _ in range(2))
    assert first == second != run("simulate", WORLD, "--geography", "--seed", 6).stdout
    assert "Geography saves" in first


@pytest.mark.parametrize("arguments, word", [
    (["--geography", "--compare"], "--compare"), (["--geography", "--clients", "0"], "--clients"),
    (["--clients", "10"], "--geography"), (["--geography", "--at", "PUBLIK"], "PUBLIC"),
])
def test_options_that_make_no_sense_are_refused(arguments, word):
    assert word in run("simulate", WORLD, *arguments, code=USAGE).stderr


def test_a_site_without_location_is_told_with_its_place(tmp_path):
    file = tmp_path / "world.yaml"
    text = WORLD.read_text().replace("    location: {latitude: 1.35, longitude: 103.82}\n", "")
    # Offices by distance would be refused before.
    file.write_text(text.replace("preference: nearest", "preference: [FRANKFURT]"))
    done = run("simulate", file, "--geography", code=CONFIGURATION)
    assert f"{file}:" in done.stderr and "SINGAPORE has no location" in done.stderr


def test_the_map_shows_sites_offices_and_people():
    tree = ElementTree.fromstring(run("show", WORLD, "--format", "map").stdout)
    texts = {element.text for element in tree.iter("{http://www.w3.org/2000/svg}text")}
    assert {"FRANKFURT", "VIRGINIA", "SINGAPORE", "SAO-PAULO", "TOKYO", "SAN-FRANCISCO"} <= texts
    assert any("% of the world's people" in text for text in texts)
    titles = {element.text for element in tree.iter("{http://www.w3.org/2000/svg}title")}
    assert "TOKYO goes to SINGAPORE" in titles and "Brazil: SAO-PAULO" in titles


def test_the_map_in_the_documentation_is_that_of_the_file():
    assert run("show", WORLD, "--format", "map").stdout == (REPOSITORY / "docs" / "world.svg").read_text()


def test_clients_of_the_public_entry_are_drawn_in_ordinary_scenarios():
    done = run("simulate", WORLD, "--scenario", "kill-FRANKFURT", "--per-user", "--format", "json")
    scenario, = json.loads(done.stdout)["scenarios"]
    public = [user for user in scenario["perUser"] if user["entry"] == "PUBLIC"]
    assert len(public) == 300 and len({user["country"] for user in public}) > 40
    assert not [user for user in scenario["perUser"] if user["entry"] != "PUBLIC" and "country" in user]
    # Whoever moves was at Frankfurt, and has another next site in each part of the world.
    moved = {(user["country"], user["moves"][0]["to"][:3]) for user in public if user["moves"]}
    assert {site for _, site in moved} >= {"VIR", "SIN"}
    assert all(user["moves"][0]["from"].startswith("FRA") for user in public if user["moves"])


def test_the_clients_of_a_file_may_all_be_at_the_office(tmp_path):
    file = tmp_path / "world.yaml"
    file.write_text(WORLD.read_text() + "\ntraffic: {clients: office}\n")
    done = run("simulate", file, "--scenario", "kill-SINGAPORE", "--format", "json")
    series = json.loads(done.stdout)["scenarios"][0]["series"]
    counts = dict(zip(series["sites"], map(sum, series["requestsBySite"])))
    assert counts["SAO-PAULO"] == 0 and counts["FRANKFURT"] > counts["SINGAPORE"]


def test_a_map_of_one_node_is_refused():
    assert "--node" in run("show", WORLD, "--format", "map", "--node", "FRA-D", code=USAGE).stderr
