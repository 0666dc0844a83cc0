"""Requests whose end two readers could see at two places (RFC 9112 sections 6 and 7)."""

from .judge import RequestCase

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
EITHER, FORWARD, REFUSE = "either", "forward", "refuse"


def _post(fields: bytes, rest: bytes, version: bytes = b"1.1") -> bytes:
    return b"POST /t HTTP/" + version + b"\r\nHost: a\r\n" + fields + b"\r\n" + rest


# Field lines as sent, without the CRLF of the last: what a chunked body follows.
_CODINGS: list[tuple[bytes, str, int]] = [
    (b"Transfer-Encoding: chunked", FORWARD, 0),
    (b"transfer-encoding: CHUNKED", FORWARD, 0),
    (b"Transfer-Encoding:chunked", FORWARD, 0),
    (b"Transfer-Encoding: \t chunked \t", FORWARD, 0),
    (b"Transfer-Encoding: chunked, chunked", REFUSE, 400),
    (b"Transfer-Encoding: chunked, identity", REFUSE, 400),
    (b"Transfer-Encoding: chunked, gzip", REFUSE, 400),
    (b"Transfer-Encoding: identity, chunked", REFUSE, 501),
    (b"Transfer-Encoding: identity", REFUSE, 501),
    (b"Transfer-Encoding: gzip", REFUSE, 501),
    (b"Transfer-Encoding: gzip, chunked", REFUSE, 501),
    (b"Transfer-Encoding: xchunked", REFUSE, 501),
    (b"Transfer-Encoding: chunkedx", REFUSE, 501),
    (b"Transfer-Encoding: chunk", REFUSE, 501),
    (b"Transfer-Encoding: x", REFUSE, 501),
    (b"Transfer-Encoding: chunked x", REFUSE, 400),
    (b"Transfer-Encoding: chunked;q=1", REFUSE, 400),
    (b"Transfer-Encoding: chunked;", REFUSE, 400),
    (b"Transfer-Encoding: \"chunked\"", REFUSE, 400),
    (b"Transfer-Encoding: 'chunked'", REFUSE, 501),
    (b"Transfer-Encoding: ,chunked", EITHER, 400),
    (b"Transfer-Encoding: chunked,", EITHER, 400),
    (b"Transfer-Encoding: ,", REFUSE, 400),
    (b"Transfer-Encoding:", REFUSE, 400),
    (b"Transfer-Encoding: ", REFUSE, 400),
    (b"Transfer-Encoding: \x0bchunked", REFUSE, 400),
    (b"Transfer-Encoding: \x0cchunked", REFUSE, 400),
    (b"Transfer-Encoding: chunked\x0b", REFUSE, 400),
    (b"Transfer-Encoding: chunked\0", REFUSE, 400),
    (b"Transfer-Encoding: \0chunked", REFUSE, 400),
    (b"Transfer-Encoding: chun\0ked", REFUSE, 400),
    (b"Transfer-Encoding: \xa0chunked", REFUSE, 400),
    (b"Transfer-Encoding: chunked\xff", REFUSE, 400),
    (b"Transfer-Encoding: chunked\x7f", REFUSE, 400),
    (b"Transfer-Encoding: chun\rked", REFUSE, 400),
    (b"Transfer-Encoding: chunked\r", REFUSE, 400),
    (b"Transfer-Encoding: \rchunked", REFUSE, 400),
    (b"Transfer-Encoding:\r\n chunked", REFUSE, 400),
    (b"Transfer-Encoding:\r\n\tchunked", REFUSE, 400),
    (b"Transfer-Encoding: chunked\r\n , identity", REFUSE, 400),
    (b"Transfer-Encoding:\n chunked", REFUSE, 400),
    (b"Transfer-Encoding : chunked", REFUSE, 400),
    (b"Transfer-Encoding\t: chunked", REFUSE, 400),
    (b"Transfer-Encoding\0: chunked", REFUSE, 400),
    (b"Transfer-Encoding\x0b: chunked", REFUSE, 400),
    (b"Transfer-Encoding\r: chunked", REFUSE, 400),
    (b"Transfer-Encoding\xa0: chunked", REFUSE, 400),
    (b"Transfer Encoding: chunked", REFUSE, 400),
    (b" Transfer-Encoding: chunked", REFUSE, 400),
    (b"\tTransfer-Encoding: chunked", REFUSE, 400),
    (b"\0Transfer-Encoding: chunked", REFUSE, 400),
    (b"\x0bTransfer-Encoding: chunked", REFUSE, 400),
    (b"X: y\r\n Transfer-Encoding: chunked", REFUSE, 400),
    (b"X: y\rTransfer-Encoding: chunked", REFUSE, 400),
    (b"X: y\nTransfer-Encoding: chunked", REFUSE, 400),
    (b"X: y\0Transfer-Encoding: chunked", REFUSE, 400),
    (b"X:\rTransfer-Encoding: chunked", REFUSE, 400),
    (b":Transfer-Encoding: chunked", REFUSE, 400),
    (b": Transfer-Encoding: chunked", REFUSE, 400),
    (b"Transfer-Encoding chunked", REFUSE, 400),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", REFUSE, 400),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", REFUSE, 400),
    (b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", REFUSE, 501),
    (b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked", REFUSE, 501),
    (b"Transfer-Encoding:\r\nTransfer-Encoding: chunked", REFUSE, 400),
]

# What follows `Content-Length`, the colon included; five bytes of body follow the head.
_LENGTHS: list[tuple[bytes, str]] = [
    (b": 5", FORWARD), (b":5", FORWARD), (b": \t5\t ", FORWARD), (b": 05", EITHER), (b": 00000000005", EITHER),
    (b": 000000000000000000000000000000000000005", EITHER),
    (b": +5", REFUSE), (b": -5", REFUSE), (b": -0", REFUSE), (b": +0", REFUSE), (b": 5 5", REFUSE), (b": 5, 5", EITHER),
    (b": 5,5", EITHER), (b": 5, 6", REFUSE), (b": 6,5", REFUSE), (b": 5,", REFUSE), (b": ,5", REFUSE), (b": 5;", REFUSE),
    (b": 0x5", REFUSE), (b": 5h", REFUSE), (b": 5.0", REFUSE), (b": 5e0", REFUSE), (b": 5_0", REFUSE), (b": _5", REFUSE),
    (b":", REFUSE), (b": ", REFUSE), (b": five", REFUSE), (b": \"5\"", REFUSE), (b": '5'", REFUSE), (b": 5\0", REFUSE),
    (b": \x005", REFUSE), (b": 5\x0b", REFUSE), (b": \x0b5", REFUSE), (b": \x0c5", REFUSE), (b": 5\xa0", REFUSE),
    (b": \xef\xbc\x95", REFUSE), (b": \xd9\xa5", REFUSE), (b": 5\x7f", REFUSE), (b": 5\r", REFUSE), (b": \r5", REFUSE),
    (b":\r\n 5", REFUSE), (b":\r\n\t5", REFUSE), (b": 5\r\n 5", REFUSE), (b":\n 5", REFUSE),
    (b" : 5", REFUSE), (b"\t: 5", REFUSE), (b"\0: 5", REFUSE), (b"\x0b: 5", REFUSE), (b"\r: 5", REFUSE), (b"\xa0: 5", REFUSE),
    (b" 5", REFUSE), (b"=5", REFUSE),
    (b": 4294967301", REFUSE), (b": 9223372036854775807", REFUSE), (b": 9223372036854775808", REFUSE),
    (b": 18446744073709551616", REFUSE), (b": 18446744073709551621", REFUSE), (b": 99999999999999999999999999", REFUSE),
    (b": 340282366920938463463374607431768211461", REFUSE),
    (b": 5\r\nContent-Length: 5", EITHER), (b": 5\r\nContent-Length: 05", EITHER), (b": 5\r\nContent-Length: 6", REFUSE),
    (b": 6\r\nContent-Length: 5", REFUSE), (b": 0\r\nContent-Length: 5", REFUSE), (b": 5\r\nContent-Length: 0", REFUSE),
    (b": 5\r\nContent-Length:", REFUSE), (b": 5\r\nContent-Length: x", REFUSE), (b":\r\nContent-Length: 5", REFUSE),
    (b": 5\r\ncontent-length : 5", REFUSE), (b": 5\r\n Content-Length: 6", REFUSE),
]

# Chunked bodies as sent, and the body that a strict reader takes.
_CHUNKED: list[tuple[bytes, str, bytes]] = [
    (b"5\r\nhello\r\n0\r\n\r\n", FORWARD, b"hello"), (b"05\r\nhello\r\n0\r\n\r\n", FORWARD, b"hello"),
    (b"0000000000000005\r\nhello\r\n0\r\n\r\n", FORWARD, b"hello"), (b"a\r\n0123456789\r\n0\r\n\r\n", FORWARD, b"0123456789"),
    (b"A\r\n0123456789\r\n000\r\n\r\n", FORWARD, b"0123456789"), (b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n", FORWARD, b"ab"),
    (b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", FORWARD, b"\r\n0\r\n\r\n"),
    # Sizes.
    (b"\r\nhello\r\n0\r\n\r\n", REFUSE, b""), (b"0x5\r\nhello\r\n0\r\n\r\n", REFUSE, b""),
    (b"+5\r\nhello\r\n0\r\n\r\n", REFUSE, b""), (b"-5\r\nhello\r\n0\r\n\r\n", REFUSE, b""),
    (b" 5\r\nhello\r\n0\r\n\r\n", REFUSE, b""), (b"\t5\r\nhello\r\n0\r\n\r\n", REFUSE, b""),
    (b"5 \r\nhello\r\n0\r\n\r\n", REFUSE, b""), (b"5\t\r\nhello\r\n0\r\n\r\n", REFUSE, b""),
    (b"5g\r\nhello\r\n0\r\n\r\n", REFUSE, b""), (b"g\r\nhello\r\n0\r\n\r\n", REFUSE, b""),
    (b"5,\r\nhello\r\n0\r\n\r\n", REFUSE, b""), (b"5.0\r\nhello\r\n0\r\n\r\n", REFUSE, b""),
    (b"5_\r\nhello\r\n0\r\n\r\n", REFUSE, b""), (b"5h\r\nhello\r\n0\r\n\r\n", REFUSE, b""),
    (b"5 5\r\nhello\r\n0\r\n\r\n", REFUSE, b""), (b"\"5\"\r\nhello\r\n0\r\n\r\n", REFUSE, b""),
    (b"5\0\r\nhello\r\n0\r\n\r\n", REFUSE, b""), (b"\x005\r\nhello\r\n0\r\n\r\n", REFUSE, b""),
    (b"5\x0b\r\nhello\r\n0\r\n\r\n", REFUSE, b""), (b"\xef\xbc\x95\r\nhello\r\n0\r\n\r\n", REFUSE, b""),
    (b"00000000000000005\r\nhello\r\n0\r\n\r\n", EITHER, b"hello"), (b"-0\r\n\r\n", REFUSE, b""),
    (b"0x0\r\n\r\n", REFUSE, b""), (b"FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n", REFUSE, b""),
    (b"10000000000000005\r\nhello\r\n0\r\n\r\n", REFUSE, b""), (b"8000000000000005\r\nhello\r\n0\r\n\r\n", REFUSE, b""),
    (b"1000000000000000000000000000000005\r\nhello\r\n0\r\n\r\n", REFUSE, b""),
    # Line ends.
    (b"5\nhello\r\n0\r\n\r\n", REFUSE, b""), (b"5\rhello\r\n0\r\n\r\n", REFUSE, b""),
    (b"5\r\r\nhello\r\n0\r\n\r\n", REFUSE, b""), (b"5\n\rhello\r\n0\r\n\r\n", REFUSE, b""),
    (b"5\r\nhello\n0\r\n\r\n", REFUSE, b""), (b"5\r\nhello\r0\r\n\r\n", REFUSE, b""), (b"5\r\nhello0\r\n\r\n", REFUSE, b""),
    (b"5\r\nhello\r\n0\n\r\n", REFUSE, b""), (b"5\r\nhello\r\n0\r\n\n", REFUSE, b""), (b"5\r\nhello\r\n0\n\n", REFUSE, b""),
    (b"5\r\nhello\r\n0\r\n\rX\r\n\r\n", REFUSE, b""), (b"5\r\nhello\r\n\r\n0\r\n\r\n", REFUSE, b""),
    (b"4\r\nhello\r\n0\r\n\r\n", REFUSE, b""), (b"6\r\nhello\r\n0\r\n\r\n", REFUSE, b""),
    (b"5\r\nhelloXX0\r\n\r\n", REFUSE, b""), (b"5\r\nhello\r\n0X\r\n\r\n", REFUSE, b""),
    (b"2\r\nXX" + b"2f\r\n" + b"0\r\n\r\n" + SMUGGLED + b"0\r\n\r\n", REFUSE, b""),
    # Extensions.
    (b"5;a\r\nhello\r\n0\r\n\r\n", FORWARD, b"hello"), (b"5;a=b;c=d\r\nhello\r\n0;e\r\n\r\n", FORWARD, b"hello"),
    (b"5;a=\"b ; c\"\r\nhello\r\n0\r\n\r\n", FORWARD, b"hello"), (b"5;a=\"\\\"\"\r\nhello\r\n0\r\n\r\n", FORWARD, b"hello"),
    (b"5 ; a = b\r\nhello\r\n0\r\n\r\n", EITHER, b"hello"), (b"5;a=\"\xe9\"\r\nhello\r\n0\r\n\r\n", EITHER, b"hello"),
    (b"5;\r\nhello\r\n0\r\n\r\n", REFUSE, b""), (b"5;;a\r\nhello\r\n0\r\n\r\n", REFUSE, b""),
    (b"5;=b\r\nhello\r\n0\r\n\r\n", REFUSE, b""), (b"5;a=\r\nhello\r\n0\r\n\r\n", REFUSE, b""),
    (b"5;a=\"b\r\nhello\r\n0\r\n\r\n", REFUSE, b""), (b"5;a=\"b\\\r\nhello\r\n0\r\n\r\n", REFUSE, b""),
    (b"5;a=\"b\"c\r\nhello\r\n0\r\n\r\n", REFUSE, b""), (b"5;a b\r\nhello\r\n0\r\n\r\n", REFUSE, b""),
    (b"5;a@b\r\nhello\r\n0\r\n\r\n", REFUSE, b""), (b"5;a \r\nhello\r\n0\r\n\r\n", REFUSE, b""),
    (b"5;a\nhello\r\n0\r\n\r\n", REFUSE, b""), (b"5;\nhello\r\n0\r\n\r\n", REFUSE, b""),
    (b"5;a\rb\r\nhello\r\n0\r\n\r\n", REFUSE, b""), (b"5;a\0\r\nhello\r\n0\r\n\r\n", REFUSE, b""),
    (b"5;a=\"\n\"\r\nhello\r\n0\r\n\r\n", REFUSE, b""), (b"5;a\x7f\r\nhello\r\n0\r\n\r\n", REFUSE, b""),
    (b"5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n", REFUSE, b""), (b"5;\xe9\r\nhello\r\n0\r\n\r\n", REFUSE, b""),
    (b"5;a=" + b"b" * 4000 + b"\r\nhello\r\n0\r\n\r\n", EITHER, b"hello"),
    (b"0;\n\r\n" + SMUGGLED, REFUSE, b""),
    # Trailers.
    (b"5\r\nhello\r\n0\r\nT: v\r\n\r\n", FORWARD, b"hello"), (b"0\r\nT:\r\nU: v w\r\n\r\n", FORWARD, b""),
    (b"0\r\nContent-Length: 5\r\n\r\n", EITHER, b""), (b"0\r\nTransfer-Encoding: chunked\r\n\r\n", EITHER, b""),
    (b"0\r\nHost: b\r\n\r\n", EITHER, b""), (b"0\r\ncontent-LENGTH:5\r\n\r\n", EITHER, b""),
    (b"0\r\nT : v\r\n\r\n", REFUSE, b""), (b"0\r\n: v\r\n\r\n", REFUSE, b""), (b"0\r\nT\r\n\r\n", REFUSE, b""),
    (b"0\r\n T: v\r\n\r\n", REFUSE, b""), (b"0\r\nT: v\r\n w\r\n\r\n", REFUSE, b""), (b"0\r\nT: v\n\r\n", REFUSE, b""),
    (b"0\r\nT: v\rU: w\r\n\r\n", REFUSE, b""), (b"0\r\nT: \0\r\n\r\n", REFUSE, b""), (b"0\r\nT\0: v\r\n\r\n", REFUSE, b""),
    (b"0\r\nT\xe9: v\r\n\r\n", REFUSE, b""), (b"0\r\nT: v\r\n\n", REFUSE, b""),
    (b"0\r\n" + SMUGGLED, REFUSE, b""),
]

# Both of Content-Length and Transfer-Encoding, in a good and in a malformed spelling (RFC 9112 section 6.1).
_BOTH: list[tuple[str, bytes, bytes]] = [
    ("length first", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    ("coding first", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"),
    ("length 0", b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    ("a request within the length", b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % (5 + len(SMUGGLED)),
     b"0\r\n\r\n" + SMUGGLED),
    ("a request within a chunk", b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
     b"%x\r\n" % len(SMUGGLED) + SMUGGLED + b"\r\n0\r\n\r\n"),
    ("two lengths", b"Content-Length: 5\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    ("a malformed length", b"Content-Length: x\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    ("a field between", b"Transfer-Encoding: chunked\r\nX: y\r\nContent-Length: 5\r\n", b"0\r\n\r\n"),
    ("named by Connection: length", b"Connection: Content-Length\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
     b"0\r\n\r\n"),
    ("named by Connection: coding", b"Connection: Transfer-Encoding\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
     b"0\r\n\r\n"),
]


def _named(text: bytes) -> str:
    return text[:60].decode("latin-1").encode("unicode_escape").decode()


def _strict(line: bytes) -> bool:
    """Folded lines may be unfolded and bare LF may end lines: lenient readers of these are conforming."""
    return not any(mark in line for mark in (b"\r\n ", b"\r\n\t", b"\n ")) and b"\n" not in line.replace(b"\r\n", b"")


def _keeps_meaning(body: bytes) -> bool:
    """A reader that only drops extensions and trailers, whatever they are, does no harm; nor does white space behind a size."""
    line = body.split(b"\n")[0]
    if b";" in line or b"5 \r" in body or b"5\t\r" in body:
        return not line.endswith(b"\r") or b"\n" in line[:-1]
    return not body.startswith(b"0\r\n")


def _cases():
    for line, outcome, status in _CODINGS:
        section = "5.1" if b"ing :" in line or b"ing\t:" in line else "5.2" if b"\r\n " in line or b"\r\n\t" in line else "6.1"
        yield RequestCase(_named(line), section, _post(line + b"\r\n", b"0\r\n\r\n"), outcome, b"", status or 400,
                          must=_strict(line))
    for line, outcome, _ in _CODINGS:
        if outcome != FORWARD:
            # Whoever passes over the malformed field sees a length, and a request within the body.
            fields = b"Content-Length: %d\r\n" % (5 + len(SMUGGLED)) + line + b"\r\n"
            yield RequestCase("with a length, " + _named(line), "6.3", _post(fields, b"0\r\n\r\n" + SMUGGLED), REFUSE, b"", 0,
                              must=_strict(line))
    for line, outcome in _LENGTHS:
        status = 413 if line in (b": 4294967301", b": 9223372036854775807") else 400
        yield RequestCase(
            "Content-Length" + _named(line), "6.3", _post(b"Content-Length" + line + b"\r\n", b"hello"), outcome, b"hello", status,
            must=_strict(line))
    for body, outcome, read in _CHUNKED:
        yield RequestCase(
            "chunked " + _named(body), "7.1.2" if body.startswith(b"0\r\n") else "7.1",
            _post(b"Transfer-Encoding: chunked\r\n", body), outcome, read, 0, must=_keeps_meaning(body))
    for name, fields, body in _BOTH:
        # To go by the coding alone is allowed, too.
        yield RequestCase("both, " + name, "6.1", _post(fields, body), must=False)
    # RFC 9112 section 6.1: the framing of such a message is faulty.
    for name, fields in [("coding in HTTP/1.0", b""), ("both in HTTP/1.0", b"Content-Length: 5\r\n"),
                         ("coding in HTTP/1.0 kept alive", b"Connection: keep-alive\r\n")]:
        yield RequestCase(name, "6.1", _post(fields + b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"1.0"))
    for method in (b"GET", b"HEAD", b"DELETE", b"OPTIONS"):
        line = method + b" /t HTTP/1.1\r\nHost: a\r\n"
        yield RequestCase(f"{method.decode()} with a length", "6", line + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED,
                          FORWARD, SMUGGLED)
        yield RequestCase(f"{method.decode()} with chunks", "6",
                          line + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED),
                          FORWARD, SMUGGLED)


CASES = list(_cases())
