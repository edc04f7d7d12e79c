"""One stretch of time: what all its slices hold, ready for use where events come, sealed where they have passed.

    decoded    bundles and histograms, to be credited             about 700 bytes a slice
    kept       records as they were written, not yet looked at    about 350, what a restore reads
    sealed     compressed, in blocks of neighbours                about  50

A slice of a sealed stretch is decoded with its block when it is credited, and then hides its sealed form. Which form a slice has changes no
figure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

import msgspec
from lz4.block import compress, decompress
from msgspec import Raw, Struct, field

from streams.engine.codes import CODES, MASK, split
from streams.engine.marker import StateCorruptError
from streams.engine.measures import Measures, bundle_of, from_bytes, measures, to_bytes
from streams.engine.slices import spread

_LOOSE: Final = 8
"""A sealed stretch is sealed anew when more than one slice in so many is decoded."""

_BLOCK: Final = 64
"""Slices in a block: few enough that one is looked up in 20 us, enough that they compress."""

Histograms = dict[str, dict[int, int]]
"""Counts by histogram and bucket."""
Open = tuple[bytes, Histograms]
"""A slice as it is sealed: the bundle's bytes and the histograms."""
Closed = bytes | Raw
"""A slice that is not decoded: its record, or either that or an `Open` in msgpack."""


class Told(Struct, frozen=True, omit_defaults=True):
    """A `Pane` as it is written: the same JSON from a structure of all measures."""

    measures: Measures = field(default_factory=Measures)  # type: ignore[valid-type]
    histograms: Histograms = field(default_factory=dict)


def written(bundle: int, histograms: Histograms) -> bytes:
    """Return the record of a slice."""
    return _encode(Told(measures(bundle), histograms))


def told(value: bytes) -> tuple[int, Histograms]:
    """Return bundle and histograms of a slice's record; raises msgspec.MsgspecError when it is not one."""
    pane = _decode(value)
    return bundle_of(pane.measures), pane.histograms


class Stretch:
    """All slices of one stretch of time. Nothing is kept of what becomes 0."""

    __slots__ = ("_blocks", "_firsts", "_kept", "_over", "_size", "bundles", "histograms")

    def __init__(self) -> None:
        self.bundles: dict[int, int] = {}
        self.histograms: dict[int, Histograms] = {}
        """Of the slices that are decoded."""
        self._kept: dict[int, Closed] = {}
        self._blocks: list[bytes] = []
        self._firsts: list[int] = []
        """The lowest slice in each block."""
        self._size = 0
        """Slices in all blocks."""
        self._over: set[int] = set()
        """Slices of which the sealed form no longer holds."""

    def credit(self, bundles: dict[int, int], counts: dict[int, int], groups: list[tuple[int, ...]]) -> set[int]:
        """Add bundles by place and counts by (place, bucket code); return the slices that these places are."""
        touched: set[int] = set()
        if self._kept or self._blocks:
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
                for number in numbers:
                    self._add(number, bundle)
        for key, count in counts.items():
            if count:
                numbers = spread(key >> CODES, groups)
                touched.update(numbers)
                name, index = split(key & MASK)
                for number in numbers:
                    self._count(number, name, index, count)
        return touched

    def merge(self, number: int, bundle: int, histograms: Histograms) -> None:
        """Add a bundle and histograms to a slice."""
        if self._kept or self._blocks:
            self._ready((number,))
        self._add(number, bundle)
        for name, counts in histograms.items():
            for index, count in counts.items():
                self._count(number, name, index, count)

    def restore(self, number: int, value: bytes | None) -> None:
        """Take a slice's record back; of several the last one counts, and none deletes."""
        if self._blocks:
            self._over.add(number)
        if value is None:
            self._kept.pop(number, None)
        else:
            self._kept[number] = value

    def record(self, number: int) -> bytes | None:
        """Return the record of a slice that was credited; None when nothing is left of it."""
        bundle = self.bundles.get(number)
        return None if bundle is None else written(bundle, self.histograms.get(number, _NONE))

    def __iter__(self) -> Iterator[tuple[int, int, Histograms]]:
        """Yield number, bundle and histograms of all slices; none is decoded for longer."""
        for number, value in self._closed().items():
            yield number, *_open(value)
        for number, bundle in self.bundles.items():
            yield number, bundle, self.histograms.get(number, _NONE)

    def __bool__(self) -> bool:
        return bool(self.bundles or self._kept or self._blocks)

    def numbers(self) -> list[int]:
        """Return all slices that there are."""
        return [*self._closed(), *self.bundles]

    def open_numbers(self) -> list[int]:
        """Return the slices that are not sealed."""
        return [*self._kept, *self.bundles]

    def remove(self, gone: Collection[int]) -> None:
        """Forget slices."""
        if not gone:
            return
        left = self._closed()
        self._unseal()
        self._kept = left
        for number in gone:
            left.pop(number, None)
            self.bundles.pop(number, None)
            self.histograms.pop(number, None)

    def seal(self) -> None:
        """Seal all slices, unless nearly all are."""
        if self._blocks and len(self._over) * _LOOSE <= self._size:
            return
        slices: dict[int, Closed | Open] = {**self._closed()}
        for number, bundle in self.bundles.items():
            slices[number] = to_bytes(bundle), self.histograms.get(number, _NONE)
        self._unseal()
        self.bundles, self.histograms, self._kept = {}, {}, {}
        self._size = len(slices)
        ordered = sorted(slices)
        for block in (ordered[at : at + _BLOCK] for at in range(0, len(ordered), _BLOCK)):
            self._firsts.append(block[0])
            self._blocks.append(compress(_pack({number: slices[number] for number in block})))

    def _unseal(self) -> None:
        self._blocks, self._firsts, self._size, self._over = [], [], 0, set()

    def _closed(self) -> dict[int, Closed]:
        """Return the slices that are not decoded."""
        found: dict[int, Closed] = {}
        for block in self._blocks:
            found.update(_unpack(decompress(block)))
        for number in self._over:
            found.pop(number, None)
        found.update(self._kept)
        return found

    def _ready(self, numbers: Iterable[int]) -> None:
        """Decode slices that are about to be changed."""
        hidden: dict[int, list[int]] = {}
        for number in numbers:
            value = self._kept.pop(number, None)
            if value is not None:
                self._decode(number, value)
            elif self._blocks and number not in self._over:
                self._over.add(number)
                hidden.setdefault(bisect_right(self._firsts, number) - 1, []).append(number)
        for at, some in hidden.items():
            block = _unpack(decompress(self._blocks[max(0, at)]))
            for number in some:
                if number in block:
                    self._decode(number, block[number])

    def _decode(self, number: int, value: Closed) -> None:
        self.bundles[number], histograms = _open(value)
        if histograms:
            self.histograms[number] = histograms

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


def _open(value: Closed) -> tuple[int, Histograms]:
    """Return bundle and histograms of a slice."""
    try:
        found: Open | bytes = _decode_raw(value) if isinstance(value, Raw) else value
        return told(found) if isinstance(found, bytes) else (from_bytes(found[0]), found[1])
    except msgspec.MsgspecError as error:
        message = f"a pane's record cannot be read: {error}"
        raise StateCorruptError(message) from error


_NONE: Final[Histograms] = {}
_encode: Final = msgspec.json.Encoder().encode
_decode: Final[Any] = msgspec.json.Decoder(Told).decode
_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(dict[int, Raw]).decode
_decode_raw: Final[Any] = msgspec.msgpack.Decoder(bytes | Open).decode
