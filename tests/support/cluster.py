"""What a Kafka client that is not ours does to a broker, and sees in it."""

import time
from contextlib import closing

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic


class Cluster:
    """A broker as confluent-kafka sees it. Names of topics are full names."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 3})

    def create(self, *topics, partitions=3):
        wanted = [NewTopic(topic, partitions, replication_factor=1) for topic in topics]
        for made in self._admin.create_topics(wanted, operation_timeout=20).values():
            made.result(30)

    def topics(self):
        return set(self._admin.list_topics(timeout=20).topics)

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
        ends = {partition: end for partition, end in self.ends(topic).items() if end > 0}
        found = []
        with closing(self._consumer()) as consumer:
            consumer.assign([TopicPartition(topic, each, OFFSET_BEGINNING) for each in ends])
            deadline = time.monotonic() + seconds
            while ends:
                for record in consumer.consume(1000, timeout=0.2):
                    if record.error():
                        raise KafkaException(record.error())
                    found.append(record)
                for at in consumer.position([TopicPartition(topic, each) for each in ends]):
                    if at.offset >= ends[at.partition]:
                        del ends[at.partition]
                if time.monotonic() > deadline:
                    raise AssertionError(f"{topic}: not read to {ends} in {seconds} s")
        return found

    def committed(self, group, topic):
        """{partition: committed offset} of a group; partitions without one are left out."""
        with closing(self._consumer(group)) as consumer:
            partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
            asked = [TopicPartition(topic, partition) for partition in partitions]
            answered = consumer.committed(asked, timeout=20)
        return {each.partition: each.offset for each in answered if each.offset >= 0}

    def _consumer(self, group="sidebus-e2e-observer"):
        """It joins no group: it only reads, or asks."""
        return Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": group,
                "enable.auto.commit": False,
                "log_level": 3,
            }
        )
