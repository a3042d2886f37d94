"""Receivers that write down what they get.

SERVICE_RECEIVED: the file, a JSON line per call.
SERVICE_FAIL: the block type for which a receiver raises.
SERVICE_GATE: a file without which a receiver does not return.
"""

import json
import os
import time
from pathlib import Path

from openedx_events.content_authoring.signals import XBLOCK_DELETED, XBLOCK_PUBLISHED
from openedx_events.event_bus.avro.serializer import AvroSignalSerializer

from service.signals import FLAGS_CHANGED

SIGNALS = (XBLOCK_PUBLISHED, XBLOCK_DELETED, FLAGS_CHANGED)


def connect():
    for signal in SIGNALS:
        signal.connect(write_down)
        signal.connect(fail)
        signal.connect(wait)


def write_down(signal, metadata, from_event_bus, **arguments):
    data = {name: arguments[name] for name in signal.init_data}
    line = {
        "metadata": metadata.to_json_data(),
        "data": AvroSignalSerializer(signal).to_dict(data),
        "from_event_bus": from_event_bus,
    }
    with open(os.environ["SERVICE_RECEIVED"], "a") as file:
        file.write(json.dumps(line) + "\n")


def fail(xblock_info=None, **_):
    if xblock_info is not None and xblock_info.block_type == os.environ.get("SERVICE_FAIL"):
        raise ValueError(f"no {xblock_info.block_type} here")


def wait(**_):
    gate = os.environ.get("SERVICE_GATE")
    while gate and not Path(gate).exists():
        time.sleep(0.02)
