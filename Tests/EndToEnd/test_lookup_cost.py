"""What a look-up of a client's sites costs: no heap allocation, no lock."""

import ipaddress
import subprocess

import pytest

from harness.counting import ALLOCATIONS, Counting
from harness.geo import city_database, random_addresses
from harness.geodirector import binary

pytestmark = [pytest.mark.own, pytest.mark.timeout(400),
              pytest.mark.measures("it counts allocations and locks, and a sanitizer makes its own")]

ADDRESSES, SITES, NETWORKS = 20_000, 20, 200


@pytest.mark.parametrize("way", ["find", "place", "list"])
def test_a_look_up_allocates_nothing_and_takes_no_lock(tmp_path, way):
    # 10.0.0.0/8 has the networks of the probe.
    addresses = random_addresses(ADDRESSES - 2000, seed=4) + [f"10.{number % 8}.{number % 256}.1" for number in range(2000)]
    file = tmp_path / "addresses"

    def bits(address: str) -> int:
        parsed = ipaddress.ip_address(address)
        return int(parsed) if parsed.version == 6 else 0xFFFF << 32 | int(parsed)

    file.write_bytes(b"".join(bits(address).to_bytes(16, "big") for address in addresses))
    program = binary().with_name("GeoLookups")
    assert program.exists(), "swift build -c release --product GeoLookups"
    counting = Counting(tmp_path)

    def spent(passes: int) -> dict[str, int]:
        """Of the whole program, which is the same but for the look-ups of further passes."""
        counting.counts.unlink(missing_ok=True)
        command = [*counting.before, program, way, city_database(), file, str(passes), str(SITES), str(NETWORKS)]
        subprocess.run(command, check=True, capture_output=True, timeout=200)
        return counting.read()

    few, many = spent(1), spent(11)
    assert few["malloc"] and few["retain"]
    # Each pass prints a line, too.
    for name in (*ALLOCATIONS, "lock"):
        assert many[name] - few[name] < 10 * ADDRESSES / 100, (name, few, many)
