"""Which panes cover a stretch of time: each interval of each partition once, as a quarter of an hour or in its day.

Quarters are let go of some days behind their partition's watermark (35, with breakdowns 8). A day takes an interval in once it is
out of reach of late events, behind the watermark of its own partition; so a partition where nothing happens keeps its last intervals
apart, and they are added to the days of the others:

    zone of the slice     |  midnight   |  midnight   |  midnight = horizon
    partitions at work    |==== day ====|==== day ====|-|-|-|-|-|-|-|-|-|-|-> quarters
    an idle one           |==== day ====|=====|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-> quarters
                                          graduated

Days are let go of too (after 400). What begins before the first that is kept is refused: nobody can tell its figures from 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from schemas.fields import rfc3339
from schemas.panes import PartitionStatus
from streams.engine.policy import DAY, INTERVAL, SECOND, Days, Policy
from streams.engine.slices import BREAKDOWNS, Slice
from streams.errors import InputError
from streams.kpis.panes import PaneStore, Total
from streams.kpis.windows import zone_of

_QUARTER: Final = INTERVAL // SECOND
_NARROW: Final = frozenset({None, "queue", "channel", "hour", "weekday"})
"""Questions that queues' own panes answer, which are kept for longer than those of breakdowns."""


class Piece(NamedTuple):
    """A slice's sum in a pane, and the pane's start and length in microseconds."""

    of: Slice
    total: Total
    start: int
    length: int


