"""Numbers 16 and 17 of the list: records too large, and a changelog that is emptied, aborted or compacted under a restore."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.calls import CallHeld, CallQueued
from schemas.events import encode
from streams.broker.embedded import EmbeddedKafka
from streams.broker.topics import TopicSet
from tests.harness import records
from tests.harness.exactness import (
    STATUS,
    assert_exact,
    assert_markers_agree,
    decoded,
    published,
    wait_until,
    wait_until_caught_up,
)
from tests.harness.invariants import assert_invariants, garbage, send
from tests.harness.storm import storm
from tests.harness.traffic import START, calls
from tests.harness.watcher import Watcher
from tests.harness.workers import WorkerProcess

pytestmark = pytest.mark.kafka
TOO_SMALL, ENOUGH = "8000", "8388608"


@pytest.mark.parametrize("partitions", [1])
def test_fault_16_a_state_record_too_large_in_the_middle_of_a_transaction(kafka: str, topics: TopicSet, tmp_path: Path):
    """Nothing of its transaction is seen, the code is 78 and names the setting; with it changed all counts."""
    records.configure(kafka, topics.state, "max.message.bytes", TOO_SMALL)
    with Watcher(kafka, topics), WorkerProcess(kafka, topics.prefix, tmp_path) as worker:
        worker.ready()
        records.send(kafka, topics.events, calls(20))
        wait_until_caught_up(kafka, topics)
        records.send(kafka, topics.events, [*calls(20, first=20), *long_call(900), *calls(20, first=40)])
        assert worker.exit_code() == 78, worker.tail()
        assert "max.message.bytes" in worker.tail()
        wait_until(lambda: closed(kafka, topics), 20, "a transaction stays open")
        whole = {number: value for (number, key), value in published(kafka, topics).items() if key == STATUS}
        assert_markers_agree(kafka, topics, whole)
        assert whole[0].offset < sum(records.ends(kafka, topics.events).values())
        records.configure(kafka, topics.state, "max.message.bytes", ENOUGH)
        worker.start()
        wait_until_caught_up(kafka, topics)
        assert_exact(kafka, topics)


def closed(kafka: str, topics: TopicSet) -> bool:
    """Tell whether no transaction is open on the state topic."""
    return records.ends(kafka, topics.state) == records.ends(kafka, topics.state, "read_uncommitted")


def long_call(holds: int) -> list[tuple[bytes, bytes]]:
    """Return a call with so many holds whose names no compression makes smaller."""
    queued = CallQueued(id="1", time=START, contact_id="long", queue="sales")
    held = [CallHeld(id=os.urandom(16).hex(), time=START + n * 0.01, contact_id="long") for n in range(holds)]
    return [(b"long", encode(event)) for event in [queued, *held]]


def test_fault_17_a_changelog_emptied_by_retention_is_refused_aloud(
    broker: EmbeddedKafka, own: TopicSet, tmp_path: Path
):
    """State that is gone cannot be counted on: code 70, and the cure is named."""
    records.send(broker.bootstrap, own.events, calls(300))
    with WorkerProcess(broker.bootstrap, own.prefix, tmp_path) as worker:
        wait_until_caught_up(broker.bootstrap, own)
        assert worker.terminate() == 0
        empty(broker.bootstrap, own.state)
        worker.start()
        assert worker.exit_code() == 70, worker.tail()
        assert "centralita rebuild" in worker.tail()


def test_fault_17_a_changelog_that_ends_in_an_abort_marker_is_restored(kafka: str, topics: TopicSet, tmp_path: Path):
    """The last offsets hold no records, only what was aborted and its marker: the restore ends, and is right."""
    items = list(storm(3_000, seed=17))
    send(kafka, topics, items[:1_500])
    with Watcher(kafka, topics), WorkerProcess(kafka, topics.prefix, tmp_path) as worker:
        wait_until_caught_up(kafka, topics)
        assert worker.terminate() == 0
        for topic in (topics.state, topics.kpis):
            abort(kafka, topic, list(records.partitions(kafka, topic)))
        send(kafka, topics, items[1_500:])
        worker.start().ready()
        wait_until_caught_up(kafka, topics)
        assert_invariants(kafka, topics, garbage(items))


@pytest.mark.timeout(240)
def test_fault_17_a_changelog_compacted_while_it_is_restored(broker: EmbeddedKafka, own: TopicSet, tmp_path: Path):
    """Segments of half a second, closed and cleaned all the time, under restarts: every restore ends, and is right."""
    bootstrap = broker.bootstrap
    for topic in (own.state, own.kpis):
        records.configure(bootstrap, topic, "segment.ms", "500")
        records.configure(bootstrap, topic, "min.cleanable.dirty.ratio", "0.01")
    items = list(storm(15_000, seed=71, days=3))
    with WorkerProcess(bootstrap, own.prefix, tmp_path) as worker:
        for first in range(0, len(items), 5_000):
            send(bootstrap, own, items[first : first + 5_000])
            wait_until_caught_up(bootstrap, own)
            worker.kill()
            worker.start()
        worker.ready()
        wait_until(lambda: compacted(bootstrap, own), 30, "nothing was compacted")
        assert_invariants(bootstrap, own, garbage(items))


def empty(bootstrap: str, topic: str) -> None:
    """Delete every record, as a retention that ends does."""
    records.configure(bootstrap, topic, "cleanup.policy", "compact,delete")
    admin = AdminClient({"bootstrap.servers": bootstrap})
    ends = [TopicPartition(topic, number, end) for number, end in records.ends(bootstrap, topic).items()]
    for done in admin.delete_records(ends).values():
        done.result(10)
    records.configure(bootstrap, topic, "cleanup.policy", "compact")  # as it was: a worker refuses any other


def abort(bootstrap: str, topic: str, numbers: list[int]) -> None:
    """Leave an aborted transaction at the end of each partition."""
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"aborter-{topic}"})
    producer.init_transactions(10)
    producer.begin_transaction()
    for number in numbers:
        producer.produce(topic, b"never", b"never", number)
    producer.flush(10)
    producer.abort_transaction(10)


def compacted(bootstrap: str, topics: TopicSet) -> bool:
    """Tell whether statuses of partition 0 are gone: there was one of each transaction."""
    left = [seen.value for seen in records.read(bootstrap, topics.kpis, only=0) if seen.key == STATUS]
    return len(left) < decoded(STATUS, left[-1] or b"").sequence
