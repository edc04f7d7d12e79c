"""Numbers 1, 3 and 4 of the list: workers that die or sleep, at any moment and at the worst ones."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from streams.broker.topics import TopicSet
from streams.simulate.faults import Faults
from tests.harness.exactness import assert_exact, progress, wait_until, wait_until_caught_up
from tests.harness.invariants import assert_invariants, garbage, send
from tests.harness.storm import storm
from tests.harness.watcher import Watcher
from tests.harness.workers import WorkerProcess, freeze_in_a_transaction

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]


def test_fault_1_one_kill_in_the_middle_of_300_000_events(kafka: str, topics: TopicSet, tmp_path: Path):
    """Exactly 300,000 are counted, and every record is what one engine makes of them."""
    send(kafka, topics, storm(300_000, seed=1, days=5, faults=Faults()))
    with Watcher(kafka, topics), WorkerProcess(kafka, topics.prefix, tmp_path) as worker:
        wait_until(lambda: sum(progress(kafka, topics).values()) > 50_000, 60, f"too slow: {worker.tail()}", 0.05)
        worker.kill()
        reached = sum(progress(kafka, topics).values())
        assert reached < 300_000, "killed too late"
        worker.start()
        wait_until_caught_up(kafka, topics, 120)
        statuses = assert_exact(kafka, topics)
        assert sum(status.counted for status in statuses.values()) == 300_000
        assert worker.terminate() == 0


@pytest.mark.parametrize("point", ["after-produce:3", "before-commit:3", "after-commit:3"])
@pytest.mark.parametrize("partitions", [2])
def test_fault_3_a_death_at_a_named_point_of_a_commit(kafka: str, topics: TopicSet, tmp_path: Path, point: str):
    """Dying after the records, before the commit request and after its answer."""
    items = list(storm(4_000, seed=3))
    with Watcher(kafka, topics), WorkerProcess(kafka, topics.prefix, tmp_path) as worker:
        worker.kill()
        worker.start(CENTRALITA_CRASH_AT=point)
        wait_until(lambda: worker.problems() == [] or not worker.running, 60, f"not ready: {worker.tail()}")
        sent = 0
        while worker.running and sent < len(items):  # a commit takes what has come: many small sends are many commits
            send(kafka, topics, items[sent : sent + 100])
            sent += 100
            time.sleep(0.2)
        assert worker.exit_code() == -9
        send(kafka, topics, items[sent:])
        worker.start().ready()
        wait_until_caught_up(kafka, topics)
        assert_invariants(kafka, topics, garbage(items))


@pytest.mark.parametrize("partitions", [2])
@pytest.mark.parametrize("point", ["during-restore", "during-rebalance"])
def test_fault_3_a_death_while_taking_partitions(kafka: str, topics: TopicSet, tmp_path: Path, point: str):
    """Dying in a restore or a rebalance: the next one takes over."""
    items = list(storm(3_000, seed=33))
    send(kafka, topics, items[:1_500])
    with Watcher(kafka, topics), WorkerProcess(kafka, topics.prefix, tmp_path) as worker:
        wait_until_caught_up(kafka, topics)
        worker.kill()
        worker.start(CENTRALITA_CRASH_AT=point)
        assert worker.exit_code() == -9
        send(kafka, topics, items[1_500:])
        worker.start().ready()
        wait_until_caught_up(kafka, topics)
        assert_invariants(kafka, topics, garbage(items))


@pytest.mark.parametrize("partitions", [2])
def test_fault_4_a_zombie_with_an_open_transaction_is_fenced(kafka: str, topics: TopicSet, tmp_path: Path):
    """It sleeps beyond its session in the middle of a transaction; awake again it writes nothing that counts."""
    items = list(storm(60_000, seed=4, days=3))
    with Watcher(kafka, topics), WorkerProcess(kafka, topics.prefix, tmp_path) as zombie:
        zombie.ready()
        send(kafka, topics, items[:50_000])
        freeze_in_a_transaction(kafka, topics, zombie)
        with WorkerProcess(kafka, topics.prefix, tmp_path) as successor:
            successor.ready(60)
            wait_until_caught_up(kafka, topics)
            send(kafka, topics, items[50_000:55_000])
            zombie.resume()
            wait_until(lambda: not zombie.running or zombie.problems() == [], 60, "the zombie neither ends nor rejoins")
            assert zombie.running or zombie.exit_code() == 75
            send(kafka, topics, items[55_000:])
            wait_until_caught_up(kafka, topics)
            assert_invariants(kafka, topics, garbage(items))
            assert successor.running
