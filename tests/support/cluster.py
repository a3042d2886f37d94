"""What a Kafka client that is not ours does to a broker, and sees in it."""

import base64
import time
from contextlib import closing

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic
from positions import commit
from positions import committed as positions_of
from waiting import eventually


def sparse_acks(floor, metadata):
    """The offsets that commit metadata names, read by the format's description alone."""
    if not metadata:
        return
    marker, text = metadata.split(":")[:2]
    assert marker == "sb1", metadata
    numbers, number, shift = [], 0, 0
    for byte in base64.b64decode(text + "=" * (-len(text) % 4), validate=True):
        number |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            numbers.append(number)
            number = shift = 0
    for unsettled, settled in zip(numbers[::2], numbers[1::2], strict=True):
        floor += unsettled
        yield from range(floor, floor + settled)
        floor += settled


class Cluster:
    """A broker as confluent-kafka sees it. Names of topics are full names."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})

    def create(self, *topics, partitions=3, **config):
        wanted = [
            NewTopic(topic, partitions, replication_factor=1, config=config) for topic in topics
        ]
        for made in self._admin.create_topics(wanted, operation_timeout=20).values():
            made.result(30)
        # The controller has them; the broker that clients ask hears of it a little later.
        eventually(lambda: set(topics) <= self.topics(), f"the new topics {topics}")

    def delete(self, topic):
        (deleted,) = self._admin.delete_topics([topic], operation_timeout=20).values()
        deleted.result(30)
        eventually(lambda: topic not in self.topics(), f"the end of {topic}")

    def delete_records(self, topic, partition, before):
        """What retention does."""
        place = TopicPartition(topic, partition, before)
        (deleted,) = self._admin.delete_records([place]).values()
        deleted.result(30)

    def topics(self):
        return set(self._admin.list_topics(timeout=20).topics)

    def brokers(self):
        """Their ids."""
        return set(self._admin.list_topics(timeout=20).brokers)

    def ends(self, topic):
        """{partition: end offset}"""
        with closing(self._consumer()) as consumer:
            return {
                partition: consumer.get_watermark_offsets(
                    TopicPartition(topic, partition), timeout=20
                )[1]
                for partition in consumer.list_topics(topic, timeout=20).topics[topic].partitions
            }

    def records(self, topic, seconds=30):
        """Every record of a topic, in order per partition."""
        found = []
        with closing(self._consumer()) as consumer:
            left = set(consumer.list_topics(topic, timeout=20).topics[topic].partitions)
            consumer.assign([TopicPartition(topic, each, OFFSET_BEGINNING) for each in left])
            deadline = time.monotonic() + seconds
            while left:
                for record in consumer.consume(1000, timeout=0.02):
                    if record.error() is None:
                        found.append(record)
                    elif record.error().code() == KafkaError._PARTITION_EOF:
                        left.discard(record.partition())
                    elif record.error().fatal():
                        raise KafkaException(record.error())
                if time.monotonic() > deadline:
                    raise AssertionError(f"{topic}: {left} not read to the end in {seconds} s")
        return found

    def committed(self, group, topic):
        """{partition: committed offset} of a group; partitions without one are left out."""
        return {each: offset for each, (offset, _) in self._positions(group, topic).items()}

    def stand_with(self, group, topic, partition, offset, metadata):
        """Puts a group without members at a position, with this beside it."""
        commit(self.bootstrap, group, topic, partition, offset, metadata)

    def stand(self, group, topic, partition, offset):
        """Puts a group without members at a position, wherever the log ends."""
        place = TopicPartition(topic, partition, offset)
        request = [ConsumerGroupTopicPartitions(group, [place])]
        (done,) = self._admin.alter_consumer_group_offsets(request).values()
        done.result(20)

    def metadata(self, group, topic):
        """{partition: what is committed beside the position}"""
        return {each: beside for each, (_, beside) in self._positions(group, topic).items()}

    def settled(self, group, topic):
        """{(partition, offset)} of what is committed as settled above a group's positions."""
        return {
            (partition, place)
            for partition, (offset, metadata) in self._positions(group, topic).items()
            for place in sparse_acks(offset, metadata)
        }

    def durable(self, group, topic):
        """{(partition, offset)} of all that is committed as settled."""
        positions = self._positions(group, topic)
        return {
            (partition, place)
            for partition, (offset, metadata) in positions.items()
            for place in (*range(offset), *sparse_acks(offset, metadata))
        }

    def _positions(self, group, topic):
        partitions = sorted(self.partitions(topic))
        positions = eventually(
            lambda: positions_of(self.bootstrap, group, topic, partitions), "a coordinator"
        )
        return {each: found for each, found in positions.items() if found[0] >= 0}

    def partitions(self, topic):
        return self._admin.list_topics(topic, timeout=20).topics[topic].partitions.keys()

    def members(self, group):
        """How many members a group has."""
        return len(self._described(group).members)

    def shares(self, group):
        """How many partitions each member has, most first; none while a rebalance is under way."""
        found = self._described(group)
        if found.state != ConsumerGroupState.STABLE:
            return []
        sizes = (len(each.assignment.topic_partitions) for each in found.members)
        return sorted(sizes, reverse=True)

    def static_members(self, group):
        """The names of a group's static members."""
        return {each.group_instance_id for each in self._described(group).members} - {None, ""}

    def _described(self, group):
        (described,) = self._admin.describe_consumer_groups([group]).values()
        return described.result(20)

    def write_in_transaction(self, topic, *values, commit=True):
        """Records whose log ends in a transaction's marker."""
        settings = {"bootstrap.servers": self.bootstrap, "transactional.id": topic, "log_level": 0}
        producer = Producer(settings)
        producer.init_transactions(30)
        producer.begin_transaction()
        for value in values:
            producer.produce(topic, value, partition=0)
        producer.flush(30)
        producer.commit_transaction(30) if commit else producer.abort_transaction(30)

    def _consumer(self):
        """It joins no group: it only reads."""
        return Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "sidebus-e2e-observer",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 10,
                "log_level": 0,
            }
        )
