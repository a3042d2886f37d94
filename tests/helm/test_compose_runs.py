"""deploy/compose.yaml at work: its settings with a real Kafka, registry, Prometheus and gateway.

What an image does is done without it: Kafka's settings are made by the program of the image. Ports
and folders are others than on a laptop. Only Grafana is not here.
"""

import base64
import contextlib
import json
import os
import re
import shlex

import kafka
import pytest
import registry
import service
import yaml
from charts import ROOT, run
from compose import HEADER, SERVICES, Laptop, environment
from expected import BINARY
from monitor import Prometheus
from pod import fetch
from waiting import eventually

pytestmark = [
    pytest.mark.skipif(not BINARY, reason="needs the gateway: ./dev build"),
    pytest.mark.timeout(600),
]

TYPE = re.search(r"^ +type=(\S+)$", HEADER, re.MULTILINE)[1]
TOPIC = "learning-certificate-lifecycle"


def kafka_topics():
    """The command kafka-topics.sh."""
    return ["java", *service.JVM, "-cp", kafka.tools(), "org.apache.kafka.tools.TopicCommand"]


class Kafka(kafka.Kafka):
    """With the properties that the image makes of the variables."""

    def __init__(self, laptop):
        self._laptop = laptop
        super().__init__()

    def _address(self):
        return self._laptop.address(19092)

    def _choose_ports(self):
        self._port = self._laptop.ports[19092]
        variables = self._laptop.variables("kafka")
        variables["KAFKA_LOG_DIRS"] = str(self._folder / "data")
        folders = []
        for name in ("default", "mounted", "final"):
            (self._folder / name).mkdir()
            folders += [f"--{name}-configs-dir", self._folder / name]
        made = run(
            *("java", *service.JVM, *self._java("kafka.docker.KafkaDockerWrapper", "setup")),
            *folders,
            env={"PATH": os.environ["PATH"]} | variables,
        )
        assert made.returncode == 0, made.stdout + made.stderr
        self._properties = self._folder / "final/server.properties"


class Registry(registry.Registry):
    """With the variables, and nobody who sets anything afterwards."""

    def __init__(self, laptop):
        self._laptop = laptop
        self.environment = os.environ | laptop.variables("registry")
        super().__init__()

    def start(self, seconds=240):
        return service.JavaService.start(self, seconds)

    def _address(self):
        return f"http://{self._laptop.address(8080)}/apis/ccompat/v7"

    def _choose_ports(self):
        self._port = self._laptop.ports[8080]

    def _arguments(self):
        (jar,) = self._home.glob("*-runner.jar")
        # The image's are 0.0.0.0 and 8080.
        place = ["-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={self._port}"]
        return [*place, "-jar", jar]

    def _serves(self):
        return answers(self._laptop.moved(SERVICES["registry"]["healthcheck"]["test"][-1]))

    def ask(self, path):
        return json.loads(self._call("GET", path))

    def register(self, subject, schema):
        """The schema's id."""
        path, body = f"/subjects/{subject}/versions", {"schema": json.dumps(schema)}
        return json.loads(self._call("POST", path, body))["id"]


def answers(url):
    with contextlib.suppress(OSError), fetch(url) as answer:
        return answer.status == 200
    return False


