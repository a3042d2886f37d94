"""What the services that tests start beside themselves have in common: kafka.py, registry.py.

Nothing but Python's standard library is used here.
"""

import contextlib
import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

JVM = [
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+PerfDisableSharedMem",
    "-Xshare:auto",
    "-Djava.awt.headless=true",
]

# Later ones read the artefact's parent, too, which is of no use here and not on every mirror.
MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy"


class ServiceError(Exception):
    """It cannot be fetched or started; the text says why."""


def say(text):
    print(f"{Path(sys.argv[0]).name}: {text}", file=sys.stderr, flush=True)


# --- fetching -------------------------------------------------------------------------------------


def need(command, package):
    if shutil.which(command) is None:
        raise ServiceError(
            f"a service for the tests needs `{command}`, which is not installed "
            f"(Debian: apt-get install --no-install-recommends {package})"
        )


def cached(name, fetch):
    """The folder of that name in the cache; fetch(folder) fills it if it is the first time."""
    cache = Path(os.environ.get("SIDEBUS_CACHE") or Path.home() / ".cache/sidebus")
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / name
    with open(cache / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test run may be fetching
        if not folder.is_dir():
            partial = cache / f"{name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            fetch(partial)
            partial.rename(folder)
    return folder


def maven(what, arguments, attempts=3):
    """Runs Maven, which fetches `what`; again if it fails."""
    need("mvn", "maven")
    say(f"fetching {what} from Maven Central, once")
    for attempt in range(1, attempts + 1):
        done = subprocess.run(
            ["mvn", "--quiet", "--batch-mode", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return
        if attempt < attempts:
            say(f"Maven failed (attempt {attempt} of {attempts}), trying again")
            time.sleep(2**attempt)
    raise ServiceError(
        f"Maven could not fetch {what} in {attempts} attempts; is Maven Central, or the mirror in "
        f"Maven's settings.xml, within reach?\n{done.stdout[-3000:]}"
    )


# --- ports ----------------------------------------------------------------------------------------


def free_ports(count):
    """Ports that nobody listens on, and that no outgoing connection will be given.

    So a service that was killed finds its port again.
    """
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    candidates = range(10_000, first if first > 12_000 else 65_536)
    found = []
    while len(found) < count:
        port = random.choice(candidates)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in found:
                found.append(port)
    return found


def opens(port):
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False


# --- running --------------------------------------------------------------------------------------


def begin(command, log, **options):
    """A process that dies with the thread that starts it. What it says is added to the file `log`.

    In a session of its own: Ctrl-C is for the tests, which then end it.
    """
    with open(log, "ab") as output:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            **options,
        )


def tail(log, size=4000):
    """The end of a process's log, for messages."""
    if not log.exists():
        return ""
    return f"end of its log:\n{log.read_bytes()[-size:].decode(errors='replace')}"


class JavaService:
    """One Java process, on the same ports for its life.

    `stop` or `kill`, then `start`: the same ports. `close` (or the end of the `with`) ends it and
    deletes its files. It dies with the thread that started it, too.

    A service has a `name`, for messages and files, and says in `_choose_ports()` which ports are
    its own, in `_arguments()` what Java runs, and in `_serves()` whether it answers clients.
    """

    name = ""
    environment = None  # of the process; None: ours

    def __init__(self):
        need("java", "openjdk-17-jre-headless")
        self._folder = Path(tempfile.mkdtemp(prefix=f"sidebus-{self.name}-"))
        self._log = self._folder / f"{self.name}.log"
        self._process = None
        self._known = False  # whether anybody may rely on the ports
        self._choose_ports()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def address(self):
        """Where clients find it. Once somebody was told, it stays."""
        self._known = True
        return self._address()

    @property
    def running(self):
        return self._process is not None and self._process.poll() is None

    def start(self, seconds=120):
        """Returns when it serves clients."""
        deadline = time.monotonic() + seconds
        while not self._start_once(deadline):
            if not self._known:
                self._choose_ports()
        return self

    def stop(self, seconds=30):
        """SIGTERM, as an operator would; SIGKILL if it takes too long."""
        if self.running:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        self.kill()

    def kill(self):
        """SIGKILL. Returns when it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self):
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def tail(self, size=4000):
        return tail(self._log, size)

    def _start_once(self, deadline):
        """False: somebody else has one of its ports."""
        self._process = self._start_java()
        while self.running:
            if self._serves():
                return True
            if time.monotonic() > deadline:
                self.kill()
                raise ServiceError(f"{self.name} did not start in time\n{self.tail()}")
            time.sleep(0.05)
        code = self._process.wait()
        if "already in use" in self.tail(20_000) and time.monotonic() < deadline:
            return False
        raise ServiceError(f"{self.name} ended with {code}\n{self.tail()}")

    def _start_java(self):
        command = ["java", *JVM, *self._arguments()]
        return begin(command, self._log, cwd=self._folder, env=self.environment)


# --- a command beside services --------------------------------------------------------------------


def run(services, command):
    """Runs the command beside services, {variable: context manager}: each starts, and its
    `address` is in the variable. Returns the command's exit code."""

    def interrupted(number, _):
        raise Interrupted(number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, interrupted)
    environment = dict(os.environ)
    child = None
    with contextlib.ExitStack() as stack:
        try:
            entered = {name: stack.enter_context(make()) for name, make in services.items()}
            for name, service in entered.items():
                environment[name] = service.start().address
            child = subprocess.Popen(command, env=environment)
            return as_exit_code(child.wait())
        except Interrupted as interruption:
            return end(child, interruption.number)


class Interrupted(Exception):
    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.number = number


def end(child, number):
    """Ends the command as we were asked to end, before its services go away."""
    for one in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(one, signal.SIG_IGN)
    if child is not None:
        # A terminal gives its Ctrl-C to the command, too; once is enough.
        if number != signal.SIGINT or not sys.stdin.isatty():
            child.send_signal(number)
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    return 128 + number


def as_exit_code(status):
    return status if status >= 0 else 128 - status


def main(services, command):
    """run(), for the command line: what cannot be fetched or started is said."""
    try:
        return run(services, command)
    except (ServiceError, FileNotFoundError) as error:
        say(error)
        return 127 if isinstance(error, FileNotFoundError) else 1
