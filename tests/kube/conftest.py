"""Fixtures of the tests on a real API server: `./dev kube` runs them."""

import os

import pytest

WANTED = {
    "SIDEBUS_HELM_TOOLS": "a folder with helm3, helm4, kubectl, kubeconform and crds/",
    "SIDEBUS_KUBE_TOOLS": "a folder with etcd and kube-apiserver",
}


def pytest_configure():
    missing = [f"{name}: {what}" for name, what in WANTED.items() if not os.environ.get(name)]
    if missing:
        raise pytest.UsageError(f"run ./dev kube, or set {'; '.join(missing)}")


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """It knows the objects of Prometheus' operator, too."""
    from api_server import ApiServer
    from charts import TOOLS

    with ApiServer(tmp_path_factory.mktemp("server")) as server:
        server.apply(TOOLS / "crds")
        served = server.kubectl(
            *("wait", "crd", "--all", "--for=condition=Established", "--timeout=60s")
        )
        assert served.returncode == 0, served.stderr
        yield server


@pytest.fixture(scope="session")
def restricted(server):
    """A namespace under the Pod Security Standard "restricted", in which nothing is kept."""
    return server.new_namespace()
