"""Pods from their start to their end, as the kubelet has it: an application that publishes and
handles events all the time, with a gateway as its sidecar.

Whatever ends them: the application can publish to its last breath, nothing is settled but by the
application, what it did not settle comes to the next member of the group, and all is over in time.
"""

import re
import signal
import sys
from collections import Counter

import checker
import grpc
import pytest
from cluster import Cluster
from conftest import ROOT
from gateway import environment
from journal import Delivered, Journal
from json_lines import json_lines
from kafka import Kafka
from load import QUICK, ROUTES, TYPE
from pod import AT_LEAST, Pod
from scenarios import all_is_committed
from service import free_ports
from sidebus.v1 import event_bus_pb2 as api
from waiting import eventually

SHUTDOWN_GRACE = 4  # of the gateway, in seconds
GRACE = 12  # terminationGracePeriodSeconds: room for the application, and then for the gateway
HOOK = f"{GRACE - SHUTDOWN_GRACE - 2}s"  # what that leaves `sidebus drain`, as in the chart
pytestmark = pytest.mark.timeout(240)  # three pods on a busy machine
PROGRAM = ROOT / "tests/support/application.py"


class Application:
    """What the application of a pod wrote down so far."""

    def __init__(self, name, journal):
        self.name = name
        self._journal = journal

    def entries(self, *kinds):
        entries = json_lines(self._journal)
        return [entry for entry in entries if not kinds or entry["what"] in kinds]

    def count(self, kind):
        return len(self.entries(kind))

    def published(self):
        """{event: outcome}; None: no answer."""
        asked = {event: None for entry in self.entries("publishing") for event in entry["events"]}
        return asked | {entry["event"]: entry["outcome"] for entry in self.entries("published")}

    def outcomes(self):
        return Counter(self.published().values())

    def acked(self):
        """{(partition, offset)}"""
        return {tuple(entry["place"]) for entry in self.entries("acked")}

    def given_back(self):
        """The events that it got and did not ack."""
        acked = self.acked()
        delivered = self.entries("delivered")
        return {each["event"] for each in delivered if tuple(each["place"]) not in acked}

    def add_to(self, journal):
        """Its part of the evidence for checker.py."""
        journal.published |= self.published()
        last = {}
        for entry in self.entries("delivered", "acked", "refused"):
            place = tuple(entry["place"])
            if entry["what"] == "delivered":
                last[place] = Delivered(
                    entry["t"], self.name, 0, entry["event"], entry["key"], place, 0
                )
                journal.deliveries.append(last[place])
            elif entry["what"] == "acked":
                last[place].acked = entry["t"]
            else:
                last[place].refused = entry["reason"]


@pytest.fixture
def pods(gateway, group, tmp_path):
    """Makes pods of one group: pods(flags of the application, ...).start()."""
    made = []

    def make(*flags, broker="kafka", hook=HOOK, native=True):
        (port,) = free_ports(1)
        probes = f"127.0.0.1:{port}"
        sidecar = gateway(
            ROUTES,
            broker,
            start=False,
            partitions=6,
            admin_api=True,
            probes=probes,
            shutdown={"grace": f"{SHUTDOWN_GRACE}s"},
            kafka=QUICK,
        )
        application = Application(f"a{len(made)}", tmp_path / f"a{len(made)}.jsonl")
        command = [sys.executable, PROGRAM, application._journal, "--name", application.name]
        command += ["--group", group, *flags]
        variables = environment() | {"SIDEBUS_ENDPOINT": sidecar.endpoint}
        one = Pod(sidecar, probes, list(map(str, command)), variables, GRACE, hook, native)
        one.application = application
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


