"""Panes as a reader keeps them: every partition's records as they came, added up and decoded when first asked for.

A record replaces the earlier one of the same key and partition, so reading a topic again, or from the start, changes nothing. What
records of credits add to panes of which the parts are not written yet is kept beside these.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

import msgspec
from lz4.block import compress, decompress

from schemas.panes import QUARTER, SHORT, Credits, credited_panes, decode_place, decode_value, is_in, split_panes_key
from streams.engine.measures import pack
from streams.engine.slices import Slice
from streams.engine.stretch import cuts, decode_pane

Counts = dict[str, dict[int, int]]
"""Counts by histogram and bucket."""
Name = tuple[str | None, str | None, str | None, str | None]
"""Channel, queue, breakdown and value."""
Block = tuple[int, int]
"""Start and length of several sliding panes, or of one (seconds)."""
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
_UNSEALED: Final = 20_000
"""Records after which stretches are sealed also where none is new."""
_DECODED: Final = 6000
"""Stretches of which sums are kept; of the others only the records."""


class Total:
    """A sum of panes: one bundle of measures, and histograms."""

    __slots__ = ("bundle", "counts")

    def __init__(self, bundle: int = 0) -> None:
        self.bundle = bundle
        self.counts: Counts = {}

    def change(self, difference: Total) -> None:
        """Add a difference, of which any part may be negative; nothing is left of what becomes 0."""
        self.add(difference)
        for name, changed in difference.counts.items():
            left = self.counts[name]
            for index in changed:
                if not left[index]:
                    del left[index]
            if not left:
                del self.counts[name]

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


class _Slices:
    """The slices that the credits of a record name by where they are in its list, with our numbers for them."""

    __slots__ = ("_by", "_names", "_number")

    def __init__(self, names: list[Name], number: Callable[[Name], int]) -> None:
        self._names, self._number = names, number
        self._by: dict[str | None, dict[int, int]] = {}

    def by(self, breakdown: str | None) -> dict[int, int]:
        """Return our numbers of those that are cut by a breakdown."""
        found = self._by.get(breakdown)
        if found is None:
            number = self._number
            found = self._by[breakdown] = {
                at: number(name) for at, name in enumerate(self._names) if name[2] == breakdown
            }
        return found


class _Credit(NamedTuple):
    """A difference, and the slices to which it is added, by where they are in the record's list."""

    slices: _Slices
    at: list[int]
    bundle: int
    counts: Counts


class Added:
    """What a partition's records of credits, from the number ``since`` on, add to the slices of a stretch of time.

    It is added up when somebody asks, and as it comes for breakdowns that were ``asked`` for: few are, before a part says what is credited.
    """

    __slots__ = ("_added_up", "_asked", "_totals", "credits", "since")

    def __init__(self, since: int, asked: set[str | None]) -> None:
        self.since = since
        self._asked = asked
        self.credits: list[_Credit] = []
        self._totals: dict[str | None, dict[int, Total]] = {}
        self._added_up: dict[str | None, int] = {}
        """By breakdown, how many of the credits are in its totals."""

    def add_up(self) -> None:
        """Do now what would keep who asks next waiting."""
        for breakdown in self._asked:
            self.totals(breakdown)

    def totals(self, breakdown: str | None) -> dict[int, Total]:
        """Return what is added to each of the slices that are cut by a breakdown; do not change it."""
        totals = self._totals.setdefault(breakdown, {})
        for slices, places, bundle, counts in islice(self.credits, self._added_up.get(breakdown, 0), None):
            own = slices.by(breakdown)
            for at in places if own else ():
                if at not in own:
                    continue
                total = totals.get(own[at])
                if total is None:
                    total = totals[own[at]] = Total()
                total.bundle += bundle
                if counts:
                    total.count(counts)
        self._added_up[breakdown] = len(self.credits)
        return totals


class _Record(NamedTuple):
    """A record of credits."""

    number: int
    panes: set[tuple[int, int]]
    """To which it adds (length and start in seconds)."""
    whole: list[tuple[int, int]]
    """Of which the parts say all from it on."""
    value: bytes


