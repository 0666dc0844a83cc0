"""A node started as root gives its privileges up when its sockets are bound."""

import contextlib
import grp
import os
import pathlib
import pwd
import signal

import pytest

from harness import waiting
from harness.certificates import Authority, SecureConnection
from harness.raw import get
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.timeout(60), pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")]
USER = "nobody"


@pytest.fixture
def node(request, tmp_path):
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    with contextlib.ExitStack() as stack:

        def starter(prepare=lambda single: None, **options):
            single = stack.enter_context(Single(tmp_path, names=("A",), options=options))
            prepare(single)
            single.address = single.geodirector()
            single.said = lambda: single.nodes["geodirector"].err.read_text()
            return single

        yield starter


def status(single) -> dict[str, list[str]]:
    text = pathlib.Path(f"/proc/{single.nodes['geodirector'].process.pid}/status").read_text()
    return {key: value.split() for key, _, value in (line.partition(":") for line in text.splitlines())}


def test_it_serves_on_as_the_user_with_no_way_back(node):
    single = node(user=USER)
    assert get(single.address).status == 200
    told, entry = status(single), pwd.getpwnam(USER)
    assert told["Uid"] == [str(entry.pw_uid)] * 4 and told["Gid"] == [str(entry.pw_gid)] * 4
    assert told["Groups"] == [] and told["CapEff"] == told["CapPrm"] == ["0000000000000000"]
    # Every thread.
    threads = pathlib.Path(f"/proc/{single.nodes['geodirector'].process.pid}/task")
    assert all(f"Uid:\t{entry.pw_uid}\t" in (thread / "status").read_text() for thread in threads.iterdir())


def test_the_group_may_be_another(node):
    single = node(user=USER, group="daemon")
    assert get(single.address).status == 200
    assert status(single)["Gid"] == [str(grp.getgrnam("daemon").gr_gid)] * 4


def test_ports_and_keys_of_root_are_had_and_what_cannot_be_read_again_is_named(node, tmp_path):
    authority = Authority(tmp_path)
    certificate = authority.issue("shop.example")

    def secure(single):
        listen = single.range.map("127.0.1.1")
        single.data["sites"][0]["balancers"][0]["listen"] = [{"address": f"{listen}:8080"}, {"address": f"{listen}:443", "tls": str(certificate)}]

    single = node(secure, user=USER)
    with SecureConnection((single.address[0], 443), authority.client()) as connection:
        assert connection.ask().status == 200
    assert f"{certificate} can be read no more since privileges were given up" in single.said()
    single.nodes["geodirector"].send(signal.SIGHUP)
    waiting.until(lambda: "certificates stay as they were" in single.said(), "the line in the log")
    with SecureConnection((single.address[0], 443), authority.client()) as connection:
        assert connection.ask().status == 200


def test_an_unknown_user_is_an_error_before_anything_is_bound(node):
    with pytest.raises(AssertionError, match='ended with 78(?s:.*)there is no user "nobody-of-that-name"'):
        node(user="nobody-of-that-name")
