"""What a gateway asks of a Kafka cluster and of its machine, state by state, as a Markdown table.

    SIDEBUS_BINARY=build/release/sidebus \\
      python3 tests/support/kafka.py run -- python3 tests/bench/sizing.py

Needs the Python packages of tests/requirements.txt. With the address of a cluster of your own in
SIDEBUS_TEST_KAFKA it needs no kafka.py; it makes a topic there, and deletes it. Not a test.
deploy/sizing.md says what the figures mean.
"""

import argparse
import collections
import os
import re
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from cluster import Cluster
from gateway import BINARY, Gateway, environment

EVENT_TYPE = "sizing.measured"
ESTABLISHED = "01"


def connections(pid):
    """How many TCP connections the process has, by the address at the other end."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        if match := re.fullmatch(r"socket:\[(\d+)\]", os.readlink(descriptor)):
            sockets.add(match[1])
    found = collections.Counter()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, _, remote, state, *_ = fields = line.split()
            if state == ESTABLISHED and fields[9] in sockets:
                found[remote] += 1
    return found


def memory_mib(pid, name):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)[1]) / 1024


def requests(gateway):
    """How many the gateway's producer and consumers have sent to Kafka; told every 5 s."""
    _, text = gateway.get("/metrics")
    lines = re.findall(r"^sidebus_kafka_requests_total\S* (\S+)$", text, re.MULTILINE)
    return sum(map(float, lines))


def row(state, gateway, seconds):
    before = requests(gateway)
    time.sleep(seconds)
    found = connections(gateway.pid)  # while nobody asks for metrics
    rate = (requests(gateway) - before) / seconds
    cells = (
        state,
        f"{sum(found.values())} ({', '.join(map(str, sorted(found.values())))})",
        len(os.listdir(f"/proc/{gateway.pid}/task")),
        len(os.listdir(f"/proc/{gateway.pid}/fd")),
        f"{memory_mib(gateway.pid, 'VmRSS'):.1f}",
        f"{memory_mib(gateway.pid, 'RssAnon'):.1f}",
        f"{rate:.1f}",
    )
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def measure(gateway, most_groups, seconds):
    print(
        "| state | connections (per broker) | threads | files | RSS, MiB | private | requests/s |"
    )
    print("|---|---|---:|---:|---:|---:|---:|")
    row("no client", gateway, seconds)
    for number in range(60):
        gateway.run("publish", EVENT_TYPE, "-", stdin=f'{{"key": "{number}"}}')
    row("published to each partition", gateway, seconds)
    subscribers = []
    try:
        while len(subscribers) < most_groups:
            for _ in range(max(1, len(subscribers))):
                command = [BINARY, "subscribe", EVENT_TYPE, "--endpoint", gateway.endpoint]
                command += ["--group", f"sizing-{os.getpid()}-{len(subscribers)}"]
                subscribers.append(
                    subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL)
                )
            time.sleep(10)  # until the groups are stable, and the first statistics are there
            row(f"groups: {len(subscribers)}", gateway, seconds)
    finally:
        for subscriber in subscribers:
            subscriber.kill()
            subscriber.wait()
    time.sleep(15)  # longer than subscribe.linger
    row("subscribers gone", gateway, seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--partitions", type=int, default=6, help="of the topic (default: 6)")
    parser.add_argument("--groups", type=int, default=8, help="at most, a power of 2 (default: 8)")
    parser.add_argument("--seconds", type=int, default=20, help="of each row (default: 20)")
    options = parser.parse_args()
    bootstrap = os.environ["SIDEBUS_TEST_KAFKA"]
    topic = f"sizing-{os.getpid()}"
    config = {
        "broker": {"kind": "kafka", "kafka": {"bootstrap_servers": bootstrap.split(",")}},
        "producer_config": {EVENT_TYPE: {topic: {"event_key_field": "key", "enabled": True}}},
    }
    cluster = Cluster(bootstrap)
    cluster.create(topic, partitions=options.partitions)
    gateway = Gateway(config)
    try:
        measure(gateway.start(), options.groups, options.seconds)
    finally:
        gateway.close()
        cluster.delete(topic)


if __name__ == "__main__":
    main()
