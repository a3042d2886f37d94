"""A gateway whose every word a test decides: the service EventBus on a socket, in this process."""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2, status_pb2
from sidebus.v1 import event_bus_pb2 as pb
from sidebus.v1 import event_pb2

PATIENCE = 20.0  # seconds until a test that waits in vain fails

HALF_CLOSED = "half-closed"
CANCELLED = "cancelled"
_OK = object()


def rich_status(
    code: grpc.StatusCode, reason: str, retry_after: float | None = None, **metadata: str
) -> status_pb2.Status:
    """A status with ErrorInfo, and RetryInfo where there is something to wait for."""
    status = status_pb2.Status(code=code.value[0], message=f"it is {reason}")
    info = error_details_pb2.ErrorInfo(domain="sidebus", reason=reason, metadata=metadata)
    status.details.add().Pack(info)
    if retry_after is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(retry_after * 1e9))
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return status


def abort(context: grpc.ServicerContext, status: status_pb2.Status) -> None:
    """Ends a call with an error. A status without details is one of gRPC's own."""
    if status.details:
        details = ("grpc-status-details-bin", status.SerializeToString())
        context.set_trailing_metadata((details,))
    code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
    context.abort(code, status.message)


class FakeStream:
    """One call of PublishStream or Subscribe, as the gateway sees it."""

    def __init__(self, requests: Iterator[Any], context: grpc.ServicerContext) -> None:
        self.metadata = dict(context.invocation_metadata())
        self._context = context
        self._received: queue.Queue[Any] = queue.Queue()
        self._answers: queue.Queue[Any] = queue.Queue()
        threading.Thread(target=self._read, args=(requests,), daemon=True).start()
        context.add_callback(lambda: self._answers.put(_OK))

    def next(self) -> Any:
        """The client's next message; HALF_CLOSED, CANCELLED."""
        return self._received.get(timeout=PATIENCE)

    def next_that(self, is_wanted: Callable[[Any], object]) -> Any:
        """Skips messages until one is wanted."""
        while isinstance(message := self.next(), str) or not is_wanted(message):
            assert not isinstance(message, str), f"the stream is {message}"
        return message

    def send(self, response: Any) -> None:
        self._answers.put(response)

    def end(self, status: status_pb2.Status | None = None) -> None:
        """Ends the call: with OK, or with an error."""
        self._answers.put(_OK if status is None else status)

    # --- Subscribe ---

    def start(self, lease: float = 60.0) -> pb.SubscribeStart:
        """Takes the client's start and answers that it started."""
        request = self.next()
        assert request.HasField("start"), request
        started = pb.SubscribeStarted(
            stream_id="stream-1",
            window=pb.Window(events=100, bytes=4096),
            ordering=pb.ORDERING_BY_KEY,
            topics=["orders"],
            retry=pb.RetryPolicy(max_attempts=5),
        )
        started.lease.FromNanoseconds(int(lease * 1e9))
        started.retry.min_backoff.FromMilliseconds(500)
        started.retry.max_backoff.FromSeconds(30)
        self.send(pb.SubscribeResponse(started=started))
        return request.start

    def deliver(self, *delivery_ids: int, data: bytes = b"{}") -> None:
        deliveries = [a_delivery(delivery_id, data) for delivery_id in delivery_ids]
        self.send(pb.SubscribeResponse(deliveries=pb.Deliveries(items=deliveries)))

    def revoke(self, *delivery_ids: int, grace: float = 0.0) -> None:
        revoked = pb.Revoked(delivery_ids=delivery_ids)
        revoked.grace.FromNanoseconds(int(grace * 1e9))
        self.send(pb.SubscribeResponse(revoked=revoked))

    def refuse(self, delivery_id: int, status: status_pb2.Status) -> None:
        failure = pb.SettleFailure(delivery_id=delivery_id, error=status)
        self.send(pb.SubscribeResponse(settle_result=pb.SettleResult(failures=[failure])))

    def acks(self, count: int) -> list[int]:
        """The next so many acks, from however many messages."""
        ids: list[int] = []
        while len(ids) < count:
            ids += self.next_that(lambda message: message.ack).ack
        return ids

    # --- PublishStream ---

    def events(self, count: int) -> list[event_pb2.Event]:
        """The next so many events, from however many messages."""
        found: list[event_pb2.Event] = []
        while len(found) < count:
            found += self.next_that(lambda message: message.events).events
        return found

    def settle(self, first: int, last: int, **ack: Any) -> None:
        settled = [pb.PublishAck.Range(first=first, last=last)]
        self.send(pb.PublishStreamResponse(ack=pb.PublishAck(settled=settled, **ack)))

    # --- inside ---

    def _read(self, requests: Iterator[Any]) -> None:
        try:
            for request in requests:
                self._received.put(request)
            self._received.put(HALF_CLOSED)
        except Exception:
            self._received.put(CANCELLED)

    def answers(self) -> Iterator[Any]:
        while (answer := self._answers.get()) is not _OK:
            if isinstance(answer, status_pb2.Status):
                abort(self._context, answer)
            yield answer


