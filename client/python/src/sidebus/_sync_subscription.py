"""A subscription whose events are iterated over, or handled by threads."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from sidebus._channel import Stub, worth_a_new_stream
from sidebus._closing import Closing
from sidebus._listeners import Listeners
from sidebus._retry import Backoff, Pauses
from sidebus._subscribe_stream import SubscribeStream, silence_error
from sidebus.delivery import Delivery, settle_after
from sidebus.errors import ClosedError, SidebusError, error_from_rpc
from sidebus.subscribing import Started, SubscribeOptions, Window
from sidebus.v1 import event_bus_pb2

_log = logging.getLogger("sidebus")


class Subscription(Closing):
    """The events of a group. Made by `Bus.subscribe`; close it, or use it in a `with` statement.

    Iterate over it, or `run` a handler. Iterating and all methods are for any number of threads at
    a time: each delivery goes to one of them. Acks are sent in the background, many in a message.

    A lost connection, and a gateway that restarts, are waited for: the subscription connects again
    with back-off. What was held then is revoked, and will be delivered again. Other errors (an
    unknown event type, no permission, ...) end it: iterating and `run` raise them.
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
        self._lock = threading.RLock()
        self._incoming = threading.Condition(self._lock)  # for those who wait for the gateway
        self._outgoing = threading.Condition(self._lock)  # for those who wait for the application
        self._stream: SubscribeStream | None = None
        self._call: Any = None
        self._started: Started | None = None
        self._last_error: SidebusError | None = None
        self._fatal: BaseException | None = None
        self._handling = 0
        self._workers: list[threading.Thread] = []
        self._has_run = False
        self._keep_handed = False
        self._is_draining = False
        self._is_closing = False
        self._is_done = False
        self._is_committed = True
        self._thread = threading.Thread(target=self._run, name="sidebus-subscribe", daemon=True)
        self._thread.start()

    # --- receiving ---------------------------------------------------------------------------

    def receive(self, timeout: float | None = None) -> Delivery:
        """The next delivery.

        Raises TimeoutError when none comes within `timeout` seconds (None: waits for ever),
        ClosedError when the subscription was closed or has drained, and what ended it.
        """
        delivery = self._take(timeout)
        if delivery is None:
            raise ClosedError("the subscription is closed")
        return delivery

    def __iter__(self) -> Iterator[Delivery]:
        """Deliveries, until `close` or `drain`. Raises what ended the subscription."""
        while (delivery := self._take()) is not None:
            yield delivery

    def run(self, handler: Callable[[Delivery], object], *, workers: int = 8) -> None:
        """Calls `handler` for each delivery, in up to `workers` threads at a time, until the end.

        `workers=0`: in the calling thread, one after the other.

        When the handler returns, the delivery is acked. When it raises, it is nacked with the
        exception as the reason; `Retry`, `Reject` and `Skip` say more. A handler may settle by
        itself, too. Leases are extended while handlers run, up to `extend_for` of `subscribe`.

        Returns after `drain` or `close`, called in another thread, a signal handler, or the
        handler. Raises what ended the subscription. A KeyboardInterrupt closes it.
        """
        if workers < 0:
            raise ValueError(f"workers is {workers}; 0 is the calling thread")
        with self._lock:
            if self._has_run:
                raise RuntimeError("run was called before")
            self._has_run = True
            self._keep_handed = True
            if self._stream is not None:
                self._stream.keep_handed()
            self._workers = [
                threading.Thread(
                    target=self._work, args=(handler,), name=f"sidebus-worker-{i}", daemon=True
                )
                for i in range(workers)
            ] or [threading.current_thread()]
        try:
            if workers == 0:
                self._work_here(handler)
            else:
                for worker in self._workers:
                    worker.start()
                for worker in self._workers:
                    worker.join()
        finally:
            self.close()
        if self._fatal is not None:
            raise self._fatal

    # --- the subscription --------------------------------------------------------------------

    def wait_started(self, timeout: float | None = None) -> Started:
        """Waits until the gateway has taken the subscription, and returns what is in force.

        Raises TimeoutError after `timeout` seconds (None: waits for ever), ClosedError, and what
        ended the subscription.
        """
        with self._lock:
            is_over = self._incoming.wait_for(lambda: self._started or self._is_done, timeout)
            if self._started is not None:
                return self._started
            self._raise_fatal()
            if is_over:
                raise ClosedError("the subscription is closed")
            raise TimeoutError(f"not started within {timeout} s; last error: {self._last_error}")

    def set_window(self, window: Window) -> None:
        """How much may be unsettled from now on, after a reconnect too. `Window()` pauses."""
        with self._lock:
            self._options = self._options.with_window(window)
            if self._stream is not None:
                self._stream.resize(window.to_proto())

    def drain(self) -> None:
        """Winds down: no new deliveries; iterating and `run` end when all held are settled.

        Returns at once. May be called from a signal handler.
        """
        with self._lock:
            self._is_draining = True
            if self._stream is not None:
                self._stream.request_drain()
            self._outgoing.notify_all()

    def close(self, timeout: float = 10.0) -> bool:
        """Ends the subscription, and tells whether every ack is committed.

        Handlers that run may end; then acks are sent, and what is not settled returns to the
        gateway at once. If that takes longer than `timeout` seconds, the stream is cancelled.
        Called by a handler or a callback it only begins to close, and returns False. So it does in
        a signal handler of the thread that `run(..., workers=0)` uses.
        """
        deadline = self._clock() + timeout
        me = threading.current_thread()
        with self._lock:
            self._is_closing = True
            if self._stream is not None:
                self._stream.request_drain()
            self._incoming.notify_all()
            self._outgoing.notify_all()
            if me in self._workers or (me is self._thread and self._handling):
                return False
            self._incoming.wait_for(lambda: self._handling == 0, timeout)
            if self._stream is not None:
                self._stream.half_close()
        if me is self._thread:
            return False
        self._thread.join(max(0.0, deadline - self._clock()))
        with self._lock:
            if not self._is_done and self._call is not None:
                self._call.cancel()
        self._thread.join()
        if not self._is_committed:
            _log.warning("%r: closed; the last acks may not be committed", self)
        return self._is_committed

    def __repr__(self) -> str:
        return f"<Subscription of {self._options}>"

    # --- the application's threads -----------------------------------------------------------

    def _take(self, timeout: float | None = None, *, to_handle: bool = False) -> Delivery | None:
        deadline = None if timeout is None else self._clock() + timeout
        with self._lock:
            while not self._is_closing:
                if self._stream is not None:
                    delivery = self._stream.take(self._clock())
                    if delivery is not None:
                        self._handling += to_handle
                        return delivery
                self._raise_fatal()
                if self._is_done:
                    break
                left = None if deadline is None else deadline - self._clock()
                if left is not None and left <= 0:
                    raise TimeoutError(f"no delivery within {timeout} s")
                self._incoming.wait(left)
            return None

    def _raise_fatal(self) -> None:
        if self._fatal is not None:
            raise self._fatal

    def _work(self, handler: Callable[[Delivery], object]) -> None:
        while True:
            try:
                delivery = self._take(to_handle=True)
            except BaseException:
                return  # `run` raises it
            if delivery is None:
                return
            self._handle(handler, delivery)

    def _work_here(self, handler: Callable[[Delivery], object]) -> None:
        """As `_work`, in the caller's thread, which is no worker any more when this is over."""
        try:
            while (delivery := self._take(to_handle=True)) is not None:
                self._handle(handler, delivery)
        finally:
            with self._lock:
                self._workers = []

    def _handle(self, handler: Callable[[Delivery], object], delivery: Delivery) -> None:
        failure: BaseException | None = None
        try:
            handler(delivery)
        except Exception as error:
            failure = error
            self._listeners.handler_failed(delivery, error)
        except BaseException as error:  # SystemExit: the process is to end, not the event
            delivery.nack(type(error).__name__, counted=False)
            with self._lock:
                self._fatal = error
            self.close()
        finally:
            settle_after(delivery, failure)
            with self._lock:
                self._handling -= 1
                self._incoming.notify_all()

    # --- the stream's threads ----------------------------------------------------------------

    def _run(self) -> None:
        pauses = Pauses(self._backoff)
        try:
            while True:
                error = self._run_stream(pauses)
                with self._lock:
                    if self._is_closing or self._is_draining:
                        break
                    if not worth_a_new_stream(error):
                        self._fatal = error
                        break
                    self._last_error = error
                self._listeners.disconnected(self, error)
                pause = pauses.next(error.retry_after if error else None)
                with self._lock:
                    is_over = self._outgoing.wait_for(
                        lambda: self._is_closing or self._is_draining, pause
                    )
                    if is_over:
                        break
        except Exception as error:
            _log.exception("%r: ended by a bug", self)
            with self._lock:
                self._fatal = error
        finally:
            with self._lock:
                self._is_done = True
                self._incoming.notify_all()

    def _run_stream(self, pauses: Pauses) -> SidebusError | None:
        """One stream from start to end. Returns why it ended; None for OK."""
        with self._lock:
            if self._is_closing or self._is_draining:
                return None
            stream = self._stream = SubscribeStream(
                self._options,
                lock=self._lock,
                wake=self._outgoing.notify_all,
                now=self._clock(),
                keep_handed=self._keep_handed,
            )
            self._is_committed = True
        error: SidebusError | None = None
        try:
            call = self._stub.subscribe(self._requests(stream), metadata=self._metadata())
            with self._lock:
                self._call = call
            for response in call:
                self._receive(stream, response, pauses)
        except grpc.RpcError as rpc_error:
            error = error_from_rpc(rpc_error)
            if stream.is_silent(self._clock()):
                error = silence_error()
        finally:
            lost = stream.end()
            with self._lock:
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
            with self._lock:
                self._started = notices.started or self._started
                self._incoming.notify_all()
        if notices.delivered or notices.heartbeat:
            pauses.reset()
        self._listeners.noticed(self, notices)

    def _requests(self, stream: SubscribeStream) -> Iterator[event_bus_pb2.SubscribeRequest]:
        """What the stream sends, as it becomes ready. gRPC runs it in a thread of its own."""
        while True:
            with self._lock:
                while (request := stream.next_request(self._clock())) is None:
                    if stream.is_finished():
                        return
                    if stream.is_silent(self._clock()) and self._call is not None:
                        self._call.cancel()
                        return
                    self._outgoing.wait(stream.wait_seconds(self._clock()))
            yield request
