"""What goes wrong in a commit ends the process, with its cause, and is never taken for success."""

from __future__ import annotations

import asyncio
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import Mock

import pytest
from confluent_kafka import KafkaException

from streams.errors import FencedError, RestartError, StateError
from streams.settings import Settings, WorkerSettings
from streams.worker.metrics import Metrics
from streams.worker.owned import Owned
from streams.worker.owner import Owner
from streams.worker.process import _Worker
from streams.worker.store import Store as RealStore

FENCED = FencedError("another has it")


class Partition:
    """A partition whose commits fail as told; afterwards there is nothing to commit."""

    number, restored, uncommitted = 0, True, 5

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)

    async def commit(self) -> bool:
        """Fail, or have nothing to write."""
        if self.errors:
            raise self.errors.pop(0)
        return False

    def abandon(self) -> None:
        """Nothing is held."""


def owner_of(partition: Partition) -> tuple[Owner, list[BaseException]]:
    """An owner of one partition, and what it fails with."""
    failures: list[BaseException] = []
    owner = Owner(Settings(), Metrics(), failures.append)
    owner.owned[0] = partition  # type: ignore[assignment]
    return owner, failures


def engine_that(monkeypatch: pytest.MonkeyPatch, owned: Owned, name: str, error: BaseException) -> None:
    """Let one method of the partition's engine fail."""

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(type(owned.engine), name, fail)


@pytest.fixture
def owned() -> Owned:
    """A partition that counts as restored, without Kafka."""
    made = Owned(Settings(), 0, Metrics(), ThreadPoolExecutor(1))
    made.restored = True
    return made


@pytest.mark.parametrize(
    "error",
    [FENCED, OverflowError("x"), KeyError("x"), BufferError("x"), KafkaException("x"), struct.error("x"), OSError("x")],
    ids=lambda error: type(error).__name__,
)
async def test_whatever_fails_a_commit_ends_the_process_with_the_cause(error: BaseException):
    """No kind of error ends the commit task without a word."""
    owner, failures = owner_of(Partition(error))
    await owner.revoke([0])
    assert failures == [error]


@pytest.mark.parametrize("earlier", [False, True])
async def test_a_stop_whose_commit_failed_says_so(earlier: bool):  # noqa: FBT001
    """Also when it was the commit before the last, after which nothing seems to be left."""
    owner, _ = owner_of(Partition(FENCED))
    if earlier:
        await owner.revoke([0])
    with pytest.raises(FencedError):
        await owner.stop()


async def test_a_stop_without_a_failure_is_one():
    """Nothing is raised."""
    owner, failures = owner_of(Partition())
    await owner.stop()
    assert failures == []


async def test_a_process_whose_last_commit_failed_asks_for_a_restart(caplog: pytest.LogCaptureFixture):
    """Exit code 75, not 0, and the log has both the cause and what it means."""
    worker = _Worker(Settings(), lambda _: None)
    worker._owner.owned[0] = Partition(FENCED)  # type: ignore[assignment]
    assert await worker.stop(clean=True) == RestartError.exit_code
    assert "is not committed" in caplog.text
    assert "another has it" in caplog.text


@pytest.mark.parametrize("name", ["advance", "flush"])
async def test_a_corrupt_pane_is_an_error_of_the_state(monkeypatch: pytest.MonkeyPatch, owned: Owned, name: str):
    """It names the cure, and nothing is written afterwards, since the engine is halfway."""
    engine_that(monkeypatch, owned, name, OverflowError("negative"))
    monkeypatch.setattr(type(owned.engine), "has_changes", True)
    with pytest.raises(StateError, match=r"partition 0: .*negative.*centralita rebuild"):
        await owned.commit()
    monkeypatch.undo()
    assert await owned.commit() is False


async def test_after_a_failed_transaction_nothing_is_written(monkeypatch: pytest.MonkeyPatch, owned: Owned):
    """What it held is gone from the engine, so that a later one would leave a gap; Faust is not made to wait for its runs."""
    monkeypatch.setattr(type(owned.engine), "has_changes", True)
    writes: list[object] = []
    run = Mock()
    owned._runs = [run]

    def commit(*changes: object) -> None:
        writes.append(changes)
        raise FENCED

    monkeypatch.setattr(owned._store, "commit", commit)
    with pytest.raises(FencedError):
        await owned.commit()
    await asyncio.gather(owned.commit(), owned.commit())
    assert len(writes) == 1
    run.ack.assert_called_once_with()


class Store:
    """A store that writes down what it is asked for; fencing waits for a word."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fencing, self.go_on = threading.Event(), threading.Event()

    def fence(self) -> None:
        """Wait as a broker does."""
        self.asked.append("fence")
        self.fencing.set()
        assert self.go_on.wait(10)

    def restore(self, *_: object) -> int:
        """Have nothing."""
        self.asked.append("restore")
        return 0

    def close(self) -> None:
        """Let go."""
        self.asked.append("close")


async def test_a_partition_let_go_of_before_its_take_fences_nobody(owned: Owned):
    """Its new owner would lose a transaction to it."""
    store = owned._store = Store()  # type: ignore[assignment]
    owned.restored = False
    await owned.close()
    with pytest.raises(FencedError, match="let go"):
        owned.take()
    assert store.asked == ["close"]
    assert not owned.restored


async def test_a_partition_let_go_of_during_its_take_is_closed_after_it(monkeypatch: pytest.MonkeyPatch):
    """Without a restore, without the process' end, and with nothing left open."""
    owner, store = owner_of(Partition())[0], Store()
    failures: list[BaseException] = []
    owner._end = failures.append
    owner.owned.clear()
    monkeypatch.setattr("streams.worker.owned.Store", lambda *_: store)
    owner.assign([3])
    owned = owner.owned[3]
    await asyncio.to_thread(store.fencing.wait, 10)
    owner.assign([])
    await asyncio.sleep(0.05)
    assert store.asked == ["fence"]
    store.go_on.set()
    await asyncio.gather(*owner._closing)
    assert (store.asked, owned.restored, failures) == (["fence", "close"], False, [])


@pytest.mark.parametrize(("transaction", "progress", "longest"), [(20, 60, 40), (20, 30, 27)])
def test_fencing_gives_up_before_the_watchdog_does(
    monkeypatch: pytest.MonkeyPatch, transaction: float, progress: float, longest: float
):
    """Else the process would end without the cause."""
    waits: list[float] = []
    worker = WorkerSettings(transaction_timeout=transaction, progress_timeout=progress, session_timeout=25)
    store = RealStore(Settings(worker=worker), 0)
    monkeypatch.setattr(store._writer, "_until", lambda deadline, *_: waits.append(deadline - time.monotonic()))
    store.fence()
    assert waits == [pytest.approx(longest, abs=1)]
