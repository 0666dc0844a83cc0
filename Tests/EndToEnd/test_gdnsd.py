"""`geodirector topology render gdnsd`: the real gdnsd takes the configuration and answers as `geo lookup` says."""

import contextlib
import http.server
import shutil
import signal
import subprocess
import threading

import pytest

from harness import waiting
from harness.addresses import LoopbackRange
from harness.geo import city_database, lookup, placed, random_addresses
from harness.geodirector import binary

NETWORK = """
geodirector: 1
geo:
  database: {database}
  networks: {{10.0.0.0/8: TOKYO, 10.1.0.0/16: {{location: [40.7, -74.0]}}, "2001:db8::/32": BOSTON}}
  regions:
    continents: {{AF: [BOSTON, BRUSSELS]}}
    countries: {{FR: [TOKYO, BOSTON]}}
    subdivisions: {{US-CA: [BRUSSELS, TOKYO]}}
sites:
  - name: BRUSSELS
    location: [50.85, 4.35]
    directors: [{{name: SD1, listen: "{range}.1.1:8080", monitor: "{range}.1.1:8081"}}]
    balancers: [{{name: L1, listen: "{range}.1.2:8080", monitor: "{range}.1.2:8081"}}]
    servers: [{{name: W1, address: "{range}.1.3:8080"}}]
  - name: BOSTON
    location: [42.36, -71.06]
    directors: [{{name: SD2, listen: "{range}.2.1:8080", monitor: "{range}.2.1:8081"}}]
    balancers: [{{name: L2, listen: "{range}.2.2:8080", monitor: "{range}.2.2:8081"}}]
    servers: [{{name: W2, address: "{range}.2.3:8080"}}]
  - name: TOKYO
    location: [35.68, 139.69]
    directors: [{{name: SD3, listen: "{range}.3.1:8080", monitor: "{range}.3.1:8081"}}]
    balancers: [{{name: L3, listen: "{range}.3.2:8080", monitor: "{range}.3.2:8081"}}]
    servers: [{{name: W3, address: "{range}.3.3:8080"}}]
"""
ZONE = "@ SOA ns1 hostmaster 1 3600 600 604800 60\n@ NS ns1\nns1 A 192.0.2.1\nwww 60 DYNA geoip!entry\n"


