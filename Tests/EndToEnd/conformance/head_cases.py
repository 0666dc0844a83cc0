"""Request lines, Host and field lines (RFC 9112 sections 2, 3 and 5; RFC 9110 sections 5 and 7.2)."""

from .judge import RequestCase

EITHER, FORWARD, REFUSE = "either", "forward", "refuse"
# Request lines as sent with `Host: a`: section, outcome, status, and the target that a server must see.
_LINES: list[tuple[bytes, str, str, int, str]] = [
    (b"GET /t HTTP/1.1", "3", FORWARD, 0, "/t"), (b"get /t HTTP/1.1", "3.1", FORWARD, 0, "/t"),
    (b"QUERY-2 /t HTTP/1.1", "3.1", FORWARD, 0, "/t"), (b"!#$%&'*+-.^_`|~ /t HTTP/1.1", "3.1", FORWARD, 0, "/t"),
    (b"GET  /t HTTP/1.1", "3", REFUSE, 400, ""), (b"GET /t  HTTP/1.1", "3", REFUSE, 400, ""),
    (b"GET\t/t HTTP/1.1", "3", REFUSE, 400, ""), (b"GET /t\tHTTP/1.1", "3", REFUSE, 400, ""),
    (b" GET /t HTTP/1.1", "3", REFUSE, 400, ""), (b"\tGET /t HTTP/1.1", "3", REFUSE, 400, ""),
    (b"GET /t HTTP/1.1 ", "3", REFUSE, 400, ""), (b"GET /t HTTP/1.1\t", "3", REFUSE, 400, ""),
    (b"GET /t HTTP/1.1 x", "3", REFUSE, 400, ""), (b"GET /t", "3", REFUSE, 400, ""), (b"GET", "3", REFUSE, 400, ""),
    (b"GET /t ", "3", REFUSE, 400, ""), (b"/t HTTP/1.1", "3", REFUSE, 400, ""), (b"GET HTTP/1.1", "3", REFUSE, 400, ""),
    (b"GET\x0b/t\x0bHTTP/1.1", "3", REFUSE, 400, ""), (b"GET\x0c/t HTTP/1.1", "3", REFUSE, 400, ""),
    (b"GET\xa0/t HTTP/1.1", "3", REFUSE, 400, ""), (b"G(T /t HTTP/1.1", "3.1", REFUSE, 400, ""),
    (b"G:T /t HTTP/1.1", "3.1", REFUSE, 400, ""), (b"G\"T /t HTTP/1.1", "3.1", REFUSE, 400, ""),
    (b"G\0T /t HTTP/1.1", "3.1", REFUSE, 400, ""), (b"\0GET /t HTTP/1.1", "3.1", REFUSE, 400, ""),
    (b"G\xe9T /t HTTP/1.1", "3.1", REFUSE, 400, ""), (b"GET\r /t HTTP/1.1", "2.2", REFUSE, 400, ""),
    (b"GET /t\r HTTP/1.1", "2.2", REFUSE, 400, ""), (b"GET /t HTTP/1.1\r", "2.2", REFUSE, 400, ""),
    (b"GET /t HTTP/1.1\rX: y", "2.2", REFUSE, 400, ""), (b"GET /t\n HTTP/1.1", "2.2", REFUSE, 400, ""),
    # Versions.
    (b"GET /t http/1.1", "2.3", REFUSE, 400, ""), (b"GET /t HTTP/1", "2.3", REFUSE, 400, ""),
    (b"GET /t HTTP/1.", "2.3", REFUSE, 400, ""), (b"GET /t HTTP/1.1x", "2.3", REFUSE, 400, ""),
    (b"GET /t HTTP/11", "2.3", REFUSE, 400, ""), (b"GET /t HTTP/1.10", "2.3", REFUSE, 400, ""),
    (b"GET /t HTTP/01.1", "2.3", REFUSE, 400, ""), (b"GET /t HTTP/1,1", "2.3", REFUSE, 400, ""),
    (b"GET /t HTTP/1. 1", "2.3", REFUSE, 400, ""), (b"GET /t HTTP /1.1", "2.3", REFUSE, 400, ""),
    (b"GET /t HTTP/+1.1", "2.3", REFUSE, 400, ""), (b"GET /t HTTP/1.1\0", "2.3", REFUSE, 400, ""),
    (b"GET /t XTTP/1.1", "2.3", REFUSE, 400, ""), (b"GET /t ICY/1.1", "2.3", REFUSE, 400, ""),
    (b"GET /t HTTP/0.9", "2.3", REFUSE, 400, ""), (b"GET /t HTTP/2.0", "2.3", REFUSE, 505, ""),
    (b"GET /t HTTP/3.0", "2.3", REFUSE, 505, ""), (b"GET /t HTTP/9.9", "2.3", REFUSE, 505, ""),
    (b"GET /t HTTP/1.2", "2.3", EITHER, 505, "/t"), (b"PRI * HTTP/2.0", "2.3", REFUSE, 0, ""),
    # Targets.
    (b"GET /t?a=b&c=%20 HTTP/1.1", "3.2.1", FORWARD, 0, "/t?a=b&c=%20"), (b"GET //t HTTP/1.1", "3.2.1", FORWARD, 0, "//t"),
    (b"GET /a/../t HTTP/1.1", "3.2.1", EITHER, 400, "/a/../t"), (b"GET /%2e%2e/t HTTP/1.1", "3.2.1", EITHER, 400, "/%2e%2e/t"),
    (b"GET /%00 HTTP/1.1", "3.2.1", EITHER, 400, "/%00"), (b"GET /%zz HTTP/1.1", "3.2.1", EITHER, 400, "/%zz"),
    (b"GET t HTTP/1.1", "3.2", REFUSE, 400, ""), (b"GET ?t HTTP/1.1", "3.2", REFUSE, 400, ""),
    (b"GET * HTTP/1.1", "3.2.4", REFUSE, 400, ""), (b"GET /t#f HTTP/1.1", "3.2", REFUSE, 400, ""),
    (b"GET /t\0 HTTP/1.1", "3.2", REFUSE, 400, ""), (b"GET /\x01t HTTP/1.1", "3.2", REFUSE, 400, ""),
    (b"GET /t\x7f HTTP/1.1", "3.2", REFUSE, 400, ""), (b"GET /\xc3\xa9 HTTP/1.1", "3.2", REFUSE, 400, ""),
    (b"GET /t x HTTP/1.1", "3.2", REFUSE, 400, ""), (b"GET a:80 HTTP/1.1", "3.2.3", REFUSE, 400, ""),
    (b"CONNECT a:80 HTTP/1.1", "3.2.3", REFUSE, 501, ""), (b"CONNECT /t HTTP/1.1", "3.2.3", REFUSE, 501, ""),
    (b"OPTIONS * HTTP/1.1", "3.2.4", FORWARD, 0, "*"), (b"OPTIONS ** HTTP/1.1", "3.2.4", REFUSE, 400, ""),
    (b"GET http://a/t HTTP/1.1", "3.2.2", FORWARD, 0, "/t"), (b"GET HTTP://A/t HTTP/1.1", "3.2.2", FORWARD, 0, "/t"),
    (b"GET http://b/t HTTP/1.1", "3.2.2", FORWARD, 0, "/t"), (b"GET http://b:81/t HTTP/1.1", "3.2.2", FORWARD, 0, "/t"),
    (b"GET https://a/t HTTP/1.1", "3.2.2", EITHER, 400, "/t"), (b"GET http://a HTTP/1.1", "3.2.2", FORWARD, 0, "/"),
    (b"GET http://a?q HTTP/1.1", "3.2.2", FORWARD, 0, "/?q"), (b"OPTIONS http://a HTTP/1.1", "3.2.4", FORWARD, 0, "*"),
    (b"GET http:///t HTTP/1.1", "3.2.2", REFUSE, 400, ""), (b"GET http:// HTTP/1.1", "3.2.2", REFUSE, 400, ""),
    (b"GET http:/t HTTP/1.1", "3.2.2", REFUSE, 400, ""), (b"GET http:t HTTP/1.1", "3.2.2", REFUSE, 400, ""),
    (b"GET http://u@a/t HTTP/1.1", "3.2.2", REFUSE, 400, ""), (b"GET http://a:b@c/t HTTP/1.1", "3.2.2", REFUSE, 400, ""),
    (b"GET http://a b/t HTTP/1.1", "3.2.2", REFUSE, 400, ""), (b"GET http://a:x/t HTTP/1.1", "3.2.2", REFUSE, 400, ""),
    (b"GET http://a:99999/t HTTP/1.1", "3.2.2", REFUSE, 400, ""), (b"GET http://a\\b/t HTTP/1.1", "3.2.2", REFUSE, 400, ""),
    (b"GET http://[::1/t HTTP/1.1", "3.2.2", REFUSE, 400, ""), (b"GET ftp://a/t HTTP/1.1", "3.2.2", REFUSE, 400, ""),
    (b"GET http://a#f HTTP/1.1", "3.2.2", REFUSE, 400, ""),
]

