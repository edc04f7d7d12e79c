"""Number 13 of the list: a worker joins or leaves every few seconds."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.broker.topics import TopicSet
from tests.chaos.feeder import Feeder
from tests.harness.exactness import wait_until, wait_until_caught_up
from tests.harness.invariants import assert_invariants
from tests.harness.storm import storm
from tests.harness.watcher import Watcher
from tests.harness.workers import WorkerProcess


@pytest.mark.kafka
@pytest.mark.timeout(240)
def test_fault_13_workers_join_and_leave_under_load(kafka: str, topics: TopicSet, tmp_path: Path):
    """Each time the group settles with every partition owned by exactly one; who leaves ends with 0."""
    feeder = Feeder(kafka, topics.events, storm(12_000, seed=13), rate=600)
    with Watcher(kafka, topics), WorkerProcess(kafka, topics.prefix, tmp_path) as stays:
        stays.ready()
        feeder.start()
        for _ in range(3):
            with WorkerProcess(kafka, topics.prefix, tmp_path) as guest:
                wait_until(lambda: owned(kafka, topics.prefix) == [[0, 1], [2, 3]], 60, "two do not share")
                time.sleep(1)
                assert guest.terminate() == 0, guest.tail()
            wait_until(lambda: owned(kafka, topics.prefix) == [[0, 1, 2, 3]], 60, "one does not have all")
        wait_until(lambda: feeder.done, 60, "the load did not get through")
        wait_until_caught_up(kafka, topics)
        stays.ready()
        assert_invariants(kafka, topics, feeder.garbage)


def owned(kafka: str, group: str) -> list[list[int]]:
    """Return what each member of the group has, by number, in order; nothing while the group settles."""
    admin = AdminClient({"bootstrap.servers": kafka})
    try:
        found = admin.describe_consumer_groups([group])[group].result(10)
    except (KafkaException, TimeoutError):  # a machine that is busy with the rebalance
        return []
    if found.state.name != "STABLE":
        return []
    numbers = [sorted(place.partition for place in one.assignment.topic_partitions) for one in found.members]
    if sorted(number for one in numbers for number in one) != [0, 1, 2, 3]:
        return []
    return [[0, 1], [2, 3]] if sorted(map(len, numbers)) == [2, 2] else sorted(numbers)
