"""`sidebus config check|print|schema`."""

import json
import socket

import pytest
from conftest import ROOT
from gateway import sidebus

ENVIRONMENT = {
    "EVENT_BUS_PRODUCER_CONFIG": json.dumps(
        {"env.type": {"env-topic": {"event_key_field": "a.b", "enabled": True}}}
    ),
    "EVENT_BUS_TOPIC_PREFIX": "env",
}


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return path

    return write


BAD = """\
broker: {kind: embeded}
subscribe:
  lease: 30
  leese: 30s
listen: [0.0.0.0:7420]
"""


def test_check_shows_every_problem_with_its_place(file):
    path = file(BAD)

    done = sidebus("config", "check", "--config", path)

    assert (done.returncode, done.stdout) == (1, "")
    for place in ("1:10: broker.kind", "3:3: subscribe.lease", "4:3: subscribe.leese", "5:10: lis"):
        assert f"{path}:{place}" in done.stderr
    assert "embedded" in done.stderr


def test_check_shows_every_problem_as_json(file):
    done = sidebus("config", "check", "--config", file(BAD), "--output", "json")
    answer = json.loads(done.stdout)

    assert done.returncode == 1
    assert answer["ok"] is False
    places = {(each["line"], each["path"]) for each in answer["problems"]}
    assert places >= {
        (1, "broker.kind"),
        (3, "subscribe.lease"),
        (4, "subscribe.leese"),
        (5, "listen[0]"),
    }


def test_check_of_the_example(file):
    example = ROOT / "deploy/config.example.yaml"

    text = sidebus("config", "check", "--config", example)
    answer = json.loads(sidebus("config", "check", "--config", example, "--output", "json").stdout)

    assert (text.returncode, text.stderr) == (0, "")
    assert text.stdout.startswith("OK")
    assert answer["ok"] is True
    assert answer["problems"] == answer["warnings"] == []


def test_check_takes_the_file_from_the_environment(file):
    path = file("broker: {kind: embedded}\nbogus: 1\n")

    done = sidebus("config", "check", variables={"SIDEBUS_CONFIG": str(path)})

    assert done.returncode == 1
    assert f"{path}:2:1: bogus" in done.stderr


@pytest.mark.parametrize("content", [None, "", "\0\x01binary", "a: [1", "- 1\n", "\ta: 1\n"])
def test_a_file_that_cannot_be_read_is_a_problem_like_any_other(file, tmp_path, content):
    path = tmp_path if content is None else file(content)

    done = sidebus("config", "check", "--config", path)

    assert done.returncode == 1
    assert "error: " in done.stderr


# What only librdkafka and the client of the schema registry refuse, and how their words begin.
PROPERTIES = {
    "security.protocol: sslx": '"security.protocol": librdkafka does not take this value',
    "fetch.wait.max.ms: '500000'": '"fetch.wait.max.ms": librdkafka does not take this value',
    "linger.ms: '-4'": '"linger.ms": librdkafka does not take this value',
    "security.protocol: sasl_plaintext, sasl.mechanisms: FOO": "cannot make a Kafka client: ",
    "security.protocol: sasl_plaintext, sasl.mechanisms: PLAIN": "cannot make a Kafka client: ",
    "security.protocol: ssl, ssl.ca.location: /nope.pem": "cannot make a Kafka client: ",
}
REGISTRIES = {
    "url: http://r, ca_file: /nope.pem": ("ca_file", "the file cannot be opened"),
    "url: http://r, username_file: /nope, password_file: /nope": (
        "username_file",
        "the file cannot be opened",
    ),
    "url: 'http://r?a=b'": ("url", "has a query"),
    "url: 'http://user:s3cret@r:8081'": ("url", "has an '@'"),
}
TYPES = "producer_config: {a.type: {a: {event_key_field: '', enabled: true}}}\n"
REFUSED = [
    *(
        (
            f"broker: {{kind: {kind}, kafka: {{{servers}properties: {{{given}}}}}}}",
            "broker.kafka.properties",
            said,
        )
        for kind, servers in [
            ("kafka", "bootstrap_servers: ['127.0.0.1:1'], "),
            ("embedded", ""),
        ]
        for given, said in PROPERTIES.items()
    ),
    *(
        (
            f"broker: {{kind: embedded}}\nschema_registry: {{{given}}}",
            f"schema_registry.{key}",
            said,
        )
        for given, (key, said) in REGISTRIES.items()
    ),
]


