"""What the README shows runs as it is printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCER = ROOT / "deploy/openedx/producer.yaml"


def code_blocks(language):
    text = (ROOT / "README.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_the_python_example_publishes_and_receives(gateway):
    one = gateway({}, broker="embedded", flags=["--producer-config", PRODUCER])
    (example,) = code_blocks("python")
    variables = os.environ | {"SIDEBUS_ENDPOINT": one.endpoint}

    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "written to" in done.stdout
    assert "received verified" in done.stdout
