"""Waiting for conditions, never for a time."""

import socket
import time

from . import sanitizer

# Between two looks at a condition; short beside every duration of a scenario.
LOOK_SECONDS = 0.01


def until(condition, what: str, seconds: float = 20.0):
    """Looks until `condition()` is true and returns its value; fails by name after `seconds`."""
    seconds *= sanitizer.slower()
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain for: {what}")
        time.sleep(LOOK_SECONDS)


def listens(address: tuple[str, int]) -> bool:
    """Whether a connection is accepted."""
    try:
        with socket.create_connection(address, timeout=1.0):
            return True
    except OSError:
        return False
