"""What the client's tests share. They need no gateway: a scripted one runs in the process."""

import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
import sidebus
from clients import AioBus
from fake_gateway import FakeGateway

QUICK = sidebus.Backoff(initial=0.005, maximum=0.05)


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    with tempfile.TemporaryDirectory(prefix="sb") as directory:
        fake = FakeGateway(f"unix:{directory}/s")
        fake.serve()
        yield fake
        fake.stop()


@pytest.fixture(params=["sync", "aio"])
def connect(request: pytest.FixtureRequest) -> Iterator[Any]:
    """`sidebus.connect`, and `sidebus.aio.connect` behind methods that block."""
    opened = []

    def make(endpoint: str | None = None, **options: Any) -> Any:
        options.setdefault("backoff", QUICK)
        make_bus = sidebus.connect if request.param == "sync" else AioBus
        opened.append(make_bus(endpoint, **options))
        return opened[-1]

    yield make
    for bus in opened:
        bus.close()


@pytest.fixture
def bus(connect: Any, gateway: FakeGateway) -> Any:
    return connect(gateway.endpoint)


class FakeClock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
