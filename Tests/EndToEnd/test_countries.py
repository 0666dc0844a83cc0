"""The table of countries that simulations draw clients over is what GeoNames' data say."""

import pytest

from harness import countries

pytestmark = pytest.mark.own


def test_the_table_is_what_the_package_says():
    assert countries.TABLE.read_text(encoding="utf-8") == countries.text(), (
        "run `python -m harness.countries` in Tests/EndToEnd")


def test_the_package_has_the_world():
    found = countries.countries()
    assert len(found) > 200
    assert 7.5e9 < sum(country["people"] for country in found.values()) < 7.7e9
    for code, millions in {"CN": 1411.8, "IN": 1352.6, "US": 327.2, "DE": 82.9, "BR": 209.5}.items():
        assert found[code]["people"] / 1e6 == pytest.approx(millions, abs=0.1)
    # Of Australia's people most live around Melbourne, Sydney and Brisbane.
    weights = [weight for _, weight in found["AU"]["centres"]]
    assert sum(weights[:3]) > 0.7 * sum(weights)
