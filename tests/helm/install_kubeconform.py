"""Builds kubeconform, takes what Prometheus' operator defines: install_kubeconform.py FOLDER JOBS.

Both come as Go modules. kubeconform/ says which the one is made of.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

MODULE = Path(__file__).resolve().parent / "kubeconform"
PACKAGE = "github.com/yannh/kubeconform/cmd/kubeconform"

OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
OPERATOR_SUM = "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s="
DEFINITIONS = ["podmonitors", "servicemonitors", "prometheusrules"]


class Go:
    """With caches of its own: nobody needs them afterwards, and they are 20 times the program."""

    def __init__(self, caches):
        own = {"GOMODCACHE": f"{caches}/modules", "GOCACHE": f"{caches}/build", "CGO_ENABLED": "0"}
        self._environment = os.environ | own

    def __call__(self, folder, *arguments):
        """What it prints."""
        done = subprocess.run(
            ["go", *arguments],
            cwd=folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"go {arguments[0]} failed: {done.stdout}")
        return done.stdout


def build(go, folder, jobs):
    made = folder / "kubeconform.new"
    flags = ["-p", jobs, "-modcacherw", "-trimpath", "-ldflags", "-s -w"]
    go(MODULE, "build", *flags, "-o", str(made), PACKAGE)
    made.rename(folder / "kubeconform")


def take_definitions(go, folder, elsewhere):
    """`elsewhere` is no module's folder, so that the operator becomes no part of one."""
    module = json.loads(go(elsewhere, "mod", "download", "-modcacherw", "-json", OPERATOR))
    if module["Sum"] != OPERATOR_SUM:
        sys.exit(f"{OPERATOR} is not the expected one: its sum is {module['Sum']}")
    folder.mkdir(exist_ok=True)
    for name in DEFINITIONS:
        path = f"example/prometheus-operator-crd/monitoring.coreos.com_{name}.yaml"
        (folder / f"{name}.yaml").write_bytes((Path(module["Dir"]) / path).read_bytes())


def main(folder, jobs):
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as caches:
        go = Go(caches)
        take_definitions(go, folder / "crds", caches)
        build(go, folder, jobs)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2])
