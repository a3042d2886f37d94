"""Builds kube-apiserver: install_tools.py FOLDER JOBS.

apiserver/ says which: `go install` does not take it, whose module replaces others by folders beside
it. Those are published as modules, too, and go.mod names them in their place.
"""

import re
import subprocess
import sys
from pathlib import Path

MODULE = Path(__file__).resolve().parent / "apiserver"
PACKAGE = "k8s.io/kubernetes/cmd/kube-apiserver"


def say(text):
    print(f"    {text}", flush=True)


def go(*arguments):
    """What it prints."""
    done = subprocess.run(
        ["go", *arguments], cwd=MODULE, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"go {arguments[0]} failed:\n{done.stderr}")
    return done.stdout


def version_flags():
    """Without them the server says that it is v0.0.0, and charts refuse it."""
    version = re.search(r"k8s\.io/kubernetes v(\S+)", (MODULE / "go.mod").read_text())[1]
    major, minor, _ = version.split(".")
    values = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    return " ".join(
        ["-s -w", *(f"-X k8s.io/component-base/version.{key}={values[key]}" for key in values)]
    )


def build_api_server(folder, jobs):
    say("fetching the sources")
    packages = set(go("list", "-deps", PACKAGE).split())
    command = ["go", "build", "-v", "-p", jobs, "-ldflags", version_flags()]
    building = subprocess.Popen(
        [*command, "-o", str(folder / "kube-apiserver"), PACKAGE],
        cwd=MODULE,
        stderr=subprocess.PIPE,
        text=True,
    )
    compiled = 0
    for line in building.stderr:
        if line.strip() not in packages:
            print(line, end="", file=sys.stderr, flush=True)
            continue
        compiled += 1
        if compiled % 100 == 0:
            say(f"compiled {compiled} of {len(packages)} packages")
    if building.wait():
        sys.exit("kube-apiserver could not be built")


def main(folder, jobs):
    folder.mkdir(parents=True, exist_ok=True)
    build_api_server(folder, jobs)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
