"""How the worker is: lag, hanging transactions, readiness; and a watchdog that ends a worker that stands still.

The watchdog is a thread of its own: it works when the event loop hangs, which is one of the ways to stand still.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time

from confluent_kafka import TopicPartition

from streams.broker.topics import TopicSet
from streams.errors import BrokerError, StalledError
from streams.settings import Settings
from streams.telemetry import log
from streams.worker.ends import Ends
from streams.worker.metrics import Metrics
from streams.worker.owner import Owner

logger = logging.getLogger(__name__)
EVERY = 1.0
"""Seconds between two looks."""
LAST_WORDS = 5.0
"""Seconds for the watchdog's last log line; a log that nobody reads must not keep a worker that stands still."""


class Monitor:
    """Looks every second; `problems` says why the worker is not ready."""

    def __init__(self, settings: Settings, owner: Owner, metrics: Metrics) -> None:
        self._settings, self._owner, self._metrics = settings, owner, metrics
        self._topics = TopicSet(settings.kafka.prefix)
        self._lag: dict[int, int] = {}
        self._unstable: dict[tuple[str, int], tuple[int, float]] = {}
        self._looked_at: float | None = None
        self._alive_at = time.monotonic()

    async def run(self) -> None:
        """Look until cancelled."""
        ends = Ends(self._settings)
        while True:
            self._alive_at = time.monotonic()
            await self._look(ends)
            self._metrics.ready.set(not self.problems())
            self._metrics.all_refused.set(self._owner.poison.seconds(time.monotonic()))
            await asyncio.sleep(EVERY)

    def watch(self) -> threading.Thread:
        """Start the watchdog."""
        thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        thread.start()
        return thread

    def problems(self) -> list[str]:
        """Return what stands in the way of being ready; nothing means ready."""
        found = [
            f"partition {number} is being restored" for number, owned in self._owner.owned.items() if not owned.restored
        ]
        if self._owner.assigned_at is None:
            found.append("no partitions are assigned yet")
        if self._looked_at is None or time.monotonic() - self._looked_at > self._settings.worker.progress_timeout:
            found.append("the broker does not tell how far the input goes")
        poison = self._owner.poison.problem(time.monotonic())
        return found + self._hanging() + self._standing() + ([poison] if poison else [])

    def _standing(self) -> list[str]:
        """Name the partitions that have lag and no progress for half the time that the watchdog allows."""
        limit = self._settings.worker.progress_timeout / 2
        return [f"partition {number} has lag and makes no progress" for number in self._stalled(limit)]

    def _stalled(self, limit: float) -> list[int]:
        now = time.monotonic()
        owned = list(self._owner.owned.items())
        return [
            number for number, one in owned
            if now - one.progress_at > limit and (not one.restored or self._lag.get(number, 0) > 0)
        ]  # fmt: skip

    def _hanging(self) -> list[str]:
        """Name the partitions on which one transaction is open for longer than any of ours may be."""
        limit = time.monotonic() - 2 * self._settings.worker.transaction_timeout
        hanging = [place for place, (_, since) in self._unstable.items() if since < limit]
        return [f"a transaction hangs on {topic}-{number}" for topic, number in hanging]

    async def _look(self, ends: Ends) -> None:
        numbers = list(self._owner.owned)
        names = (self._topics.events, self._topics.state, self._topics.kpis)
        places = [TopicPartition(topic, number) for topic in names for number in numbers]
        try:
            found = await asyncio.to_thread(ends.of, places)
        except BrokerError as error:
            log(logger, logging.WARNING, "The broker does not answer.", error=error)
            return
        self._looked_at = time.monotonic()
        before, self._unstable = self._unstable, {}
        for place, end in found.items():
            self._metrics.unstable.labels(place[0], str(place[1])).set(end.high - end.stable)
            if end.high > end.stable:
                # Under load something is always open; one transaction hangs when the stable end stands still before it.
                stable, since = before.get(place, (end.stable, self._looked_at))
                self._unstable[place] = (end.stable, since if stable == end.stable else self._looked_at)
        for number, one in list(self._owner.owned.items()):
            end_of_input = found.get((self._topics.events, number))
            if end_of_input is not None and one.restored:
                self._measure(number, end_of_input.stable - one.committed, one.progress_at)

    def _measure(self, number: int, lag: int, progress_at: float) -> None:
        if lag > 0 and self._lag.get(number, 0) <= 0:
            # An idle partition has made no progress either: its time runs from the first event that waits.
            self._owner.owned[number].progress_at = max(progress_at, time.monotonic())
        self._lag[number] = max(0, lag)
        self._metrics.lag.labels(str(number)).set(max(0, lag))

    def _watch(self) -> None:
        limit = self._settings.worker.progress_timeout
        while True:
            time.sleep(EVERY)
            stalled = self._stalled(limit)
            if stalled or time.monotonic() - self._alive_at > limit:
                what = f"partitions {stalled}" if stalled else "the event loop"
                _end(what)


def _end(stalled: str) -> None:
    """End the process: after saying so, or without when the log hangs."""
    timer = threading.Timer(LAST_WORDS, os._exit, [StalledError.exit_code])
    timer.daemon = True
    timer.start()
    log(logger, logging.ERROR, "No progress: the worker ends, to be started again.", stalled=stalled)
    logging.shutdown()
    os._exit(StalledError.exit_code)
