"""The processes of a benchmark, and what they cost."""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SIDEBUS = ROOT / "build/release/sidebus"
DIRECT = ROOT / "build/bench/tests/bench/bench_direct"
EMPTY_SERVER = ROOT / "build/bench/tests/bench/bench_empty_server"

EVENT_TYPE = "bench.event"
TICKS = os.sysconf("SC_CLK_TCK")

# In front of a command: all its threads share one processor.
ON_ONE_PROCESSOR = ("taskset", "--cpu-list", str(min(os.sched_getaffinity(0))))


class Server:
    """A process that says on its first line of output that it is ready. Ends with the `with`."""

    def __init__(self, command):
        started = time.monotonic()
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.ready_line = self._process.stdout.readline().strip()
        self.seconds_to_ready = time.monotonic() - started
        if not self.ready_line:
            raise RuntimeError(f"{command[0]} did not start: exit code {self._process.wait()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=60)
        self._process.stdout.close()

    @property
    def pid(self):
        return self._process.pid

    def cpu_seconds(self):
        """User and system time of all threads so far; 10 ms steps."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_mib(self, name="VmRSS"):
        """VmRSS: resident now. VmHWM: at most so far."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)[1]) / 1024


class Gateway(Server):
    """`sidebus serve` on a socket of its own, with one event type and one topic.

    kafka: address of a real one; None: the embedded broker.
    topic: an existing one; None: a new one.
    under: what the gateway's command is started with, as ON_ONE_PROCESSOR.
    """

    def __init__(self, kafka, topic=None, under=()):
        self._directory = tempfile.TemporaryDirectory(prefix="sidebus-bench-")
        directory = Path(self._directory.name)
        self.endpoint = f"unix://{directory}/api.sock"
        if topic is None:
            topic = f"bench-{time.time_ns()}"
            if kafka:
                make_topic(kafka, topic)
        self.topic = topic
        routes = {EVENT_TYPE: {topic: {"event_key_field": "", "enabled": True}}}
        (directory / "producer.json").write_text(json.dumps(routes))
        broker = (
            ["--broker", "kafka", "--bootstrap-servers", kafka]
            if kafka
            else ["--broker", "embedded"]
        )
        command = [
            *under,
            SIDEBUS,
            "serve",
            *broker,
            "--producer-config",
            directory / "producer.json",
        ]
        command += ["--listen", f"unix:{directory}/api.sock", "--admin", "127.0.0.1:0"]
        super().__init__([*map(str, command), "--log-level", "warning"])

    def __exit__(self, *error):
        super().__exit__(*error)
        self._directory.cleanup()

    @property
    def bootstrap(self):
        return re.search(r"broker \w+ at ([^;]+)", self.ready_line)[1]


class EmptyServer(Server):
    """gRPC and nothing else, with the generated callback API."""

    def __init__(self):
        self._directory = tempfile.TemporaryDirectory(prefix="sidebus-bench-")
        self.endpoint = f"unix://{self._directory.name}/api.sock"
        super().__init__([str(EMPTY_SERVER), f"unix:{self._directory.name}/api.sock"])

    def __exit__(self, *error):
        super().__exit__(*error)
        self._directory.cleanup()


def run_json(command):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def direct(verb, kafka, topic, under=(), **options):
    """bench_direct; `linger` in ms, others as its flags."""
    command = [*under, DIRECT, verb, "--bootstrap", kafka, "--topic", topic]
    for name, value in options.items():
        if name == "linger":
            command += ["-X", f"linger.ms={value}"]
        else:
            command += [f"--{name.replace('_', '-')}", value]
    return run_json(command)


def make_topic(kafka, topic):
    """Makes a topic with one partition on a real Kafka."""
    direct("topic", kafka, topic)


def client(verb, server, **options):
    """`sidebus bench VERB` against a server, whose CPU and memory it tells too."""
    command = [SIDEBUS, "bench", verb, EVENT_TYPE, "--endpoint", server.endpoint]
    command += ["--gateway-pid", server.pid, "--output", "json"]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", value]
    return run_json(command)
