import json

import pytest
from django.core.management import CommandError, call_command
from openedx_events.content_authoring.signals import XBLOCK_PUBLISHED
from openedx_events.event_bus import merge_producer_configs
from openedx_events.event_bus.avro.serializer import AvroSignalSerializer

XBLOCK = XBLOCK_PUBLISHED.event_type
CONFIG = {XBLOCK: {"xblocks": {"event_key_field": "xblock_info.usage_key", "enabled": False}}}
SCHEMA_FILE = "org+openedx+content_authoring+xblock+published+v1_schema.avsc"


@pytest.fixture
def export(override, tmp_path):
    def run(config, *arguments):
        override(EVENT_BUS_PRODUCER_CONFIG=config)
        call_command("export_event_bus_config", str(tmp_path / "producer.json"), *arguments)
        return json.loads((tmp_path / "producer.json").read_text())

    return run


def test_the_config_is_written_as_it_is_in_force(export):
    override = {XBLOCK: {"xblocks": {"enabled": True}}}

    assert export(merge_producer_configs(CONFIG, override)) == {
        XBLOCK: {"xblocks": {"event_key_field": "xblock_info.usage_key", "enabled": True}}
    }


def test_topics_stay_in_their_order(export):
    entry = {"event_key_field": "", "enabled": True}
    topics = ["b", "a", "c"]

    assert list(export({XBLOCK: dict.fromkeys(topics, entry)})[XBLOCK]) == topics


def test_the_schemas_are_written_beside_it(export, tmp_path):
    export(CONFIG)

    (schema,) = (tmp_path / "schemas").iterdir()
    assert schema.name == SCHEMA_FILE
    assert schema.read_text() == AvroSignalSerializer(XBLOCK_PUBLISHED).schema_string() + "\n"


def test_the_schemas_may_go_elsewhere(export, tmp_path):
    export(CONFIG, "--schemas", str(tmp_path / "else/where"))

    assert (tmp_path / "else/where" / SCHEMA_FILE).is_file()
    assert not (tmp_path / "schemas").exists()


def test_files_that_are_there_are_replaced(export, tmp_path):
    export({})
    export(CONFIG)

    assert export(CONFIG) == CONFIG
    assert {one.name for one in tmp_path.iterdir()} == {"producer.json", "schemas"}


def test_files_are_readable_for_the_gateways_user(export, tmp_path):
    export(CONFIG)

    assert (tmp_path / "producer.json").stat().st_mode & 0o777 == 0o644


def test_an_event_type_without_a_schema_does_not_stop_the_others(export, tmp_path, capsys):
    unserializable = "org.openedx.content_authoring.course.certificate_config.changed.v1"

    assert export({unserializable: {}} | CONFIG).keys() == {unserializable, XBLOCK}

    assert [one.name for one in (tmp_path / "schemas").iterdir()] == [SCHEMA_FILE]
    assert unserializable in capsys.readouterr().err


def test_an_unknown_event_type_is_an_error_and_writes_nothing(export, tmp_path):
    with pytest.raises(CommandError, match=r"org\.example\.unknown\.v1"):
        export(CONFIG | {"org.example.unknown.v1": {}})

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_an_error(export, tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(CommandError, match="cannot write"):
        export(CONFIG, "--schemas", str(tmp_path / "file" / "schemas"))