# Everything between `GET /t HTTP/1.1` CRLF and the empty line: Host (RFC 9112 section 3.2).
_HOSTS: list[tuple[bytes, str]] = [
    (b"Host: a\r\n", FORWARD), (b"host:a:80\r\n", FORWARD), (b"HOST: A.example.\r\n", FORWARD), (b"Host: [::1]:80\r\n", FORWARD),
    (b"Host: 127.0.0.1\r\n", FORWARD), (b"Host: \t a \t\r\n", FORWARD), (b"Host: a_b~c\r\n", FORWARD), (b"Host: a:\r\n", EITHER),
    (b"Host: a%20b\r\n", EITHER), (b"", REFUSE), (b"X: y\r\n", REFUSE), (b"Host:\r\n", REFUSE), (b"Host: \r\n", REFUSE),
    (b"Host: a\r\nHost: a\r\n", REFUSE), (b"Host: a\r\nHost: b\r\n", REFUSE), (b"Host: a\r\nhost: a\r\n", REFUSE),
    (b"Host:\r\nHost: a\r\n", REFUSE), (b"Host: a\r\nX: y\r\nHost: b\r\n", REFUSE), (b"Host: a, b\r\n", REFUSE),
    (b"Host: a,b\r\n", REFUSE), (b"Host: a b\r\n", REFUSE), (b"Host: a\tb\r\n", REFUSE), (b"Host: a/b\r\n", REFUSE),
    (b"Host: /\r\n", REFUSE), (b"Host: a?b\r\n", REFUSE), (b"Host: a#b\r\n", REFUSE), (b"Host: u@a\r\n", REFUSE),
    (b"Host: a\\b\r\n", REFUSE), (b"Host: http://a\r\n", REFUSE), (b"Host: a:80:80\r\n", REFUSE), (b"Host: a:x\r\n", REFUSE),
    (b"Host: a:-1\r\n", REFUSE), (b"Host: a:65536\r\n", REFUSE), (b"Host: a:080808\r\n", REFUSE), (b"Host: :80\r\n", REFUSE),
    (b"Host: ::1\r\n", REFUSE), (b"Host: [::1\r\n", REFUSE), (b"Host: [::1]x\r\n", REFUSE), (b"Host: [a]\r\n", REFUSE),
    (b"Host: []\r\n", REFUSE), (b"Host: a]\r\n", REFUSE), (b"Host: \"a\"\r\n", REFUSE), (b"Host: <a>\r\n", REFUSE),
    (b"Host: a\0\r\n", REFUSE), (b"Host: \0\r\n", REFUSE), (b"Host: a\x01b\r\n", REFUSE), (b"Host: a\x7f\r\n", REFUSE),
    (b"Host: \xe9\r\n", REFUSE), (b"Host: a%\r\n", REFUSE), (b"Host: a%zz\r\n", REFUSE), (b"Host:\r\n a\r\n", REFUSE),
    (b"Host: a\r\n b\r\n", REFUSE), (b"Host : a\r\n", REFUSE), (b"Host\t: a\r\n", REFUSE), (b" Host: a\r\n", REFUSE),
    (b"Host\0: a\r\n", REFUSE), (b"Host: a\n", REFUSE), (b"X: y\rHost: a\r\n", REFUSE), (b"X: y\nHost: a\r\n", REFUSE),
    (b"Host a\r\n", REFUSE), (b"Host: a\rHost: b\r\n", REFUSE), (b"Host: a\r\n\tHost: b\r\n", REFUSE),
]

