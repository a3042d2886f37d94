"""What is measured: each function is a row of the table, or a few, and yields `Row`s.

Every row has its rival measured in the same run. A figure is the median of several rounds, in
which gateway and rival take turns, so that a busy machine harms both.
"""

import statistics
import subprocess
import time
from dataclasses import dataclass

from processes import (
    EVENT_TYPE,
    ON_ONE_PROCESSOR,
    SIDEBUS,
    EmptyServer,
    Gateway,
    client,
    direct,
    make_topic,
)

ROUNDS = 3
SECONDS = 4  # of each measurement, after a second of warm-up
STREAM_EVENTS = 400_000  # of those that count events
LATENCY_EVENTS = 4_000


@dataclass
class Row:
    what: str
    gateway: float
    rival: float | None  # None: there is nothing to compare with
    unit: str
    goal: str
    added: bool = False  # compare by difference, not by ratio


def rounds(*measure):
    """Runs the measurements in turns; the medians of each one's figures, as dicts."""
    results = [[] for _ in measure]
    for _ in range(ROUNDS):
        for one, run in zip(results, measure, strict=True):
            one.append(run())
    return [
        {name: statistics.median(result[name] for result in one) for name in one[0]}
        for one in results
    ]


def rate_and_cpu(result):
    cpu = result.get("gateway_cpu_us_per_event") or result["cpu_us_per_event"]
    return {"rate": result["events_per_second"], "cpu": cpu}


def latency(result):
    return {"p50": result["latency_us"]["p50"], "p99": result["latency_us"]["p99"]}


def calling(figures, run, *args, **load):
    """A measurement for rounds(): figures of one run."""
    return lambda: figures(run(*args, **load))


def publishing(figures, server, **load):
    """A measurement for rounds(): figures of `sidebus bench publish`."""
    return calling(figures, client, "publish", server, seconds=SECONDS, warmup=1, keys=0, **load)


def stream(kafka):
    """PublishStream against librdkafka used directly."""
    for size in (512, 1024):
        for batch in (100, 500):
            with Gateway(kafka) as gateway:
                ours, theirs = rounds(
                    publishing(rate_and_cpu, gateway, mode="stream", batch=batch, size=size),
                    calling(
                        rate_and_cpu,
                        direct,
                        "produce",
                        kafka,
                        gateway.topic,
                        linger=5,
                        size=size,
                        count=STREAM_EVENTS,
                    ),
                )
            what = f"PublishStream, batches of {batch}, {size} B"
            yield Row(what, ours["rate"], theirs["rate"], "events/s", "≥ 50 %, aim 80 %")
            yield Row(what, ours["cpu"], theirs["cpu"], "µs CPU/event", "≤ 3×, aim 1.8×")


def embedded(_):
    """PublishStream on the embedded broker; the direct program uses the same mock cluster."""
    load = {"size": 512, "count": STREAM_EVENTS}
    with Gateway(None) as gateway:
        broker = gateway.bootstrap
        ours, theirs = rounds(
            publishing(rate_and_cpu, gateway, mode="stream", batch=100, size=512),
            calling(rate_and_cpu, direct, "produce", broker, gateway.topic, linger=5, **load),
        )
    what = "PublishStream, batches of 100, 512 B, embedded broker"
    yield Row(what, ours["rate"], theirs["rate"], "events/s", "≥ 50 %, aim 80 %")


def unary(kafka):
    """Publish with one event a call, 128 calls at a time, against an empty server."""
    busy = {"mode": "unary", "in_flight": 128, "size": 1024}
    with Gateway(kafka) as gateway, EmptyServer() as empty:
        ours, theirs = rounds(
            publishing(rate_and_cpu, gateway, **busy), publishing(rate_and_cpu, empty, **busy)
        )
    what = "Publish unary, 128 in flight, 1 KiB"
    yield Row(what, ours["cpu"], theirs["cpu"], "µs CPU/event", "≤ 1.3×, aim 0.9×")
    yield Row(what, ours["rate"], theirs["rate"], "events/s", "")


def alone(kafka):
    """Publish with one event a call, one call at a time, against one produce at a time: on all
    processors, and both held to one, where no thread wakes another processor."""
    load = {"size": 1024, "count": LATENCY_EVENTS, "in_flight": 1, "linger": 0}
    for where, under in (("", ()), (", on one processor", ON_ONE_PROCESSOR)):
        with Gateway(kafka, under=under) as gateway:
            ours, theirs = rounds(
                publishing(latency, gateway, mode="unary", in_flight=1, size=1024),
                calling(latency, direct, "produce", kafka, gateway.topic, under=under, **load),
            )
        what = f"Publish unary, one at a time, 1 KiB{where}"
        for figure, goal in (("p50", "≤ +200, aim +100"), ("p99", "≤ +1000, aim +500")):
            row = (f"{what}, {figure}", ours[figure], theirs[figure], "µs", goal)
            yield Row(*row, added=True)


