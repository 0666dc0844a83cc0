"""What the tests need to know of a topology: who is where, and who is whose candidate."""

import copy
import dataclasses
import pathlib

import yaml

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
ROLES = ("office-proxy", "site-director", "site-balancer", "relay", "demo-server")


@dataclasses.dataclass(frozen=True)
class NodeSpec:
    """One node: where it serves, and where it answers health checks (None: it has no such port)."""

    name: str
    role: str
    site: str | None
    service: tuple[str, int]
    monitor: tuple[str, int] | None
    preference: tuple[str, ...] = ()


def split(address: str) -> tuple[str, int]:
    host, port = address.rsplit(":", 1)
    return host.strip("[]"), int(port)


def _monitor(entry) -> tuple[str, int] | None:
    """Where it answers; of one that others reach elsewhere, its own address."""
    monitor = entry.get("monitor")
    return monitor and split(monitor["address"] if isinstance(monitor, dict) else monitor)


def _listen(entry) -> tuple[str, int]:
    listen = entry["listen"]
    first = listen[0] if isinstance(listen, list) else listen
    return split(first["address"] if isinstance(first, dict) else first)


class Topology:
    """A topology file as data that tests may change before it is written for the nodes."""

    def __init__(self, data: dict):
        self.data = copy.deepcopy(data)

    @classmethod
    def read(cls, name: str) -> "Topology":
        """One of the repository's files, by name."""
        from .addresses import fixed

        text = (REPOSITORY / "topologies" / f"{name}.yaml").read_text()
        assert not fixed(text), f"{name}.yaml has addresses that tests beside each other would share: {fixed(text)}"
        return cls(yaml.safe_load(text))

    def scaled(self, scale: float) -> "Topology":
        """The same network with every duration multiplied by `scale`."""
        return Topology(self.data | {"time-scale": scale})

    @property
    def is_secure(self) -> bool:
        """Offices are reached by TLS, and so is all behind them."""
        return any(isinstance(listen, dict) and "tls" in listen for office in self.data.get("offices", []) for listen in office["listen"])

    @property
    def names_certificates(self) -> bool:
        """Files of pki/ are to be made."""
        return self.with_certificates_in(pathlib.Path("/")).data != self.data

    def with_certificates_in(self, folder: pathlib.Path) -> "Topology":
        """The same with the files of pki/ in another folder."""
        def replaced(value):
            if isinstance(value, dict):
                return {key: replaced(item) for key, item in value.items()}
            if isinstance(value, list):
                return [replaced(item) for item in value]
            return f"{folder}/{value[4:]}" if isinstance(value, str) and value.startswith("pki/") else value

        return Topology(replaced(self.data))

    def moved(self, where) -> "Topology":
        from .addresses import moved

        return Topology(moved(self.data, where))

    def with_two_directors(self) -> "Topology":
        """Each site gets a second director, SD1B beside SD1, on the next address."""
        data = copy.deepcopy(self.data)
        for site in data["sites"]:
            first = site["directors"][0]
            host, port = _listen(first)
            base, last = host.rsplit(".", 1)
            second = copy.deepcopy(first)
            second["name"] = first["name"] + "B"
            address = f"{base}.{int(last) + 1}"
            kept = first["listen"][0] if isinstance(first["listen"], list) and isinstance(first["listen"][0], dict) else {}
            second["listen"] = [kept | {"address": f"{address}:{port}"}]
            if "monitor" in first:
                place = f"{address}:{_monitor(first)[1]}"
                second["monitor"] = first["monitor"] | {"address": place} if isinstance(first["monitor"], dict) else place
            site["directors"] = [first, second]
            for other in data["sites"]:
                for node in other["balancers"]:
                    for listen in [*node["listen"], node.get("monitor")]:
                        # Who may come to a balancer with TLS.
                        tls = (listen.get("tls") or {}) if isinstance(listen, dict) else {}
                        if first["name"] in (names := tls.get("client-names", [])):
                            names.append(second["name"])
        # Links name sites and offices, so nothing else changes.
        return Topology(data)

    def write(self, path: pathlib.Path) -> pathlib.Path:
        path.write_text(yaml.safe_dump(self.data, sort_keys=False))
        return path

    @property
    def scale(self) -> float:
        return float(self.data.get("time-scale", 1))

    @property
    def site_names(self) -> list[str]:
        return [site["name"] for site in self.data.get("sites", [])]

    def nodes(self) -> dict[str, NodeSpec]:
        """Every node by name, in the order of the file: offices last."""
        found = {}

        def add(entry, role, site, service, monitor, preference=()):
            found[entry["name"]] = NodeSpec(entry["name"], role, site, service, monitor, tuple(preference))

        for entry in self.data.get("relays", []):
            add(entry, "relay", None, _listen(entry), _monitor(entry))
        for site in self.data.get("sites", []):
            for server in site["servers"]:
                if "host" in server:
                    ports = dict(server["ports"])
                    admission = ports.pop("admission", None)
                    service = (server["host"], next(iter(ports.values())))
                    add(server, "demo-server", site["name"], service, admission and (server["host"], admission))
                else:
                    add(server, "demo-server", site["name"], split(server["address"]), None)
            for role, key in (("site-balancer", "balancers"), ("site-director", "directors")):
                for entry in site.get(key, []):
                    add(entry, role, site["name"], _listen(entry), _monitor(entry))
        for entry in self.data.get("offices", []):
            preference = entry.get("preference", self.site_names)
            sites = preference.get("sites", self.site_names) if isinstance(preference, dict) else preference
            add(entry, "office-proxy", None, _listen(entry), _monitor(entry), sites)
        return found
