"""Workers as processes on a real Kafka: whatever happens to them, every event counts once."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from schemas.calls import CallQueued
from schemas.events import encode
from streams.broker.topics import TopicSet
from tests.harness import records
from tests.harness.exactness import assert_exact, progress, published, wait_until, wait_until_caught_up
from tests.harness.traffic import GARBAGE, REASONS, calls
from tests.harness.workers import WorkerProcess

pytestmark = pytest.mark.kafka


def test_panes_equal_those_of_one_engine(kafka: str, topics: TopicSet, tmp_path: Path):
    """What a worker publishes is what one engine in this process makes of the same input."""
    count = records.send(kafka, topics.events, calls(3_000))
    with WorkerProcess(kafka, topics.prefix, tmp_path) as worker:
        worker.ready()
        wait_until_caught_up(kafka, topics)
        statuses = assert_exact(kafka, topics)
        assert sum(status.counted for status in statuses.values()) == count
        assert worker.terminate() == 0


def test_garbage_goes_to_the_dead_letters_once_each(kafka: str, topics: TopicSet, tmp_path: Path):
    """Every refused record is kept with its bytes, its key and the reason; the good ones around it count."""
    records.send(kafka, topics.events, calls(50))
    records.send(kafka, topics.events, GARBAGE.values())
    records.send(kafka, topics.events, calls(50, first=50))
    with WorkerProcess(kafka, topics.prefix, tmp_path) as worker:
        worker.ready()
        wait_until_caught_up(kafka, topics)
        assert_exact(kafka, topics)
        text = worker.get("/metrics")
    letters = list(records.read(kafka, topics.dead_letters))
    assert Counter((letter.key, letter.value) for letter in letters) == Counter(GARBAGE.values())
    found = {(letter.key, letter.value): letter.headers["dead-letter-reason"].decode() for letter in letters}
    assert found == {record: REASONS[name] for name, record in GARBAGE.items()}
    places = {(letter.headers["dead-letter-partition"], letter.headers["dead-letter-offset"]) for letter in letters}
    assert len(places) == len(GARBAGE)
    assert 'centralita_worker_dead_letters_total{reason="undecodable"} 5.0' in text
    assert "customer-" not in text + worker.log.read_text()


def test_two_workers_share_and_one_takes_over(kafka: str, topics: TopicSet, tmp_path: Path):
    """A second worker joins under load, the first one is killed: exact."""
    records.send(kafka, topics.events, calls(5_000))
    with (
        WorkerProcess(kafka, topics.prefix, tmp_path) as first,
        WorkerProcess(kafka, topics.prefix, tmp_path) as second,
    ):
        first.ready(60)
        second.ready(60)
        records.send(kafka, topics.events, calls(5_000, first=5_000))
        first.kill()
        wait_until_caught_up(kafka, topics)
        assert_exact(kafka, topics)
        assert second.running


def test_sigterm_commits_and_ends_in_bounded_time(kafka: str, topics: TopicSet, tmp_path: Path):
    """The last transaction is committed, the code is 0, and nothing is read twice afterwards."""
    with WorkerProcess(kafka, topics.prefix, tmp_path, {"CENTRALITA_WORKER_COMMIT_INTERVAL": "4"}) as worker:
        worker.ready()
        records.send(kafka, topics.events, calls(2_000))
        time.sleep(1)
        began = time.monotonic()
        assert worker.terminate() == 0
        assert time.monotonic() - began < 5
        wait_until_caught_up(kafka, topics, timeout=1)
        assert_exact(kafka, topics)


@pytest.mark.parametrize("partitions", [1])
def test_timers_fire_in_an_idle_partition(kafka: str, topics: TopicSet, tmp_path: Path):
    """A caller who goes on waiting has waited longer than the threshold although nothing else happens."""
    now = CallQueued(id="1", time=time.time(), contact_id="c", queue="sales")
    quick = {"CENTRALITA_DEFAULTS_SERVICE_LEVEL_THRESHOLD": "1"}
    with WorkerProcess(kafka, topics.prefix, tmp_path, quick) as worker:
        worker.ready()
        records.send(kafka, topics.events, [(b"c", encode(now))])
        wait_until(lambda: "reached_threshold" in str(published(kafka, topics)), 15, "the timer did not fire")


@pytest.mark.parametrize("partitions", [1])
def test_a_record_too_large_for_its_topic_is_a_setting_to_change(kafka: str, topics: TopicSet, tmp_path: Path):
    """The transaction is not committed in part, the code is 78, and with the setting changed all counts."""
    records.send(kafka, topics.events, calls(300))
    records.configure(kafka, topics.state, "max.message.bytes", "500")
    with WorkerProcess(kafka, topics.prefix, tmp_path) as worker:
        assert worker.exit_code() == 78, worker.tail()
        assert "max.message.bytes" in worker.tail()
        assert not any(progress(kafka, topics).values())
        records.configure(kafka, topics.state, "max.message.bytes", "8388608")
        worker.start()
        wait_until_caught_up(kafka, topics)
        assert_exact(kafka, topics)
