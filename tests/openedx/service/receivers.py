"""Receivers that write down what they get.

SERVICE_RECEIVED: the file, a JSON line per call.
SERVICE_FAIL: the block type for which a receiver raises.
SERVICE_GATE: a file without which a receiver does not return.
"""

import json
import os
import time
from pathlib import Path

from openedx_events.event_bus.avro.serializer import AvroSignalSerializer
from openedx_events.tooling import OpenEdxPublicSignal, load_all_signals


def connect():
    load_all_signals()
    for signal in OpenEdxPublicSignal.all_events():
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
    block_type = getattr(xblock_info, "block_type", None)
    if block_type is not None and block_type == os.environ.get("SERVICE_FAIL"):
        raise ValueError(f"no {block_type} here")


def wait(**_):
    gate = os.environ.get("SERVICE_GATE")
    while gate and not Path(gate).exists():
        time.sleep(0.02)
