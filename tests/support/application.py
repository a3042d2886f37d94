"""An application in a pod: it publishes and handles events all the time, and writes down each step.

    application.py JOURNAL --name NAME --group GROUP [--job N] [--keep N] [--stuck] [--patience S]

Its gateway is SIDEBUS_ENDPOINT. At SIGTERM it closes its subscription, publishes its last words,
and ends with 0. The journal has a JSON object a line, with the monotonic time in nanoseconds (`t`),
and is complete up to a SIGKILL.
"""

import argparse
import itertools
import json
import os
import signal
import threading
import time

import sidebus

TYPE = "order.created"
KEYS = 97  # of each application; a kept event holds up one of them
LAST_WORDS = 5


class Journal:
    """Lines that are in the file when `write` returns. Thread-safe."""

    def __init__(self, path):
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, what, **fields):
        entry = {"t": time.monotonic_ns(), "what": what} | fields
        os.write(self._file, json.dumps(entry).encode() + b"\n")


class Application:
    def __init__(self, options):
        self._options = options
        self._journal = Journal(options.journal)
        self._bus = sidebus.connect()
        self._numbers = itertools.count()
        self._is_leaving = threading.Event()
        self._settling = threading.Lock()  # the journal has an ack exactly when close() sends it
        self._has_settled_all = False
        self._kept = []
        self._subscription = self._bus.subscribe(
            TYPE,
            group=options.group,
            on_settle_failure=self._refused,
            on_disconnect=lambda error: self._journal.write("disconnected", error=str(error)),
        )

    def run(self):
        publisher = threading.Thread(target=self._publish_all_the_time, daemon=True)
        handler = threading.Thread(target=self._handle, daemon=True)
        publisher.start()
        handler.start()
        if self._options.job:
            handler.join()
        elif self._options.stuck:
            threading.Event().wait()
        else:
            signal.sigwait({signal.SIGTERM})
        with self._settling:
            self._has_settled_all = True
        self._journal.write("leaving")
        committed = self._subscription.close(self._options.patience)
        self._journal.write("closed", committed=committed)
        self._is_leaving.set()
        publisher.join()
        for _ in range(LAST_WORDS):
            self._publish(10)
        self._journal.write("gone")

    def _publish_all_the_time(self):
        while not self._is_leaving.wait(0.01):
            self._publish(5)

    def _publish(self, count):
        events = []
        for number in itertools.islice(self._numbers, count):
            name = self._options.name
            key = f"{name} {number % KEYS}"
            events.append(sidebus.Event(TYPE, b"x" * 100, id=f"{name}-{number}", key=key))
        self._journal.write("publishing", events=[event.id for event in events])
        results = self._bus.publish_many(events, timeout=self._options.patience, retry=False)
        for event, result in zip(events, results, strict=True):
            error = result.error
            outcome, said = (error.outcome, str(error)) if error else ("ok", "")
            self._journal.write("published", event=event.id, outcome=outcome, said=said)

    def _handle(self):
        for number, delivery in enumerate(self._subscription, 1):
            event, position = delivery.event, delivery.position
            place = [position.partition, position.offset]
            self._journal.write("delivered", event=event.id, key=event.key.decode(), place=place)
            if self._options.stuck or (number % 10 == 0 and len(self._kept) < self._options.keep):
                self._kept.append(delivery)
            else:
                with self._settling:
                    if self._has_settled_all:  # what is not acked by now, close() gives back
                        return
                    self._journal.write("acked", place=place)
                    delivery.ack()
            if number == self._options.job:
                return

    def _refused(self, failure):
        at = failure.position
        place = [at.partition, at.offset] if at else None
        self._journal.write("refused", place=place, reason=failure.error.reason)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("journal")
    parser.add_argument("--name", required=True)
    parser.add_argument("--group", required=True)
    parser.add_argument("--job", type=int, help="end when so many events are handled")
    parser.add_argument("--keep", type=int, default=0, help="so many deliveries are not settled")
    parser.add_argument("--stuck", action="store_true", help="settle nothing, ignore SIGTERM")
    parser.add_argument("--patience", type=float, default=10.0, help="seconds for a call")
    options = parser.parse_args()
    if options.stuck:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif not options.job:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # of all threads: see sigwait
    Application(options).run()


if __name__ == "__main__":
    main()
