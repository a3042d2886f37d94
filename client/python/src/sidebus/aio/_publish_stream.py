"""A publish stream for asyncio."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import grpc

from sidebus._channel import Stub, worth_a_new_stream
from sidebus._closing import AsyncClosing
from sidebus._publish_call import PublishResult
from sidebus._publish_window import PublishWindow, Ticket
from sidebus._results import OnResult, report, stream_end
from sidebus._retry import Backoff, Pauses
from sidebus.aio._call_end import call_end
from sidebus.aio._changed import Changed
from sidebus.errors import ClosedError, SidebusError, never_sent
from sidebus.events import Event, event_to_proto
from sidebus.v1 import event_bus_pb2

_log = logging.getLogger("sidebus")

_Future = asyncio.Future[PublishResult]


class PublishStream(AsyncClosing):
    """The fastest way to publish. Made by `Bus.publish_stream`; use it in `async with`.

    As `sidebus.PublishStream`, which documents what happens to a stream that breaks; for the tasks
    of one event loop.
    """

    def __init__(
        self,
        stub: Stub,
        *,
        start: event_bus_pb2.PublishStreamStart,
        max_events: int,
        max_bytes: int,
        timeout: float,
        on_result: OnResult | None,
        backoff: Backoff,
        metadata: Callable[[], Any],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Use `Bus.publish_stream`."""
        self._stub = stub
        self._start = start
        self._timeout = timeout
        self._on_result = on_result
        self._backoff = backoff
        self._metadata = metadata
        self._clock = clock
        self._outgoing = Changed()  # something to send, or to end
        self._settled = Changed()  # room, or nothing left
        self._window: PublishWindow[_Future] = PublishWindow(max_events, max_bytes)
        self._call: Any = None
        self._is_draining = False  # the current stream takes no more events
        self._is_closing = False
        self._is_cancelled = False  # closing took too long
        self._fatal: SidebusError | None = None
        self._task = asyncio.get_running_loop().create_task(self._run(), name="sidebus-publish")

    async def publish(self, event: Event, *, timeout: float | None = None) -> _Future:
        """Sends an event. Waits while as much is in flight as the stream may have.

        Awaiting the future that it returns gives a PublishResult, or raises PublishError. Ignore
        it where `on_result` does the work. Raises TimeoutError when there is no room within
        `timeout` seconds (None: waits for ever), ClosedError, and what ended the stream for good.
        """
        proto = event_to_proto(event, event.id or str(uuid.uuid4()))
        size = proto.ByteSize() + 8
        has_room = await self._settled.wait_for(
            lambda: self._is_closing or self._fatal or self._window.has_room(size), timeout
        )
        if self._fatal is not None:
            raise self._fatal
        if self._is_closing:
            raise ClosedError("the stream is closed")
        if not has_room:
            raise TimeoutError(f"no room on the stream within {timeout} s")
        future: _Future = asyncio.get_running_loop().create_future()
        self._window.add(Ticket(proto, size, self._clock() + self._timeout, future))
        self._outgoing.notify()
        return future

    async def flush(self, timeout: float | None = None) -> None:
        """Waits until every event published so far, or meanwhile, has its result.

        Raises TimeoutError after `timeout` seconds (None: waits for ever). Does not raise for
        events that failed: ask their futures, or `on_result`.
        """
        if not await self._settled.wait_for(lambda: len(self._window) == 0, timeout):
            raise TimeoutError(f"{len(self._window)} events without result after {timeout} s")

    async def close(self, timeout: float = 60.0) -> None:
        """Waits for all results, then ends the stream. Takes no more events from now on.

        What has no result after `timeout` seconds is failed with outcome `unknown`, or
        `not_written` if it was not sent.
        """
        self._is_closing = True
        self._outgoing.notify()
        self._settled.notify()
        try:
            await asyncio.wait([self._task], timeout=timeout)
        finally:
            self._is_cancelled = True
            if self._call is not None:
                self._call.cancel()
            self._outgoing.notify()
        await self._task

    # --- inside ------------------------------------------------------------------------------

    async def _run(self) -> None:
        pauses = Pauses(self._backoff)
        last: SidebusError | None = None
        while await self._wait_for_work():
            error = await self._run_stream(pauses)
            unsent = error is not None and never_sent(error)
            if unsent:
                self._window.unsend()
            lost = self._window.abandon(error or stream_end())
            is_over = self._is_cancelled or not worth_a_new_stream(error)
            if is_over:
                lost += self._window.refuse(error or stream_end())
                self._fatal = None if self._is_closing else error
            self._report(lost)
            if is_over:
                return
            if error is not None and not (unsent and last is not None):
                _log.warning("publish stream: connecting again after: %s", error)
            pause = pauses.next(error.retry_after if error else None)
            await self._pause(pause, error or stream_end())
            last = error

    async def _wait_for_work(self) -> bool:
        """Whether there is something to send; False: the stream was closed, and all is sent."""
        await self._outgoing.wait_for(lambda: self._window.waiting or self._is_closing)
        return self._window.waiting > 0

    async def _pause(self, seconds: float, error: SidebusError) -> None:
        """Waits, and meanwhile fails what has waited too long for a stream."""
        until = self._clock() + seconds
        while True:
            now = self._clock()
            self._report(self._window.expire(now, error))
            left = until - now
            if left <= 0 or self._is_cancelled or not self._window.waiting:
                return
            due = self._window.next_deadline()
            await self._outgoing.wait_for(
                lambda: self._is_cancelled,
                left if due is None else max(0.0, min(left, due - now)),
            )

    async def _run_stream(self, pauses: Pauses) -> SidebusError | None:
        """One stream from start to end. Returns why it ended; None for OK."""
        if self._is_cancelled:
            return stream_end()
        self._is_draining = False
        is_over = asyncio.Event()
        try:
            self._call = self._stub.publish_stream(
                self._requests(is_over), metadata=self._metadata()
            )
            async for response in self._call:
                if response.WhichOneof("kind") == "draining":
                    self._is_draining = True
                    self._outgoing.notify()
                    continue
                pauses.reset()
                self._report(self._window.settle(response.ack))
            return None
        except (grpc.RpcError, asyncio.CancelledError) as error:
            return call_end(error)
        finally:
            is_over.set()
            self._call = None
            self._outgoing.notify()

    async def _requests(
        self, is_over: asyncio.Event
    ) -> AsyncIterator[event_bus_pb2.PublishStreamRequest]:
        """What one stream sends."""
        yield event_bus_pb2.PublishStreamRequest(start=self._start)
        while True:
            await self._outgoing.wait_for(
                lambda: (
                    is_over.is_set()
                    or self._is_draining
                    or self._window.waiting
                    or self._is_closing
                )
            )
            if is_over.is_set() or self._is_draining:
                return
            events = self._window.take()
            if not events:  # closing, and all is sent
                return
            yield event_bus_pb2.PublishStreamRequest(events=events)

    def _report(self, results: Iterable[tuple[Ticket[_Future], PublishResult]]) -> None:
        """Tells the publishers; then others may use the room."""
        for ticket, result in results:
            if not ticket.future.done():
                if result.error is None:
                    ticket.future.set_result(result)
                else:
                    ticket.future.set_exception(result.error)
                    ticket.future.exception()  # whoever ignores the future has been told
            report(self._on_result, result)
        self._settled.notify()
