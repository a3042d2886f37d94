"""The stock plugin edx-event-bus-kafka on the other side of a topic.

It is used as any service uses it, by its public settings, in a process of its own (tests/openedx).
"""

import importlib.util
import json
import os
import time
import uuid

import pytest
from conftest import ROOT
from test_openedx_plugin import PUBLISHED, XBLOCKS, Service, usage_key

if importlib.util.find_spec("edx_event_bus_kafka") is None:
    pytest.skip("needs edx-event-bus-kafka", allow_module_level=True)

VECTOR = next(
    each
    for each in json.loads(
        (ROOT / "tests/server/avro/data/openedx_vectors.json").read_text(encoding="utf-8")
    )["events"]
    if each["event_type"] == PUBLISHED
)


@pytest.fixture
def stock(cluster, prefix, tmp_path):
    """A service with the consumer of edx-event-bus-kafka."""
    service = Service("stock", "unix:/none", tmp_path)
    yield service
    service.close()


def test_the_stock_consumer_runs_its_receivers_with_what_the_gateway_wrote(
    gateway, client, cluster, stock, prefix, group
):
    registry = os.environ.get("SIDEBUS_TEST_REGISTRY")
    if not registry:
        pytest.skip("needs SIDEBUS_TEST_REGISTRY (tests/support/registry.py run)")
    one = gateway(
        {PUBLISHED: XBLOCKS},
        partitions=1,
        encoding="openedx",
        schema_registry={"url": registry},
    )
    bus = client(one)
    stock.consume(
        "xblocks",
        group,
        SERVICE_KAFKA=cluster.bootstrap,
        SERVICE_REGISTRY=registry,
        SERVICE_TOPIC_PREFIX=prefix,
    )

    # A new group of it starts at the end of the topic, wherever that is by then.
    sent = {}
    deadline = time.monotonic() + 60
    while not stock.received() and time.monotonic() < deadline:
        number = len(sent)
        data = {
            "xblock_info": {
                "usage_key": usage_key(number),
                "block_type": "video",
                "version": None if number % 2 else usage_key(f"{number}+v1"),
            }
        }
        identity = str(uuid.uuid1())
        sent[identity] = data
        bus.publish(
            PUBLISHED,
            data,
            id=identity,
            source="openedx/cms/web",
            schema=json.dumps(VECTOR["schema"]),
        )
        time.sleep(0.2)

    got = stock.received(1)
    for line in got:
        metadata = line["metadata"]
        assert line["data"] == sent[metadata["id"]]
        assert line["from_event_bus"] is True
        assert metadata["event_type"] == PUBLISHED
        assert metadata["source"] == "openedx/cms/web"
        assert metadata["minorversion"] == 0
        assert metadata["sourcelib"] == [11, 2, 0]
