"""Waiting for a condition, with a deadline."""

import time


def eventually(condition, what, seconds=20.0):
    """The first true value of condition(). `what` says what did not come: a text, or its maker."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            missing = what() if callable(what) else what
            raise AssertionError(f"not within {seconds} s: {missing}; last: {value!r}")
        time.sleep(0.02)
