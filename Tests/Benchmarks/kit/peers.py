"""The three programs in the same place with the same job: configurations of a whole chain, or of the director alone."""

import json
import pathlib
from typing import NamedTuple

from .configurations import CHECK_SECONDS, CONNECTIONS_MAX, at, geodirector_director, haproxy_director
from .service import Service

NAMES = ["geodirector", "HAProxy", "nginx"]
_NGINX_PATHS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


class Peer(NamedTuple):
    """One program: its processes from the entry to the last, of which the first takes the load."""

    name: str
    processes: list[Service]

    @property
    def address(self):
        return self.processes[0].address

    def cpu(self) -> tuple[float, float]:
        """Seconds of user and system time, all processes."""
        spent = [process.cpu() for process in self.processes]
        return sum(one.user for one in spent), sum(one.system for one in spent)


def nginx_node(folder: pathlib.Path, name: str, listen, servers: dict, cookie: str | None, values: dict, inserts: bool,
               log: pathlib.Path | None = None, workers: int = 1) -> list[str]:
    """nginx in a node's place: it chooses by the cookie (`values`: value to servers' names), takes it out and inserts it where the role does,
    appends X-Forwarded-For and keeps connections to the servers. It has no active checks: one job less."""
    upstreams = {"all": list(servers)} | {f"own{number}": names for number, names in enumerate(values.values())}
    blocks = "".join(
        f"  upstream {group} {{ {' '.join(f'server {at(servers[server])} max_fails=0;' for server in names)}"
        f" keepalive 256; keepalive_requests 1000000000; }}\n" for group, names in upstreams.items())
    own = "".join(f" {value} own{number};" for number, value in enumerate(values))
    first = next(iter(values))
    insertion = f"""
  map $cookie_{cookie} $inserted {{ default "{cookie}={first}; path=/";{"".join(f' {value} "";' for value in values)} }}
  map $cookie_{cookie} $private {{ default "private";{"".join(f' {value} "";' for value in values)} }}
  map $http_cookie $passed {{ default $http_cookie; "~^{cookie}=[^;]*(?:; (?<rest>.*))?$" $rest;
    "~^(?<before>.*); {cookie}=[^;]*(?<after>.*)$" $before$after; }}""" if inserts else ""
    fields = "add_header Set-Cookie $inserted; add_header Cache-Control $private; proxy_set_header Cookie $passed;" if inserts else ""
    path = folder / f"{name}.conf"
    # Without a master only one worker runs.
    path.write_text(f"""daemon off;
{"master_process off;" if workers == 1 else f"worker_processes {workers};"}
pid {folder}/{name}.pid;
error_log stderr crit;
worker_rlimit_nofile 20000;
events {{ worker_connections {2 * CONNECTIONS_MAX}; }}
http {{
  access_log {f"{log} combined" if log else "off"};
  {" ".join(f"{kind}_temp_path {folder}/{name}.{kind};" for kind in _NGINX_PATHS)}
  keepalive_requests 1000000000;
  keepalive_timeout 60s;
  client_max_body_size 0;
  tcp_nodelay on;
{blocks}{insertion}
  map $cookie_{cookie} $group {{ default all;{own} }}
  server {{
    listen {at(listen)} backlog=4096;
    location / {{
      proxy_pass http://$group;
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
      proxy_connect_timeout 1s;
      proxy_read_timeout 65s;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      {fields}
    }}
  }}
}}
""")
    return ["nginx", "-e", "stderr", "-c", str(path)]


def director(bench, name: str, servers: dict, log: bool = False, workers: int = 1, tag: str = "") -> Peer:
    """One program as site director before `servers`, which answer for the site's balancers; not started yet."""
    label, listen = f"{name}{tag}{'-log' if log else ''}", bench.address()
    if name == "geodirector":
        command = geodirector_director(bench.program, bench.folder, label, listen, servers, bench.folder / f"{label}.log" if log else None,
                                       workers)
    elif name == "HAProxy":
        command = haproxy_director(bench.folder, label, listen, servers, log, workers)
    else:
        command = nginx_node(bench.folder, label, listen, servers, "SITE", {"SITE1": list(servers)}, True,
                             bench.folder / f"{label}.log" if log else None, workers)
    return Peer(name, [Service(label, command, bench.folder, listen)])


def chain(bench, name: str, server: tuple[str, int]) -> Peer:
    """Office proxy, site director and site balancer, one process each, before one application server."""
    office, site, balancer = (bench.address() for _ in range(3))
    make = {"geodirector": _our_chain, "HAProxy": _haproxy_chain, "nginx": _nginx_chain}[name]
    commands = make(bench, office, site, balancer, server)
    nodes = [Service(f"{name}-chain-{role}", command, bench.folder, listen)
             for role, command, listen in zip(("office", "director", "balancer"), commands, (office, site, balancer))]
    return Peer(name, nodes)


def _our_chain(bench, office, site, balancer, server):
    role = {"balance": "roundrobin", "forwarded": {"for": True, "proto": False}, "limits": {"connections": CONNECTIONS_MAX},
            "check": {"interval": f"{CHECK_SECONDS}s", "fall": 3, "rise": 2, "timeout": "2s"}}
    path = bench.folder / "chain.yaml"
    path.write_text(json.dumps({
        "geodirector": 1, "network": "chain",
        "applications": [{
            "name": "shop", "cookies": {
                "site": {"name": "SITE", "mode": "insert", "indirect": True, "nocache": True},
                "session": {"name": "SERVERID", "mode": "insert", "indirect": True, "nocache": True}},
            "check": {"http": {"method": "HEAD", "path": "/", "version": "1.0"}},
        }],
        "sites": [{
            "name": "SITE1", "directors": [{"name": "SD1", "listen": at(site)}],
            "balancers": [{"name": "S1L1", "listen": at(balancer)}], "servers": [{"name": "W1", "address": at(server)}]}],
        "offices": [{"name": "OP1", "listen": at(office), "preference": {"by": "list", "sites": ["SITE1"]}}],
        "defaults": {"office-proxy": role, "site-director": role, "site-balancer": role | {"forwarded": {"for": False, "proto": False}}},
    }))
    return [[str(bench.program), "deploy", kind, node, "--topology", str(path), "--workers", "1", "--access-log", "none"]
            for kind, node in (("office-proxy", "OP1"), ("site-director", "SD1"), ("site-balancer", "S1L1"))]


def _haproxy_chain(bench, office, site, balancer, server):
    commands = []
    for node, listen, behind, cookie, value, forwards in (
            ("OP1", office, site, "SITE", "SITE1", True), ("SD1", site, balancer, "SITE insert indirect nocache", "SITE1", True),
            ("S1L1", balancer, server, "SERVERID insert indirect nocache", "W1", False)):
        command = haproxy_director(bench.folder, f"haproxy-chain-{node}", listen, {"next": behind}, False, cookie=cookie, value=value,
                                   forwards=forwards)
        commands.append(command)
    return commands


def _nginx_chain(bench, office, site, balancer, server):
    return [
        nginx_node(bench.folder, "nginx-chain-OP1", office, {"next": site}, "SITE", {"SITE1": ["next"]}, False),
        nginx_node(bench.folder, "nginx-chain-SD1", site, {"next": balancer}, "SITE", {"SITE1": ["next"]}, True),
        nginx_node(bench.folder, "nginx-chain-S1L1", balancer, {"next": server}, "SERVERID", {"W1": ["next"]}, True),
    ]
