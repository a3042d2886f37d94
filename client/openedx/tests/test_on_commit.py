import pytest
from django.db import transaction
from samples import sent
from sidebus_openedx import create_producer


@pytest.fixture
def producer(endpoint, override):
    override(EVENT_BUS_SIDEBUS_ON_COMMIT=True)
    return create_producer()


def test_an_event_waits_for_the_commit(gateway, producer):
    with transaction.atomic():
        producer.send(**sent())
        assert gateway.published.empty()

    assert gateway.published.qsize() == 1


def test_an_event_of_a_transaction_that_is_rolled_back_is_never_sent(gateway, producer):
    with pytest.raises(ValueError), transaction.atomic():
        producer.send(**sent())
        raise ValueError

    assert gateway.published.empty()


def test_without_a_transaction_an_event_is_sent_at_once(gateway, producer):
    producer.send(**sent())

    assert gateway.published.qsize() == 1


def test_the_data_are_those_of_the_moment_of_sending(gateway, producer):
    data = dict(sent()["event_data"])
    with transaction.atomic():
        producer.send(**sent(event_data=data))
        data.clear()

    assert gateway.published.get_nowait().events[0].data != b"{}"


def test_by_default_an_event_is_sent_inside_the_transaction(gateway, endpoint):
    with transaction.atomic():
        create_producer().send(**sent())
        assert gateway.published.qsize() == 1


def test_where_django_manages_no_transactions_an_event_is_sent_at_once(gateway, producer):
    transaction.set_autocommit(False)
    try:
        producer.send(**sent())
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)

    assert gateway.published.qsize() == 1