# One more field line behind `Host: a`: RFC 9112 section 5, RFC 9110 section 5.5.
_FIELDS: list[tuple[bytes, str, str]] = [
    (b"X:\r\n", "5", FORWARD), (b"X: \t\r\n", "5", FORWARD), (b"X: a\tb  c\r\n", "5", FORWARD), (b"X: \xe9\xff\r\n", "5", FORWARD),
    (b"!#$%&'*+-.^_`|~: y\r\n", "5", FORWARD), (b"X: \"a\\\"b\"\r\n", "5", FORWARD), (b"Content_Length: 5\r\n", "5", EITHER),
    (b"Transfer_Encoding: chunked\r\n", "5", EITHER), (b"Content-Length-X: 5\r\n", "5", FORWARD),
    (b"X: y\n", "2.2", REFUSE), (b"X: y\r", "2.2", REFUSE), (b"X: y\rz\r\n", "2.2", REFUSE), (b"X: y\r\r\n", "2.2", REFUSE),
    (b"X: \ry\r\n", "2.2", REFUSE), (b"X: y\nZ: z\r\n", "2.2", REFUSE), (b"X: y\rZ: z\r\n", "2.2", REFUSE),
    (b"\rX: y\r\n", "2.2", REFUSE), (b"\nX: y\r\n", "2.2", REFUSE), (b"X\r: y\r\n", "2.2", REFUSE), (b"X\n: y\r\n", "2.2", REFUSE),
    (b"X: a\0b\r\n", "5.5", REFUSE), (b"X: \0\r\n", "5.5", REFUSE), (b"X:\0y\r\n", "5.5", REFUSE), (b"X\0Y: y\r\n", "5.1", REFUSE),
    (b"\0: y\r\n", "5.1", REFUSE), (b"\0X: y\r\n", "5.1", REFUSE), (b"X: \x01\r\n", "5.5", REFUSE), (b"X: \x1b[2J\r\n", "5.5", REFUSE),
    (b"X: \x7f\r\n", "5.5", REFUSE), (b"X: \x08\r\n", "5.5", REFUSE), (b"X: \x0b\r\n", "5.5", REFUSE),
    (b"X : y\r\n", "5.1", REFUSE), (b"X\t: y\r\n", "5.1", REFUSE), (b"X  \t : y\r\n", "5.1", REFUSE), (b": y\r\n", "5.1", REFUSE),
    (b":\r\n", "5.1", REFUSE), (b"X\r\n", "5.1", REFUSE), (b"X y\r\n", "5.1", REFUSE), (b"X Y: z\r\n", "5.1", REFUSE),
    (b"X(: y\r\n", "5.1", REFUSE), (b"X@Y: z\r\n", "5.1", REFUSE), (b"\"X\": y\r\n", "5.1", REFUSE), (b"X\xe9: y\r\n", "5.1", REFUSE),
    (b"X/Y: z\r\n", "5.1", REFUSE), (b"X=Y: z\r\n", "5.1", REFUSE), (b"X\x7f: y\r\n", "5.1", REFUSE), (b"X,Y: z\r\n", "5.1", REFUSE),
    (b"X: y\r\n z\r\n", "5.2", REFUSE), (b"X: y\r\n\tz\r\n", "5.2", REFUSE), (b"X: y\r\n \r\n", "5.2", REFUSE),
    (b"X:\r\n y\r\n", "5.2", REFUSE), (b"X: y\r\n Content-Length: 5\r\n", "5.2", REFUSE), (b" \r\n", "5.2", REFUSE),
    (b"X: y\n z\r\n", "5.2", REFUSE), (b"Connection: close, , ,\r\n", "5.6.1", FORWARD), (b"Connection: , ,,\r\n", "5.6.1", FORWARD),
    (b"Connection:\r\n", "5.6.1", FORWARD), (b"Expect: 100-continue\r\n", "10.1.1", FORWARD),
]

