"""How far a feed is: whether all that was there at the start is read, and whether events wait for a worker."""

from __future__ import annotations

from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streams.kafka import ends

BEHIND_AFTER: Final = 10.0
"""Seconds that events may wait."""
_ANEW: Final = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})  # noqa: SLF001 - the client names its own codes so


class TopicAnewError(Exception):
    """The topic is not the one that was read so far."""


class Ends:
    """Which partitions have been read to where they ended at the start."""

    def __init__(self, consumer: Any, topic: str, partitions: list[int]) -> None:
        found = ends(consumer, [TopicPartition(topic, number) for number in partitions], 10.0)
        self.missing_at_start = {number: end for (_, number), end in found.items()}
        self._missing = {number for number, end in self.missing_at_start.items() if end > 0}

    def read(self, message: Any) -> None:
        """Take note of a record."""
        if message.partition() in self._missing and message.offset() + 1 >= self.missing_at_start[message.partition()]:
            self._missing.discard(message.partition())

    def reached(self, message: Any) -> None:
        """Take note of the end of a partition; raise what is not one and does not heal by itself."""
        error = message.error()
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client names its own codes so
            self._missing.discard(message.partition())
        elif error.code() in _ANEW:
            raise TopicAnewError(str(error))
        elif error.fatal() or error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise KafkaException(error)

    def all_reached(self) -> bool:
        """Tell whether nothing is missing."""
        return not self._missing


class Progress:
    """Events that no worker has counted yet, and since when the oldest of them wait.

    Of each partition one end is remembered until the figures have reached it; so a worker that keeps up is never behind, however
    many events come, and one that stands still or trails is.
    """

    def __init__(self) -> None:
        self.behind = 0
        self._marks: dict[int, tuple[float, int]] = {}

    def see(self, ends: dict[int, int], done: dict[int, int], now: float) -> None:
        """Compare the ends of the events topic with the offsets that the figures cover.

        >>> progress = Progress()
        >>> progress.see({0: 100}, {0: 90}, now=0.0)
        >>> progress.see({0: 200}, {0: 100}, now=9.0)  # the first hundred is done: the clock starts anew
        >>> progress.stalled(18.0), progress.stalled(19.5), progress.behind
        (False, True, 100)
        """
        self.behind = 0
        for number, end in ends.items():
            offset = done.get(number, 0)
            self.behind += max(0, end - offset)
            mark = self._marks.get(number)
            if offset >= end:
                self._marks.pop(number, None)
            elif mark is None or offset >= mark[1]:
                self._marks[number] = now, end

    def stalled(self, now: float) -> bool:
        """Tell whether events have waited for `BEHIND_AFTER` seconds."""
        return any(now - since > BEHIND_AFTER for since, _ in list(self._marks.values()))
