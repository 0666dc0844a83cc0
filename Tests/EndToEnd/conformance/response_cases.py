"""Responses of a server that is broken or means ill (RFC 9112 sections 4 to 8, RFC 9110 section 15)."""

from .judge import ResponseCase

EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
REFUSED, WHOLE, CUT = ("refused",), ("whole",), ("cut",)
BROKEN = ("refused", "cut")
ANY = ("whole", "refused", "cut")


def _ok(fields: bytes, rest: bytes = b"hello", line: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return line + b"\r\n" + fields + b"\r\n" + rest


# Status line, outcomes, status the client is to get.
_STATUS_LINES: list[tuple[bytes, tuple[str, ...], int]] = [
    (b"HTTP/1.1 200 OK", WHOLE, 200), (b"HTTP/1.1 200 ", WHOLE, 200), (b"HTTP/1.1 200", ("whole", "refused"), 200),
    (b"HTTP/1.1 299 \xe9\ttext", WHOLE, 299), (b"HTTP/1.0 200 OK", WHOLE, 200), (b"HTTP/1.1 599 x", WHOLE, 599),
    (b"HTTP/1.1  200 OK", REFUSED, 0), (b"HTTP/1.1\t200 OK", REFUSED, 0), (b" HTTP/1.1 200 OK", REFUSED, 0),
    (b"HTTP/1.1 20 OK", REFUSED, 0), (b"HTTP/1.1 2000 OK", REFUSED, 0), (b"HTTP/1.1 0200 OK", REFUSED, 0),
    (b"HTTP/1.1 +200 OK", REFUSED, 0), (b"HTTP/1.1 -200 OK", REFUSED, 0), (b"HTTP/1.1 2x0 OK", REFUSED, 0),
    (b"HTTP/1.1 0x200 OK", REFUSED, 0), (b"HTTP/1.1 OK", REFUSED, 0), (b"HTTP/1.1", REFUSED, 0), (b"HTTP/1.1 ", REFUSED, 0),
    (b"HTTP/1.1 000 OK", REFUSED, 0), (b"HTTP/1.1 099 OK", REFUSED, 0), (b"HTTP/1.1 600 OK", REFUSED, 0),
    (b"HTTP/1.1 999 OK", REFUSED, 0), (b"HTTP/1.1 200\tOK", REFUSED, 0), (b"HTTP/1.1 200OK", REFUSED, 0),
    (b"HTTP/1.1 200 O\0K", REFUSED, 0), (b"HTTP/1.1 200 O\rK", REFUSED, 0), (b"HTTP/1.1 200 OK\r", REFUSED, 0),
    (b"HTTP/1.1 200 \x1b[2J", REFUSED, 0), (b"http/1.1 200 OK", REFUSED, 0), (b"HTTP/1.10 200 OK", REFUSED, 0),
    (b"HTTP/11 200 OK", REFUSED, 0), (b"HTTP/0.9 200 OK", REFUSED, 0), (b"HTTP/2.0 200 OK", REFUSED, 0), (b"HTTP/2 200", REFUSED, 0),
    (b"HTTP /1.1 200 OK", REFUSED, 0), (b"ICY 200 OK", REFUSED, 0), (b"<html>", REFUSED, 0), (b"GET / HTTP/1.1", REFUSED, 0),
    (b"\0HTTP/1.1 200 OK", REFUSED, 0), (b"HTTP/1.1 200 OK\nX: y", REFUSED, 0), (b"HTTP/1.1 200 OK\r\n X: y", REFUSED, 0),
    (b"", REFUSED, 0), (b"200 OK", REFUSED, 0),
]

# Content-Length in every spelling; five bytes of body follow, then the server closes.
_LENGTHS: list[tuple[bytes, tuple[str, ...]]] = [
    (b": 5", WHOLE), (b":5 \t", WHOLE), (b": 05", ("whole", "refused")), (b": 5\r\nContent-Length: 5", ("whole", "refused")),
    (b": 5, 5", ("whole", "refused")), (b": 5\r\nContent-Length: 6", REFUSED), (b": 6\r\nContent-Length: 5", REFUSED),
    (b": 5, 6", REFUSED), (b": +5", REFUSED), (b": -5", REFUSED), (b": 5 5", REFUSED), (b": 5x", REFUSED), (b": x", REFUSED),
    (b": 0x5", REFUSED), (b": 5.0", REFUSED), (b": 5,", REFUSED), (b": ,5", REFUSED), (b":", REFUSED), (b": \"5\"", REFUSED),
    (b": 5\0", REFUSED), (b": \x0b5", REFUSED), (b": 5\r", REFUSED), (b":\r\n 5", ("whole", "refused")), (b": 5\r\n 5", REFUSED),
    (b" : 5", ("whole", "refused")), (b"\t: 5", ("whole", "refused")), (b"\0: 5", REFUSED), (b" 5", REFUSED), (b": 5\n", REFUSED),
    (b": 18446744073709551621", REFUSED), (b": 9223372036854775808", REFUSED), (b": 99999999999999999999999", REFUSED),
    (b": 5\r\nContent-Length:", REFUSED),
]

# Transfer-Encoding in every spelling; a chunked body follows, then the server closes.
_CODINGS: list[tuple[bytes, tuple[str, ...]]] = [
    (b"Transfer-Encoding: chunked", WHOLE), (b"TRANSFER-ENCODING:Chunked", WHOLE), (b"Transfer-Encoding: chunked, chunked", REFUSED),
    (b"Transfer-Encoding: chunked, identity", REFUSED), (b"Transfer-Encoding: gzip", REFUSED),
    (b"Transfer-Encoding: xchunked", REFUSED), (b"Transfer-Encoding: identity", REFUSED), (b"Transfer-Encoding:", REFUSED),
    (b"Transfer-Encoding: ,chunked", ("whole", "refused")), (b"Transfer-Encoding: \x0bchunked", REFUSED),
    (b"Transfer-Encoding: chunked\0", REFUSED), (b"Transfer-Encoding: \"chunked\"", REFUSED),
    (b"Transfer-Encoding: chunked\r", REFUSED), (b"Transfer-Encoding:\r\n chunked", ("whole", "refused")),
    (b"Transfer-Encoding : chunked", ("whole", "refused")), (b"Transfer-Encoding\0: chunked", REFUSED),
    (b"X: y\rTransfer-Encoding: chunked", REFUSED), (b"X: y\nTransfer-Encoding: chunked", REFUSED),
    (b" Transfer-Encoding: chunked", REFUSED),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", REFUSED),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", REFUSED),
    (b"Content-Length: 5\r\nTransfer-Encoding: chunked", ("whole", "refused")),
    (b"Transfer-Encoding: chunked\r\nContent-Length: 15", ("whole", "refused")),
    (b"Content-Length: 5\r\nTransfer-Encoding: identity", REFUSED),
]

