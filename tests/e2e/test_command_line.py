"""The client verbs: publish, subscribe, describe, health, version."""

import base64
import json
import re
import signal
import socket
import subprocess

import pytest
from gateway import BINARY, environment, sidebus
from waiting import eventually

ROUTES = {
    "order.created": {"orders": {"event_key_field": "order.id", "enabled": True}},
    "note.taken": {"notes": {"event_key_field": "", "enabled": True}},
    "note.copied": {
        "notes": {"event_key_field": "", "enabled": True},
        "copies": {"event_key_field": "", "enabled": True},
    },
    "note.hidden": {"notes": {"event_key_field": "", "enabled": False}},
}
ORDER = '{"order": {"id": "A-7"}}'
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


@pytest.fixture
def one(gateway, broker):
    return gateway(ROUTES, broker, partitions=1)


def published(one, *arguments, **more):
    done = one.run("publish", *arguments, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def received(one, *arguments):
    """Deliveries as JSON."""
    done = one.run("subscribe", *arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def data_of(delivery):
    return base64.b64decode(delivery["event"]["data"]).decode()


# --- publish --------------------------------------------------------------------------------------


def test_publish_prints_where_the_event_is(one):
    text = published(one, "order.created", ORDER)

    assert re.fullmatch(rf"orders/\d@0  {UUID}\n", text)


def test_publish_prints_json(one):
    result = json.loads(published(one, "note.copied", "x", "--id", "n1", "--output", "json"))

    assert result["event_id"] == "n1"
    assert {position["topic"] for position in result["positions"]} == {"notes", "copies"}


def test_publish_takes_data_from_a_file_and_from_standard_input(one, tmp_path, group):
    (tmp_path / "note").write_text("from a file")

    published(one, "note.taken", "--key", "k", "-f", tmp_path / "note")
    published(one, "note.taken", "--key", "k", "-", stdin="from standard input")

    got = received(one, "note.taken", "--max", "2", "--from", "earliest", "--group", group)
    assert [data_of(each) for each in got] == ["from a file", "from standard input"]


def test_publish_takes_an_event_per_line(one):
    lines = "".join(f'{{"order": {{"id": "A", "n": {n}}}}}\n' for n in range(250))

    text = published(one, "order.created", "--ndjson", stdin=lines)

    offsets = re.findall(r"^orders/\d@(\d+) ", text, re.MULTILINE)
    assert offsets == [str(n) for n in range(250)]


def test_publish_counts(one):
    text = published(one, "note.taken", "x", "--count", "3", "--key", "k")

    assert re.findall(r"^notes/\d@(\d) ", text, re.MULTILINE) == ["0", "1", "2"]


def test_publish_says_everything_about_the_event(one):
    flags = ["--id", "i", "--source", "/s", "--subject", "sub", "--key", "k", "--ext", "color=red"]
    flags += ["--content-type", "text/plain", "--header", "a=1", "--header", "a=2=3"]

    published(one, "note.taken", "hello", *flags)
    event = received(one, "note.taken", "--max", "1", "--from", "earliest")[0]["event"]

    assert (event["id"], event["source"], event["subject"]) == ("i", "/s", "sub")
    assert base64.b64decode(event["key"]) == b"k"
    assert event["content_type"] == "text/plain"
    assert event["extensions"] == {"color": "red"}
    headers = [(each["name"], base64.b64decode(each["value"])) for each in event["headers"]]
    assert headers == [("a", b"1"), ("a", b"2=3")]


def test_publish_writes_a_tombstone(one):
    published(one, "note.taken", "--tombstone", "--key", "k")

    done = one.run("subscribe", "note.taken", "--max", "1", "--from", "earliest")

    assert "key=k" in done.stdout
    assert "(tombstone)" in done.stdout


def test_publish_to_one_topic_only(one):
    assert published(one, "note.copied", "x", "--topic", "copies").startswith("copies/")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["order.deleted", "x"], "EVENT_TYPE_UNKNOWN"),
        (["order.created", "{}"], "KEY_FIELD_MISSING"),
        (["note.hidden", "x"], "ROUTE_DISABLED"),
        (["note.taken", "x", "--topic", "orders"], "TOPIC_NOT_ROUTED"),
        (["note.taken", "x", "--header", "ce_id=1"], "EVENT_INVALID"),
    ],
)
def test_an_event_that_is_refused_is_named_and_the_exit_code_is_1(one, arguments, reason):
    done = one.run("publish", *arguments)

    assert done.returncode == 1
    assert reason in done.stderr
    assert "outcome=not_written" in done.stderr


