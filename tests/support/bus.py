"""The gateway's gRPC API as it is on the wire: no retries, no defaults, nothing hidden.

For tests that say exactly what is sent and answered. The Python client has tests of its own.
"""

import dataclasses
import threading
import time
from collections import defaultdict, deque

import grpc
from google.rpc import error_details_pb2, status_pb2
from sidebus.v1 import event_bus_pb2 as api

SERVICE = "/sidebus.v1.EventBus"
OPTIONS = [
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
]


class Bus:
    def __init__(self, endpoint):
        self._channel = grpc.insecure_channel(endpoint, options=OPTIONS)
        self._publish = self._channel.unary_unary(
            f"{SERVICE}/Publish",
            api.PublishRequest.SerializeToString,
            api.PublishResponse.FromString,
        )
        self._publish_stream = self._channel.stream_stream(
            f"{SERVICE}/PublishStream",
            api.PublishStreamRequest.SerializeToString,
            api.PublishStreamResponse.FromString,
        )
        self._subscribe = self._channel.stream_stream(
            f"{SERVICE}/Subscribe",
            api.SubscribeRequest.SerializeToString,
            api.SubscribeResponse.FromString,
        )
        self._describe = self._channel.unary_unary(
            f"{SERVICE}/Describe",
            api.DescribeRequest.SerializeToString,
            api.DescribeResponse.FromString,
        )

    def close(self):
        self._channel.close()

    def publish(self, *events, topic="", timeout=20, metadata=()):
        """The results, one per event. Raises grpc.RpcError."""
        request = api.PublishRequest(events=events, topic=topic)
        return self._publish(request, timeout=timeout, metadata=metadata).results

    def publish_later(self, *events, timeout=20):
        """A call on its way: a future of the response."""
        return self._publish.future(api.PublishRequest(events=events), timeout=timeout)

    def must_publish(self, *events, timeout=20):
        """The positions of the events' first topics; none may fail."""
        results = self.publish(*events, timeout=timeout)
        assert not any(result.HasField("error") for result in results), results
        return [result.positions[0] for result in results]

    def publish_stream(self, requests, metadata=()):
        return self._publish_stream(requests, metadata=metadata)

    def call(self, method):
        """Calls any method with an empty message. The code of the answer."""
        try:
            self._channel.unary_unary(method)(b"", timeout=10)
        except grpc.RpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    def describe(self, *event_types):
        return self._describe(api.DescribeRequest(event_types=event_types), timeout=10)

    def subscribe(self, group, *event_types, **start):
        """An open Stream; more fields of SubscribeStart by name."""
        return Stream(
            self._subscribe,
            api.SubscribeStart(group=group, event_types=event_types, **start),
        )

    def subscribe_without_reading(self, group, *event_types):
        """The call of a stream from which nobody takes anything."""
        outbox = _Outbox()
        start = api.SubscribeStart(group=group, event_types=event_types)
        outbox.put(api.SubscribeRequest(start=start))
        return self._subscribe(outbox)


