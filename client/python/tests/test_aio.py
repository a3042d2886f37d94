"""What is only true of the asyncio client; the rest of it passes the other tests as well."""

import asyncio
import inspect

import grpc
import pytest
import sidebus
import sidebus.aio
from fake_gateway import HALF_CLOSED, PATIENCE, rich_status


def run(work):
    return asyncio.run(asyncio.wait_for(work, PATIENCE))


def test_it_reads_as_the_readme_says(gateway):
    async def work():
        async with sidebus.aio.connect(gateway.endpoint) as bus:
            await bus.publish("order.created", {"order": {"id": "A-7"}})
            async with bus.subscribe("order.created", group="billing") as subscription:
                stream = await asyncio.to_thread(gateway.subscribe)
                await asyncio.to_thread(stream.start)
                stream.deliver(1)
                stream.end()
                async for delivery in subscription:
                    delivery.ack()
                    break

    run(work())


def test_connecting_needs_a_running_loop(gateway):
    with pytest.raises(RuntimeError):
        sidebus.aio.connect(gateway.endpoint)


def test_a_closed_bus_says_so(gateway):
    async def work():
        bus = sidebus.aio.connect(gateway.endpoint)
        await bus.close()

        with pytest.raises(sidebus.ClosedError):
            await bus.publish("t", b"")
        with pytest.raises(sidebus.ClosedError):
            bus.subscribe("t", group="g")

    run(work())


def test_a_run_that_is_cancelled_returns_its_deliveries_without_an_attempt(gateway):
    async def work():
        async with sidebus.aio.connect(gateway.endpoint) as bus:
            has_begun = asyncio.Event()

            async def handle(delivery):
                has_begun.set()
                await asyncio.Event().wait()

            subscription = bus.subscribe("t", group="g")
            running = asyncio.create_task(subscription.run(handle))
            stream = await asyncio.to_thread(gateway.subscribe)
            await asyncio.to_thread(stream.start)
            stream.deliver(1)
            await has_begun.wait()
            running.cancel()

            def end():
                (nack,) = stream.next_that(lambda one: one.nack).nack
                while stream.next() != HALF_CLOSED:
                    pass
                stream.end()
                return nack

            nack = await asyncio.to_thread(end)
            assert (nack.delivery_id, nack.not_counted) == (1, True)
            with pytest.raises(asyncio.CancelledError):
                await running

    run(work())


def test_a_delivery_is_not_lost_to_a_receive_that_is_cancelled(gateway):
    async def work():
        async with sidebus.aio.connect(gateway.endpoint) as bus:
            subscription = bus.subscribe("t", group="g")
            receiving = asyncio.create_task(subscription.receive())
            stream = await asyncio.to_thread(gateway.subscribe)
            await asyncio.to_thread(stream.start)
            await subscription.wait_started()
            receiving.cancel()
            stream.deliver(1)

            assert (await subscription.receive()).delivery_id == 1
            stream.end()

    run(work())


def test_a_publish_that_is_cancelled_ends_at_once(gateway):
    async def work():
        async with sidebus.aio.connect(gateway.endpoint) as bus:
            refused = rich_status(grpc.StatusCode.UNAVAILABLE, "BROKER_DOWN", 3_000)
            gateway.script(refused)
            publishing = asyncio.create_task(bus.publish("t", b"", timeout=6_000))
            await asyncio.to_thread(gateway.published.get)
            publishing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await publishing

    run(work())


def test_a_future_that_was_cancelled_does_not_disturb_the_stream(gateway):
    async def work():
        async with (
            sidebus.aio.connect(gateway.endpoint) as bus,
            bus.publish_stream() as published,
        ):
            first = await published.publish(sidebus.Event("t", b""))
            second = await published.publish(sidebus.Event("t", b""))
            first.cancel()
            stream = await asyncio.to_thread(gateway.publish_stream)
            await asyncio.to_thread(stream.events, 2)
            stream.settle(1, 2)
            assert (await second).ok
            stream.end()

    run(work())


def test_a_failure_that_nobody_awaits_makes_no_noise_of_its_own(gateway, caplog):
    async def work():
        async with (
            sidebus.aio.connect(gateway.endpoint) as bus,
            bus.publish_stream(on_result=lambda result: None) as published,
        ):
            await published.publish(sidebus.Event("t", b""))
            stream = await asyncio.to_thread(gateway.publish_stream)
            await asyncio.to_thread(stream.events, 1)
            stream.end(rich_status(grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID"))
            await published.flush()

    run(work())

    assert "never retrieved" not in caplog.text


@pytest.mark.parametrize("name", ["Bus", "PublishStream", "Subscription"])
def test_both_clients_have_the_same_methods(name):
    def methods(module):
        found = inspect.getmembers(getattr(module, name), inspect.isfunction)
        return {method for method, _ in found if not method.startswith("_")}

    def arguments(module, method):
        found = inspect.signature(getattr(getattr(module, name), method)).parameters
        return [argument.replace("workers", "concurrency") for argument in found]

    assert methods(sidebus) == methods(sidebus.aio)
    for method in methods(sidebus):
        assert arguments(sidebus, method) == arguments(sidebus.aio, method)
