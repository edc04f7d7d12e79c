"""Panes as a reader keeps them: every partition's part as it came, added up and decoded when first asked for.

A part replaces the earlier one of the same partition, so reading a topic again, or from the start, changes nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Final

from schemas.panes import decode_cut, split_pane_key
from streams.engine.slices import Slice
from streams.engine.stretch import told

Counts = dict[str, dict[int, int]]
"""Counts by histogram and bucket."""
_PARTITIONS: Final = 12
"""Bits of a partition's number in the key of a part."""
_MASK: Final = (1 << _PARTITIONS) - 1
_DECODED: Final = 6000
"""Stretches of which the sums are kept decoded; of the others only the parts."""


class Total:
    """A sum of panes: one bundle of measures, and histograms."""

    __slots__ = ("bundle", "counts")

    def __init__(self, bundle: int = 0) -> None:
        self.bundle = bundle
        self.counts: Counts = {}

    def add(self, other: Total) -> None:
        """Add another sum to this one."""
        self.bundle += other.bundle
        self.count(other.counts)

    def count(self, counts: Counts) -> None:
        """Add counts to the histograms."""
        for name, more in counts.items():
            merged = self.counts.get(name)
            if merged is None:
                self.counts[name] = dict(more)
                continue
            for index, number in more.items():
                merged[index] = merged.get(index, 0) + number


class Stretch:
    """The parts of one stretch of time, by breakdown, then by slice and partition; and their sums."""

    __slots__ = ("parts", "sums")

    def __init__(self) -> None:
        self.parts: dict[str | None, dict[int, bytes]] = {}
        self.sums: dict[str | None, dict[int, Total]] = {}


class PaneStore:
    """All panes read so far."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        """Slices by the end of their records' keys."""
        self.slices: list[Slice] = []
        self._queues: set[str | None] = set()
        self.places: set[tuple[str, str]] = set()
        """Channel and queue of all panes ever seen that have both."""
        self._stretches: dict[int, dict[int, Stretch]] = {}
        self._decoded: OrderedDict[tuple[int, int], None] = OrderedDict()

    def load(self, partition: int, key: bytes, value: bytes | None) -> None:
        """Take a pane's record."""
        length, start, cut = split_pane_key(key)
        number = self._numbers.get(cut)
        if number is None:
            number = self._numbers[cut] = len(self.slices)
            of = Slice(*decode_cut(cut))
            self.slices.append(of)
            self._queues.add(of.queue)
            if of.channel is not None and of.queue is not None:
                self.places.add((of.channel, of.queue))
        stretches = self._stretches.get(length)
        if stretches is None:
            stretches = self._stretches[length] = {}
        self._put(stretches, start, number << _PARTITIONS | partition, self.slices[number].breakdown, value)

    def _put(
        self, stretches: dict[int, Stretch], start: int, key: int, breakdown: str | None, value: bytes | None
    ) -> None:
        stretch = stretches.get(start)
        if stretch is None:
            stretch = stretches[start] = Stretch()
        parts = stretch.parts.setdefault(breakdown, {})
        sums = stretch.sums.get(breakdown)
        if sums is not None:
            sums.pop(key >> _PARTITIONS, None)
            if value is not None or len(parts) > 1:
                del stretch.sums[breakdown]
        if value is not None:
            parts[key] = value
            return
        parts.pop(key, None)
        if not parts:
            del stretch.parts[breakdown]
            stretch.sums.pop(breakdown, None)
        if not stretch.parts:
            del stretches[start]

    def lengths(self) -> Iterable[int]:
        """Return the lengths of panes there are, in seconds."""
        return self._stretches.keys()

    def starts(self, length: int, begin: int, end: int) -> list[int]:
        """Return the starts of the stretches of a length that lie wholly within (seconds)."""
        stretches = self._stretches.get(length, {})
        if (end - begin) // length < len(stretches):
            first = begin + -begin % length if length in {10, 900} else begin
            if length in {10, 900}:
                return [start for start in range(first, end - length + 1, length) if start in stretches]
        return sorted(start for start in stretches if begin <= start and start + length <= end)

    def first(self) -> int | None:
        """Return the start (seconds) of the earliest pane, None without any."""
        return min((start for stretches in self._stretches.values() for start in stretches), default=None)

    def has(self, length: int, start: int) -> bool:
        """Tell whether there is a pane of a length (seconds) that starts then."""
        return start in self._stretches.get(length, {})

    def queues(self) -> set[str | None]:
        """Return the queues of all panes ever seen; None is agents' time over all queues."""
        return self._queues

    def part(self, length: int, start: int, breakdown: str | None, partition: int) -> Iterator[tuple[Slice, Total]]:
        """Yield what one partition adds to the sums of each slice of a stretch."""
        parts = self._stretches[length][start].parts.get(breakdown, {})
        own = {key: value for key, value in parts.items() if key & _MASK == partition}
        for number, total in _sums(own).items():
            yield self.slices[number], total

    def sums(self, length: int, start: int, breakdown: str | None) -> Iterator[tuple[Slice, Total]]:
        """Yield the sums over all partitions of each slice of a stretch; do not change them."""
        stretch = self._stretches[length][start]
        sums = stretch.sums.get(breakdown)
        if sums is None:
            sums = stretch.sums[breakdown] = _sums(stretch.parts.get(breakdown, {}))
            self._remember(length, start)
        for number, total in sums.items():
            yield self.slices[number], total

    def _remember(self, length: int, start: int) -> None:
        self._decoded[length, start] = None
        self._decoded.move_to_end((length, start))
        while len(self._decoded) > _DECODED:
            (old_length, old_start), _ = self._decoded.popitem(last=False)
            stretch = self._stretches.get(old_length, {}).get(old_start)
            if stretch is not None:
                stretch.sums.clear()


def _sums(parts: dict[int, bytes]) -> dict[int, Total]:
    sums: dict[int, Total] = {}
    for key, value in parts.items():
        bundle, histograms = told(value)
        total = sums.get(key >> _PARTITIONS)
        if total is None:
            total = sums[key >> _PARTITIONS] = Total()
        total.bundle += bundle
        total.count(histograms)
    return sums
