"""Records of quiet customers' contacts, by key: put away in compressed blocks of those who came at about the same time.

A record is some 200 bytes, of which ids repeat the key, and names and times those of its neighbours: of 32 customers together lz4 leaves
half, and there is one object instead of a hundred. Who came lately lies loose, since many return soon. A block does not change; when half
of it has been taken, the rest is taken out, to be put away with others. So a customer is compressed a few times in all, and what is gone
takes no more room than what is there.
"""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

import msgspec
from lz4.block import compress, decompress

BLOCK: Final = 32
"""Customers in a block. With twice as many lz4 leaves 2 % less, and looking into one costs twice as much."""
LOOSE: Final = 4096
Records = dict[str, Any]
"""A customer's contacts: records, by contact id."""


class _Block:
    """Customers put away together, of whom so many have not been taken."""

    __slots__ = ("data", "left")

    def __init__(self, data: bytes, left: int) -> None:
        self.data, self.left = data, left


class Shelf:
    """What `put` was given, by key, until it is taken."""

    def __init__(self) -> None:
        self._loose: dict[bytes, Records] = {}
        self._blocks: dict[bytes, _Block] = {}
        self._looked: tuple[_Block | None, dict[bytes, msgspec.Raw]] = (None, {})
        """The block that was looked into last: who was put away together often goes together."""

    def __len__(self) -> int:
        return len(self._loose) + len(self._blocks)

    def __contains__(self, key: bytes) -> bool:
        return key in self._loose or key in self._blocks

    def put(self, key: bytes, records: Records) -> None:
        """Keep a customer; there must be none of this key."""
        self._loose[key] = records
        if len(self._loose) >= LOOSE + BLOCK:
            self._put_away()

    def loose(self, key: bytes) -> Records | None:
        """Return the records of a customer, which may be changed; None when there is none."""
        records = self._loose.get(key)
        if records is None and key in self._blocks:
            records = self.take(key)
            if records is not None:
                self.put(key, records)
        return records

    def take(self, key: bytes) -> Records | None:
        """Return the records of a customer and keep them no longer; None when there is none."""
        records = self._loose.pop(key, None)
        if records is None and (block := self._blocks.pop(key, None)) is not None:
            records = _records(self._in(block)[key])
            block.left -= 1
            if block.left <= BLOCK // 2:
                self._take_out(block)
        return records

    def _put_away(self) -> None:
        """Put those away who have lain loose for longest."""
        some = dict(islice(self._loose.items(), BLOCK))
        block = _Block(_exactly(compress(_pack(some))), len(some))
        for key in some:
            del self._loose[key]
            self._blocks[key] = block

    def _take_out(self, block: _Block) -> None:
        for key, records in self._in(block).items():
            if self._blocks.get(key) is block:
                del self._blocks[key]
                self.put(key, _records(records))

    def _in(self, block: _Block) -> dict[bytes, msgspec.Raw]:
        """Return everybody who was put into a block, those who have been taken since among them."""
        looked, found = self._looked
        if looked is not block:
            found = _unpack(decompress(block.data))
            self._looked = block, found
        return found


_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(dict[bytes, msgspec.Raw]).decode
_records: Final = msgspec.msgpack.Decoder(dict[str, bytes]).decode


def _exactly(data: bytes) -> bytes:
    """Return a copy that takes no more than it needs: the room reserved for the compressor is given back as a whole."""
    return bytes(memoryview(data))
