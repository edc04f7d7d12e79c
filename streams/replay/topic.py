"""A range of the events topic, counted by several processes that each read some of its partitions.

Event time decides what belongs. What has to be read is a longer stretch of the log, by two rules that hold for every feed:

- An event is at most 5 minutes ahead of its arrival (else it is refused), and a topic's timestamps are arrivals. So what arrived before
  ``from`` less the longest wait and a conversation (`BEFORE`), or less the longest state of an agent (24 h), cannot have a part in
  the range: reading begins there.
- An event may arrive long after its time (a file sent today), so arrivals say nothing about the end. But once a partition's
  watermark is past ``to`` by the allowed lateness and the window of first-contact resolution, whatever still comes is too late or
  cannot matter: reading stops there, or at the end of the log as it was at the start.

        before       from               to     longest wait + window + lateness
    |------------------|=================|--------------------------|
    seek by arrival                                   stop by watermark

Only committed records are read; consumer groups are not touched.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams.engine.agents import LONGEST_STATE
from streams.engine.partition import Record
from streams.engine.policy import HOUR, Policy
from streams.errors import BrokerError, InputError, TopicError
from streams.kafka import confluent
from streams.replay.counted import Counted, figures_of, gather
from streams.replay.crew import Crew, child
from streams.replay.files import Bar
from streams.replay.shard import Shard
from streams.settings import KafkaSettings

BEFORE: Final = 12 * HOUR
"""Read before the range in addition to the longest wait: conversations that began before it."""
_TIMEOUT: Final = 15.0
_RECORDS: Final = 5_000
_PATIENCE: Final = 0.1
_NO_LEADER_YET: Final = {KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE}
"""What is said of a topic that was made a moment ago."""
_SILENCE: Final = 60.0
"""Seconds without a record after which the broker is taken for lost."""


class Span(NamedTuple):
    """Offsets of one partition, the end not included."""

    partition: int
    begin: int
    end: int


class ReadJob(NamedTuple):
    """What one process reads: spans of a topic, until their watermark is past ``until_us``."""

    kafka: KafkaSettings
    topic: str
    spans: tuple[Span, ...]
    until_us: int
    policy: Policy
    by: str | None


class Asked(NamedTuple):
    """A range of event time (microseconds) of a topic."""

    kafka: KafkaSettings
    topic: str
    start_us: int
    end_us: int


def spans(asked: Asked, policy: Policy) -> list[Span]:
    """Return which offsets have to be read; raise InputError when there is nothing."""
    deadline = time.monotonic() + _TIMEOUT
    while True:
        consumer = _consumer(asked.kafka)
        try:
            found = _offsets(consumer, asked, policy)
            break
        except KafkaException as error:
            if error.args[0].code() not in _NO_LEADER_YET or time.monotonic() > deadline:
                raise BrokerError(f"Kafka at {asked.kafka.bootstrap} does not answer: {error.args[0].str()}") from None
            time.sleep(_PATIENCE)
        finally:
            consumer.close()
    if not found:
        hours = (asked.start_us - first_arrival(asked.start_us, policy)) / HOUR
        raise InputError(f"{asked.topic}: no events arrived since {hours:.0f} h before --from: nothing to report")
    return found


def _offsets(consumer: Any, asked: Asked, policy: Policy) -> list[Span]:
    begin_ms = first_arrival(asked.start_us, policy) // 1_000
    numbers = _partitions(consumer, asked.topic)
    times = [TopicPartition(asked.topic, number, begin_ms) for number in numbers]
    found = []
    for place in consumer.offsets_for_times(times, timeout=_TIMEOUT):
        if place.error is not None:
            raise KafkaException(place.error)
        _, end = consumer.get_watermark_offsets(TopicPartition(asked.topic, place.partition), timeout=_TIMEOUT)
        # A negative offset means that nothing arrived after that time.
        if 0 <= place.offset < end:
            found.append(Span(place.partition, place.offset, end))
    return found


def first_arrival(start_us: int, policy: Policy) -> int:
    """Return from when on arrivals can have a part in a range that begins at a time (microseconds).

    >>> (30 * HOUR - first_arrival(30 * HOUR, Policy())) / HOUR  # 12 h of waiting and 12 of talking, 5 minutes ahead
    24.083333333333332
    """
    return max(0, start_us - max(BEFORE + _longest_wait(policy), LONGEST_STATE) - policy.future)


def count_range(
    asked: Asked, found: Sequence[Span], policy: Policy, by: str | None, processes: int, bar: Bar
) -> Counted:
    """Return what the spans hold."""
    windows = [limits.return_window for limits in (policy.defaults, *policy.queues.values())]
    until = asked.end_us + policy.lateness + max(windows) + _longest_wait(policy) + BEFORE
    counted = Counted(figures_of(policy))
    jobs = [ReadJob(asked.kafka, asked.topic, share, until, policy, by) for share in shares(found, processes)]
    with Crew(read, jobs) as crew:
        gather(crew, crew.summaries(partial(_show, bar)), counted)
    counted.examples = [
        example._replace(place=f"partition {example.partition}, offset {example.offset}")
        for example in counted.examples
    ]
    return counted


def shares(found: Sequence[Span], processes: int) -> list[tuple[Span, ...]]:
    """Return the spans in at most so many parts of about equal size.

    >>> [[span.partition for span in share] for share in shares([Span(0, 0, 9), Span(1, 0, 5), Span(2, 0, 5)], 2)]
    [[0], [1, 2]]
    """
    parts: list[list[Span]] = [[] for _ in range(min(processes, len(found)))]
    for span in sorted(found, key=lambda span: span.begin - span.end):
        min(parts, key=_size).append(span)
    return [tuple(part) for part in parts]


def _size(part: Sequence[Span]) -> int:
    return sum(span.end - span.begin for span in part)


def _show(bar: Bar, records: int) -> None:
    bar.passed(records)
    bar.events(records)


def read(connection: Connection, job: ReadJob) -> None:
    """Read the spans of a job and count them: a child's target."""
    child(partial(_read, job), connection)


