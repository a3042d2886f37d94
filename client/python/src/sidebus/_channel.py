"""The connection to the gateway: options, methods, and which errors are worth a new stream."""

from typing import Any

import grpc

from sidebus.errors import SidebusError
from sidebus.v1 import event_bus_pb2

OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_receive_message_length", -1),  # the gateway has its own bounds
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),  # it is beside us
    ("grpc.use_local_subchannel_pool", 1),  # two buses are two connections
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
]


class Stub:
    """The methods of sidebus.v1.EventBus on a channel, sync or asyncio."""

    def __init__(self, channel: Any) -> None:
        self.publish = channel.unary_unary(
            "/sidebus.v1.EventBus/Publish",
            request_serializer=event_bus_pb2.PublishRequest.SerializeToString,
            response_deserializer=event_bus_pb2.PublishResponse.FromString,
        )
        self.publish_stream = channel.stream_stream(
            "/sidebus.v1.EventBus/PublishStream",
            request_serializer=event_bus_pb2.PublishStreamRequest.SerializeToString,
            response_deserializer=event_bus_pb2.PublishStreamResponse.FromString,
        )
        self.subscribe = channel.stream_stream(
            "/sidebus.v1.EventBus/Subscribe",
            request_serializer=event_bus_pb2.SubscribeRequest.SerializeToString,
            response_deserializer=event_bus_pb2.SubscribeResponse.FromString,
        )
        self.describe = channel.unary_unary(
            "/sidebus.v1.EventBus/Describe",
            request_serializer=event_bus_pb2.DescribeRequest.SerializeToString,
            response_deserializer=event_bus_pb2.DescribeResponse.FromString,
        )


# What gRPC itself says when a connection breaks under a stream.
_BROKEN = (grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL)


def worth_a_new_stream(error: SidebusError | None) -> bool:
    """Whether a stream that ended so is opened again, after a pause. None: it ended with OK."""
    return (
        error is None
        or error.retryable
        or error.code is grpc.StatusCode.UNAVAILABLE
        or (not error.reason and error.code in _BROKEN)
    )
