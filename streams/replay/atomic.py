"""A file that is there whole or not at all: written under another name beside it, flushed to the disk, then renamed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from streams.errors import OutputError


@contextmanager
def written(path: Path | None) -> Iterator[IO[bytes]]:
    """Give a file to write to (None: standard output); raise OutputError when it cannot be written, and leave nothing of it."""
    name = "standard output" if path is None else str(path)
    try:
        if path is None:
            yield sys.stdout.buffer
            sys.stdout.flush()
        else:
            with _draft(path) as file:
                yield file
    except BrokenPipeError:
        raise  # who read has read enough
    except OSError as error:
        raise OutputError(f"{name}: cannot be written: {error.strerror}") from None


@contextmanager
def _draft(path: Path) -> Iterator[IO[bytes]]:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
