"""Panes: stretches of event time cut into slices, each with a bundle of measures and its histograms.

Credits are added to what is pending; `flush` returns the records of what changed: the panes, or when little did the credits (ring.py). An
interval is rolled up into its day once the allowed lateness has passed. Whatever order credits and withdrawals came in, the totals are
the same. Panes further behind the watermark than their retention are dropped, and what is still credited to them is dropped too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from schemas.panes import PANES, Credits, decode_place, split_panes_key
from streams.engine.codes import CODES, MASK
from streams.engine.floors import Floors
from streams.engine.marker import PanesProgress, StateCorruptError
from streams.engine.measures import SHIFT
from streams.engine.policy import HOUR, INTERVAL, SECOND, SLIDING, Days, Policy, Retention, quarters
from streams.engine.records import Records
from streams.engine.ring import News, Ring, credited
from streams.engine.slices import Slice, Slices
from streams.engine.stretch import Histograms, Stretch

Changed = dict[tuple[int, int], set[int]]
"""Slices that changed, by (length, start) of their pane."""
_NEVER = 1 << 62
_RESTING = 3 * HOUR
"""A stretch that ended, or was rolled up, so long before the watermark is sealed."""
_RESTORED = 20_000
"""Records taken back after which a restore seals what it has."""


class Pending:
    """Credits not yet in the totals: by start, bundles by place and counts by (place, bucket code)."""

    __slots__ = ("bundles", "counts", "length")

    def __init__(self, length: int) -> None:
        self.length = length
        self.bundles: dict[int, dict[int, int]] = {}
        self.counts: dict[int, dict[int, int]] = {}

    def add(self, time: int, place: int, bundle: int, code: int | None, sign: int) -> None:
        """Add a bundle to the pane of ``time`` in a place, and ``sign`` to the bucket, or so many times the code's amount."""
        start = time - time % self.length
        try:
            cells = self.bundles[start]
        except KeyError:
            cells = self.bundles[start] = {}
        cells[place] = cells.get(place, 0) + bundle
        if code is not None:
            if not 0 <= code <= MASK:
                sign, code = sign * (code >> CODES), code & MASK
            counts = self.counts.setdefault(start, {})
            key = place << CODES | code
            counts[key] = counts.get(key, 0) + sign

    def take(self) -> Iterator[tuple[int, dict[int, int], dict[int, int]]]:
        """Yield (start, bundles by place, counts by place and bucket code) and forget them."""
        bundles, counts = self.bundles, self.counts
        self.bundles, self.counts = {}, {}
        for start, cells in bundles.items():
            yield start, cells, counts.get(start, {})


