"""What can go wrong, as exceptions: one class per gRPC code, and PublishError for events."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import grpc
from google.rpc import error_details_pb2, status_pb2

if TYPE_CHECKING:
    from sidebus.events import Position

DOMAIN = "sidebus"
_STATUS_KEY = "grpc-status-details-bin"


class SidebusError(Exception):
    """An error that the gateway, or gRPC on the way to it, reported.

    `code`: the gRPC code.
    `reason`: what happened, one word of the API's table (`EVENT_TYPE_UNKNOWN`, `BROKER_DOWN`, ...);
    empty when the error did not come from the gateway itself (a lost connection, a deadline).
    `message`: for a person.
    `metadata`: facts about it: `event_type`, `topic`, `field`, `outcome`, `limit`, ...
    `retry_after`: seconds to wait before trying again; None when the gateway did not ask for it.
    `violations`: (field, description) of each bad field of the request.
    """

    code: grpc.StatusCode
    reason: str
    message: str
    metadata: Mapping[str, str]
    retry_after: float | None
    violations: tuple[tuple[str, str], ...]

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        retry_after: float | None = None,
        violations: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.retry_after = retry_after
        self.violations = violations

    @property
    def retryable(self) -> bool:
        """Whether the gateway says that trying again is right (RetryInfo)."""
        return self.retry_after is not None

    def __str__(self) -> str:
        return f"{self.code.name}{self.reason and ' ' + self.reason}: {self.message}"


class InvalidArgumentError(SidebusError):
    """The request or the event is wrong: EVENT_INVALID, EVENT_TOO_LARGE, START_INVALID, ..."""


class NotFoundError(SidebusError):
    """EVENT_TYPE_UNKNOWN, TOPIC_NOT_ROUTED, GROUP_UNKNOWN, DELIVERY_UNKNOWN."""


class FailedPreconditionError(SidebusError):
    """A state must change first: ROUTE_DISABLED, TOPIC_MISSING, GROUP_CONFLICT, ..."""


class PermissionDeniedError(SidebusError):
    """PUBLISH_DENIED, SUBSCRIBE_DENIED (the gateway's access list), BROKER_DENIED (Kafka's)."""


class UnauthenticatedError(SidebusError):
    """TOKEN_MISSING, TOKEN_INVALID."""


class ResourceExhaustedError(SidebusError):
    """Back-pressure: MEMORY_BUDGET, QUOTA_RATE, TOO_MANY_STREAMS."""


class UnavailableError(SidebusError):
    """BROKER_DOWN, REGISTRY_DOWN, DRAINING, STARTING; no reason: the gateway was not reached."""


class NotSupportedError(SidebusError):
    """The broker behind the gateway, or this gateway, has no such thing."""


class DeadlineExceededError(SidebusError):
    """DELIVERY_TIMEOUT; no reason: no answer came in time."""


class AbortedError(SidebusError):
    """DELIVERY_REVOKED, LEASE_EXPIRED, MEMBER_FENCED."""


class OutOfRangeError(SidebusError):
    """OFFSET_OUT_OF_RANGE."""


class DataLossError(SidebusError):
    """LOG_TRUNCATED: the broker lost records that it had confirmed."""


class InternalError(SidebusError):
    """A bug of the gateway."""


class Outcome(StrEnum):
    """What became of an event whose publishing failed."""

    NOT_WRITTEN = "not_written"
    """No topic has it."""

    PARTIAL = "partial"
    """Some of its topics have it (`positions`), others (`failed_topics`) do not."""

    UNKNOWN = "unknown"
    """Nobody can know. Publish it again with the same id."""


class PublishError(SidebusError):
    """An event that was not published, or of which that is not known.

    `outcome` says which. `event_id` is the event's id: use it when you publish the event again.
    `positions`: where it is written nevertheless.
    `failed_topics`, `unknown_topics`: its topics that do not have it, and those that may have it.
    """

    outcome: Outcome
    event_id: str
    positions: tuple[Position, ...]

    def __init__(
        self,
        message: str,
        *,
        outcome: Outcome,
        event_id: str = "",
        positions: tuple[Position, ...] = (),
        code: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        retry_after: float | None = None,
        violations: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(
            message,
            code=code,
            reason=reason,
            metadata=metadata,
            retry_after=retry_after,
            violations=violations,
        )
        self.outcome = outcome
        self.event_id = event_id
        self.positions = positions

    @property
    def failed_topics(self) -> list[str]:
        return _topics(self.metadata, "failed_topics")

    @property
    def unknown_topics(self) -> list[str]:
        return _topics(self.metadata, "unknown_topics")

    def __str__(self) -> str:
        return f"{super().__str__()} (outcome: {self.outcome})"


class ClosedError(Exception):
    """The bus, stream or subscription was closed."""


def _topics(metadata: Mapping[str, str], name: str) -> list[str]:
    return [topic for topic in metadata.get(name, "").split(",") if topic]


_CODES = {code.value[0]: code for code in grpc.StatusCode}
_CLASSES: dict[grpc.StatusCode, type[SidebusError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgumentError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPreconditionError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhaustedError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.UNIMPLEMENTED: NotSupportedError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.ABORTED: AbortedError,
    grpc.StatusCode.OUT_OF_RANGE: OutOfRangeError,
    grpc.StatusCode.DATA_LOSS: DataLossError,
    grpc.StatusCode.INTERNAL: InternalError,
}


def error_from_status(status: status_pb2.Status) -> SidebusError:
    """The exception for a status, which is not OK."""
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    info = error_details_pb2.ErrorInfo()
    retry = error_details_pb2.RetryInfo()
    bad = error_details_pb2.BadRequest()
    ours = False
    retry_after = None
    violations: list[tuple[str, str]] = []
    for detail in status.details:
        if detail.Is(info.DESCRIPTOR):
            detail.Unpack(info)
            ours = info.domain == DOMAIN
        elif detail.Is(retry.DESCRIPTOR):
            detail.Unpack(retry)
            retry_after = max(0.0, retry.retry_delay.ToNanoseconds() / 1e9)
        elif detail.Is(bad.DESCRIPTOR):
            detail.Unpack(bad)
            violations += [(one.field, one.description) for one in bad.field_violations]
    return _CLASSES.get(code, SidebusError)(
        status.message,
        code=code,
        reason=info.reason if ours else "",
        metadata=info.metadata if ours else {},
        retry_after=retry_after if ours else None,
        violations=tuple(violations),
    )


def error_from_rpc(error: grpc.RpcError) -> SidebusError:
    """The exception for a call that ended with an error, sync or asyncio."""
    code = error.code()
    status = status_pb2.Status(code=code.value[0], message=error.details() or "")
    trailing: Any = error.trailing_metadata() or ()
    for key, value in trailing:
        if key == _STATUS_KEY:
            rich = status_pb2.Status.FromString(value)
            if rich.code == status.code:
                status = rich
    made = error_from_status(status)
    made.__cause__ = error
    return made


def never_sent(error: SidebusError) -> bool:
    """Whether a call failed because there was no connection to send it on.

    gRPC says so in words only, so that other words count as "may have been sent".
    """
    return (
        error.code is grpc.StatusCode.UNAVAILABLE
        and not error.reason
        and "failed to connect to all addresses" in error.message
    )


def publish_error(
    error: SidebusError,
    *,
    event_id: str,
    default: Outcome,
    positions: tuple[Position, ...] = (),
) -> PublishError:
    """An error as that of one event. `default`: its outcome where the error does not tell."""
    told = error.metadata.get("outcome", "")
    made = PublishError(
        error.message,
        outcome=Outcome(told) if told in set(Outcome) else default,
        event_id=event_id,
        positions=positions,
        code=error.code,
        reason=error.reason,
        metadata=error.metadata,
        retry_after=error.retry_after,
        violations=error.violations,
    )
    made.__cause__ = error.__cause__
    return made