@pytest.mark.parametrize(("text", "path", "said"), REFUSED)
def test_check_and_serve_refuse_the_same_with_the_same_words(file, text, path, said):
    written = file(f"listen: ['127.0.0.1:0']\nadmin: 127.0.0.1:0\n{TYPES}{text}\n")

    check = sidebus("config", "check", "--config", written)
    serve = sidebus("serve", "--config", written)

    assert (check.returncode, serve.returncode) == (1, 1)
    (refusal, count) = check.stderr.splitlines()
    assert count == "1 problem"
    assert refusal.startswith(f"error: {written}:")
    assert f": {path}: {said}" in refusal
    assert serve.stderr.splitlines() == [refusal.replace("error: ", "sidebus: ", 1)]
    assert "s3cret" not in check.stderr


def test_what_check_takes_of_a_broker_it_takes_without_asking_it(file):
    with socket.create_server(("127.0.0.1", 0)) as broker:
        address = f"127.0.0.1:{broker.getsockname()[1]}"
        written = file(
            f"{TYPES}broker: {{kind: kafka, kafka: {{bootstrap_servers: ['{address}'], properties: "
            "{security.protocol: sasl_plaintext, sasl.mechanisms: PLAIN, sasl.username: me, "
            f"sasl.password: mine}}}}}}\nschema_registry: {{url: 'http://{address}'}}\n"
        )

        done = sidebus("config", "check", "--config", written)

        assert (done.returncode, done.stderr) == (0, "")
        broker.setblocking(False)
        with pytest.raises(BlockingIOError):
            broker.accept()


def test_print_shows_no_url_with_a_password(file):
    written = file(
        "broker: {kind: embedded}\nschema_registry: {url: 'http://user:s3cret@r:8081'}\n"
    )

    done = sidebus("config", "print", "--config", written)

    assert (done.returncode, done.stdout) == (1, "")
    assert "password_file" in done.stderr
    assert "s3cret" not in done.stderr


def printed(*arguments, **more):
    done = sidebus("config", "print", *arguments, "--output", "json", **more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_print_says_where_each_value_is_from(file):
    path = file("broker: {kind: embedded}\nsource: /orders\n")

    answer = printed("--config", path, "--topic-prefix", "flag", variables=ENVIRONMENT)

    assert answer["config"]["source"] == "/orders"
    assert answer["origins"]["source"] == f"{path}:2"
    assert answer["config"]["topic_prefix"] == "flag"
    assert "flag --topic-prefix" in answer["origins"]["topic_prefix"]
    assert "env.type" in answer["config"]["producer_config"]
    assert "EVENT_BUS_PRODUCER_CONFIG" in answer["origins"]["producer_config"]
    assert answer["origins"]["subscribe.lease"] == "default"


def test_print_is_a_configuration_that_means_the_same(file, tmp_path):
    first = sidebus("config", "print", "--config", ROOT / "deploy/config.example.yaml")
    (tmp_path / "again.yaml").write_text(first.stdout)

    again = printed("--config", tmp_path / "again.yaml")

    assert again["config"] == printed("--config", ROOT / "deploy/config.example.yaml")["config"]


@pytest.mark.parametrize(
    ("file_says", "flags"),
    [("topic_prefix: file\n", []), ("", ["--topic-prefix", "flag"])],
    ids=["file", "flag"],
)
def test_a_variable_that_is_overruled_is_a_warning(file, file_says, flags):
    path = file(f"broker: {{kind: embedded}}\n{file_says}")

    done = sidebus("config", "check", "--config", path, *flags, variables=ENVIRONMENT)

    assert done.returncode == 0
    assert "warning: " in done.stderr
    assert "EVENT_BUS_TOPIC_PREFIX" in done.stderr


def test_schema_knows_every_key_that_print_shows():
    schema = json.loads(sidebus("config", "schema").stdout)
    config = printed("--broker", "embedded")["config"]

    def check(node, value, path):
        assert node is not None, f"{path} is not in the schema"
        if isinstance(value, dict) and "properties" in node:
            for key, inner in value.items():
                check(node["properties"].get(key), inner, f"{path}.{key}")

    check(schema, config, "")
    assert schema["additionalProperties"] is False


def test_schema_is_the_reference_page_too():
    page = sidebus("config", "schema", "--format", "markdown").stdout

    assert page == (ROOT / "deploy/configuration.md").read_text()
