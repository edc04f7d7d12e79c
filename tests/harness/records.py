"""An independent reader and sender: what is committed in the topics, as any other consumer of them would see it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

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
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "compression.type": "lz4"})
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


def read(bootstrap: str, topic: str, timeout: float = 30.0) -> Iterator[Seen]:
    """Yield the committed records of a topic, each partition in order, up to the ends of now."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "test-reader",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    places = [TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions(bootstrap, topic)]
    consumer.assign(places)
    left, deadline = len(places), time.monotonic() + timeout
    try:
        while left:
            assert time.monotonic() < deadline, f"{topic} was not read within {timeout} s"
            for message in consumer.consume(10_000, 0.5):
                error = message.error()
                if error is None:
                    yield _seen(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    left -= 1
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


def last(bootstrap: str, topic: str) -> dict[Key, bytes]:
    """Return the last value of every key of every partition; deleted ones are left out."""
    found: dict[Key, bytes] = {}
    for seen in read(bootstrap, topic):
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
        return {
            number: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)[1]
            for number in partitions(bootstrap, topic)
        }
    finally:
        consumer.close()
