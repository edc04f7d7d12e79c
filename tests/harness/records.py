"""An independent reader and sender: what is committed in the topics, as any other consumer of them would see it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

Key = tuple[int, bytes]
"""Partition and key."""


class Seen(NamedTuple):
    """A committed record."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]


def send(bootstrap: str, topic: str, records: Iterable[tuple[bytes | None, bytes | None]]) -> int:
    """Send records, spread over partitions by key; return how many once the broker has all."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": 20,
            "compression.type": "lz4",
            "message.max.bytes": 8_000_000,
        }
    )
    count = 0
    for key, value in records:
        while True:
            try:
                producer.produce(topic, value, key)
                break
            except BufferError:
                producer.poll(0.1)
        count += 1
    assert producer.flush(60) == 0, "the broker did not take everything"
    return count


def read(bootstrap: str, topic: str, timeout: float = 60.0, only: int | None = None) -> Iterator[Seen]:
    """Yield the committed records of a topic or one of its partitions, each in order, up to the ends of now."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "test-reader",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
        }
    )
    left = {number: end for number, end in ends(bootstrap, topic).items() if end and only in (None, number)}
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in left])
    deadline = time.monotonic() + timeout
    try:
        while left:
            assert time.monotonic() < deadline, f"{topic} was not read within {timeout} s"
            for message in consumer.consume(10_000, 0.02):  # waits as long even when the ends are there
                number = message.partition()
                if message.error() is None and message.offset() < left.get(number, 0):
                    yield _seen(message)
                    ended = message.offset() + 1 == left[number]
                else:  # past the end of when we began, or at the very end (the last offsets may be of control records)
                    ended = message.error() is None or message.error().code() == KafkaError._PARTITION_EOF
                if ended:
                    left.pop(number, None)
    finally:
        consumer.close()


def _seen(message) -> Seen:
    return Seen(
        message.partition(),
        message.offset(),
        message.timestamp()[1],
        message.key(),
        message.value(),
        dict(message.headers() or ()),
    )


def last(bootstrap: str, topic: str, timeout: float = 60.0, only: int | None = None) -> dict[Key, bytes]:
    """Return the last value of every key of every partition, or of one; deleted ones are left out."""
    found: dict[Key, bytes] = {}
    for seen in read(bootstrap, topic, timeout, only):
        place = seen.partition, seen.key or b""
        if seen.value is None:
            found.pop(place, None)
        else:
            found[place] = seen.value
    return found


def partitions(bootstrap: str, topic: str) -> list[int]:
    """Return the numbers of a topic's partitions."""
    return list(AdminClient({"bootstrap.servers": bootstrap}).list_topics(topic, timeout=10).topics[topic].partitions)


def ends(bootstrap: str, topic: str, isolation: str = "read_committed") -> dict[int, int]:
    """Return the last stable offset of each partition, or with read_uncommitted the high watermark."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test-reader", "isolation.level": isolation})
    try:
        return {number: _end(consumer, TopicPartition(topic, number)) for number in partitions(bootstrap, topic)}
    finally:
        consumer.close()


def _end(consumer: Consumer, place: TopicPartition) -> int:
    deadline = time.monotonic() + 10
    while True:
        try:
            return consumer.get_watermark_offsets(place, timeout=10)[1]
        except KafkaException as error:  # a new leader does not know at once how far the others are
            if error.args[0].code() != KafkaError.OFFSET_NOT_AVAILABLE or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def send_to(bootstrap: str, topic: str, records: Iterable[tuple[int, bytes | None, bytes | None]]) -> None:
    """Send records to partitions of our choice: partition, key, value."""
    producer = Producer({"bootstrap.servers": bootstrap})
    for number, key, value in records:
        producer.produce(topic, value, key, number)
    assert producer.flush(30) == 0


@contextmanager
def open_transaction(bootstrap: str, topic: str, number: int) -> Iterator[None]:
    """Leave a transaction of a foreign producer open on a partition, and abort it at the end."""
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"foreign-{topic}"})
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce(topic, b"{}", b"foreign", number)
    producer.flush(10)
    yield
    producer.abort_transaction(10)


def configure(bootstrap: str, topic: str, name: str, value: str) -> None:
    """Change a setting of a topic."""
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for done in admin.incremental_alter_configs([resource]).values():
        done.result(10)
