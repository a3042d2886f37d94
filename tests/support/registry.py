"""A real schema registry for tests: Apicurio Registry from Maven Central, on 127.0.0.1.

    python3 tests/support/registry.py run [--env NAME] -- COMMAND...

runs COMMAND with the URL of its Confluent API in SIDEBUS_TEST_REGISTRY, stops the registry whatever
happens, and ends with COMMAND's exit code. What it holds is gone at the end.

Needs a Java runtime (17) and, the first time, Maven: the registry is kept in $SIDEBUS_CACHE
(~/.cache/sidebus). Nothing but Python's standard library is used here.
"""

import argparse
import json
import shutil
import sys
import urllib.request

import service
from service import free_ports

VERSION = "3.0.9"  # the last one for Java 17, which is what Debian 12 has
ARTEFACT = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"


def fetch(folder):
    service.maven(
        f"Apicurio Registry {VERSION} (about 110 MB)",
        [service.MAVEN_COPY, f"-Dartifact={ARTEFACT}", f"-DoutputDirectory={folder}"],
    )
    (archive,) = folder.glob("*.tar.gz")
    shutil.unpack_archive(archive, folder)
    archive.unlink()


class Registry(service.JavaService):
    """One registry. `stop` or `kill`, then `start`: the same port and the same schemas."""

    name = "registry"

    def __init__(self, properties=None):
        self._home = service.cached(f"apicurio-{VERSION}", fetch)
        self._more_properties = dict(properties or {})
        super().__init__()

    def start(self, seconds=120):
        super().start(seconds)
        # As Confluent's: without it Apicurio takes any schema.
        self._call("PUT", "/config", {"compatibility": "BACKWARD"})
        return self

    def _address(self):
        """The URL of its Confluent API."""
        return f"http://127.0.0.1:{self._port}/apis/ccompat/v7"

    def _choose_ports(self):
        (self._port,) = free_ports(1)

    def _call(self, method, path, body=None):
        request = urllib.request.Request(
            self._address() + path,
            method=method,
            data=json.dumps(body).encode() if body else None,
            headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
        )
        # Whatever proxy the environment names, it is not for 127.0.0.1.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=5) as answer:
            return answer.read()

    def _arguments(self):
        properties = {
            "quarkus.http.host": "127.0.0.1",
            "quarkus.http.port": self._port,
            "quarkus.http.access-log.enabled": "false",
            # In a file, and there before the answer is.
            "apicurio.datasource.url": f"jdbc:h2:file:{self._folder}/schemas;WRITE_DELAY=0",
            # Schemas are the same when their canonical forms are, as with Confluent's.
            "apicurio.ccompat.use-canonical-hash": "true",
        } | self._more_properties
        (jar,) = self._home.glob("*-runner.jar")
        return [*(f"-D{name}={value}" for name, value in properties.items()), "-jar", jar]

    def _serves(self):
        try:
            self._call("GET", "/subjects")
        except OSError:
            return False
        return True


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
