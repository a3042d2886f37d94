"""deploy/compose.yaml: it is a compose file, and its parts fit each other and what else is here."""

import json
import re
import sys

import pytest
import yaml
from charts import CHART, ROOT, TOOLS, run
from compose import (
    FILE,
    HEADER,
    SERVICES,
    VOLUMES,
    Laptop,
    configuration,
    environment,
    files,
    listeners,
    mounts,
    ports,
)
from expected import BINARY

DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()
LASTING = [name for name in SERVICES if name != "topics"]  # which runs to its end
UNITS = {"m": 2**20, "g": 2**30, "MiB": 2**20}


def amount(text):
    """Bytes of a size."""
    number, unit = re.fullmatch(r"(\d+)(\w+)", text).groups()
    return int(number) * UNITS[unit]


def seconds(text):
    return int(re.fullmatch(r"(\d+)s", text)[1])


def test_it_is_what_the_compose_specification_says():
    checked = run(
        *(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"),
        FILE,
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


# --- images, files, volumes -----------------------------------------------------------------------


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_is_built_here_or_has_a_version(service):
    spec = SERVICES[service]

    if "build" in spec:
        context = (FILE.parent / spec["build"]["context"]).resolve()
        assert context == ROOT
        assert (context / spec["build"]["dockerfile"]).is_file()
    else:
        assert re.fullmatch(r"[\w/-]+:v?\d+\.\d+\.\d+", spec["image"])


def test_kafka_and_the_registry_are_those_that_the_tests_know():
    import kafka
    import registry

    assert SERVICES["kafka"]["image"] == f"apache/kafka:{kafka.VERSION}"
    assert SERVICES["topics"]["image"] == SERVICES["kafka"]["image"]
    assert SERVICES["registry"]["image"] == f"apicurio/apicurio-registry:{registry.VERSION}"


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_mounted_is_a_file_here_and_read_only_or_a_volume(service):
    for source, target, options in mounts(service):
        if source.startswith("."):
            assert files(service)[target].exists(), source
            assert "ro" in options, source
        else:
            assert source in VOLUMES


def test_every_volume_is_of_use():
    assert VOLUMES.keys() == {source for name in SERVICES for source, _, _ in mounts(name)} & set(
        VOLUMES
    )


# --- addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", SERVICES)
def test_a_port_is_published_for_this_machine_alone(service):
    assert {address for address, _, _ in ports(service)} <= {"127.0.0.1"}


def test_the_header_names_the_ports_that_are_published():
    named = {int(port) for port in re.findall(r"\blocalhost:(\d+)", HEADER)}

    assert named == {port for service in SERVICES for _, port, _ in ports(service)}


def test_the_readme_says_the_same():
    readme = (ROOT / "README.md").read_text()
    (command,) = re.findall(r"^ +(docker compose .* up .*?)  +#", HEADER, re.MULTILINE)
    (start,) = [part for part in readme.split("\n\n") if "[deploy/compose.yaml]" in part]
    named = set(re.findall(r"\blocalhost:\d+", start))

    assert f"```\n{command}\n```" in readme
    assert len(named) == 3
    assert named <= set(re.findall(r"\blocalhost:\d+", HEADER))


def test_kafka_tells_each_client_an_address_that_it_can_reach():
    opened, told = listeners("KAFKA_LISTENERS"), listeners("KAFKA_ADVERTISED_LISTENERS")
    protocols = dict(
        one.split(":")
        for one in environment("kafka")["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
    )

    assert opened.keys() == protocols.keys() == told.keys() | {"CONTROLLER"}
    assert {host for host, _ in (opened[name] for name in told)} == {""}  # all interfaces
    # From the laptop: the port that is published, by the same number.
    ((_, published, container),) = ports("kafka")
    assert told["LAPTOP"] == ("localhost", published)
    assert opened["LAPTOP"][1] == container == published
    # From containers.
    assert told["INSIDE"] == ("kafka", opened["INSIDE"][1])
    assert environment("kafka")["KAFKA_INTER_BROKER_LISTENER_NAME"] == "INSIDE"
    host, port = opened["CONTROLLER"]
    assert environment("kafka")["KAFKA_CONTROLLER_QUORUM_VOTERS"] == f"1@{host}:{port}"


def test_services_find_each_other():
    open_ports = {service: {port for _, _, port in ports(service)} for service in SERVICES}
    open_ports["kafka"] = {listeners("KAFKA_LISTENERS")["INSIDE"][1]}
    config = configuration()
    asked = [
        *config["broker"]["kafka"]["bootstrap_servers"],
        config["schema_registry"]["url"],
        environment("topics")["BOOTSTRAP"],
        environment("registry")["APICURIO_KAFKASQL_BOOTSTRAP_SERVERS"],
        *scraped()[0]["targets"],
        data_source()["url"],
    ]

    for address in asked:
        host, port = re.fullmatch(r"(?:http://)?(\w+):(\d+)(?:/.*)?", address).groups()
        assert int(port) in open_ports[host], address


def test_the_gateway_listens_where_its_ports_are_published():
    config = configuration()
    (listener,) = config["listen"]

    assert [listener["address"], config["admin"]] == [
        f"0.0.0.0:{port}" for _, _, port in ports("sidebus")
    ]
    # Where clients look that are told nothing.
    assert ports("sidebus")[0][1] == 7420
    assert environment("sidebus")["SIDEBUS_ADMIN_ENDPOINT"] == config["admin_api"]


# --- the gateway ----------------------------------------------------------------------------------


def test_the_gateway_has_its_configuration_where_the_image_looks_for_it():
    looks = re.search(r'"serve", "--config=(.*?)"', DOCKERFILE)[1]

    assert "command" not in SERVICES["sidebus"]
    assert files("sidebus")[looks] == ROOT / "deploy/compose/sidebus.yaml"


@pytest.mark.skipif(not BINARY, reason="needs the gateway: ./dev build")
@pytest.mark.parametrize("encoding", ["cloudevents", "openedx"])
def test_the_gateway_takes_its_configuration(encoding, tmp_path):
    laptop = Laptop(tmp_path)
    laptop.lay_out("sidebus")
    config = tmp_path / "etc/sidebus/config.yaml"
    if encoding == "openedx":
        text, lines = re.subn(r"(?m)^# (encoding: openedx)$", r"\1", config.read_text())
        assert lines == 1
        config.write_text(text)

    checked = run(BINARY, "config", "check", "--config", config)

    assert checked.returncode == 0, checked.stderr
    assert re.search(r"\b0 warnings\b", checked.stdout + checked.stderr)


def test_the_topics_are_those_of_the_producer_config():
    routes = yaml.safe_load(files("sidebus")["/etc/sidebus/producer.yaml"].read_text())

    assert environment("topics")["TOPICS"].split() == sorted(
        {topic for topics in routes.values() for topic in topics}
    )


def test_the_gateway_has_the_time_and_the_memory_that_its_configuration_asks_for():
    spec, config = SERVICES["sidebus"], configuration()
    chart = yaml.safe_load((ROOT / "helm/sidebus-lib/values.yaml").read_text())
    memory = chart["resources"]["limits"]["memory"]

    assert seconds(spec["stop_grace_period"]) == seconds(config["shutdown"]["grace"]) + 2
    assert f"{spec['mem_limit']}i" == memory.lower()
    assert amount(config["limits"]["memory"]) < amount(spec["mem_limit"])


def test_the_container_of_the_gateway_may_do_as_little_as_in_the_chart():
    spec = SERVICES["sidebus"]

    assert spec["read_only"] is True
    assert spec["cap_drop"] == ["ALL"]
    assert "user" not in spec  # the image's, who is nobody
    assert [options for _, _, options in mounts("sidebus") if "ro" not in options] == []


# --- all of them ----------------------------------------------------------------------------------


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_is_bounded_and_gains_no_privileges(service):
    spec = SERVICES[service]

    assert spec["security_opt"] == ["no-new-privileges:true"]
    assert amount(spec["mem_limit"]) <= 2**30
    assert spec["logging"]["options"].keys() == {"max-size", "max-file"}


def test_what_others_wait_for_tells_when_it_is_there():
    for spec in SERVICES.values():
        for name, awaited in spec.get("depends_on", {}).items():
            if awaited["condition"] == "service_healthy":
                assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
            if awaited["condition"] == "service_completed_successfully":
                # Tried again, and found failed if that does not help.
                assert re.fullmatch(r"on-failure:[1-9]", SERVICES[name]["restart"])
    assert {SERVICES[name]["restart"] for name in LASTING} == {"unless-stopped"}
    assert [name for name in LASTING if "healthcheck" not in SERVICES[name]] == []


# --- Prometheus and Grafana -----------------------------------------------------------------------


def scraped():
    config = yaml.safe_load(files("prometheus")["/etc/prometheus/prometheus.yml"].read_text())
    (job,) = config["scrape_configs"]
    return job["static_configs"]


def data_source():
    (file,) = files("grafana")["/etc/grafana/provisioning/datasources"].glob("*.yaml")
    (source,) = yaml.safe_load(file.read_text())["datasources"]
    return source


def test_prometheus_takes_its_configuration_and_the_rules_of_the_chart(tmp_path):
    laptop = Laptop(tmp_path)
    laptop.lay_out("prometheus")

    checked = run(TOOLS / "promtool", "check", "config", tmp_path / "etc/prometheus/prometheus.yml")

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert re.search(r"\b[1-9]\d* rules found", checked.stdout), checked.stdout
    assert files("prometheus")["/etc/prometheus/rules"] == CHART / "files/rules"
    assert "--config.file=/etc/prometheus/prometheus.yml" in SERVICES["prometheus"]["command"]


def test_prometheus_keeps_what_it_has_in_its_volume():
    ((_, target, _),) = [one for one in mounts("prometheus") if one[0] in VOLUMES]

    assert f"--storage.tsdb.path={target}" in SERVICES["prometheus"]["command"]


def test_grafana_has_the_dashboard_of_the_chart_without_a_log_in():
    (file,) = files("grafana")["/etc/grafana/provisioning/dashboards"].glob("*.yaml")
    (provider,) = yaml.safe_load(file.read_text())["providers"]
    settings = environment("grafana")
    folder, _, name = settings["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"].rpartition("/")

    assert provider["type"] == "file"
    assert files("grafana")[provider["options"]["path"]] == CHART / "files/dashboards"
    assert files("grafana")[folder] / name == CHART / "files/dashboards/sidebus.json"
    assert settings["GF_AUTH_ANONYMOUS_ENABLED"] == "true"


def test_grafana_has_off_what_it_would_ask_on_the_internet():
    settings = environment("grafana")

    assert {name for name, value in settings.items() if value == "false"} >= {
        "GF_ANALYTICS_REPORTING_ENABLED",
        "GF_ANALYTICS_CHECK_FOR_UPDATES",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES",
        "GF_NEWS_NEWS_FEED_ENABLED",
    }
    assert {name for name, value in settings.items() if value == "true"} >= {
        "GF_PLUGINS_PREINSTALL_DISABLED",
        "GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED",
        "GF_SECURITY_DISABLE_GRAVATAR",
    }


def test_the_dashboard_has_its_data_source():
    board = json.loads((CHART / "files/dashboards/sidebus.json").read_text())
    (variable,) = [one for one in board["templating"]["list"] if one["type"] == "datasource"]
    used = {panel["datasource"]["uid"] for panel in board["panels"] if panel["type"] != "row"}
    source = data_source()

    assert used == {f"${{{variable['name']}}}"}
    assert source["type"] == variable["query"]
    assert source["isDefault"] is True
    assert source["uid"]
