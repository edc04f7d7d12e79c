"""Numbers 8 to 10 of the list: a broker that is killed, frozen or away. Workers wait, or end with their code."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from streams.broker.embedded import EmbeddedKafka
from streams.broker.server_properties import free_port
from streams.broker.topics import TopicSet
from streams.errors import RestartError
from streams.settings import KafkaSettings, Settings
from streams.worker.store import restore
from tests.chaos.feeder import Feeder
from tests.harness import records
from tests.harness.exactness import assert_exact, wait_until, wait_until_caught_up
from tests.harness.invariants import assert_invariants, garbage, send
from tests.harness.storm import storm
from tests.harness.traffic import calls
from tests.harness.watcher import Watcher
from tests.harness.workers import WorkerProcess

pytestmark = pytest.mark.kafka


def test_fault_8_a_worker_outlives_a_restart_of_the_broker(broker: EmbeddedKafka, own: TopicSet, tmp_path: Path):
    """Kill -9 of the broker and a start within seconds: the same worker process goes on."""
    patient = {"CENTRALITA_WORKER_TRANSACTION_TIMEOUT": "20", "CENTRALITA_WORKER_SESSION_TIMEOUT": "25"}
    items = list(storm(12_000, seed=8))
    with Watcher(broker.bootstrap, own), WorkerProcess(broker.bootstrap, own.prefix, tmp_path, patient) as worker:
        worker.ready()
        send(broker.bootstrap, own, items[:9_000])
        broker.kill()
        broker.start()
        send(broker.bootstrap, own, items[9_000:])
        wait_until_caught_up(broker.bootstrap, own)
        assert_invariants(broker.bootstrap, own, garbage(items))
        worker.ready()  # it sees the lag again, though the leaders have a new epoch


@pytest.mark.timeout(240)
def test_fault_8_a_broker_killed_again_and_again_under_load(broker: EmbeddedKafka, own: TopicSet, tmp_path: Path):
    """Kill -9 and restart three times while events come in: workers go on, or end with 75 and start again."""
    feeder = Feeder(broker.bootstrap, own.events, storm(9_000, seed=88), rate=600)
    with Watcher(broker.bootstrap, own), WorkerProcess(broker.bootstrap, own.prefix, tmp_path) as worker:
        worker.ready()
        feeder.start()
        for _ in range(3):
            time.sleep(2)
            broker.kill()
            broker.start()
            worker.revive()
        wait_until(lambda: feeder.done, 60, "the load did not get through")
        assert feeder.failed == []
        wait_until_caught_up(broker.bootstrap, own, supervised=[worker])
        assert sum(records.ends(broker.bootstrap, own.events).values()) == feeder.sent
        worker.ready()
        assert_invariants(broker.bootstrap, own, feeder.garbage)


def test_fault_8_a_broker_lost_while_restoring_asks_for_a_restart():
    """Exit code 75: it ran, and its last commit is known; 69 is for a start without a broker."""
    settings = Settings(kafka=KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}"))
    with pytest.raises(RestartError, match="partition 3: cannot be restored"):
        restore(settings, 3, {"state": lambda *_: None}, lambda *_: None)


@pytest.mark.parametrize("how", ["pause", "kill"])
def test_fault_10_sigterm_ends_in_its_grace_though_the_broker_is_away(
    broker: EmbeddedKafka, own: TopicSet, tmp_path: Path, how: str
):
    """With uncommitted events and no broker the worker ends in time, with the code that asks for a restart."""
    slow = {
        "CENTRALITA_WORKER_COMMIT_INTERVAL": "6",
        "CENTRALITA_WORKER_TRANSACTION_TIMEOUT": "8",
        "CENTRALITA_WORKER_SESSION_TIMEOUT": "9",
    }
    with Watcher(broker.bootstrap, own), WorkerProcess(broker.bootstrap, own.prefix, tmp_path, slow) as worker:
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


@pytest.mark.long
def test_fault_9_a_broker_frozen_for_longer_than_a_transaction(broker: EmbeddedKafka, own: TopicSet, tmp_path: Path):
    """The worker ends with 75 or goes on; it does not hang, and after a restart all is exact."""
    with Watcher(broker.bootstrap, own), WorkerProcess(broker.bootstrap, own.prefix, tmp_path) as worker:
        worker.ready()
        records.send(broker.bootstrap, own.events, calls(4_000))
        broker.pause()
        time.sleep(9)
        broker.resume()
        wait_until_caught_up(broker.bootstrap, own, supervised=[worker])
        assert_exact(broker.bootstrap, own)
