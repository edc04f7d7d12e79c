"""The ring: what transactions of few credits added to panes, told before the panes are written.

At short intervals a pane is much larger than what changes in it, and one event changes many. So a transaction of few credits writes
these, in one record, and the parts of a pane later, before the record of the first one that changed it is replaced. The pane is *whole* then,
which the record of that transaction says: what was told of it is in its parts.

    number     0       1       2      ...     39        40, in the place of 0
    credits    A B     A       B C            A         C
    whole                                     A B
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw, Struct

from schemas.panes import CREDITS, RING, Credit, Credits, is_in, told_of
from streams.engine.codes import CODES, MASK, WHOLE, code_of, split
from streams.engine.marker import StateCorruptError
from streams.engine.measures import changes, pack
from streams.engine.policy import INTERVAL, SECOND, SLIDING
from streams.engine.records import Records
from streams.engine.slices import Slice, Slices, spread
from streams.engine.stretch import Histograms

Pane = tuple[int, int]
"""Length and start, microseconds."""
MOST: Final = 4_000
"""Places credited in a record at most. A transaction of more writes the panes: most are then in it, and each changes by much."""
LARGEST: Final = 600_000
"""Bytes of a record's slices and credits at most."""


class News(NamedTuple):
    """What was credited to an interval, or a sliding pane and so the interval around it: bundles by place, counts by (place, bucket code)."""

    pane: Pane
    bundles: dict[int, int]
    counts: dict[int, int]


class _Unwritten:
    """What is credited to a pane and not in it yet."""

    __slots__ = ("bundles", "counts", "since", "urgent")

    def __init__(self) -> None:
        self.bundles: dict[int, int] = {}
        self.counts: dict[int, int] = {}
        self.since: int | None = None
        """The number of the first record that tells of it; None when none does."""
        self.urgent = False
        """True when no record tells of all of it, so that the pane has to be written."""

    def add(self, bundles: dict[int, int], counts: dict[int, int]) -> None:
        """Add bundles by place, and counts by (place, bucket code)."""
        if not self.bundles:
            self.bundles, self.counts = dict(bundles), dict(counts)
            return
        for mine, more in ((self.bundles, bundles), (self.counts, counts)):
            for key, amount in more.items():
                mine[key] = mine.get(key, 0) + amount

    def is_due(self, last: int) -> bool:
        """Tell whether the pane has to be written: no record tells of all of it, or one that tells of it is not after ``last``."""
        return self.urgent or (self.since is not None and self.since <= last)


