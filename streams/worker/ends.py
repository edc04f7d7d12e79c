"""Where partitions end: the high watermark counts every record, the last stable offset only what no transaction holds."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streams.errors import BrokerError
from streams.kafka import confluent, ends
from streams.settings import Settings

TIMEOUT = 5.0
"""Seconds. An answer that takes longer is none."""


class End(NamedTuple):
    """The last stable offset and the high watermark of a partition."""

    stable: int
    high: int


class Ends:
    """Asks the broker for ends, over connections that are kept while it answers. Its methods block.

    The consumers join no group.
    """

    def __init__(self, settings: Settings) -> None:
        name = f"{settings.worker.application_id}-ends"
        self._configuration = confluent(settings.kafka, client_id=name, group_id=name)
        self._consumers: dict[str, Consumer] = {}

    def of(self, places: Iterable[TopicPartition]) -> dict[tuple[str, int], End]:
        """Return the end of each partition; raise BrokerError when the broker does not tell in time."""
        asked = list(places)
        stable = self._list(asked, "read_committed")
        high = self._list(asked, "read_uncommitted")
        return {place: End(stable[place], high[place]) for place in stable}

    def close(self) -> None:
        """Let go of the connections."""
        for consumer in self._consumers.values():
            consumer.close()
        self._consumers.clear()

    def _list(self, places: list[TopicPartition], level: str) -> dict[tuple[str, int], int]:
        if not places:
            return {}
        if level not in self._consumers:
            self._consumers[level] = Consumer(self._configuration | {"isolation.level": level})
        try:
            return ends(self._consumers[level], places, TIMEOUT)
        except KafkaException as error:
            # After a restart of the broker a client goes on asking with the leader's old epoch, and is refused for ever.
            self.close()
            raise BrokerError(f"the ends of partitions are not to be had: {error.args[0].str()}") from None


def hanging(settings: Settings, places: Iterable[TopicPartition]) -> list[str]:
    """Return the partitions on which a transaction is open, with both of their ends."""
    with closing(Ends(settings)) as asked:
        return [
            f"{topic}-{number} (last stable offset {end.stable}, high watermark {end.high})"
            for (topic, number), end in asked.of(places).items()
            if end.stable < end.high
        ]
