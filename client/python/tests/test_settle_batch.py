from sidebus._settle_batch import SettleBatch
from sidebus.v1 import event_bus_pb2 as pb


def taken(batch):
    return list(iter(batch.take, None))


def test_what_became_ready_together_goes_into_one_message():
    batch = SettleBatch()
    batch.ack(1)
    batch.ack(2)
    batch.nack(pb.Nack(delivery_id=3))
    batch.extend(4)
    batch.resize(pb.Window(events=5))

    (message,) = taken(batch)

    assert (message.ack, message.extend, message.window.events) == ([1, 2], [4], 5)
    assert message.nack[0].delivery_id == 3
    assert not batch


def test_an_empty_window_is_sent():
    batch = SettleBatch()
    batch.resize(pb.Window())

    (message,) = taken(batch)

    assert message.HasField("window")


def test_a_message_has_at_most_the_ids_that_the_gateway_takes():
    batch = SettleBatch()
    for delivery_id in range(25_000):
        batch.ack(delivery_id)
    for delivery_id in range(25_000, 27_000):
        batch.nack(pb.Nack(delivery_id=delivery_id))
    for delivery_id in range(27_000, 41_000):
        batch.extend(delivery_id)

    messages = taken(batch)

    counts = [len(one.ack) + len(one.nack) + len(one.extend) for one in messages]
    assert counts == [10_000, 10_000, 10_000, 10_000, 1_000]
    ids = [
        i for one in messages for i in [*one.ack, *(n.delivery_id for n in one.nack), *one.extend]
    ]
    assert ids == list(range(41_000))


def test_settling_takes_back_an_extend_that_was_not_sent():
    batch = SettleBatch()
    batch.extend(1)
    batch.extend(2)
    batch.ack(1)

    (message,) = taken(batch)

    assert (message.ack, message.extend) == ([1], [2])


def test_drain_comes_with_the_last_settles_and_once():
    batch = SettleBatch(message_ids=2)
    batch.drain()
    for delivery_id in range(3):
        batch.ack(delivery_id)

    messages = taken(batch)

    assert [one.drain for one in messages] == [False, True]