@pytest.fixture
def group_of(gateway, connect, group):
    """group_of(cluster): what a group did, and what is left of it."""

    class Group:
        def __init__(self, cluster):
            self.cluster = cluster
            self.topic = f"{gateway.prefix}-orders"

        def committed(self):
            """{(partition, offset)} of what is settled for good."""
            return self.cluster.durable(group, self.topic)

        def unsettled(self):
            """The events that are in Kafka, and not settled for good."""
            settled = self.committed()
            return {event for place, event in self.events().items() if place not in settled}

        def events(self):
            return {
                (record.partition(), record.offset()): dict(record.headers())["ce_id"].decode()
                for record in self.records()
            }

        def records(self):
            return self.cluster.records(self.topic)

        def next_member_gets(self):
            """Event ids, as often as they come, until all is committed."""
            one = gateway(ROUTES, self.cluster.bootstrap)
            stream = connect(one).subscribe(group, TYPE, window=api.Window(events=1000))
            got = []

            def nothing_is_left():
                batch = stream.arrived(0.05).get("delivery", [])
                got.extend(each.event.id for each in batch)
                if batch:
                    stream.ack(*batch)
                return not batch and all_is_committed(self.cluster, group, self.topic)

            eventually(nothing_is_left, lambda: f"the end of all work; {len(got)} came", 30)
            stream.drain()
            assert stream.end() == (grpc.StatusCode.OK, None)
            return got

    return Group


def load(pod, events=200):
    """Waits until the application has published and handled so many, more than before."""
    wanted = {kind: pod.application.count(kind) + events for kind in ("published", "delivered")}

    def is_there():
        assert pod.running, "the application ended"
        return all(pod.application.count(kind) >= count for kind, count in wanted.items())

    eventually(is_there, lambda: f"a load; {pod.application.entries()[-3:]}", 40)


def assert_told_the_truth(records, *applications, kafka_died=False):
    """Of every event that they published. What a Kafka that died had taken nobody knows."""
    journal = Journal(0)
    for each in applications:
        assert None not in each.published().values(), "a call without an answer"
        each.add_to(journal)
    wrong = [*checker.published(journal, records)]
    if not kafka_died:
        wrong += checker.answered(journal, records)
    assert not wrong, "\n".join(wrong)


def test_an_application_publishes_to_its_last_breath(pods, cluster, group_of):
    one = pods().start()
    load(one)

    def hook_of_application():  # as a sleep has it: it goes on for a while
        assert one.hook_is_over.wait(GRACE)
        before = one.application.count("published")
        eventually(lambda: one.application.count("published") > before + 100, "more, drained")
        assert one.sidecar.running
        assert one.probe("/readyz")

    ending = one.delete(hook_of_application)

    assert (ending.hook, ending.hook_said) == (0, "drained; 0 deliveries were not settled\n")
    assert (ending.application, ending.sidecar) == (0, 0)
    assert ending.seconds < GRACE
    assert ending.sidecar_gone - ending.sidecar_told < 2, "nothing was left to wait for"
    assert one.application.outcomes().keys() == {"ok"}
    *_, last_word, gone = one.application.entries()
    assert (last_word["what"], gone["what"]) == ("published", "gone")
    group = group_of(cluster)
    assert_told_the_truth(group.records(), one.application)
    assert group.committed() == one.application.acked()


def test_what_an_application_did_not_settle_comes_again_and_nothing_else(pods, cluster, group_of):
    one = pods("--keep", 20).start()
    load(one, 300)

    ending = one.delete()

    assert (ending.hook, ending.application, ending.sidecar) == (0, 0, 0)
    assert ending.seconds < GRACE
    assert one.application.outcomes().keys() == {"ok"}
    group = group_of(cluster)
    assert group.committed() == one.application.acked()
    assert len(one.application.given_back()) >= 20
    unsettled = group.unsettled()
    assert unsettled >= one.application.given_back()
    assert Counter(group.next_member_gets()) == Counter(unsettled)


