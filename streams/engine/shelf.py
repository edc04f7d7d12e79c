"""Records of quiet customers' contacts, by key: put away in compressed blocks of those who came at about the same time.

A record is some 200 bytes, of which ids repeat the key, and names and times those of its neighbours: of 32 customers together lz4 leaves
half, and there is one object instead of a hundred. Who came lately lies loose, since many return soon. A block does not change; when half
of it has been taken, the rest is taken out, to be put away with others. So a customer is compressed a few times in all, and what is gone
takes no more room than what is there.

What has to be looked at some day, to be forgotten, is known of blocks and not of each customer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final

import msgspec
from lz4.block import compress, decompress
from msgspec import Raw

_NEVER: Final = -1
_SHORT: Final = 4
"""Bits of a hash that are left out: Python's integers of 60 bits take 32 bytes, of 61 48."""
BLOCK: Final = 32
"""Customers in a block. With twice as many lz4 leaves 2 % less, and looking into one costs twice as much."""
LOOSE: Final = 4096
Records = dict[str, Any]
"""A customer's contacts: records, by contact id."""
LookOn = Callable[[Iterable[Records]], int]
"""Says on which day the first of some customers has to be looked at."""


class _Block:
    """Customers put away together, of whom so many have not been taken."""

    __slots__ = ("data", "left")

    def __init__(self, data: bytes, left: int) -> None:
        self.data, self.left = data, left


class Shelf:
    """What `put` was given, by key, until it is taken."""

    def __init__(self, look_on: LookOn) -> None:
        self._look_on = look_on
        self._loose: dict[bytes, Records] = {}
        self._blocks: dict[int, _Block] = {}
        """By `_index` of the key; the keys themselves are in the blocks."""
        self._apart: dict[bytes, Records] = {}
        """Those with the index of another one, who are never put away."""
        self._due: dict[int, list[_Block]] = {}
        """Blocks by the day on which the first of them has to be looked at."""
        self._day = _NEVER
        self._looked: tuple[_Block | None, dict[bytes, Raw]] = (None, {})
        """The block that was looked into last: who was put away together often goes together."""

    def __len__(self) -> int:
        return len(self._loose) + len(self._blocks) + len(self._apart)

    def __contains__(self, key: bytes) -> bool:
        return self.loose(key) is not None

    def put(self, key: bytes, records: Records) -> None:
        """Keep a customer; there must be none of this key."""
        self._loose[key] = records
        if len(self._loose) >= LOOSE + BLOCK:
            self._put_away()

    @contextmanager
    def adding(self) -> Iterator[dict[bytes, Records]]:
        """Give those who lie loose, to add many to who are `new`; when they are there, some are put away."""
        yield self._loose
        while len(self._loose) >= LOOSE + BLOCK:
            self._put_away()

    def new(self, key: bytes) -> bool:
        """Tell whether nobody of this key is there, but maybe among those who lie loose. It may say no of somebody who is not."""
        return _index(key) not in self._blocks and key not in self._apart

    def by_block(self, keys: Iterable[bytes]) -> list[bytes]:
        """Return keys in an order in which those who were put away together follow one another, to look into a block once."""
        return sorted(keys, key=lambda key: id(self._blocks.get(_index(key))))

    def loose(self, key: bytes) -> Records | None:
        """Return the records of a customer, which may be changed; None when there is none."""
        records = self._loose.get(key)
        if records is None:
            records = self.take(key)
            if records is not None:
                self.put(key, records)
        return records

    def take(self, key: bytes) -> Records | None:
        """Return the records of a customer and keep them no longer; None when there is none."""
        if key in self._loose:
            return self._loose.pop(key)
        if key in self._apart:
            return self._apart.pop(key)
        index = _index(key)
        block = self._blocks.get(index)
        records = None if block is None else self._in(block).get(key)
        if block is None or records is None:
            return None
        del self._blocks[index]
        block.left -= 1
        if block.left <= BLOCK // 2:
            self._take_out(block)
        return _records(records)

    def due(self, day: int) -> Iterator[bytes]:
        """Yield the keys of those who have to be looked at by a day, once a day, and of some others; they may be taken meanwhile."""
        if day <= self._day:
            return
        self._day = day
        for some in (self._loose, self._apart):
            yield from [key for key, records in some.items() if self._look_on((records,)) <= day]
        for at in [at for at in self._due if at <= day]:
            for block in self._due.pop(at):
                if block.left:
                    yield from self._left(block)

    def _put_away(self) -> None:
        """Put those away who have lain loose for longest."""
        some = dict(islice(self._loose.items(), BLOCK))
        for key in some:
            del self._loose[key]
        indices = {_index(key): key for key in some}
        if len(indices) < len(some) or not self._blocks.keys().isdisjoint(indices):
            indices = {index: key for index, key in indices.items() if index not in self._blocks}
            for key in some.keys() - indices.values():
                self._apart[key] = some.pop(key)
        if some:
            block = _Block(_exactly(compress(_pack(some))), len(some))
            self._blocks.update(dict.fromkeys(indices, block))
            day = max(self._day + 1, self._look_on(some.values()))
            self._due.setdefault(day, []).append(block)

    def _take_out(self, block: _Block) -> None:
        for key in self._left(block):
            del self._blocks[_index(key)]
            self.put(key, _records(self._in(block)[key]))
        block.data, block.left = b"", 0

    def _left(self, block: _Block) -> list[bytes]:
        """Return the keys of those in a block who have not been taken."""
        return [key for key in self._in(block) if self._blocks.get(_index(key)) is block]

    def _in(self, block: _Block) -> dict[bytes, Raw]:
        """Return everybody who was put into a block, those who have been taken since among them."""
        looked, found = self._looked
        if looked is not block:
            found = _unpack(decompress(block.data))
            self._looked = block, found
        return found


def _index(key: bytes) -> int:
    """Return a number for a key, in half of the memory of most keys. Others may have it: who is meant is looked up in the block."""
    return hash(key) >> _SHORT


_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(dict[bytes, Raw]).decode
_records: Final = msgspec.msgpack.Decoder(dict[str, bytes]).decode


def _exactly(data: bytes) -> bytes:
    """Return a copy that takes no more than it needs: the room reserved for the compressor is given back as a whole."""
    return bytes(memoryview(data))
