"""SIGTERM, as the end of a container comes."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def stopped_by_sigterm(stop: Callable[[], object]) -> Iterator[None]:
    """Inside, SIGTERM calls `stop`; a second one does what SIGTERM did before.

    Only Python's main thread gets signals: in another one this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(*_: object) -> None:
        signal.signal(signal.SIGTERM, before)
        stop()

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
