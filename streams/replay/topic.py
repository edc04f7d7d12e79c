"""A range of the events topic, counted by several processes that each read some of its partitions.

Event time decides what belongs. What has to be read is a longer stretch of the log, by two rules that hold for every feed:

- An event is at most 5 minutes ahead of its arrival (else it is refused), and a topic's timestamps are arrivals. So what arrived before
  ``from`` less the longest wait and a conversation (`BEFORE`), or less the longest state of an agent (24 h), or where a queue has tickets less the
  age that one may reach, cannot be under way in the range. What the log no longer has of that stretch is missing, and said. An answer to a survey, a sale or a complaint
  counts in its contact's queue for the longest window of first-contact resolution and the longest wait (`Policy.remark_window`), and nothing is of a contact in
  which nothing has happened for longer (`Policy.longest_pause`): reading begins there and the allowed lateness before, or where the log does, which is told.
- An event may arrive long after its time (a file sent today), so arrivals say nothing about the end. But once a partition's
  watermark is past ``to`` by the allowed lateness, the longest window of first-contact resolution and as long as a contact of the range may go on, whatever
  still comes is too late or cannot matter: reading stops there, or at the end of the log as it was at the start.

       margin        from               to     longest wait + window + lateness
    |------------------|=================|--------------------------|
    seek by arrival                                   stop by watermark

Only committed records are read; consumer groups are not touched.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from schemas.fields import rfc3339
from streams.engine.agents import LONGEST_STATE
from streams.engine.policy import HOUR, INTERVAL, Policy
from streams.errors import BrokerError, InputError, TopicError
from streams.kafka import patience
from streams.replay.counted import Counted, figures_of, gather
from streams.replay.crew import Crew, child
from streams.replay.files import Bar
from streams.replay.reading import PATIENCE, Reading, Span, records_of
from streams.replay.reading import consumer as connect
from streams.replay.shard import Shard, Task, broken_down, kept
from streams.replay.work import Work
from streams.settings import KafkaSettings

BEFORE: Final = 12 * HOUR
"""Read before the range in addition to the longest wait: conversations that began before it."""
_TIMEOUT: Final = 15.0
_NO_LEADER_YET: Final = {KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE}
"""What is said of a topic that was made a moment ago."""


class ReadJob(NamedTuple):
    """What one process reads: spans of a topic, until their watermark is past ``until_us``."""

    kafka: KafkaSettings
    topic: str
    spans: tuple[Span, ...]
    until_us: int
    task: Task


class Asked(NamedTuple):
    """A range of event time (microseconds) of a topic, and how far before it reading begins (None: as far as the policy needs).

    ``incomplete``: be content with what is left of it.
    """

    kafka: KafkaSettings
    topic: str
    start_us: int
    end_us: int
    margin_us: int | None = None
    incomplete: bool = False


def spans(asked: Asked, policy: Policy, tell: Callable[[str], None] = lambda _: None) -> list[Span]:
    """Return which offsets have to be read; raise InputError when there is nothing, or when the log no longer has all of it.

    ``tell`` is told when it no longer has contacts of which answers to surveys, sales or complaints may be in the range.
    """
    deadline = time.monotonic() + _TIMEOUT
    while True:
        consumer = connect(asked.kafka)
        try:
            with patience(asked.kafka):
                found, since_us = _offsets(consumer, asked, policy)
            break
        except KafkaException as error:
            if error.args[0].code() not in _NO_LEADER_YET or time.monotonic() > deadline:
                raise BrokerError(f"Kafka at {asked.kafka.bootstrap} does not answer: {error.args[0].str()}") from None
            time.sleep(PATIENCE)
        finally:
            consumer.close()
    if not found:
        hours = (asked.start_us - first_arrival(asked, policy)) / HOUR
        raise InputError(f"{asked.topic}: no events arrived since {hours:.0f} h before --from: nothing to report")
    if since_us is not None:
        tell(
            f"{asked.topic} begins with what arrived at {rfc3339(since_us)}: answers to surveys, sales and complaints "
            "about contacts before it are in totals, but not in their queues"
        )
    return found


def count_partitions(asked: Asked) -> int:
    """Return how many partitions the topic has."""
    with closing(connect(asked.kafka)) as consumer:
        return len(_partitions(consumer, asked.topic))


def _offsets(consumer: Any, asked: Asked, policy: Policy) -> tuple[list[Span], int | None]:
    """Return the spans, and since when (microseconds) the log has all of it where that is later than wanted, though early enough."""
    begin_us = first_arrival(asked, policy)
    numbers = _partitions(consumer, asked.topic)
    times = [TopicPartition(asked.topic, number, begin_us // 1_000) for number in numbers]
    found, since_us = [], None
    for place in consumer.offsets_for_times(times, timeout=_TIMEOUT):
        if place.error is not None:
            raise KafkaException(place.error)
        low, end = consumer.get_watermark_offsets(TopicPartition(asked.topic, place.partition), timeout=_TIMEOUT)
        # A negative offset means that nothing arrived after that time.
        if 0 <= place.offset < end:
            found.append(Span(place.partition, place.offset, end))
        if low > 0 and not low < place.offset and not asked.incomplete:
            first = TopicPartition(asked.topic, place.partition, low)
            since_us = max(since_us or 0, _first_left(consumer, asked, needed_arrival(asked, policy), first, end))
    return found, since_us


def _first_left(consumer: Any, asked: Asked, begin_us: int, first: TopicPartition, end: int) -> int:
    """Return when the first record left of a partition arrived; raise InputError that says what is missing when that is too late."""
    where = f"{asked.topic}: partition {first.partition}"
    cure = "--incomplete counts what is left"
    if first.offset >= end:
        raise InputError(f"{where} is empty, its first {end:,} records are deleted: {cure}")
    since_us = _arrival(consumer, first)
    if since_us > begin_us:
        complete = since_us + asked.start_us - begin_us
        complete += -complete % INTERVAL
        raise InputError(
            f"{where} begins with what arrived at {rfc3339(since_us)}, expected {rfc3339(begin_us)} ({_hours(asked.start_us - begin_us)} "
            f"before --from): the {first.offset:,} records before it are deleted. "
            f"Figures are complete with --from {rfc3339(complete)}; {cure}"
        )
    return since_us


def _arrival(consumer: Any, place: TopicPartition) -> int:
    """Return when the first record from an offset on arrived (microseconds)."""
    consumer.assign([place])
    deadline = time.monotonic() + _TIMEOUT
    try:
        while time.monotonic() < deadline:
            message = consumer.poll(PATIENCE)
            if message is not None and message.error() is None:
                arrived: int = message.timestamp()[1]
                return arrived * 1_000
    finally:
        consumer.unassign()
    raise BrokerError(f"{place.topic}: partition {place.partition}: offset {place.offset} is not to be had")


def _hours(length: int) -> str:
    return f"{length / HOUR:.4g} h"


def first_arrival(asked: Asked, policy: Policy) -> int:
    """Return from when on arrivals can have a part in a range (microseconds).

    >>> asked = Asked(KafkaSettings(), "events", 900 * HOUR, 940 * HOUR)
    >>> (asked.start_us - first_arrival(asked, Policy())) / HOUR  # 30 days, 12 h of waiting, 48 h, 5 minutes ahead
    780.0833333333334
    """
    remembered = policy.longest_pause(ticket=_oldest_ticket(policy) > 0) + policy.lateness
    margin = max(_under_way(policy), remembered) if asked.margin_us is None else asked.margin_us
    return max(0, asked.start_us - margin - policy.future)


def needed_arrival(asked: Asked, policy: Policy) -> int:
    """Return from when on arrivals can be of what is under way when a range begins (microseconds).

    >>> asked = Asked(KafkaSettings(), "events", 30 * HOUR, 40 * HOUR)
    >>> (asked.start_us - needed_arrival(asked, Policy())) / HOUR  # 12 h of waiting and 12 of talking, 5 minutes ahead
    24.083333333333332
    """
    margin = _under_way(policy) if asked.margin_us is None else asked.margin_us
    return max(0, asked.start_us - margin - policy.future)


def _under_way(policy: Policy) -> int:
    return max(BEFORE + policy.longest_wait, LONGEST_STATE, _oldest_ticket(policy))


def last_event(asked: Asked, policy: Policy) -> int:
    """Return the watermark beyond which nothing that still comes can matter to a range (microseconds)."""
    longest = max(policy.longest_wait + BEFORE, _oldest_ticket(policy))
    return asked.end_us + policy.lateness + policy.longest_window + longest


def count_range(asked: Asked, policy: Policy, by: str | None, processes: int, work: Work, bar: Bar) -> Counted:
    """Return what the spans of the work's plan hold, as of when it began: who still waits, waits at that time."""
    assert work.plan is not None
    counted = Counted(figures_of(policy))
    task = Task(kept(policy), broken_down(by), str(work.folder), work.resumable)
    until = last_event(asked, policy)
    found = [Span(*span) for span in work.plan.spans]
    jobs = [ReadJob(asked.kafka, asked.topic, share, until, task) for share in shares(found, processes)]
    with Crew(read, jobs) as crew:
        gather(crew, task, crew.summaries(partial(_show, bar)), counted, work.plan.now_us)
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


