"""Panes as a reader keeps them: every partition's records as they came, added up and decoded when first asked for.

A record replaces the earlier one of the same key and partition, so reading a topic again, or from the start, changes nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from lz4.block import compress, decompress

from schemas.panes import decode_place, split_panes_key
from streams.engine.policy import SECOND, SLIDING
from streams.engine.slices import Slice
from streams.engine.stretch import cuts, told

Counts = dict[str, dict[int, int]]
"""Counts by histogram and bucket."""
Block = tuple[int, int]
"""Start and length of several sliding panes, or of one (seconds)."""
_SLIDING: Final = SLIDING // SECOND
_PARTITIONS: Final = 12
_PARTS: Final = 16
"""Bits of the numbers of a partition and of a part in what a record is kept by."""
_PARTITION: Final = (1 << _PARTITIONS) - 1
_PART: Final = (1 << _PARTS) - 1 << _PARTITIONS
_OWN: Final = b"[[null,null,"
"""How part 0 begins where there is a queue's own pane. There is no bracket in it but the one that ends it."""
_RESTING: Final = 3 * 3600
"""Seconds after its end, by the start of the newest, from which a stretch is sealed."""
_BLOCKS: Final = (300, 60)
"""Seconds of sliding panes that are added up once: five minutes are four sums of a minute and the panes of both ends."""
_DECODED: Final = 6000
"""Stretches of which sums are kept; of the others only the records."""


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
    """The records of one stretch of time, by place, part and partition; and the sums of slices by breakdown."""

    __slots__ = ("_records", "_sealed", "sums")

    def __init__(self) -> None:
        self._records: dict[int, bytes] = {}
        self._sealed: bytes | None = None
        self.sums: dict[str | None, dict[int, Total]] = {}

    def put(self, at: int, record: bytes | None) -> bool:
        """Take a record, or its deletion; return whether any are left."""
        if self._sealed is not None:
            self._records, self._sealed = self.records(), None
        self.sums.clear()
        if record is None:
            self._records.pop(at, None)
        else:
            self._records[at] = record
        return bool(self._records)

    def records(self) -> dict[int, bytes]:
        """Return the records; do not change them."""
        return self._records if self._sealed is None else _unpack(decompress(self._sealed))

    def seal(self) -> None:
        """Keep the records compressed: of what has passed little is asked, and less changes."""
        self._records, self._sealed = {}, compress(_pack(self.records()))


