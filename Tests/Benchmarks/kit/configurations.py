"""Configurations: the same job written for each program."""

import json
import pathlib

CHECK_SECONDS = 4
# Client connections each takes at most: two descriptors a connection must fit into the usual limit of 20,000.
CONNECTIONS_MAX = 9000


def at(address: tuple[str, int]) -> str:
    return "{}:{}".format(*address)


def nginx(folder: pathlib.Path, addresses: list[tuple[str, int]], name: str, body_bytes: int = 1024) -> list[str]:
    """An origin that answers everything with `body_bytes` from memory, without a log. One worker, in the foreground."""
    listen = "\n    ".join(f"listen {at(address)} backlog=4096 reuseport;" for address in addresses)
    path = folder / f"{name}.conf"
    path.write_text(f"""daemon off;
master_process off;
pid {folder}/{name}.pid;
error_log stderr warn;
worker_rlimit_nofile 20000;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  client_body_temp_path {folder}/{name}.body;
  proxy_temp_path {folder}/{name}.proxy;
  fastcgi_temp_path {folder}/{name}.fastcgi;
  uwsgi_temp_path {folder}/{name}.uwsgi;
  scgi_temp_path {folder}/{name}.scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  default_type text/plain;
  client_max_body_size 0;
  server {{
    {listen}
    location / {{ return 200 "{"x" * body_bytes}"; }}
    location /files/ {{ root {folder}; sendfile on; tcp_nopush on; }}
  }}
}}
""")
    return ["nginx", "-e", "stderr", "-c", str(path)]


def haproxy_director(folder: pathlib.Path, name: str, listen, balancers, log: bool, workers: int = 1,
                     cookie: str = "SITE insert indirect nocache", value: str = "SITE1", forwards: bool = True,
                     certificate: pathlib.Path | None = None) -> list[str]:
    """HAProxy as site director: the job of `geodirector_director`; with another cookie, as another node."""
    servers = "\n".join(f"  server {server} {at(address)} cookie {value} check inter {CHECK_SECONDS}s fall 3 rise 2"
                        for server, address in balancers.items())
    path = folder / f"{name}.cfg"
    path.write_text(f"""global
  nbthread {workers}
  maxconn {CONNECTIONS_MAX}
  {"log stdout format raw local0 info" if log else ""}
defaults
  mode http
  {"log global" if log else ""}
  {"option httplog" if log else ""}
  {"option forwardfor" if forwards else ""}
  option redispatch
  retries 3
  http-reuse always
  timeout http-request 10s
  timeout http-keep-alive 60s
  timeout client 60s
  timeout connect 1s
  timeout server 65s
  timeout queue 10s
  timeout check 2s
listen SD1
  bind {at(listen)}{f" ssl crt {certificate}" if certificate else ""}
  balance roundrobin
  cookie {cookie}
  option httpchk HEAD / HTTP/1.0
{servers}
""")
    return ["haproxy", "-db", "-f", str(path)]


def geodirector_director(program, folder: pathlib.Path, name: str, listen, balancers, log: pathlib.Path | None,
                         workers: int = 1, certificate: pathlib.Path | None = None) -> list[str]:
    """geodirector as site director; Via, which HAProxy does not write, comes on top and cannot be turned off."""
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps({
        "geodirector": 1,
        "network": name,
        "applications": [{
            "name": "shop",
            "cookies": {"site": {"name": "SITE", "mode": "insert", "indirect": True, "nocache": True}},
            "check": {"http": {"method": "HEAD", "path": "/", "version": "1.0"}},
        }],
        "sites": [{
            "name": "SITE1",
            "directors": [{"name": "SD1", "listen": {"address": at(listen)} | ({"tls": str(certificate)} if certificate else {})}],
            "balancers": [{"name": server, "listen": at(address)} for server, address in balancers.items()],
            # A site has servers; a director never speaks to them.
            "servers": [{"name": "W", "address": at((listen[0], listen[1] + 1))}],
        }],
        "defaults": {"site-director": {
            "balance": "roundrobin",
            "forwarded": {"for": True, "proto": False},
            "limits": {"connections": CONNECTIONS_MAX},
            "check": {"interval": f"{CHECK_SECONDS}s", "fall": 3, "rise": 2, "timeout": "2s"},
            "timeouts": {"request": "10s", "keep-alive": "60s", "client": "60s", "connect": "1s", "server": "65s", "queue": "10s"},
        }},
    }))
    return [str(program), "deploy", "site-director", "SD1", "--topology", str(path), "--workers", str(workers),
            "--access-log",
            str(log) if log else "none"]