class Stack:
    """The containers as processes, in the order of depends_on."""

    def __init__(self, folder, processes):
        self.laptop = Laptop(folder)
        self._processes = processes
        self.kafka = processes.enter_context(Kafka(self.laptop))
        self.kafka.address  # noqa: B018  it stays there
        self.kafka.start(240)
        self.made_topics = self.make_topics()
        assert self.made_topics.returncode == 0, self.made_topics.stdout
        self.registry = processes.enter_context(Registry(self.laptop))
        self.registry.address  # noqa: B018
        self.registry.start()
        self.laptop.lay_out("sidebus")
        self.variables = os.environ | self.laptop.variables("sidebus")
        self.variables |= {"SIDEBUS_ENDPOINT": self.laptop.address(7420), "NO_COLOR": "1"}
        self.config = folder / "etc/sidebus/config.yaml"
        self.begin_gateway("gateway", self.config)
        self.laptop.lay_out("prometheus")
        (file,) = [one for one in SERVICES["prometheus"]["command"] if "config.file" in one]
        config = self.laptop.moved(file.partition("=")[2])
        self.prometheus = processes.enter_context(
            Prometheus(config, folder, self.laptop.address(9090))
        )

    def make_topics(self, variables=None):
        """What the service `topics` does, with the real kafka-topics.sh."""
        script = self.laptop.folder / "opt/kafka/bin/kafka-topics.sh"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(f'#!/bin/sh\nexec {shlex.join(kafka_topics())} "$@" 2>/dev/null\n')
        script.chmod(0o755)
        spec = SERVICES["topics"]
        command = [self.laptop.moved(part.replace("$$", "$")) for part in spec["command"]]
        environment = {"PATH": os.environ["PATH"]} | self.laptop.variables("topics")
        return run(*spec["entrypoint"], *command, env=environment | (variables or {}))

    def settings(self, topic):
        """What Kafka says of a topic that has settings of its own."""
        asked = run(
            *(*kafka_topics(), "--bootstrap-server", self.laptop.address(19092)),
            *("--describe", "--topic", topic),
        )
        assert asked.returncode == 0, asked.stdout + asked.stderr
        (settings,) = re.findall(r"\tConfigs: (.*)", asked.stdout)
        return dict(one.split("=") for one in settings.split(",") if one)

    def exec(self, command):
        """A line of the header, as a user types it."""
        return run(*self._typed(command), cwd=ROOT, env=self.variables)

    def begin_exec(self, command):
        """The same for what goes on until Ctrl-C: the file with what it says."""
        return self._begin("exec", *self._typed(command), cwd=ROOT)

    def _typed(self, command):
        program = re.sub(r"^docker compose .* exec (-T )?sidebus sidebus", "exec sidebus", command)
        assert program.startswith("exec sidebus "), command
        program = program.replace("exec sidebus", f"exec {shlex.quote(BINARY)}")
        return ["bash", "-c", f"type={TYPE}; {self.laptop.moved(program)}"]

    def sidebus(self, *arguments, variables=None):
        return run(BINARY, *arguments, env=self.variables | (variables or {}))

    def begin_gateway(self, name, config, variables=None):
        """Returns when its health check succeeds."""
        log = self._begin(name, BINARY, "serve", f"--config={config}")
        eventually(
            lambda: self._is_healthy(variables),
            lambda: f"the health check of the {name}\n{service.tail(log)}",
            60,
        )

    def _is_healthy(self, variables):
        program, *arguments = SERVICES["sidebus"]["healthcheck"]["test"][1:]
        assert program.endswith("/sidebus")
        return self.sidebus(*arguments, variables=variables).returncode == 0

    def _begin(self, name, *command, cwd=None):
        """A process beside the others: the file with what it says."""
        log = self.laptop.folder / f"{name}.log"
        process = service.begin(command, log, env=self.variables, cwd=cwd)
        self._processes.callback(process.wait)
        self._processes.callback(process.kill)
        return log


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with contextlib.ExitStack() as processes:
        yield Stack(tmp_path_factory.mktemp("laptop"), processes)


def commands(verb):
    """The line of the header with a verb of `sidebus`."""
    (line,) = re.findall(rf"^ +(docker compose .* sidebus {verb}\b.*)$", HEADER, re.MULTILINE)
    return line


def test_the_topics_are_made_once(stack):
    made = stack.made_topics.stdout.count("Created topic")

    assert made == len(environment("topics")["TOPICS"].split())
    again = stack.make_topics()
    assert (again.returncode, again.stdout) == (0, "")


def test_a_topic_that_kafka_refuses_is_an_error(stack):
    assert stack.make_topics({"TOPICS": "no.such/name"}).returncode != 0


def test_what_the_header_says_publishes_and_receives_an_event(stack):
    published = stack.exec(commands("publish"))
    said = stack.begin_exec(commands("subscribe"))

    assert published.returncode == 0, published.stderr
    assert TOPIC in published.stdout
    eventually(
        lambda: "course-v1:HarborU+MAR101+2025_T3" in said.read_text(),
        lambda: f"the event\n{service.tail(said)}",
        60,
    )
    groups = stack.exec(commands("groups"))
    assert groups.returncode == 0, groups.stderr
    assert "certificates" in groups.stdout


def test_the_doctor_finds_nothing_wrong(stack):
    found = stack.exec(commands("doctor"))

    assert found.returncode == 0, found.stdout + found.stderr