class Stretch:
    """The records of one stretch of time, by place, part and partition; what credits add to them; and sums by breakdown."""

    __slots__ = ("_records", "_sealed", "added", "asked", "sums", "written")

    def __init__(self) -> None:
        self._records: dict[int, bytes] = {}
        self._sealed: bytes | None = None
        self.added: dict[int, Added] = {}
        """By partition."""
        self.sums: dict[str | None, dict[int, Total]] = {}
        self.written: dict[str | None, dict[int, Total]] = {}
        """Sums of the records alone."""
        self.asked: set[str | None] = set()
        """Breakdowns of which sums were asked for."""

    def __bool__(self) -> bool:
        return bool(self._records or self._sealed or self.added)

    def put(self, at: int, record: bytes | None) -> None:
        """Take a record, or its deletion."""
        if self._sealed is not None:
            self._records, self._sealed = self.records(), None
        self.written.clear()
        if record is None:
            self._records.pop(at, None)
        else:
            self._records[at] = record

    def records(self) -> dict[int, bytes]:
        """Return the records; do not change them."""
        return self._records if self._sealed is None else _unpack(decompress(self._sealed))

    def seal(self) -> None:
        """Keep the records compressed: of what has passed little is asked, and less changes."""
        if self._records:
            self._records, self._sealed = {}, compress(_pack(self.records()))


