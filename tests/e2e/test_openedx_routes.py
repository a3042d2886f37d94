"""The producer config of an Open edX installation, and 10,000 events of all its types."""

import json
import subprocess
import uuid
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import ROOT
from gateway import sidebus
from sidebus.v1 import event_bus_pb2 as api
from sidebus.v1.event_pb2 import Event

PRODUCER_CONFIG = ROOT / "deploy/openedx/producer.yaml"
SAMPLES = json.loads((ROOT / "tests/e2e/data/openedx_samples.json").read_text())
EVENTS = 10_000
KEYS = 200

# What the LMS, the CMS, credentials and Aspects configure.
XBLOCKS = ("course-authoring-xblock-lifecycle", "xblock_info.usage_key")
CERTIFICATES = ("learning-certificate-lifecycle", "certificate.course.course_key")
ROLES = ("learning-course-access-role-lifecycle", "course_access_role_data.course_key")
BADGES = "learning-badges-lifecycle"
WANTED = {
    "content_authoring.course.catalog_info.changed": (
        "course-catalog-info-changed",
        "catalog_info.course_key",
    ),
    "content_authoring.xblock.published": XBLOCKS,
    "content_authoring.xblock.deleted": XBLOCKS,
    "content_authoring.xblock.duplicated": XBLOCKS,
    "learning.certificate.created": CERTIFICATES,
    "learning.certificate.revoked": CERTIFICATES,
    "learning.course.unenrollment.completed": (
        "course-unenrollment-lifecycle",
        "enrollment.course.course_key",
    ),
    "learning.xblock.skill.verified": (
        "learning-xblock-skill-verified",
        "xblock_info.usage_key",
    ),
    "learning.user.course_access_role.added": ROLES,
    "learning.user.course_access_role.removed": ROLES,
    "enterprise.learner_credit_course_enrollment.revoked": (
        "learner-credit-course-enrollment-lifecycle",
        "learner_credit_course_enrollment.uuid",
    ),
    "learning.course.passing.status.updated": (BADGES, "course_passing_status.course.course_key"),
    "learning.ccx.course.passing.status.updated": (
        BADGES,
        "course_passing_status.course.ccx_course_key",
    ),
    "learning.badge.awarded": (BADGES, "badge.uuid"),
    "learning.badge.revoked": (BADGES, "badge.uuid"),
    "analytics.tracking.event.emitted": ("analytics", "tracking_log.name"),
}
ROUTES = {f"org.openedx.{name}.v1": route for name, route in WANTED.items()}
TOPICS = sorted({topic for topic, _ in ROUTES.values()})


def test_the_producer_config_has_every_route():
    flags = ["--broker", "embedded", "--producer-config", PRODUCER_CONFIG, "--output", "json"]

    printed = json.loads(sidebus("config", "print", *flags).stdout)["config"]["producer_config"]

    assert printed == {
        event_type: {topic: {"event_key_field": field, "enabled": True}}
        for event_type, (topic, field) in ROUTES.items()
    }


def test_every_type_has_a_sample():
    assert SAMPLES.keys() == ROUTES.keys()


# --- 10,000 events --------------------------------------------------------------------------------


class Sent:
    """An event as it was published, and as a record must show it."""

    def __init__(self, number, event_type, key, data):
        self.number = number
        self.topic, field = ROUTES[event_type]
        self.key = key.encode()
        *parents, last = field.split(".")
        inner = data
        for name in parents:
            inner = inner[name]
        assert last in inner, f"{event_type}: the sample has no {field}"
        inner[last] = key
        self.event = Event(
            id=f"event-{number}" if number % 2 else "",
            type=event_type,
            source="/lms" if number % 3 else "",
            content_type="application/json",
            data=json.dumps(data, ensure_ascii=False).encode(),
            extensions={"number": str(number)},
        )


def made_up(random):
    keys = [f"course-v1:Açaí+{n}+{random.randrange(10**6)}" for n in range(KEYS)]
    types = list(ROUTES)
    sent = []
    for number in range(EVENTS):
        event_type = types[number % len(types)]
        sample = random.choice(SAMPLES[event_type])
        data = json.loads(json.dumps(sample))
        sent.append(Sent(number, event_type, random.choice(keys), data))
    return sent


