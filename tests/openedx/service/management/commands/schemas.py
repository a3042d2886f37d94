"""manage.py schemas: the Avro schemas of the events that this service can send."""

import json

from django.core.management.base import BaseCommand
from openedx_events.event_bus.avro.serializer import AvroSignalSerializer
from openedx_events.tooling import OpenEdxPublicSignal, load_all_signals


class Command(BaseCommand):
    help = "Prints {event type: schema}."

    def handle(self, *_, **__):
        load_all_signals()
        found = {}
        for signal in OpenEdxPublicSignal.all_events():
            try:
                found[signal.event_type] = AvroSignalSerializer(signal).schema
            except Exception:
                continue  # some versions declare types that they cannot serialise
        self.stdout.write(json.dumps(found))