class Panes:
    """The panes of one partition."""

    def __init__(self, policy: Policy, slices: Slices, *, write_behind: bool = False) -> None:
        self._policy = policy
        self._keep: Retention = policy.retention
        self._slices = slices
        self._zones: dict[str, Days] = {}
        self._sliding = Pending(SLIDING)
        """What is of sliding panes, and of the intervals around them too."""
        self._intervals = Pending(INTERVAL)
        self._ring = Ring(slices, write_behind=write_behind)
        self.stretches: dict[tuple[int, int], Stretch] = {}
        """By (length, start) in microseconds."""
        self.graduated = 0
        """Intervals that end by then are in their days (microseconds)."""
        self._floors = self._looked = Floors()
        """As they are, and as they were when panes were last dropped."""
        self._sliding_from = _NEVER if policy.retention.sliding == 0 else -_NEVER
        """What is credited to an earlier time reaches no sliding pane any more."""
        self._dropped: dict[int, int] = {}
        self._places: dict[bytes, int] = {}
        """Places by their form in keys, while restoring."""
        self._restored = 0

    def credit(self, time: int, place: int, bundle: int, code: int | None, sign: int) -> None:
        """Credit a bundle (already negative when withdrawn; ``sign`` says it for the bucket) to a time."""
        (self._sliding if time >= self._sliding_from else self._intervals).add(time, place, bundle, code, sign)

    def credit_time(self, begin: int, end: int, place: int, measure: str, sign: int) -> None:
        """Credit a stretch of an agent's time, split over the intervals that it spans (CLIP)."""
        shift = SHIFT[measure]
        for start, border in quarters(begin, end):
            self._intervals.add(start, place, sign * ((border - start) << shift), None, sign)

    @property
    def pending(self) -> bool:
        """Tell whether anything was credited since the last flush."""
        return bool(self._intervals.bundles or self._sliding.bundles)

    def flush(self, watermark: int, now: int) -> Records:
        """Bring the totals up to date and return the records of what changed, deletions included.

        ``now`` (the clock when live, else the watermark) lets go of sliding panes, which no window reaches any more; so catching up with
        a backlog does not write them only to delete them.
        """
        changed: Changed = {}
        self._raise_floors(watermark, max(now, watermark))
        self._ring.add(list(self._news(changed)))
        until = watermark - self._policy.lateness
        until = max(until - until % INTERVAL, self.graduated)
        for pane in self._ring.due(lambda pane: self._is_closing(pane, until)):
            self._write(pane, changed)
        self._graduate(until, changed)
        records = [record for pane, numbers in changed.items() for record in self._records(pane, numbers)]
        records.extend(self._expire(SLIDING, max(now, watermark)))
        records.extend(self._expire(INTERVAL, watermark))
        return self._ring.record() + records

    def _news(self, changed: Changed) -> Iterator[News]:
        """Yield what is pending for panes that are open; what is late is added to its panes."""
        closed = self._closed()
        for start, bundles, counts in self._sliding.take():
            interval, sliding = credited((SLIDING, start))
            if sum(interval) <= closed:
                self._ring.note(sliding, bundles, counts)
                self._add_late(interval, bundles, counts, changed)
            else:
                yield News(sliding, bundles, counts)
        for start, bundles, counts in self._intervals.take():
            pane = (INTERVAL, start)
            if start + INTERVAL <= closed:
                self._add_late(pane, bundles, counts, changed)
            else:
                yield News(pane, bundles, counts)

    def _is_closing(self, pane: tuple[int, int], until: int) -> bool:
        """Tell whether a pane is about to join its day, or a floor has passed it."""
        length, end = pane[0], sum(pane)
        return (length == INTERVAL and end <= until) or end <= max(self._floors.passed(length))

    def _write(self, pane: tuple[int, int], changed: Changed) -> None:
        """Add what the ring has of a pane to it, unless that has been let go of."""
        bundles, counts = self._ring.take(pane)
        if pane[0] != SLIDING or sum(pane) > self._floors.sliding:
            touched = self._stretch(pane).credit(bundles, counts, self._slices.of_length(pane[0]))
            changed.setdefault(pane, set()).update(touched)

    def _add_late(
        self, pane: tuple[int, int], bundles: dict[int, int], counts: dict[int, int], changed: Changed
    ) -> None:
        """Add what was credited to an interval that is closed."""
        late = Stretch(self._slices)
        late.credit(bundles, counts, self._slices.groups)
        self._merge_late(pane, late, changed)

    def _stretch(self, pane: tuple[int, int]) -> Stretch:
        stretch = self.stretches.get(pane)
        if stretch is None:
            stretch = self.stretches[pane] = Stretch(self._slices)
        return stretch

    def _closed(self) -> int:
        """Return until when intervals are not simply added to: they are in their days, or where none are kept, let go of in part."""
        return self.graduated if self._keep.days != 0 else max(self._floors.breakdowns, self._floors.intervals)

    def _merge_late(self, pane: tuple[int, int], late: Stretch, changed: Changed) -> None:
        """Add what belongs to a closed interval to its day, where there are days, and to itself where it is kept."""
        for number in late.bundles.keys() | late.histograms.keys():
            bundle, histograms = late.bundles.get(number, 0), late.histograms.get(number, {})
            if self._keep.days != 0:
                self._roll_up(pane[1], number, bundle, histograms, changed)
            if not self._expired(*pane, number):
                self._add(pane, number, bundle, histograms, changed)

    def _graduate(self, until: int, changed: Changed) -> None:
        """Add the intervals that end by then, and that no late event can reach any more, to their days, once each."""
        if self._keep.days == 0 or until <= self.graduated:
            return
        before, self.graduated = self.graduated, until
        ready = [
            start
            for length, start in self.stretches
            if length == INTERVAL and before < start + INTERVAL <= self.graduated
        ]
        for start in sorted(ready):
            for number, bundle, histograms in self.stretches[INTERVAL, start]:
                self._roll_up(start, number, bundle, histograms, changed)

    def _raise_floors(self, watermark: int, now: int) -> None:
        """Let go of what its retention no longer reaches; a floor never falls, so nothing dropped is withdrawn from later."""
        keep, floors = self._keep, self._floors
        behind = (now, keep.sliding), (watermark, keep.breakdowns), (watermark, keep.intervals), (watermark, keep.days)
        self._floors = Floors(
            *(
                floor if kept is None else max(floor, time - kept)
                for floor, (time, kept) in zip(floors, behind, strict=True)
            )
        )
        if keep.sliding:
            self._sliding_from = self._floors.sliding - SLIDING

    def progress(self) -> PanesProgress:
        """Return what the marker has to remember after a flush."""
        return PanesProgress(self._ring.number, self.graduated, self._floors)

    def resume(self, progress: PanesProgress) -> None:
        """Go on after restoring from what `progress` returned, whatever retention and lateness are now."""
        self._ring.number, self.graduated, self._floors = progress.credits, progress.graduated, progress.floors
        # Panes are dropped at least so often; what the floors passed since then may still be there.
        self._looked = Floors(*(floor - INTERVAL for floor in self._floors))

    def _add(self, pane: tuple[int, int], number: int, bundle: int, histograms: Histograms, changed: Changed) -> None:
        self._stretch(pane).merge(number, bundle, histograms)
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

    def _expire(self, length: int, time: int) -> Iterator[tuple[bytes, bytes | None]]:
        """Drop what has outlived its retention, once for each stretch of time that a pane is long."""
        step = time - time % length
        if self._dropped.get(length) != step:
            self._dropped[length] = step
            yield from self._drop(sliding=length == SLIDING)
            if length == INTERVAL:
                self._seal(time)

    def _drop(self, *, sliding: bool) -> Iterator[tuple[bytes, bytes | None]]:
        for pane in [pane for pane in self.stretches if (pane[0] == SLIDING) == sliding]:
            stretch, floors = self.stretches[pane], self._floors.passed(pane[0])
            if sum(pane) <= min(floors):
                del self.stretches[pane]
                head, suffixes = _head(pane), self._slices.suffixes
                yield from ((head + suffixes[place] + b"%d]" % part, None) for place, part in stretch.parts())
                continue
            gone = [number for number in self._suspects(pane, stretch) if self._expired(*pane, number)]
            stretch.remove(gone)
            yield from self._records(pane, gone)
        if sliding:
            self._looked = self._looked._replace(sliding=self._floors.sliding)
        else:
            self._looked = self._floors._replace(sliding=self._looked.sliding)

    def _suspects(self, pane: tuple[int, int], stretch: Stretch) -> Iterable[int]:
        """Return the slices of which some may have outlived their retention: all when a floor has just passed them."""
        length, start = pane
        end = start + length
        floors = list(zip(self._looked.passed(length), self._floors.passed(length), strict=True))
        if any(before < end <= floor for before, floor in floors):
            return stretch.numbers()
        return stretch.open_numbers() if any(end <= floor for _, floor in floors) else ()

    def _records(self, pane: tuple[int, int], numbers: Collection[int]) -> Records:
        stretch, head, suffixes = self.stretches[pane], _head(pane), self._slices.suffixes
        records: Records = [
            (head + suffixes[place] + b"%d]" % part, record) for place, part, record in stretch.records(numbers)
        ]
        if not stretch:
            del self.stretches[pane]
        return records

    def restore(self, records: Records) -> None:
        """Take parts of panes back from their records, or their deletions; of several with the same key the last one counts."""
        for key, value in records:
            try:
                length, start, name, part = split_panes_key(key)
                place = self._places.get(name)
                if place is None:
                    place = self._places[name] = self._slices.place(*decode_place(name))
            except (ValueError, TypeError) as error:
                message = "a key of panes cannot be read"
                raise StateCorruptError(message) from error
            self._stretch((length * SECOND, start * SECOND)).restore(place, part, value)
        self._restored += len(records)
        if self._restored >= _RESTORED:
            self._seal(_NEVER)
            self._restored = 0

    def restored(self, ring: Iterable[Credits]) -> None:
        """Be ready after all records were taken, and those of credits are here; raises `StateCorruptError` when one is missing."""
        self._places = {}
        self._seal(_NEVER)
        self._ring.restore(ring)

    def _seal(self, watermark: int) -> None:
        """Seal the stretches to which little more will come; those without a slice go."""
        for pane in list(self.stretches):
            length, start = pane
            rolled_up = length if length in {SLIDING, INTERVAL} else length + self._policy.lateness
            if start + rolled_up + _RESTING <= watermark:
                stretch = self.stretches[pane]
                stretch.seal()
                if not stretch:
                    del self.stretches[pane]


def _head(pane: tuple[int, int]) -> bytes:
    """Return how the key of a part begins, up to its place."""
    return PANES + b"%d,%d" % (pane[0] // SECOND, pane[1] // SECOND)