class PaneStore:
    """All panes read so far."""

    def __init__(self) -> None:
        self._places: dict[bytes, int] = {}
        """Channel and queue by their form in keys."""
        self._names: list[tuple[str | None, str | None]] = []
        self._numbers: dict[Name, int] = {}
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
        self._unsealed = 0
        """Records taken since stretches were sealed last."""
        self._rings: dict[int, dict[bytes, _Record]] = {}
        """Records of credits by partition and key."""

    def load(self, partition: int, key: bytes, value: bytes | None) -> None:
        """Take a record of panes."""
        length, start, name, part = split_panes_key(key)
        place = self._places.get(name)
        if place is None:
            place = self._place(name)
        self._unsealed += 1
        if self._unsealed >= _UNSEALED:  # who reads a partition before another one opens what is old already
            self._seal()
        stretch = self._touched(length, start)
        stretch.put((place << _PARTS | part) << _PARTITIONS | partition, value)
        if not stretch:
            del self._stretches[length][start]

    def credit(self, partition: int, key: bytes, value: bytes | None) -> None:
        """Take a record of credits, or its deletion. It takes the place of the one with its key."""
        record: Credits | None = None if value is None else decode_value("credits", value)
        if record is not None:
            _refuse_unnamed(record)
        ring = self._rings.setdefault(partition, {})
        before = ring.pop(key, None)
        if before is not None:
            self._drop(partition, before.panes, before.number)
        if record is not None and value is not None:
            panes = {place for pane in record.panes for place in credited_panes(pane.length, pane.start)}
            ring[key] = _Record(record.number, panes, record.whole, value)
            self._drop(partition, record.whole, record.number)
            self._add(partition, record)

    def _add(self, partition: int, record: Credits, only: Collection[tuple[int, int]] | None = None) -> None:
        """Add the credits of a record, to all panes or to some (length and start in seconds), and not to those that are whole since."""
        whole = {pane for one in self._rings[partition].values() if one.number >= record.number for pane in one.whole}
        slices = _Slices(record.slices, self._number)
        self._see({name[:2] for name in record.slices})
        for pane in record.panes:
            stretches = [
                self._added(partition, record.number, length, start)
                for length, start in credited_panes(pane.length, pane.start)
                if (length, start) not in whole and (only is None or (length, start) in only)
            ]
            for credit in pane.credits if stretches else ():
                one = _Credit(slices, credit.slices, pack(credit.measures), credit.histograms)
                for added in stretches:
                    added.credits.append(one)
            for added in stretches:
                added.add_up()

    def _see(self, places: Iterable[tuple[str | None, str | None]]) -> None:
        """Note channels and queues of which there are panes."""
        for channel, queue in places:
            self._queues.add(queue)
            if channel is not None and queue is not None:
                self.places.add((channel, queue))

    def _added(self, partition: int, number: int, length: int, start: int) -> Added:
        """Return what a partition's credits add to a stretch, to which those of a record, by its number, are about to be added."""
        stretch = self._touched(length, start)
        added = stretch.added.setdefault(partition, Added(number, stretch.asked))
        added.since = min(added.since, number)
        return added

    def _drop(self, partition: int, panes: Iterable[tuple[int, int]], number: int) -> None:
        """Let go of what records up to a number credited to panes: their parts say it. Of what later ones credited nothing goes."""
        again: set[tuple[int, int]] = set()
        for length, start in panes:
            stretch = self._stretches.get(length, {}).get(start)
            if stretch is not None and partition in stretch.added and stretch.added[partition].since <= number:
                del self._touched(length, start).added[partition]
                again.add((length, start))
        for later in self._rings[partition].values() if again else ():
            if later.number > number and not again.isdisjoint(later.panes):
                self._add(partition, decode_value("credits", later.value), again)
        for length, start in again:
            if not self._stretches[length][start]:
                del self._stretches[length][start]

    def _touched(self, length: int, start: int) -> Stretch:
        """Return a stretch that is about to change."""
        stretches = self._stretches.setdefault(length, {})
        stretch = stretches.get(start)
        if stretch is None:
            stretch = stretches[start] = Stretch()
            if start > self._newest:
                self._newest = start
                self._seal()
        stretch.sums.clear()
        self._open.add((length, start))
        if length == SHORT:
            for block in _BLOCKS:
                self._blocks.pop((start - start % block, block), None)
        return stretch

    def _seal(self) -> None:
        """Seal the stretches that ended hours before the newest begins."""
        self._unsealed = 0
        for length, start in [one for one in self._open if sum(one) + _RESTING <= self._newest]:
            self._open.discard((length, start))
            stretch = self._stretches[length].get(start)
            if stretch is not None:
                stretch.seal()

    def _place(self, name: bytes) -> int:
        place = self._places[name] = len(self._names)
        channel, queue = decode_place(name)
        self._names.append((channel, queue))
        self._see([(channel, queue)])
        return place

    def lengths(self) -> Iterable[int]:
        """Return the lengths of panes there are, in seconds."""
        return self._stretches.keys()

    def starts(self, length: int, begin: int, end: int) -> list[int]:
        """Return the starts of the stretches of a length that lie wholly within (seconds)."""
        stretches = self._stretches.get(length, {})
        if (end - begin) // length < len(stretches):
            first = begin + -begin % length if length in {SHORT, QUARTER} else begin
            if length in {SHORT, QUARTER}:
                return [start for start in range(first, end - length + 1, length) if start in stretches]
        return sorted(start for start in stretches if begin <= start and start + length <= end)

    def first(self) -> int | None:
        """Return the start (seconds) of the earliest pane, None without any."""
        first: int | None = None
        for length, stretches in self._stretches.items():
            for start, stretch in stretches.items():
                if (first is None or start < first) and (not stretch.added or any(self.sums(length, start, None))):
                    first = start  # credits may have taken away all that there was
        return first

    def has(self, length: int, start: int) -> bool:
        """Tell whether there is a pane of a length (seconds) that starts then."""
        return start in self._stretches.get(length, {})

    def queues(self) -> set[str | None]:
        """Return the queues of all panes ever seen; None is agents' time over all queues."""
        return self._queues

    def part(self, length: int, start: int, breakdown: str | None, partition: int) -> Iterator[tuple[Slice, Total]]:
        """Yield what one partition adds to the sums of each slice of a stretch."""
        stretch = self._stretches[length][start]
        own = {at: record for at, record in stretch.records().items() if at & _PARTITION == partition}
        added = [more for number, more in stretch.added.items() if number == partition]
        for number, total in self._with(added, length, breakdown, self._sums(own, breakdown)).items():
            yield self.slices[number], total

    def sums(self, length: int, start: int, breakdown: str | None) -> Iterator[tuple[Slice, Total]]:
        """Yield the sums over all partitions of each slice of a stretch; do not change them."""
        stretch = self._stretches[length][start]
        sums = stretch.sums.get(breakdown)
        if sums is None:
            stretch.asked.add(breakdown)
            written = stretch.written.get(breakdown)
            if written is None:
                written = stretch.written[breakdown] = self._sums(stretch.records(), breakdown)
            sums = stretch.sums[breakdown] = self._with(stretch.added.values(), length, breakdown, written)
            self._remember(length, start)
        for number, total in sums.items():
            yield self.slices[number], total

    def _with(
        self, added: Iterable[Added], length: int, breakdown: str | None, written: dict[int, Total]
    ) -> dict[int, Total]:
        """Return sums with what is added to them in a stretch of a length; nothing is left of what becomes 0."""
        sums = dict(written)
        for more in added:
            for number, difference in more.totals(breakdown).items() if is_in(length, breakdown) else ():
                known = sums.get(number)
                if known is None or known is written.get(number):  # none, or not ours to change
                    total = sums[number] = Total()
                    if known is not None:
                        total.add(known)
                else:
                    total = known
                total.change(difference)
                if not total.bundle and not total.counts:
                    del sums[number]
        return sums

    def blocks(self, begin: int, end: int) -> Iterator[Block]:
        """Yield start and length (seconds) of few blocks that make up the sliding panes between two times."""
        return self._cut(begin, end, _BLOCKS)

    def _cut(self, begin: int, end: int, lengths: tuple[int, ...]) -> Iterator[Block]:
        """Yield whole blocks of the first length, before and after them those of the others, and at last single panes."""
        if not lengths:
            yield from ((start, SHORT) for start in self.starts(SHORT, begin, end))
            return
        length, *shorter = lengths
        first, last = min(end, begin + -begin % length), max(begin, end - end % length)
        yield from self._cut(begin, first, tuple(shorter))
        yield from ((start, length) for start in range(first, last, length))
        yield from self._cut(max(first, last), end, tuple(shorter))

    def block(self, block: Block, breakdown: str | None) -> Iterator[tuple[Slice, Total]]:
        """Yield the sums of each slice over the sliding panes of a block; do not change them."""
        start, length = block
        if length == SHORT:
            yield from self.sums(SHORT, start, breakdown)
            return
        if not self.starts(SHORT, start, start + length):
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
        named = f'["{breakdown}",'.encode()
        for at, record in records.items():
            if breakdown is None:
                if at & _PART or not record.startswith(_OWN):
                    continue
                record = record[: record.index(b"]") + 1] + b"]"  # noqa: PLW2901 - the rest need not be decoded
            elif named not in record:  # nor need what is of others: most are of agents only
                continue
            channel, queue = self._names[at >> _PARTITIONS + _PARTS]
            for by, value, pane in cuts(record):
                if by != breakdown:
                    continue
                number = self._number((channel, queue, by, value))
                total = sums.get(number)
                if total is None:
                    total = sums[number] = Total()
                bundle, histograms = decode_pane(pane)
                total.bundle += bundle
                total.count(histograms)
        return sums

    def _number(self, of: Name) -> int:
        number = self._numbers.get(of)
        if number is None:
            number = self._numbers[of] = len(self.slices)
            self.slices.append(Slice(*of))
        return number

    def _remember(self, length: int, start: int) -> None:
        self._decoded[length, start] = None
        self._decoded.move_to_end((length, start))
        while len(self._decoded) > _DECODED:
            (old_length, old_start), _ = self._decoded.popitem(last=False)
            stretch = self._stretches.get(old_length, {}).get(old_start)
            if stretch is not None:
                stretch.sums.clear()
                stretch.written.clear()


def _refuse_unnamed(record: Credits) -> None:
    """Raise ValueError when a record credits slices that it does not name."""
    named = [credit.slices for pane in record.panes for credit in pane.credits if credit.slices]
    if named and not 0 <= min(map(min, named)) <= max(map(max, named)) < len(record.slices):
        message = "a record of credits is of slices that it does not name"
        raise ValueError(message)


_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(dict[int, bytes]).decode
