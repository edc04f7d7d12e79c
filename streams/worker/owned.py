"""One partition in this worker's hands: its engine, its store, and the runs applied but not yet committed."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from faust.types import EventT

from streams.broker.topics import TopicSet
from streams.engine.partition import Changes, Partition, Record, Refusal, StateCorruptError
from streams.errors import FencedError, StateError
from streams.settings import Settings
from streams.telemetry import log
from streams.worker import marker
from streams.worker.letters import Letter, letter
from streams.worker.metrics import Metrics
from streams.worker.runs import Run
from streams.worker.store import Store

logger = logging.getLogger(__name__)
Clock = Callable[[], int]


def now_us() -> int:
    """Return the wall clock in microseconds since the epoch."""
    return time.time_ns() // 1000


class Owned:
    """Take it, apply runs, commit at every interval. All but `take` run in the event loop."""

    def __init__(self, settings: Settings, number: int, metrics: Metrics, threads: Executor) -> None:
        self.number = number
        self.engine = Partition(number, settings.policy, write_behind=True)
        self.restored = False
        self.uncommitted = 0
        self.behind = 0.0
        """Seconds that the last run had lain in Kafka when it was applied; 0 when none has come since the last commit."""
        self.committed = 0
        self.progress_at = time.monotonic()
        self._settings, self._metrics, self._threads = settings, metrics, threads
        self._events = TopicSet(settings.kafka.prefix).events
        self._store = Store(settings, number)
        self._lock = asyncio.Lock()
        self._in_take = threading.Lock()
        self._runs: list[EventT[Any]] = []
        self._letters: list[Letter] = []
        self._refused: list[Refusal] = []
        self._exported = self._counts()
        self._closed = False

    def take(self) -> None:
        """Fence, restore and check the marker; blocks, for a thread. FencedError: it was let go of meanwhile."""
        with self._in_take:
            self._take()

    def _take(self) -> None:
        began = time.monotonic()
        self._refuse_closed()  # fencing now would end the transactions of whoever has it
        self._store.fence()
        self._refuse_closed()
        written = self._store.written()
        try:
            records, known, start = self._restore()
        except StateError as error:
            if self._store.written() != written:  # a successor has fenced us: what we see is half before and half after
                raise FencedError(f"partition {self.number}: another worker has taken it meanwhile") from error
            raise
        self._refuse_closed()
        self.engine.offset = start
        self.committed = start if known else 0
        self._exported = self._counts()
        self.restored, self.progress_at = True, time.monotonic()
        self._metrics.restored.labels(str(self.number)).set(1)
        seconds = round(time.monotonic() - began, 3)
        log(
            logger, logging.INFO, "Took a partition.",
            partition=self.number, offset=start, records=records, seconds=seconds,
        )  # fmt: skip

    def _restore(self) -> tuple[int, bool, int]:
        """Return how many records there were, whether there was a marker, and where to go on."""
        try:
            records = self._store.restore(self.engine.restore_state, self.engine.restore_kpis, self._tell_progress)
            found = self.engine.restored()
        except (ValueError, OverflowError) as error:
            raise StateError(f"partition {self.number}: {error}: {marker.CURE}") from error
        marker.refuse_foreign(self._settings, self.number, found.writer)
        if found.state != found.figures:
            raise StateError(f"partition {self.number}: its panes and its state are of different times: {marker.CURE}")
        known = found.state is not None
        group = marker.look(self._settings, self.number)
        return records, known, marker.begin(self.number, self.engine.offset if known else None, group)

    def apply(self, event: EventT[Any], run: Run) -> list[Refusal]:
        """Let the engine have a run and return what it refuses; it is acknowledged when its transaction has committed."""
        if run.follows is not None and run.follows > self.engine.offset:
            seen = f"read {run.follows}, expected at most {self.engine.offset}"
            raise FencedError(f"partition {self.number}: records were lost on the way ({seen}): reading again")
        records = [Record(r.offset, r.timestamp * 1000, r.key, r.value) for r in run.records]
        with self._all_or_nothing():
            refusals = self.engine.process(records)
        if refusals:
            self._refuse(refusals, run)
        self._runs.append(event)
        self.uncommitted += len(records)
        self.behind = max(0.0, (now_us() - records[-1].timestamp_us) / 1e6)
        return refusals

    def passed(self, reached: int, position: int) -> None:
        """Step over offsets that hold no records, when every record before them is applied."""
        if reached <= self.engine.offset < position:
            self.engine.offset = position

    async def commit(self) -> bool:
        """Write what changed in one transaction, then acknowledge its runs; False when there was nothing to write."""
        async with self._lock:
            if self._closed or not self.restored:
                return False
            with self._all_or_nothing():
                self.engine.advance(now_us())
                if not self._runs:
                    self.behind = 0.0
                if not (self._runs or self.engine.has_changes):
                    return False
                await self._write()
            return True

    def abandon(self) -> None:
        """Commit nothing more; the runs are let go, so that Faust does not wait for them."""
        self._closed = True
        for run in self._runs:
            run.ack()

    async def close(self) -> None:
        """Let go, without a commit: another worker has the partition, or this one ends."""
        self._closed = True
        async with self._lock:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._close)
        self._metrics.forget(self.number)

    def _close(self) -> None:
        with self._in_take:  # what a take opens after its partition is gone would stay open
            self._store.close()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise FencedError(f"partition {self.number}: let go of while it was being taken")

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """After a failure write nothing more: the engine may be ahead of what is written, or halfway through a record."""
        try:
            yield
        except (OverflowError, StateCorruptError) as error:
            self._closed = True
            raise StateError(f"partition {self.number}: a pane cannot be right: {error}: {marker.CURE}") from error
        except BaseException:
            self._closed = True
            raise

    async def _write(self) -> None:
        runs, self._runs = self._runs, []
        letters, self._letters = self._letters, []
        refused, self._refused = self._refused, []
        records, offset, counts = self.uncommitted, self.engine.offset, self._counts()
        state, kpis = self.engine.flush()
        changes = Changes(marker.signed(state, self._settings), kpis)
        began = time.monotonic()
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._threads, self._store.commit, changes, letters)
        finally:  # after a failure too: Faust would wait for them instead of leaving the group
            for run in runs:
                run.ack()
        self._metrics.commit_seconds.observe(time.monotonic() - began)
        self.committed, self.progress_at = offset, time.monotonic()
        self.uncommitted -= records
        self._count(counts, refused)

    def _refuse(self, refusals: list[Refusal], run: Run) -> None:
        headers = {record.offset: record.headers for record in run.records}
        self._refused += refusals
        self._letters += [letter(one, self._events, self.number, headers[one.record.offset]) for one in refusals]

    def _counts(self) -> tuple[int, int, int]:
        return self.engine.counted, self.engine.duplicate, sum(self.engine.refused.values())

    def _count(self, counts: tuple[int, int, int], refused: list[Refusal]) -> None:
        for outcome, now, before in zip(("counted", "duplicate", "refused"), counts, self._exported, strict=True):
            self._metrics.events.labels(outcome).inc(now - before)
        self._exported = counts
        for one in refused:
            self._metrics.dead_letters.labels(str(one.reason)).inc()
        self._metrics.commits.inc()
        self._metrics.watermark.labels(str(self.number)).set(self.engine.watermark / 1e6)

    def _tell_progress(self, done: int, total: int) -> None:
        self._refuse_closed()
        self.progress_at = time.monotonic()
        self._metrics.restored.labels(str(self.number)).set(min(0.99, done / max(1, total)))
        log(logger, logging.DEBUG, "Restoring.", partition=self.number, records=done, offsets=total)