class PaneStore:
    """All panes read so far."""

    def __init__(self) -> None:
        self._places: dict[bytes, int] = {}
        """Channel and queue by their form in keys."""
        self._names: list[tuple[str | None, str | None]] = []
        self._numbers: dict[Slice, int] = {}
        self.slices: list[Slice] = []
        self._queues: set[str | None] = set()
        self.places: set[tuple[str, str]] = set()
        """Channel and queue of all panes ever seen that have both."""
        self._stretches: dict[int, dict[int, Stretch]] = {}
        self._blocks: dict[Block, dict[str | None, dict[int, Total]]] = {}
        """Sums of the panes of 10 s by breakdown, of blocks that have not changed since."""
        self._decoded: OrderedDict[tuple[int, int], None] = OrderedDict()
        self._open: set[tuple[int, int]] = set()
        """Length and start of the stretches that are not sealed, and of some that are gone."""
        self._newest = 0

    def load(self, partition: int, key: bytes, value: bytes | None) -> None:
        """Take a record of panes."""
        length, start, name, part = split_panes_key(key)
        place = self._places.get(name)
        if place is None:
            place = self._place(name)
        stretches = self._stretches.setdefault(length, {})
        stretch = stretches.get(start)
        if stretch is None:
            stretch = stretches[start] = Stretch()
            if start > self._newest:
                self._newest = start
                self._seal()
        self._open.add((length, start))
        if length == _SLIDING:
            for block in _BLOCKS:
                self._blocks.pop((start - start % block, block), None)
        if not stretch.put((place << _PARTS | part) << _PARTITIONS | partition, value):
            del stretches[start]

    def _seal(self) -> None:
        """Seal the stretches that ended hours before the newest begins."""
        for length, start in [one for one in self._open if sum(one) + _RESTING <= self._newest]:
            self._open.discard((length, start))
            stretch = self._stretches[length].get(start)
            if stretch is not None:
                stretch.seal()

    def _place(self, name: bytes) -> int:
        place = self._places[name] = len(self._names)
        channel, queue = decode_place(name)
        self._names.append((channel, queue))
        self._queues.add(queue)
        if channel is not None and queue is not None:
            self.places.add((channel, queue))
        return place

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
        records = self._stretches[length][start].records()
        own = {at: record for at, record in records.items() if at & _PARTITION == partition}
        for number, total in self._sums(own, breakdown).items():
            yield self.slices[number], total

    def sums(self, length: int, start: int, breakdown: str | None) -> Iterator[tuple[Slice, Total]]:
        """Yield the sums over all partitions of each slice of a stretch; do not change them."""
        stretch = self._stretches[length][start]
        sums = stretch.sums.get(breakdown)
        if sums is None:
            sums = stretch.sums[breakdown] = self._sums(stretch.records(), breakdown)
            self._remember(length, start)
        for number, total in sums.items():
            yield self.slices[number], total

    def blocks(self, begin: int, end: int) -> Iterator[Block]:
        """Yield start and length (seconds) of few blocks that make up the sliding panes between two times."""
        return self._cut(begin, end, _BLOCKS)

    def _cut(self, begin: int, end: int, lengths: tuple[int, ...]) -> Iterator[Block]:
        """Yield whole blocks of the first length, before and after them those of the others, and at last single panes."""
        if not lengths:
            yield from ((start, _SLIDING) for start in self.starts(_SLIDING, begin, end))
            return
        length, *shorter = lengths
        first, last = min(end, begin + -begin % length), max(begin, end - end % length)
        yield from self._cut(begin, first, tuple(shorter))
        yield from ((start, length) for start in range(first, last, length))
        yield from self._cut(max(first, last), end, tuple(shorter))

    def block(self, block: Block, breakdown: str | None) -> Iterator[tuple[Slice, Total]]:
        """Yield the sums of each slice over the sliding panes of a block; do not change them."""
        start, length = block
        if length == _SLIDING:
            yield from self.sums(_SLIDING, start, breakdown)
            return
        if not self.starts(_SLIDING, start, start + length):
            return  # nothing that would ever change or go, and be forgotten then
        known = self._blocks.setdefault(block, {})
        sums = known.get(breakdown)
        if sums is None:
            sums = known[breakdown] = {}
            for part in self._cut(start, start + length, _BLOCKS[_BLOCKS.index(length) + 1 :]):
                for of, total in self.block(part, breakdown):
                    sums.setdefault(self._number(of), Total()).add(total)
        for number, total in sums.items():
            yield self.slices[number], total

    def _sums(self, records: dict[int, bytes], breakdown: str | None) -> dict[int, Total]:
        sums: dict[int, Total] = {}
        for at, record in records.items():
            if breakdown is None:
                if at & _PART or not record.startswith(_OWN):
                    continue
                record = record[: record.index(b"]") + 1] + b"]"  # noqa: PLW2901 - the rest need not be decoded
            channel, queue = self._names[at >> _PARTITIONS + _PARTS]
            for by, value, pane in cuts(record):
                if by != breakdown:
                    continue
                number = self._number(Slice(channel, queue, by, value))
                total = sums.get(number)
                if total is None:
                    total = sums[number] = Total()
                bundle, histograms = told(pane)
                total.bundle += bundle
                total.count(histograms)
        return sums

    def _number(self, of: Slice) -> int:
        number = self._numbers.get(of)
        if number is None:
            number = self._numbers[of] = len(self.slices)
            self.slices.append(of)
        return number

    def _remember(self, length: int, start: int) -> None:
        self._decoded[length, start] = None
        self._decoded.move_to_end((length, start))
        while len(self._decoded) > _DECODED:
            (old_length, old_start), _ = self._decoded.popitem(last=False)
            stretch = self._stretches.get(old_length, {}).get(old_start)
            if stretch is not None:
                stretch.sums.clear()


_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(dict[int, bytes]).decode
