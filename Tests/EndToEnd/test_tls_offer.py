"""The table of what a listener with TLS offers, as a scanner would make it; docs/operations.md has the same one."""

import contextlib
import os
import pathlib

import pytest

from harness.certificates import Authority
from harness.single import Single
from harness.tls_offer import Offer, table
from harness.topology import REPOSITORY

pytestmark = [pytest.mark.own, pytest.mark.timeout(170)]


@pytest.fixture(scope="module")
def columns(request, tmp_path_factory):
    """Of one listener each: as it is by default, and with `minimum: "1.3"`; both with keys of both kinds, and a stapled response."""
    if request.config.getoption("--system") == "haproxy":
        pytest.skip("behaviour of ours, not of the reference")
    folder = tmp_path_factory.mktemp("offer")
    authority = Authority(folder)
    files = [str(authority.issue("shop.example", file=kind, kind=kind)) for kind in ("ec", "rsa")]
    for file in files:
        certificate = pathlib.Path(file).with_suffix(".crt")
        pathlib.Path(file + ".ocsp").write_bytes(authority.staple(certificate))
    with contextlib.ExitStack() as stack:
        single = stack.enter_context(Single(folder, role="site-director", tiers={"HOME": ["A"]}, site={"name": "SITE"}))
        entry = single.data["sites"][0]["directors"][0]
        addresses = {"default": (single.range.map("127.0.1.1"), 8080), '`minimum: "1.3"`': (single.range.map("127.0.1.1"), 8443)}
        settings = ({}, {"minimum": "1.3", "strict": True})
        entry["listen"] = [{"address": "{}:{}".format(*address), "tls": {"certificates": files, **more}}
                           for address, more in zip(addresses.values(), settings)]
        single.geodirector()
        found = {}
        for number, (title, address) in enumerate(addresses.items()):
            (folder / str(number)).mkdir()
            found[title] = Offer(address, "shop.example", authority.path, folder / str(number)).row()
        yield found


AEAD_WITH_FORWARD_SECRECY = {f"ECDHE-{key}-{cipher}" for key in ("ECDSA", "RSA")
                             for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")}


def test_nothing_old_and_nothing_weak_is_offered(columns):
    default, strict = columns.values()
    assert default["versions"].split(" ") == ["TLS\N{NO-BREAK SPACE}1.2", "TLS\N{NO-BREAK SPACE}1.3"]
    assert strict["versions"] == "TLS\N{NO-BREAK SPACE}1.3"
    assert set(default["suites of TLS 1.2, in the server's order"].split()) == AEAD_WITH_FORWARD_SECRECY
    assert strict["suites of TLS 1.2, in the server's order"] == "none"
    for row in (default, strict):
        assert row["suites of TLS 1.3"].split() == ["TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"]
        assert row["groups"].split() == ["X25519", "P-256", "P-384"]
        assert row["signatures"].split()[:2] == ["ecdsa_secp256r1_sha256", "rsa_pss_rsae_sha256"] and "SHA1" not in row["signatures"]
        assert (row["compression"], row["early data"]) == ("no", "refused")
        assert row["chain and name verify"] == "yes"


def test_no_client_can_make_the_server_work_or_weaken_the_connection(columns):
    default, strict = columns.values()
    assert default["renegotiation asked for by the client"] == default["downgrade with the fallback signal (RFC 7507)"] == "refused"
    assert default["secure renegotiation (RFC 5746)"] == default["extended master secret (RFC 7627)"] == "yes"
    assert all(strict[question] == "not in TLS 1.3" for question in (
        "renegotiation asked for by the client", "secure renegotiation (RFC 5746)", "extended master secret (RFC 7627)",
        "resumption by tickets, TLS 1.2", "resumption by session id", "downgrade with the fallback signal (RFC 7507)"))


def test_what_makes_it_quick_is_there(columns):
    default, strict = columns.values()
    for row in (default, strict):
        assert row["resumption by tickets, TLS 1.3"] == row["stapled OCSP response"] == "yes"
        assert row["protocols (ALPN)"] == "http/1.1 http/1.0"
    assert default["resumption by tickets, TLS 1.2"] == "yes" and default["resumption by session id"] == "no"
    assert (default["a name of no certificate"], strict["a name of no certificate"]) == ("the first certificate", "refused")


def test_the_documents_have_the_same_table(columns):
    """To write it anew after a change that is meant: GEODIRECTOR_WRITE_TABLE=1."""
    path = REPOSITORY / "docs" / "operations.md"
    text, made = path.read_text(), table(columns)
    begin = text.index("| | default | `minimum")
    end = text.index("\n\n", begin)
    if os.environ.get("GEODIRECTOR_WRITE_TABLE"):
        path.write_text(text[:begin] + made + text[end:])
        return
    assert text[begin:end] == made
