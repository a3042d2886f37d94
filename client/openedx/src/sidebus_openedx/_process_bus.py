"""One connection to the gateway per process."""

import os
import threading
import weakref

import sidebus


class ProcessBus:
    """The bus of this process: made when it is first needed, and again after a fork.

    gRPC's connections do not survive a fork: a child that inherits this object makes a bus of its
    own. May be used by any thread. Bounded by gRPC: its own handling of forks must not be switched
    off (GRPC_ENABLE_FORK_SUPPORT=0) where a process forks after it has sent.
    """

    def __init__(self) -> None:
        self._forget()
        _all.add(self)

    def get(self, endpoint: str | None) -> sidebus.Bus:
        """Does not wait for the gateway. Raises ValueError for a malformed endpoint."""
        if self._process != os.getpid():
            self._forget()  # a server forked without telling Python
        with self._lock:
            if self._bus is None or self._endpoint != endpoint:
                self._bus = sidebus.connect(endpoint)
                self._endpoint = endpoint
            return self._bus

    def _forget(self) -> None:
        self._process = os.getpid()
        # The lock is new, too: a thread that held the old one is not in the child.
        self._lock = threading.Lock()
        # Closing what belongs to the parent is not for the child: it is kept, and left alone.
        self._inherited = getattr(self, "_bus", None)
        self._bus: sidebus.Bus | None = None
        self._endpoint: str | None = None


_all: "weakref.WeakSet[ProcessBus]" = weakref.WeakSet()


def _forget_all() -> None:
    for one in list(_all):
        one._forget()


os.register_at_fork(after_in_child=_forget_all)
