"""Spans of a topic read from their first offset to their last: committed records only, checksums looked at, no group touched."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from streams.engine.partition import Record
from streams.errors import BrokerError
from streams.kafka import confluent
from streams.settings import KafkaSettings

PATIENCE: Final = 0.1
"""Seconds to wait for records at a time."""
_RECORDS: Final = 5_000
_SILENCE: Final = 60.0
"""Seconds without a record after which the broker is taken for lost."""


_made: Final[Any] = tuple.__new__


class Span(NamedTuple):
    """Offsets of one partition, the end not included."""

    partition: int
    begin: int
    end: int


class Reading:
    """Batches of records of some partitions, each in its order, until every span has ended or was stopped. Close it."""

    def __init__(self, kafka: KafkaSettings, topic: str, spans: Sequence[Span]) -> None:
        self._bootstrap, self._topic = kafka.bootstrap, topic
        self._left = {span.partition: span for span in spans if span.begin < span.end}
        self._consumer = consumer(kafka)
        self._consumer.assign([TopicPartition(topic, span.partition, span.begin) for span in self._left.values()])

    def __iter__(self) -> Iterator[tuple[int, list[Message]]]:
        """Yield partitions and their next records; raise BrokerError where one cannot be read, or none comes for too long."""
        while self._left:
            found, done = self._sorted(self._consume())
            for number, messages in found.items():
                yield number, messages
            for number in done:
                self.stop(number)

    def stop(self, number: int) -> None:
        """Read no more of a partition."""
        if self._left.pop(number, None) is not None:
            self._consumer.incremental_unassign([TopicPartition(self._topic, number)])

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close()

    def _consume(self) -> list[Message]:
        deadline = time.monotonic() + _SILENCE
        messages: list[Message] = []
        while not messages:
            # It returns when it has as many as asked for, or the time is over: a short one, for the end of the log.
            messages = self._consumer.consume(_RECORDS, PATIENCE)
            if time.monotonic() > deadline:
                raise BrokerError(f"Kafka at {self._bootstrap} gave nothing for {_SILENCE:.0f} s")
        return messages

    def _sorted(self, messages: Sequence[Message]) -> tuple[dict[int, list[Message]], set[int]]:
        """Return the records of each partition up to its end, and which have reached it (control records may be the last)."""
        found: dict[int, list[Message]] = {}
        done: set[int] = set()
        for message in messages:
            error = message.error()
            if error is None:
                found.setdefault(message.partition(), []).append(message)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - has no public name
                done.add(message.partition())
            else:
                place = f"partition {message.partition()}, offset {message.offset()}"
                raise BrokerError(f"{self._topic}: {place}: cannot be read: {error.str()}")
        for number in list(found):
            span = self._left.get(number)
            if span is None:
                del found[number]
            elif found[number][-1].offset() + 1 >= span.end:
                found[number] = [message for message in found[number] if message.offset() < span.end]
                done.add(number)
        return found, done


def records_of(messages: Sequence[Message]) -> list[Record]:
    """Return messages as the engine takes them."""
    # As `Record(...)` would, at four fifths of the time: its own constructor is a function of Python's.
    return [
        _made(Record, (message.offset(), message.timestamp()[1] * 1_000, message.key(), message.value()))
        for message in messages
    ]


def consumer(kafka: KafkaSettings) -> Any:
    """Return a consumer that reads what is committed, and whose group nobody ever hears of."""
    return Consumer(
        confluent(
            kafka, group_id="centralita-replay", isolation_level="read_committed", enable_auto_commit=False,
            enable_auto_offset_store=False, enable_partition_eof=True, auto_offset_reset="error",
            queued_max_messages_kbytes=32 << 10, check_crcs=True,
            # With its defaults the client pauses for a second at 100,000 records of all partitions, and fetches 1 MiB at a time.
            max_partition_fetch_bytes=8 << 20, fetch_queue_backoff_ms=5, fetch_wait_max_ms=50,
        ) | {"log_level": 0}
    )  # fmt: skip
