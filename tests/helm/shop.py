"""A gateway at work: a pod of the chart, with a Kafka, a schema registry, and a Prometheus.

Prometheus scrapes it as the chart's PodMonitor says. Events are published and handled all the time.
"""

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor

from charts import CASES, CHART, of_kind, parse, pods, template
from cluster import Cluster
from confluent_kafka import Producer
from kafka import Kafka
from monitor import Prometheus
from pod import Container
from registry import Registry
from scraping import discovered, scrape
from service import free_ports
from waiting import eventually

SIDEBUS = "/usr/local/bin/sidebus"
TOPIC = "examples"
TYPE, RECORDED = "example.created", "example.recorded"  # as CloudEvents, as Avro
EVENT = json.dumps({"example": {"id": "42"}})
ID = {"name": "id", "type": "string"}
EXAMPLE = {"name": "example", "type": {"type": "record", "name": "Example", "fields": [ID]}}
SCHEMA = {"type": "record", "name": "CloudEvent", "fields": [EXAMPLE]}

# The first events wait for topics and connections.
SLOW_ONES_ARE_FEW = (
    "histogram_quantile(0.99, sum by (le) (rate(sidebus_publish_duration_seconds_bucket[5m]))) < 1"
)


def values(kafka, registry):
    """On top of those of the sidecar."""
    config = {
        "broker": {"kafka": {"bootstrap_servers": [kafka]}},
        "producer_config": {RECORDED: {TOPIC: {"event_key_field": "example.id", "enabled": True}}},
        "routes": {RECORDED: {TOPIC: {"encoding": "openedx", "schema": "recorded.avsc"}}},
        "schema_registry": {"url": registry, "timeout": "10s"},  # its first answers are slow
        "publish": {"timeout": "3s"},
        "subscribe": {"static_member": "${POD_NAME}"},
    }
    return {"sidebus": {"config": config, "files": {"recorded.avsc": json.dumps(SCHEMA)}}}


class Shop:
    """From `with` to its end. `folder` is for its files."""

    def __init__(self, folder):
        self._folder = folder
        self._parts = contextlib.ExitStack()

    def __enter__(self):
        """When what is published is delivered and committed, and no longer slow."""
        with contextlib.ExitStack() as parts:
            threads = parts.enter_context(ThreadPoolExecutor())
            self.kafka = parts.enter_context(Kafka())
            registry = parts.enter_context(Registry())
            # A service ends with the thread that started it: the threads stay.
            list(threads.map(lambda one: one.start(), (self.kafka, registry)))
            Cluster(self.kafka.address).create(TOPIC)
            self._install(registry.address)
            self.gateway = parts.enter_context(self._pod("pod"))
            self._begin_to_work()
            self.prometheus = parts.enter_context(self._scraped())
            for sign in (
                "rate(sidebus_deliveries_total[10s]) > 0",
                "sidebus_last_commit_timestamp_seconds > 0",
                'sidebus_kafka_rtt_p99_seconds{client="producer"} > 0',
                SLOW_ONES_ARE_FEW,
            ):
                self.prometheus.scraped(sign)
            self._parts = parts.pop_all()
        return self

    def __exit__(self, *_):
        self._parts.close()

    def _install(self, registry):
        """helm install"""
        more = self._folder / "values.json"
        more.write_text(json.dumps(values(self.kafka.address, registry)))
        answer = template(CHART, "-f", CASES["sidecar"][1], "-f", more)
        assert answer.returncode == 0, answer.stderr
        self._objects = parse(answer.stdout)

    def _pod(self, name):
        folder = self._folder / name
        folder.mkdir()
        return Container(self._objects, folder)

    def _publish(self, at_a_time):
        """All the time, as fast as Kafka confirms events."""
        self.gateway.start(
            *(SIDEBUS, "bench", "publish", TYPE, "--seconds=3600", "--warmup=0", "--size=100"),
            *("--batch=1", f"--in-flight={at_a_time}"),
        )

    def _begin_to_work(self):
        self._publish(at_a_time=1)
        self.gateway.start(SIDEBUS, "subscribe", TYPE, RECORDED, "--group=billing")

    def _scraped(self):
        (monitor,) = of_kind(self._objects, "PodMonitor")
        (pod,) = (one for name, one in pods(self._objects).items() if "test" not in name)
        pod["metadata"] |= {"name": "shop-1", "namespace": "shop"}
        config = self._folder / "prometheus.yml"
        jobs = [scrape(monitor, discovered(pod, self.gateway.addresses))]
        config.write_text(
            json.dumps(
                {
                    "global": {"scrape_interval": "500ms", "evaluation_interval": "500ms"},
                    "rule_files": [str(CHART / "files/rules/sidebus.rules.yaml")],
                    "scrape_configs": jobs,
                }
            )
        )
        return Prometheus(config, self._folder, f"127.0.0.1:{free_ports(1)[0]}")

    # --- what goes wrong; but for the last, Prometheus knows of it then ---------------------------

    def reject_an_event(self):
        """By hand, of a subscriber that settles nothing."""
        self.gateway.start(SIDEBUS, "subscribe", TYPE, "--group=held", "--ack=none")
        head = eventually(self._held, lambda: f"a delivery\n{self.gateway.tail()}", 60)
        position = f"{head['topic']}/{head['partition']}@{head['offset']}"
        done = self.gateway.run(SIDEBUS, "settle-head", "held", position, "--reject")
        assert done.returncode == 0, done.stderr
        self.prometheus.scraped('sidebus_dead_lettered_events_total{reason="REJECTED"} > 0')

    def _held(self):
        asked = self.gateway.run(SIDEBUS, "explain", "held", "--output=json")
        partitions = json.loads(asked.stdout)["partitions"] if asked.returncode == 0 else []
        held = (one["head"] for one in partitions if one["head_state"] == "STATE_HELD")
        return next(held, None)

    def write_what_is_no_event(self):
        producer = Producer({"bootstrap.servers": self.kafka.address, "log_level": 3})
        producer.produce(TOPIC, b"no event")
        assert producer.flush(30) == 0
        self.prometheus.scraped("sidebus_undecodable_records_total > 0")
        self.prometheus.scraped('sidebus_dead_lettered_events_total{reason="UNDECODABLE"} > 0')

    def ask_for_what_is_not_there(self):
        for verb in (("publish", "no.such", EVENT), ("describe", "no.such")):
            refused = self.gateway.run(SIDEBUS, *verb)
            assert "EVENT_TYPE_UNKNOWN" in refused.stderr
        self.prometheus.scraped('grpc_server_handled_total{grpc_code="NotFound"} > 0')

    def need_a_schema(self):
        done = self.gateway.run(SIDEBUS, "publish", RECORDED, EVENT)
        assert done.returncode == 0, done.stderr
        for question in ("register", "find"):  # of who writes it, and of who reads it
            self.prometheus.scraped(f'sidebus_schema_requests_total{{op="{question}"}} > 0')

    def be_two_pods_of_one_name(self):
        """The consumer of the first is fenced, and can never go on."""
        member = (SIDEBUS, "subscribe", TYPE, "--group=twice")
        self.gateway.start(*member)
        self.prometheus.scraped('sidebus_assigned_partitions{group="twice"} > 0')
        with self._pod("second") as second:
            second.start(*member)
            self.prometheus.scraped("sidebus_kafka_fatal_errors_total > 0")

    def lose_kafka(self):
        """While many want to publish."""
        self.kafka.kill()
        self._publish(at_a_time=100)
