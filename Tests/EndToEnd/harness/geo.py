"""MaxMind databases for tests, and `geodirector geo lookup`."""

import ipaddress
import json
import pathlib
import random
import subprocess

from .geodirector import binary


def city_database() -> pathlib.Path:
    """GeoLite2 City as the package maxminddb-geolite2 ships it: real data of July 2018."""
    import _maxminddb_geolite2
    return pathlib.Path(_maxminddb_geolite2.__file__).with_name("GeoLite2-City.mmdb")


def placed(path: pathlib.Path, places: dict[str, tuple[float, float]]) -> pathlib.Path:
    """A database with the places of some networks, put at the path as a whole."""
    from mmdb_writer import MMDBWriter
    from netaddr import IPSet
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="Test")
    for network, (latitude, longitude) in places.items():
        writer.insert_network(IPSet([network]), {"location": {"latitude": latitude, "longitude": longitude}})
    new = path.with_suffix(".new")
    writer.to_db_file(str(new))
    return new.replace(path)


def lookup(*arguments, addresses=None, codes=(0,), seconds: float = 120):
    """Runs the command and gives its output: parsed, if it is JSON."""
    command = [str(binary()), "geo", "lookup", *map(str, arguments)]
    given = None
    if addresses is not None:
        command.append("--stdin")
        given = "\n".join(map(str, addresses)) + "\n"
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=seconds, cwd="/")
    assert done.returncode in codes, (done.returncode, done.stderr)
    assert "Fatal error" not in done.stderr, done.stderr
    if "json" not in arguments:
        return done.stdout
    return [json.loads(line) for line in done.stdout.splitlines()]


def random_addresses(count: int, seed: int) -> list[str]:
    """Random ones of both kinds: half IPv4, half IPv6, most of those in what is given to anybody."""
    generator = random.Random(seed)
    found = [str(ipaddress.IPv4Address(generator.getrandbits(32))) for _ in range(count // 2)]
    while len(found) < count:
        bits = generator.getrandbits(128)
        kind = generator.randrange(8)
        if kind < 5:
            # 2001::/16 to 2c0f::/16 are in use; the bits behind /48 hardly matter.
            bits = (generator.choice([0x2001, 0x2003, 0x2400, 0x2600, 0x2604, 0x2800, 0x2A00, 0x2A02, 0x2C0F]) << 112
                    | bits & (1 << 112) - 1)
        elif kind == 5:
            bits = 0x2002 << 112 | bits & (1 << 112) - 1
        elif kind == 6:
            bits = 0xFFFF << 32 | bits & (1 << 32) - 1
        found.append(str(ipaddress.IPv6Address(bits)))
    return found


def boundary_addresses(reader, count: int, seed: int) -> list[str]:
    """First and last addresses of ranges of the database, and their neighbours outside; ranges around random addresses."""
    found = []
    for address in random_addresses(count, seed):
        network = network_of(reader, address)
        first, last = int(network.network_address), int(network.broadcast_address)
        kind = ipaddress.IPv4Address if network.version == 4 else ipaddress.IPv6Address
        found += [str(kind(number)) for number in (first, last, first - 1, last + 1)
                  if 0 <= number < 1 << network.max_prefixlen]
        if len(found) >= count:
            break
    return found[:count]


def unmapped(address: str):
    """The address; an IPv4-mapped one as the IPv4 address it stands for."""
    parsed = ipaddress.ip_address(address)
    return getattr(parsed, "ipv4_mapped", None) or parsed


def network_of(reader, address: str):
    """The range with the same answer, by the reference reader."""
    parsed = unmapped(address)
    _, prefix = reader.get_with_prefix_len(parsed)
    return ipaddress.ip_network((parsed, prefix), strict=False)
