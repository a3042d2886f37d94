"""The stock plugin edx-event-bus-kafka on the other side of a topic, and beside us on the same.

It is used as any service uses it, by its public settings, in a process of its own (tests/openedx).
The events are those of which openedx-events itself made the bytes: openedx_vectors.json.
"""

import copy
import functools
import itertools
import json
import os
import signal
import sys
import uuid
from collections import Counter
from datetime import datetime

import pytest
import sidebus
from django_service import Service, beside, on_kafka
from openedx_wire import REFUSED, VECTORS, key_field
from sidebus.v1 import event_bus_pb2 as api
from waiting import eventually

# Most of it is the start of one Django service after the other.
pytestmark = pytest.mark.timeout(300)

WHEN = "2026-01-02T03:04:05.678901+00:00"
TOPIC = "vectors"
LOGIN = "org.openedx.learning.auth.session.login.completed.v1"  # its key is the user's name


def pythons():
    """Those that a service may have: the one of the tests, and 3.12 where that is older, for which
    there are later versions of the packages."""
    yield pytest.param(sys.executable, id="this-python")
    if sys.version_info < (3, 12):
        found = os.environ.get("SIDEBUS_TEST_PYTHON312")
        missing = pytest.mark.skipif(not found, reason="there is no python3.12 on this machine")
        yield pytest.param(found, id="python-3.12", marks=missing)


@pytest.fixture(scope="module", params=pythons())
def python(request):
    return request.param


ROUTES = {
    event_type: {TOPIC: {"event_key_field": key_field(vector["schema"]), "enabled": True}}
    for event_type, vector in VECTORS.items()
}


class World:
    """A gateway and services that know the same events, with either plugin, on one topic."""

    def __init__(self, python, folder, gateways, cluster, registry):
        self.cluster = cluster
        self.gateway = gateways(
            ROUTES, partitions=5, encoding="openedx", schema_registry={"url": registry}
        )
        self.topic = f"{self.gateway.prefix}-{TOPIC}"
        self._with = {
            "stock": on_kafka(cluster.bootstrap, registry, self.gateway.prefix),
            "ours": beside(self.gateway),
        }
        self._folder, self._python = folder, python
        self._routes = {}
        self._made = []
        printed, _ = self.service("any", "ours").manage("schemas")
        schemas = json.loads(printed)
        # (event type, data, Avro): what this version of openedx-events has, and does not change.
        self.samples = [
            (event_type, sample["record"], bytes.fromhex(sample["avro_hex"]))
            for event_type, vector in VECTORS.items()
            for sample in vector["vectors"].values()
            if schemas.get(event_type) == vector["schema"]
            and sample["python_roundtrip_equal"]
            and event_type != REFUSED
        ]
        self._routes = {event_type: ROUTES[event_type] for event_type, _, _ in self.samples}

    def service(self, name, plugin):
        made = Service(name, self._folder, self._with[plugin], self._routes, self._python)
        self._made.append(made)
        return made

    def end_services(self):
        for each in self._made:
            each.close()
        self._made.clear()

    def send(self, plugin):
        """The records of a service that sends every sample."""
        events = [[event_type, data, WHEN] for event_type, data, _ in self.samples]
        return self.written_by(lambda: self.service("cms", plugin).send(*events))

    @functools.cached_property
    def by_stock(self):
        return self.send("stock")

    @functools.cached_property
    def by_us(self):
        return self.send("ours")

    @functools.cached_property
    def by_json(self):
        events = [(event_type, data) for event_type, data, _ in self.samples]
        return self.written_by(lambda: self.publish(events))

    def publish(self, events):
        """As a program does that has JSON and schemas, and nothing of Open edX."""
        with sidebus.connect(self.gateway.endpoint) as bus:
            for event_type, data in events:
                bus.publish(
                    event_type,
                    data,
                    source="openedx/cms/web",
                    time=datetime.fromisoformat(WHEN),
                    schema=json.dumps(VECTORS[event_type]["schema"]),
                )

    def written_by(self, write):
        """The records that write() makes."""
        before = self.cluster.ends(self.topic)
        write()
        return [
            record
            for record in self.cluster.records(self.topic)
            if record.offset() >= before[record.partition()]
        ]


