"""What the plugin's tests share: Django, and the Python client's scripted gateway."""

import sys
import tempfile
from pathlib import Path

import django
import pytest
from django.conf import settings

PYTHON_CLIENT = Path(__file__).resolve().parents[2] / "python"


def pytest_configure(config):
    sys.path.insert(0, str(PYTHON_CLIENT))
    import generate

    generate.generate()  # sidebus.v1.*_pb2, from the protos as they are now
    settings.configure(
        INSTALLED_APPS=["openedx_events", "sidebus_openedx"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        EVENT_BUS_PRODUCER="sidebus_openedx.create_producer",
        EVENT_BUS_CONSUMER="sidebus_openedx.SidebusEventConsumer",
        EVENTS_SERVICE_NAME="lms",
    )
    django.setup()


@pytest.fixture
def gateway():
    from fake_gateway import FakeGateway

    with tempfile.TemporaryDirectory(prefix="sb") as directory:
        fake = FakeGateway(f"unix:{directory}/s")
        fake.serve()
        yield fake
        fake.stop()


@pytest.fixture
def override():
    """Sets Django settings until the test ends: override(NAME=value)."""
    from django.test import override_settings

    active = []

    def start(**values):
        active.append(override_settings(**values))
        active[-1].enable()

    yield start
    for one in reversed(active):
        one.disable()


@pytest.fixture
def endpoint(gateway, override):
    """The settings of a service beside the scripted gateway."""
    override(EVENT_BUS_SIDEBUS_ENDPOINT=gateway.endpoint)
    return gateway.endpoint
