"""Taking partitions while rebalances follow each other faster than partitions are restored."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from streams.errors import FencedError, StateError
from streams.settings import Settings
from streams.worker.marker import Input
from streams.worker.metrics import Metrics
from streams.worker.owned import Owned, now_us
from streams.worker.owner import Owner
from streams.worker.runs import Run


async def test_a_partition_assigned_while_others_are_waited_for_is_waited_for_too():
    """Reading must not go on before: what is not restored would be read from anywhere."""
    #  first rebalance    take 0 ======|
    #  waiting            .............|.. not yet .......|
    #  second rebalance          take 1 ==================|
    owner = Owner(Settings(), Metrics(), lambda _: None)
    done = {number: asyncio.Event() for number in (0, 1)}
    owner._taking[0] = asyncio.create_task(done[0].wait())  # type: ignore[assignment]
    both = [asyncio.create_task(owner.taken())]
    await asyncio.sleep(0)
    owner._taking[1] = asyncio.create_task(done[1].wait())  # type: ignore[assignment]
    done[0].set()
    await asyncio.sleep(0.01)
    both.append(asyncio.create_task(owner.taken()))
    await asyncio.sleep(0.01)
    assert [task.done() for task in both] == [False, False]
    done[1].set()
    await asyncio.gather(*both)


class Store:
    """A store without records, whose topic ends at the given offsets, one a look."""

    def __init__(self, *ends: int) -> None:
        self._ends = iter(ends)

    def written(self) -> int:
        """Return the next of them."""
        return next(self._ends)

    def fence(self) -> None:
        """Do nothing."""

    def restore(self, *_: object) -> int:
        """Have nothing."""
        return 0


@pytest.mark.parametrize(("ends", "kind"), [((7, 9), FencedError), ((7, 7), StateError)])
def test_a_successor_that_commits_during_a_restore_is_no_loss_of_state(
    monkeypatch: pytest.MonkeyPatch, ends: tuple[int, int], kind: type[Exception]
):
    """The group is ahead of what was restored: a successor is, when somebody has written since (75); else state is lost."""
    owned = Owned(Settings(), 0, Metrics(), ThreadPoolExecutor(1))
    owned._store = Store(*ends)  # type: ignore[assignment]
    monkeypatch.setattr("streams.worker.marker.look", lambda *_: Input(0, 9, committed=5))
    with pytest.raises(kind):
        owned.take()


async def test_a_partition_is_behind_only_while_runs_come(monkeypatch: pytest.MonkeyPatch):
    """As long as what it was given last had lain in Kafka; after a commit without runs it is up to date, however old they were."""
    owned = Owned(Settings(), 0, Metrics(), ThreadPoolExecutor(1))
    owned.restored = True
    monkeypatch.setattr(owned._store, "commit", lambda *_: None)
    value = b'{"type":"call.queued","id":"1","time":1772442000,"contact_id":"t","queue":"a"}'
    record = SimpleNamespace(offset=0, timestamp=now_us() // 1000 - 20_000, key=b"k", value=value, headers=())
    owned.apply(SimpleNamespace(ack=lambda: None), Run([record], None))  # type: ignore[arg-type]
    assert 20 <= owned.behind < 80
    assert await owned.commit()
    assert owned.behind >= 20
    await owned.commit()
    assert owned.behind == 0
