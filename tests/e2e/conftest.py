"""Fixtures of the end-to-end tests: `./dev e2e` runs them, with a gateway and a Kafka.

A test has gateways of its own (`gateway`), and topics (`prefix`) and a group of its own on a Kafka
that all share (`cluster`). It looks at both as any client would.
"""

import os
import random
import sys
import uuid
from pathlib import Path

import pytest

# gRPC's fork handlers write warnings, and no fork here runs Python in the child.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / each) for each in ("tests/support", "tests/chaos", "client/python")]

WANTED = {
    "SIDEBUS_BINARY": "the release binary",
    "SIDEBUS_TEST_KAFKA": "host:port of a Kafka (tests/support/kafka.py run starts one)",
}
GATEWAYS = pytest.StashKey[list]()


def pytest_configure(config):
    missing = [f"{name}: {what}" for name, what in WANTED.items() if not os.environ.get(name)]
    if missing:
        raise pytest.UsageError(f"run ./dev e2e, or set {'; '.join(missing)}")
    if hasattr(config, "workerinput"):  # of pytest-xdist, whose first process did the rest
        return
    import generate

    generate.generate()  # sidebus.v1.*_pb2, from the protos as they are now


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed and report.when != "teardown":
        nodes = item.listchain()
        gateways = [one for node in nodes for one in node.stash.get(GATEWAYS, [])]
        for number, gateway in enumerate(gateways, 1):
            report.sections.append((f"gateway {number}", gateway.log()))
    return report


@pytest.fixture(scope="session")
def cluster():
    """The Kafka that all tests share, seen by a client that is not ours."""
    from cluster import Cluster

    return Cluster(os.environ["SIDEBUS_TEST_KAFKA"])


@pytest.fixture
def prefix():
    """The topic prefix of this test."""
    return f"e2e-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def group(prefix):
    """A consumer group of this test alone."""
    return f"{prefix}.g"


@pytest.fixture(params=["embedded", "kafka"])
def broker(request):
    """Runs a test once with each of the brokers."""
    return request.param


@pytest.fixture
def seed():
    """What the choices of a test come from; SIDEBUS_TEST_SEED repeats a run."""
    number = int(os.environ.get("SIDEBUS_TEST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"SIDEBUS_TEST_SEED={number}")
    return number


@pytest.fixture
def seeded(seed):
    """A generator of random numbers."""
    return random.Random(seed)


@pytest.fixture
def gateway(request, prefix, cluster):
    """Makes gateways, which end with the test: see Gateways."""
    with Gateways(request.node, prefix, cluster) as gateways:
        yield gateways


@pytest.fixture(scope="module")
def module_gateway(request, cluster):
    """Makes gateways that the tests of a file share, for those that change nothing in them."""
    with Gateways(request.node, f"e2e-{uuid.uuid4().hex[:10]}", cluster) as gateways:
        yield gateways


class Gateways:
    """gateways(producer_config, ...) starts a gateway on the shared Kafka and makes the topics.

    broker: also "embedded", or the address of another Kafka, whose topics are the test's business.
    start=False: the test starts it. Everything else is configuration.
    """

    def __init__(self, node, prefix, cluster):
        self.prefix = prefix
        self._cluster = cluster
        self._made = node.stash.setdefault(GATEWAYS, [])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in self._made:
            one.close()
        self._made.clear()

    def __call__(
        self, producer_config, broker="kafka", start=True, partitions=3, flags=(), **config
    ):
        from gateway import Gateway

        config = {"topic_prefix": self.prefix, "producer_config": producer_config} | config
        if broker == "embedded":
            config["broker"] = {"kind": "embedded"}
        else:
            address = self._cluster.bootstrap if broker == "kafka" else broker
            servers = {"bootstrap_servers": [address]}
            config["broker"] = {"kind": "kafka", "kafka": servers | config.pop("kafka", {})}
        if broker == "kafka":
            self._make_topics(producer_config, partitions)
        one = Gateway(config, flags)
        one.prefix = self.prefix
        self._made.append(one)
        return one.start() if start else one

    def _make_topics(self, producer_config, partitions):
        topics = {topic for routes in producer_config.values() for topic in routes}
        missing = {f"{self.prefix}-{topic}" for topic in topics} - self._cluster.topics()
        if missing:
            self._cluster.create(*missing, partitions=partitions)


@pytest.fixture
def free_address():
    """Of this machine, where nobody listens."""
    from kafka import free_ports

    return f"127.0.0.1:{free_ports(1)[0]}"


@pytest.fixture
def connect():
    """Makes clients of the raw API, which end with the test."""
    from bus import Bus

    made = []

    def make(gateway):
        made.append(Bus(gateway.endpoint))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def client():
    """Makes Python clients, which end with the test."""
    import sidebus

    made = []

    def make(gateway):
        made.append(sidebus.connect(gateway.endpoint))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def browser():
    """A Chromium that the tests of a file share."""
    from browser import chromium

    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def scene(module_gateway, cluster):
    """A gateway whose status page has something to show."""
    from status_page import ROUTES, Scene

    # What a slow run holds for long is not taken back.
    one = Scene(module_gateway(ROUTES, subscribe={"lease": "1h"}), cluster)
    yield one
    one.bus.close()


@pytest.fixture
def view(scene, browser):
    """The page, opened anew, which must not complain nor ask anybody else, whatever a test does."""
    from status_page import view_of

    with view_of(browser, scene.url) as one:
        yield one
        assert one.tab.said == []
        assert [url for url in one.tab.requests if not url.startswith(scene.url)] == []


@pytest.fixture(scope="session")
def registry():
    """The URL of the schema registry that all tests share."""
    url = os.environ.get("SIDEBUS_TEST_REGISTRY")
    assert url, "run ./dev e2e, or set SIDEBUS_TEST_REGISTRY: tests/support/registry.py run"
    return url


@pytest.fixture
def registry_way(registry):
    """A way to it that can be stopped and started, and the URL through it."""
    from relay import way_to

    way, url = way_to(registry)
    with way:
        yield way, url


@pytest.fixture
def service(tmp_path):
    """Makes Django services beside a gateway, whose consumers end with the test."""
    from django_service import Service, beside

    made = []

    def make(name, gateway):
        made.append(Service(name, tmp_path, beside(gateway)))
        return made[-1]

    yield make
    for each in made:
        each.close()