def a_delivery(delivery_id: int, data: bytes = b"{}") -> pb.Delivery:
    delivery = pb.Delivery(delivery_id=delivery_id, attempt=1)
    delivery.event.CopyFrom(
        event_pb2.Event(
            id=f"event-{delivery_id}",
            type="order.created",
            content_type="application/json",
            data=data,
            key=b"A-7",
        )
    )
    delivery.position.CopyFrom(event_pb2.Position(topic="orders", partition=1, offset=delivery_id))
    delivery.broker_time.FromMilliseconds(1_700_000_000_000)
    return delivery


def written(request: pb.PublishRequest) -> pb.PublishResponse:
    """Every event is in Kafka."""
    position = event_pb2.Position(topic="orders", partition=1, offset=7)
    results = [pb.PublishResult(event_id=one.id, positions=[position]) for one in request.events]
    return pb.PublishResponse(results=results)


class FakeGateway:
    """Publish answers from `script`, then `written`; streams appear at `subscribe()` and so on."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.published: queue.Queue[pb.PublishRequest] = queue.Queue()
        self.metadata: list[dict[str, Any]] = []
        self.description = pb.DescribeResponse(version="0.1.0")
        self.port = 0
        self._script: queue.Queue[Any] = queue.Queue()
        self._subscribes: queue.Queue[FakeStream] = queue.Queue()
        self._publish_streams: queue.Queue[FakeStream] = queue.Queue()
        self._server: grpc.Server | None = None

    def script(self, *answers: Any) -> None:
        """What the next Publish calls get: a status to fail with, or a function of the request."""
        for answer in answers:
            self._script.put(answer)

    def subscribe(self) -> FakeStream:
        """The next Subscribe call."""
        return self._subscribes.get(timeout=PATIENCE)

    def publish_stream(self) -> FakeStream:
        """The next PublishStream call, after its start."""
        stream = self._publish_streams.get(timeout=PATIENCE)
        assert stream.next().HasField("start")
        return stream

    def serve(self) -> None:
        handlers = {
            "Publish": grpc.unary_unary_rpc_method_handler(
                self._publish, pb.PublishRequest.FromString, pb.PublishResponse.SerializeToString
            ),
            "PublishStream": grpc.stream_stream_rpc_method_handler(
                lambda requests, context: self._stream(self._publish_streams, requests, context),
                pb.PublishStreamRequest.FromString,
                pb.PublishStreamResponse.SerializeToString,
            ),
            "Subscribe": grpc.stream_stream_rpc_method_handler(
                lambda requests, context: self._stream(self._subscribes, requests, context),
                pb.SubscribeRequest.FromString,
                pb.SubscribeResponse.SerializeToString,
            ),
            "Describe": grpc.unary_unary_rpc_method_handler(
                lambda request, context: self.description,
                pb.DescribeRequest.FromString,
                pb.DescribeResponse.SerializeToString,
            ),
        }
        self._server = grpc.server(
            futures.ThreadPoolExecutor(max_workers=8), options=[("grpc.so_reuseport", 0)]
        )
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("sidebus.v1.EventBus", handlers),)
        )
        self.port = self._server.add_insecure_port(self.endpoint)
        self._server.start()

    def stop(self) -> None:
        """At once: connections break, calls end with an error."""
        if self._server is not None:
            self._server.stop(grace=None).wait()
            self._server = None

    def _publish(
        self, request: pb.PublishRequest, context: grpc.ServicerContext
    ) -> pb.PublishResponse:
        self.published.put(request)
        self.metadata.append(dict(context.invocation_metadata()))
        try:
            answer = self._script.get_nowait()
        except queue.Empty:
            answer = written
        if isinstance(answer, status_pb2.Status):
            abort(context, answer)
        return answer(request)

    def _stream(
        self, arrivals: "queue.Queue[FakeStream]", requests: Any, context: grpc.ServicerContext
    ) -> Iterator[Any]:
        stream = FakeStream(requests, context)
        arrivals.put(stream)
        yield from stream.answers()