class Coverage:
    """The panes of a store, as they cover stretches of time."""

    def __init__(self, policy: Policy, store: PaneStore, partitions: Mapping[int, PartitionStatus]) -> None:
        self._policy = policy
        self._store = store
        self._partitions = partitions
        self._days: dict[str, Days] = {}
        everyone = {limits.time_zone for limits in policy.queues.values()}
        self._zones = sorted(everyone | {policy.defaults.time_zone})

    def zone_of(self, queue: str | None) -> str:
        """Return the zone of a queue, the deployment's for None."""
        return zone_of(self._policy, queue)

    def local(self, queue: str | None, time_us: int) -> datetime:
        """Return a time as the clocks of a queue show it."""
        zone = self._days_of(self.zone_of(queue)).zone
        return datetime.fromtimestamp(time_us // SECOND, UTC).astimezone(zone)

    def panes(self, begin: int, end: int, by: str | None, wanted: Callable[[Slice], bool]) -> Iterator[Piece]:
        """Yield the wanted slices of all panes that lie in a stretch of quarters; days that an edge cuts are left out."""
        horizons = self._horizons(by)
        latest = max(horizons.values())
        since = {queue: horizons[self.zone_of(queue)] for queue in self._store.queues()}
        if begin < latest:
            yield from self._before(begin, min(end, latest), by, since, wanted)
        breakdowns: set[str | None] = {None, by} if by in BREAKDOWNS else {None}
        for start in self._starts(INTERVAL, max(begin, min(horizons.values())), end):
            for of, total in self._sums(INTERVAL, start, breakdowns):
                if wanted(of) and start >= since[of.queue]:
                    yield Piece(of, total, start, INTERVAL)

    def sliding(self, begin: int, end: int, by: str | None, wanted: Callable[[Slice], bool]) -> Iterator[Piece]:
        """Yield the wanted slices of the panes of 10 s in a stretch; they are kept for hours only."""
        breakdowns: set[str | None] = {None, by} if by in BREAKDOWNS else {None}
        for block in self._store.blocks(begin // SECOND, end // SECOND):
            start, length = (seconds * SECOND for seconds in block)
            for breakdown in breakdowns:
                for of, total in self._store.block(block, breakdown):
                    if wanted(of):
                        yield Piece(of, total, start, length)

    def days(self, begin: int, end: int, wanted: Callable[[Slice], bool]) -> Iterator[Piece] | None:
        """Return the wanted queues' own panes of whole days of their zone, however old: a tenth of the work of quarters; None if gone."""
        since = dict.fromkeys(self._store.queues(), end)
        return self._before(begin, end, "queue", since, wanted) if begin >= self._since("queue") else None

    def check(self, begin: int, end: int, by: str | None, wanted: Callable[[Slice], bool]) -> None:
        """Raise InputError when a stretch begins before what is kept, or an edge cuts a day without its quarters."""
        since = self._since(by)
        if begin < since:
            message = f"from: expected a time since {rfc3339(since)}: of what was before figures are no longer kept"
            raise InputError(message)
        for edge in (begin, end):
            for of in self.cut(edge, by):
                if wanted(of):
                    kept = (self._kept(by) or 0) // DAY
                    message = (
                        f"from, to: quarters of an hour are kept for {kept} days; "
                        f"before that days of the queue's zone ({self.zone_of(of.queue)}) are needed"
                    )
                    raise InputError(message)

    def cut(self, edge: int, by: str | None) -> Iterator[Slice]:
        """Yield the slices of which a day is needed that a time cuts."""
        for zone, horizon in self._horizons(by).items():
            if edge >= horizon:
                continue
            start, end = self._days_of(zone).around(edge)
            if start < edge and self._store.has((end - start) // SECOND, start // SECOND):
                for of, _ in self._sums(end - start, start, {None}):
                    if self.zone_of(of.queue) == zone:
                        yield of

    def _before(
        self, begin: int, end: int, by: str | None, since: Mapping[str | None, int], wanted: Callable[[Slice], bool]
    ) -> Iterator[Piece]:
        """Yield the days before each queue's horizon, and of each partition the quarters that are not in them yet."""
        breakdowns: set[str | None] = {None, by} if by in {*BREAKDOWNS, "hour"} else {None}
        for length in [length * SECOND for length in self._store.lengths() if length > _QUARTER]:
            for start in self._starts(length, begin, end):
                for of, total in self._sums(length, start, breakdowns):
                    if wanted(of) and start + length <= since[of.queue]:
                        yield Piece(of, total, start, length)
        for partition, status in self._partitions.items():
            for start in self._starts(INTERVAL, max(begin, status.graduated), end):
                for breakdown in breakdowns:
                    for of, total in self._store.part(_QUARTER, start // SECOND, breakdown, partition):
                        if wanted(of) and start < since[of.queue]:
                            yield Piece(of, total, start, INTERVAL)

    def _starts(self, length: int, begin: int, end: int) -> Iterator[int]:
        return (start * SECOND for start in self._store.starts(length // SECOND, begin // SECOND, end // SECOND))

    def _sums(self, length: int, start: int, breakdowns: set[str | None]) -> Iterator[tuple[Slice, Total]]:
        for breakdown in breakdowns:
            yield from self._store.sums(length // SECOND, start // SECOND, breakdown)

    def _kept(self, by: str | None) -> int | None:
        keep = self._policy.retention
        return keep.intervals if by in _NARROW else keep.breakdowns

    def _since(self, by: str | None) -> int:
        """Return when what is kept to answer a question begins: a midnight of any zone, or without days a quarter."""
        kept, days, watermark = self._kept(by), self._policy.retention.days, self._watermark()
        if kept is None or days is None:
            return 0
        if days == 0:
            return max(0, (watermark - kept) // INTERVAL * INTERVAL)
        return (
            max(0, *(self._days_of(zone).around(watermark - days)[0] for zone in self._zones))
            if watermark > days
            else 0
        )

    def _watermark(self) -> int:
        return max((status.watermark for status in self._partitions.values()), default=0)

    def _horizons(self, by: str | None) -> dict[str, int]:
        """Return for each zone the midnight from which on quarters answer a question; days answer before it."""
        kept = self._kept(by)
        watermark = self._watermark()
        if kept is None or watermark <= kept:
            return dict.fromkeys(self._zones, 0)
        return {zone: self._days_of(zone).around(watermark - kept)[1] for zone in self._zones}

    def _days_of(self, zone: str) -> Days:
        return self._days.setdefault(zone, Days(zone))
