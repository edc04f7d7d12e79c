"""Where partitions end: the high watermark counts every record, the last stable offset only what no transaction holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from streams.errors import BrokerError
from streams.kafka import confluent
from streams.settings import Settings

TIMEOUT = 5.0
"""Seconds. An answer that takes longer is none."""


class End(NamedTuple):
    """The last stable offset and the high watermark of a partition."""

    stable: int
    high: int


class Ends:
    """Asks the broker for ends, over one connection that is kept while it answers. Its methods block."""

    def __init__(self, settings: Settings) -> None:
        self._configuration = confluent(settings.kafka, client_id=f"{settings.worker.application_id}-ends")
        self._admin: AdminClient | None = None

    def of(self, places: Iterable[TopicPartition]) -> dict[tuple[str, int], End]:
        """Return the end of each partition; raise BrokerError when the broker does not tell in time."""
        asked = list(places)
        stable = self._list(asked, IsolationLevel.READ_COMMITTED)
        high = self._list(asked, IsolationLevel.READ_UNCOMMITTED)
        return {place: End(stable[place], high[place]) for place in stable}

    def _list(self, places: list[TopicPartition], level: IsolationLevel) -> dict[tuple[str, int], int]:
        asked = {place: OffsetSpec.latest() for place in places}
        if not asked:
            return {}
        try:
            self._admin = self._admin or AdminClient(self._configuration)
            futures = self._admin.list_offsets(asked, isolation_level=level, request_timeout=TIMEOUT)
            return {(place.topic, place.partition): future.result(TIMEOUT).offset for place, future in futures.items()}
        except (KafkaException, TimeoutError) as error:
            # After a restart of the broker a client goes on asking with the leader's old epoch, and is refused for ever.
            self._admin = None
            raise BrokerError(f"the ends of partitions are not to be had: {error}") from None


def hanging(settings: Settings, places: Iterable[TopicPartition]) -> list[str]:
    """Return the partitions on which a transaction is open, with both of their ends."""
    ends = Ends(settings).of(places)
    return [
        f"{topic}-{number} (last stable offset {end.stable}, high watermark {end.high})"
        for (topic, number), end in ends.items()
        if end.stable < end.high
    ]
