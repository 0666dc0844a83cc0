"""A page as a browser loads it: the page itself, then its objects over a few connections."""

import concurrent.futures
import threading
import time

from .raw import RawConnection


def load(address, objects: int, keep_alive: bool, connections: int = 1) -> float:
    """Seconds until a page and its objects are there.

    One connection loads the page, and goes on with the objects if connections are kept; each of the others begins when the page is
    there. Without keep-alive every object has a connection of its own, `connections` of them at a time.
    """
    fields = [] if keep_alive else [("Connection", "close")]
    left, lock = list(range(objects)), threading.Lock()

    def ask(connection, target):
        answer = connection.ask("GET", target, fields, host="page.example")
        assert answer.status == 200, answer.status

    def take():
        with lock:
            return left.pop() if left else None

    def go_on(connection=None):
        while (number := take()) is not None:
            if keep_alive:
                connection = connection or RawConnection(address)
                ask(connection, f"/{number}")
            else:
                with RawConnection(address) as once:
                    ask(once, f"/{number}")
        if connection:
            connection.socket.close()

    began = time.monotonic()
    first = RawConnection(address)
    ask(first, "/page.html")
    if not keep_alive:
        first.socket.close()
    with concurrent.futures.ThreadPoolExecutor(connections) as pool:
        done = [pool.submit(go_on, first if keep_alive and index == 0 else None) for index in range(connections)]
        for future in done:
            future.result()
    return time.monotonic() - began