@pytest.fixture(scope="module")
def world(python, tmp_path_factory, module_gateway, cluster, registry):
    return World(python, tmp_path_factory.mktemp("world"), module_gateway, cluster, registry)


@pytest.fixture(autouse=True)
def services_end(world):
    """The services of a test end with it."""
    yield
    world.end_services()


def contents(records, *without):
    """What is to be the same, whoever wrote it: (key, value, partition, headers); how often."""
    return Counter(
        (
            record.key(),
            record.value(),
            record.partition(),
            tuple(each for each in record.headers() if each[0] not in without),
        )
        for record in records
    )


def ids_of(records):
    return {dict(record.headers())["ce_id"].decode() for record in records}


def canonical(data):
    return json.dumps(data, sort_keys=True)


def samples_of(records, world):
    """{event id: its (event type, data)}"""
    data_of = {(event_type, avro): data for event_type, data, avro in world.samples}
    found = {}
    for record in records:
        headers = dict(record.headers())
        event_type = headers["ce_type"].decode()
        found[headers["ce_id"].decode()] = (event_type, data_of[event_type, record.value()[5:]])
    return found


# --- records --------------------------------------------------------------------------------------


def test_both_plugins_write_the_same_records(world):
    stock, ours = world.by_stock, world.by_us

    assert len(stock) >= 80
    assert contents(ours, "ce_id") == contents(stock, "ce_id")
    values = Counter(record.value()[5:] for record in ours)
    assert values == Counter(avro for _, _, avro in world.samples)
    assert len({record.partition() for record in ours}) > 1
    assert len(ids_of(ours)) == len(ours)
    assert {uuid.UUID(each).version for each in ids_of(ours)} == {1}


def test_a_program_that_has_json_and_schemas_alone_writes_the_same_records(world):
    records = world.by_json

    # Which version of openedx-events it has, nobody can say for it.
    without = ("ce_id", "sourcelib")
    assert contents(records, *without) == contents(world.by_stock, *without)
    assert {dict(record.headers())["sourcelib"] for record in records} == {b"11.2.0"}


def receive_all(ids, *services):
    """The calls of the services' receivers, once those events are among them."""

    def calls():
        found = [call for each in services for call in each.received()]
        return found if set(ids) <= {each["metadata"]["id"] for each in found} else None

    return eventually(calls, lambda: "\n".join(each.log()[-3000:] for each in services), 60)


# --- consumers ------------------------------------------------------------------------------------


def test_subscribers_get_as_json_what_the_stock_producer_sent(world, connect, group):
    sent = samples_of(world.by_stock, world)
    stream = connect(world.gateway).subscribe(
        group, topics=[TOPIC], data_format=api.DATA_FORMAT_JSON
    )

    got = {}
    while not sent.keys() <= got.keys():
        batch = stream.batch()
        got |= {each.event.id: each.event for each in batch}
        stream.ack(*batch)

    for identity, (event_type, data) in sent.items():
        event = got[identity]
        assert event.type == event_type
        assert event.content_type == "application/json"
        assert json.loads(event.data) == data
        assert event.source == "openedx/cms/web"
        assert event.extensions["minorversion"] == "0"


