"""The bus for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import time
import weakref
from collections.abc import Iterable, Sequence
from typing import Literal, Unpack, overload

import grpc

from sidebus._arguments import (
    UNSET,
    MetadataSource,
    Unset,
    as_event,
    metadata_source,
    subscribe_options,
)
from sidebus._channel import OPTIONS, Stub
from sidebus._closing import AsyncClosing
from sidebus._endpoint import choose_endpoint, target_of
from sidebus._listeners import Listeners, OnDisconnect, OnHeartbeat, OnRevoked, OnSettleFailure
from sidebus._publish_call import AwaitGateway, Pause, PublishCall, PublishResult
from sidebus._results import OnResult
from sidebus._retry import Backoff
from sidebus.aio._publish_stream import PublishStream
from sidebus.aio._subscription import Subscription
from sidebus.description import Description, description_from_proto
from sidebus.errors import ClosedError, error_from_rpc
from sidebus.events import Data, Event, EventAttributes
from sidebus.subscribing import DataFormat, Ordering, RetryPolicy, Seconds, StartFrom, Window
from sidebus.v1 import event_bus_pb2


def connect(
    endpoint: str | None = None,
    *,
    credentials: grpc.ChannelCredentials | None = None,
    metadata: MetadataSource = (),
    backoff: Backoff | None = None,
) -> Bus:
    """A bus to the gateway, for the running event loop. Arguments are those of `sidebus.connect`.

    Does not wait: the connection is made when it is needed, and made again when it is lost. Raises
    ValueError for a malformed endpoint, RuntimeError where no event loop runs.
    """
    asyncio.get_running_loop()
    return Bus(choose_endpoint(endpoint), credentials, metadata, backoff or Backoff())


class Bus(AsyncClosing):
    """A connection to a gateway. Made by `connect`; use it in `async with`, or close it.

    For the tasks of one event loop.
    """

    def __init__(
        self,
        endpoint: str,
        credentials: grpc.ChannelCredentials | None,
        metadata: MetadataSource,
        backoff: Backoff,
    ) -> None:
        """Use `connect`."""
        self.endpoint = endpoint
        target = target_of(endpoint)
        if credentials is None:
            self._channel = grpc.aio.insecure_channel(target, OPTIONS)
        else:
            self._channel = grpc.aio.secure_channel(target, credentials, OPTIONS)
        self._stub = Stub(self._channel)
        self._metadata = metadata_source(metadata)
        self._backoff = backoff
        self._closed = asyncio.Event()
        self._opened: weakref.WeakSet[PublishStream | Subscription] = weakref.WeakSet()

    # --- publish -----------------------------------------------------------------------------

    @overload
    async def publish(
        self, event: Event, *, topic: str = "", timeout: float = 30.0, retry: bool = True
    ) -> PublishResult: ...

    @overload
    async def publish(
        self,
        event: str,
        data: Data,
        *,
        topic: str = "",
        timeout: float = 30.0,
        retry: bool = True,
        **attributes: Unpack[EventAttributes],
    ) -> PublishResult: ...

    async def publish(
        self,
        event: Event | str,
        data: Data | Unset = UNSET,
        *,
        topic: str = "",
        timeout: float = 30.0,
        retry: bool = True,
        **attributes: Unpack[EventAttributes],
    ) -> PublishResult:
        """Publishes one event: an `Event`, or its type, data, and what else `Event` takes.

        As `sidebus.Bus.publish`: when it returns, the event is in Kafka, else it raises
        PublishError, whose `outcome` says what is known. When it is cancelled, nothing is known.
        """
        one = as_event(event, data, attributes)
        (result,) = await self.publish_many([one], topic=topic, timeout=timeout, retry=retry)
        if result.error is not None:
            raise result.error
        return result

    async def publish_many(
        self,
        events: Iterable[Event],
        *,
        topic: str = "",
        timeout: float = 30.0,
        retry: bool = True,
    ) -> list[PublishResult]:
        """Publishes events, and returns what became of each, in their order.

        As `sidebus.Bus.publish_many`: never raises for an event, see `PublishResult.error`.
        """
        call = PublishCall(
            list(events),
            topic=topic,
            timeout=timeout,
            retry=retry,
            clock=time.monotonic,
            backoff=self._backoff,
        )
        while (step := call.next()) is not None:
            self._raise_if_closed()
            match step:
                case Pause():
                    await self._sleep(step.seconds)
                case AwaitGateway():
                    await self._await_gateway(step.timeout)
                case _:
                    await self._send(call, step.request, step.timeout)
        return call.results

    def publish_stream(
        self,
        *,
        topic: str = "",
        want_positions: bool = False,
        on_result: OnResult | None = None,
        max_in_flight: int = 1_000,
        max_in_flight_bytes: int = 16 * 1024 * 1024,
        timeout: float = 30.0,
    ) -> PublishStream:
        """A stream to publish many events on, with acknowledgements in batches.

        Arguments are those of `sidebus.Bus.publish_stream`; `on_result` is called in the loop.
        """
        self._raise_if_closed()
        stream = PublishStream(
            self._stub,
            start=event_bus_pb2.PublishStreamStart(want_positions=want_positions, topic=topic),
            max_events=max_in_flight,
            max_bytes=max_in_flight_bytes,
            timeout=timeout,
            on_result=on_result,
            backoff=self._backoff,
            metadata=self._metadata,
        )
        self._opened.add(stream)
        return stream

    # --- subscribe ---------------------------------------------------------------------------

    def subscribe(
        self,
        *event_types: str,
        group: str,
        topics: Iterable[str] = (),
        start_from: StartFrom | Literal["earliest", "latest"] | None = None,
        ordering: Ordering | None = None,
        window: Window | int | None = None,
        lease: Seconds | None = None,
        retry: RetryPolicy | None = None,
        member: str | None = None,
        data_format: DataFormat | None = None,
        extend_for: float = 600.0,
        on_revoked: OnRevoked | None = None,
        on_settle_failure: OnSettleFailure | None = None,
        on_disconnect: OnDisconnect | None = None,
        on_heartbeat: OnHeartbeat | None = None,
    ) -> Subscription:
        """Subscribes a group to event types. Iterate over the result, or `run` a handler.

        Returns at once; what the gateway refuses is raised where events are received. Arguments
        are those of `sidebus.Bus.subscribe`; callbacks are called in the loop.
        """
        self._raise_if_closed()
        options = subscribe_options(
            event_types,
            group=group,
            topics=topics,
            start_from=start_from,
            ordering=ordering,
            window=window,
            lease=lease,
            retry=retry,
            member=member,
            data_format=data_format,
            extend_for=extend_for,
        )
        subscription = Subscription(
            self._stub,
            options,
            backoff=self._backoff,
            listeners=Listeners(on_revoked, on_settle_failure, on_disconnect, on_heartbeat),
            metadata=self._metadata,
        )
        self._opened.add(subscription)
        return subscription

    # --- the gateway -------------------------------------------------------------------------

    async def describe(
        self, event_types: Sequence[str] = (), *, timeout: float = 10.0
    ) -> Description:
        """What may be published and subscribed, the limits, and whether the broker is reachable.

        `event_types`: only these; none: all. `timeout`: seconds. Raises SidebusError, for example
        NotFoundError for an unknown type.
        """
        self._raise_if_closed()
        request = event_bus_pb2.DescribeRequest(event_types=event_types)
        try:
            response = await self._stub.describe(
                request, timeout=timeout, metadata=self._metadata(), wait_for_ready=True
            )
        except grpc.RpcError as error:
            raise error_from_rpc(error) from error
        return description_from_proto(response)

    async def wait_ready(self, timeout: float | None = None) -> None:
        """Waits until the gateway answers connections. Raises TimeoutError after `timeout` s."""
        self._raise_if_closed()
        if not await self._await_gateway(timeout):
            raise TimeoutError(f"no gateway at {self.endpoint} within {timeout} s")

    async def close(self) -> None:
        """Closes what was opened, waits for what is in flight, and disconnects."""
        for one in list(self._opened):
            await one.close()
        self._closed.set()
        await self._channel.close()

    # --- inside ------------------------------------------------------------------------------

    def _raise_if_closed(self) -> None:
        if self._closed.is_set():
            raise ClosedError("the bus is closed")

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), seconds)

    async def _await_gateway(self, timeout: float | None) -> bool:
        try:
            await asyncio.wait_for(self._channel.channel_ready(), timeout)
        except TimeoutError:
            return False
        return True

    async def _send(
        self, call: PublishCall, request: event_bus_pb2.PublishRequest, timeout: float
    ) -> None:
        try:
            response = await self._stub.publish(request, timeout=timeout, metadata=self._metadata())
        except grpc.RpcError as error:
            call.failed(error_from_rpc(error))
        else:
            call.answered(response)
