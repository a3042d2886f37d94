"""`sidebus config check|print|schema`."""

import json

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
