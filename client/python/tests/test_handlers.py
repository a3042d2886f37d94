import threading

import grpc
import pytest
import sidebus
from fake_gateway import HALF_CLOSED, PATIENCE, rich_status
from sidebus.v1 import event_bus_pb2 as pb


class Run:
    """A subscription that runs a handler in a thread of the test."""

    def __init__(self, bus, gateway, handler, *, workers=4, lease=60.0, **options):
        self.subscription = bus.subscribe("t", group="g", **options)
        self.error = None
        self._thread = threading.Thread(target=self._run, args=(handler, workers))
        self._thread.start()
        self.stream = gateway.subscribe()
        self.stream.start(lease)

    def _run(self, handler, workers):
        try:
            self.subscription.run(handler, workers=workers)
        except BaseException as error:
            self.error = error

    def drain(self):
        """Winds down as the gateway does, and returns when `run` has returned."""
        self.subscription.drain()
        self.stream.next_that(lambda one: one.drain)
        self.stream.end()
        self.join()

    def join(self):
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


@pytest.fixture
def run(bus, gateway):
    def start(handler, **options):
        return Run(bus, gateway, handler, **options)

    return start


def nack_of(stream):
    (nack,) = stream.next_that(lambda one: one.nack).nack
    return nack


def test_a_delivery_is_acked_when_the_handler_returns(run):
    handled = []
    running = run(lambda delivery: handled.append(delivery.delivery_id))
    running.stream.deliver(1, 2, 3)

    assert sorted(running.stream.acks(3)) == [1, 2, 3]
    assert sorted(handled) == [1, 2, 3]
    running.drain()
    assert running.error is None


def test_a_delivery_is_nacked_with_the_reason_when_the_handler_raises(run, caplog):
    def handle(delivery):
        raise ValueError("no such order")

    running = run(handle)
    running.stream.deliver(1)

    nack = nack_of(running.stream)
    assert (nack.delivery_id, nack.action) == (1, pb.Nack.ACTION_RETRY)
    assert nack.reason == "ValueError: no such order"
    assert not nack.not_counted
    running.drain()
    assert "the handler raised" in caplog.text


@pytest.mark.parametrize(
    ("raised", "action"),
    [
        (sidebus.Retry("why"), pb.Nack.ACTION_RETRY),
        (sidebus.Reject("why"), pb.Nack.ACTION_REJECT),
        (sidebus.Skip("why"), pb.Nack.ACTION_SKIP),
    ],
)
def test_a_handler_can_say_what_shall_become_of_the_event(run, raised, action):
    def handle(delivery):
        raise raised

    running = run(handle)
    running.stream.deliver(1)

    nack = nack_of(running.stream)
    assert (nack.action, nack.reason) == (action, "why")
    running.drain()


def test_a_handler_can_ask_for_a_delay_that_is_no_attempt(run):
    def handle(delivery):
        raise sidebus.Retry("busy", delay=3, counted=False)

    running = run(handle)
    running.stream.deliver(1)

    nack = nack_of(running.stream)
    assert (nack.delay.seconds, nack.not_counted) == (3, True)
    running.drain()


def test_a_handler_may_settle_by_itself(run):
    def handle(delivery):
        delivery.reject("bad")
        raise ValueError("and something else")

    running = run(handle)
    running.stream.deliver(1)

    assert nack_of(running.stream).action == pb.Nack.ACTION_REJECT
    running.drain()


def test_as_many_handlers_run_at_a_time_as_there_are_workers(run):
    together = threading.Barrier(3)
    running = run(lambda delivery: together.wait(PATIENCE), workers=3)
    running.stream.deliver(1, 2, 3)

    assert sorted(running.stream.acks(3)) == [1, 2, 3]
    running.drain()


