"""Breaks or holds up a client's connection to Kafka: what a broker cannot be told to do.

It stands between the clients and one broker, which must advertise the proxy's address.
"""

import contextlib
import socket
import threading

# Kafka's numbers of requests.
REQUESTS = {
    "Fetch": 1,
    "ListOffsets": 2,
    "Metadata": 3,
    "OffsetCommit": 8,
    "OffsetFetch": 9,
    "FindCoordinator": 10,
    "JoinGroup": 11,
    "SyncGroup": 14,
}


class KafkaProxy:
    """Passes everything on, until it is told to break. Ends with the `with`."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._target = None
        self._lock = threading.Lock()
        self._armed = None
        self.broke = threading.Event()
        self._open_way = threading.Event()
        self._open_way.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()

    def lead_to(self, address):
        host, _, port = address.rpartition(":")
        self._target = (host, int(port))

    def break_at(self, request, loses):
        """The next connection that sends it breaks: before it is passed on, or before its answer.

        loses: "request" or "answer".
        """
        with self._lock:
            self._armed = (REQUESTS[request], loses)
            self.broke.clear()

    def hold(self):
        """Connections stay, and take what is sent, but nothing passes until let_through()."""
        self._open_way.clear()

    def let_through(self):
        self._open_way.set()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._open, args=(client,), daemon=True).start()

    def _open(self, client):
        try:
            broker = socket.create_connection(self._target)
        except OSError:
            return client.close()
        link = _Link(client, broker, self._open_way)
        threading.Thread(target=link.run, args=(link.answers,), daemon=True).start()
        link.run(lambda: link.requests(self._fault_of))

    def _fault_of(self, number):
        """What a request with that number loses, if it is the one."""
        with self._lock:
            if self._armed is None or self._armed[0] != number:
                return None
            loses = self._armed[1]
            self._armed = None
            self.broke.set()
            return loses


class _Link:
    """One connection, both ways."""

    def __init__(self, client, broker, open_way):
        self._client = client
        self._broker = broker
        self._open_way = open_way
        self._loses_answer = False

    def run(self, pump):
        with contextlib.suppress(OSError):
            pump()
        for end in (self._client, self._broker):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def requests(self, fault_of):
        frames = self._client.makefile("rb")
        while size := frames.read(4):
            body = frames.read(int.from_bytes(size))
            loses = fault_of(int.from_bytes(body[:2]))
            if loses == "request":
                return
            self._loses_answer = self._loses_answer or loses == "answer"
            self._open_way.wait()
            self._broker.sendall(size + body)

    def answers(self):
        while data := self._broker.recv(65536):
            if self._loses_answer:
                return
            self._open_way.wait()
            self._client.sendall(data)
