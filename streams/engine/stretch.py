"""One stretch of time: what all its slices hold, ready for use where events come, sealed where they have passed.

    decoded    bundles and histograms, to be credited                        about 700 bytes a slice
    opened     panes as they were written last, by slice                     about 350
    read       a place's records as they were written, not yet looked at     about 350, what a restore reads
    sealed     such records compressed, in blocks of neighbouring places     about 100

The slices of a place, which is a channel and queue, are written in parts, so that what changes together is one record: the queue's own
with the traits of its visits, and agents by sixteens. A place of a sealed stretch is opened with its block when one of its slices is
credited, and then hides its sealed form. Which form a slice has changes no figure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

import msgspec
from lz4.block import compress, decompress
from msgspec import Raw, Struct, field

from streams.engine.codes import CODES, MASK, WHOLE, split
from streams.engine.marker import StateCorruptError
from streams.engine.measures import Measures, bundle_of, measures
from streams.engine.slices import Slice, Slices, spread

_PART: Final = 32
_AGENTS: Final = 16
"""Panes in a part at most. A restore reads 43 % fewer records of panes than with 4 agents in one, and no more bytes are written."""

_LOOSE: Final = 8
"""A sealed stretch is sealed anew when more than one place in so many is opened."""

_BLOCK: Final = 24_000
"""Bytes of records in a block: few enough that one is looked up in 20 us, enough that they compress."""

Histograms = dict[str, dict[int, int]]
"""Counts by histogram and bucket."""
Parts = dict[int, bytes]
"""A place's records by part."""


class WrittenPane(Struct, frozen=True, omit_defaults=True):
    """A `Pane` as it is written: the same JSON from a structure of all measures."""

    measures: Measures = field(default_factory=Measures)  # type: ignore[valid-type]
    histograms: Histograms = field(default_factory=dict)


def encode_pane(bundle: int, histograms: Histograms) -> bytes:
    """Return a slice's pane as it is written."""
    return _encode(WrittenPane(measures(bundle), histograms))


def decode_pane(pane: bytes | Raw) -> tuple[int, Histograms]:
    """Return bundle and histograms of a slice's pane; raises msgspec.MsgspecError when it is not one."""
    found = _decode(pane)
    return bundle_of(found.measures), found.histograms


def cuts(record: bytes) -> list[tuple[str | None, str | None, Raw]]:
    """Return breakdown, value and pane, not decoded, of a part's record; raises msgspec.MsgspecError when it is not one."""
    found: list[tuple[str | None, str | None, Raw]] = _decode_cuts(record)
    return found


class _Part:
    """Some slices of a place as they were written last: a record."""

    __slots__ = ("most", "number", "panes", "place")

    def __init__(self, place: int, number: int, most: int) -> None:
        self.place, self.number, self.most = place, number, most
        self.panes: dict[int, bytes] = {}
        """By slice."""

    def record(self) -> bytes | None:
        """Return the record, None when nothing is left in it."""
        return b"[" + b",".join(self.panes.values()) + b"]" if self.panes else None


