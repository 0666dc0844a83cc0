"""What a listener offers to whoever looks, asked with openssl's own tools: the questions that scanners such as testssl.sh ask."""

import contextlib
import pathlib
import re
import socket
import subprocess

from .certificates import openssl, s_client
from .raw import request

NONE = "Cipher is (NONE)"
# Everything the library still knows, at no level of security.
WEAK = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"


def flight(version: bytes) -> bytes:
    """A ClientHello of an old version, which today's tools do not make any more; its suites are AES128-SHA and 3DES."""
    body = version + bytes(range(32)) + b"\0" + b"\0\4\0\x2f\0\x0a" + b"\1\0"
    message = b"\1" + len(body).to_bytes(3, "big") + body
    return b"\x16" + version + len(message).to_bytes(2, "big") + message


def answer_to(address, sent: bytes) -> bytes:
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(sent)
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(4096):
                got += piece
    return got


class Offer:
    """The answers of the listener at an address; `name` is one that its certificate bears."""

    def __init__(self, address, name: str, authority, folder: pathlib.Path):
        self.address, self.name, self.authority, self.folder = address, name, authority, folder

    def ask(self, *options, given: bytes = b"") -> str:
        return s_client(self.address, "-servername", self.name, "-CAfile", self.authority, *options, given=given)

    def takes(self, *options) -> bool:
        return re.search(r"Cipher is (?!\(NONE\))", self.ask(*options)) is not None

    def versions(self) -> dict[str, bool]:
        found = {"SSL 3": answer_to(self.address, flight(b"\3\0"))[:1] == b"\x16"}
        for version, option in {"TLS 1.0": "-tls1", "TLS 1.1": "-tls1_1", "TLS 1.2": "-tls1_2", "TLS 1.3": "-tls1_3"}.items():
            found[version] = self.takes(option, "-cipher", WEAK)
        return found

    def suites_of_12(self) -> list[str]:
        """In the order in which the server prefers them."""
        every = subprocess.run(["openssl", "ciphers", "-s", "-tls1_2", WEAK], capture_output=True, text=True).stdout.strip().split(":")
        left, found = [name for name in every if not name.startswith("TLS_")], []
        while left:
            said = self.ask("-tls1_2", "-cipher", ":".join(left) + ":@SECLEVEL=0")
            chosen = re.search(r"Cipher is (\S+)", said)
            if chosen is None or chosen[1] == "(NONE)":
                return found
            found.append(chosen[1])
            left.remove(chosen[1])
        return found

    def suites_of_13(self) -> list[str]:
        every = ["TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256", "TLS_AES_128_CCM_SHA256",
                 "TLS_AES_128_CCM_8_SHA256"]
        return [name for name in every if self.takes("-tls1_3", "-ciphersuites", name)]

    def groups(self) -> list[str]:
        every = ["X25519", "P-256", "P-384", "P-521", "X448", "secp256k1", "ffdhe2048", "ffdhe3072", "brainpoolP256r1"]
        return [name for name in every if self.takes("-groups", name, "-cipher", WEAK)]

    def signatures(self) -> list[str]:
        every = ["ecdsa_secp256r1_sha256", "rsa_pss_rsae_sha256", "rsa_pkcs1_sha256", "RSA+SHA1", "ECDSA+SHA1"]
        return [name for name in every if any(self.takes(*version, "-sigalgs", name, "-cipher", WEAK) for version in ((), ("-tls1_2",)))]

    def renegotiates(self) -> bool | None:
        """None: the version has no such thing."""
        if not self.takes("-tls1_2"):
            return None
        # It reads commands as long as its input is open, and ends when the server has closed the connection.
        asking = subprocess.Popen(["openssl", "s_client", "-tls1_2", "-connect", "{}:{}".format(*self.address)],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        with asking:
            asking.stdin.write(b"R\n")
            asking.stdin.flush()
            said = asking.stdout.read().decode(errors="replace")
        assert "RENEGOTIATING" in said, said
        return not re.search("no renegotiation|handshake failure", said)

    def secures_renegotiation(self) -> bool | None:
        said = self.ask("-tls1_2")
        return None if NONE in said else "Secure Renegotiation IS supported" in said

    def compresses(self) -> bool:
        return "Compression: NONE" not in self.ask("-comp", "-cipher", "ALL:@SECLEVEL=0")

    def extends_the_master_secret(self) -> bool | None:
        said = self.ask("-tls1_2")
        return None if NONE in said else "Extended master secret: yes" in said

    def _session(self, version: str) -> tuple[pathlib.Path, str]:
        session = self.folder / f"session{version}"
        return session, self.ask(version, "-ign_eof", "-sess_out", session, given=request(headers=[("Connection", "close")]))

    def resumes(self, version: str) -> bool | None:
        session, said = self._session(version)
        if NONE in said:
            return None
        return session.exists() and "Reused, TLSv1" in self.ask(version, "-sess_in", session)

    def resumes_by_id(self) -> bool | None:
        """Without a ticket: by what the server would keep."""
        session = self.folder / "by-id"
        said = self.ask("-tls1_2", "-no_ticket", "-ign_eof", "-sess_out", session, given=request(headers=[("Connection", "close")]))
        if NONE in said:
            return None
        return session.exists() and "Reused, TLSv1" in self.ask("-tls1_2", "-no_ticket", "-sess_in", session)

    def takes_early_data(self) -> bool:
        session, _ = self._session("-tls1_3")
        early = self.folder / "early"
        early.write_bytes(request())
        said = self.ask("-tls1_3", "-sess_in", session, "-early_data", early)
        assert "Reused, TLSv1.3" in said, said
        return "Early data was accepted" in said

    def allows_a_downgrade(self) -> bool | None:
        """A client that says that it fell back (RFC 7507), though the server speaks more."""
        if not self.takes("-tls1_2"):
            return None
        said = self.ask("-tls1_2", "-fallback_scsv")
        return "inappropriate fallback" not in said

    def staples(self) -> bool:
        """For the certificate that is shown, whichever kind of key a client can use."""
        for algorithm in ("ecdsa_secp256r1_sha256", "rsa_pss_rsae_sha256"):
            said = self.ask("-status", "-sigalgs", algorithm)
            stapled = re.search(r"Serial Number: ([0-9A-F]+)", said)
            if "OCSP Response Status: successful" not in said or not stapled:
                return False
            # Behind the response's own.
            begin = said.index("-----BEGIN CERTIFICATE", said.index("Server certificate"))
            end = said.index("-----END CERTIFICATE-----", begin)
            shown = openssl("x509", "-noout", "-serial", given=said[begin:end + 25].encode()).decode().strip()
            assert shown == "serial=" + stapled[1], (algorithm, shown, stapled[1])
        return True

    def protocols(self) -> list[str]:
        return [name for name in ("http/1.1", "http/1.0", "h2", "spdy/3") if f"ALPN protocol: {name}" in self.ask("-alpn", name)]

    def shows_to_strangers(self, name: str) -> str:
        said = s_client(self.address, "-servername", name)
        return "refused" if "no peer certificate available" in said else "the first certificate"

    def chain_is_whole(self) -> bool:
        return "Verify return code: 0 (ok)" in self.ask("-verify_hostname", self.name)

    def row(self) -> dict[str, str]:
        """Every question with its answer, as people read them."""
        def said(value, yes="yes", no="no", absent="not in TLS 1.3"):
            return absent if value is None else yes if value else no

        def listed(names):
            return " ".join(names) if names else "none"

        versions = self.versions()
        return {
            "versions": listed(name.replace(" ", "\N{NO-BREAK SPACE}") for name, taken in versions.items() if taken),
            "suites of TLS 1.2, in the server's order": listed(self.suites_of_12()),
            "suites of TLS 1.3": listed(self.suites_of_13()),
            "groups": listed(self.groups()),
            "signatures": listed(self.signatures()),
            "renegotiation asked for by the client": said(self.renegotiates(), "done", "refused"),
            "secure renegotiation (RFC 5746)": said(self.secures_renegotiation()),
            "compression": said(self.compresses()),
            "extended master secret (RFC 7627)": said(self.extends_the_master_secret()),
            "resumption by tickets, TLS 1.2": said(self.resumes("-tls1_2")),
            "resumption by tickets, TLS 1.3": said(self.resumes("-tls1_3")),
            "resumption by session id": said(self.resumes_by_id()),
            "early data": said(self.takes_early_data(), "taken", "refused"),
            "downgrade with the fallback signal (RFC 7507)": said(self.allows_a_downgrade(), "allowed", "refused"),
            "stapled OCSP response": said(self.staples()),
            "protocols (ALPN)": listed(self.protocols()),
            "a name of no certificate": self.shows_to_strangers("stranger.example"),
            "chain and name verify": said(self.chain_is_whole()),
        }


def table(columns: dict[str, dict[str, str]]) -> str:
    """The rows of several listeners side by side, as docs have tables."""
    titles = list(columns)
    lines = ["| | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
    for question in columns[titles[0]]:
        lines.append(f"| {question} | " + " | ".join(columns[title][question] for title in titles) + " |")
    return "\n".join(lines)
