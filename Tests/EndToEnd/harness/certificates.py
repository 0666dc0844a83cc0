"""Authorities and certificates for one test, made with openssl; and connections that use them."""

import contextlib
import datetime
import pathlib
import re
import ssl
import subprocess

from .raw import RawConnection


def openssl(*arguments, given: bytes = b"") -> bytes:
    done = subprocess.run(["openssl", *map(str, arguments)], input=given, capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


class Authority:
    """Signs certificates into a folder: NAME.pem holds the certificate and its key."""

    def __init__(self, folder: pathlib.Path, name: str = "authority"):
        self.folder = folder / name
        self.folder.mkdir(parents=True)
        self.path, self._key = self.folder / "ca.pem", self.folder / "ca.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self._key,
                "-out", self.path, "-subj", f"/CN={name}", "-days", "30", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        (self.folder / "index").write_text("")
        (self.folder / "serial").write_text("1000\n")

    def issue(self, name: str, *hosts: str, days: tuple[int, int] = (-1, 20), file: str | None = None, kind: str = "ec") -> pathlib.Path:
        """A certificate for `hosts` (names, or addresses), good from the one day to the other, counted from today."""
        hosts = hosts or (name,)
        stem = self.folder / (file or name)
        request, key, signed = (stem.with_name(stem.name + end) for end in (".csr", ".private", ".crt"))
        made = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else ["rsa:2048"]
        openssl("req", "-new", "-newkey", *made, "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        names = ",".join(("IP:" if host.replace(".", "").isdigit() else "DNS:") + host for host in hosts)
        configuration = stem.with_name(stem.name + ".cnf")
        configuration.write_text(f"""[ca]
default_ca = own
[own]
database = {self.folder}/index
serial = {self.folder}/serial
new_certs_dir = {self.folder}
unique_subject = no
default_md = sha256
policy = any
x509_extensions = extensions
[any]
commonName = supplied
[extensions]
subjectAltName = {names}
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature
""")
        now = datetime.datetime.now(datetime.timezone.utc)
        begin, end = ((now + datetime.timedelta(days=day)).strftime("%Y%m%d%H%M%SZ") for day in days)
        openssl("ca", "-batch", "-notext", "-config", configuration, "-cert", self.path, "-keyfile", self._key, "-startdate",
                begin, "-enddate", end, "-in", request, "-out", signed)
        path = stem.with_name(stem.name + ".pem")
        # In one step: who watches the file sees the old one or the new one.
        new = path.with_name(path.name + ".new")
        new.write_bytes(signed.read_bytes() + key.read_bytes())
        new.chmod(0o600)
        new.rename(path)
        return path

    def staple(self, certificate: pathlib.Path, seconds: int | None = None) -> bytes:
        """A response of OCSP, in DER, that the certificate is good: for two days, or until so many seconds from now. The signature is only
        that of the former."""
        request, response = certificate.with_suffix(".req"), certificate.with_suffix(".resp")
        openssl("ocsp", "-issuer", self.path, "-cert", certificate, "-reqout", request, "-no_nonce")
        openssl("ocsp", "-index", self.folder / "index", "-CA", self.path, "-rsigner", self.path, "-rkey", self._key, "-reqin",
                request, "-respout", response, "-ndays", "2")
        made = response.read_bytes()
        if seconds is None:
            return made
        times = re.findall(rb"\x18\x0f(\d{14}Z)", made)
        now = datetime.datetime.now(datetime.timezone.utc)
        # When it was produced, and since and until when it is good.
        assert len(times) == 3, times
        begin, end = ((now + datetime.timedelta(seconds=at)).strftime("%Y%m%d%H%M%SZ").encode() for at in (seconds - 3600, seconds))
        head, _, rest = made.rpartition(times[2])
        head, _, between = head.rpartition(times[1])
        return head + begin + between + end + rest

    def client(self, certificate: pathlib.Path | None = None, version: str | None = None) -> ssl.SSLContext:
        """What a client trusts and shows."""
        context = ssl.create_default_context(cafile=str(self.path))
        if certificate:
            context.load_cert_chain(certificate)
        if version:
            context.minimum_version = context.maximum_version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
        return context

    def server(self, certificate: pathlib.Path, requires: "Authority | None" = None) -> ssl.SSLContext:
        """What a server shows, and whose certificates it requires."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        if requires:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(requires.path)
        return context


class SecureConnection(RawConnection):
    """A client's side of one TLS connection. `before` is sent ahead of it, in the clear; an end without close_notify is an error."""

    def __init__(self, address, context: ssl.SSLContext, name: str | None = "shop.example", before: bytes = b"", session=None,
                 seconds: float = 10.0):
        super().__init__(address, seconds)
        if before:
            self.socket.sendall(before)
        try:
            self.socket = context.wrap_socket(self.socket, server_hostname=name, session=session, suppress_ragged_eofs=False)
        except BaseException:
            self.socket.close()
            raise

    @property
    def subject(self) -> str:
        """Common name of the server's certificate."""
        return dict(pair for part in self.socket.getpeercert()["subject"] for pair in part)["commonName"]


def secure_get(address, context, target: str = "/", name: str = "shop.example", method: str = "GET", headers=(), body: bytes = b""):
    """One request on a TLS connection of its own."""
    with SecureConnection(address, context, name) as connection:
        return connection.ask(method, target, [*headers, ("Connection", "close")], body)


def s_client(address, *options, given: bytes = b"", seconds: float = 10.0) -> str:
    """What `openssl s_client` says; it ends with its input, or with the connection."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = subprocess.run(["openssl", "s_client", "-connect", "{}:{}".format(*address), *map(str, options)], input=given,
                              capture_output=True, timeout=seconds)
        return (done.stdout + done.stderr).decode(errors="replace")
    raise AssertionError("openssl s_client did not end")
