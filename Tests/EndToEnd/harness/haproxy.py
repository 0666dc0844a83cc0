"""The reference as the system under test: HAProxy set up as the three tiers of the architecture guide, chapter 5."""

import pathlib
import shutil
import sys

from .topology import NodeSpec, Topology

# Check intervals of the guide's network, in seconds: own side and other side of each tier.
OFFICE_INTERVALS = (30, 60)
DIRECTOR_INTERVALS = (4, 8)
BALANCER_INTERVALS = (2, 4)


def header(scale: float, socket: pathlib.Path) -> str:
    """Sections every configuration begins with; connect timeout as in rule C5, the others as wide as the tests."""
    return f"""global
  maxconn 4000
  nbthread 1
  stats socket {socket} mode 600 level admin
  hard-stop-after 30s
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  option redispatch
  retries 3
  timeout connect {max(100, int(1000 * scale))}ms
  timeout client 30s
  timeout server 30s
  timeout http-request 10s
  timeout queue 5s
  timeout check {max(100, int(1000 * scale))}ms
"""


def program() -> str:
    path = shutil.which("haproxy")
    assert path, "the Debian package haproxy is missing (Tests/run installs it)"
    return path


class HAProxy:
    name = "haproxy"

    def prepare(self, topology: Topology, folder: pathlib.Path):
        pass

    def command(self, spec: NodeSpec, topology: Topology, folder: pathlib.Path) -> list[str]:
        if spec.role == "demo-server":
            ports = [spec.service, *([spec.monitor] if spec.monitor else [])]
            return [sys.executable, str(pathlib.Path(__file__).with_name("demo_server.py")), spec.name, spec.site,
                    *(f"{host}:{port}" for host, port in ports)]
        path = folder / f"{spec.name}.cfg"
        path.write_text(self.configuration(spec, topology, folder / f"{spec.name}.sock"))
        return [program(), "-db", "-f", str(path)]

    def configuration(self, spec: NodeSpec, topology: Topology, socket: pathlib.Path) -> str:
        nodes, scale = topology.nodes(), topology.scale
        applications = topology.data.get("applications", [{}])
        cookies = applications[0].get("cookies", {})
        site_cookie = cookies.get("site", {}).get("name", "SITE")
        session_cookie = cookies.get("session", {}).get("name", "JSESSIONID")

        def at(pair):
            return f"{pair[0]}:{pair[1]}"

        def inter(seconds):
            return f"inter {int(seconds * scale * 1000)}ms"

        def candidates(role, intervals, order):
            lines = []
            for rank, site in enumerate(order):
                for other in nodes.values():
                    if other.role == role and other.site == site:
                        lines.append(f"  server {other.name} {at(other.service)} cookie {site} check "
                                     f"{inter(intervals[min(rank, 1)])}{' backup' if rank else ''}")
            return lines

        lines = [header(scale, socket), f"listen {spec.name}", f"  bind {at(spec.service)}", "  balance roundrobin",
                 f"  http-request add-header Via \"1.1 {spec.name}\"", "  option httpchk HEAD / HTTP/1.0"]
        if spec.role == "office-proxy":
            lines += [f"  cookie {site_cookie}", *candidates("site-director", OFFICE_INTERVALS, spec.preference)]
        elif spec.role == "site-director":
            order = [spec.site, *(site for site in topology.site_names if site != spec.site)]
            lines += [f"  cookie {site_cookie} insert indirect nocache",
                      *candidates("site-balancer", DIRECTOR_INTERVALS, order)]
        else:
            lines.append(f"  cookie {session_cookie} prefix")
            own = [node for node in nodes.values() if node.role == "demo-server" and node.site == spec.site]
            # Declared twice: once for new users, by the admission port, once as backup for returning ones.
            for node in own:
                if node.monitor:
                    lines.append(f"  server {node.name} {at(node.service)} cookie {node.name} check "
                                 f"port {node.monitor[1]} {inter(BALANCER_INTERVALS[0])}")
            for node in own:
                name, backup = (f"{node.name}-own", " backup") if node.monitor else (node.name, "")
                lines.append(f"  server {name} {at(node.service)} cookie {node.name} check "
                             f"{inter(BALANCER_INTERVALS[1])}{backup}")
        return "\n".join(lines) + "\n"
