import pytest
from openedx_events.event_bus.avro.deserializer import AvroSignalDeserializer
from samples import FALSY
from sidebus_openedx._local_schema import LocalSchema
from sidebus_openedx._unusable import Unusable


def record(name, **fields):
    """A record with the fields' types; a type in a list is nullable, with the default null."""
    made = []
    for field, kind in fields.items():
        if isinstance(kind, list):
            made.append({"name": field, "type": ["null", *kind], "default": None})
        else:
            made.append({"name": field, "type": kind})
    return {"type": "record", "name": name, "fields": made}


def fit(kind, value):
    return LocalSchema(record("CloudEvent", it=kind)).fit({"it": value})["it"]


def test_what_is_missing_and_nullable_becomes_null():
    schema = LocalSchema(record("CloudEvent", a="string", b=["string"]))

    assert schema.fit({"a": "x"}) == {"a": "x", "b": None}


def test_what_the_schema_does_not_name_is_dropped_at_every_depth():
    inner = record("Inner", a="string")

    assert fit(inner, {"a": "x", "new": 1}) == {"a": "x"}
    assert fit({"type": "array", "items": inner}, [{"a": "x", "new": 1}]) == [{"a": "x"}]


def test_what_is_missing_and_required_is_named():
    with pytest.raises(Unusable, match=r"no it\.a$"):
        fit(record("Inner", a="string"), {})


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", ""),
        ("boolean", False),
        ("long", 0),
        ("long", 2**63 - 1),
        ("double", 1),
        ("double", 0.5),
        (["string"], None),
        (["long"], 3),
        ({"type": "array", "items": "long"}, [1, 2]),
        ({"type": "map", "values": "boolean"}, {"a": False}),
    ],
)
def test_what_fits_stays_as_it_is(kind, value):
    assert fit(kind if not isinstance(kind, list) else ["null", *kind], value) == value


def test_a_whole_number_is_a_long_however_json_wrote_it():
    assert repr(fit("long", 3.0)) == "3"


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("string", 1, "it is int, not string"),
        ("string", None, "it is null, not string"),
        ("boolean", 1, "it is int, not boolean"),
        ("boolean", "true", "it is str, not boolean"),
        ("long", True, "it is bool, not long"),
        ("long", 1.5, "it is float, not long"),
        ("long", float("nan"), "it is float, not long"),
        ("double", "1", "it is str, not double"),
        ({"type": "array", "items": "long"}, [1, "2"], r"it\[1\] is str, not long"),
        ({"type": "map", "values": "long"}, {"a": None}, r"it\.a is null, not long"),
        ({"type": "array", "items": "long"}, {}, "it is dict, not array"),
        (record("Inner", a="long"), [], "it is list, not object"),
    ],
)
def test_what_has_another_type_is_refused_without_telling_the_value(kind, value, said):
    with pytest.raises(Unusable, match=f"^{said}$"):
        fit(kind, value)


def test_a_second_use_of_a_record_is_its_name():
    user = record("UserData", id="long", nick=["string"])
    schema = LocalSchema(record("CloudEvent", by=user, to=["UserData"]))

    assert schema.fit({"by": {"id": 1}, "to": {"id": 2, "new": 0}}) == {
        "by": {"id": 1, "nick": None},
        "to": {"id": 2, "nick": None},
    }


def test_data_that_are_no_object_are_refused():
    with pytest.raises(Unusable, match="the data is list, not object"):
        LocalSchema(record("CloudEvent")).fit([])


def test_the_schemas_of_openedx_events_are_understood():
    schema = LocalSchema(AvroSignalDeserializer(FALSY).schema)
    said = {"required": False, "flag": False, "ratio": 0, "text": "", "names": [], "options": {}}

    fitted = schema.fit({"falsy": said | {"inner": {"number": 0}}})

    nulls = {"count": None, "course": None}
    assert fitted == {"falsy": said | nulls | {"inner": {"number": 0}}}
