"""The broker of a measurement: CENTRALITA_KAFKA if given, else an embedded one with its data in a folder that goes with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from streams.broker.embedded import EmbeddedKafka


@contextmanager
def kafka() -> Iterator[str]:
    """Give the bootstrap servers of a broker that answers."""
    given = os.environ.get("CENTRALITA_KAFKA")
    if given:
        yield given
        return
    with TemporaryDirectory(prefix="centralita-kafka-") as folder, EmbeddedKafka(Path(folder)) as broker:
        yield broker.bootstrap
