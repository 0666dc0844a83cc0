"""Origins that answer when the test says so, for tests of who waits for whom."""

import pathlib
import queue

from . import waiting

# Nobody is to run out of time while the test looks.
PATIENT = {"request": "20s", "keep-alive": "20s", "client": "20s", "server": "20s", "queue": "20s"}


class Gate:
    """Handler of an origin: each request is answered when the test lets it, and the order they came in is kept."""

    def __init__(self):
        self.arrived = []
        self.answered = 0
        self.permits = queue.Queue()

    def __call__(self, exchange):
        self.arrived.append(exchange.request.line.split()[1])
        self.permits.get(timeout=30)
        exchange.answer()
        self.answered += 1

    def let(self):
        """Lets the request go that the origin has; true when its answer is with the node's kernel."""
        count = self.answered + 1
        self.permits.put(True)
        waiting.until(lambda: self.answered == count, "the origin's answer")

    def wait_arrived(self, count):
        waiting.until(lambda: len(self.arrived) >= count, f"{count} requests at the origin, there were {self.arrived}")


def wait_taken_up(single, connection):
    """Until the node has read all the connection sent: what waits in its socket has no place in the queue yet."""
    port = connection.socket.getsockname()[1]
    host, at = single.address

    def read_up():
        for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if int(fields[1].split(":")[1], 16) == at and int(fields[2].split(":")[1], 16) == port:
                return fields[4].endswith(":00000000")
        return False

    waiting.until(read_up, "the node taking the request up")
