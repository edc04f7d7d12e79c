"""Panes: stretches of event time cut into slices, each with a bundle of measures and its histograms.

Credits are added to what is pending; `flush` adds what is pending to the totals and returns the
records of the panes that changed. An interval is rolled up into its day once the allowed lateness has passed. Whatever order credits and withdrawals came in, the totals are the same. Panes further
behind the watermark than their retention are dropped, and what is still credited to them is dropped too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Struct, field

from schemas.panes import Pane
from streams.engine.credits import HISTOGRAMS
from streams.engine.measures import SHIFT, measures
from streams.engine.policy import INTERVAL, SECOND, SLIDING, Days, Policy, Retention
from streams.engine.records import Records
from streams.engine.slices import Slice, Slices, spread

Changed = dict[tuple[int, int], set[int]]
"""Slices that changed, by (length, start) of their pane."""
_CODES = 17
"""Bits that a bucket's code takes in the key of a histogram's count."""
_MASK = (1 << _CODES) - 1
_HALF = 1 << 15
_NEVER = 1 << 62


Histograms = dict[str, dict[int, int]]
"""Counts by histogram and bucket."""


class Told(Struct, frozen=True, omit_defaults=True):
    """A `Pane` as it is written: the same JSON from a structure of all measures."""

    measures: Struct
    histograms: Histograms = field(default_factory=dict)


class Stretch:
    """All slices of one stretch of time: bundles by slice, and histograms by slice. Nothing is kept of what becomes 0."""

    __slots__ = ("bundles", "histograms")

    def __init__(self) -> None:
        self.bundles: dict[int, int] = {}
        self.histograms: dict[int, Histograms] = {}

    def credit(self, bundles: dict[int, int], counts: dict[int, int], groups: list[tuple[int, ...]]) -> set[int]:
        """Add bundles by place and counts by (place, bucket code); return the slices that these places are."""
        touched: set[int] = set()
        for place, bundle in bundles.items():
            if bundle:
                numbers = spread(place, groups)
                touched.update(numbers)
                for number in numbers:
                    self._add(number, bundle)
        for key, count in counts.items():
            if count:
                numbers = spread(key >> _CODES, groups)
                touched.update(numbers)
                name, index = HISTOGRAMS[(key & _MASK) >> 16], (key & 0xFFFF) - _HALF
                for number in numbers:
                    self._count(number, name, index, count)
        return touched

    def merge(self, number: int, bundle: int, histograms: Histograms) -> None:
        """Add a bundle and histograms to a slice."""
        self._add(number, bundle)
        for name, counts in histograms.items():
            for index, count in counts.items():
                self._count(number, name, index, count)

    def _add(self, number: int, bundle: int) -> None:
        total = self.bundles.get(number, 0) + bundle
        if total:
            self.bundles[number] = total
        else:
            self.bundles.pop(number, None)

    def _count(self, number: int, name: str, index: int, count: int) -> None:
        histograms = self.histograms.get(number)
        if histograms is None:
            self.histograms[number] = {name: {index: count}}
            return
        counts = histograms.get(name)
        if counts is None:
            histograms[name] = {index: count}
            return
        total = counts.get(index, 0) + count
        if total:
            counts[index] = total
        else:
            self._forget(number, name, index)

    def _forget(self, number: int, name: str, index: int) -> None:
        histograms = self.histograms[number]
        del histograms[name][index]
        if not histograms[name]:
            del histograms[name]
        if not histograms:
            del self.histograms[number]


class Pending:
    """Credits not yet in the totals: by start, bundles by place and counts by (place, bucket code)."""

    __slots__ = ("bundles", "counts", "length")

    def __init__(self, length: int) -> None:
        self.length = length
        self.bundles: dict[int, dict[int, int]] = {}
        self.counts: dict[int, dict[int, int]] = {}

    def add(self, time: int, place: int, bundle: int, code: int | None, sign: int) -> None:
        """Add a bundle to the pane of ``time`` in a place, and ``sign`` to the bucket."""
        start = time - time % self.length
        try:
            cells = self.bundles[start]
        except KeyError:
            cells = self.bundles[start] = {}
        cells[place] = cells.get(place, 0) + bundle
        if code is not None:
            counts = self.counts.setdefault(start, {})
            key = place << _CODES | code
            counts[key] = counts.get(key, 0) + sign

    def take(self) -> Iterator[tuple[int, dict[int, int], dict[int, int]]]:
        """Yield (start, bundles by place, counts by place and bucket code) and forget them."""
        bundles, counts = self.bundles, self.counts
        self.bundles, self.counts = {}, {}
        for start, cells in bundles.items():
            yield start, cells, counts.get(start, {})


class Floors:
    """Panes that end by these times have been let go of (microseconds), by kind."""

    __slots__ = ("breakdowns", "days", "intervals", "sliding")

    def __init__(self) -> None:
        self.sliding = self.breakdowns = self.intervals = self.days = -_NEVER


class Panes:
    """The panes of one partition."""

    def __init__(self, policy: Policy, slices: Slices) -> None:
        self._policy = policy
        self._keep: Retention = policy.retention
        self._slices = slices
        self._zones: dict[str, Days] = {}
        self._sliding = Pending(SLIDING)
        self._intervals = Pending(INTERVAL)
        self.stretches: dict[tuple[int, int], Stretch] = {}
        """By (length, start) in microseconds."""
        self.graduated = 0
        """Intervals that end by then are in their days (microseconds)."""
        self._floors = Floors()
        self._sliding_from = _NEVER if policy.retention.sliding == 0 else -_NEVER
        """What is credited to an earlier time reaches no sliding pane any more."""
        self._dropped: dict[int, int] = {}

    def credit(self, time: int, place: int, bundle: int, code: int | None, sign: int) -> None:
        """Credit a bundle (already negative when withdrawn; ``sign`` says it for the bucket) to a time."""
        self._intervals.add(time, place, bundle, code, sign)
        if time >= self._sliding_from:
            self._sliding.add(time, place, bundle, code, sign)

    def credit_time(self, begin: int, end: int, place: int, measure: str, sign: int) -> None:
        """Credit a stretch of an agent's time, split over the intervals that it spans (CLIP)."""
        shift = SHIFT[measure]
        while begin < end:
            border = min(end, begin - begin % INTERVAL + INTERVAL)
            self._intervals.add(begin, place, sign * ((border - begin) << shift), None, sign)
            begin = border

    @property
    def pending(self) -> bool:
        """Tell whether anything was credited since the last flush."""
        return bool(self._intervals.bundles)

    def flush(self, watermark: int, now: int) -> Records:
        """Bring the totals up to date and return the records of what changed, deletions included.

        ``now`` (the clock when live, else the watermark) lets go of sliding panes, which no window reaches any more; so catching up with
        a backlog does not write them only to delete them.
        """
        changed: Changed = {}
        self._raise_floors(watermark, max(now, watermark))
        self._merge(self._sliding, self._slices.firsts, changed)
        self._merge(self._intervals, self._slices.groups, changed)
        self._graduate(watermark, changed)
        records = [record for pane, numbers in changed.items() for record in self._records(pane, numbers)]
        records.extend(self._expire(SLIDING, max(now, watermark)))
        records.extend(self._expire(INTERVAL, watermark))
        return records

    def _merge(self, pending: Pending, groups: list[tuple[int, ...]], changed: Changed) -> None:
        """Add what is pending to its panes."""
        closed = self._floors.sliding if pending.length == SLIDING else self.graduated
        for start, cells, counts in pending.take():
            pane = (pending.length, start)
            if start + pending.length > closed:
                stretch = self.stretches.setdefault(pane, Stretch())
                changed.setdefault(pane, set()).update(stretch.credit(cells, counts, groups))
            elif pending.length == INTERVAL:
                late = Stretch()
                late.credit(cells, counts, groups)
                self._merge_late(pane, late, changed)

    def _merge_late(self, pane: tuple[int, int], late: Stretch, changed: Changed) -> None:
        """Add what belongs to a graduated interval to its day, and to itself where it is kept."""
        for number in late.bundles.keys() | late.histograms.keys():
            bundle, histograms = late.bundles.get(number, 0), late.histograms.get(number, {})
            self._roll_up(pane[1], number, bundle, histograms, changed)
            if not self._expired(*pane, number):
                self._add(pane, number, bundle, histograms, changed)

    def _graduate(self, watermark: int, changed: Changed) -> None:
        """Add the intervals that no late event can reach any more to their days, once each."""
        until = watermark - self._policy.lateness
        if self._keep.days == 0 or until - until % INTERVAL <= self.graduated:
            return
        before, self.graduated = self.graduated, until - until % INTERVAL
        ready = [
            start
            for length, start in self.stretches
            if length == INTERVAL and before < start + INTERVAL <= self.graduated
        ]
        for start in sorted(ready):
            stretch = self.stretches[INTERVAL, start]
            for number, bundle in stretch.bundles.items():
                self._roll_up(start, number, bundle, stretch.histograms.get(number, {}), changed)

    def _raise_floors(self, watermark: int, now: int) -> None:
        """Let go of what its retention no longer reaches; a floor never falls, so nothing dropped is withdrawn from later."""
        keep, floors = self._keep, self._floors
        if keep.sliding is not None:
            floors.sliding = max(floors.sliding, now - keep.sliding)
        if keep.breakdowns is not None:
            floors.breakdowns = max(floors.breakdowns, watermark - keep.breakdowns)
        if keep.intervals is not None:
            floors.intervals = max(floors.intervals, watermark - keep.intervals)
        if keep.days is not None:
            floors.days = max(floors.days, watermark - keep.days)
        if keep.sliding:
            self._sliding_from = floors.sliding - SLIDING

    def told(self) -> tuple[int, int, int, int, int]:
        """Return what the marker has to remember: how far intervals are in their days, and panes dropped."""
        floors = self._floors
        return self.graduated, floors.sliding, floors.breakdowns, floors.intervals, floors.days

    def remember(self, told: tuple[int, int, int, int, int]) -> None:
        """Know after restoring what `told` returned, whatever retention and lateness are now."""
        self.graduated = told[0]
        _, self._floors.sliding, self._floors.breakdowns, self._floors.intervals, self._floors.days = told

    def _add(self, pane: tuple[int, int], number: int, bundle: int, histograms: Histograms, changed: Changed) -> None:
        self.stretches.setdefault(pane, Stretch()).merge(number, bundle, histograms)
        changed.setdefault(pane, set()).add(number)

    def _roll_up(self, start: int, number: int, bundle: int, histograms: Histograms, changed: Changed) -> None:
        """Add an interval, or its change, to its day in the queue's zone, and to that day's hour."""
        name = self._slices.names[number]
        days = self.days_of(name.queue)
        midnight, next_midnight = days.around(start)
        if next_midnight <= self._floors.days:
            return
        day = (next_midnight - midnight, midnight)
        self._add(day, number, bundle, histograms, changed)
        if name.breakdown is None:
            hour = self._slices.number(Slice(name.channel, name.queue, "hour", days.hour(start)))
            self._add(day, hour, bundle, histograms, changed)

    def days_of(self, queue: str | None) -> Days:
        """Return the days of a queue's zone."""
        zone = (self._policy.defaults if queue is None else self._policy.of(queue)).time_zone
        days = self._zones.get(zone)
        if days is None:
            days = self._zones[zone] = Days(zone)
        return days

    def _expired(self, length: int, start: int, number: int) -> bool:
        return start + length <= self._floor(length, number)

    def _floor(self, length: int, number: int) -> int:
        if length == SLIDING:
            return self._floors.sliding
        if length != INTERVAL:
            return self._floors.days
        narrow = self._slices.names[number].breakdown is None
        return self._floors.intervals if narrow else self._floors.breakdowns

    def _expire(self, length: int, time: int) -> Iterator[tuple[bytes, None]]:
        """Drop what has outlived its retention, once for each stretch of time that a pane is long."""
        step = time - time % length
        if self._dropped.get(length) != step:
            self._dropped[length] = step
            yield from self._drop(sliding=length == SLIDING)

    def _drop(self, *, sliding: bool) -> Iterator[tuple[bytes, None]]:
        for pane in [pane for pane in self.stretches if (pane[0] == SLIDING) == sliding]:
            stretch = self.stretches[pane]
            gone = (
                [number for number in stretch.bundles if self._expired(*pane, number)] if self._reached(*pane) else []
            )
            for number in gone:
                del stretch.bundles[number]
                stretch.histograms.pop(number, None)
                yield _head(pane) + self._slices.suffixes[number], None
            if not stretch.bundles:
                del self.stretches[pane]

    def _reached(self, length: int, start: int) -> bool:
        """Tell whether any floor that may hold for panes of a length has passed one."""
        floors = self._floors
        highest = floors.sliding if length == SLIDING else floors.days
        if length == INTERVAL:
            highest = max(floors.intervals, floors.breakdowns)
        return start + length <= highest

    def _records(self, pane: tuple[int, int], numbers: set[int]) -> Records:
        stretch, head, suffixes = self.stretches[pane], _head(pane), self._slices.suffixes
        if not stretch.bundles:
            del self.stretches[pane]
        bundles, histograms = stretch.bundles, stretch.histograms
        return [
            (head + suffixes[number], _encode(Told(measures(bundles[number]), histograms.get(number, _NONE))))
            if number in bundles
            else (head + suffixes[number], None)
            for number in numbers
        ]

    def restore(self, key: tuple[object, ...], pane: Pane) -> None:
        """Take a pane back from its record; ``key`` is the decoded one, after "pane"."""
        length, start, *name = key
        number = self._slices.number(Slice(*name))  # type: ignore[arg-type]
        at = (int(length) * SECOND, int(start) * SECOND)  # type: ignore[call-overload]
        stretch = self.stretches.setdefault(at, Stretch())
        stretch.bundles[number] = sum(value << SHIFT[measure] for measure, value in pane.measures.items())
        if pane.histograms:
            stretch.histograms[number] = pane.histograms


_NONE: Final[Histograms] = {}
_encode = msgspec.json.Encoder().encode


def _head(pane: tuple[int, int]) -> bytes:
    """Return how the key of a pane's record begins, up to what it is cut by."""
    return b'["pane",%d,%d' % (pane[0] // SECOND, pane[1] // SECOND)
