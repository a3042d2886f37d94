"""Clients under test that speak of Open edX's events, whose schemas a registry has or has not."""

import json
import threading

import sidebus
from load import Publisher
from openedx_wire import REFUSED, VECTORS, key_field
from sidebus.v1.event_pb2 import Event

KNOWN = "org.openedx.content_authoring.xblock.published.v1"
NEW = sorted(VECTORS.keys() - {KNOWN, REFUSED})
ROUTES = {
    each: {"orders": {"event_key_field": key_field(VECTORS[each]["schema"]), "enabled": True}}
    for each in [KNOWN, *NEW]
}


def schema_of(event_type):
    return json.dumps(VECTORS[event_type]["schema"])


def sample_of(event_type):
    return VECTORS[event_type]["vectors"]["full"]["record"]


class KnownPublisher(Publisher):
    """Publishes events of a type whose schema the gateway has since the first of them."""

    def _event(self, number):
        info = sample_of(KNOWN)["xblock_info"] | {"usage_key": f"block {number % self._keys}"}
        return Event(
            type=KNOWN,
            # The checker reads the end as a number, and the rest as the name of a client.
            id=f"00000001-0000-1000-8000-{number:012d}",
            data=json.dumps({"xblock_info": info}).encode(),
            schema=schema_of(KNOWN),
        )


class NewTypesPublisher(threading.Thread):
    """Publishes an event of each type that the gateway never saw, as often as it is told to."""

    def __init__(self, gateway, journal):
        super().__init__(daemon=True)
        self._journal = journal
        # By itself a client may be more patient than what is measured.
        self._bus = sidebus.connect(gateway.endpoint, backoff=sidebus.Backoff(maximum=1))
        self.answered = 0
        self.start()

    def run(self):
        for number, event_type in enumerate(NEW):
            event = sidebus.Event(
                event_type,
                sample_of(event_type),
                id=f"00000002-0000-1000-8000-{number:012d}",
                schema=schema_of(event_type),
            )
            try:
                self._bus.publish(event, timeout=300)
                outcome = "ok"
            except sidebus.PublishError as error:
                outcome = f"{error.outcome}"
            self._journal.answered(event.id, outcome)
            self.answered += 1

    @property
    def done(self):
        return self.answered == len(NEW)

    def close(self):
        self.join(60)
        self._bus.close()