@pytest.mark.parametrize("writer", ["by_us", "by_json", "by_stock"])
@pytest.mark.parametrize("reader", ["ours", "stock"])
def test_receivers_get_the_data_and_the_metadata_that_were_sent(world, group, writer, reader):
    records = getattr(world, writer)
    sent = samples_of(records, world)
    # Keys name the id of their schema: their partitions differ from registry to registry.
    for partition in {each.partition() for each in records}:
        first = min(each.offset() for each in records if each.partition() == partition)
        world.cluster.stand(group, world.topic, partition, first)
    service = world.service(f"{reader}-reads-{writer}", reader)

    service.consume(TOPIC, group)

    got = {each["metadata"]["id"]: each for each in receive_all(sent, service)}
    for record in records:
        headers = {name: value.decode() for name, value in record.headers()}
        event_type, data = sent[headers["ce_id"]]
        line = got[headers["ce_id"]]
        assert line["data"] == data
        assert line["from_event_bus"] is True
        assert line["metadata"] == {
            "event_type": event_type,
            "id": headers["ce_id"],
            "minorversion": 0,
            "source": "openedx/cms/web",
            "sourcehost": headers["sourcehost"],
            "time": WHEN,
            "sourcelib": [int(part) for part in headers["sourcelib"].split(".")],
        }


# --- the way from one to the other ----------------------------------------------------------------


class Move:
    """A group on the world's topic, from its end on, whose members have either plugin."""

    def __init__(self, world, group):
        self._world, self._group = world, group
        self.members = []
        self._sent = set()
        samples = [(event_type, data) for event_type, data, _ in world.samples]
        self._everything = itertools.cycle(samples)
        self._login = next(data for event_type, data in samples if event_type == LOGIN)
        self._logins = itertools.count()
        for partition, end in world.cluster.ends(world.topic).items():
            world.cluster.stand(group, world.topic, partition, end)

    def join(self, plugin):
        one = self._world.service(f"{self._group}-{plugin}{len(self.members)}", plugin)
        one.consume(TOPIC, self._group)
        self.members.append(one)
        return one

    def await_members(self, count):
        """Until they have shared the topic among them."""

        def shared():
            shares = self.shares()
            return len(shares) == count and all(shares)

        eventually(shared, f"{count} members", 60)

    def shares(self):
        return self._world.cluster.shares(self._group)

    def leave(self, one):
        """As the stock consumer can be told to: by Ctrl-C. Nobody is missed by the group then."""
        one.consumer.send_signal(signal.SIGINT)
        one.consumer.wait(30)

    def send_by_stock(self):
        events = [[*event, WHEN] for event in self._next()]
        service = self._world.service("cms", "stock")
        self._sent |= ids_of(self._world.written_by(lambda: service.send(*events)))

    def publish(self):
        events = self._next()
        self._sent |= ids_of(self._world.written_by(lambda: self._world.publish(events)))

    def _next(self, count=40):
        """Some samples, whose keys may all be in one partition, and as many that are in all."""
        return [
            *itertools.islice(self._everything, count),
            *(self._login_next() for _ in range(count)),
        ]

    def _login_next(self):
        data = copy.deepcopy(self._login)
        data["user"]["pii"]["username"] = f"user-{next(self._logins)}"
        return LOGIN, data

    def await_all(self):
        """The calls of all receivers, once everything that was sent is handled and committed."""
        calls = receive_all(self._sent, *self.members)
        cluster, topic = self._world.cluster, self._world.topic
        eventually(
            lambda: cluster.committed(self._group, topic) == cluster.ends(topic), "the commits"
        )
        return calls

    @property
    def sent(self):
        return len(self._sent)


@pytest.fixture
def move(world, group):
    return Move(world, group)


def test_a_group_goes_from_the_stock_consumer_to_ours_and_back_and_handles_each_event_once(move):
    for plugin, send in (
        ("stock", move.publish),
        ("ours", move.send_by_stock),
        ("stock", move.publish),
    ):
        member = move.join(plugin)
        send()
        move.await_all()
        move.leave(member)

    assert len(move.await_all()) == move.sent


def test_members_with_either_plugin_share_a_group_while_a_deployment_rolls(move):
    old = move.join("stock")
    move.await_members(1)
    move.publish()
    new = move.join("ours")
    move.await_members(2)
    move.publish()
    move.await_all()
    assert old.received(), f"{move.shares()}\n{old.log()}"
    assert new.received(), f"{move.shares()}\n{new.log()}"

    move.leave(old)
    move.publish()
    move.await_members(1)

    move.await_all()
    assert new.stop() == 0
