"""A way to a server that can be closed and opened again, where the server itself is shared."""

import contextlib
import socket
import threading

from service import free_ports


class Relay:
    """Passes connections on to host:port. `stop`: they break, and new ones are refused; `start`:
    there again, on the same port. Ends with the `with`.
    """

    def __init__(self, target):
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        (self._port,) = free_ports(1)
        self.address = f"127.0.0.1:{self._port}"
        self._listener = None
        self._ends = []
        self._lock = threading.Lock()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self._listener = socket.create_server(("127.0.0.1", self._port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return self

    def stop(self):
        with self._lock:
            ends, self._ends = [*self._ends, self._listener], []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(self._target)
                with self._lock:
                    self._ends += [client, server]
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    @staticmethod
    def _pass_on(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def way_to(url):
    """A relay to the server of a URL, and the URL through it."""
    scheme, _, rest = url.partition("://")
    target, _, path = rest.partition("/")
    relay = Relay(target)
    return relay, f"{scheme}://{relay.address}/{path}"
