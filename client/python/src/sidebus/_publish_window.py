"""The events of a publish stream between `publish` and their results. No I/O, no lock."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from sidebus._publish_call import PublishResult
from sidebus.errors import Outcome, SidebusError, error_from_status, publish_error
from sidebus.events import Position, position_from_proto
from sidebus.v1 import event_bus_pb2, event_pb2

# One message of the stream: small enough to flow, large enough to cost little per event.
MESSAGE_EVENTS = 500
MESSAGE_BYTES = 512 * 1024

F = TypeVar("F")


@dataclass(slots=True)
class Ticket(Generic[F]):
    """One event on its way. `future` is what its publisher holds."""

    proto: event_pb2.Event
    size: int
    deadline: float
    future: F


class PublishWindow(Generic[F]):
    """Bounded: at most `max_events` and `max_bytes` wait or are in flight (one event always may).

        add ──► waiting ──take──► in flight ──settle──► out, with a result
                   ▲                  │
                   └──── unsend ──────┴──abandon──► out, unknown

    Numbers are those of the current stream: `restart` begins at 1 again.
    """

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._bytes = 0
        self._waiting: deque[Ticket[F]] = deque()
        self._in_flight: dict[int, Ticket[F]] = {}
        self._sent = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._in_flight)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def has_room(self, size: int) -> bool:
        if len(self) == 0:
            return True
        return len(self) < self._max_events and self._bytes + size <= self._max_bytes

    def add(self, ticket: Ticket[F]) -> None:
        self._waiting.append(ticket)
        self._bytes += ticket.size

    def take(self) -> list[event_pb2.Event]:
        """The events of the next message, numbered and in flight from now on; [] if none waits."""
        taken: list[event_pb2.Event] = []
        size = 0
        while self._waiting and len(taken) < MESSAGE_EVENTS:
            ticket = self._waiting[0]
            if taken and size + ticket.size > MESSAGE_BYTES:
                break
            self._waiting.popleft()
            self._sent += 1
            self._in_flight[self._sent] = ticket
            size += ticket.size
            taken.append(ticket.proto)
        return taken

    def settle(self, ack: event_bus_pb2.PublishAck) -> list[tuple[Ticket[F], PublishResult]]:
        """Takes out what the ack settles. Numbers that are not in flight are ignored."""
        failures = {failure.number: failure.error for failure in ack.failures}
        positions = {one.number: one.positions for one in ack.positions}
        settled = []
        for number in self._numbers(ack.settled):
            ticket = self._in_flight.pop(number)
            self._bytes -= ticket.size
            where = _positions(positions.get(number, ()))
            error = None
            if number in failures:
                error = publish_error(
                    error_from_status(failures[number]),
                    event_id=ticket.proto.id,
                    default=Outcome.UNKNOWN,
                    positions=where,
                )
            settled.append((ticket, PublishResult(ticket.proto.id, where, error)))
        return settled

    def abandon(self, error: SidebusError) -> list[tuple[Ticket[F], PublishResult]]:
        """The stream is over: takes out what is in flight. Its outcome is unknown."""
        lost = [self._in_flight[number] for number in sorted(self._in_flight)]
        self.restart()
        return self._out(lost, error, Outcome.UNKNOWN)

    def unsend(self) -> None:
        """The stream never had a connection: what is in flight waits again, in front."""
        for number in sorted(self._in_flight, reverse=True):
            self._waiting.appendleft(self._in_flight[number])
        self.restart()

    def restart(self) -> None:
        """A new stream: numbers begin at 1."""
        self._in_flight = {}
        self._sent = 0

    def expire(self, now: float, error: SidebusError) -> list[tuple[Ticket[F], PublishResult]]:
        """Takes out the events that have waited up to their deadline. They were never sent."""
        expired = []
        while self._waiting and self._waiting[0].deadline <= now:
            expired.append(self._waiting.popleft())
        return self._out(expired, error, Outcome.NOT_WRITTEN)

    def next_deadline(self) -> float | None:
        return self._waiting[0].deadline if self._waiting else None

    def refuse(self, error: SidebusError) -> list[tuple[Ticket[F], PublishResult]]:
        """Takes out all that waits: no stream will ever take it."""
        refused = list(self._waiting)
        self._waiting.clear()
        return self._out(refused, error, Outcome.NOT_WRITTEN)

    def _out(
        self, tickets: list[Ticket[F]], error: SidebusError, outcome: Outcome
    ) -> list[tuple[Ticket[F], PublishResult]]:
        out = []
        for ticket in tickets:
            self._bytes -= ticket.size
            failed = publish_error(error, event_id=ticket.proto.id, default=outcome)
            failed.outcome = outcome
            if outcome is Outcome.UNKNOWN:
                failed.retry_after = None  # the application decides
            out.append((ticket, PublishResult(ticket.proto.id, error=failed)))
        return out

    def _numbers(self, ranges: Iterable[event_bus_pb2.PublishAck.Range]) -> Iterable[int]:
        for one in ranges:
            for number in range(one.first, min(one.last, self._sent) + 1):
                if number in self._in_flight:
                    yield number


def _positions(found: Iterable[event_pb2.Position]) -> tuple[Position, ...]:
    return tuple(map(position_from_proto, found))
