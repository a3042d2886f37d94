"""Fixtures of the tests on a real API server: `./dev kube` runs them."""

import pytest
from api_server import PROGRAMS, ApiServer


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """It knows the objects of Prometheus' operator, too."""
    with ApiServer(tmp_path_factory.mktemp("server")) as server:
        server.apply(PROGRAMS / "crds")
        served = server.kubectl(
            *("wait", "crd", "--all", "--for=condition=Established", "--timeout=60s")
        )
        assert served.returncode == 0, served.stderr
        yield server


@pytest.fixture(scope="session")
def restricted(server):
    """A namespace under the Pod Security Standard "restricted", in which nothing is kept."""
    return server.new_namespace()
