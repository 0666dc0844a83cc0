"""Directors that send the public to a nearer site's own address (`geo: {redirect: true}`)."""

import contextlib

import pytest

from harness import waiting
from harness.access_log import entries
from harness.geo import placed
from harness.geodirector import Geodirector
from harness.raw import RawConnection, get, request
from harness.single import Single
from harness.topology import NodeSpec, Topology

pytestmark = [pytest.mark.own, pytest.mark.timeout(60)]

MARK = "geodirector-redirected=1"
CLIENTS = {"198.51.100.0/24": (48.8, 2.3), "192.0.2.0/24": (40.7, -74.0), "203.0.113.0/24": (37.5, 127.0)}
PARIS, NEW_YORK, SEOUL = "198.51.100.7", "192.0.2.7", "203.0.113.7"
PLACES = {"BRUSSELS": [50.85, 4.35], "BOSTON": [42.36, -71.06], "TOKYO": [35.68, 139.69]}


class Director(Single):
    """The director of BRUSSELS, whose public listener learns of clients by the PROXY protocol, or with `office` has the
    office OP in front of it."""

    def __init__(self, folder, public=True, urls=None, applications=None, office=None):
        super().__init__(folder, role="site-director", tiers={"BRUSSELS": ["A"], "BOSTON": ["B"], "TOKYO": ["C"]}, site="SITE")
        placed(folder / "clients.mmdb", CLIENTS)
        urls = urls or {"BOSTON": "https://us.shop.test", "TOKYO": "http://asia.shop.test:8080"}
        self.data["geo"] = {"database": "clients.mmdb", "redirect": True}
        for site in self.data["sites"]:
            site["location"] = PLACES[site["name"]]
            if site["name"] in urls:
                site["url"] = urls[site["name"]]
        entry = self.data["sites"][0]["directors"][0]
        entry["listen"] = [{"address": entry["listen"], "public": public}]
        if office:
            # Everybody here is near BOSTON.
            self.data["geo"]["networks"] = {"127.0.0.0/8": "BOSTON"}
            self.data["offices"] = [{"name": "OP", "listen": self.range.map(office), "preference": ["BRUSSELS"]}]
        else:
            entry["listen"][0]["proxy-protocol"] = "127.0.0.0/8"
        self.monitor = (self.range.map("127.0.1.1"), 8081)
        entry["monitor"] = "{}:{}".format(*self.monitor)
        if applications:
            self.data["applications"] = applications
        self.address = self.geodirector()

    def office(self):
        """Starts the office OP and returns where it serves."""
        topology, system = Topology(self.data), Geodirector()
        spec = NodeSpec("OP", "office-proxy", None, (self.range.map("127.0.1.3"), 8080), None)
        system.prepare(topology, self.folder)
        return self._run("office", spec, system.command(spec, topology, self.folder))

    def ask(self, client, target="/", method="GET", headers=(), body=b"", host="shop.test", raw=None):
        with RawConnection(self.address) as connection:
            connection.send(f"PROXY TCP4 {client} 192.0.2.99 4711 443\r\n".encode())
            connection.send(raw or request(method, target, headers, body, host))
            return connection.answer(method)

    def served(self, *arguments, **more):
        """The origin that answered."""
        answer = self.ask(*arguments, **more)
        assert answer.status == 200, answer
        return answer.first("X-Origin")

    def sent_to(self, *arguments, **more):
        answer = self.ask(*arguments, **more)
        assert answer.status == 307, answer
        return answer.first("Location")


@pytest.fixture
def director(pytestconfig, tmp_path):
    if pytestconfig.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with contextlib.ExitStack() as stack:
        yield lambda **settings: stack.enter_context(Director(tmp_path, **settings))


def test_a_new_user_is_sent_to_the_nearest_site_with_path_and_query(director):
    single = director()
    answer = single.ask(NEW_YORK, "/a/b?x=1&y=%20")
    assert answer.status == 307
    assert answer.all("Location") == [f"https://us.shop.test/a/b?x=1&y=%20&{MARK}"]
    assert answer.all("Cache-Control") == ["private, no-store"]
    assert not answer.all("Set-Cookie") and answer.body == b""
    assert single.sent_to(SEOUL) == f"http://asia.shop.test:8080/?{MARK}"
    assert single.sent_to(SEOUL, "/x?", method="HEAD") == f"http://asia.shop.test:8080/x?&{MARK}"
    assert single.sent_to(SEOUL, "//evil.test/") == f"http://asia.shop.test:8080//evil.test/?{MARK}"
    assert single.sent_to(SEOUL, raw=b"GET http://shop.test?q HTTP/1.1\r\nHost: shop.test\r\n\r\n") == (
        f"http://asia.shop.test:8080/?q&{MARK}")
    # Workers write their lines in any order.
    logged = waiting.until(
        lambda: [line for line in entries(single.nodes["geodirector"].log_lines()) if "/a/b" in line.request], "the log")
    assert (logged[0].site, logged[0].why, logged[0].termination[:2], logged[0].tier) == ("BOSTON", "redirect", "LR", "-")


