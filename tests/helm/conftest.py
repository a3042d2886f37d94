import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))


def pytest_configure():
    if not os.environ.get("SIDEBUS_HELM_TOOLS"):
        raise pytest.UsageError(
            "run ./dev helm, or set SIDEBUS_HELM_TOOLS:"
            " a folder with helm3, helm4, kubectl, kubeconform, promtool, prometheus and crds/"
        )
