"""A subscription for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

from sidebus._channel import Stub, worth_a_new_stream
from sidebus._closing import AsyncClosing
from sidebus._listeners import Listeners
from sidebus._retry import Backoff, Pauses
from sidebus._subscribe_stream import SubscribeStream, silence_error
from sidebus.aio._call_end import call_end
from sidebus.aio._changed import Changed
from sidebus.delivery import Delivery, settle_after
from sidebus.errors import ClosedError, SidebusError
from sidebus.subscribing import Started, SubscribeOptions, Window
from sidebus.v1 import event_bus_pb2

_log = logging.getLogger("sidebus")


class Subscription(AsyncClosing):
    """The events of a group. Made by `Bus.subscribe`; use it in `async with`, or close it.

    As `sidebus.Subscription`, which documents reconnecting and errors; for the tasks of one event
    loop. A delivery may be settled from any thread.
    """

    def __init__(
        self,
        stub: Stub,
        options: SubscribeOptions,
        *,
        backoff: Backoff,
        listeners: Listeners,
        metadata: Callable[[], Any],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Use `Bus.subscribe`."""
        self._stub = stub
        self._options = options
        self._backoff = backoff
        self._listeners = listeners
        self._metadata = metadata
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._lock = threading.RLock()
        self._incoming = Changed()  # for those who wait for the gateway
        self._outgoing = Changed()  # for those who wait for the application
        self._stream: SubscribeStream | None = None
        self._call: Any = None
        self._started: Started | None = None
        self._last_error: SidebusError | None = None
        self._fatal: BaseException | None = None
        self._handling = 0
        self._workers: list[asyncio.Task[None]] = []
        self._keep_handed = False
        self._is_draining = False
        self._is_closing = False
        self._is_committed = True
        self._task = self._loop.create_task(self._run(), name="sidebus-subscribe")
        self._task.add_done_callback(lambda _: self._incoming.notify())

    # --- receiving ---------------------------------------------------------------------------

    async def receive(self, timeout: float | None = None) -> Delivery:
        """The next delivery.

        Raises TimeoutError when none comes within `timeout` seconds (None: waits for ever),
        ClosedError when the subscription was closed or has drained, and what ended it.
        """
        delivery = await self._take(timeout)
        if delivery is None:
            raise ClosedError("the subscription is closed")
        return delivery

    def __aiter__(self) -> AsyncIterator[Delivery]:
        """Deliveries, until `close` or `drain`. Raises what ended the subscription."""
        return self

    async def __anext__(self) -> Delivery:
        delivery = await self._take()
        if delivery is None:
            raise StopAsyncIteration
        return delivery

    async def run(
        self, handler: Callable[[Delivery], Awaitable[object]], *, concurrency: int = 8
    ) -> None:
        """Awaits `handler` for each delivery, up to `concurrency` at a time, until the end.

        When the handler returns, the delivery is acked. When it raises, it is nacked with the
        exception as the reason; `Retry`, `Reject` and `Skip` say more. A handler may settle by
        itself, too. Leases are extended while handlers run, up to `extend_for` of `subscribe`.

        Returns after `drain` or `close`. Raises what ended the subscription. When it is cancelled,
        handlers are cancelled, their deliveries are returned, and the subscription is closed.
        """
        if concurrency < 1:
            raise ValueError(f"concurrency is {concurrency}; at least 1 is needed")
        if self._workers:
            raise RuntimeError("run was called before")
        self._keep_handed = True
        if self._stream is not None:
            self._stream.keep_handed()
        self._workers = [
            self._loop.create_task(self._work(handler), name=f"sidebus-worker-{i}")
            for i in range(concurrency)
        ]
        try:
            await asyncio.wait(self._workers)
        finally:
            for worker in self._workers:
                worker.cancel()
            await asyncio.wait(self._workers)
            await self.close()
        if self._fatal is not None:
            raise self._fatal

    # --- the subscription --------------------------------------------------------------------

    async def wait_started(self, timeout: float | None = None) -> Started:
        """Waits until the gateway has taken the subscription, and returns what is in force.

        Raises TimeoutError after `timeout` seconds (None: waits for ever), ClosedError, and what
        ended the subscription.
        """
        is_over = await self._incoming.wait_for(lambda: self._started or self._task.done(), timeout)
        if self._started is not None:
            return self._started
        if self._fatal is not None:
            raise self._fatal
        if is_over:
            raise ClosedError("the subscription is closed")
        raise TimeoutError(f"not started within {timeout} s; last error: {self._last_error}")

    def set_window(self, window: Window) -> None:
        """How much may be unsettled from now on, after a reconnect too. `Window()` pauses."""
        self._options = self._options.with_window(window)
        if self._stream is not None:
            self._stream.resize(window.to_proto())

    def drain(self) -> None:
        """Winds down: no new deliveries; iterating and `run` end when all held are settled.

        Returns at once, so that it can be a signal handler of the loop.
        """
        self._is_draining = True
        if self._stream is not None:
            self._stream.request_drain()
        self._outgoing.notify()

    async def close(self, timeout: float = 10.0) -> bool:
        """Ends the subscription, and tells whether every ack is committed.

        Handlers that run may end; then acks are sent, and what is not settled returns to the
        gateway at once. If that takes longer than `timeout` seconds, the stream is cancelled.
        Called by a handler it only begins to close, and returns False.
        """
        deadline = self._clock() + timeout
        self._is_closing = True
        if self._stream is not None:
            self._stream.request_drain()
        self._incoming.notify()
        self._outgoing.notify()
        if asyncio.current_task() in self._workers:
            return False
        try:
            await self._incoming.wait_for(lambda: self._handling == 0, timeout)
            if self._stream is not None:
                self._stream.half_close()
            await asyncio.wait([self._task], timeout=max(0.0, deadline - self._clock()))
        finally:
            if self._call is not None:
                self._call.cancel()
        await asyncio.wait([self._task])
        if not self._is_committed:
            _log.warning("%r: closed; the last acks may not be committed", self)
        return self._is_committed

    def __repr__(self) -> str:
        return f"<Subscription of {self._options}>"

    # --- the application's tasks -------------------------------------------------------------

    async def _take(
        self, timeout: float | None = None, *, to_handle: bool = False
    ) -> Delivery | None:
        delivery: Delivery | None = None

        def is_over() -> bool:
            nonlocal delivery
            if self._is_closing:
                return True
            if self._stream is not None:
                delivery = self._stream.take(self._clock())
            return delivery is not None or self._task.done() or self._fatal is not None

        if not await self._incoming.wait_for(is_over, timeout):
            raise TimeoutError(f"no delivery within {timeout} s")
        if delivery is not None:
            self._handling += to_handle
        elif self._fatal is not None and not self._is_closing:
            raise self._fatal
        return delivery

    async def _work(self, handler: Callable[[Delivery], Awaitable[object]]) -> None:
        while True:
            try:
                delivery = await self._take(to_handle=True)
            except SidebusError:
                return  # `run` raises it
            if delivery is None:
                return
            await self._handle(handler, delivery)

    async def _handle(
        self, handler: Callable[[Delivery], Awaitable[object]], delivery: Delivery
    ) -> None:
        failure: BaseException | None = None
        try:
            await handler(delivery)
        except Exception as error:
            failure = error
            self._listeners.handler_failed(delivery, error)
        except BaseException as error:  # cancelled: the process is to end, not the event
            delivery.nack(type(error).__name__, counted=False)
            raise
        finally:
            settle_after(delivery, failure)
            self._handling -= 1
            self._incoming.notify()

    # --- the stream's tasks ------------------------------------------------------------------

    def _wake(self) -> None:
        if threading.get_ident() == self._loop_thread:
            self._outgoing.notify()
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._outgoing.notify)

    async def _run(self) -> None:
        pauses = Pauses(self._backoff)
        try:
            while not (self._is_closing or self._is_draining):
                error = await self._run_stream(pauses)
                if self._is_closing or self._is_draining:
                    return
                if not worth_a_new_stream(error):
                    self._fatal = error
                    return
                self._last_error = error
                self._listeners.disconnected(self, error)
                await self._outgoing.wait_for(
                    lambda: self._is_closing or self._is_draining,
                    pauses.next(error.retry_after if error else None),
                )
        except Exception as error:
            _log.exception("%r: ended by a bug", self)
            self._fatal = error

    async def _run_stream(self, pauses: Pauses) -> SidebusError | None:
        """One stream from start to end. Returns why it ended; None for OK."""
        stream = self._stream = SubscribeStream(
            self._options,
            lock=self._lock,
            wake=self._wake,
            now=self._clock(),
            keep_handed=self._keep_handed,
        )
        error: SidebusError | None = None
        try:
            self._call = self._stub.subscribe(self._requests(stream), metadata=self._metadata())
            async for response in self._call:
                self._receive(stream, response, pauses)
        except (grpc.RpcError, asyncio.CancelledError) as raised:
            error = call_end(raised)
            if stream.is_silent(self._clock()):
                error = silence_error()
        finally:
            lost = stream.end()
            self._started = self._stream = self._call = None
            self._is_committed = error is None or not stream.has_settled
        if not self._is_closing:
            self._listeners.revoked(lost)
        return error

    def _receive(
        self, stream: SubscribeStream, response: event_bus_pb2.SubscribeResponse, pauses: Pauses
    ) -> None:
        notices = stream.receive(response, self._clock())
        if notices.delivered or notices.started:
            self._started = notices.started or self._started
            self._incoming.notify()
        if notices.delivered or notices.heartbeat:
            pauses.reset()
        self._listeners.noticed(self, notices)

    async def _requests(
        self, stream: SubscribeStream
    ) -> AsyncIterator[event_bus_pb2.SubscribeRequest]:
        """What the stream sends, as it becomes ready."""
        while True:
            if (request := stream.next_request(self._clock())) is not None:
                yield request
            elif stream.is_finished():
                return
            elif stream.is_silent(self._clock()):
                self._call.cancel()
                return
            else:
                await self._outgoing.wait(stream.wait_seconds(self._clock()))
