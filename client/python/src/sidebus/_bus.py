"""The bus for threads."""

from __future__ import annotations

import threading
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
from sidebus._closing import Closing
from sidebus._endpoint import choose_endpoint, target_of
from sidebus._listeners import Listeners, OnDisconnect, OnHeartbeat, OnRevoked, OnSettleFailure
from sidebus._publish_call import AwaitGateway, Pause, PublishCall, PublishResult
from sidebus._results import OnResult
from sidebus._retry import Backoff
from sidebus._sync_publish_stream import PublishStream
from sidebus._sync_subscription import Subscription
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
    """A bus to the gateway at `endpoint`: `host:port`, `unix:/path` or `unix:///path`.

    Default: the environment's SIDEBUS_ENDPOINT, else 127.0.0.1:7420. Does not wait: the connection
    is made when it is needed, and made again when it is lost.

    `credentials`: for TLS (`grpc.ssl_channel_credentials`); None: plaintext.
    `metadata`: call metadata, or a function that gives it for each call.
    `backoff`: the pauses between tries to connect, and to publish what was refused.

    Raises ValueError for a malformed endpoint.
    """
    return Bus(choose_endpoint(endpoint), credentials, metadata, backoff or Backoff())


class Bus(Closing):
    """A connection to a gateway. Made by `connect`; close it, or use it in a `with` statement.

    All methods may be called from any thread. After a fork, the child must make a bus of its own.
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
            self._channel = grpc.insecure_channel(target, OPTIONS)
        else:
            self._channel = grpc.secure_channel(target, credentials, OPTIONS)
        self._stub = Stub(self._channel)
        self._metadata = metadata_source(metadata)
        self._backoff = backoff
        self._closed = threading.Event()
        self._opened: weakref.WeakSet[PublishStream | Subscription] = weakref.WeakSet()

    # --- publish -----------------------------------------------------------------------------

    @overload
    def publish(
        self, event: Event, *, topic: str = "", timeout: float = 30.0, retry: bool = True
    ) -> PublishResult: ...

    @overload
    def publish(
        self,
        event: str,
        data: Data,
        *,
        topic: str = "",
        timeout: float = 30.0,
        retry: bool = True,
        **attributes: Unpack[EventAttributes],
    ) -> PublishResult: ...

    def publish(
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

        When it returns, the event is in Kafka, in every topic of its type's routes, on all in-sync
        replicas. Otherwise it raises PublishError, whose `outcome` says what is known.

        `topic`: only this one of the type's topics.
        `timeout`: seconds for everything: waiting for the gateway, the call, sending again.
        `retry`: send again what the gateway refused for the moment (RetryInfo). An event whose
        outcome is not known is never sent again by itself.
        """
        one = as_event(event, data, attributes)
        (result,) = self.publish_many([one], topic=topic, timeout=timeout, retry=retry)
        if result.error is not None:
            raise result.error
        return result

    def publish_many(
        self,
        events: Iterable[Event],
        *,
        topic: str = "",
        timeout: float = 30.0,
        retry: bool = True,
    ) -> list[PublishResult]:
        """Publishes events, and returns what became of each, in their order.

        Never raises for an event: see `PublishResult.error`. Many events become several requests
        of up to 1,000 events and 4 MiB. An event that is refused is sent again only while no later
        event of its request is written, so that the order stays. Arguments are as for `publish`.
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
                    self._closed.wait(step.seconds)
                case AwaitGateway():
                    self._await_gateway(step.timeout)
                case _:
                    self._send(call, step.request, step.timeout)
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

        `topic`: only this one of the types' topics.
        `want_positions`: results say where each event stands.
        `on_result`: called with each PublishResult, in a thread of the stream; must not block.
        Without it, failures are logged.
        `max_in_flight`, `max_in_flight_bytes`: `publish` blocks at so many events without result.
        `timeout`: seconds that an event may wait for a connection.
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

        Returns at once; what the gateway refuses is raised where events are received.

        `group`: consumer group, as in Kafka. "" is broadcast: this subscriber gets its own copy of
        everything, nothing is committed, and after a lost connection it starts anew.
        `topics`: with event types, those types on these topics only; without, every type on them.
        `start_from`: where a group starts that has no position yet. Default: earliest for a group,
        latest for broadcast.
        `ordering`: what stays in order. Default: events of one key.
        `window`: how much may be unsettled here; an int is a number of events. Default: the
        gateway's (100 events, 4 MiB).
        `lease`: how long a delivery may be held before it is delivered again. Default: 60 s.
        `retry`: what happens after a failure. Default: the gateway's.
        `member`: a name for the gateway's logs. Default: host name and process id.
        `data_format`: how data arrives. Default: as stored.
        `extend_for`: for so many seconds the leases of deliveries that wait in this process, and of
        those that a handler works on, are extended. 0: never. What an iteration handed out is the
        application's to extend.

        Callbacks, called one at a time in a thread of the subscription; they must not block:
        `on_revoked`: with the deliveries that are no longer ours.
        `on_settle_failure`: with each settle that the gateway did not take. It is logged, too.
        `on_disconnect`: with the error, before the subscription connects again.
        `on_heartbeat`: about every 10 s, with the lag.
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

    def describe(self, event_types: Sequence[str] = (), *, timeout: float = 10.0) -> Description:
        """What may be published and subscribed, the limits, and whether the broker is reachable.

        `event_types`: only these; none: all. `timeout`: seconds. Raises SidebusError, for example
        NotFoundError for an unknown type.
        """
        self._raise_if_closed()
        request = event_bus_pb2.DescribeRequest(event_types=event_types)
        try:
            response = self._stub.describe(
                request, timeout=timeout, metadata=self._metadata(), wait_for_ready=True
            )
        except grpc.RpcError as error:
            raise error_from_rpc(error) from error
        return description_from_proto(response)

    def wait_ready(self, timeout: float | None = None) -> None:
        """Waits until the gateway answers connections. Raises TimeoutError after `timeout` s."""
        self._raise_if_closed()
        if not self._await_gateway(timeout):
            raise TimeoutError(f"no gateway at {self.endpoint} within {timeout} s")

    def close(self) -> None:
        """Closes what was opened, waits for what is in flight, and disconnects."""
        for one in list(self._opened):
            one.close()
        self._closed.set()
        self._channel.close()

    # --- inside ------------------------------------------------------------------------------

    def _raise_if_closed(self) -> None:
        if self._closed.is_set():
            raise ClosedError("the bus is closed")

    def _await_gateway(self, timeout: float | None) -> bool:
        ready = grpc.channel_ready_future(self._channel)
        try:
            ready.result(timeout)
        except grpc.FutureTimeoutError:
            return False
        finally:
            ready.cancel()
        return True

    def _send(
        self, call: PublishCall, request: event_bus_pb2.PublishRequest, timeout: float
    ) -> None:
        try:
            response = self._stub.publish(request, timeout=timeout, metadata=self._metadata())
        except grpc.RpcError as error:
            call.failed(error_from_rpc(error))
        else:
            call.answered(response)
