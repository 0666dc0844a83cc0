"""A small HTTP/1.1 client for asyncio: what a browser does with its connections, and little work a request."""

import asyncio
import socket


class Failure(Exception):
    """A request that got no whole answer: `kind` is refused, timeout, reset or cut."""

    def __init__(self, kind: str):
        super().__init__(kind)
        self.kind = kind


class Response:
    __slots__ = ("status", "headers", "body", "keep")

    def __init__(self, status: int, headers: list[tuple[str, str]], keep: bool):
        self.status, self.headers, self.keep, self.body = status, headers, keep, b""


class _NothingCame(Exception):
    """A kept connection ended before the first byte of the answer."""


class Connection:
    """One connection, kept between requests when both sides want that."""

    def __init__(self, address: tuple[str, int], seconds: float, context=None, name: str | None = None):
        """With a context by TLS, to whom bears the name."""
        self.address, self.seconds = address, seconds
        self._secure = {"ssl": context, "server_hostname": name} if context else {}
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def request(self, head: bytes, body: bytes, method: str) -> Response:
        """Sends and returns the answer. A GET or HEAD that met a connection just closed is sent again on a new one, as
        browsers do; so is anything else when the end had been seen before it was sent."""
        try:
            async with asyncio.timeout(self.seconds):
                kept = self._reader is not None and not self._reader.at_eof()
                if kept:
                    try:
                        return await self._exchange(head + body, method)
                    except _NothingCame:
                        self.close()
                        if method == "POST":
                            raise Failure("reset") from None
                self.close()
                await self._connect()
                try:
                    return await self._exchange(head + body, method)
                except _NothingCame:
                    raise Failure("reset") from None
        except TimeoutError:
            self.close()
            raise Failure("timeout") from None
        except Failure:
            self.close()
            raise
        except asyncio.CancelledError:
            self.close()
            raise

    async def _connect(self):
        try:
            self._reader, self._writer = await asyncio.open_connection(*self.address, limit=1 << 20, **self._secure)
        except OSError:
            raise Failure("refused") from None
        self._writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def _exchange(self, data: bytes, method: str) -> Response:
        reader = self._reader
        try:
            self._writer.write(data)
            raw = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise Failure("cut") from None
            raise _NothingCame from None
        except (ConnectionError, OSError):
            raise _NothingCame from None
        first, *lines = raw.decode("latin-1").split("\r\n")
        headers, length, chunked, keep = [], None, False, first.startswith("HTTP/1.1")
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon:
                continue
            value, lower = value.strip(), name.lower()
            headers.append((name, value))
            if lower == "content-length":
                length = int(value)
            elif lower == "transfer-encoding":
                chunked = value.lower().endswith("chunked")
            elif lower == "connection":
                keep = keep and value.lower() != "close"
        response = Response(int(first[9:12]), headers, keep)
        try:
            if method == "HEAD" or response.status in (204, 304):
                pass
            elif chunked:
                while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
                    response.body += (await reader.readexactly(size + 2))[:-2]
                while await reader.readuntil(b"\r\n") != b"\r\n":
                    pass
            elif length is not None:
                response.body = await reader.readexactly(length)
            else:
                response.body, response.keep = await reader.read(), False
        except (asyncio.IncompleteReadError, ConnectionError, OSError):
            raise Failure("cut") from None
        if not response.keep:
            self.close()
        return response

    def close(self):
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None
