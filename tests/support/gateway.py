"""A gateway under test: the process `sidebus serve`, and the other verbs against it."""

import json
import os
import re
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from waiting import eventually

BINARY = os.environ.get("SIDEBUS_BINARY", "sidebus")

READY = re.compile(
    r"sidebus (?P<version>\S+) is ready: API (?P<api>.+?); admin (?P<admin>[^;]+)"
    r"(?:; admin API (?P<admin_api>[^;]+))?; "
    r"broker (?P<broker>\w+)(?: at (?P<bootstrap>[^;]+))?; (?P<event_types>\d+) event types?"
)


def environment():
    """Ours, without what would reach a gateway or a client by accident."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EVENT_BUS_")}
    for name in ("SIDEBUS_CONFIG", "SIDEBUS_ENDPOINT", "SIDEBUS_ADMIN_ENDPOINT"):
        kept.pop(name, None)
    return kept | {"NO_COLOR": "1"}


class Gateway:
    """One gateway, with its files in a folder of its own. `close` ends it whatever its state is.

    It may be started again: on the same socket, with the same configuration. admin_api=True in the
    configuration gives it a socket for operators.
    """

    def __init__(self, config, flags=()):
        self.folder = Path(tempfile.mkdtemp(prefix="sidebus-e2e-"))  # a short path: socket names
        self.config_file = self.folder / "config.yaml"
        self.endpoint = f"unix://{self.folder}/api.sock"
        self.admin_endpoint = f"unix://{self.folder}/admin.sock"
        config = {"listen": [f"unix:{self.folder}/api.sock"], "admin": "127.0.0.1:0"} | config
        if config.get("admin_api") is True:
            config["admin_api"] = f"unix:{self.folder}/admin.sock"
        self.config_file.write_text(json.dumps(config, indent=2))
        self._flags = [str(flag) for flag in flags]
        self._process = None

    # --- life -------------------------------------------------------------------------------------

    def start(self):
        """Returns when it is ready."""
        self.launch()
        eventually(lambda: self.ready or not self.running, "the gateway's ready line")
        assert self.ready, f"the gateway ended with {self._process.wait()}\n{self.log()}"
        return self

    def launch(self):
        """Starts it and returns at once."""
        command = [BINARY, "serve", "--config", str(self.config_file), *self._flags]
        with open(self._stdout, "wb") as out, open(self._stderr, "ab") as err:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment()
            )
        return self

    @property
    def running(self):
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self):
        return self._process.pid

    def signal(self, number):
        self._process.send_signal(number)

    def wait(self, seconds=30):
        """Its exit code."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the gateway still runs after {seconds} s") from None

    def stop(self, seconds=30):
        """SIGTERM. Its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def kill(self):
        """SIGKILL. Returns when it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def close(self):
        self.kill()
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()

    def cpu_seconds(self):
        """User and system time of all its threads so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def most_memory(self):
        """Bytes that were resident, at most so far."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)[1]) * 1024

    # --- what it says -----------------------------------------------------------------------------

    @property
    def _stdout(self):
        return self.folder / "stdout"

    @property
    def _stderr(self):
        return self.folder / "stderr"

    @property
    def stdout(self):
        return self._stdout.read_text()

    @property
    def stderr(self):
        return self._stderr.read_text()

    @property
    def ready(self):
        """The parts of its ready line; None before it is there."""
        return READY.match(self.stdout) if self.stdout.endswith("\n") else None

    def log(self):
        """All it said, for a report."""
        return f"{self.config_file.read_text()}\n{self.stdout}{self.stderr}"

    # --- talking to it ----------------------------------------------------------------------------

    def get(self, path):
        """(status, body) of a page of the admin listener."""
        return http_get(f"http://{self.ready['admin']}{path}")

    def run(self, *arguments, stdin="", seconds=30):
        """A client verb of the command line, against this gateway."""
        return sidebus(*arguments, "--endpoint", self.endpoint, stdin=stdin, seconds=seconds)

    def operate(self, *arguments, seconds=60):
        """A verb for operators, against this gateway."""
        return sidebus(*arguments, "--admin-endpoint", self.admin_endpoint, seconds=seconds)

    def begin(self, *arguments):
        """A verb for operators that takes its time: its process."""
        command = [BINARY, *map(str, arguments), "--admin-endpoint", self.admin_endpoint]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environment(), stdout=pipe, stderr=pipe, text=True)


_http = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def http_get(url):
    """(status, body)"""
    try:
        with _http.open(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def sidebus(*arguments, stdin="", seconds=30, variables=None):
    """Runs a verb of the command line to its end."""
    return subprocess.run(
        [BINARY, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        env=environment() | (variables or {}),
    )
