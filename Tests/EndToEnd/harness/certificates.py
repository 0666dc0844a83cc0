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


def put(path: pathlib.Path, data: bytes):
    """Writes a file of secrets in one step: who watches it sees the old one or the new one."""
    new = path.with_name(path.name + ".new")
    new.write_bytes(data)
    new.chmod(0o600)
    new.rename(path)


def _days(begin: float, seconds: int | None) -> tuple[float, float]:
    return begin, 20 if seconds is None else seconds / 86_400


class Authority:
    """Signs certificates into a folder: NAME.pem holds the certificate, those between it and the root, and its key.

    `path` is the root's certificate, which others are to trust.
    """

    def __init__(self, folder: pathlib.Path, name: str = "authority", above: "Authority | None" = None, seconds: int | None = None,
                 more: str = ""):
        """A root; or one below `above`, good until `seconds` from now (that is `until`, in Unix seconds), with `more` lines of extensions."""
        self.folder = folder / name
        self.folder.mkdir(parents=True)
        self._own, self._key, self._above = self.folder / "ca.pem", self.folder / "ca.key", above
        self.path = above.path if above else self._own
        (self.folder / "index").write_text("")
        (self.folder / "serial").write_text("1000\n")
        made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self._key, "-subj", f"/CN={name}"]
        if above:
            request = self.folder / "ca.csr"
            openssl("req", "-new", *made, "-out", request)
            self.until = above._sign(request, self._own, self.folder / "ca", _days(-1, seconds),
                        "basicConstraints = critical,CA:true\nkeyUsage = critical,keyCertSign,cRLSign\n" + more)
        else:
            openssl("req", "-x509", *made, "-out", self._own, "-days", "30", "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    @property
    def _between(self) -> bytes:
        """The certificates between what is signed and the root."""
        return self._own.read_bytes() + self._above._between if self._above else b""

    def issue(self, name: str, *hosts: str, days: tuple[float, float] = (-1, 20), file: str | None = None, kind: str = "ec",
              usage: str | None = None, seconds: int | None = None) -> pathlib.Path:
        """A certificate for `hosts` (names, or addresses), good from the one day to the other, counted from today, or until `seconds` from
        now; for `usage` (`serverAuth`, ...) alone, or without a word of what it is for."""
        hosts = hosts or (name,)
        stem = self.folder / (file or name)
        request, key, signed = (stem.with_name(stem.name + end) for end in (".csr", ".private", ".crt"))
        made = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else ["rsa:2048"]
        openssl("req", "-new", "-newkey", *made, "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        names = ",".join(("IP:" if host.replace(".", "").isdigit() else "DNS:") + host for host in hosts)
        self._sign(request, signed, stem, days if seconds is None else _days(days[0], seconds),
                   f"subjectAltName = {names}\nbasicConstraints = critical,CA:false\nkeyUsage = critical,digitalSignature\n"
                   + (f"extendedKeyUsage = {usage}\n" if usage else ""))
        path = stem.with_name(stem.name + ".pem")
        put(path, signed.read_bytes() + self._between + key.read_bytes())
        return path

    def _sign(self, request: pathlib.Path, signed: pathlib.Path, stem: pathlib.Path, days: tuple[float, float], extensions: str) -> int:
        """The first second at which it is over."""
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
{extensions}""")
        now = datetime.datetime.now(datetime.timezone.utc)
        begin, end = (now + datetime.timedelta(days=day) for day in days)
        openssl("ca", "-batch", "-notext", "-config", configuration, "-cert", self._own, "-keyfile", self._key, "-startdate",
                f"{begin:%Y%m%d%H%M%SZ}", "-enddate", f"{end:%Y%m%d%H%M%SZ}", "-in", request, "-out", signed)
        return int(end.timestamp())

    def staple(self, certificate: pathlib.Path, seconds: int | None = None, revoked: bool = False) -> bytes:
        """A response of OCSP, in DER, that the certificate is good: for two days, or for an hour until so many seconds from now (the signature
        is only that of the former). Or that all are revoked."""
        request, response = certificate.with_suffix(".req"), certificate.with_suffix(".resp")
        openssl("ocsp", "-issuer", self._own, "-cert", certificate, "-reqout", request, "-no_nonce")
        index = self.folder / "index"
        if revoked:
            lines = [line.split("\t") for line in index.read_text().splitlines()]
            index = self.folder / "index.revoked"
            index.write_text("".join("\t".join(["R", line[1], "260101000000Z", *line[3:]]) + "\n" for line in lines))
        openssl("ocsp", "-index", index, "-CA", self._own, "-rsigner", self._own, "-rkey", self._key, "-reqin",
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
