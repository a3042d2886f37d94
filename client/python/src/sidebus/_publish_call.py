"""Publishing some events with unary calls: what to send, what to send again, when to stop.

No I/O, so that the sync and the asyncio client share it: they carry out the steps it asks for.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import grpc

from sidebus._retry import Backoff, Pauses
from sidebus.errors import (
    InternalError,
    Outcome,
    PublishError,
    SidebusError,
    error_from_status,
    never_sent,
    publish_error,
)
from sidebus.events import Event, Position, event_to_proto, position_from_proto
from sidebus.v1 import event_bus_pb2

# The gateway's default limits for one request, with room for what protobuf adds.
MAX_EVENTS = 1_000
MAX_BYTES = 4 * 1024 * 1024 - 64 * 1024


@dataclass(frozen=True, slots=True)
class PublishResult:
    """What became of one event.

    `error` is None when the event is in Kafka, in every topic of its routes, on all in-sync
    replicas. `positions`: one per topic that has it.
    """

    event_id: str
    positions: tuple[Position, ...] = ()
    error: PublishError | None = None

    @property
    def ok(self) -> bool:
        return self.error is None


@dataclass(frozen=True, slots=True)
class Send:
    """Make this call, then `answered` or `failed`."""

    request: event_bus_pb2.PublishRequest
    timeout: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class AwaitGateway:
    """Wait for a connection, at most so many seconds."""

    timeout: float


class PublishCall:
    """The events of one publish or publish_many, in requests that the gateway takes.

    An event is sent again only where the gateway asks for it (RetryInfo), and only while no later
    event of the same request is written, so that a retry never changes the order.
    """

    def __init__(
        self,
        events: Sequence[Event],
        *,
        topic: str,
        timeout: float,
        retry: bool,
        clock: Callable[[], float],
        backoff: Backoff,
    ) -> None:
        self._protos = [event_to_proto(event, event.id or str(uuid.uuid4())) for event in events]
        self._results: list[PublishResult | None] = [None] * len(events)
        self._topic = topic
        self._retry = retry
        self._clock = clock
        self._deadline = clock() + timeout
        self._pauses = Pauses(backoff)
        self._unsent = 0  # events from here on were in no request yet
        self._pending: list[int] = []
        self._refusals: dict[int, PublishError] = {}
        self._connecting = False
        self._pause: float | None = None

    def next(self) -> Send | Pause | AwaitGateway | None:
        """What to do now; None when every event has its result."""
        while True:
            if not self._pending and not self._fill():
                return None
            left = self._deadline - self._clock()
            pause, self._pause = self._pause, None
            if left <= 0 or (pause is not None and pause >= left):
                self._give_up()
            elif pause is not None:
                return Pause(pause)
            elif self._connecting:
                self._connecting = False
                return AwaitGateway(left)
            else:
                events = [self._protos[index] for index in self._pending]
                return Send(event_bus_pb2.PublishRequest(events=events, topic=self._topic), left)

    def answered(self, response: event_bus_pb2.PublishResponse) -> None:
        """The gateway answered the last `Send`."""
        if len(response.results) != len(self._pending):
            self.failed(
                InternalError(
                    f"{len(response.results)} results for {len(self._pending)} events",
                    code=grpc.StatusCode.INTERNAL,
                )
            )
            return
        results = list(map(self._result, self._pending, response.results))
        written = max((i for i, one in enumerate(results) if _may_be_written(one)), default=-1)
        again = []
        for place, (index, result) in enumerate(zip(self._pending, results, strict=True)):
            if place > written and result.error and self._retry and result.error.retryable:
                again.append(index)
                self._refusals[index] = result.error
            else:
                self._results[index] = result
        self._send_again(again)

    def failed(self, error: SidebusError) -> None:
        """The last `Send` ended with an error."""
        if never_sent(error):
            self._connecting = True
            default = Outcome.NOT_WRITTEN
        else:
            default = Outcome.NOT_WRITTEN if error.reason else Outcome.UNKNOWN
        errors = {
            index: publish_error(error, event_id=self._protos[index].id, default=default)
            for index in self._pending
        }
        if self._connecting or (self._retry and error.retryable):
            self._refusals |= errors
            self._send_again(self._pending)
            return
        for index, publish in errors.items():
            self._results[index] = PublishResult(publish.event_id, error=publish)
        self._pending = []

    @property
    def results(self) -> list[PublishResult]:
        """One per event, in their order, when `next` has returned None."""
        return [result for result in self._results if result is not None]

    def _fill(self) -> bool:
        size = 0
        while self._unsent < len(self._protos) and len(self._pending) < MAX_EVENTS:
            more = self._protos[self._unsent].ByteSize() + 8
            if self._pending and size + more > MAX_BYTES:
                break
            size += more
            self._pending.append(self._unsent)
            self._unsent += 1
        return bool(self._pending)

    def _send_again(self, indexes: list[int]) -> None:
        self._pending = indexes
        if indexes and not self._connecting:
            asked = max(self._refusals[index].retry_after or 0.0 for index in indexes)
            self._pause = self._pauses.next(at_least=asked)

    def _give_up(self) -> None:
        for index in self._pending:
            event_id = self._protos[index].id
            error = self._refusals.get(index) or PublishError(
                "the time-out passed before the event could be sent",
                outcome=Outcome.NOT_WRITTEN,
                event_id=event_id,
                code=grpc.StatusCode.DEADLINE_EXCEEDED,
            )
            self._results[index] = PublishResult(event_id, error=error)
        self._pending = []

    def _result(self, index: int, result: event_bus_pb2.PublishResult) -> PublishResult:
        positions = tuple(position_from_proto(one) for one in result.positions)
        event_id = result.event_id or self._protos[index].id
        error = None
        if result.HasField("error"):
            error = publish_error(
                error_from_status(result.error),
                event_id=event_id,
                default=Outcome.UNKNOWN,
                positions=positions,
            )
        return PublishResult(event_id, positions, error)


def _may_be_written(result: PublishResult) -> bool:
    return result.error is None or result.error.outcome is not Outcome.NOT_WRITTEN
