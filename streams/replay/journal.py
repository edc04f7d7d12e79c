"""What one partition of a replay has made so far, as a file: a frame a flush, so that memory holds no figures and work can go on.

A frame is the length and the CRC-32 of what follows: the state, then figures and refused examples, each as MessagePack, compressed (LZ4), so that
who wants the figures need not unpack the state, which is three quarters. The last record of a state is its marker, so the frames up to any one
are a state from which the engine goes on. A process that was killed leaves at most one frame torn, which is cut off.

    | length | crc | state | figures, examples | length | crc | ...
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple
from zlib import crc32

import lz4.block
import msgspec

from streams.engine.records import Records

_head: Final = struct.Struct("<II")


class Example(NamedTuple):
    """A refused record: its partition and offset, why, and where people find it."""

    partition: int
    offset: int
    reason: str
    message: str
    place: str = ""


class Frame(NamedTuple):
    """What one flush wrote."""

    state: Records
    kpis: Records
    examples: list[Example]


class Shown(NamedTuple):
    """What one flush wrote, but for the state."""

    kpis: Records
    examples: list[Example]


_encode: Final = msgspec.msgpack.Encoder().encode
_halves: Final = msgspec.msgpack.Decoder(tuple[bytes, bytes])
_state: Final = msgspec.msgpack.Decoder(Records)
_shown: Final = msgspec.msgpack.Decoder(Shown)


class Journal:
    """A journal to append to."""

    def __init__(self, path: Path) -> None:
        # Nothing is buffered: what a full disk refused would be tried again when the file is closed.
        self._file = path.open("ab", buffering=0)

    def append(self, frame: Frame) -> None:
        """Write a frame; raises OSError when the disk is full."""
        packed = _encode((_packed(frame.state), _packed(Shown(frame.kpis, frame.examples))))
        rest = memoryview(_head.pack(len(packed), crc32(packed)) + packed)
        while rest:
            rest = rest[self._file.write(rest) :]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def frames(path: Path) -> Iterator[Frame]:
    """Yield the whole frames of a journal, oldest first, and cut off what is torn at its end."""
    for state, shown in _frames(path):
        yield Frame(_state.decode(lz4.block.decompress(state)), *_shown.decode(lz4.block.decompress(shown)))


def shown(path: Path) -> Iterator[Shown]:
    """Yield the same without the state."""
    for _, packed in _frames(path):
        yield _shown.decode(lz4.block.decompress(packed))


def _frames(path: Path) -> Iterator[tuple[bytes, bytes]]:
    with path.open("r+b") as file:
        while True:
            at = file.tell()
            packed = _whole(file)
            if packed is None:
                file.truncate(at)
                return
            yield _halves.decode(packed)


def _packed(part: object) -> bytes:
    packed: bytes = lz4.block.compress(_encode(part))
    return packed


def _whole(file: IO[bytes]) -> bytes | None:
    """Return what the next frame holds, None at the end or where it is torn."""
    head = file.read(_head.size)
    if len(head) < _head.size:
        return None
    length, crc = _head.unpack(head)
    packed = file.read(length)
    return packed if len(packed) == length and crc32(packed) == crc else None
