"""One node of any of the three proxies before the strict origin."""

import contextlib
import shutil

from harness.process import Node
from harness.single import Single
from harness.topology import NodeSpec

from .origin import StrictOrigin

HAPROXY = """
option http-keep-alive
http-reuse always
retry-on conn-failure empty-response
timeout http-request 5s
timeout client 10s
timeout server 5s
server A @A
"""

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream origin {{ server {origin}; keepalive 16; }}
  server {{
    listen {address};
    location / {{
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
      proxy_request_buffering off; proxy_buffering off; proxy_read_timeout 5s;
    }}
  }}
}}
"""
TIMEOUTS = {"request": "5s", "client": "10s", "server": "5s", "keep-alive": "10s"}


def _nginx(single: Single) -> tuple[str, int]:
    spec = NodeSpec("X", "nginx", None, (single.range.map("127.0.1.3"), 8080), None)
    path = single.folder / "nginx.conf"
    path.write_text(NGINX.format(
        folder=single.folder, origin="{}:{}".format(*single.at["A"]), address="{}:{}".format(*spec.service)))
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    node = single.nodes["nginx"] = Node(spec, [program, "-p", str(single.folder), "-c", str(path)], single.folder)
    node.start().wait_ready()
    return spec.service


@contextlib.contextmanager
def started(system: str, folder, **settings):
    """A node of the system, serving at `.address` from `.origin`, a StrictOrigin."""
    settings.setdefault("timeouts", TIMEOUTS)
    settings.setdefault("check", "30s")
    single = Single(folder, names=("A",), **settings)
    single.origin = single.origins["A"] = StrictOrigin("A", single.at["A"])
    with single:
        if system == "geodirector":
            single.address = single.geodirector()
        else:
            single.address = single.haproxy(HAPROXY) if system == "haproxy" else _nginx(single)
        yield single