class Stream:
    """A Subscribe stream. What arrives waits, by kind, until somebody asks for it."""

    def __init__(self, method, start):
        self._outbox = _Outbox()
        self._changed = threading.Condition()
        self._arrived = defaultdict(deque)
        self._ended = False
        self._call = method(self._outbox)
        self.send(start=start)
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, **fields):
        self._outbox.put(api.SubscribeRequest(**fields))

    def ack(self, *deliveries):
        self.send(ack=[each.delivery_id for each in deliveries])

    def nack(self, delivery, **fields):
        self.send(nack=[api.Nack(delivery_id=delivery.delivery_id, **fields)])

    def drain(self):
        self.send(drain=True)

    def half_close(self):
        self._outbox.put(None)

    def cancel(self):
        self._call.cancel()

    def next(self, kind, seconds=20):
        """The next message of a kind ("started", "delivery", "settle_result", ...)."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not self._arrived[kind]:
                left = deadline - time.monotonic()
                if self._ended:
                    raise AssertionError(f"the stream ended before {kind}: {self.status()}")
                if left <= 0:
                    raise AssertionError(f"no {kind} within {seconds} s; {self.waiting()}")
                self._changed.wait(left)
            return self._arrived[kind].popleft()

    def take(self, count, seconds=20):
        """So many deliveries."""
        deadline = time.monotonic() + seconds
        return [self.next("delivery", deadline - time.monotonic()) for _ in range(count)]

    def batch(self, seconds=20):
        """All deliveries that are here, at least one."""
        first = self.next("delivery", seconds)
        with self._changed:
            rest = list(self._arrived["delivery"])
            self._arrived["delivery"].clear()
        return [first, *rest]

    def arrived(self, seconds):
        """Everything that nobody asked for yet, by kind; waits so long for it. {}: nothing came, or
        the stream has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or any(self._arrived.values()), seconds)
            found = {kind: list(messages) for kind, messages in self._arrived.items() if messages}
            self._arrived.clear()
        return found

    @property
    def ended(self):
        with self._changed:
            return self._ended

    def waiting(self):
        """How many messages of each kind nobody asked for yet."""
        with self._changed:
            return {kind: len(found) for kind, found in self._arrived.items() if found}

    def end(self, seconds=20):
        """Waits for the end of the stream. (code, fault or None)"""
        with self._changed:
            ended = self._changed.wait_for(lambda: self._ended, seconds)
        assert ended, f"the stream is still open after {seconds} s; {self.waiting()}"
        return self.status()

    def status(self):
        code = self._call.code()
        return code, None if code == grpc.StatusCode.OK else fault_of(self._call)

    def _read(self):
        try:
            for response in self._call:
                kind = response.WhichOneof("kind")
                message = getattr(response, kind)
                with self._changed:
                    if kind == "deliveries":
                        self._arrived["delivery"].extend(message.items)
                    else:
                        self._arrived[kind].append(message)
                    self._changed.notify_all()
        except grpc.RpcError:
            pass  # status() tells
        with self._changed:
            self._ended = True
            self._changed.notify_all()


class _Outbox:
    """The messages that gRPC's own thread fetches and sends; None ends them."""

    def __init__(self):
        self._changed = threading.Condition()
        self._messages = deque()

    def put(self, message):
        with self._changed:
            self._messages.append(message)
            self._changed.notify()

    def __iter__(self):
        return self

    def __next__(self):
        with self._changed:
            self._changed.wait_for(lambda: self._messages)
            message = self._messages.popleft()
        if message is None:
            raise StopIteration
        return message


# --- errors ---------------------------------------------------------------------------------------


@dataclasses.dataclass
class Fault:
    """An error as the API promises it. `retry`: seconds, or None; `fields`: of BadRequest."""

    code: str
    reason: str
    metadata: dict
    retry: float | None
    fields: list
    message: str

    @property
    def outcome(self):
        return self.metadata.get("outcome")


def fault(status):
    """Of a google.rpc.Status."""
    found = Fault(grpc_code(status.code), "", {}, None, [], status.message)
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        retry = error_details_pb2.RetryInfo()
        bad = error_details_pb2.BadRequest()
        if detail.Unpack(info):
            assert info.domain == "sidebus", info
            found.reason, found.metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(retry):
            found.retry = retry.retry_delay.ToTimedelta().total_seconds()
        elif detail.Unpack(bad):
            found.fields = [violation.field for violation in bad.field_violations]
    return found


def fault_of(call):
    """Of a call that failed (a grpc.RpcError)."""
    for name, value in call.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            return fault(status_pb2.Status.FromString(value))
    return Fault(call.code().name, "", {}, None, [], call.details())


def grpc_code(number):
    return next(code.name for code in grpc.StatusCode if code.value[0] == number)
