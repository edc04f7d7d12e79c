"""Numbers 14 and 15 of the list: a worker that sleeps for longer than a transaction may take, and one that idles until the broker forgets it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.broker.embedded import EmbeddedKafka
from streams.broker.topics import TopicSet, admin_client
from tests.harness.exactness import wait_until, wait_until_caught_up
from tests.harness.invariants import assert_invariants, garbage, send
from tests.harness.storm import storm
from tests.harness.watcher import Watcher
from tests.harness.workers import WorkerProcess, freeze_in_a_transaction, is_open

pytestmark = [pytest.mark.kafka, pytest.mark.long, pytest.mark.timeout(300)]
HASTY = {
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",  # 10 s
    "transactional.id.expiration.ms": "4000",  # 7 days
    "transaction.remove.expired.transaction.cleanup.interval.ms": "500",  # 1 h
    "producer.id.expiration.ms": "4000",  # 1 day
    "producer.id.expiration.check.interval.ms": "500",  # 10 min
}
"""Settings of a broker that has little patience, and what they are otherwise."""
ATTENTIVE = {
    "CENTRALITA_WORKER_TRANSACTION_TIMEOUT": "3",
    "CENTRALITA_WORKER_SESSION_TIMEOUT": "30",
}
"""Transactions end long before the group takes a sleeping worker for dead."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A broker without patience."""
    with EmbeddedKafka(tmp_path / "kafka", settings=HASTY) as broker:
        yield broker


def test_fault_14_a_pause_is_longer_than_a_transaction_may_take(broker: EmbeddedKafka, own: TopicSet, tmp_path: Path):
    """The broker ends the transaction of a worker that sleeps and is still in its group; awake, it commits nothing of it and ends with 75."""
    items = list(storm(30_000, seed=14, days=2))
    with (
        Watcher(broker.bootstrap, own),
        WorkerProcess(broker.bootstrap, own.prefix, tmp_path, ATTENTIVE) as worker,
    ):
        worker.ready()
        send(broker.bootstrap, own, items[:5_000])
        wait_until_caught_up(broker.bootstrap, own)
        send(broker.bootstrap, own, items[5_000:27_000])
        freeze_in_a_transaction(broker.bootstrap, own, worker)
        wait_until(lambda: not is_open(broker.bootstrap, own.kpis), 20, "the broker waits for ever")
        send(broker.bootstrap, own, items[27_000:])
        worker.resume()
        assert worker.exit_code() == 75, worker.tail()
        assert "cannot commit its transaction" in worker.tail()
        worker.start().ready(20)  # it has left its group: the next one does not wait for the end of its session
        wait_until_caught_up(broker.bootstrap, own)
        assert_invariants(broker.bootstrap, own, garbage(items))
        assert worker.ready().terminate() == 0


def test_fault_15_load_after_the_broker_has_forgotten_the_transactional_ids(
    broker: EmbeddedKafka, own: TopicSet, tmp_path: Path
):
    """A worker that idled for that long ends with 75 at its next commit, and goes on from its marker; nothing is lost."""
    items = list(storm(12_000, seed=15))
    with Watcher(broker.bootstrap, own), WorkerProcess(broker.bootstrap, own.prefix, tmp_path) as worker:
        worker.ready()
        send(broker.bootstrap, own, items[:6_000])
        wait_until_caught_up(broker.bootstrap, own)
        assert known(broker)
        wait_until(lambda: not known(broker), 60, f"the broker remembers {known(broker)}")
        worker.ready()
        send(broker.bootstrap, own, items[6_000:])
        assert worker.exit_code() == 75, worker.tail()
        worker.start().ready()
        wait_until_caught_up(broker.bootstrap, own)
        assert_invariants(broker.bootstrap, own, garbage(items))
        assert worker.ready().terminate() == 0


def known(broker: EmbeddedKafka) -> list[str]:
    """Return the transactional ids that the broker knows of."""
    with admin_client(broker.bootstrap) as admin:
        return [one.transactional_id for listed in admin.list_transactions().values() for one in listed]