@pytest.fixture
def one(gateway, cluster):
    cluster.create(*[f"{gateway.prefix}-{topic}" for topic in TOPICS], partitions=3)
    return gateway({}, cluster.bootstrap, producer_config_file=str(PRODUCER_CONFIG))


def publish(bus, sent):
    for start in range(0, len(sent), 250):
        bus.must_publish(*[each.event for each in sent[start : start + 250]])


def receive(stream, count):
    """Acks as it goes. Everything that came until the stream ended."""
    got = []
    while len(got) < count:
        batch = stream.batch(seconds=30)
        stream.ack(*batch)
        got += batch
    stream.drain()
    stream.end()
    return got + stream.take(stream.waiting().get("delivery", 0))


def test_each_of_two_groups_receives_everything_once_and_in_order(
    one, connect, cluster, group, seeded
):
    sent = made_up(seeded)
    window = api.Window(events=1000)
    groups = [f"{group}1", f"{group}2"]
    streams = [connect(one).subscribe(name, *ROUTES, window=window) for name in groups]

    with ThreadPoolExecutor() as pool:
        receivers = [pool.submit(receive, stream, EVENTS) for stream in streams]
        publish(connect(one), sent)
        received = [receiver.result() for receiver in receivers]

    for got in received:
        assert_received(got, sent)
    for topic in TOPICS:
        full = f"{one.prefix}-{topic}"
        assert_records(cluster.records(full), [each for each in sent if each.topic == topic])
        for name in groups:
            assert cluster.committed(name, full) == cluster.ends(full)
    assert_kcat_sees_the_same(cluster, f"{one.prefix}-analytics")


def assert_received(got, sent):
    numbers = Counter(int(each.event.extensions["number"]) for each in got)
    assert numbers == Counter(range(EVENTS))
    latest = defaultdict(lambda: -1)
    for delivery in got:
        number = int(delivery.event.extensions["number"])
        was = sent[number]
        assert delivery.attempt == 1
        assert delivery.position.topic == was.topic
        assert delivery.event.key == was.key
        assert delivery.event.data == was.event.data
        assert delivery.event.type == was.event.type
        lane = (was.topic, was.key)
        assert latest[lane] < number, f"{number} of {lane} came after {latest[lane]}"
        latest[lane] = number


def assert_records(records, sent):
    """Header by header, as a client sees them that knows nothing of us."""
    by_number = {each.number: each for each in sent}
    partitions = defaultdict(set)
    latest = defaultdict(lambda: -1)
    for record in records:
        headers = record.headers()
        number = int(headers[-1][1])
        was = by_number.pop(number)
        values = dict(headers)
        assert [name for name, _ in headers] == [
            "ce_specversion",
            "ce_id",
            "ce_source",
            "ce_type",
            "ce_time",
            "content-type",
            "ce_number",
        ]
        assert values["ce_specversion"] == b"1.0"
        if was.event.id:
            assert values["ce_id"] == was.event.id.encode()
        else:
            assert uuid.UUID(values["ce_id"].decode()).version == 4
        assert values["ce_source"] == (was.event.source or "/sidebus").encode()
        assert values["ce_type"] == was.event.type.encode()
        assert values["content-type"] == b"application/json"
        assert record.key() == was.key
        assert record.value() == was.event.data
        partitions[was.key].add(record.partition())
        assert latest[was.key] < number
        latest[was.key] = number
    assert by_number == {}
    assert all(len(seen) == 1 for seen in partitions.values())


def assert_kcat_sees_the_same(cluster, topic):
    command = ["kcat", "-b", cluster.bootstrap, "-C", "-t", topic, "-e", "-q", "-J"]
    lines = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.splitlines()
    seen = {(each["partition"], each["offset"]): each for each in map(json.loads, lines)}
    records = cluster.records(topic)
    assert len(seen) == len(records)
    for record in records:
        each = seen[record.partition(), record.offset()]
        assert each["key"] == record.key().decode()
        assert each["payload"] == record.value().decode()
        flat = [text for name, value in record.headers() for text in (name, value.decode())]
        assert each["headers"] == flat
