"""Records of quiet customers' contacts, by key: put away in compressed blocks of those who came at about the same time.

A record is some 200 bytes, of which ids repeat the key, and names and times those of its neighbours: of 32 customers together lz4 leaves
half, and there is one object instead of a hundred. Who came lately lies loose, since many return soon. A block does not change; when half
of it has been taken, the rest is taken out, to be put away with others. So a customer is compressed a few times in all, and what is gone
takes no more room than what is there.

What has to be looked at some day, to be forgotten, is known of blocks and not of each customer.

A block is one record of the state, in the place of those of its contacts, which are deleted in the same transaction: a restore takes 32
customers at once, without looking at their contacts. Who is taken out of it is written again, each contact as a record of its own; so of a
customer in several places the contacts' own records count, then the newest block. What a block still says of who was forgotten since
changes nothing: he could not matter any more, and as no contact is remembered for shorter than an older record of it says, neither could
what he was before. The record goes with the last customer who is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any, Final

import msgspec
from lz4.block import LZ4BlockError, compress, decompress
from msgspec import Raw

from streams.engine.marker import StateCorruptError
from streams.engine.records import block_key, contact_key

_NEVER: Final = -1
_SHORT: Final = 4
"""Bits of a hash that are left out: Python's integers of 60 bits take 32 bytes, of 61 48."""
BLOCK: Final = 32
"""Customers in a block. With twice as many lz4 leaves 2 % less, and looking into one costs twice as much."""
LOOSE: Final = 4096
Records = dict[str, Any]
"""A customer's contacts: records, by contact id."""
Written = dict[bytes, bytes | None]
LookOn = Callable[[Iterable[Records]], int]
"""Says on which day the first of some customers has to be looked at."""
Fits = Callable[[Records], bool]
"""Tells whether a block's record may take the place of a customer's records."""
_UNWRITTEN: Final = -1
_DAY: Final = 4
"""Bytes before a block's customers: the day on which the first of them has to be looked at."""


class _Block:
    """Customers put away together, of whom so many have not been taken, and the number of their record, if they have one."""

    __slots__ = ("data", "left", "number")

    def __init__(self, data: bytes, left: int, number: int) -> None:
        self.data, self.left, self.number = data, left, number

    @property
    def day(self) -> int:
        """Return the day on which the first of them has to be looked at."""
        return int.from_bytes(self.data[:_DAY], "big")