def test_leases_are_extended_while_handlers_run(run):
    finish = threading.Event()
    running = run(lambda delivery: finish.wait(PATIENCE), workers=1, lease=0.05)
    running.stream.deliver(1, 2)  # one is handled, the other waits

    for _ in range(3):
        assert set(running.stream.next_that(lambda one: one.extend).extend) == {1, 2}
    finish.set()
    assert running.stream.acks(2) == [1, 2]
    running.drain()


def test_an_error_that_will_not_pass_ends_the_run(run):
    running = run(lambda delivery: None)
    running.stream.end(rich_status(grpc.StatusCode.PERMISSION_DENIED, "SUBSCRIBE_DENIED"))

    running.join()

    assert isinstance(running.error, sidebus.PermissionDeniedError)


def test_closing_lets_the_handlers_end_and_returns_what_waits(run):
    has_begun, finish = threading.Event(), threading.Event()

    def handle(delivery):
        has_begun.set()
        finish.wait(PATIENCE)

    running = run(handle, workers=1)
    running.stream.deliver(1, 2)
    assert has_begun.wait(PATIENCE)
    closing = threading.Thread(target=running.subscription.close)
    closing.start()
    running.stream.next_that(lambda one: one.drain)
    finish.set()

    assert running.stream.acks(1) == [1]
    while (message := running.stream.next()) != HALF_CLOSED:
        assert not message.ack
    running.stream.end()
    closing.join(PATIENCE)
    running.join()


def test_a_run_goes_on_after_a_reconnect(run, gateway):
    running = run(lambda delivery: None)
    running.stream.end(rich_status(grpc.StatusCode.UNAVAILABLE, "DRAINING", 0.001))

    running.stream = gateway.subscribe()
    running.stream.start()
    running.stream.deliver(1)

    assert running.stream.acks(1) == [1]
    running.drain()


def test_a_run_is_one_at_a_time_and_has_workers(run):
    running = run(lambda delivery: None)
    running.stream.deliver(1)
    running.stream.acks(1)

    with pytest.raises(ValueError):
        running.subscription.run(print, workers=-1)
    with pytest.raises(RuntimeError):
        running.subscription.run(print)
    running.drain()


# --- in the calling thread ------------------------------------------------------------------------


@pytest.fixture
def run_here(gateway):
    """As `run`, with the threads' client and its handlers in the thread that calls."""
    with sidebus.connect(gateway.endpoint) as bus:
        yield lambda handler, **options: Run(bus, gateway, handler, workers=0, **options)


def test_handlers_can_run_in_the_calling_thread(run_here):
    threads = []
    running = run_here(lambda delivery: threads.append(threading.current_thread()))
    running.stream.deliver(1, 2)

    assert running.stream.acks(2) == [1, 2]
    assert set(threads) == {running._thread}
    running.drain()
    assert running.error is None


def test_leases_are_extended_while_the_calling_thread_works(run_here):
    finish = threading.Event()
    running = run_here(lambda delivery: finish.wait(PATIENCE), lease=0.05)
    running.stream.deliver(1, 2)

    for _ in range(3):
        assert set(running.stream.next_that(lambda one: one.extend).extend) == {1, 2}
    finish.set()
    assert running.stream.acks(2) == [1, 2]
    running.drain()


def test_closing_in_the_calling_thread_lets_its_handler_end_and_returns_what_waits(run_here):
    running = run_here(lambda delivery: running.subscription.close())
    running.stream.deliver(1, 2)

    assert running.stream.acks(1) == [1]
    while (message := running.stream.next()) != HALF_CLOSED:
        assert not message.ack
    running.stream.end()
    running.join()
    assert running.error is None


def test_an_exit_asked_for_in_the_calling_thread_returns_the_event_and_ends_the_run(run_here):
    def handle(delivery):
        raise SystemExit(7)

    running = run_here(handle)
    running.stream.deliver(1)

    assert nack_of(running.stream).not_counted
    running.stream.end()
    running.join()
    assert isinstance(running.error, SystemExit)