def test_who_is_near_or_unknown_or_has_a_session_is_served(director):
    single = director()
    assert [single.served(client) for client in (PARIS, "8.8.8.8")] == ["A", "A"]
    for cookie, origin in [("BRUSSELS", "A"), ("TOKYO", "C"), ("NOBODY", "A")]:
        assert single.served(NEW_YORK, headers=[("Cookie", f"SITE={cookie}")]) == origin
    assert single.ask(NEW_YORK, headers=[("Cookie", "OTHER=1")]).status == 307


def test_what_cannot_follow_is_served(director):
    single = director()
    assert single.served(NEW_YORK, method="POST", body=b"x") == "A"
    assert single.served(NEW_YORK, body=b"x") == "A"
    assert single.served(NEW_YORK, raw=b"GET / HTTP/1.0\r\nHost: shop.test\r\nAccept: */*\r\n\r\n") == "A"


@pytest.mark.parametrize("target, at_origin", [
    (f"/?{MARK}", "/"), (f"/a?x=1&{MARK}", "/a?x=1"), (f"/a?&{MARK}", "/a?"), (f"/a?{MARK}&{MARK}", "/a")])
def test_who_was_sent_once_is_served_and_the_mark_is_gone(director, target, at_origin):
    single = director()
    assert single.served(NEW_YORK, target) == "A"
    assert single.origins["A"].received[-1].line == f"GET {at_origin} HTTP/1.1"


def test_a_site_that_takes_nobody_is_passed_by(director):
    single = director()
    single.origins["B"].stop()
    waiting.until(lambda: single.ask(NEW_YORK).status == 200, "BOSTON believed down: from New York BRUSSELS is the next")
    assert single.served(NEW_YORK) == "A"


def test_a_site_without_address_of_its_own_is_passed_by(director):
    single = director(urls={"TOKYO": "http://asia.shop.test"})
    assert single.served(NEW_YORK) == "A"
    assert single.ask(SEOUL).status == 307


def test_listeners_that_do_not_face_the_public_send_nobody_on(director):
    single = director(public=False)
    assert single.served(NEW_YORK, f"/?{MARK}") == "A"
    assert single.origins["A"].received[-1].line == f"GET /?{MARK} HTTP/1.1"


def test_the_other_address_must_lead_to_the_same_application(director):
    single = director(
        urls={"BOSTON": "https://us.shop.test", "TOKYO": "https://asia.mail.test"},
        applications=[{"name": "mail", "hosts": ["*.mail.test"], "cookies": {"site": "SITE"}},
                      {"name": "shop", "hosts": ["*.shop.test"], "cookies": {"site": "SITE"}}])
    assert single.ask(NEW_YORK, host="www.shop.test").status == 307
    assert single.served(NEW_YORK, host="www.mail.test") == "A"
    assert single.ask(SEOUL, host="www.mail.test").status == 307
    # For the shop BOSTON is the next nearest with an address, but from Seoul BRUSSELS comes first.
    assert single.served(SEOUL, host="www.shop.test") == "A"


def test_users_of_offices_are_not_sent_out_of_them(director):
    single = director(office="127.0.1.3:8080")
    with RawConnection(single.address) as connection:
        connection.send(request("GET", "/", [], b"", "shop.test"))
        assert connection.answer().status == 307, "who comes by himself is sent on"
    at = single.office()
    with RawConnection(at) as connection:
        for _ in range(3):
            connection.send(request("GET", "/", [], b"", "shop.test"))
            answer = connection.answer()
            assert (answer.status, answer.first("X-Origin")) == (200, "A")
    # Whoever claims to be an office is only served here.
    with RawConnection(single.address) as connection:
        for via, status in [("1.1 OP", 200), ("1.0 proxy, 1.1 OP", 200), ("1.1 OP, 1.1 proxy", 307), ("1.1 OPERA", 307)]:
            connection.send(request("GET", "/", [("Via", via)], b"", "shop.test"))
            assert connection.answer().status == status, via


def test_a_site_known_by_an_ipv6_address_is_sent_to(director):
    single = director(urls={"BOSTON": "https://[2001:DB8::1]:8443", "TOKYO": "http://[2001:db8::2]"})
    assert single.sent_to(NEW_YORK, "/x") == f"https://[2001:db8::1]:8443/x?{MARK}"
    assert single.sent_to(SEOUL, "/x") == f"http://[2001:db8::2]/x?{MARK}"


def test_connections_of_which_the_load_balancer_tells_no_client_are_served(director):
    single = director()
    for header in (b"PROXY UNKNOWN\r\n", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"):
        with RawConnection(single.address) as connection:
            connection.send(header + request("GET", "/", [], b"", "shop.test"))
            assert connection.answer().first("X-Origin") == "A"


def test_redirects_are_counted_and_the_connection_goes_on(director):
    single = director()
    assert "redirects 0\n" in get(single.monitor).body.decode()
    with RawConnection(single.address) as connection:
        connection.send(f"PROXY TCP4 {NEW_YORK} 192.0.2.99 4711 443\r\n".encode())
        for _ in range(3):
            connection.send(request("GET", "/", [], b"", "shop.test"))
            assert connection.answer().status == 307
        connection.send(request("GET", "/", [("Cookie", "SITE=BRUSSELS")], b"", "shop.test"))
        assert connection.answer().first("X-Origin") == "A"
    assert "redirects 3\n" in get(single.monitor).body.decode()