def test_kafka_is_reached_by_the_laptops_address_too(stack):
    source = stack.config.read_text()
    inside, laptop = stack.laptop.address(19092), stack.laptop.address(9092)
    assert inside in source
    config = stack.config.with_name("laptop.yaml")
    config.write_text(source.replace(inside, laptop))

    found = stack.sidebus("doctor", "--config", config)

    assert found.returncode == 0, found.stdout + found.stderr
    assert laptop in found.stdout
    assert inside not in found.stdout


def test_records_are_those_of_open_edx_with_the_line_that_is_a_comment(stack):
    event_type = "org.openedx.learning.course.unenrollment.completed.v1"
    sample = ROOT / f"deploy/openedx/samples/{event_type}.json"
    socket = f"unix:{stack.laptop.folder}/openedx.sock"
    config = stack.config.with_name("openedx.yaml")
    config.write_text(writing_openedx(stack, socket))
    schema = config.with_name("schemas") / f"{event_type.replace('.', '+')}_schema.avsc"
    schema.parent.mkdir()
    schema.write_text(json.dumps(avro(json.loads(sample.read_text()), "CloudEvent")))
    stack.begin_gateway("second gateway", config, {"SIDEBUS_ENDPOINT": socket})

    published = stack.sidebus("publish", event_type, "-f", sample, "--endpoint", socket)
    received = stack.sidebus(
        *("subscribe", event_type, "--group=readers", "--format=json"),
        *("--max=1", "--exit-when-idle=60s", "--endpoint", socket),
    )

    assert published.returncode == 0, published.stderr
    subjects = stack.registry.ask("/subjects")
    assert f"course-unenrollment-lifecycle-{event_type}.CloudEvent" in subjects
    assert received.returncode == 0, received.stderr
    event = json.loads(received.stdout)["event"]
    assert json.loads(event["schema"]) == json.loads(schema.read_text())
    assert b"course-v1:HarborU+MAR101+2025_T3" in base64.b64decode(event["data"])


def writing_openedx(stack, socket):
    """The configuration for a gateway that writes as Open edX does, beside the other."""
    text, lines = re.subn(r"(?m)^# (encoding: openedx)$", r"\1", stack.config.read_text())
    assert lines == 1
    config = yaml.safe_load(text) | {"listen": [socket], "admin": "127.0.0.1:0"}
    del config["admin_api"]
    return json.dumps(config | {"schemas": {"directory": "schemas"}})


def test_the_registry_knows_a_schema_again_and_refuses_one_that_cannot_read_old_records(stack):
    first = {"type": "record", "name": "A", "fields": [{"name": "x", "type": "string"}]}
    reordered = dict(reversed(first.items()))
    more = first | {"fields": [*first["fields"], {"name": "y", "type": "int"}]}

    assert stack.registry.register("a", first) == stack.registry.register("a", reordered)
    with pytest.raises(OSError, match="409"):
        stack.registry.register("a", more)


def test_the_registry_keeps_its_schemas(stack):
    schema = {"type": "record", "name": "Kept", "fields": []}
    identity = stack.registry.register("kept", schema)

    for topic in ("kafkasql-journal", "kafkasql-snapshots"):
        kept = {"retention.ms": "-1", "retention.bytes": "-1"}
        assert stack.settings(topic).items() >= kept.items()
    stack.registry.stop()
    stack.registry.start()
    assert json.loads(stack.registry.ask(f"/schemas/ids/{identity}")["schema"]) == schema


def test_prometheus_scrapes_the_gateway_and_no_alert_fires(stack):
    labels = 'job="sidebus",namespace="compose",pod="sidebus"'

    assert answers(stack.laptop.moved(SERVICES["prometheus"]["healthcheck"]["test"][-1]))
    assert stack.prometheus.scraped(f"sidebus_ready{{{labels}}} == 1")
    assert stack.prometheus.alerts() == {}


def avro(value, name):
    """A schema of Avro for JSON without arrays."""
    if isinstance(value, dict):
        fields = [{"name": key, "type": avro(each, f"{name}_{key}")} for key, each in value.items()]
        return {"type": "record", "name": name, "fields": fields}
    return {bool: "boolean", int: "long", str: "string", type(None): "null"}[type(value)]