class Shelf:
    """What `put` was given, by key, until it is taken."""

    def __init__(self, look_on: LookOn, fits: Fits) -> None:
        self.written: Written = {}
        """What has to be written for what has happened here, by key; None deletes."""
        self._look_on = look_on
        self._fits = fits
        self._next = 0
        """The number of the next block's record."""
        self._writes = True
        """False while a restore goes on, which may not write."""
        self._loose: dict[bytes, Records] = {}
        self._unfit: dict[bytes, Records] = {}
        """Those who lie loose, and would keep a block from being written."""
        self._blocks: dict[int, _Block] = {}
        """By `_index` of the key; the keys themselves are in the blocks."""
        self._apart: dict[bytes, Records] = {}
        """Those with the index of another one, who are never put away."""
        self._due: dict[int, dict[_Block, None]] = {}
        """Blocks by the day on which the first of them has to be looked at."""
        self._day = _NEVER
        self._looked: tuple[_Block | None, dict[bytes, Raw]] = (None, {})
        """The block that was looked into last: who was put away together often goes together."""

    def __len__(self) -> int:
        return len(self._loose) + len(self._unfit) + len(self._blocks) + len(self._apart)

    def __contains__(self, key: bytes) -> bool:
        return self.loose(key) is not None

    def put(self, key: bytes, records: Records) -> None:
        """Keep a customer; there must be none of this key."""
        loose = self._loose if self._fits(records) else self._unfit
        loose[key] = records
        if len(loose) >= LOOSE + BLOCK:
            self._put_away(loose)

    @contextmanager
    def adding(self) -> Iterator[dict[bytes, Records]]:
        """Give those who lie loose, for a restore to add many who are `new`; when they are there, some are put away. Nothing is written until `restore`."""
        self._writes = False
        yield self._loose
        while len(self._loose) >= LOOSE + BLOCK:
            self._put_away(self._loose)

    def restore(self, blocks: dict[int, bytes], is_elsewhere: Callable[[bytes], bool]) -> None:
        """Take back blocks by number, after all others, but for who is here or elsewhere already."""
        self._writes = True
        self._next = max(blocks, default=-1) + 1
        for key in [key for key, records in self._loose.items() if not self._fits(records)]:
            self._unfit[key] = self._loose.pop(key)
        for number in sorted(blocks, reverse=True):  # newest first
            block = _Block(blocks[number], 0, number)
            found = _all(block)
            indices = [_index(key) for key in found]
            differ = len(set(indices)) == len(indices)  # else it could not be told who is still there
            for key, index in zip(found, indices, strict=True):
                if self._is_loose(key) or is_elsewhere(key):
                    continue
                if differ and index not in self._blocks:
                    self._blocks[index] = block
                    block.left += 1
                elif not self._is_in_block(key):
                    records = self._apart[key] = _records(found[key])
                    self.write_again(key, records)
            if block.left:
                self._due.setdefault(block.day, {})[block] = None
            else:
                self.written[block_key(number)] = None

    def _is_loose(self, key: bytes) -> bool:
        return key in self._loose or key in self._unfit or key in self._apart

    def _is_in_block(self, key: bytes) -> bool:
        block = self._blocks.get(_index(key))
        return block is not None and key in self._in(block)

    def new(self, key: bytes) -> bool:
        """Tell whether nobody of this key is there, but maybe among those who lie loose. It may say no of somebody who is not."""
        return _index(key) not in self._blocks and key not in self._unfit and key not in self._apart

    def by_block(self, keys: Iterable[bytes]) -> list[bytes]:
        """Return keys in an order in which those who were put away together follow one another, to look into a block once."""
        return sorted(keys, key=lambda key: id(self._blocks.get(_index(key))))

    def loose(self, key: bytes) -> Records | None:
        """Return the records of a customer, which may be changed; None when there is none."""
        records = self._loose.get(key, self._unfit.get(key))
        if records is None:
            records = self.take(key)
            if records is not None:
                self.put(key, records)
        return records

    def take(self, key: bytes) -> Records | None:
        """Return the records of a customer and keep them no longer; None when there is none."""
        records, is_in_block = self.leave(key)
        if records is not None and is_in_block:
            self.write_again(key, records)
        return records

    def leave(self, key: bytes) -> tuple[Records | None, bool]:
        """Do the same, and tell whether they were in a block's record only: `write_again` what is not to be forgotten."""
        for some in (self._loose, self._unfit, self._apart):
            if key in some:
                return some.pop(key), False
        index = _index(key)
        block = self._blocks.get(index)
        found = None if block is None else self._in(block).get(key)
        if block is None or found is None:
            return None, False
        del self._blocks[index]
        block.left -= 1
        if block.left <= BLOCK // 2:
            self._take_out(block)
        return _records(found), block.number != _UNWRITTEN

    def write_again(self, key: bytes, records: Records) -> None:
        """Write the records of a customer who has left a block, each as a record of its own."""
        self.written |= {contact_key(key, name): record for name, record in records.items()}

    def due(self, day: int) -> Iterator[bytes]:
        """Yield the keys of those who have to be looked at by a day, once a day, and of some others; they may be taken meanwhile."""
        if day <= self._day:
            return
        self._day = day
        for some in (self._loose, self._unfit, self._apart):
            yield from [key for key, records in some.items() if self._look_on((records,)) <= day]
        for at in [at for at in self._due if at <= day]:
            blocks = self._due.pop(at)
            yield from chain.from_iterable(self._left(block) for block in blocks if block.left)

    def _put_away(self, loose: dict[bytes, Records]) -> None:
        """Put those away who have lain loose for longest, and write them so if that is possible."""
        some = dict(islice(loose.items(), BLOCK))
        for key in some:
            del loose[key]
        indices = {_index(key): key for key in some}
        if len(indices) < len(some) or not self._blocks.keys().isdisjoint(indices):
            indices = {index: key for index, key in indices.items() if index not in self._blocks}
            for key in some.keys() - indices.values():
                self._apart[key] = some.pop(key)
        if some:
            day = max(self._day + 1, self._look_on(some.values()))
            data = day.to_bytes(_DAY, "big") + compress(_pack(some))
            block = _Block(data, len(some), _UNWRITTEN)
            self._blocks.update(dict.fromkeys(indices, block))
            self._due.setdefault(day, {})[block] = None
            if self._writes and loose is self._loose:
                self._write(block, some)

    def _write(self, block: _Block, customers: dict[bytes, Records]) -> None:
        """Let a block's record take the place of those of its contacts."""
        block.number = self._next
        self._next += 1
        self.written[block_key(block.number)] = block.data
        self.written |= {contact_key(key, name): None for key, records in customers.items() for name in records}

    def _take_out(self, block: _Block) -> None:
        """Take those out who are left, to be put away with others."""
        left = {key: _records(self._in(block)[key]) for key in self._left(block)}
        for key, records in left.items():
            del self._blocks[_index(key)]
            if block.number != _UNWRITTEN:
                self.write_again(key, records)
            self.put(key, records)
        if block.number != _UNWRITTEN:
            self.written[block_key(block.number)] = None
        self._due.get(block.day, {}).pop(block, None)
        block.data, block.left = b"", 0

    def _left(self, block: _Block) -> list[bytes]:
        """Return the keys of those in a block who have not been taken."""
        return [key for key in self._in(block) if self._blocks.get(_index(key)) is block]

    def _in(self, block: _Block) -> dict[bytes, Raw]:
        """Return everybody who was put into a block, those who have been taken since among them."""
        looked, found = self._looked
        if looked is not block:
            found = _all(block)
            self._looked = block, found
        return found


def _index(key: bytes) -> int:
    """Return a number for a key, in half of the memory of most keys. Others may have it: who is meant is looked up in the block."""
    return hash(key) >> _SHORT


def _all(block: _Block) -> dict[bytes, Raw]:
    """Return everybody who was put into a block; raises StateCorruptError where it is none."""
    try:
        found: dict[bytes, Raw] = _unpack(decompress(memoryview(block.data)[_DAY:]))
    except (LZ4BlockError, ValueError) as error:
        message = f"a block of quiet customers cannot be read: {type(error).__name__}"
        raise StateCorruptError(message) from None
    return found


def _records(customer: Raw) -> Records:
    """Return the records of somebody in a block; raises StateCorruptError where they are none."""
    try:
        found: Records = _unpack_records(customer)
    except ValueError as error:
        message = f"a customer in a block cannot be read: {type(error).__name__}"
        raise StateCorruptError(message) from None
    return found


_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(dict[bytes, Raw]).decode
_unpack_records: Final = msgspec.msgpack.Decoder(dict[str, bytes]).decode
