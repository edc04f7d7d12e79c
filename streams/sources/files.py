"""Events from files: NDJSON, plain, .gz or .xz, or ``-`` for standard input; each line with the key its event belongs under.

Regular files are read twice, first to learn which customer each contact belongs to: so an event that comes before its contact's first
one, in whatever file, cannot get another key. What cannot be read a second time (a pipe) is read once, and remembers the last
million contacts. The light pass takes about a microsecond a line; a line longer than an event may be costs no more memory.
"""

from __future__ import annotations

import gzip
import io
import lzma
import stat
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from schemas.events import LARGEST_EVENT
from streams.errors import InputError
from streams.sources.identity import Memory, Pseudonyms, identity

STDIN = "-"
_LONGEST_LINE = LARGEST_EVENT + 2
_BUFFER = 1 << 20
_LINES_BETWEEN_PROGRESS = 2_000
_BOM = b"\xef\xbb\xbf"
_UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError)


class Line(NamedTuple):
    """A line that is not empty: its file (as the how manieth, and its name), its number from 1, the key (None: it does not say whose it is), the event's bytes."""

    file: int
    path: str
    number: int
    key: bytes | None
    value: bytes


Progress = Callable[[int], None]
"""Told how many bytes of the files, as they lie on the disk, have been read since it was last told."""


def read_events(
    paths: Sequence[str | Path], secret: str | None = None, progress: Progress = lambda passed: None, from_line: int = 1
) -> Iterator[Line]:
    """Yield the lines of all files in order, each with its key; lines that are no events too.

    ``secret`` puts customers' ids under pseudonyms. ``from_line`` leaves out the lines of the first file before it (they are still
    learned from). Raises InputError naming the file when one cannot be read; ``bytes_to_read`` is the sum of the progress.
    """
    names = [str(path) for path in paths]
    pseudonyms = Pseudonyms(secret) if secret else None
    memory = _learned([name for name in names if is_regular(name)], progress)
    for index, name in enumerate(names):
        start = from_line if index == 0 else 1
        for number, line in _lines(name, progress):
            if number >= start:
                key, value = _keyed(line, memory, pseudonyms)
                yield Line(index, name, number, key, value)
            elif not is_regular(name) and (who := identity(line)):
                memory.learn(who)


def is_regular(name: str) -> bool:
    """Tell whether a file can be read twice; raise InputError when there is none."""
    if name == STDIN:
        return False
    try:
        mode = Path(name).stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{name}: is a folder, expected a file: name the files in it")
        return stat.S_ISREG(mode)
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror}") from None


def bytes_to_read(paths: Sequence[str | Path]) -> int | None:
    """Return the bytes that `read_events` will report as progress, None when they cannot be known."""
    names = [str(path) for path in paths]
    return 2 * sum(Path(name).stat().st_size for name in names) if all(map(is_regular, names)) else None


def _learned(regular: Sequence[str], progress: Progress) -> Memory:
    memory = Memory(most=None) if regular else Memory()
    for name in regular:
        for _, value in _lines(name, progress):
            if b"customer_id" in value and (who := identity(value)):
                memory.learn(who)
    return memory


def _keyed(value: bytes, memory: Memory, pseudonyms: Pseudonyms | None) -> tuple[bytes | None, bytes]:
    """Return the key of an event and its bytes, the customer in both under a pseudonym if there are such."""
    who = identity(value)
    if who is None:
        return None, value
    memory.learn(who)
    key = memory.key(who)
    if key is None:
        return None, value
    if pseudonyms is not None and memory.is_customer(who):
        return pseudonyms.of(key).encode(), pseudonyms.rewrite(value)
    return key.encode(), value


def _lines(name: str, progress: Progress) -> Iterator[tuple[int, bytes]]:
    """Yield (number, line) without empty lines; of a line that is too long only its beginning."""
    number = 0
    try:
        with _opened(name) as (file, position):
            told = 0
            for line in _limited(file):
                number += 1
                if number % _LINES_BETWEEN_PROGRESS == 0:
                    told += _tell(progress, position() - told)
                stripped = line.removeprefix(_BOM).strip() if number == 1 else line.strip()
                if stripped:
                    yield number, stripped
            _tell(progress, position() - told)
    except _UNREADABLE as error:
        where = f" after line {number}" if number else ""
        raise InputError(f"{name}: cannot be read{where}: {error}") from None


def _tell(progress: Progress, passed: int) -> int:
    progress(passed)
    return passed


def _limited(file: IO[bytes]) -> Iterator[bytes]:
    """Yield lines; what is longer than an event may be is cut, and the rest of it skipped."""
    while line := file.readline(_LONGEST_LINE):
        rest = line
        while len(rest) == _LONGEST_LINE and not rest.endswith(b"\n"):
            rest = file.readline(_LONGEST_LINE)
        yield line


@contextmanager
def _opened(name: str) -> Iterator[tuple[IO[bytes], Callable[[], int]]]:
    """Open a file and yield it decompressed, with a function that says how far the file on the disk was read."""
    if name == STDIN:
        yield sys.stdin.buffer, lambda: 0
        return
    with Path(name).open("rb", buffering=_BUFFER) as raw:
        position = raw.tell if raw.seekable() else lambda: 0
        if name.endswith(".gz"):
            with gzip.open(raw) as file:
                yield io.BufferedReader(file, _BUFFER), position
        elif name.endswith(".xz"):
            with lzma.open(raw) as file:
                yield io.BufferedReader(file, _BUFFER), position
        else:
            yield raw, position
