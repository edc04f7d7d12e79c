"""The ring: what transactions of few credits added to panes, published before the panes are written (write-behind).

At short intervals a pane is much larger than what changes in it, and one event changes many. So a transaction of few credits writes
these, in one record, and the parts of a pane later, before the record of the first one that changed it is replaced. The pane is *whole* then,
which the record of that transaction says: what was credited to it is in its parts.

    number     0       1       2      ...     39        40, in the place of 0
    credits    A B     A       B C            A         C
    whole                                     A B
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw, Struct

from schemas.panes import CREDITS, RING, Credit, Credits, credited_panes, is_in
from streams.engine.codes import CODES, MASK, WHOLE, code_of, split
from streams.engine.marker import StateCorruptError
from streams.engine.measures import changes, pack
from streams.engine.policy import SECOND
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


def credited(pane: Pane) -> list[Pane]:
    """Return the panes to which credits of one go: its interval, and itself if it is a sliding one."""
    length, start = pane
    return [(long * SECOND, at * SECOND) for long, at in credited_panes(length // SECOND, start // SECOND)]


class _Unwritten:
    """What is credited to a pane and not in it yet."""

    __slots__ = ("bundles", "counts", "since", "urgent")

    def __init__(self) -> None:
        self.bundles: dict[int, int] = {}
        self.counts: dict[int, int] = {}
        self.since: int | None = None
        """The number of the first record that credits it; None when none does."""
        self.urgent = False
        """True when no record has all of it, so that the pane has to be written."""

    def add(self, bundles: dict[int, int], counts: dict[int, int]) -> None:
        """Add bundles by place, and counts by (place, bucket code)."""
        if not self.bundles:
            self.bundles, self.counts = dict(bundles), dict(counts)
            return
        for mine, more in ((self.bundles, bundles), (self.counts, counts)):
            for key, amount in more.items():
                mine[key] = mine.get(key, 0) + amount

    def is_due(self, last: int) -> bool:
        """Tell whether the pane has to be written: no record has all of it, or the first that credits it is not after ``last``."""
        return self.urgent or (self.since is not None and self.since <= last)


class Ring:
    """The credits of one partition that its panes do not have yet. Without ``write_behind`` all panes are written at once."""

    def __init__(self, slices: Slices, *, write_behind: bool) -> None:
        self.number = 0
        """Of the next record."""
        self._slices = slices
        self._write_behind = write_behind
        self._unwritten: dict[Pane, _Unwritten] = {}
        self._prepared: tuple[Raw, Raw] | None = None
        """The slices and the panes of the record to come."""
        self._whole: list[Pane] = []

    def add(self, news: list[News]) -> None:
        """Take what was credited since the last time, and publish it if it is little."""
        few = bool(news) and sum(len(one.bundles) for one in news) <= MOST
        number = self.number if self._write_behind and few and self._prepare(news) else None
        for one in news:
            for pane in credited(one.pane):
                self.note(pane, one.bundles, one.counts, number)

    def note(self, pane: Pane, bundles: dict[int, int], counts: dict[int, int], number: int | None = None) -> None:
        """Note what is credited to a pane; ``number`` is that of the record that has it. Without one the pane is due."""
        unwritten = self._unwritten.get(pane)
        if unwritten is None:
            unwritten = self._unwritten[pane] = _Unwritten()
        unwritten.add(bundles, counts)
        if number is None:
            unwritten.urgent = True
        elif unwritten.since is None:
            unwritten.since = number

    def _prepare(self, news: list[News]) -> bool:
        """Prepare the record; return False when it would be too large."""
        table: dict[int, int] = {}
        panes = [(one.pane[0] // SECOND, one.pane[1] // SECOND, self._credits(one, table)) for one in news]
        encoded_slices, encoded_panes = _encode([self._slices.names[number] for number in table]), _encode(panes)
        if len(encoded_slices) + len(encoded_panes) > LARGEST:
            return False
        self._prepared = Raw(encoded_slices), Raw(encoded_panes)
        return True

    def _credits(self, news: News, table: dict[int, int]) -> list[_Credit]:
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
        """Return the record of what is prepared and whole since the last one, if anything is."""
        if self._prepared is None and not self._whole:
            return []
        slices, panes = self._prepared or (_NOTHING, _NOTHING)
        whole = [(length // SECOND, start // SECOND) for length, start in self._whole]
        key, value = CREDITS + b"%d]" % (self.number % RING), _encode(_Record(self.number, whole, slices, panes))
        self.number += 1
        self._prepared, self._whole = None, []
        return [(key, value)]

    def restore(self, records: Iterable[Credits]) -> None:
        """Take the credits that no part has yet; raises `StateCorruptError` when the last is not there."""
        ring = sorted(records, key=lambda record: record.number)
        if [record.number for record in ring] != list(range(max(0, self.number - RING), self.number)):
            message = "credits and state are of different times, or records of credits are missing"
            raise StateCorruptError(message)
        whole = {pane: record.number for record in ring for pane in record.whole}
        for record in ring:
            names = [Slice(*name) for name in record.slices]
            for news in record.panes:
                for pane in credited_panes(news.length, news.start):
                    if whole.get(pane, -1) < record.number:
                        self._restore(pane, record.number, names, news.credits)

    def _restore(self, pane: tuple[int, int], number: int, names: list[Slice], owed: list[Credit]) -> None:
        """Take what is credited to a pane, by its length and start in seconds."""
        bundles: dict[int, int] = {}
        counts: dict[int, int] = {}
        for credit in owed:
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


_Credit = tuple[list[int], Struct, Histograms]
_NOTHING: Final = Raw(b"[]")
_NONE: Final[Histograms] = {}
_encode: Final = msgspec.json.Encoder().encode