# Whole messages.
_WHOLE: list[tuple[str, str, bytes, str, str]] = [
    ("bare LF everywhere", "2.2", b"GET /t HTTP/1.1\nHost: a\n\n", REFUSE, ""),
    ("bare LF behind the request line", "2.2", b"GET /t HTTP/1.1\nHost: a\r\n\r\n", REFUSE, ""),
    ("bare LF ends the head", "2.2", b"GET /t HTTP/1.1\r\nHost: a\r\n\n", REFUSE, ""),
    ("LF CR ends the head", "2.2", b"GET /t HTTP/1.1\r\nHost: a\r\n\n\r\n", REFUSE, ""),
    ("bare CR everywhere", "2.2", b"GET /t HTTP/1.1\rHost: a\r\r\n\r\n", REFUSE, ""),
    ("white space before the first field", "2.2", b"GET /t HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n", REFUSE, ""),
    ("tab before the first field", "2.2", b"GET /t HTTP/1.1\r\n\tHost: a\r\nHost: a\r\n\r\n", REFUSE, ""),
    ("an empty line of a space before the first field", "2.2", b"GET /t HTTP/1.1\r\n \r\nHost: a\r\n\r\n", REFUSE, ""),
    ("one empty line before", "2.2", b"\r\nGET /t HTTP/1.1\r\nHost: a\r\n\r\n", FORWARD, "/t"),
    ("two empty lines before", "2.2", b"\r\n\r\nGET /t HTTP/1.1\r\nHost: a\r\n\r\n", EITHER, "/t"),
    ("many empty lines before", "2.2", b"\r\n" * 50 + b"GET /t HTTP/1.1\r\nHost: a\r\n\r\n", EITHER, "/t"),
    ("bare LF before", "2.2", b"\nGET /t HTTP/1.1\r\nHost: a\r\n\r\n", REFUSE, ""),
    ("bare CR before", "2.2", b"\rGET /t HTTP/1.1\r\nHost: a\r\n\r\n", REFUSE, ""),
    ("an HTTP/0.9 request", "2.3", b"GET /t\r\n\r\n", REFUSE, ""),
    ("the preface of HTTP/2", "2.3", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", REFUSE, ""),
    ("a TLS hello", "2.3", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32), REFUSE, ""),
    ("a PROXY line nobody configured", "2.3", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\nGET /t HTTP/1.1\r\nHost: a\r\n\r\n", REFUSE, ""),
    ("HTTP/1.0 without a host", "3.2", b"GET /t HTTP/1.0\r\n\r\n", FORWARD, "/t"),
    ("HTTP/1.0 with a host", "3.2", b"GET /t HTTP/1.0\r\nHost: a\r\n\r\n", FORWARD, "/t"),
    ("HTTP/1.0 with two hosts", "3.2", b"GET /t HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", REFUSE, ""),
    ("HTTP/1.0 with an invalid host", "3.2", b"GET /t HTTP/1.0\r\nHost: a b\r\n\r\n", REFUSE, ""),
    ("absolute form without Host", "3.2", b"GET http://a/t HTTP/1.1\r\n\r\n", REFUSE, ""),
    ("absolute form with two hosts", "3.2", b"GET http://a/t HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", REFUSE, ""),
    ("absolute form with an invalid host", "3.2", b"GET http://a/t HTTP/1.1\r\nHost: a b\r\n\r\n", REFUSE, ""),
    ("absolute form in HTTP/1.0 without Host", "3.2.2", b"GET http://a/t HTTP/1.0\r\n\r\n", FORWARD, "/t"),
]


def _named(text: bytes) -> str:
    return text.decode("latin-1").encode("unicode_escape").decode()


def _strict(text: bytes) -> bool:
    """Lines may be unfolded, and bare LF may end them (RFC 9112 sections 2.2 and 5.2)."""
    return b"\n" not in text.replace(b"\r\n", b"") and b"\r\n " not in text and b"\r\n\t" not in text and text[:1] not in b" \t"


# Values of Host that the grammar allows all the same.
_LAX_HOSTS = (b"Host:\r\n", b"Host: \r\n", b"Host: a,b\r\n", b"Host: a:65536\r\n", b"Host: a:080808\r\n")


def _cases():
    for line, section, outcome, status, target in _LINES:
        yield RequestCase(_named(line), section, line + b"\r\nHost: a\r\n\r\n", outcome, b"", status or 0, target or "/t",
                          must=outcome == FORWARD and section.startswith("3.2"))
    for fields, outcome in _HOSTS:
        yield RequestCase("host " + _named(fields), "3.2", b"GET /t HTTP/1.1\r\n" + fields + b"\r\n", outcome,
                          must=_strict(fields) and fields not in _LAX_HOSTS)
    for field, section, outcome in _FIELDS:
        yield RequestCase("field " + _named(field), section, b"GET /t HTTP/1.1\r\nHost: a\r\n" + field + b"\r\n", outcome,
                          must=_strict(field) and (b"\0" in field or b"\r" in field[:-2] or b" :" in field or b"\t:" in field))
    for name, section, sent, outcome, target in _WHOLE:
        yield RequestCase(name, section, sent, outcome, b"", 0, target or "/t", must=section.startswith("3"))


CASES = list(_cases())
