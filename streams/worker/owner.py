"""Which partitions this worker has, through rebalances, and the commits of each.

Revoked: commit all that was applied, then write nothing. Assigned: a kept partition goes on as it is (nobody else wrote,
or our next commit is fenced), a new one is fenced, restored and checked, one that is gone is closed.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from faust.types import EventT

from streams.engine.partition import Refusal
from streams.errors import InputError
from streams.settings import Settings
from streams.telemetry import log
from streams.worker.crashes import crash_point
from streams.worker.metrics import Metrics
from streams.worker.owned import Owned
from streams.worker.poison import CURE, Poison
from streams.worker.runs import Run

logger = logging.getLogger(__name__)
LONGEST_INTERVAL = 2.0
"""Seconds between two commits of a worker that is catching up."""
MOST_UNCOMMITTED = 100_000
"""Records applied but not committed, of all partitions: beyond, no more are applied until a transaction commits."""


class Owner:
    """All partitions of this worker. Whatever goes wrong ends in ``fail``, which ends the process."""

    def __init__(self, settings: Settings, metrics: Metrics, fail: Callable[[BaseException], None]) -> None:
        self.owned: dict[int, Owned] = {}
        self.assigned_at: float | None = None
        self.poison = Poison(settings.worker.poison_timeout)
        self._settings, self._metrics, self._end = settings, metrics, fail
        self._failed: BaseException | None = None
        self._threads = ThreadPoolExecutor(64, "store")
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._taking: dict[int, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._paused: set[int] = set()
        self._room = asyncio.Event()
        self._stopping = False

    def positions(self) -> dict[int, int]:
        """Return the next input offset of every partition that is restored."""
        return {number: owned.engine.offset for number, owned in self.owned.items() if owned.restored}

    def passed(self, number: int, reached: int, position: int) -> None:
        """Take note that after the record before ``reached`` there is none below ``position``."""
        owned = self.owned.get(number)
        if owned is not None and owned.restored:
            owned.passed(reached, position)

    def committed(self) -> dict[int, int]:
        """Return the next input offset that each partition's last committed transaction says."""
        return {number: owned.committed for number, owned in self.owned.items() if owned.restored}

    async def apply(self, event: EventT[Any]) -> None:
        """Apply one run when there is room; runs of partitions that are not ours (any more) are let go."""
        run: Run = event.value
        owned = self.owned.get(event.message.partition)
        if owned is None or not owned.restored or self._stopping:
            event.ack()
            return
        self._watch_for_poison(len(run.records), owned.apply(event, run))
        while self._uncommitted() > MOST_UNCOMMITTED and not self._stopping:
            self._room.clear()
            await self._room.wait()

    async def revoke(self, numbers: Iterable[int]) -> None:
        """Commit what was applied, and then write nothing until it is clear who has the partitions next."""
        kept = [self.owned[number] for number in numbers if number in self.owned]
        self._paused |= {owned.number for owned in kept}
        await asyncio.gather(*(self._commit(owned) for owned in kept))

    def assign(self, numbers: Iterable[int]) -> None:
        """Let go of what is not ours any more and begin to take what is new."""
        wanted = set(numbers)
        for number in [number for number in self.owned if number not in wanted]:
            self._drop(number)
        for number in sorted(wanted - self.owned.keys()):
            self._take(number)
        self._paused.clear()
        self.assigned_at = time.monotonic()
        crash_point("during-rebalance")

    async def taken(self) -> None:
        """Wait until everything assigned is restored, what a rebalance meanwhile assigns included.

        Reading goes on behind this from where the partitions are: one not restored yet would be read from anywhere.
        """
        while self._taking:
            waited = dict(self._taking)
            await asyncio.gather(*waited.values())
            for number in [number for number, task in waited.items() if self._taking.get(number) is task]:
                del self._taking[number]
            gc.freeze()  # what was restored stays: looking through it again and again costs 20 to 50 % of the time
            _give_back()

    async def stop(self) -> None:
        """Apply nothing more and commit what was applied; raise what kept any of it from being committed, now or before."""
        self._stopping = True
        self._room.set()
        await asyncio.gather(*(self._commit(owned) for owned in self.owned.values()))
        if self._failed is not None:
            raise self._failed

    def abandon(self) -> None:
        """Write nothing more; what is not committed will be read again."""
        self._stopping = True
        self._room.set()
        for task in [*self._tasks.values(), *self._taking.values()]:
            task.cancel()
        for owned in self.owned.values():
            owned.abandon()

    def _fail(self, error: BaseException) -> None:
        if self._failed is None:
            self._failed = error
        self._end(error)

    def _watch_for_poison(self, records: int, refusals: list[Refusal]) -> None:
        now = time.monotonic()
        self.poison.see(records, refusals, now)
        if self.poison.fatal(now):
            self._fail(InputError(f"{self.poison.problem(now)}: {CURE}"))

    def _uncommitted(self) -> int:
        return sum(owned.uncommitted for owned in self.owned.values())

    def _take(self, number: int) -> None:
        owned = self.owned[number] = Owned(self._settings, number, self._metrics, self._threads)
        self._taking[number] = asyncio.create_task(self._restore(owned))
        self._tasks[number] = asyncio.create_task(self._commit_always(owned))

    def _drop(self, number: int) -> None:
        owned = self.owned.pop(number)
        self._tasks.pop(number).cancel()
        self._taking.pop(number, None)
        closing = asyncio.create_task(owned.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        log(logger, logging.INFO, "Let go of a partition.", partition=number)

    async def _restore(self, owned: Owned) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, owned.take)
        except Exception as error:  # noqa: BLE001 - whatever it is, the process ends with it
            if self.owned.get(owned.number) is owned:  # else it went to another worker, which fenced us: as it should
                self._fail(error)

    async def _commit_always(self, owned: Owned) -> None:
        while True:
            began = time.monotonic()
            if owned.number not in self._paused:
                await self._commit(owned)
            interval = commit_interval(self._settings.worker.commit_interval, owned.behind)
            await asyncio.sleep(max(0.0, began + interval - time.monotonic()))

    async def _commit(self, owned: Owned) -> None:
        commit = asyncio.ensure_future(owned.commit())
        commit.add_done_callback(_heard)  # it goes on when this is cancelled, as the process ends for another reason
        try:
            await asyncio.shield(commit)
        except Exception as error:  # noqa: BLE001 - a commit task that ended without a word would only look like a stall
            self._fail(error)
        self._room.set()


def _heard(commit: asyncio.Future[bool]) -> None:
    """Look at how a commit ended, or asyncio would tell of it as of an error that nobody knows."""
    if not commit.cancelled():
        commit.exception()


def commit_interval(wanted: float, behind: float) -> float:
    """Return the seconds from one commit to the next: a tenth of what the figures are behind anyway, within its bounds.

    A commit writes each contact and pane that changed once, however many events changed it, so catching up with few and large
    commits costs half of what it costs with many.

    >>> commit_interval(0.25, 0.1), commit_interval(0.25, 5.0), commit_interval(0.25, 3600.0), commit_interval(3.0, 3600.0)
    (0.25, 0.5, 2.0, 3.0)
    """
    return max(wanted, min(behind / 10, LONGEST_INTERVAL))


def _give_back() -> None:
    """Return to the system what restoring freed: glibc keeps it, as much again as what was restored."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