_CHUNKED: list[tuple[bytes, tuple[str, ...]]] = [
    (b"5\r\nhello\r\n0\r\n\r\n", WHOLE), (b"005;a=b\r\nhello\r\n0\r\nT: v\r\n\r\n", WHOLE), (b"2\r\nhe\r\n3\r\nllo\r\n00\r\n\r\n", WHOLE),
    (b"5\r\nhello\r\n", CUT), (b"5\r\nhel", CUT), (b"5\r\n", CUT), (b"", CUT), (b"5\r\nhello\r\n0\r\n", CUT),
    (b"5\r\nhello\r\n0\r\nT: v\r\n", CUT), (b"5\r\nhello\r\n0", CUT), (b"5\r\nhello\r\n0\r\n\r", CUT),
    (b"x\r\nhello\r\n0\r\n\r\n", BROKEN), (b"5\nhello\r\n0\r\n\r\n", BROKEN), (b"0x5\r\nhello\r\n0\r\n\r\n", BROKEN),
    (b"-5\r\nhello\r\n0\r\n\r\n", BROKEN), (b"+5\r\nhello\r\n0\r\n\r\n", BROKEN), (b" 5\r\nhello\r\n0\r\n\r\n", BROKEN),
    (b"\r\nhello\r\n0\r\n\r\n", BROKEN), (b"10000000000000005\r\nhello\r\n0\r\n\r\n", BROKEN),
    (b"FFFFFFFFFFFFFFFB\r\nhello\r\n0\r\n\r\n", BROKEN), (b"5\r\nhelloo\r\n0\r\n\r\n", BROKEN), (b"5\r\nhello0\r\n\r\n", BROKEN),
    (b"5\r\nhello\n0\r\n\r\n", BROKEN), (b"5\r\nhello\r\n0\n\n", BROKEN), (b"5;\0\r\nhello\r\n0\r\n\r\n", BROKEN),
    (b"5;a=\"\r\nhello\r\n0\r\n\r\n", BROKEN), (b"5\r\nhello\r\n0\r\nT : v\r\n\r\n", BROKEN), (b"5\r\nhello\r\n0\r\n T: v\r\n\r\n", BROKEN),
    (b"5\r\nhello\r\n0\r\nT: v\n\r\n", BROKEN), (b"5\r\nhello\r\n0\r\nT\r\n\r\n", BROKEN),
    (b"5\r\nhello\r\n0\r\nContent-Length: 1\r\n\r\n", ANY),
]

