"""A Kubernetes API server with an etcd, on 127.0.0.1, and what kubectl and helm say to it.

There are no nodes and no controllers: what is asked for is checked, changed by admission, and kept.
Nothing comes of it, so nobody waits for pods here.
"""

import contextlib
import functools
import itertools
import json
import os
import secrets
import ssl
import subprocess
import urllib.request
from pathlib import Path

from charts import TOOLS, as_text, run
from service import begin, free_ports
from waiting import eventually

PROGRAMS = Path(os.environ["SIDEBUS_KUBE_TOOLS"])
RESTRICTED = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/warn": "restricted",
}


class ApiServer:
    """Runs between `with` and its end. `folder` is for its files."""

    def __init__(self, folder):
        self._folder = folder
        self._token = secrets.token_hex(16)
        self._numbers = itertools.count(1)
        self._processes = []  # what depends on others is behind them
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}

    def __enter__(self):
        try:
            clients, peers, self._port = free_ports(3)
            self._start_etcd(clients, peers)
            self._start_server(clients)
            self._write_kubeconfig()
            eventually(self._is_ready, self._logs, seconds=90)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    # --- what a person does -----------------------------------------------------------------------

    def kubectl(self, *arguments, **options):
        return run(TOOLS / "kubectl", *arguments, env=self._environment, **options)

    def helm(self, program, *arguments):
        return run(TOOLS / program, *arguments, env=self._environment)

    def dry_run(self, objects, namespace, verb="apply"):
        """What `kubectl apply --dry-run=server` says to text, or to objects."""
        text = objects if isinstance(objects, str) else as_text(objects)
        return self.kubectl(
            *(verb, "--dry-run=server", "--validate=strict"),
            *("--namespace", namespace, "--filename", "-"),
            input=text,
        )

    def created(self, pod, namespace):
        """The pod as it would be, after admission."""
        answer = self.kubectl(
            *("create", "--dry-run=server", "--validate=strict", "--output", "json"),
            *("--namespace", namespace, "--filename", "-"),
            input=as_text([pod]),
        )
        assert answer.returncode == 0, answer.stderr
        assert answer.stderr == ""
        return json.loads(answer.stdout)

    def apply(self, *files):
        names = [part for file in files for part in ("--filename", file)]
        answer = self.kubectl("apply", "--server-side", *names)
        assert answer.returncode == 0, answer.stderr

    def new_namespace(self, labels=RESTRICTED):
        name = f"test-{next(self._numbers)}"
        metadata = {"name": name, "labels": labels}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        answer = self.kubectl("create", "--filename", "-", input=as_text([namespace]))
        assert answer.returncode == 0, answer.stderr
        return name

    def all(self, kinds, *arguments):
        """{(kind, name): object} of these kinds, without what helm keeps about its releases."""
        answer = self.kubectl("get", ",".join(kinds), "--output", "json", *arguments)
        assert answer.returncode == 0, answer.stderr
        return {
            (one["kind"], one["metadata"]["name"]): one
            for one in json.loads(answer.stdout)["items"]
            if one.get("type") != "helm.sh/release.v1"
        }

    @functools.cached_property
    def version(self):
        """As charts see it."""
        answer = self.kubectl("get", "--raw", "/version")
        return json.loads(answer.stdout)["gitVersion"].removeprefix("v")

    # --- processes --------------------------------------------------------------------------------

    def _start(self, program, *arguments):
        log = self._folder / f"{program}.log"
        process = begin([PROGRAMS / program, *arguments], log, cwd=self._folder)
        self._processes.append(process)

    def _start_etcd(self, clients, peers):
        self._start(
            "etcd",
            "--data-dir=etcd",
            f"--listen-client-urls=http://127.0.0.1:{clients}",
            f"--advertise-client-urls=http://127.0.0.1:{clients}",
            f"--listen-peer-urls=http://127.0.0.1:{peers}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peers}",
            f"--initial-cluster=default=http://127.0.0.1:{peers}",
        )

    def _start_server(self, etcd):
        key = self._folder / "service-accounts.key"
        subprocess.run(
            ["openssl", "genrsa", "-out", key, "2048"], check=True, stderr=subprocess.DEVNULL
        )
        tokens = self._folder / "tokens.csv"
        tokens.write_text(f'{self._token},admin,admin,"system:masters"\n')
        self._start(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{etcd}",
            "--cert-dir=certificates",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._port}",
            "--advertise-address=127.0.0.1",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--endpoint-reconciler-type=none",
            # Nobody makes the service accounts that it would insist on.
            "--disable-admission-plugins=ServiceAccount",
        )

    def _write_kubeconfig(self):
        cluster = {
            "server": f"https://127.0.0.1:{self._port}",
            "insecure-skip-tls-verify": True,  # it has just made its certificate
        }
        file = self._folder / "kubeconfig"
        file.touch(0o600)
        file.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "test", "cluster": cluster}],
                    "users": [{"name": "test", "user": {"token": self._token}}],
                    "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                    "current-context": "test",
                }
            )
        )
        self._environment["KUBECONFIG"] = str(file)

    def _is_ready(self):
        for process in self._processes:
            assert process.poll() is None, self._logs()
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=ssl._create_unverified_context()),
        )
        request = urllib.request.Request(
            f"https://127.0.0.1:{self._port}/readyz",
            headers={"Authorization": f"Bearer {self._token}"},
        )
        with contextlib.suppress(OSError), opener.open(request, timeout=5) as answer:
            return answer.status == 200
        return False

    def _logs(self):
        return "the API server's readiness\n" + "".join(
            f"end of {log.name}:\n{log.read_bytes()[-3000:].decode(errors='replace')}\n"
            for log in sorted(self._folder.glob("*.log"))
        )


def deployment(name, pod_spec):
    """One of such pods."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec},
        },
    }


def missing(found, wanted, path):
    """Where something that was asked for is not what was found."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [
            text
            for key, value in wanted.items()
            for text in missing(found.get(key), value, f"{path}.{key}")
        ]
    if isinstance(wanted, list) and isinstance(found, list) and len(found) == len(wanted):
        return [
            text
            for number, (one, other) in enumerate(zip(found, wanted, strict=True))
            for text in missing(one, other, f"{path}[{number}]")
        ]
    return [] if found == wanted else [f"{path}: {found!r}, not {wanted!r}"]