class Ring:
    """The credits of one partition that its panes do not have yet. Unless it is ``telling`` of them, all panes are written at once."""

    def __init__(self, slices: Slices, *, telling: bool) -> None:
        self.number = 0
        """Of the next record."""
        self._slices = slices
        self._telling = telling
        self._unwritten: dict[Pane, _Unwritten] = {}
        self._told: tuple[Raw, Raw] | None = None
        """The slices and the panes of the record to come."""
        self._whole: list[Pane] = []

    def add(self, news: list[News]) -> None:
        """Take what was credited since the last time, and tell of it if it is little."""
        told = self._telling and bool(news) and sum(len(one.bundles) for one in news) <= MOST and self._tell(news)
        number = self.number if told else None
        for (length, start), bundles, counts in news:
            self.note((INTERVAL, start - start % INTERVAL), bundles, counts, number)
            if length == SLIDING:
                self.note((SLIDING, start), bundles, counts, number)

    def note(self, pane: Pane, bundles: dict[int, int], counts: dict[int, int], number: int | None = None) -> None:
        """Note what is credited to a pane; ``number`` is that of the record that tells of it. Without one the pane is due."""
        unwritten = self._unwritten.get(pane)
        if unwritten is None:
            unwritten = self._unwritten[pane] = _Unwritten()
        unwritten.add(bundles, counts)
        if number is None:
            unwritten.urgent = True
        elif unwritten.since is None:
            unwritten.since = number

    def _tell(self, news: list[News]) -> bool:
        """Prepare the record; return False when it would be too large."""
        table: dict[int, int] = {}
        panes = [(one.pane[0] // SECOND, one.pane[1] // SECOND, self._credits(one, table)) for one in news]
        told = _encode([self._slices.names[number] for number in table]), _encode(panes)
        if sum(map(len, told)) > LARGEST:
            return False
        self._told = Raw(told[0]), Raw(told[1])
        return True

    def _credits(self, news: News, table: dict[int, int]) -> list[_Told]:
        """Return the credits of a pane, each with the index in the table of the slices that it is of."""
        groups = self._slices.groups
        histograms: dict[int, Histograms] = {}
        firsts: dict[int, Histograms] = {}
        for key, count in news.counts.items():
            if count:
                name, index = split(key & MASK)
                into = firsts if name in WHOLE else histograms
                into.setdefault(key >> CODES, {}).setdefault(name, {})[index] = count
        credited = [
            (spread(place, groups), bundle, histograms.get(place, _NONE)) for place, bundle in news.bundles.items()
        ]
        credited += [(spread(place, groups)[:1], 0, counts) for place, counts in firsts.items()]
        return [
            ([table.setdefault(number, len(table)) for number in slices], changes(bundle), counts)
            for slices, bundle, counts in credited
            if slices and (bundle or counts)
        ]

    def due(self, is_closing: Callable[[Pane], bool]) -> list[Pane]:
        """Return the panes that have to be written now, and those that are closing."""
        last = self.number - RING + 1
        return [pane for pane, unwritten in self._unwritten.items() if unwritten.is_due(last) or is_closing(pane)]

    def take(self, pane: Pane) -> tuple[dict[int, int], dict[int, int]]:
        """Return what is credited to a pane, to be written with it now: bundles by place, and counts by (place, bucket code)."""
        unwritten = self._unwritten.pop(pane)
        if unwritten.since is not None:
            self._whole.append(pane)
        return unwritten.bundles, unwritten.counts

    def record(self) -> Records:
        """Return the record of what was told since the last one, if there is anything to tell."""
        if self._told is None and not self._whole:
            return []
        slices, panes = self._told or (_NOTHING, _NOTHING)
        whole = [(length // SECOND, start // SECOND) for length, start in self._whole]
        key, value = CREDITS + b"%d]" % (self.number % RING), _encode(_Record(self.number, whole, slices, panes))
        self.number += 1
        self._told, self._whole = None, []
        return [(key, value)]

    def restore(self, records: Iterable[Credits]) -> None:
        """Take what records tell of that no part says yet; raises `StateCorruptError` when the last is not there."""
        told = sorted(records, key=lambda record: record.number)
        if [record.number for record in told] != list(range(max(0, self.number - RING), self.number)):
            message = "credits and state are of different times, or records of credits are missing"
            raise StateCorruptError(message)
        whole = {pane: record.number for record in told for pane in record.whole}
        for record in told:
            names = [Slice(*name) for name in record.slices]
            for told_pane in record.panes:
                for pane in told_of(told_pane):
                    if whole.get(pane, -1) < record.number:
                        self._restore(pane, record.number, names, told_pane.credits)

    def _restore(self, pane: tuple[int, int], number: int, names: list[Slice], told: list[Credit]) -> None:
        """Take what is told of a pane, by its length and start in seconds."""
        bundles: dict[int, int] = {}
        counts: dict[int, int] = {}
        for credit in told:
            place = self._slices.exactly(
                name for index in credit.slices if is_in(pane[0], (name := names[index]).breakdown)
            )
            bundles[place] = bundles.get(place, 0) + pack(credit.measures)
            for histogram, buckets in credit.histograms.items():
                for index, count in buckets.items():
                    key = place << CODES | code_of(histogram) + index
                    counts[key] = counts.get(key, 0) + count
        self.note((pane[0] * SECOND, pane[1] * SECOND), bundles, counts, number)


class _Record(Struct, frozen=True, omit_defaults=True):
    """`Credits`, of which slices and panes are written already."""

    number: int
    whole: list[tuple[int, int]]
    slices: Raw
    panes: Raw


_Told = tuple[list[int], Struct, Histograms]
_NOTHING: Final = Raw(b"[]")
_NONE: Final[Histograms] = {}
_encode: Final = msgspec.json.Encoder().encode
