"""Waiting for a condition, with a deadline."""

import time


def eventually(condition, what, seconds=20.0):
    """The first true value of condition(). `what` says, in the error, what did not come."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}; last: {value!r}")
        time.sleep(0.02)
