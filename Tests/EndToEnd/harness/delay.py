"""A line with a latency, in user space: where the kernel has no netem, this stands between a client and a node.

Bytes take half a round trip each way. As the kernel of this machine answers a client's SYN at once, what the client sends first is
held for one round trip more: so long would the handshake have taken. The kernel's own window and the loss of packets are not played.

  python3 delay.py 127.0.0.1:8000 127.0.0.1:8080 --round-trip 0.05
"""

import argparse
import asyncio
import contextlib
import threading

# Pieces that are under way in one direction at most: who sends faster is held back.
PIECES_MAX = 256
PIECE_BYTES = 1 << 16


async def _carry(reader, writer, ready_at: float, half: float):
    """Passes bytes and the end of the stream on, each `half` seconds after it came, nothing before `ready_at`."""
    loop, under_way = asyncio.get_running_loop(), asyncio.Queue(PIECES_MAX)

    async def receive():
        while True:
            piece = await reader.read(PIECE_BYTES)
            await under_way.put((max(loop.time(), ready_at) + half, piece))
            if not piece:
                return

    receiving = asyncio.create_task(receive())
    try:
        while True:
            due, piece = await under_way.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not piece:
                writer.write_eof()
                return
            writer.write(piece)
            await writer.drain()
    finally:
        receiving.cancel()


class Delay:
    """Listens at `address` and carries connections to `target` as if the round trip took `round_trip` seconds."""

    def __init__(self, address: tuple[str, int], target: tuple[str, int], round_trip: float):
        self.address, self.target, self.round_trip = address, target, round_trip
        self.connections = 0

    async def _serve(self, reader, writer):
        self.connections += 1
        half, loop = self.round_trip / 2, asyncio.get_running_loop()
        ready_at = loop.time() + self.round_trip
        with contextlib.suppress(OSError, asyncio.CancelledError):
            onward = await asyncio.open_connection(*self.target)
            try:
                await asyncio.gather(_carry(reader, onward[1], ready_at, half), _carry(onward[0], writer, ready_at, half))
            finally:
                onward[1].close()
        with contextlib.suppress(OSError):
            writer.close()

    async def run(self, started=lambda: None):
        server = await asyncio.start_server(self._serve, *self.address, backlog=512)
        async with server:
            started()
            try:
                await server.serve_forever()
            finally:
                under_way = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
                for task in under_way:
                    task.cancel()
                await asyncio.gather(*under_way, return_exceptions=True)


class DelayThread(contextlib.AbstractContextManager):
    """A `Delay` on a thread of its own."""

    def __init__(self, address, target, round_trip):
        self.delay, self._loop = Delay(address, target, round_trip), asyncio.new_event_loop()
        self._started, self._error = threading.Event(), None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._task = self._loop.create_task(self.delay.run(self._started.set))
        with contextlib.suppress(asyncio.CancelledError):
            try:
                self._loop.run_until_complete(self._task)
            except OSError as error:
                self._error = error
                self._started.set()

    def __enter__(self):
        self._thread.start()
        assert self._started.wait(20), "the delayed line did not come up"
        if self._error:
            raise self._error
        return self.delay

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(20)


def _address(text: str) -> tuple[str, int]:
    host, port = text.rsplit(":", 1)
    return host, int(port)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", type=_address)
    parser.add_argument("target", type=_address)
    parser.add_argument("--round-trip", type=float, default=0.05, help="seconds")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(Delay(options.address, options.target, options.round_trip).run())


if __name__ == "__main__":
    main()