class Stretch:
    """All slices of one stretch of time. Nothing is kept of what becomes 0."""

    __slots__ = (
        "_blocks",
        "_firsts",
        "_over",
        "_places",
        "_read",
        "_size",
        "_slices",
        "_where",
        "_written",
        "bundles",
        "histograms",
    )

    def __init__(self, slices: Slices) -> None:
        self._slices = slices
        self.bundles: dict[int, int] = {}
        self.histograms: dict[int, Histograms] = {}
        """Of the slices that are decoded."""
        self._places: dict[int, list[_Part]] = {}
        """Those that are opened."""
        self._where: dict[int, _Part] = {}
        """The part of each slice of an opened place that was written."""
        self._written: set[int] = set()
        """Slices of opened places that are not decoded."""
        self._read: dict[int, dict[int, bytes | None]] = {}
        """Records, or their deletion, by place and part."""
        self._blocks: list[bytes] = []
        self._firsts: list[int] = []
        """The lowest place in each block."""
        self._size = 0
        """Places in all blocks."""
        self._over: set[int] = set()
        """Places of which the sealed form no longer holds."""

    def credit(self, bundles: dict[int, int], counts: dict[int, int], groups: list[tuple[int, ...]]) -> set[int]:
        """Add bundles by place and counts by (place, bucket code); return the slices that these places are."""
        touched: set[int] = set()
        if self._closed_any:
            self._ready(
                {
                    number
                    for place in bundles.keys() | {key >> CODES for key in counts}
                    for number in spread(place, groups)
                }
            )
        for place, bundle in bundles.items():
            if bundle:
                numbers = spread(place, groups)
                touched.update(numbers)
                self._add(numbers, bundle)
        for key, count in counts.items():
            if count:
                name, index = split(key & MASK)
                numbers = spread(key >> CODES, groups)
                if name in WHOLE:
                    numbers = numbers[:1]
                touched.update(numbers)
                self._count(numbers, name, index, count)
        return touched

    def merge(self, number: int, bundle: int, histograms: Histograms) -> None:
        """Add a bundle and histograms to a slice."""
        if self._closed_any:
            self._ready((number,))
        self._add((number,), bundle)
        for name, counts in histograms.items():
            for index, count in counts.items():
                self._count((number,), name, index, count)

    @property
    def _closed_any(self) -> bool:
        return bool(self._written or self._read or self._blocks)

    def restore(self, place: int, part: int, record: bytes | None) -> None:
        """Take a record of a place back; of several of the same part the last one counts, and none deletes."""
        self._read.setdefault(place, {})[part] = record

    def records(self, numbers: Iterable[int]) -> Iterator[tuple[int, int, bytes | None]]:
        """Yield place, part and record of the parts that hold slices which were credited or removed; None when nothing is left of one."""
        touched: dict[_Part, None] = {}
        where, bundles, heads = self._where, self.bundles, self._slices.heads
        for number in numbers:
            part, bundle = where.get(number), bundles.get(number)
            if bundle is not None:
                if part is None:
                    part = where[number] = self._room(number)
                part.panes[number] = heads[number] + encode_pane(bundle, self.histograms.get(number, _NONE)) + b"]"
            elif part is None or number in self._written:  # as it was
                continue
            else:
                del where[number], part.panes[number]
            touched[part] = None
        for part in touched:
            yield part.place, part.number, part.record()

    def _room(self, number: int) -> _Part:
        """Return the part for a slice that is new; the place's own pane goes before all others."""
        at, breakdown = self._slices.place_of[number], self._slices.names[number].breakdown
        parts = self._places.get(at) or self._open(at)
        if breakdown is None:
            parts[0].panes = {number: b""} | parts[0].panes
            return parts[0]
        most = _most(breakdown)
        last = next((part for part in reversed(parts) if part.most == most), None)
        if last is None or len(last.panes) >= most:
            last = _Part(at, parts[-1].number + 1, most)
            parts.append(last)
        return last

    def __iter__(self) -> Iterator[tuple[int, int, Histograms]]:
        """Yield number, bundle and histograms of all slices; none is decoded for longer."""
        for at, parts in self._closed().items():
            for record in parts.values():
                for number, pane in self._panes(at, record):
                    yield number, *_decoded(pane)
        for number in self._written:
            yield number, *self._decode_slice(number)
        for number, bundle in self.bundles.items():
            yield number, bundle, self.histograms.get(number, _NONE)

    def __bool__(self) -> bool:
        return bool(self.bundles or self._closed_any)

    def numbers(self) -> list[int]:
        """Return all slices that there are; their places are opened."""
        for at in self._closed():
            self._open(at)
        return self.open_numbers()

    def open_numbers(self) -> list[int]:
        """Return the slices of places that are opened."""
        return [*self._written, *self.bundles]

    def parts(self) -> Iterator[tuple[int, int]]:
        """Yield place and part of all records that there are."""
        for at, parts in self._closed().items():
            for part in parts:
                yield at, part
        for place in self._places.values():
            yield from ((part.place, part.number) for part in place if part.panes)

    def remove(self, gone: Collection[int]) -> None:
        """Forget slices of opened places, to be written."""
        for number in gone:
            self.bundles.pop(number, None)
            self.histograms.pop(number, None)
            self._written.discard(number)

    def seal(self) -> None:
        """Seal all places as they were written, unless nearly all are."""
        if self._blocks and len(self._over) * _LOOSE <= self._size:
            return
        places = self._closed()
        for at, place in self._places.items():
            records = {part.number: record for part in place if (record := part.record()) is not None}
            if records:
                places[at] = records
        self.bundles, self.histograms, self._places, self._where, self._written, self._read = {}, {}, {}, {}, set(), {}
        self._blocks, self._firsts, self._over = [], [], set()
        self._size = len(places)
        block: dict[int, Parts] = {}
        size = 0
        for at in sorted(places):
            block[at] = places[at]
            size += sum(map(len, places[at].values()))
            if size >= _BLOCK:
                self._keep(block)
                block, size = {}, 0
        if block:
            self._keep(block)

    def _keep(self, block: dict[int, Parts]) -> None:
        self._firsts.append(next(iter(block)))
        self._blocks.append(compress(_pack(block)))

    def _closed(self) -> dict[int, Parts]:
        """Return the records of the places that are not opened."""
        found: dict[int, Parts] = {}
        for block in self._blocks:
            found.update(_unpack(decompress(block)))
        for at in self._over:
            found.pop(at, None)
        for at, parts in self._read.items():
            found[at] = _latest(found.get(at, {}), parts)
        return found

    def _open(self, at: int) -> list[_Part]:
        """Open a place: its panes are there, but not decoded."""
        records: Parts = {}
        if self._blocks and at not in self._over:
            self._over.add(at)
            block = _unpack(decompress(self._blocks[max(0, bisect_right(self._firsts, at) - 1)]))
            records = block.get(at, records)
        records = _latest(records, self._read.pop(at, {}))
        place = self._places[at] = [_Part(at, 0, _PART)]
        heads, names = self._slices.heads, self._slices.names
        for number in sorted(records):
            part = place[0] if number == 0 else _Part(at, number, _PART)
            for cut, pane in self._panes(at, records[number]):
                part.most = _most(names[cut].breakdown)
                part.panes[cut] = heads[cut] + bytes(pane) + b"]"
                self._where[cut] = part
                self._written.add(cut)
            if number:
                place.append(part)
        return place

    def _panes(self, at: int, record: bytes) -> Iterator[tuple[int, Raw]]:
        """Yield number and pane of the slices in a record of a place."""
        channel, queue = self._slices.places[at]
        try:
            for breakdown, value, pane in cuts(record):
                yield self._slices.number(Slice(channel, queue, breakdown, value)), pane
        except msgspec.MsgspecError as error:
            message = f"a record of panes cannot be read: {error}"
            raise StateCorruptError(message) from error

    def _ready(self, numbers: Iterable[int]) -> None:
        """Decode slices that are about to be changed."""
        place_of = self._slices.place_of
        for number in numbers:
            if number in self.bundles:
                continue
            if place_of[number] not in self._places:
                self._open(place_of[number])
            if number in self._written:
                self.bundles[number], histograms = self._decode_slice(number)
                if histograms:
                    self.histograms[number] = histograms
                self._written.discard(number)

    def _decode_slice(self, number: int) -> tuple[int, Histograms]:
        return _decoded(self._where[number].panes[number][len(self._slices.heads[number]) : -1])

    def _add(self, numbers: Iterable[int], bundle: int) -> None:
        bundles = self.bundles
        for number in numbers:
            total = bundles.get(number, 0) + bundle
            if total:
                bundles[number] = total
            else:
                bundles.pop(number, None)

    def _count(self, numbers: Iterable[int], name: str, index: int, count: int) -> None:
        known = self.histograms
        for number in numbers:
            histograms = known.get(number)
            if histograms is None:
                known[number] = {name: {index: count}}
                continue
            counts = histograms.get(name)
            if counts is None:
                histograms[name] = {index: count}
                continue
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


def _most(breakdown: str | None) -> int:
    return _AGENTS if breakdown == "agent" else _PART


def _latest(parts: Parts, read: dict[int, bytes | None]) -> Parts:
    return {part: record for part, record in {**parts, **read}.items() if record is not None}


def _decoded(pane: bytes | Raw) -> tuple[int, Histograms]:
    try:
        return decode_pane(pane)
    except msgspec.MsgspecError as error:
        message = f"a pane cannot be read: {error}"
        raise StateCorruptError(message) from error


_NONE: Final[Histograms] = {}
_encode: Final = msgspec.json.Encoder().encode
_decode: Final[Any] = msgspec.json.Decoder(WrittenPane).decode
_decode_cuts: Final[Any] = msgspec.json.Decoder(list[tuple[str | None, str | None, Raw]]).decode
_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(dict[int, Parts]).decode
