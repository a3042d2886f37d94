"""A real Kafka for tests: one broker of Apache Kafka from Maven Central, on 127.0.0.1.

    python3 tests/support/kafka.py run [--version V] [--env NAME] [--with-39] -- COMMAND...

runs COMMAND with the broker's host:port in SIDEBUS_TEST_KAFKA (and that of a second, older broker
in SIDEBUS_TEST_KAFKA_39), stops the broker whatever happens, and ends with COMMAND's exit code.

Needs a Java runtime (11 or newer; 17 for Kafka 4) and, the first time, Maven: the jars are kept in
$SIDEBUS_CACHE (~/.cache/sidebus). Nothing but Python's standard library is used here.
"""

import argparse
import base64
import functools
import signal
import subprocess
import sys
import uuid

import service
from service import JVM, ServiceError, free_ports, opens

VERSION = "4.4.0"
VERSION_39 = "3.9.1"

POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>sidebus.tests</groupId><artifactId>kafka</artifactId><version>1</version>
<packaging>pom</packaging>
<dependencies>{}</dependencies>
</project>
"""
DEPENDENCY = (
    "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"
)

# Kafka's archive has a binding for its log lines, its artefacts on Maven Central have none.
LOG4J2 = """rootLogger.level=info
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=[%d] %p %m (%c)%n
"""
RELOAD4J = """log4j.rootLogger=INFO, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=[%d] %p %m (%c)%n
"""

# --- fetching -------------------------------------------------------------------------------------


def jars(version):
    """The folder with the jars of that version; fetches them if it is the first time."""
    return service.cached(f"kafka-jars-{version}", functools.partial(fetch, version))


def fetch(version, folder):
    wanted = [("org.apache.kafka", "kafka_2.13", version)]
    if version.startswith("3."):
        wanted += [("org.slf4j", "slf4j-reload4j", "1.7.36")]
    else:
        wanted += [
            ("org.apache.logging.log4j", artefact, "2.25.5")
            for artefact in ("log4j-slf4j-impl", "log4j-core")
        ]
    pom = folder / "pom.xml"
    pom.write_text(POM.format("".join(DEPENDENCY.format(*one) for one in wanted)))
    copy = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
    service.maven(f"Apache Kafka {version} (about 45 MB)", ["--file", str(pom), *copy])


def tools(version=VERSION):
    """The class path with the programs of Kafka's archive, kafka-topics.sh and others."""
    folder = service.cached(f"kafka-tools-{version}", functools.partial(fetch_tools, version))
    return f"{folder}/*:{jars(version)}/*"


def fetch_tools(version, folder):
    artefact = f"org.apache.kafka:kafka-tools:{version}"
    arguments = [service.MAVEN_COPY, f"-Dartifact={artefact}", f"-DoutputDirectory={folder}"]
    service.maven(f"the tools of Apache Kafka {version}", arguments)


# --- the broker -----------------------------------------------------------------------------------


class Kafka(service.JavaService):
    """One broker, its own controller. `stop` or `kill`, then `start`: the same port and data."""

    name = "kafka"

    def __init__(self, version=VERSION, properties=None):
        self.version = version
        self._jars = jars(version)
        self._more_properties = dict(properties or {})
        super().__init__()

    def start(self, seconds=90):
        if not (self._folder / "data/meta.properties").exists():
            self._format()
        return super().start(seconds)

    def suspend(self):
        """SIGSTOP: connections stay, nothing is answered, until resume() or kill()."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self):
        self._process.send_signal(signal.SIGCONT)

    def restart(self, properties=None):
        """With more properties, if given."""
        self.stop()
        self._more_properties |= properties or {}
        self._write_properties()
        return self.start()

    def _address(self):
        """host:port"""
        return f"127.0.0.1:{self._port}"

    def _choose_ports(self):
        self._port, self._controller_port = free_ports(2)
        self._write_properties()

    def _write_properties(self):
        client = f"127.0.0.1:{self._port}"
        controller = f"127.0.0.1:{self._controller_port}"
        properties = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{controller}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listeners": f"PLAINTEXT://{client},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{client}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": self._folder / "data",
            "auto.create.topics.enable": "false",
            "num.partitions": 3,
            "default.replication.factor": 1,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 3,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 3,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1000,
            # The consumer protocol's: the members are not asked.
            "group.consumer.min.session.timeout.ms": 1000,
            "group.consumer.session.timeout.ms": 6000,
            "group.consumer.min.heartbeat.interval.ms": 100,
            "group.consumer.heartbeat.interval.ms": 300,
            "broker.session.timeout.ms": 4000,  # after SIGKILL, a start waits for it
            "broker.heartbeat.interval.ms": 500,
            "num.network.threads": 2,
            "num.io.threads": 4,
            "background.threads": 2,
            "log.cleaner.dedupe.buffer.size": 2 * 1024 * 1024,
            "log.segment.bytes": 64 * 1024 * 1024,
        } | self._more_properties
        self._properties = self._folder / "server.properties"
        self._properties.write_text("".join(f"{k}={v}\n" for k, v in properties.items()))

    def _java(self, *arguments):
        if self.version.startswith("3."):
            logging, text, option = "log4j.properties", RELOAD4J, "log4j.configuration"
        else:
            logging, text, option = "log4j2.properties", LOG4J2, "log4j2.configurationFile"
        (self._folder / logging).write_text(text)
        option = f"-D{option}=file:{self._folder / logging}"
        return ["-cp", f"{self._jars}/*", option, *map(str, arguments)]

    def _format(self):
        cluster = base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        command = ["kafka.tools.StorageTool", "format", "-t", cluster, "-c", self._properties]
        done = subprocess.run(
            ["java", *JVM, *self._java(*command)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ServiceError(f"formatting Kafka's data failed:\n{done.stdout}{done.stderr}")

    def _arguments(self):
        return self._java("kafka.Kafka", self._properties)

    def _serves(self):
        return opens(self._port)  # it opens only when the broker is ready to serve


# --- running a command beside it ------------------------------------------------------------------


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verb = parser.add_subparsers(dest="verb", required=True).add_parser("run")
    verb.add_argument("--version", default=VERSION, help=f"of Kafka (default: {VERSION})")
    verb.add_argument("--env", default="SIDEBUS_TEST_KAFKA", help="the variable with its address")
    verb.add_argument("--with-39", action="store_true", help=f"start Kafka {VERSION_39}, too")
    verb.add_argument("command", nargs="+", metavar="COMMAND")
    options = parser.parse_args()
    wanted = {options.env: functools.partial(Kafka, options.version)}
    if options.with_39:
        wanted["SIDEBUS_TEST_KAFKA_39"] = functools.partial(Kafka, VERSION_39)
    return service.main(wanted, options.command)


if __name__ == "__main__":
    sys.exit(main())
