"""A publish stream for threads."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any

import grpc

from sidebus._channel import Stub, worth_a_new_stream
from sidebus._closing import Closing
from sidebus._publish_call import PublishResult
from sidebus._publish_window import PublishWindow, Ticket
from sidebus._results import OnResult, report, stream_end
from sidebus._retry import Backoff, Pauses
from sidebus.errors import ClosedError, SidebusError, error_from_rpc, never_sent
from sidebus.events import Event, event_to_proto
from sidebus.v1 import event_bus_pb2

_log = logging.getLogger("sidebus")

_Ticket = Ticket[Future[PublishResult]]


class PublishStream(Closing):
    """The fastest way to publish. Made by `Bus.publish_stream`; use it in a `with` statement.

    Methods may be called from any thread. Events are sent in the order of the calls. Results
    arrive in the background, at the future that `publish` returns and at `on_result`.

    A stream that breaks is opened again, with back-off. What was in flight then is failed with
    outcome `unknown`; what was not sent yet waits for the new stream, at most `timeout` seconds.
    Events that the gateway refuses are never sent again here, because others have gone past them:
    `error.retryable` says that publishing them again is right.
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
        self._lock = threading.RLock()
        self._outgoing = threading.Condition(self._lock)  # something to send, or to end
        self._settled = threading.Condition(self._lock)  # room, or nothing left
        self._window: PublishWindow[Future[PublishResult]] = PublishWindow(max_events, max_bytes)
        self._reporting = 0
        self._call: Any = None
        self._is_draining = False  # the current stream takes no more events
        self._is_closing = False
        self._is_cancelled = False  # closing took too long
        self._fatal: SidebusError | None = None
        self._thread = threading.Thread(target=self._run, name="sidebus-publish", daemon=True)
        self._thread.start()

    def publish(self, event: Event, *, timeout: float | None = None) -> Future[PublishResult]:
        """Sends an event. Blocks while as much is in flight as the stream may have.

        The future's `result()` is a PublishResult, or raises PublishError. Ignore it where
        `on_result` does the work. Raises TimeoutError when there is no room within `timeout`
        seconds (None: waits for ever), ClosedError, and what ended the stream for good.
        """
        proto = event_to_proto(event, event.id or str(uuid.uuid4()))
        size = proto.ByteSize() + 8
        future: Future[PublishResult] = Future()
        future.set_running_or_notify_cancel()
        with self._lock:
            has_room = self._settled.wait_for(
                lambda: self._is_closing or self._fatal or self._window.has_room(size), timeout
            )
            self._raise_if_over()
            if not has_room:
                raise TimeoutError(f"no room on the stream within {timeout} s")
            self._window.add(Ticket(proto, size, self._clock() + self._timeout, future))
            self._outgoing.notify_all()
        return future

    def flush(self, timeout: float | None = None) -> None:
        """Waits until every event published so far, or meanwhile, has its result.

        Raises TimeoutError after `timeout` seconds (None: waits for ever). Does not raise for
        events that failed: ask their futures, or `on_result`.
        """
        with self._lock:
            if not self._settled.wait_for(self._is_idle, timeout):
                raise TimeoutError(f"{len(self._window)} events without result after {timeout} s")

    def close(self, timeout: float = 60.0) -> None:
        """Waits for all results, then ends the stream. Takes no more events from now on.

        What has no result after `timeout` seconds is failed with outcome `unknown`, or
        `not_written` if it was not sent.
        """
        with self._lock:
            self._is_closing = True
            self._outgoing.notify_all()
            self._settled.notify_all()
        if threading.current_thread() is self._thread:
            return
        self._thread.join(timeout)
        with self._lock:
            self._is_cancelled = True
            if self._call is not None:
                self._call.cancel()
            self._outgoing.notify_all()
        self._thread.join()

    # --- inside ------------------------------------------------------------------------------

    def _is_idle(self) -> bool:
        return len(self._window) == 0 and self._reporting == 0

    def _raise_if_over(self) -> None:
        if self._fatal is not None:
            raise self._fatal
        if self._is_closing:
            raise ClosedError("the stream is closed")

    def _run(self) -> None:
        pauses = Pauses(self._backoff)
        last: SidebusError | None = None
        while self._wait_for_work():
            error = self._run_stream(pauses)
            with self._lock:
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
            self._pause(pauses.next(error.retry_after if error else None), error or stream_end())
            last = error

    def _wait_for_work(self) -> bool:
        """Whether there is something to send; False: the stream was closed, and all is sent."""
        with self._lock:
            self._outgoing.wait_for(lambda: self._window.waiting or self._is_closing)
            return self._window.waiting > 0

    def _pause(self, seconds: float, error: SidebusError) -> None:
        """Waits, and meanwhile fails what has waited too long for a stream."""
        until = self._clock() + seconds
        while True:
            with self._lock:
                now = self._clock()
                expired = self._window.expire(now, error)
                left = until - now
                if not expired and (left <= 0 or self._is_cancelled or not self._window.waiting):
                    return
                if not expired:
                    due = self._window.next_deadline()
                    self._outgoing.wait(left if due is None else max(0.0, min(left, due - now)))
            self._report(expired)

    def _run_stream(self, pauses: Pauses) -> SidebusError | None:
        """One stream from start to end. Returns why it ended; None for OK."""
        with self._lock:
            if self._is_cancelled:
                return stream_end()
            self._is_draining = False
        is_over = threading.Event()
        try:
            call = self._stub.publish_stream(self._requests(is_over), metadata=self._metadata())
            with self._lock:
                self._call = call
            for response in call:
                if response.WhichOneof("kind") == "draining":
                    with self._lock:
                        self._is_draining = True
                        self._outgoing.notify_all()
                    continue
                with self._lock:
                    settled = self._window.settle(response.ack)
                pauses.reset()
                self._report(settled)
            return None
        except grpc.RpcError as error:
            return error_from_rpc(error)
        finally:
            with self._lock:
                is_over.set()
                self._call = None
                self._outgoing.notify_all()

    def _requests(self, is_over: threading.Event) -> Iterator[event_bus_pb2.PublishStreamRequest]:
        """What one stream sends. gRPC runs it in a thread of its own."""
        yield event_bus_pb2.PublishStreamRequest(start=self._start)
        while True:
            with self._lock:
                self._outgoing.wait_for(
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

    def _report(self, results: Iterable[tuple[_Ticket, PublishResult]]) -> None:
        """Tells the publishers, without the lock; then others may use the room."""
        with self._lock:
            self._reporting += 1
        for ticket, result in results:
            if result.error is None:
                ticket.future.set_result(result)
            else:
                ticket.future.set_exception(result.error)
            report(self._on_result, result)
        with self._lock:
            self._reporting -= 1
            self._settled.notify_all()
