"""A Django service as Open edX has them, beside a gateway or with the stock plugin: tests/openedx.

It runs as `manage.py`. What its receivers get, they write into a file.
"""

import functools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from gateway import environment
from json_lines import json_lines
from waiting import eventually

ROOT = Path(__file__).resolve().parents[2]

PUBLISHED = "org.openedx.content_authoring.xblock.published.v1"
DELETED = "org.openedx.content_authoring.xblock.deleted.v1"
FLAGS = "org.example.flags.changed.v1"
XBLOCKS = {"xblocks": {"event_key_field": "xblock_info.usage_key", "enabled": True}}
ROUTES = {
    PUBLISHED: XBLOCKS,
    DELETED: XBLOCKS,
    FLAGS: {"flags": {"event_key_field": "flags.course", "enabled": True}},
}
PYTHONPATH = [ROOT / each for each in ("client/python/src", "client/openedx/src", "tests/openedx")]

# What the two plugins log of each event that Kafka has.
PUBLISHED_LINES = ("Event published: ", "Message delivered to Kafka event bus: ")


def usage_key(number):
    return f"block-v1:edx+DemoX+Demo_course+type@video+block@{number}"


def block(number, event_type=PUBLISHED, block_type="video"):
    """What send_events takes."""
    info = {"usage_key": usage_key(number), "block_type": block_type, "version": None}
    return [event_type, {"xblock_info": info}, None]


def usage_keys(received):
    return [each["data"]["xblock_info"]["usage_key"] for each in received]


def beside(gateway):
    """Where a service is that has our plugin."""
    return {"SIDEBUS_ENDPOINT": gateway.endpoint}


def on_kafka(bootstrap, registry, prefix):
    """Where a service is that has edx-event-bus-kafka, and no gateway."""
    return {
        "SERVICE_KAFKA": bootstrap,
        "SERVICE_REGISTRY": registry,
        "SERVICE_TOPIC_PREFIX": prefix,
    }


class Service:
    """One service: its commands, its environment, what its receivers got."""

    def __init__(self, name, folder, where, routes=ROUTES, python=sys.executable):
        self._python = python
        self.received_file = folder / f"{name}.received"
        self.log_file = folder / f"{name}.log"
        kept = {each: value for each, value in environment().items() if each[:5] != "GRPC_"}
        self._environment = kept | {
            "PYTHONPATH": os.pathsep.join(map(str, PYTHONPATH)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "SERVICE_NAME": name,
            "SERVICE_PRODUCER_CONFIG": json.dumps(routes),
            **where,
        }
        self.consumer = None

    def manage(self, *arguments, stdin="", **variables):
        """Runs a command to its end: (what it printed, what it logged)."""
        done = subprocess.run(
            self._command(arguments),
            env=self._environment | variables,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr

    def send(self, *events):
        """As block() makes them. None may fail."""
        _, log = self.manage("send_events", stdin=json.dumps(events))
        assert sum(log.count(each) for each in PUBLISHED_LINES) == len(events), log

    def consume(self, topic, group, extra=None, **variables):
        """Starts consume_events. Its receivers write down what they get. extra: or its text."""
        arguments = ["consume_events", "-t", topic, "-g", group]
        if extra:
            arguments += ["--extra", extra if isinstance(extra, str) else json.dumps(extra)]
        with open(self.log_file, "ab") as log:
            self.consumer = subprocess.Popen(
                self._command(arguments),
                env=self._environment | {"SERVICE_RECEIVED": str(self.received_file)} | variables,
                stdin=subprocess.DEVNULL,
                stderr=log,
            )
        return self.consumer

    def received(self, count=0):
        """What the receivers got so far; waits for so many calls."""
        read = functools.partial(json_lines, self.received_file)
        eventually(lambda: len(read()) >= count, lambda: f"{count} events\n{self.log()}", 40)
        return read()

    def stop(self, seconds=30):
        """SIGTERM to the consumer. Its exit code."""
        self.consumer.send_signal(signal.SIGTERM)
        return self.consumer.wait(seconds)

    def log(self):
        return self.log_file.read_text() if self.log_file.exists() else ""

    def close(self):
        if self.consumer is not None:
            self.consumer.kill()
            self.consumer.wait()

    def _command(self, arguments):
        return [self._python, str(ROOT / "tests/openedx/manage.py"), *arguments]
