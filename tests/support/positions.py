"""What Kafka has committed for a group, asked and told in Kafka's own protocol.

confluent-kafka takes commit metadata up to the next zero byte, and librdkafka puts none there: what
it says of sparse acks may have anything behind it. What it commits has a zero byte at its end.
"""

import socket
import struct
from contextlib import closing

OFFSET_COMMIT, OFFSET_FETCH = (8, 5), (9, 5)  # requests, and versions before compact encodings
COORDINATOR_LOADS, NOT_COORDINATOR = 14, 16


def committed(bootstrap, group, topic, partitions):
    """{partition: (offset, metadata)}, offset -1: none. None while a coordinator loads them."""
    body = _text(group) + struct.pack(">i", 1) + _text(topic)
    body += struct.pack(f">i{len(partitions)}i", len(partitions), *partitions)
    answer = _Answer(_call(bootstrap, OFFSET_FETCH, body))
    answer.number("i")  # throttle time
    found = {}
    for _ in range(answer.number("i")):
        answer.text()
        for _ in range(answer.number("i")):
            partition, offset, _ = answer.number("i"), answer.number("q"), answer.number("i")
            found[partition] = (offset, answer.text() or "")
            _check(answer.number("h"))
    error = answer.number("h")
    if error in (COORDINATOR_LOADS, NOT_COORDINATOR):
        return None
    _check(error)
    return found


def commit(bootstrap, group, topic, partition, offset, metadata):
    """Puts a group without members at a position."""
    body = _text(group) + struct.pack(">i", -1) + _text("")  # of no member
    body += struct.pack(">i", 1) + _text(topic)
    body += struct.pack(">iiq", 1, partition, offset) + _text(metadata)
    answer = _Answer(_call(bootstrap, OFFSET_COMMIT, body))
    answer.number("i")  # throttle time
    assert answer.number("i") == 1
    answer.text()
    assert answer.number("i") == 1
    answer.number("i")
    _check(answer.number("h"))


def _check(error):
    assert not error, f"Kafka's error {error} to a request for offsets"


def _text(text):
    encoded = text.encode()
    return struct.pack(">h", len(encoded)) + encoded


def _call(bootstrap, request, body):
    host, _, port = bootstrap.rpartition(":")
    request = struct.pack(">hhi", *request, 1) + _text("sidebus-e2e") + body
    with closing(socket.create_connection((host, int(port)), timeout=20)) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as answers:
            (size,) = struct.unpack(">i", answers.read(4))
            return answers.read(size)[4:]  # without the number of the request


class _Answer:
    def __init__(self, body):
        self._body, self._at = body, 0

    def number(self, kind):
        (value,) = struct.unpack_from(f">{kind}", self._body, self._at)
        self._at += struct.calcsize(f">{kind}")
        return value

    def text(self):
        size = self.number("h")
        if size < 0:
            return None
        self._at += size
        return self._body[self._at - size : self._at].decode()
