"""manage.py send_events: sends signals, as a view or a task of a service does."""

import json
import sys
from datetime import datetime

from django.core.management.base import BaseCommand
from openedx_events.event_bus import get_producer
from openedx_events.event_bus.avro.deserializer import AvroSignalDeserializer
from openedx_events.tooling import OpenEdxPublicSignal, load_all_signals

from service.signals import FLAGS_CHANGED, FlagsData


class Command(BaseCommand):
    help = "Reads [[event type, data, time or null], ...] from its standard input, and sends them."

    def handle(self, *_, **__):
        load_all_signals()
        for event_type, data, time in json.load(sys.stdin):
            signal = OpenEdxPublicSignal.get_signal_by_type(event_type)
            signal.send_event(
                time=time and datetime.fromisoformat(time), **arguments_of(signal, data)
            )
        # The stock producer has only handed them to a thread.
        getattr(get_producer(), "prepare_for_shutdown", lambda: None)()


def arguments_of(signal, data):
    if signal is FLAGS_CHANGED:  # its falsy values are of interest: openedx-events drops them
        return {"flags": FlagsData(**data["flags"])}
    return AvroSignalDeserializer(signal).from_dict(data)
