"""Where simulated events go: a topic of Kafka, or a file of NDJSON."""

from __future__ import annotations

import gzip
import lzma
import sys
import time
from pathlib import Path
from typing import IO, Protocol, cast

from streams.errors import InputError
from streams.simulate.timed import Sent
from streams.sources.producer import Sender

FLUSH_SECONDS = 20.0


class Output(Protocol):
    """Takes events."""

    def send(self, sent: Sent) -> None:
        """Take one event."""

    def idle(self, seconds: float) -> None:
        """Use a pause of at most so many seconds."""

    def close(self) -> int:
        """Finish, and return how many events are surely out."""


class KafkaOutput:
    """The events topic."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._count = 0

    def send(self, sent: Sent) -> None:
        """Hand one event to the producer."""
        self._count += 1
        self._sender.send(sent.key, sent.value, self._count)

    def idle(self, seconds: float) -> None:
        """Take acknowledgements meanwhile."""
        self._sender.poll(seconds)

    def close(self) -> int:
        """Wait for the acknowledgements."""
        self._sender.flush(FLUSH_SECONDS)
        self._sender.drop()
        return self._sender.delivered


class FileOutput:
    """A file, compressed when its name ends in .gz or .xz; ``-`` is standard output."""

    def __init__(self, name: str) -> None:
        self._count = 0
        try:
            self._file = _opened(name)
        except OSError as error:
            raise InputError(f"{name}: cannot be written: {error.strerror}") from None

    def send(self, sent: Sent) -> None:
        """Write one line."""
        self._count += 1
        self._file.write(sent.value + b"\n")

    def idle(self, seconds: float) -> None:
        """Let readers have what there is, and sleep."""
        self._file.flush()
        time.sleep(seconds)

    def close(self) -> int:
        """Write what is left."""
        if self._file is sys.stdout.buffer:
            self._file.flush()
        else:
            self._file.close()
        return self._count


def _opened(name: str) -> IO[bytes]:
    if name == "-":
        return sys.stdout.buffer
    if name.endswith(".gz"):
        return cast("IO[bytes]", gzip.open(name, "wb", compresslevel=5))
    if name.endswith(".xz"):
        return cast("IO[bytes]", lzma.open(name, "wb", preset=1))
    return Path(name).open("wb", buffering=1 << 20)