def test_a_rolling_restart_of_three_pods_loses_nothing_and_repeats_nothing_settled(
    pods, cluster, group_of
):
    old = [pods().start() for _ in range(3)]
    for each in old:
        load(each, 100)

    new, endings = [], []
    for each in old:
        new.append(pods().start())
        eventually(lambda: new[-1].probe("/readyz"), "the new pod to be ready")
        endings.append(each.delete())
        load(new[-1], 50)
    endings += [each.delete() for each in new]

    for ending in endings:
        assert (ending.hook, ending.application, ending.sidecar) == (0, 0, 0), ending
        assert ending.seconds < GRACE
    applications = [each.application for each in old + new]
    for each in applications:
        assert each.outcomes().keys() == {"ok"}
    group = group_of(cluster)
    assert_told_the_truth(group.records(), *applications)
    journal = Journal(0)
    for each in applications:
        each.add_to(journal)
    wrong = [*checker.settles(journal), *checker.order(journal)]
    assert not wrong, "\n".join(wrong)
    assert group.committed() == {each.place for each in journal.deliveries if each.settled}
    unsettled = group.unsettled()
    assert Counter(group.next_member_gets()) == Counter(unsettled)


@pytest.fixture
def kafka():
    with Kafka() as one:
        yield one.start()


def test_a_pod_ends_in_time_and_says_what_it_left_though_kafka_is_away(
    pods, kafka, gateway, group_of
):
    cluster = Cluster(kafka.address)
    cluster.create(f"{gateway.prefix}-orders", partitions=6)
    one = pods("--patience", 0.5, broker=kafka.address).start()
    load(one)
    kafka.suspend()  # what is on its way stays there
    eventually(lambda: one.application.outcomes()["unknown"], "an event of unknown fate")
    kafka.kill()
    eventually(lambda: one.application.outcomes()["not_written"], "an event that is refused")

    ending = one.delete()

    assert (ending.hook, ending.application) == (0, 0)
    assert ending.sidecar == 3
    assert re.search(r"sidebus: \d+ accepted events could not be flushed", one.sidecar.stderr)
    assert ending.seconds < GRACE
    kafka.start()
    group = group_of(cluster)
    assert_told_the_truth(group.records(), one.application, kafka_died=True)
    assert group.committed() <= one.application.acked()
    unsettled = group.unsettled()
    assert Counter(group.next_member_gets()) == Counter(unsettled)


def test_an_application_that_is_stuck_is_killed_and_another_gets_what_it_held(
    pods, cluster, group_of
):
    one = pods("--stuck").start()
    eventually(lambda: one.application.count("delivered") >= 90, "a full window")

    ending = one.delete()

    held = one.application.count("delivered")
    assert (ending.hook, ending.hook_said) == (0, f"drained; {held} deliveries were not settled\n")
    assert ending.application == -signal.SIGKILL
    assert ending.sidecar == 0, "the drain had told what was left"
    assert ending.seconds < GRACE + AT_LEAST
    assert set(one.application.outcomes()) <= {"ok", None}  # None: killed while it waited
    group = group_of(cluster)
    assert group.committed() == set()
    everything = group.unsettled()
    assert Counter(group.next_member_gets()) == Counter(everything)


def test_a_plain_container_that_is_told_at_once_counts_what_its_application_is_stuck_with(
    pods, cluster, group_of
):
    one = pods("--stuck", hook=None, native=False).start()
    eventually(lambda: one.application.count("delivered") >= 90, "a full window")

    ending = one.delete()

    held = one.application.count("delivered")
    assert ending.application == -signal.SIGKILL
    assert ending.sidecar == 3
    assert f"sidebus: {held} held deliveries were not settled" in one.sidecar.stderr
    assert ending.sidecar_gone - ending.sidecar_told < SHUTDOWN_GRACE + 1
    group = group_of(cluster)
    assert group.committed() == set()
    assert set(one.application.outcomes()) <= {"ok", "not_written", "unknown", None}
    everything = group.unsettled()
    assert Counter(group.next_member_gets()) == Counter(everything)


def test_a_job_completes_with_its_application(pods, cluster, group_of):
    one = pods("--job", 300).start()

    ending = one.complete()

    assert (ending.hook, ending.application, ending.sidecar) == (0, 0, 0)
    assert ending.seconds < 5, "nothing was left to wait for"
    assert one.application.outcomes().keys() == {"ok"}
    group = group_of(cluster)
    assert_told_the_truth(group.records(), one.application)
    assert len(one.application.acked()) == 300
    assert group.committed() == one.application.acked()