# One more field line: RFC 9112 section 5.
_FIELDS: list[tuple[bytes, tuple[str, ...]]] = [
    (b"X: \xe9\t\"\r\n", WHOLE), (b"X:\r\n", WHOLE), (b"X: a\0b\r\n", REFUSED), (b"X: a\rb\r\n", REFUSED), (b"X: a\nb\r\n", REFUSED),
    (b"X: a\nY: b\r\n", REFUSED), (b"X: a\r\r\n", REFUSED), (b"X: \x01\r\n", REFUSED), (b"X: \x7f\r\n", REFUSED),
    (b"X : y\r\n", ("whole", "refused")), (b"X\t: y\r\n", ("whole", "refused")), (b"X y\r\n", REFUSED), (b": y\r\n", REFUSED),
    (b"X\0: y\r\n", REFUSED), (b"X\xe9: y\r\n", REFUSED), (b"X(: y\r\n", REFUSED), (b"X: y\r\n z\r\n", ("whole", "refused")),
    (b"X: y\r\n\tz\r\n", ("whole", "refused")), (b" X: y\r\n", REFUSED), (b"\r", REFUSED), (b"X: y\n\r\n", REFUSED),
    (b"X: y\r\n \r\n", ("whole", "refused")),
]

_LENGTH = b"Content-Length: 5\r\n"
# Whole conversations.
_OTHERS: list[ResponseCase] = [
    ResponseCase("a body that lasts until the close", "6.3", _ok(b""), WHOLE, close=True),
    ResponseCase("HTTP/1.0 until the close", "6.3", _ok(b"", line=b"HTTP/1.0 200 OK"), WHOLE, close=True),
    ResponseCase("a body shorter than its length", "8", _ok(b"Content-Length: 50\r\n"), CUT, close=True),
    ResponseCase("no byte of the body", "8", _ok(_LENGTH, b""), CUT, close=True),
    ResponseCase("a head cut short", "8", b"HTTP/1.1 200 OK\r\nContent-Le", BROKEN, close=True),
    ResponseCase("a status line cut short", "8", b"HTTP/1.", BROKEN, close=True),
    ResponseCase("a head without its empty line", "8", b"HTTP/1.1 200 OK\r\n" + _LENGTH, BROKEN, close=True),
    ResponseCase("a second response behind the body", "9.2", _ok(_LENGTH) + EVIL, ("whole", "cut")),
    ResponseCase("rubbish behind the body", "9.2", _ok(_LENGTH) + b"rubbish", ("whole", "cut")),
    ResponseCase("a second response behind chunks", "9.2",
                 _ok(b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n") + EVIL, ("whole", "cut")),
    ResponseCase("a second response behind a body of no length", "9.2", _ok(b"Content-Length: 0\r\n", b"") + EVIL,
                 ("whole", "cut"), body=b""),
    ResponseCase("a body in a 204", "6.3", _ok(b"", EVIL, b"HTTP/1.1 204 No Content"), ("whole", "cut"), 204, b""),
    ResponseCase("a length in a 204", "8.6", _ok(_LENGTH, b"", b"HTTP/1.1 204 No Content"), ("whole", "refused"), 204, b""),
    ResponseCase("a coding in a 204", "6.1", _ok(b"Transfer-Encoding: chunked\r\n", b"", b"HTTP/1.1 204 No Content"),
                 ("whole", "refused"), 204, b""),
    ResponseCase("a body in a 304", "6.3", _ok(b"Content-Length: 50\r\n", EVIL, b"HTTP/1.1 304 Not Modified"), ("whole", "cut"),
                 304, b""),
    ResponseCase("a length in a 304", "6.3", _ok(_LENGTH, b"", b"HTTP/1.1 304 Not Modified"), WHOLE, 304, b""),
    ResponseCase("a body in answer to HEAD", "6.3", _ok(b"Content-Length: 50\r\n", EVIL), ("whole", "cut"), 200, b"", method="HEAD"),
    ResponseCase("a length in answer to HEAD", "6.3", _ok(_LENGTH, b""), WHOLE, 200, b"", method="HEAD"),
    ResponseCase("chunks announced in answer to HEAD", "6.3", _ok(b"Transfer-Encoding: chunked\r\n", b""), WHOLE, 200, b"",
                 method="HEAD"),
    ResponseCase("Transfer-Encoding in HTTP/1.0", "6.1",
                 _ok(b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"HTTP/1.0 200 OK"), REFUSED, close=True),
    ResponseCase("an empty line before", "2.2", b"\r\n" + _ok(_LENGTH), ("whole", "refused"), close=True),
    ResponseCase("bare LF everywhere", "2.2", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", ("whole", "refused"), close=True,
                 must=False),
    ResponseCase("bare LF ends the head", "2.2", b"HTTP/1.1 200 OK\r\n" + _LENGTH + b"\nhello", ("whole", "refused"), close=True,
                 must=False),
    # Interim responses (RFC 9110 section 15.2).
    ResponseCase("100 unasked", "15.2", b"HTTP/1.1 100 Continue\r\n\r\n" + _ok(_LENGTH), WHOLE),
    ResponseCase("103", "15.2", b"HTTP/1.1 103 Early Hints\r\nLink: </s>\r\n\r\n" + _ok(_LENGTH), WHOLE),
    ResponseCase("102, 103, 199", "15.2", b"".join(b"HTTP/1.1 %d x\r\n\r\n" % status for status in (102, 103, 199)) + _ok(_LENGTH),
                 WHOLE),
    ResponseCase("ten 103", "15.2", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10 + _ok(_LENGTH), WHOLE),
    ResponseCase("a storm of 1xx", "15.2", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5000 + _ok(_LENGTH), ANY, close=True),
    ResponseCase("a storm of 100", "15.2", b"HTTP/1.1 100 Continue\r\n\r\n" * 5000 + _ok(_LENGTH), ANY, close=True),
    ResponseCase("1xx and then the end", "15.2", b"HTTP/1.1 103 x\r\n\r\n", BROKEN, close=True),
    ResponseCase("a length in a 1xx", "8.6", b"HTTP/1.1 103 x\r\nContent-Length: 5\r\n\r\n" + _ok(_LENGTH), ("whole", "refused")),
    ResponseCase("a coding in a 1xx", "6.1", b"HTTP/1.1 103 x\r\nTransfer-Encoding: chunked\r\n\r\n" + _ok(_LENGTH),
                 ("whole", "refused")),
    ResponseCase("a malformed field in a 1xx", "5.1", b"HTTP/1.1 103 x\r\nX\0: y\r\n\r\n" + _ok(_LENGTH), BROKEN, close=True),
    ResponseCase("101 unasked", "7.8", b"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n" + EVIL, BROKEN, close=True),
    ResponseCase("101 without Upgrade", "7.8", b"HTTP/1.1 101 x\r\n\r\n" + EVIL, BROKEN, close=True),
    ResponseCase("nothing at all", "8", b"", BROKEN, close=True),
]


def _named(text: bytes) -> str:
    return text.decode("latin-1").encode("unicode_escape").decode()


def _strict(text: bytes) -> bool:
    """Bare LF may end lines (RFC 9112 section 2.2)."""
    return b"\n" not in text.replace(b"\r\n", b"")


def _cases():
    for line, outcomes, status in _STATUS_LINES:
        yield ResponseCase("status line " + _named(line), "4", _ok(_LENGTH, line=line), outcomes, status, close=True, must=False)
    for line, outcomes in _LENGTHS:
        yield ResponseCase("Content-Length" + _named(line), "6.3", _ok(b"Content-Length" + line + b"\r\n"), outcomes, close=True,
                           must=_strict(line))
    for line, outcomes in _CODINGS:
        sent = _ok(line + b"\r\n", b"5\r\nhello\r\n0\r\n\r\n")
        yield ResponseCase(_named(line), "6.1", sent, outcomes, close=True,
                           must=_strict(line) and any(mark in line for mark in (b"\0", b"\r", b"ed, ch")))
    for body, outcomes in _CHUNKED:
        yield ResponseCase("chunked " + _named(body), "7.1", _ok(b"Transfer-Encoding: chunked\r\n", body), outcomes, close=True,
                           must=b";" not in body and b"0\r\n" not in body[-20:-4])
    for field, outcomes in _FIELDS:
        yield ResponseCase("field " + _named(field), "5", _ok(field + _LENGTH), outcomes, close=True,
                           must=_strict(field) and (b"\0" in field or b"\r" in field[:-2]))
    yield from _OTHERS


CASES = list(_cases())
