"""One connection to the gateway per process."""

import os
import threading

import sidebus


class ProcessBus:
    """The bus of this process: made when it is first needed, and again after a fork.

    gRPC's connections do not survive a fork: a child that inherits this object makes a bus of its
    own. gRPC has to know of the fork, too: where a process forks after it has sent, its support
    for that must not be switched off (GRPC_ENABLE_FORK_SUPPORT=0). May be used by any thread.
    """

    def __init__(self) -> None:
        self._bus: sidebus.Bus | None = None
        self._begin()

    def get(self, endpoint: str | None) -> sidebus.Bus:
        """Does not wait for the gateway. Raises ValueError for a malformed endpoint."""
        if self._process != os.getpid():
            self._begin()
        with self._lock:
            if self._bus is None or self._endpoint != endpoint:
                self._bus = sidebus.connect(endpoint)
                self._endpoint = endpoint
            return self._bus

    def _begin(self) -> None:
        """In a new process. The lock is new, too: who held the old one is not here."""
        self._lock = threading.Lock()
        # Closing what belongs to the parent is not for the child: it is kept, and left alone.
        self._inherited = self._bus
        self._bus = None
        self._endpoint: str | None = None
        self._process = os.getpid()
