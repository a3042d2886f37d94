"""Sidebus for asyncio: the same bus, with `await`.

    async with sidebus.aio.connect() as bus:
        await bus.publish("order.created", {"order": {"id": "A-7"}})
        async with bus.subscribe("order.created", group="billing") as subscription:
            async for delivery in subscription:
                print(delivery.event.json())
                delivery.ack()

Events, deliveries, options and errors are those of `sidebus`.
"""

from sidebus.aio._bus import Bus, connect
from sidebus.aio._publish_stream import PublishStream
from sidebus.aio._subscription import Subscription

__all__ = ["Bus", "PublishStream", "Subscription", "connect"]