def test_a_refused_event_among_good_ones_is_the_only_one_missing(one):
    lines = '{"order": {"id": "1"}}\n{"order": {}}\n{"order": {"id": "3"}}\n'

    done = one.run("publish", "order.created", "--ndjson", stdin=lines)

    assert done.returncode == 1
    assert done.stdout.count("orders/") == 2
    assert done.stderr.count("KEY_FIELD_MISSING") == 1


def test_publish_needs_data_that_can_be_read(one, tmp_path):
    directory = one.run("publish", "note.taken", "-f", str(tmp_path))
    nothing = one.run("publish", "note.taken", stdin="")

    assert (directory.returncode, nothing.returncode) == (2, 2)
    assert "cannot read the file" in directory.stderr
    assert "standard input is empty" in nothing.stderr
    assert published(one, "note.taken", "-", stdin="").startswith("notes/")


def test_publish_sends_each_line_when_it_comes(one):
    command = [BINARY, "publish", "note.taken", "--ndjson", "-", "--endpoint", one.endpoint]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    ) as lines:
        for number in range(3):
            lines.stdin.write(f"line {number}\n")
            lines.stdin.flush()
            assert lines.stdout.readline().startswith("notes/")
        lines.stdin.close()
        assert lines.wait(20) == 0


def test_publish_names_the_line_that_was_refused(one):
    done = one.run("publish", "order.created", "--ndjson", stdin=f"{ORDER}\n\n{{}}\n{ORDER}\n")

    assert done.returncode == 1
    assert "line 3: KEY_FIELD_MISSING" in done.stderr
    assert len(done.stdout.splitlines()) == 2


# --- subscribe ------------------------------------------------------------------------------------


def test_subscribe_prints_text(one, group):
    published(one, "order.created", ORDER)

    done = one.run("subscribe", "order.created", "--group", group, "--max", "1")

    line = r"\d{4}-\d\d-\d\dT\S+Z  order\.created  orders/\d@0  key=A-7  "
    assert re.fullmatch(line + re.escape(ORDER) + "\n", done.stdout)
    assert done.returncode == 0


def test_subscribe_prints_json(one):
    published(one, "order.created", ORDER)

    for flags in (["--format", "json"], ["--output", "json"]):
        done = one.run("subscribe", "order.created", "--from", "earliest", "--max", "1", *flags)
        assert done.returncode == 0, done.stderr
        delivery = json.loads(done.stdout)
        assert delivery["event"]["type"] == "order.created"
        assert delivery["attempt"] == 1
        assert data_of(delivery) == ORDER


def test_subscribe_prints_data_alone(one):
    published(one, "order.created", ORDER)

    done = one.run("subscribe", "--topic", "orders", "--from", "earliest", "--max", "1", *DATA)

    assert done.stdout == ORDER + "\n"


def test_large_events_are_published_in_requests_that_the_gateway_takes(gateway, broker):
    limits = {
        "max_event_bytes": "100KiB",
        "max_request_bytes": "256KiB",
        "max_events_per_request": 7,
    }
    one = gateway(ROUTES, broker, limits=limits)
    lines = "\n".join(json.dumps("x" * 50_000) for _ in range(20))

    done = published(one, "note.taken", "--ndjson", stdin=lines)
    small = published(one, "note.taken", "x", "--count", "20")

    assert (done.count("@"), small.count("@")) == (20, 20)


DATA = ["--format", "data"]


def test_subscribe_goes_on_where_the_group_was(one, group):
    published(one, "note.taken", "--key", "k", "--ndjson", stdin="1\n2\n3\n4\n5\n")

    first = one.run("subscribe", "note.taken", "--group", group, "--max", "2", *DATA)
    rest = one.run("subscribe", "note.taken", "--group", group, "--exit-when-idle", "1s", *DATA)

    assert first.stdout == "1\n2\n"
    assert rest.stdout == "3\n4\n5\n"


