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
from harness.geo import city_database, lookup, random_addresses
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
