import subprocess
import sys
from pathlib import Path

CLIENT = Path(__file__).resolve().parents[1]


def test_the_package_is_typed_without_a_gap(tmp_path):
    """mypy --strict, as pyproject.toml says."""
    mypy = [sys.executable, "-m", "mypy", f"--cache-dir={tmp_path}"]

    done = subprocess.run(mypy, cwd=CLIENT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert (CLIENT / "src/sidebus/py.typed").is_file()
