"""What one more request costs a warm node with TLS on both sides and signed cookies: no heap allocation, no retain or release."""

import os

import pytest

from harness.certificates import Authority, SecureConnection, put
from harness.counting import ALLOCATIONS, REFERENCES, Counting
from harness.single import Single
from test_request_cost import REQUESTS, ask
from test_signed_cookies import signed

pytestmark = [pytest.mark.own, pytest.mark.timeout(60),
              pytest.mark.measures("it counts allocations, and a sanitizer makes its own")]

# What a request itself needed would be one at least; the rest is the look at certificates and keys each second, however long it takes.
PER_REQUEST_MAX = 0.25


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_request_on_kept_connections_allocates_and_retains_nothing(request, tmp_path, version):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    authority, counting, key = Authority(tmp_path), Counting(tmp_path), os.urandom(32)
    put(tmp_path / "keys", f"{key.hex()}\n".encode())
    with Single(tmp_path, names=("A",), role="site-director", site={"name": "SITE"}, check="10s",
                options={"upstream": {"tls": {"ca": str(authority.path)}}}) as single:
        site = single.data["sites"][0]
        site["directors"][0]["listen"] = [{"address": site["directors"][0]["listen"], "tls": str(authority.issue("shop.example"))}]
        site["balancers"][0] |= {"advertise": site["balancers"][0]["listen"], "tls": True}
        single.data["applications"][0]["cookies"] |= {"key-file": str(tmp_path / "keys"), "signing": "require"}
        context = single.origins["A"].context = authority.server(authority.issue("A"))
        context.minimum_version = context.maximum_version = authority.client(version=version).minimum_version
        single.wrapped_in = counting.before
        address = single.geodirector()
        fields = [[("Cookie", f"SITE={signed(key, 'SITE', 'HOME')}")]]
        with SecureConnection(address, authority.client(version=version)) as connection:
            ask(connection, fields, 400)
            before = counting.read()
            assert before["malloc"] and before["retain"], f"nothing was counted: {before}"
            ask(connection, fields, REQUESTS)
            spent = {name: (value - before[name]) / REQUESTS for name, value in counting.read().items()}
        assert len(single.origins["A"].names) <= 2, "connections were kept"
    assert max(spent[name] for name in (*ALLOCATIONS, *REFERENCES)) <= PER_REQUEST_MAX, f"for each request: {spent}"
