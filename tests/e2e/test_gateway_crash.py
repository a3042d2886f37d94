"""A gateway that is killed, and gateways that come and go: nothing is skipped."""

import threading
from collections import Counter, defaultdict

import grpc
import pytest
from bus import fault
from sidebus import Event
from sidebus.v1 import event_pb2
from waiting import eventually

TYPE = "order.created"
ROUTES = {TYPE: {"orders": {"event_key_field": "", "enabled": True}}}
# The broker notices soon that a killed gateway is gone.
QUICK = {"properties": {"session.timeout.ms": "2000", "heartbeat.interval.ms": "300"}}


def publish(bus, events):
    for result in bus.publish_many(events):
        assert result.error is None, result.error


def numbered(count, keys):
    return [Event(TYPE, b"x", id=f"{n}", key=f"k{n % keys}") for n in range(count)]


class Log:
    """Where each event of a topic is."""

    def __init__(self, cluster, topic):
        self.at = {}
        for record in cluster.records(topic):
            number = int(dict(record.headers())["ce_id"])
            self.at[number] = (record.partition(), record.offset())

    def floor(self, unsettled):
        """{partition: the smallest offset of these events}"""
        floors = {}
        for number in unsettled:
            partition, offset = self.at[number]
            floors[partition] = min(offset, floors.get(partition, offset))
        return floors


def test_exactly_what_a_killed_gateways_subscribers_held_comes_again(
    gateway, client, cluster, group, seeded
):
    one = gateway(ROUTES, kafka=QUICK)
    bus = client(one)
    publish(bus, numbered(300, keys=60))
    topic = f"{one.prefix}-orders"
    log = Log(cluster, topic)
    subscription = bus.subscribe(TYPE, group=group, window=1000)

    held, settled = {}, []
    for delivery in until_quiet(subscription):  # every key comes to an event that is held
        number = int(delivery.event.id)
        if seeded.random() < 0.7:
            settled.append(number)
            delivery.ack()
        else:
            held[number] = delivery
    assert len(held) > 30
    unsettled = set(range(300)) - set(settled)
    floor = log.floor(unsettled)
    eventually(lambda: cluster.committed(group, topic) == floor, "commits up to what is held")
    above = {log.at[each] for each in settled if log.at[each][1] > floor[log.at[each][0]]}
    eventually(lambda: cluster.settled(group, topic) == above, "commits of what is above it")

    one.kill()
    one.start()

    again, order = set(), defaultdict(list)
    for delivery in until_quiet(subscription):
        number = int(delivery.event.id)
        if number not in again:
            order[delivery.event.key].append(number)
        again.add(number)
        if len(again) % 25 == 0:
            assert_not_passed(cluster.committed(group, topic), log.floor(unsettled - again))
        delivery.ack()
    assert again == unsettled, "what was settled and committed comes again"
    assert all(delivery.is_revoked for delivery in held.values())
    assert all(numbers == sorted(numbers) for numbers in order.values())
    assert subscription.close()
    assert cluster.committed(group, topic) == cluster.ends(topic)


def until_quiet(subscription):
    """Deliveries until none comes any more."""
    timeout = 20
    while True:
        try:
            yield subscription.receive(timeout=timeout)
        except TimeoutError:
            return
        timeout = 0.5


def assert_not_passed(committed, floor):
    for partition, offset in floor.items():
        assert committed.get(partition, 0) <= offset, f"{partition}: {committed} passed {floor}"


def test_a_gateway_killed_while_it_publishes_loses_nothing_that_it_acknowledged(
    gateway, client, cluster
):
    one = gateway(ROUTES)
    bus = client(one)
    outcomes = {}

    def work(worker):
        for n in range(10_000):
            event = Event(TYPE, bytes(500), id=f"{worker}-{n}", key=f"{worker}")
            (result,) = bus.publish_many([event], timeout=3, retry=False)
            outcomes[event.id] = result.error.outcome.value if result.error else "ok"
            if result.error:
                return

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    eventually(lambda: len(outcomes) > 500, "a load")
    one.kill()
    for worker in workers:
        worker.join(20)

    ids = [dict(each.headers())["ce_id"].decode() for each in records(cluster, one)]
    written = Counter(ids)
    found = Counter(outcomes.values())
    assert found["ok"] > 500
    for event, outcome in outcomes.items():
        if outcome == "ok":
            assert written[event] == 1, event
        elif outcome == "not_written":
            assert written[event] == 0, event
        else:
            assert outcome == "unknown"


def records(cluster, one):
    return cluster.records(f"{one.prefix}-orders")


# --- several gateways -----------------------------------------------------------------------------


