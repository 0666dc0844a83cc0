"""An application server for trials of the reference: in-memory sessions, answers as the project's demo server does.

    python -m harness.demo_server NAME SITE ADDRESS:PORT [ADMISSION:PORT]
"""

import asyncio
import itertools
import json
import os
import signal
import sys
from urllib.parse import parse_qs, urlsplit


class DemoServer:
    def __init__(self, name: str, site: str):
        self.name, self.site = name, site
        self.visits: dict[str, int] = {}
        self.numbers = itertools.count(1)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        try:
            while await self.exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def exchange(self, reader, writer) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")[:-2]
        method, target, version = first.split(" ")
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines]
        values = {name.lower(): value for name, value in headers}
        body = await reader.readexactly(int(values.get("content-length", "0")))
        if values.get("transfer-encoding", "").lower() == "chunked":
            body = await self.chunks(reader)
        query = {key: value[-1] for key, value in parse_qs(urlsplit(target).query).items()}
        if "delay" in query:
            await asyncio.sleep(float(query["delay"].removesuffix("ms")) / 1000)
        status = int(query.get("status", "200"))
        cookies = [part.strip() for name, value in headers if name.lower() == "cookie" for part in value.split(";")]
        session = next((part.split("=", 1)[1] for part in cookies if part.startswith("JSESSIONID=")), None)
        new = session not in self.visits
        # A request without any header but the line is a health check; it makes no session.
        extra = ""
        if values and new:
            session = f"{os.getpid():x}-{next(self.numbers):x}"
            extra = f"Set-Cookie: JSESSIONID={session}; Path=/; HttpOnly\r\n"
        if values:
            self.visits[session] = self.visits.get(session, 0) + 1
        via = [hop.split()[-1] for value in (v for n, v in headers if n.lower() == "via") for hop in value.split(",")]
        answer = json.dumps({
            "server": self.name, "site": self.site, "session": session, "new": new,
            "visits": self.visits.get(session, 0), "path": [*via, self.name], "method": method,
            "bodyBytes": len(body), "requestId": values.get("x-request-id"), "headers": headers,
        }).encode()
        if "bytes" in query:
            answer = b"x" * int(query["bytes"])
        keep = version == "HTTP/1.1" and values.get("connection", "").lower() != "close"
        out = (f"HTTP/1.1 {status} Demo\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n"
               f"{extra}{'' if keep else 'Connection: close' + chr(13) + chr(10)}\r\n").encode()
        writer.write(out if method == "HEAD" else out + answer)
        await writer.drain()
        return keep

    async def chunks(self, reader) -> bytes:
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
        return body


# After SIGUSR1 the admission port is closed and the service goes on for this long, in seconds: more than the checks need.
GRACE = 1.5


async def main(name: str, site: str, *addresses: str):
    server, leaving, listeners = DemoServer(name, site), asyncio.Event(), []
    for address in addresses:
        host, port = address.rsplit(":", 1)
        listeners.append(await asyncio.start_server(server.serve, host, int(port), backlog=1024))
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, leaving.set)
    await leaving.wait()
    for listener in listeners[1:]:
        listener.close()
    await asyncio.sleep(GRACE)
    listeners[0].close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
