"""A gateway's container without a cluster: its files in a folder, and a process."""

import os
import urllib.request
from pathlib import Path

import service
from charts import configurations, gateway, pod_specs, run
from expected import BINARY
from service import free_ports
from waiting import eventually

ENVIRONMENT = os.environ | {"POD_NAME": "pod-0"}
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")  # a file of some, which clients can read

_HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch(url):
    """The answer of a server of this machine, which no proxy can reach."""
    return _HTTP.open(url, timeout=10)


def lay_out(documents, folder):
    """The files of the objects' pod with a gateway below `folder`: configuration and secrets."""
    data = configurations(documents)[0]
    spec = next(filter(gateway, pod_specs(documents).values()))
    mounts = {mount["name"]: mount["mountPath"] for mount in gateway(spec)["volumeMounts"]}
    for volume in spec["volumes"]:
        where = folder / mounts.get(volume["name"], "nowhere").lstrip("/")
        where.mkdir(parents=True, exist_ok=True)
        for item in volume.get("configMap", {}).get("items", []):
            path = where / item["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(moved(data[item["key"]], folder))
        if "secret" in volume:
            for name in ("username", "password"):
                (where / name).write_text("secret\n")
            (where / "ca.crt").write_bytes(CERTIFICATES.read_bytes())
    return gateway(spec)


def moved(text, folder):
    """Paths of the pod become paths below `folder`."""
    for top in ("/run/", "/etc/sidebus"):
        text = text.replace(top, f"{folder}{top}")
    return text


def environment(container, folder):
    """The environment of a container; what it has from its pod is made up."""
    values = {one["name"]: one["value"] for one in container.get("env", []) if "value" in one}
    return ENVIRONMENT | {name: moved(value, folder) for name, value in values.items()}


class Container:
    """The gateway's container of some objects as a process, but for paths and addresses."""

    def __init__(self, documents, folder):
        self.spec = lay_out(documents, folder)
        self._folder = folder
        self._log = folder / "gateway.log"
        self._others = []
        admin, probes, grpc = free_ports(3)
        self._ports = {"admin": admin, "probes": probes, "grpc": grpc}
        config = folder / "etc/sidebus/config.yaml"
        text = config.read_text()
        for port in self.spec["ports"]:
            old = f"0.0.0.0:{port['containerPort']}"
            assert old in text
            text = text.replace(old, self.address(port["name"]))
        config.write_text(text)
        self._environment = environment(self.spec, folder)
        arguments = [moved(part, folder) for part in self.spec["args"]]
        self.process = service.begin([BINARY, *arguments], self._log, env=self._environment)

    def __enter__(self):
        """When the startup probe succeeds."""
        eventually(lambda: self.probe("startupProbe"), lambda: f"the startup probe\n{self.tail()}")
        return self

    def __exit__(self, *_):
        for process in [*self._others, self.process]:
            process.kill()
            process.wait()

    def probe(self, name):
        """Whether the kubelet's probe succeeds."""
        target = self.spec[name]["httpGet"]
        url = f"http://{self.address(target['port'])}{target['path']}"
        try:
            with fetch(url) as answer:
                return answer.status == 200
        except OSError:
            return False

    def run(self, *command):
        """`kubectl exec`: a program of the image."""
        assert command[0] == "/usr/local/bin/sidebus"
        return run(BINARY, *command[1:], env=self._environment)

    def start(self, *command):
        """Another container of the pod, until the pod ends."""
        assert command[0] == "/usr/local/bin/sidebus"
        log = self._folder / "others.log"
        self._others.append(service.begin([BINARY, *command[1:]], log, env=self._environment))

    def tail(self):
        return service.tail(self._log)

    def metrics(self):
        with fetch(f"http://{self.address('admin')}/metrics") as answer:
            return answer.read().decode()

    @property
    def addresses(self):
        """{name: host:port} of the container's ports."""
        return {name: self.address(name) for name in self._ports}

    def address(self, port):
        """Where a port of the container is, by its name."""
        return f"127.0.0.1:{self._ports[port]}"
