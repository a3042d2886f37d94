"""The event bus of Open edX through a Sidebus gateway.

In the settings of a Django service:

    EVENT_BUS_PRODUCER = "sidebus_openedx.create_producer"
    EVENT_BUS_CONSUMER = "sidebus_openedx.SidebusEventConsumer"
    EVENT_BUS_SIDEBUS_ENDPOINT = "unix:/run/sidebus/sidebus.sock"

The README has all settings, and the way from edx-event-bus-kafka or edx-event-bus-redis to here.
"""

from sidebus_openedx._consumer import SidebusEventConsumer
from sidebus_openedx._producer import SidebusEventProducer, create_producer

__version__ = "0.1.0"

__all__ = ["SidebusEventConsumer", "SidebusEventProducer", "create_producer"]
