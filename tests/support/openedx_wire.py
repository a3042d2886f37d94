"""Records of Open edX's event bus, put together by hand: what its producers write, and what not."""

import json
import struct
import urllib.request
import uuid
from pathlib import Path

# 52 events with their schemas and bytes, made by openedx-events itself.
VECTORS = {
    each["event_type"]: each
    for each in json.loads(
        (Path(__file__).resolve().parents[1] / "server/avro/data/openedx_vectors.json").read_text(
            encoding="utf-8"
        )
    )["events"]
}
# The registry of the tests refuses its schema, for the hyphen in the namespace.
REFUSED = "org.openedx.enterprise.subsidy.redemption-reversed.v1"


def key_field(schema):
    """The path of the first field that can be a key."""
    names = {}

    def search(node, path):
        if node["type"] == "record":
            names[node["name"]] = node
            for field in node["fields"]:
                kind = field["type"]
                kind = names.get(kind, kind) if isinstance(kind, str) else kind
                inner = [*path, field["name"]]
                if kind == "string":
                    return inner
                if isinstance(kind, dict) and (found := search(kind, inner)):
                    return found
        return None

    return ".".join(search(schema, []))


def framed(schema_id, avro):
    """As Confluent's serializers do it."""
    return b"\x00" + struct.pack(">I", schema_id) + avro


def avro_long(number):
    bits = ((number << 1) ^ (number >> 63)) & (2**64 - 1)
    encoded = b""
    while bits > 0x7F:
        encoded += bytes([bits & 0x7F | 0x80])
        bits >>= 7
    return encoded + bytes([bits])


def avro_string(text):
    raw = text if isinstance(text, bytes) else text.encode()
    return avro_long(len(raw)) + raw


def headers(event_type, identity=None, **changes):
    """The ten of a stock producer. A change is a value, or None to leave it out; _ is - too."""
    values = {
        "ce_specversion": b"1.0",
        "content-type": b"application/avro",
        "ce_datacontenttype": b"application/avro",
        "ce_type": event_type.encode(),
        "ce_id": str(identity or uuid.uuid1()).encode(),
        "ce_source": b"openedx/rig/web",
        "ce_time": b"2026-01-02T03:04:05+00:00",
        "ce_minorversion": b"0",
        "sourcehost": b"rig-host",
        "sourcelib": b"11.2.0",
    }
    values |= {
        name if name in values else name.replace("_", "-"): changes[name] for name in changes
    }
    return [(name, value) for name, value in values.items() if value is not None]


def ask(url, body=None):
    """What a registry answers."""
    request = urllib.request.Request(
        url,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
    )
    # Whatever proxy the environment names, it is not for 127.0.0.1.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        return json.load(answer)


def register(registry, subject, schema):
    """The id of a schema."""
    text = json.dumps(schema, sort_keys=True)
    return ask(f"{registry}/subjects/{subject}/versions", {"schema": text})["id"]
