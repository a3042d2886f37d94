"""Everything that a test decides comes from the environment.

SERVICE_NAME, SERVICE_PRODUCER_CONFIG (JSON), and what receivers.py reads. Beside a gateway:
SIDEBUS_ENDPOINT, SERVICE_TIMEOUT (seconds). Without one, with edx-event-bus-kafka: SERVICE_KAFKA
(host:port), SERVICE_REGISTRY (URL), SERVICE_TOPIC_PREFIX.
"""

import json
import os

SECRET_KEY = "of no use"
USE_TZ = True
# Ours is the first: openedx_events looks its event type up when it is ready.
INSTALLED_APPS = ["service", "openedx_events", "sidebus_openedx"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
}

EVENTS_SERVICE_NAME = os.environ.get("SERVICE_NAME", "cms")
EVENT_BUS_PRODUCER_CONFIG = json.loads(os.environ.get("SERVICE_PRODUCER_CONFIG", "{}"))
if os.environ.get("SERVICE_KAFKA"):
    EVENT_BUS_PRODUCER = "edx_event_bus_kafka.create_producer"
    EVENT_BUS_CONSUMER = "edx_event_bus_kafka.KafkaEventConsumer"
    EVENT_BUS_KAFKA_BOOTSTRAP_SERVERS = os.environ["SERVICE_KAFKA"]
    EVENT_BUS_KAFKA_SCHEMA_REGISTRY_URL = os.environ["SERVICE_REGISTRY"]
    EVENT_BUS_TOPIC_PREFIX = os.environ["SERVICE_TOPIC_PREFIX"]
else:
    EVENT_BUS_PRODUCER = "sidebus_openedx.create_producer"
    EVENT_BUS_CONSUMER = "sidebus_openedx.SidebusEventConsumer"
    EVENT_BUS_SIDEBUS_TIMEOUT = float(os.environ.get("SERVICE_TIMEOUT", "20"))
