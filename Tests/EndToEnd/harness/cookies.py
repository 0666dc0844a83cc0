"""A user's cookie jar: the standard library's, which keeps path, domain and expiry as a browser does."""

import email.message
import http.cookiejar


class _Request:
    """The part of urllib's request that the jar asks for."""

    unverifiable = False

    def __init__(self, host: str, target: str, scheme: str):
        self.host, self.target, self.type, self.cookies = host, target, scheme, None
        self.origin_req_host = host

    def get_full_url(self):
        return f"{self.type}://{self.host}{self.target}"

    def get_host(self):
        return self.host

    def has_header(self, name):
        return False

    def get_header(self, name, default=None):
        return default

    def add_unredirected_header(self, name, value):
        if name == "Cookie":
            self.cookies = value


class _Response:
    def __init__(self, headers):
        self._message = email.message.Message()
        for name, value in headers:
            if name.lower() in ("set-cookie", "date"):
                self._message[name] = value

    def info(self):
        return self._message


class Jar:
    def __init__(self, host: str, is_secure: bool = False):
        self.host, self.scheme = host, "https" if is_secure else "http"
        self._jar = http.cookiejar.CookieJar()

    def header(self, target: str) -> str | None:
        """The Cookie header for a request."""
        request = _Request(self.host, target, self.scheme)
        self._jar.add_cookie_header(request)
        return request.cookies

    def learn(self, target: str, headers):
        """Takes in an answer's Set-Cookie headers."""
        if any(name.lower() == "set-cookie" for name, _ in headers):
            self._jar.extract_cookies(_Response(headers), _Request(self.host, target, self.scheme))

    def put(self, header: str):
        """Cookies the user had before, as in a Cookie header."""
        for part in header.split(";"):
            self.learn("/", [("Set-Cookie", f"{part.strip()}; Path=/")])

    def __len__(self):
        return len(self._jar)
