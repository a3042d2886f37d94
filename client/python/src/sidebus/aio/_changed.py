"""A condition variable for one event loop."""

import asyncio
import contextlib
from collections.abc import Callable


class Changed:
    """Wakes the tasks that wait for something to become true. No lock: one loop, one thread."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait_for(self, predicate: Callable[[], object], timeout: float | None = None) -> bool:
        """Waits until the predicate holds. False after `timeout` seconds (None: waits for ever)."""
        try:
            async with asyncio.timeout(timeout):
                while not predicate():
                    await self._notified()
        except TimeoutError:
            return bool(predicate())
        return True

    async def wait(self, timeout: float) -> None:
        """Waits until the next `notify`, at most `timeout` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._notified()

    async def _notified(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)
