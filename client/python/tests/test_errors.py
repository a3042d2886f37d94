import grpc
import pytest
import sidebus
from fake_gateway import rich_status
from google.rpc import error_details_pb2, status_pb2
from sidebus.errors import error_from_status, publish_error


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, sidebus.InvalidArgumentError),
        (grpc.StatusCode.NOT_FOUND, sidebus.NotFoundError),
        (grpc.StatusCode.FAILED_PRECONDITION, sidebus.FailedPreconditionError),
        (grpc.StatusCode.PERMISSION_DENIED, sidebus.PermissionDeniedError),
        (grpc.StatusCode.UNAUTHENTICATED, sidebus.UnauthenticatedError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, sidebus.ResourceExhaustedError),
        (grpc.StatusCode.UNAVAILABLE, sidebus.UnavailableError),
        (grpc.StatusCode.UNIMPLEMENTED, sidebus.NotSupportedError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, sidebus.DeadlineExceededError),
        (grpc.StatusCode.ABORTED, sidebus.AbortedError),
        (grpc.StatusCode.OUT_OF_RANGE, sidebus.OutOfRangeError),
        (grpc.StatusCode.DATA_LOSS, sidebus.DataLossError),
        (grpc.StatusCode.INTERNAL, sidebus.InternalError),
        (grpc.StatusCode.ALREADY_EXISTS, sidebus.SidebusError),
    ],
)
def test_each_code_has_its_class(code, kind):
    error = error_from_status(rich_status(code, "SOME_REASON", topic="orders"))

    assert type(error) is kind
    assert (error.code, error.reason, error.metadata) == (code, "SOME_REASON", {"topic": "orders"})
    assert str(error) == f"{code.name} SOME_REASON: it is SOME_REASON"


def test_only_retry_info_makes_an_error_retryable():
    asked = error_from_status(rich_status(grpc.StatusCode.UNAVAILABLE, "BROKER_DOWN", 1.5))
    not_asked = error_from_status(rich_status(grpc.StatusCode.UNAVAILABLE, "BROKER_DOWN"))

    assert (asked.retryable, asked.retry_after) == (True, 1.5)
    assert (not_asked.retryable, not_asked.retry_after) == (False, None)


def test_details_of_a_stranger_are_not_the_gateways():
    status = status_pb2.Status(code=grpc.StatusCode.UNAVAILABLE.value[0], message="down")
    status.details.add().Pack(error_details_pb2.ErrorInfo(domain="proxy", reason="BROKER_DOWN"))
    status.details.add().Pack(error_details_pb2.RetryInfo())

    error = error_from_status(status)

    assert (error.reason, error.retryable) == ("", False)
    assert str(error) == "UNAVAILABLE: down"


def test_bad_fields_are_listed():
    status = rich_status(grpc.StatusCode.INVALID_ARGUMENT, "EVENT_INVALID")
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="headers", description="reserved")
    status.details.add().Pack(bad)

    assert error_from_status(status).violations == (("headers", "reserved"),)


def test_the_error_of_an_event_tells_its_outcome_and_topics():
    status = rich_status(
        grpc.StatusCode.DEADLINE_EXCEEDED,
        "DELIVERY_TIMEOUT",
        outcome="partial",
        failed_topics="a,b",
        unknown_topics="b",
    )

    error = publish_error(
        error_from_status(status), event_id="1", default=sidebus.Outcome.NOT_WRITTEN
    )

    assert error.outcome is sidebus.Outcome.PARTIAL
    assert (error.failed_topics, error.unknown_topics) == (["a", "b"], ["b"])
    assert "outcome: partial" in str(error)