def test_subscribe_without_acks_leaves_everything_to_the_next(one, group):
    published(one, "note.taken", "--ndjson", stdin="1\n2\n")

    flags = ["note.taken", "--group", group, "--max", "2", *DATA]
    first = one.run("subscribe", *flags, "--ack", "none")
    second = one.run("subscribe", *flags)

    for done in (first, second):
        assert done.returncode == 0
        assert sorted(done.stdout.split()) == ["1", "2"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_subscribe_cleanly(one, tmp_path, number, group):
    published(one, "note.taken", "1")
    command = [BINARY, "subscribe", "note.taken", "--group", group, *DATA]
    with open(tmp_path / "out", "w") as out:
        running = subprocess.Popen(
            [*command, "--endpoint", one.endpoint], stdout=out, env=environment()
        )
    eventually(lambda: (tmp_path / "out").read_text() == "1\n", "an event")

    running.send_signal(number)

    assert running.wait(10) == 0
    rest = one.run("subscribe", "note.taken", "--group", group, "--exit-when-idle", "500ms", *DATA)
    assert rest.stdout == ""


def test_subscribe_survives_a_gateway_that_is_stopped_and_started_again(gateway, tmp_path, group):
    one = gateway(ROUTES, partitions=1)
    out, errors = tmp_path / "out", tmp_path / "errors"
    command = [BINARY, "subscribe", "note.taken", "--group", group, "--format", "data"]
    with open(out, "wb") as stdout, open(errors, "wb") as stderr:
        process = subprocess.Popen(
            [*command, "--endpoint", one.endpoint], stdout=stdout, stderr=stderr, env=environment()
        )
    try:
        published(one, "note.taken", "before")
        eventually(lambda: out.read_text() == "before\n", "the first event")

        assert one.stop() == 0
        one.start()
        published(one, "note.taken", "after")

        eventually(lambda: out.read_text() == "before\nafter\n", errors.read_text)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def test_subscribe_that_finds_no_kafka_is_no_success(gateway, group):
    one = gateway(ROUTES, broker="127.0.0.1:1")

    done = one.run("subscribe", "note.taken", "--group", group, "--exit-when-idle", "1s")

    assert done.returncode == 1
    assert "reaches no Kafka broker" in done.stderr


def test_subscribe_from_a_time_needs_a_real_kafka(one, broker, group):
    flags = ["note.taken", "--group", group, "--from", "2020-01-01T00:00:00Z", "--max", "1"]
    published(one, "note.taken", "x")

    done = one.run("subscribe", *flags, *DATA)

    if broker == "kafka":
        assert (done.returncode, done.stdout) == (0, "x\n")
    else:
        assert done.returncode == 1
        assert "NOT_SUPPORTED" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["order.deleted"], "EVENT_TYPE_UNKNOWN"),
        (["order.created", "--topic", "notes"], "TOPIC_NOT_ROUTED"),
        (["--topic", "notes", "order.created"], "TOPIC_NOT_ROUTED"),
        ([], "START_INVALID"),
        (["--topic", "nowhere"], "TOPIC_MISSING"),
    ],
)
def test_a_subscription_that_is_refused_is_explained_and_the_exit_code_is_1(one, arguments, reason):
    done = one.run("subscribe", *arguments, "--max", "1")

    assert done.returncode == 1
    assert reason in done.stderr


# --- describe -------------------------------------------------------------------------------------


def test_describe_prints_routes_and_the_condition(one, prefix):
    def reachable():
        done = one.run("describe")
        assert done.returncode == 0
        return done if "broker reachable" in done.stdout else None

    done = eventually(reachable, "a broker", seconds=5)

    assert f"orders ({prefix}-orders)  key order.id" in done.stdout
    assert re.search(r"note\.hidden.*\n.*disabled", done.stdout)


def test_describe_prints_json(one, prefix):
    done = one.run("describe", "order.created", "--output", "json")

    answer = json.loads(done.stdout)
    (info,) = answer["event_types"]
    assert info["routes"] == [
        {
            "topic": "orders",
            "full_topic": f"{prefix}-orders",
            "event_key_field": "order.id",
            "enabled": True,
        }
    ]
    assert info["encoding"] == "cloudevents"
    assert info["can_publish"] and info["can_subscribe"]
    assert answer["limits"]["max_events_per_request"] == 1000
    assert "broker_state_age" in answer["condition"]
    assert answer["version"] == one.ready["version"]


