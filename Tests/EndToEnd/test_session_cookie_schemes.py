"""Rule B6 for users of http and of https: what is learned of the application's cookie from the one is not told to the other."""

import pytest

from harness.raw import get
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.timeout(60)]
HTTPS = [("X-Forwarded-Proto", "https")]


@pytest.fixture
def balancer(tmp_path):
    """Before it is a node that ends TLS. The application sets its cookie for who has none, with Secure for https alone."""
    def serve(exchange):
        secure = "; Secure" if exchange.request.first("X-Forwarded-Proto") == "https" else ""
        exchange.answer(headers=[] if exchange.request.all("Cookie") else [("Set-Cookie", f"JSESSIONID=1; Path=/app{secure}")])

    with Single(tmp_path, session={"name": "JSESSIONID", "mode": "prefix"}) as single:
        for origin in single.origins.values():
            origin.handler = serve
        single.address = single.geodirector()
        yield single


def moved(single, headers) -> list[str]:
    """The cookie of a user whose server has gone."""
    return get(single.address, headers=[("Cookie", "JSESSIONID=A~1"), *headers]).all("Set-Cookie")


@pytest.mark.parametrize("first", ["http", "https"])
def test_attributes_are_those_of_the_users_own_scheme(balancer, first):
    schemes = {"http": ([], "JSESSIONID=B~1; Path=/app"), "https": (HTTPS, "JSESSIONID=B~1; Path=/app; Secure")}
    second = "https" if first == "http" else "http"
    balancer.origins["A"].stop()
    assert get(balancer.address, headers=schemes[first][0]).all("Set-Cookie")
    assert moved(balancer, schemes[first][0]) == [schemes[first][1]]
    # Not known yet of the other one.
    assert moved(balancer, schemes[second][0]) == []
    assert get(balancer.address, headers=schemes[second][0]).all("Set-Cookie")
    for scheme in (first, second):
        assert moved(balancer, schemes[scheme][0]) == [schemes[scheme][1]]
