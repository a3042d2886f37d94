"""A schema registry that takes any text: for what the real one of the tests refuses."""

import http.server
import json
import re
import threading


class LenientRegistry:
    """Registers and gives by id. Ends with the `with`."""

    def __init__(self):
        self.schemas = []  # the text of id 1, 2, ...
        self._lock = threading.Lock()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._answer(200, {"id": owner.register(body["schema"])})

            def do_GET(self):
                asked = re.match(r"/schemas/ids/(\d+)", self.path)
                number = int(asked[1]) if asked else 0
                if 0 < number <= len(owner.schemas):
                    self._answer(200, {"schema": owner.schemas[number - 1]})
                else:
                    self._answer(404, {"error_code": 40403, "message": "no such schema"})

            def _answer(self, status, body):
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def register(self, text):
        """The id of a schema: the same for the same text."""
        with self._lock:
            if text not in self.schemas:
                self.schemas.append(text)
            return self.schemas.index(text) + 1
