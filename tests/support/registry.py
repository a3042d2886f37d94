"""A real schema registry for tests: Apicurio Registry from Maven Central, on 127.0.0.1.

    python3 tests/support/registry.py run [--env NAME] -- COMMAND...

runs COMMAND with the URL of its Confluent API in SIDEBUS_TEST_REGISTRY, stops the registry whatever
happens, and ends with COMMAND's exit code. What it holds is in memory, and gone at the end.

Needs a Java runtime (17) and, the first time, Maven: the registry is kept in $SIDEBUS_CACHE
(~/.cache/sidebus). Nothing but Python's standard library is used here.
"""

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import service
from service import ServiceError, free_ports, need

VERSION = "3.0.9"  # the last one for Java 17, which is what Debian 12 has
ARTEFACT = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
# Later ones read the artefact's parent, too, which is of no use here and not on every mirror.
COPY = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy"


def fetch(folder):
    service.maven(
        f"Apicurio Registry {VERSION} (about 110 MB)",
        [COPY, f"-Dartifact={ARTEFACT}", f"-DoutputDirectory={folder}"],
    )
    (archive,) = folder.glob("*.tar.gz")
    shutil.unpack_archive(archive, folder)
    archive.unlink()


class Registry:
    """One registry, on one port for its life.

    `stop`, then `start`: the same port, and nothing in it. `close` (or the end of the `with`) ends
    it. It dies with the thread that started it, too.
    """

    def __init__(self, properties=None):
        need("java", "openjdk-17-jre-headless")
        self._home = service.cached(f"apicurio-{VERSION}", fetch)
        self._folder = Path(tempfile.mkdtemp(prefix="sidebus-registry-"))
        self._log = self._folder / "registry.log"
        self._more_properties = dict(properties or {})
        self._process = None
        self._known = False  # whether anybody may rely on the port
        (self._port,) = free_ports(1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def address(self):
        """The URL of its Confluent API. Once somebody was told, the port stays."""
        self._known = True
        return self._url

    @property
    def running(self):
        return self._process is not None and self._process.poll() is None

    def start(self, seconds=120):
        """Returns when the registry serves clients."""
        deadline = time.monotonic() + seconds
        while not self._start_once(deadline):
            if not self._known:
                (self._port,) = free_ports(1)
        # As Confluent's: without it Apicurio takes any schema.
        self._call("PUT", "/config", {"compatibility": "BACKWARD"})
        return self

    def stop(self):
        """SIGKILL: there is nothing to lose. Returns when it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self):
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def tail(self, size=4000):
        """The end of its log."""
        return service.tail_of(self._log, size)

    @property
    def _url(self):
        return f"http://127.0.0.1:{self._port}/apis/ccompat/v7"

    def _call(self, method, path, body=None):
        request = urllib.request.Request(
            self._url + path,
            method=method,
            data=json.dumps(body).encode() if body else None,
            headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
        )
        # Whatever proxy the environment names, it is not for 127.0.0.1.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=5) as answer:
            return answer.read()

    def _start_once(self, deadline):
        properties = {
            "quarkus.http.host": "127.0.0.1",
            "quarkus.http.port": self._port,
            "quarkus.http.access-log.enabled": "false",
            # Schemas are the same when their canonical forms are, as with Confluent's.
            "apicurio.ccompat.use-canonical-hash": "true",
        } | self._more_properties
        (jar,) = self._home.glob("*-runner.jar")
        arguments = [*(f"-D{name}={value}" for name, value in properties.items()), "-jar", jar]
        self._process = service.start_java(arguments, self._log, self._home)
        while self.running:
            with contextlib.suppress(OSError):
                self._call("GET", "/subjects")
                return True
            if time.monotonic() > deadline:
                self.stop()
                raise ServiceError(f"the registry did not start in time\n{self.tail()}")
            time.sleep(0.1)
        code = self._process.wait()
        if "already in use" in self.tail(20_000) and time.monotonic() < deadline:
            return False
        raise ServiceError(f"the registry ended with {code}\n{self.tail()}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verb = parser.add_subparsers(dest="verb", required=True).add_parser("run")
    verb.add_argument("--env", default="SIDEBUS_TEST_REGISTRY", help="the variable with its URL")
    verb.add_argument("command", nargs="+", metavar="COMMAND")
    options = parser.parse_args()
    return service.main({options.env: Registry}, options.command)


if __name__ == "__main__":
    sys.exit(main())
