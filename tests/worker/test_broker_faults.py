"""A broker that is restarted, frozen or away: workers wait, or end with their code; no figure changes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.broker.embedded import EmbeddedKafka
from streams.broker.topics import TopicSet, admin_client
from tests.harness import records
from tests.harness.exactness import assert_exact, wait_until_caught_up
from tests.harness.traffic import calls
from tests.harness.workers import WorkerProcess

pytestmark = pytest.mark.kafka


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A broker of the test's own, to be ill-treated."""
    with EmbeddedKafka(tmp_path / "kafka") as broker:
        yield broker
        broker.resume()


@pytest.fixture
def own(broker: EmbeddedKafka) -> TopicSet:
    """Its topics."""
    made = TopicSet("own")
    with admin_client(broker.bootstrap) as admin:
        made.create(admin, 2)
    return made


def test_a_broker_restart_under_load_is_survived(broker: EmbeddedKafka, own: TopicSet, tmp_path: Path):
    """Kill -9 of the broker and a start within seconds: the same worker process goes on, exact."""
    patient = {"CENTRALITA_WORKER_TRANSACTION_TIMEOUT": "20", "CENTRALITA_WORKER_SESSION_TIMEOUT": "25"}
    with WorkerProcess(broker.bootstrap, own.prefix, tmp_path, patient) as worker:
        worker.ready()
        records.send(broker.bootstrap, own.events, calls(4_000))
        broker.kill()
        broker.start()
        records.send(broker.bootstrap, own.events, calls(1_000, first=4_000))
        wait_until_caught_up(broker.bootstrap, own)
        assert_exact(broker.bootstrap, own)
        assert worker.running, worker.tail()


@pytest.mark.parametrize("how", ["pause", "kill"])
def test_sigterm_ends_in_its_grace_though_the_broker_is_away(
    broker: EmbeddedKafka, own: TopicSet, tmp_path: Path, how: str
):
    """With uncommitted events and no broker the worker ends in time, with the code that asks for a restart."""
    slow = {
        "CENTRALITA_WORKER_COMMIT_INTERVAL": "6",
        "CENTRALITA_WORKER_TRANSACTION_TIMEOUT": "8",
        "CENTRALITA_WORKER_SESSION_TIMEOUT": "9",
    }
    with WorkerProcess(broker.bootstrap, own.prefix, tmp_path, slow) as worker:
        worker.ready()
        records.send(broker.bootstrap, own.events, calls(300))
        time.sleep(1)
        getattr(broker, how)()
        began = time.monotonic()
        assert worker.terminate() == 75
        assert time.monotonic() - began < 10
        broker.resume()
        if how == "kill":
            broker.start()
        worker.start(CENTRALITA_WORKER_COMMIT_INTERVAL="0.1")
        wait_until_caught_up(broker.bootstrap, own)
        assert_exact(broker.bootstrap, own)


def test_a_broker_frozen_for_longer_than_a_transaction(broker: EmbeddedKafka, own: TopicSet, tmp_path: Path):
    """The worker ends with 75 or goes on; it does not hang, and after a restart all is exact."""
    with WorkerProcess(broker.bootstrap, own.prefix, tmp_path) as worker:
        worker.ready()
        records.send(broker.bootstrap, own.events, calls(4_000))
        broker.pause()
        time.sleep(9)
        broker.resume()
        wait_until_caught_up(broker.bootstrap, own, supervised=[worker])
        assert_exact(broker.bootstrap, own)
