"""What a rebuild says that it will lose, against a real Kafka."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from streams.broker.topics import TopicSet
from tests.harness import records
from tests.harness.traffic import calls
from tests.worker.test_commands import centralita, run_once

pytestmark = [pytest.mark.kafka, pytest.mark.parametrize("partitions", [2])]
LATER = 400_000
"""The number of a contact two days and seven hours after the first."""


def expire(kafka: str, topics: TopicSet) -> None:
    """Delete all events, as their retention would."""
    admin = AdminClient({"bootstrap.servers": kafka})
    ends = [TopicPartition(topics.events, number, -1) for number in range(2)]
    for deleted in admin.delete_records(ends).values():
        deleted.result(10)


def test_rebuild_says_of_which_days_figures_will_be_lost(kafka: str, topics: TopicSet, tmp_path: Path):
    """None while every event is there; then those of which no event is kept."""
    records.send(kafka, topics.events, calls(100))
    run_once(kafka, topics, tmp_path)
    assert "lost" not in centralita(kafka, topics, "rebuild").output
    expire(kafka, topics)
    records.send(kafka, topics.events, calls(100, first=LATER))
    run_once(kafka, topics, tmp_path)
    assert "Figures of 1 day, from 2026-03-02 to 2026-03-02 (UTC)" in centralita(kafka, topics, "rebuild").output
    expire(kafka, topics)
    asked = centralita(kafka, topics, "rebuild")
    assert (asked.exit_code, "Delete state" in asked.output) == (1, True)
    assert "Figures of 3 days, from 2026-03-02 to 2026-03-04 (UTC), will be lost" in asked.output
    rebuilt = centralita(kafka, topics, "rebuild", "--yes")
    assert rebuilt.exit_code == 0
    assert "Figures of 3 days" in rebuilt.output
    assert "lost" not in centralita(kafka, topics, "rebuild").output
