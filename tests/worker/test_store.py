"""Errors of the producer, in whatever way they arrive, are one case."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.engine.partition import Changes
from streams.errors import FencedError
from streams.settings import Settings
from streams.worker.store import Store


class Producer:
    """A producer that has been fenced, and says so when it is flushed."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def begin_transaction(self) -> None:
        """Do nothing."""

    def produce(self, *_: object, **__: object) -> None:
        """Do nothing."""

    def flush(self, _: float) -> int:
        """Fail."""
        raise self._error


@pytest.mark.parametrize(
    "error", [KafkaException(KafkaError(KafkaError._FENCED)), SystemError("returned a result with an error")]
)
def test_a_fatal_error_that_a_flush_tells_of_asks_for_a_restart(error: Exception):
    """The client raises it as itself, or as a SystemError when it was calling us back at that moment."""
    store = Store(Settings(), 3)
    store._writer._producer = Producer(error)  # type: ignore[assignment]
    with pytest.raises(FencedError, match="its transaction"):
        store.commit(Changes([], []), [])
