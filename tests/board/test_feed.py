"""The feed on a real Kafka: complete, committed, whole transactions only, and behind when nobody counts."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions

from schemas.panes import FORMAT, PartitionStatus
from streams.board import progress
from streams.board.feed import Feed
from streams.broker.topics import TopicSet
from streams.settings import KafkaSettings
from tests.harness.exactness import is_closed, wait_until

pytestmark = pytest.mark.kafka
LAST = b'["partition"]'


class Seen:
    """Notes what a feed loads."""

    def __init__(self) -> None:
        self.keys: list[bytes] = []

    def load(self, partition: int, key: bytes, value: bytes | None) -> None:
        self.keys.append(key)

    def partitions(self) -> dict[int, PartitionStatus]:
        return {}

    def under_other_definitions(self) -> bool:
        return False


class Committing(Producer):
    """A producer of which a commit is seen in every partition when it returns; a broker answers before."""

    def __init__(self, kafka: str, topics: TopicSet) -> None:
        super().__init__({"bootstrap.servers": kafka, "transactional.id": topics.prefix})
        self._is_seen = lambda: is_closed(kafka, topics.kpis)

    def commit_transaction(self) -> None:
        super().commit_transaction()
        wait_until(self._is_seen, 10, "not seen")


@pytest.fixture
def producer(kafka: str, topics: TopicSet) -> Producer:
    """A producer of transactions."""
    made = Committing(kafka, topics)
    made.init_transactions(10)
    return made


@pytest.fixture
def feed(kafka: str, topics: TopicSet) -> Iterator[Feed[Seen]]:
    """A feed, not started."""
    made = Feed(KafkaSettings(bootstrap=kafka, prefix=topics.prefix), Seen)
    yield made
    made.stop()


def write(producer: Producer, topics: TopicSet, *keys: bytes, partition: int = 0) -> None:
    for key in keys:
        producer.produce(f"{topics.prefix}.kpis", b'{"format":%d}' % FORMAT, key, partition=partition)
    producer.flush()


def test_it_is_ready_when_all_that_was_committed_before_is_loaded(feed, producer, topics):
    producer.begin_transaction()
    write(producer, topics, *(b'["agent","%d"]' % number for number in range(5000)), LAST)
    producer.commit_transaction()
    feed.start()
    wait_until(lambda: feed.ready, 20, "not ready")
    assert feed.loaded == 5001


def test_what_was_there_before_is_loaded_though_it_has_no_last_record(feed, producer, topics):
    """A rebuild leaves a partition without events with deletions alone; what comes after the start waits for its last record."""
    producer.begin_transaction()
    write(producer, topics, b'["agent","ana"]', LAST)
    write(producer, topics, b'["agent","eva"]', partition=1)
    producer.commit_transaction()
    feed.start()
    wait_until(lambda: feed.ready, 20, "not ready")
    assert sorted(feed.figures.keys) == [b'["agent","ana"]', b'["agent","eva"]', LAST]


def test_an_empty_topic_is_ready_too(feed):
    feed.start()
    wait_until(lambda: feed.condition().state == "live", 20, "not live")
    assert feed.loaded == 0


def test_reading_goes_on_after_what_nobody_foresaw(feed, producer, topics, monkeypatch, caplog):
    """With a word of it: a thread that ends would leave the figures standing still."""
    follow, failures = feed._follow, [MemoryError("no room")]

    def fail_once() -> None:
        if failures:
            raise failures.pop()
        follow()

    monkeypatch.setattr(feed, "_follow", fail_once)
    producer.begin_transaction()
    write(producer, topics, b"first", LAST)
    producer.commit_transaction()
    feed.start()
    wait_until(lambda: feed.complete, 20, "not complete")
    assert feed.figures.keys == [b"first", LAST]
    (said,) = [record.fields for record in caplog.records if "starts again" in record.message]
    assert (said["topic"], said["error"]) == (topics.kpis, "MemoryError('no room')")


def test_partitions_that_are_added_are_read(feed, producer, topics, kafka):
    feed.start()
    wait_until(lambda: feed.condition().state == "live", 20, "not live")
    admin = AdminClient({"bootstrap.servers": kafka})
    added = len(admin.list_topics(topics.kpis, timeout=10).topics[topics.kpis].partitions)
    for grown in admin.create_partitions(
        [NewPartitions(name, added + 1) for name in (topics.kpis, topics.events)]
    ).values():
        grown.result(10)
    producer.begin_transaction()
    write(producer, topics, LAST, partition=added)
    producer.commit_transaction()
    wait_until(lambda: feed.loaded == 1, 20, "the new partition is not read")


def test_what_is_aborted_or_open_is_never_seen(feed, producer, topics):
    feed.start()
    wait_until(lambda: feed.ready, 20, "not ready")
    producer.begin_transaction()
    write(producer, topics, b'["agent","aborted"]', LAST)
    producer.abort_transaction()
    producer.begin_transaction()
    write(producer, topics, b'["agent","committed"]', LAST)
    time.sleep(0.5)
    assert feed.figures.keys == []
    producer.commit_transaction()
    wait_until(lambda: feed.figures.keys == [b'["agent","committed"]', LAST], 5, "not seen")


def test_half_a_commit_is_never_seen(feed, producer, topics):
    """What stands before the last record of a transaction waits for it."""
    feed.start()
    wait_until(lambda: feed.ready, 20, "not ready")
    producer.begin_transaction()
    write(producer, topics, b'["agent","first"]')
    producer.commit_transaction()
    time.sleep(0.5)
    assert feed.figures.keys == []
    producer.begin_transaction()
    write(producer, topics, LAST)
    producer.commit_transaction()
    wait_until(lambda: feed.figures.keys == [b'["agent","first"]', LAST], 5, "not seen")


def test_events_that_nobody_counts_make_the_figures_stale(feed, kafka, topics, monkeypatch):
    monkeypatch.setattr(progress, "BEHIND_AFTER", 1.5)
    feed.start()
    wait_until(lambda: feed.condition().state == "live", 20, "not live")
    sender = Producer({"bootstrap.servers": kafka})
    sender.produce(f"{topics.prefix}.events", b"{}", b"key")
    sender.flush()
    wait_until(lambda: feed.condition().state == "behind", 10, "not behind")
    assert feed.condition().behind == 1


def test_a_broker_that_does_not_answer_is_noticed():
    feed = Feed(KafkaSettings(bootstrap="127.0.0.1:1", prefix="none"), Seen)
    feed.start()
    time.sleep(1)
    assert feed.condition().state == "connecting"
    assert not feed.ready
    feed.stop()