class Member(threading.Thread):
    """A gateway's subscriber, which acks all it gets."""

    def __init__(self, bus, group):
        super().__init__(daemon=True)
        self.got = []
        self.subscription = bus.subscribe(TYPE, group=group)
        self.start()

    def run(self):
        for delivery in self.subscription:
            self.got.append((delivery.event.key, int(delivery.event.id)))
            delivery.ack()


@pytest.mark.parametrize("leaves", ["stop", "kill"])
def test_gateways_of_a_group_take_over_from_each_other(gateway, client, cluster, group, leaves):
    first, second = gateway(ROUTES, kafka=QUICK), gateway(ROUTES, kafka=QUICK)
    publisher = client(gateway(ROUTES))
    events = numbered(900, keys=30)
    topic = f"{first.prefix}-orders"

    members = [Member(client(first), group)]
    publish(publisher, events[:300])
    eventually(lambda: len(members[0].got) >= 300, "the first third")
    members.append(Member(client(second), group))
    publish(publisher, events[300:600])
    eventually(lambda: sum(len(each.got) for each in members) >= 600, "the second third")
    eventually(lambda: cluster.committed(group, topic) == cluster.ends(topic), "commits")
    if leaves == "stop":
        assert first.stop() == 0
    else:
        first.kill()
    publish(publisher, events[600:])

    def everything():
        return {number for each in members for _, number in each.got} == set(range(900))

    eventually(everything, "all events", seconds=30)
    assert sum(len(each.got) for each in members) == 900
    for member in members:
        order = defaultdict(list)
        for key, number in member.got:
            order[key].append(number)
        assert all(numbers == sorted(numbers) for numbers in order.values())
    members[1].subscription.drain()
    members[1].join(20)
    assert cluster.committed(group, topic) == cluster.ends(topic)


def test_what_is_held_when_another_gateway_joins_can_still_be_settled(
    gateway, connect, cluster, group
):
    one = gateway(ROUTES, partitions=4)
    first = connect(one)
    topic = f"{one.prefix}-orders"
    events = [event_pb2.Event(type=TYPE, id=f"{n}", key=b"%d" % n, data=b"x") for n in range(40)]
    first.must_publish(*events)
    stream = first.subscribe(group, TYPE)
    held = stream.take(40)
    stream.ack(*held[:10])

    joined = connect(gateway(ROUTES)).subscribe(group, TYPE)
    wanted = {each.delivery_id for each in held[10:]}
    while wanted:  # a message or more
        revoked = stream.next("revoked")
        assert 1_000 < revoked.grace.ToMilliseconds() <= 2_000
        assert wanted >= set(revoked.delivery_ids)
        wanted -= set(revoked.delivery_ids)
    stream.ack(*held[10:])

    eventually(lambda: cluster.members(group) == 2, "both in the group")
    more = [event_pb2.Event(type=TYPE, id=f"more {n}", key=b"%d" % n) for n in range(40)]
    first.must_publish(*more)
    got = []

    def take_and_ack():
        for each in (stream, joined):
            if each.waiting().get("delivery"):
                batch = each.batch()
                got.extend(batch)
                each.ack(*batch)
        return len(got) >= 40

    eventually(take_and_ack, lambda: f"all of the 40 events, {len(got)} came")
    assert sorted(each.event.id for each in got) == sorted(each.id for each in more)
    assert "settle_result" not in stream.waiting()
    for each in (stream, joined):
        each.drain()
        assert each.end() == (grpc.StatusCode.OK, None)
    assert cluster.committed(group, topic) == cluster.ends(topic)


def test_a_holder_that_does_not_settle_in_time_loses_what_it_holds(gateway, connect, group):
    one = gateway(ROUTES, partitions=1, subscribe={"revoke_grace": "200ms"})
    first = connect(one)
    first.must_publish(event_pb2.Event(type=TYPE, id="1", data=b"x"))
    stream = first.subscribe(group, TYPE)
    (held,) = stream.take(1)

    joined = connect(gateway(ROUTES)).subscribe(group, TYPE)

    assert 0 < stream.next("revoked").grace.ToMilliseconds() <= 200
    lost = stream.next("revoked")
    assert lost.grace.ToNanoseconds() == 0
    assert list(lost.delivery_ids) == [held.delivery_id]
    stream.ack(held)
    (failure,) = stream.next("settle_result").failures
    assert fault(failure.error).reason == "DELIVERY_REVOKED"
    deliveries = eventually(
        lambda: [each for each in (stream, joined) if each.waiting().get("delivery")],
        "the event again",
    )
    (again,) = deliveries[0].take(1)
    assert again.event.id == "1"