def _read(job: ReadJob, connection: Connection) -> Shard:
    shard = Shard(job.policy, job.by)
    open_spans = {span.partition: span for span in job.spans}
    consumer = _consumer(job.kafka)
    try:
        consumer.assign([TopicPartition(job.topic, span.partition, span.begin) for span in job.spans])
        while open_spans:
            messages = _consume(job, consumer)
            for number, records, done in _by_partition(messages, open_spans):
                shard.take(number, records)
                connection.send(len(records))
                if done or shard.watermark(number) > job.until_us:
                    del open_spans[number]
                    consumer.incremental_unassign([TopicPartition(job.topic, number)])
    finally:
        consumer.close()
    return shard


def _consume(job: ReadJob, consumer: Any) -> list[Message]:
    """Return records, or raise BrokerError when none come for too long."""
    deadline = time.monotonic() + _SILENCE
    messages: list[Message] = []
    while not messages:
        # It returns when it has as many as asked for, or the time is over: a short one, for the end of the log.
        messages = consumer.consume(_RECORDS, _PATIENCE)
        if time.monotonic() > deadline:
            raise BrokerError(f"Kafka at {job.kafka.bootstrap} gave nothing for {_SILENCE:.0f} s")
    for message in messages:
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - has no public name
            raise BrokerError(f"{job.topic}: {error.str()}")
    return messages


def _by_partition(messages: Sequence[Message], open_spans: dict[int, Span]) -> list[tuple[int, list[Record], bool]]:
    """Return the records of each partition up to its end, and whether that is reached (control records may be the last)."""
    found: dict[int, list[Record]] = {}
    done: set[int] = set()
    for message in messages:
        number = message.partition()
        span = open_spans.get(number)
        if span is None:
            continue
        records = found.setdefault(number, [])
        if message.error() is not None or message.offset() >= span.end:
            done.add(number)
            continue
        records.append(Record(message.offset(), message.timestamp()[1] * 1_000, message.key(), message.value()))
        if message.offset() + 1 == span.end:
            done.add(number)
    return [(number, records, number in done) for number, records in found.items()]


def _partitions(consumer: Consumer, topic: str) -> list[int]:
    found = consumer.list_topics(topic, timeout=_TIMEOUT).topics[topic]
    if found.error is not None:
        raise TopicError(f"{topic}: {found.error.str()}: create it with `centralita topics`")
    return sorted(found.partitions)


def _longest_wait(policy: Policy) -> int:
    return max(limits.maximum_wait for limits in (policy.defaults, *policy.queues.values()))


def _consumer(kafka: KafkaSettings) -> Any:
    """Return a consumer that reads what is committed, and whose group nobody ever hears of."""
    return Consumer(
        confluent(
            kafka, group_id="centralita-report", isolation_level="read_committed", enable_auto_commit=False,
            enable_auto_offset_store=False, enable_partition_eof=True, auto_offset_reset="error",
            queued_max_messages_kbytes=32 << 10,
        ) | {"log_level": 0}
    )  # fmt: skip
