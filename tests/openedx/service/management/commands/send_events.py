"""manage.py send_events: sends signals, as a view or a task of a service does."""

import json
import sys

from django.core.management.base import BaseCommand
from opaque_keys.edx.keys import UsageKey
from openedx_events.content_authoring.data import XBlockData
from openedx_events.tooling import OpenEdxPublicSignal, load_all_signals

from service.signals import FlagsData


class Command(BaseCommand):
    help = "Reads [[event type, attributes], ...] from its standard input, and sends them."

    def handle(self, *_, **__):
        load_all_signals()
        for event_type, attributes in json.load(sys.stdin):
            signal = OpenEdxPublicSignal.get_signal_by_type(event_type)
            if "flags" in signal.init_data:
                signal.send_event(flags=FlagsData(**attributes))
            else:
                key = UsageKey.from_string(attributes.pop("usage_key"))
                signal.send_event(xblock_info=XBlockData(usage_key=key, **attributes))