class Monitor(http.server.BaseHTTPRequestHandler):
    """Answers as the monitor of a director that admits users."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def range_of_addresses():
    held = LoopbackRange()
    yield f"127.{held.base}"
    held.release()


@pytest.fixture
def folder(tmp_path, range_of_addresses):
    (tmp_path / "network.yaml").write_text(NETWORK.format(database=city_database(), range=range_of_addresses))
    (tmp_path / "zones").mkdir()
    (tmp_path / "zones" / "example.com").write_text(ZONE)
    render = [str(binary()), "topology", "render", "gdnsd", str(tmp_path / "network.yaml")]
    done = subprocess.run(render, capture_output=True, text=True, timeout=30, check=True)
    assert not done.stderr
    own = f'options => {{ listen => "{range_of_addresses}.0.1:5353", run_dir => "{tmp_path}", state_dir => "{tmp_path}" }}\n'
    (tmp_path / "config").write_text(own + done.stdout)
    return tmp_path


def sampled() -> list[str]:
    """Addresses with every kind of answer; a name server knows none of the mapped ones and of 6to4."""
    return [*("10.0.0.1", "10.1.2.3", "2001:db8::1", "8.8.8.8", "81.2.69.160", "17.0.0.1", "41.0.0.1", "90.0.0.1"),
            *(address for address in random_addresses(400, seed=9) if not address.startswith(("::ffff", "2002:")))]


def addresses_by_dig(server, clients) -> list[str]:
    """The answer to each client, told to the name server as EDNS client subnet (RFC 7871)."""
    found = []
    for start in range(0, len(clients), 50):
        command = ["dig", f"@{server}", "-p", "5353", "+tries=3"]
        for client in clients[start:start + 50]:
            command += ["www.example.com", "A", "+short", f"+subnet={client}/{128 if ':' in client else 32}"]
        found += subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split()
    assert len(found) == len(clients)
    return found


@pytest.mark.skipif(not shutil.which("gdnsd") or not shutil.which("dig"), reason="needs gdnsd and dig")
@pytest.mark.own
def test_gdnsd_answers_as_geo_lookup_says(folder, range_of_addresses):
    subprocess.run(["gdnsd", "-c", str(folder), "checkconf"], capture_output=True, timeout=60, check=True)
    clients = sampled()
    orders = [[site["name"] for site in answer["sites"]] for answer in lookup(
        "--topology", folder / "network.yaml", "--format", "json", addresses=clients)]
    director = {f"{range_of_addresses}.{number}.1": name for number, name in ((1, "BRUSSELS"), (2, "BOSTON"), (3, "TOKYO"))}
    assert len({tuple(order) for order in orders}) >= 5
    with contextlib.ExitStack() as stack:
        monitors = {}
        for address, name in director.items():
            monitors[name] = http.server.ThreadingHTTPServer((address, 8081), Monitor)
            threading.Thread(target=monitors[name].serve_forever, daemon=True).start()
            stack.callback(monitors[name].server_close)
            stack.callback(monitors[name].shutdown)
        log = stack.enter_context(open(folder / "log", "wb"))
        process = subprocess.Popen(["gdnsd", "-c", str(folder), "start"], stderr=log)
        stack.callback(process.wait, 20)
        stack.callback(process.send_signal, signal.SIGTERM)
        server = f"{range_of_addresses}.0.1"
        waiting.until(lambda: waiting.listens((server, 5353)), "gdnsd listening")
        for client, order, answer in zip(clients, orders, addresses_by_dig(server, clients)):
            assert director[answer] == order[0], (client, order)
        # A site whose monitor is silent is nobody's any more: each client gets the next one.
        monitors["BRUSSELS"].shutdown()
        monitors["BRUSSELS"].server_close()
        brussels = f"{range_of_addresses}.1.1"
        near = clients[[order[0] for order in orders].index("BRUSSELS")]
        waiting.until(lambda: addresses_by_dig(server, [near]) != [brussels], "gdnsd seeing the site down", seconds=60)
        for client, order, answer in zip(clients, orders, addresses_by_dig(server, clients)):
            assert director[answer] == next(name for name in order if name != "BRUSSELS"), (client, order)


def rendered(folder) -> subprocess.CompletedProcess:
    """The configuration of `network.yaml` in a folder, by its name alone; and what gdnsd says of it."""
    done = subprocess.run([str(binary()), "topology", "render", "gdnsd", "network.yaml"], capture_output=True, text=True,
                          timeout=30, check=True, cwd=folder)
    (folder / "zones").mkdir(exist_ok=True)
    (folder / "zones" / "example.com").write_text(ZONE)
    own = f'options => {{ run_dir => "{folder}", state_dir => "{folder}" }}\n'
    (folder / "config").write_text(own + done.stdout)
    return done


def takes(folder):
    """gdnsd takes the configuration; asked elsewhere than the file is."""
    done = subprocess.run(["gdnsd", "-c", str(folder), "checkconf"], capture_output=True, text=True, timeout=60, cwd="/")
    assert done.returncode == 0, done.stderr


needs_gdnsd = pytest.mark.skipif(not shutil.which("gdnsd"), reason="needs gdnsd")


@needs_gdnsd
@pytest.mark.own
def test_the_database_is_found_from_anywhere_and_one_without_cities_is_not_asked_for_distances(tmp_path):
    # Of the type "Test": with locations, but no City database.
    placed(tmp_path / "clients.mmdb", {"198.51.100.0/24": (48.8, 2.3)})
    (tmp_path / "network.yaml").write_text(NETWORK.format(database="clients.mmdb", range="127.1"))
    done = rendered(tmp_path)
    assert f'geoip2_db => "{tmp_path}/clients.mmdb"' in done.stdout
    assert "auto" not in done.stdout and "City database only, and this is Test" in done.stderr
    takes(tmp_path)


@needs_gdnsd
@pytest.mark.own
@pytest.mark.parametrize("network", ["2002::/16", "2002:a00::/24", "64:ff9b::/96", "2001:0::/32", "::ffff:0:0:0/96"])
def test_networks_that_stand_for_ipv4_are_left_out(tmp_path, network):
    placed(tmp_path / "clients.mmdb", {"198.51.100.0/24": (48.8, 2.3)})
    text = NETWORK.format(database="clients.mmdb", range="127.1")
    (tmp_path / "network.yaml").write_text(text.replace("networks: {", f'networks: {{"{network}": TOKYO, '))
    done = rendered(tmp_path)
    assert "is left out" in done.stderr and "10.0.0.0/8 =>" in done.stdout
    takes(tmp_path)


@needs_gdnsd
@pytest.mark.own
def test_ipv4_and_ipv6_stand_apart_and_each_director_is_checked_at_its_own_port(tmp_path):
    text = NETWORK.format(database=city_database(), range="127.1")
    text = text.replace('directors: [{name: SD1,', 'directors: [{name: SD6, listen: "[2001:db8::6]:8080", '
                        'monitor: "[2001:db8::6]:8081"}, {name: SD1,')
    text = text.replace('directors: [{name: SD2,', 'directors: [{name: SD7, listen: "127.1.2.7:8080"}, {name: SD2,')
    (tmp_path / "network.yaml").write_text(text)
    done = rendered(tmp_path)
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if "plugin => m" in line}
    assert "addrs_v4 => { SD1 => 127.1.1.1 }, addrs_v6 => { SD6 => 2001:db8::6 }" in lines["BRUSSELS"]
    assert "SD7 => { service_types => connect-8080" in lines["BOSTON"]
    assert "SD2 => { service_types => monitor-8081" in lines["BOSTON"]
    assert "directors of site BOSTON" in done.stderr and "BRUSSELS are" not in done.stderr
    takes(tmp_path)


def test_a_site_without_an_ip_address_is_named(tmp_path):
    file = tmp_path / "network.yaml"
    file.write_text("""
geodirector: 1
sites:
  - name: HOME
    directors: [{name: D, listen: "shop.example:8001"}]
    balancers: [{name: L, listen: "127.0.0.1:8002"}]
    servers: [{name: W, address: "127.0.0.1:9000"}]
""")
    done = subprocess.run([str(binary()), "topology", "render", "gdnsd", str(file)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 78 and '"D"' in done.stderr and not done.stdout