def test_describe_of_an_unknown_type_is_an_error(one):
    done = one.run("describe", "order.deleted")

    assert done.returncode == 1
    assert "EVENT_TYPE_UNKNOWN" in done.stderr


# --- health ---------------------------------------------------------------------------------------


def test_health_of_a_gateway_that_serves(one):
    for service in ([], ["--service", "sidebus.v1.EventBus"]):
        assert one.run("health", *service).returncode == 0
    assert one.run("health").stdout == "SERVING\n"
    assert json.loads(one.run("health", "--output", "json").stdout)["status"] == "SERVING"


def test_health_waits_for_a_gateway_that_starts(gateway):
    late = gateway(ROUTES, "embedded", start=False)
    command = [BINARY, "health", "--wait", "20s", "--endpoint", late.endpoint]
    probe = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment())

    late.start()

    assert probe.communicate(timeout=20)[0] == b"SERVING\n"
    assert probe.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--endpoint", "nonsense"], 1),
        (["--nonsense"], 1),
        (["--wait", "long"], 1),
        (["--endpoint", "127.0.0.1:1"], 2),
        (["--endpoint", "unix:///nonexistent/x.sock"], 2),
    ],
)
def test_exit_codes_of_health(arguments, code):
    done = sidebus("health", *arguments)

    assert done.returncode == code
    assert done.stderr


def test_health_says_why_it_cannot_connect():
    done = sidebus("health", "--endpoint", "unix:///nonexistent/x.sock")

    assert "No such file or directory" in done.stderr


def test_health_of_something_that_never_answers(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        done = sidebus("health", "--endpoint", f"unix:{tmp_path}/s")

    assert done.returncode == 2
    assert "no gateway answers there" in done.stderr


def test_health_of_a_service_that_is_not_there_is_a_failed_call(gateway):
    assert gateway(ROUTES, "embedded").run("health", "--service", "nope").returncode == 3


# --- all verbs ------------------------------------------------------------------------------------


def test_version_says_what_was_built():
    done = sidebus("version")
    parts = json.loads(sidebus("version", "--output", "json").stdout)

    assert done.returncode == 0
    assert re.match(r"sidebus \d+\.\d+\.\d+", done.stdout)
    assert "librdkafka 2.15.1" in done.stdout.replace(":", "")
    assert re.fullmatch(r"\d+\.\d+\.\d+", parts["version"])
    assert {"commit", "compiler"} <= parts.keys()


VERBS = [
    ["serve"],
    ["config", "check"],
    ["config", "print"],
    ["config", "schema"],
    ["publish"],
    ["subscribe"],
    ["describe"],
    ["health"],
    ["bench", "publish"],
    ["bench", "subscribe"],
    ["version"],
]


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_the_help_of_every_verb_has_an_example(verb):
    done = sidebus(*verb, "--help")

    assert done.returncode == 0
    assert re.search(r"(?s)Examples?:.*sidebus " + " ".join(verb), done.stdout)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_a_wrong_flag_is_a_usage_error(verb):
    done = sidebus(*verb, "--nonsense")

    assert done.returncode == (1 if verb == ["health"] else 2)
    assert done.stdout == ""
    assert done.stderr


@pytest.mark.parametrize("verb", [["publish", "order.created", "x"], ["describe"]], ids=" ".join)
def test_a_gateway_that_is_not_there_is_an_error(verb):
    done = sidebus(*verb, "--endpoint", "127.0.0.1:1")

    assert done.returncode == 1
    assert done.stderr


def test_the_endpoint_comes_from_the_environment_and_the_flag_wins(gateway):
    one = gateway(ROUTES, "embedded")

    from_variable = sidebus("health", variables={"SIDEBUS_ENDPOINT": one.endpoint})
    from_flag = sidebus(
        "health", "--endpoint", one.endpoint, variables={"SIDEBUS_ENDPOINT": "127.0.0.1:1"}
    )

    assert from_variable.returncode == 0
    assert from_flag.returncode == 0


def test_an_unknown_verb_is_named():
    done = sidebus("frobnicate", "--group", "g")

    assert done.returncode == 2
    assert 'there is no verb "frobnicate"' in done.stderr


def test_a_misspelt_verb_is_guessed():
    done = sidebus("pubish", "order.created")

    assert done.returncode == 2
    assert 'did you mean "publish"?' in done.stderr
