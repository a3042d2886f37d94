"""What clients did and were told, event by event: the evidence that checker.py judges."""

import dataclasses
import json
import threading
import time
from collections import Counter


@dataclasses.dataclass
class Delivered:
    """One delivery, and what became of it as far as the client knows."""

    number: int  # among all deliveries and acks, in the order of their times
    stream: str
    life: int  # how often the gateway had been killed before
    event: str
    key: str
    place: tuple  # (partition, offset)
    delivery_id: int
    acked: int | None = None  # the number of the ack that was sent
    refused: str = ""  # the reason that was answered
    revoked: bool = False  # the stream was told so, without grace
    given_back: bool = False  # the stream ended while it held it, or before its ack was safe

    @property
    def settled(self):
        """The gateway has said that it counts: it was not refused, and the stream went on."""
        return self.acked is not None and not (self.refused or self.revoked or self.given_back)


class Journal:
    """Of one run. Thread-safe."""

    def __init__(self, seed):
        self.seed = seed
        self.life = 0
        self.published = {}  # event: "ok", "not_written", "unknown ..."; absent: no answer yet
        self.deliveries = []
        self._last_number = 0
        self.notes = []  # (seconds since the start, what the scenario did)
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def note(self, text):
        with self._lock:
            self.notes.append((round(time.monotonic() - self._began, 3), text))

    def answered(self, event, outcome):
        with self._lock:
            self.published[event] = outcome

    def delivered(self, stream, delivery):
        """Of a Delivery message of the API."""
        position = delivery.position
        with self._lock:
            self._last_number += 1
            entry = Delivered(
                self._last_number,
                stream,
                self.life,
                delivery.event.id,
                delivery.event.key.decode(),
                (position.partition, position.offset),
                delivery.delivery_id,
            )
            self.deliveries.append(entry)
        return entry

    def acked(self, entry):
        """An ack of it is about to be sent."""
        with self._lock:
            self._last_number += 1
            entry.acked = self._last_number

    def seen(self):
        """The events that were delivered at least once."""
        with self._lock:
            return {each.event for each in self.deliveries}

    def settled(self):
        """The events that somebody acked."""
        with self._lock:
            return {each.event for each in self.deliveries if each.acked}

    def outcomes(self):
        with self._lock:
            return Counter(self.published.values())

    def write(self, path):
        """As JSON lines, for whoever looks for the reason of a failure."""
        with self._lock, open(path, "w") as file:
            file.write(json.dumps({"seed": self.seed}) + "\n")
            for when, text in self.notes:
                file.write(json.dumps({"at": when, "note": text}) + "\n")
            for event, outcome in self.published.items():
                file.write(json.dumps({"published": event, "outcome": outcome}) + "\n")
            for each in self.deliveries:
                file.write(json.dumps(dataclasses.asdict(each)) + "\n")