def bulk(kafka):
    """Publish with 100 events a call, against an empty server."""
    load = {"mode": "bulk", "in_flight": 8, "batch": 100, "size": 1024}
    with Gateway(kafka) as gateway, EmptyServer() as empty:
        ours, theirs = rounds(
            publishing(rate_and_cpu, gateway, **load), publishing(rate_and_cpu, empty, **load)
        )
    what = "Publish, 100 events a call, 8 in flight, 1 KiB"
    yield Row(what, ours["cpu"], theirs["cpu"], "µs CPU/event", "")
    yield Row(what, ours["rate"], theirs["rate"], "events/s", "")


def subscribe(kafka):
    """Subscribe with acks in batches, against a consumer that polls batches."""
    topic = f"bench-subscribe-{time.time_ns()}"
    make_topic(kafka, topic)
    direct("produce", kafka, topic, size=512, count=STREAM_EVENTS, linger=5)
    groups = (f"bench-{number}" for number in range(1_000))

    def ours():
        read = client("subscribe", gateway, group=next(groups), events=STREAM_EVENTS)
        return rate_and_cpu(read)

    def theirs():
        read = direct("consume", kafka, topic, group=next(groups), count=STREAM_EVENTS)
        return rate_and_cpu(read)

    with Gateway(kafka, topic) as gateway:
        gateway_figures, direct_figures = rounds(ours, theirs)
    for figure, unit, goal in (
        ("rate", "events/s", "≥ 50 %, aim 80 %"),
        ("cpu", "µs CPU/event", ""),
    ):
        yield Row("Subscribe, 512 B", gateway_figures[figure], direct_figures[figure], unit, goal)


def slow_handler(kafka):
    """10 ms of work an event, 100 keys on one partition: many at a time, and one at a time."""
    work = {"work": "10ms"}
    with Gateway(kafka) as gateway:
        client("publish", gateway, mode="stream", batch=100, size=512, keys=100, seconds=1)
        groups = (f"bench-{time.time_ns()}-{number}" for number in range(1_000))

        def rate(events, window):
            load = {"events": events, "window": window, "group": next(groups)}
            return {"rate": client("subscribe", gateway, **load, **work)["events_per_second"]}

        many, one = rounds(lambda: rate(10_000, 100), lambda: rate(200, 1))
    yield Row(
        "Subscribe, 10 ms of work an event, 100 keys; rival: one event at a time",
        many["rate"],
        one["rate"],
        "events/s",
        "≥ 5000 %, aim 9000 %",
    )


def stuck(kafka):
    """The most memory that a gateway takes while a subscriber of a busy topic settles nothing."""
    with Gateway(kafka) as gateway:
        command = [SIDEBUS, "bench", "subscribe", EVENT_TYPE, "--endpoint", gateway.endpoint]
        command += ["--group", f"bench-{time.time_ns()}", "--work", "1h"]
        settles_nothing = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            client("publish", gateway, mode="stream", batch=500, size=1024, seconds=2 * SECONDS)
        finally:
            settles_nothing.kill()
            settles_nothing.wait()
        memory = gateway.memory_mib("VmHWM")
    yield Row("A stuck subscriber of a busy topic, most memory", memory, None, "MiB", "≤ 192")


def memory(kafka):
    """A gateway at rest, and the most that it took under load."""
    with Gateway(kafka) as gateway:
        yield Row("Idle, resident memory", gateway.memory_mib(), None, "MiB", "≤ 40, aim 25")
        before, seconds = gateway.cpu_seconds(), 10
        time.sleep(seconds)
        idle = (gateway.cpu_seconds() - before) / seconds * 100
        yield Row("Idle, CPU of one processor", idle, None, "%", "< 1")
        client("publish", gateway, mode="stream", batch=500, size=1024, seconds=SECONDS)
        client("publish", gateway, mode="unary", in_flight=128, size=1024, seconds=SECONDS)
        client("subscribe", gateway, group=f"bench-{time.time_ns()}", events=STREAM_EVENTS)
        yield Row("Under load, most resident memory", gateway.memory_mib("VmHWM"), None, "MiB", "")


def start(kafka):
    """From the start of the process to its ready line."""

    def seconds():
        with Gateway(kafka) as gateway:
            return {"ms": gateway.seconds_to_ready * 1000}

    (ours,) = rounds(seconds)
    yield Row("Start to ready", ours["ms"], None, "ms", "≤ 300, aim 100")


def newcomer(_):
    """A new group's first event on the embedded broker, by the command line."""
    groups = (f"newcomer-{number}" for number in range(1_000))

    def first_event():
        command = ["subscribe", EVENT_TYPE, "--group", next(groups), "--max", "1"]
        began = time.monotonic()
        subprocess.run(
            [SIDEBUS, *command, "--endpoint", gateway.endpoint],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return {"ms": (time.monotonic() - began) * 1000}

    with Gateway(None) as gateway:
        client("publish", gateway, mode="unary", in_flight=1, size=512, seconds=0.5, warmup=0)
        (ours,) = rounds(first_event)
    yield Row("First event of a new group, embedded", ours["ms"], None, "ms", "≤ 1000, aim 300")


ALL = {
    row.__name__: row
    for row in (
        stream,
        embedded,
        unary,
        alone,
        bulk,
        subscribe,
        slow_handler,
        stuck,
        memory,
        start,
        newcomer,
    )
}
