import gc
import threading

import grpc
import pytest
from fake_gateway import a_delivery, rich_status
from sidebus._subscribe_stream import SILENCE, SubscribeStream
from sidebus.subscribing import SubscribeOptions
from sidebus.v1 import event_bus_pb2 as pb


class Driver:
    """A stream that has started, and the messages it gets and makes."""

    def __init__(self, clock, *, lease=60, extend_for=600.0, keep_handed=False):
        self.clock = clock
        options = SubscribeOptions(event_types=("t",), group="g", extend_for=extend_for)
        self.stream = SubscribeStream(
            options,
            lock=threading.RLock(),
            wake=lambda: None,
            now=clock(),
            keep_handed=keep_handed,
        )
        assert self.stream.next_request(clock()).start.group == "g"
        started = pb.SubscribeStarted()
        started.lease.FromSeconds(lease)
        self.receive(started=started)

    def receive(self, **kind):
        return self.stream.receive(pb.SubscribeResponse(**kind), self.clock())

    def deliver(self, *delivery_ids):
        items = [a_delivery(delivery_id) for delivery_id in delivery_ids]
        self.receive(deliveries=pb.Deliveries(items=items))

    def take(self):
        return self.stream.take(self.clock())

    def request(self):
        return self.stream.next_request(self.clock())


@pytest.fixture
def driver(clock):
    return Driver(clock)


def refused(delivery_id, reason):
    error = rich_status(grpc.StatusCode.ABORTED, reason)
    return pb.SettleResult(failures=[pb.SettleFailure(delivery_id=delivery_id, error=error)])


def test_nothing_is_said_without_a_reason(driver):
    assert driver.request() is None
    assert not driver.stream.is_finished()


def test_the_first_settle_counts(driver):
    driver.deliver(1)
    delivery = driver.take()
    delivery.ack()
    delivery.nack("changed my mind")
    delivery.extend()

    request = driver.request()

    assert (request.ack, len(request.nack), request.extend) == ([1], 0, [])
    assert delivery.is_settled


def test_a_reason_is_cut_to_a_kibibyte_of_whole_characters(driver):
    driver.deliver(1)
    driver.take().nack("x" + "é" * 1_000)

    (nack,) = driver.request().nack

    assert nack.reason == "x" + "é" * 511


def test_a_nack_says_what_shall_happen(driver):
    driver.deliver(1, 2, 3)
    driver.take().nack("busy", delay=1.5, counted=False)
    driver.take().reject("bad")
    driver.take().skip("old")

    retry, reject, skip = driver.request().nack

    assert (retry.action, retry.delay.ToMilliseconds()) == (pb.Nack.ACTION_RETRY, 1_500)
    assert retry.not_counted and not reject.not_counted
    assert (reject.action, reject.reason) == (pb.Nack.ACTION_REJECT, "bad")
    assert (skip.action, skip.reason) == (pb.Nack.ACTION_SKIP, "old")


def test_what_is_lost_cannot_be_settled_and_is_not_handed_out(driver):
    driver.deliver(1, 2)
    delivery = driver.take()

    notices = driver.receive(revoked=pb.Revoked(delivery_ids=[1, 2, 99]))
    delivery.ack()

    assert [one.delivery_id for one in notices.revoked] == [1, 2]
    assert delivery.is_revoked and not delivery.is_settled
    assert driver.take() is None
    assert driver.request() is None


def test_within_the_grace_what_is_revoked_can_still_be_acked_and_what_waits_is_returned(driver):
    driver.deliver(1, 2)
    delivery = driver.take()
    revoked = pb.Revoked(delivery_ids=[1, 2])
    revoked.grace.FromSeconds(2)

    driver.receive(revoked=revoked)
    delivery.ack()

    assert delivery.is_revoked and delivery.is_settled
    assert driver.take() is None
    request = driver.request()
    assert request.ack == [1]
    assert [(one.delivery_id, one.not_counted) for one in request.nack] == [(2, True)]


def test_a_failure_tells_which_event_it_was(driver):
    driver.deliver(1)
    driver.take().ack()

    (failure,) = driver.receive(settle_result=refused(1, "DELIVERY_REVOKED")).failures

    assert (failure.event_id, failure.event_type) == ("event-1", "order.created")
    assert failure.position.offset == 1
    assert failure.error.reason == "DELIVERY_REVOKED"


def test_a_failure_of_an_unknown_delivery_is_told_all_the_same(driver):
    (failure,) = driver.receive(settle_result=refused(77, "DELIVERY_UNKNOWN")).failures

    assert (failure.delivery_id, failure.event_id) == (77, None)


def test_after_its_lease_the_last_holder_may_still_ack(driver):
    driver.deliver(1)
    delivery = driver.take()
    delivery.extend()
    driver.request()

    notices = driver.receive(settle_result=refused(1, "LEASE_EXPIRED"))
    delivery.ack()

    assert notices.revoked == [delivery]
    assert delivery.is_revoked
    assert driver.request().ack == [1]


def test_leases_of_what_waits_are_extended_in_one_message(driver, clock):
    driver.deliver(1, 2, 3)
    clock.advance(1)
    driver.take()

    assert driver.stream.wait_seconds(clock()) == 29
    clock.advance(29)

    assert driver.request().extend == [2, 3]
    assert driver.request() is None


def test_leases_of_handlers_are_extended_until_they_settle(clock):
    driver = Driver(clock, keep_handed=True)
    driver.deliver(1, 2)
    first, _second = driver.take(), driver.take()
    first.ack()
    driver.request()
    clock.advance(30)

    assert driver.request().extend == [2]


def test_half_close_sends_the_acks_and_then_nothing(driver, clock):
    driver.deliver(1, 2)
    delivery = driver.take()
    delivery.ack()
    driver.stream.half_close()

    assert not driver.stream.is_finished()
    assert driver.take() is None
    assert driver.request().ack == [1]
    clock.advance(30)
    assert driver.request() is None
    assert driver.stream.is_finished()


def test_what_arrives_after_half_close_is_not_kept(driver):
    driver.stream.half_close()
    driver.deliver(1)

    assert driver.take() is None
    assert driver.request() is None


def test_the_end_of_the_stream_revokes_what_it_held(driver):
    driver.deliver(1, 2)
    held = driver.take()

    lost = driver.stream.end()
    held.ack()

    assert [one.delivery_id for one in lost] == [1, 2]
    assert held.is_revoked and not held.is_settled
    assert driver.stream.is_finished()
    assert driver.request() is None


def test_a_gateway_that_goes_away_is_asked_to_end_the_stream_when_all_is_settled(driver):
    assert driver.receive(draining=pb.Draining(reason="upgrade")).draining == "upgrade"
    driver.receive(draining=pb.Draining())

    assert driver.request().drain
    assert driver.request() is None


def test_what_the_application_forgets_is_forgotten_here_too(driver):
    driver.deliver(1)
    driver.take()
    gc.collect()

    assert driver.stream.end() == []


def test_a_gateway_without_heartbeats_is_gone(driver, clock):
    clock.advance(SILENCE - 1)
    assert not driver.stream.is_silent(clock())
    assert driver.stream.wait_seconds(clock()) == 1

    driver.receive(heartbeat=pb.Heartbeat())
    clock.advance(SILENCE - 1)
    assert not driver.stream.is_silent(clock())

    clock.advance(1)
    assert driver.stream.is_silent(clock())
