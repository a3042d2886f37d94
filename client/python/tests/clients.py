"""The asyncio client behind methods that block, so that both clients pass the same tests."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any

import sidebus
import sidebus.aio
from fake_gateway import PATIENCE


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any], timeout: float = PATIENCE) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def call(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        async def work() -> Any:
            return function(*args, **options)

        return self.run(work())

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class AioBus:
    def __init__(self, endpoint: str | None, **options: Any) -> None:
        self._loop = Loop()
        self._is_closed = False
        try:
            self._bus = self._loop.call(sidebus.aio.connect, endpoint, **options)
        except BaseException:
            self._loop.close()
            raise
        self.endpoint = self._bus.endpoint

    def publish(self, *args: Any, **options: Any) -> Any:
        return self._loop.run(self._bus.publish(*args, **options))

    def publish_many(self, *args: Any, **options: Any) -> Any:
        return self._loop.run(self._bus.publish_many(*args, **options))

    def publish_stream(self, **options: Any) -> "AioStream":
        return AioStream(self._loop, self._loop.call(self._bus.publish_stream, **options))

    def subscribe(self, *args: Any, **options: Any) -> "AioSubscription":
        return AioSubscription(self._loop, self._loop.call(self._bus.subscribe, *args, **options))

    def describe(self, *args: Any, **options: Any) -> Any:
        return self._loop.run(self._bus.describe(*args, **options))

    def wait_ready(self, timeout: float | None = None) -> None:
        self._loop.run(self._bus.wait_ready(timeout))

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._loop.run(self._bus.close())
            self._loop.close()


class AioStream:
    def __init__(self, loop: Loop, stream: sidebus.aio.PublishStream) -> None:
        self._loop = loop
        self._stream = stream

    def publish(self, event: sidebus.Event, **options: Any) -> "Future[sidebus.PublishResult]":
        result: Future[sidebus.PublishResult] = Future()

        async def work() -> None:
            (await self._stream.publish(event, **options)).add_done_callback(tell)

        def tell(done: "asyncio.Future[sidebus.PublishResult]") -> None:
            error = done.exception()
            result.set_result(done.result()) if error is None else result.set_exception(error)

        self._loop.run(work())
        return result

    def flush(self, timeout: float | None = None) -> None:
        self._loop.run(self._stream.flush(timeout))

    def close(self, **options: Any) -> None:
        self._loop.run(self._stream.close(**options))

    def __enter__(self) -> "AioStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AioSubscription:
    def __init__(self, loop: Loop, subscription: sidebus.aio.Subscription) -> None:
        self._loop = loop
        self._subscription = subscription

    def receive(self, timeout: float | None = None) -> Any:
        return self._loop.run(self._subscription.receive(timeout))

    def __iter__(self) -> Iterator[Any]:
        while True:
            try:
                yield self._loop.run(anext(self._subscription))
            except StopAsyncIteration:
                return

    def run(self, handler: Callable[[Any], Any], *, workers: int = 8) -> None:
        async def handle(delivery: Any) -> None:
            await asyncio.to_thread(handler, delivery)

        self._loop.run(self._subscription.run(handle, concurrency=workers))

    def wait_started(self, timeout: float | None = None) -> Any:
        return self._loop.run(self._subscription.wait_started(timeout))

    def set_window(self, window: sidebus.Window) -> None:
        self._loop.call(self._subscription.set_window, window)

    def drain(self) -> None:
        self._loop.call(self._subscription.drain)

    def close(self, *args: Any, **options: Any) -> bool:
        return self._loop.run(self._subscription.close(*args, **options))

    def __enter__(self) -> "AioSubscription":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