def _show(bar: Bar, passed: int, events: int) -> None:
    bar.passed(passed)
    bar.events(events)


def read(connection: Connection, job: ReadJob) -> None:
    """Read the spans of a job and count them: a child's target."""
    child(partial(_read, job), connection)


def _read(job: ReadJob, connection: Connection) -> Shard:
    shard = Shard(job.task)
    spans = [span._replace(begin=max(span.begin, shard.open(span.partition))) for span in job.spans]
    connection.send((_size(job.spans) - _size(spans), 0))
    with closing(Reading(job.kafka, job.topic, spans)) as reading:
        for number, messages in reading:
            shard.take(number, records_of(messages))
            connection.send((len(messages), len(messages)))
            if shard.watermark(number) > job.until_us:
                reading.stop(number)
    return shard


def _partitions(consumer: Consumer, topic: str) -> list[int]:
    found = consumer.list_topics(topic, timeout=_TIMEOUT).topics[topic]
    if found.error is not None:
        raise TopicError(f"{topic}: {found.error.str()}: create it with `centralita topics`")
    return sorted(found.partitions)


def _oldest_ticket(policy: Policy) -> int:
    """Return how old a ticket may be that still changes figures, 0 where no queue is said to have tickets."""
    limits = [one for one in policy.every if "ticket" in one.channels]
    return max((one.maximum_ticket_age for one in limits), default=0)
