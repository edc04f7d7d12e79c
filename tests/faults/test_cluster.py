"""Numbers 8, 11 and 12 of the list with three brokers: leaders that die, a rolling restart, and one broker left of three."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.broker.embedded import EmbeddedKafka
from streams.broker.topics import TopicSet, admin_client
from tests.chaos.feeder import Feeder
from tests.harness import records
from tests.harness.cluster import Cluster
from tests.harness.exactness import progress, wait_until, wait_until_caught_up
from tests.harness.invariants import assert_invariants
from tests.harness.storm import storm
from tests.harness.watcher import Watcher
from tests.harness.workers import WorkerProcess

pytestmark = [pytest.mark.kafka, pytest.mark.long, pytest.mark.timeout(300)]
USUAL = {
    "CENTRALITA_WORKER_TRANSACTION_TIMEOUT": "20",
    "CENTRALITA_WORKER_SESSION_TIMEOUT": "30",
    "CENTRALITA_WORKER_PROGRESS_TIMEOUT": "60",
}
"""The defaults."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Three brokers."""
    with Cluster(tmp_path / "kafka") as brokers:
        yield brokers


@pytest.fixture
def own(cluster: Cluster) -> TopicSet:
    """Its topics, as `centralita topics` makes them."""
    made = TopicSet("own")
    with admin_client(cluster.bootstrap) as admin:
        made.create(admin, 2)
        assert made.check_changed(admin) == []
    return made


def settle(cluster: Cluster, own: TopicSet, feeder: Feeder, workers: list[WorkerProcess]) -> None:
    """End the load, wait until all of it is counted, and look at everything."""
    assert not feeder.done, f"the load ended too early: {feeder.failed}"
    feeder.stop()
    wait_until(lambda: feeder.done, 90, "the load did not get through")
    assert feeder.failed == []
    wait_until_caught_up(cluster.bootstrap, own, supervised=workers)
    assert sum(records.ends(cluster.bootstrap, own.events).values()) == feeder.sent
    assert_invariants(cluster.bootstrap, own, feeder.garbage)
    for worker in workers:
        assert worker.ready().terminate() == 0, worker.tail()


def test_fault_8_the_leaders_of_state_and_of_the_transaction_log_die(cluster: Cluster, own: TopicSet, tmp_path: Path):
    """Kill -9 of one and then of the other: the same worker goes on with two brokers, before the third is back."""
    feeder = Feeder(cluster.bootstrap, own.events, storm(100_000, seed=83), rate=400)
    leaders: list[Callable[[], EmbeddedKafka]] = [
        lambda: cluster.leader(own.state, 0),
        lambda: cluster.coordinator(f"{own.prefix}-0"),
    ]
    with Watcher(cluster.bootstrap, own), WorkerProcess(cluster.bootstrap, own.prefix, tmp_path, USUAL) as worker:
        worker.ready()
        feeder.start()
        wait_until(lambda: set(progress(cluster.bootstrap, own)) == {0, 1}, 30, "no transactions")
        for leader in leaders:
            victim = leader()
            victim.kill()
            cluster.await_loss(victim)
            before = progress(cluster.bootstrap, own)
            wait_until(
                lambda before=before: advanced(cluster, own, before),
                30,
                f"stands still with two brokers: {worker.tail()}",
            )
            cluster.start()
        assert worker.running, worker.tail()
        settle(cluster, own, feeder, [worker])


def advanced(cluster: Cluster, own: TopicSet, before: dict[int, int]) -> bool:
    """Whether every partition has committed since."""
    now = progress(cluster.bootstrap, own)
    return all(now[number] > offset for number, offset in before.items())


def test_fault_11_a_rolling_restart(cluster: Cluster, own: TopicSet, tmp_path: Path):
    """Each broker in turn is stopped in order and started, under load: no worker ends."""
    feeder = Feeder(cluster.bootstrap, own.events, storm(100_000, seed=11), rate=400)
    with (
        Watcher(cluster.bootstrap, own),
        WorkerProcess(cluster.bootstrap, own.prefix, tmp_path, USUAL) as one,
        WorkerProcess(cluster.bootstrap, own.prefix, tmp_path, USUAL) as two,
    ):
        one.ready()
        two.ready()
        feeder.start()
        for broker in cluster.brokers.values():
            broker.stop()
            cluster.start()
        assert one.running, one.tail()
        assert two.running, two.tail()
        settle(cluster, own, feeder, [one, two])


def test_fault_12_one_broker_of_three_is_left(cluster: Cluster, own: TopicSet, tmp_path: Path):
    """Nothing can be committed: the worker waits or ends with its code, and is not ready until the brokers are back; nothing is lost."""
    soon = {"CENTRALITA_WORKER_PROGRESS_TIMEOUT": "12"}
    feeder = Feeder(cluster.bootstrap, own.events, storm(100_000, seed=12), rate=400)
    with Watcher(cluster.bootstrap, own), WorkerProcess(cluster.bootstrap, own.prefix, tmp_path, soon) as worker:
        worker.ready()
        feeder.start()
        wait_until(lambda: sum(progress(cluster.bootstrap, own).values()) > 2_000, 60, "too slow")
        for number in (1, 2):
            cluster.brokers[number].kill()
        wait_until(lambda: worker.problems() != [], 30, "it says that it is ready")
        for _ in range(10):
            worker.revive()
            assert worker.problems() != [], worker.tail()
            time.sleep(1)
        cluster.start()
        settle(cluster, own, feeder, [worker])
