"""Sending dead letters again, exactly once: each reason's letters are passed over once, in transactions.

A transaction holds the events sent and the place up to which letters are dealt with (the offsets of a group per
reason), so a resend that was killed goes on where it was. An event that is refused again comes back as a new letter
with its attempt counted; after `MOST_ATTEMPTS` it is parked: kept, listed, not sent any more. A commit that was asked for twice is followed
by a new producer, as a worker's is (writer.py).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import NamedTuple

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.dead_letters import HEADER_PREFIX, Reason
from streams.broker.topics import TopicSet
from streams.errors import BrokerError, FencedError, RestartError, TopicError
from streams.kafka import unreachable
from streams.settings import KafkaSettings, Settings
from streams.telemetry import log
from streams.worker.letters import Headers, Letter, attempt
from streams.worker.store import reader
from streams.worker.writer import BY_KEY, Writer

logger = logging.getLogger(__name__)
MOST_ATTEMPTS = 3
CHUNK = 1_000
"""Letters in one transaction."""
TIMEOUT = 30.0
"""Seconds that a transaction may take, and an answer of the broker."""
REACH_SECONDS = 15.0


class Kept(NamedTuple):
    """A letter as it is on the dead-letter topic."""

    place: TopicPartition
    key: bytes | None
    value: bytes | None
    headers: Headers

    def header(self, name: str) -> str:
        """Return one of our headers as text, empty when it is not there."""
        return (dict(self.headers).get(HEADER_PREFIX + name) or b"").decode(errors="replace")

    @property
    def parked(self) -> bool:
        """Whether it is not to be sent again: refused too often, or not kept whole."""
        return attempt(self.headers) >= MOST_ATTEMPTS or HEADER_PREFIX + "sha256" in dict(self.headers)


class Outcome(NamedTuple):
    """How many letters were sent, and how many of those passed over are parked."""

    sent: int
    parked: int


def letters(settings: Settings) -> Iterator[Kept]:
    """Yield the letters from the beginning up to the ends of now; raise BrokerError without Kafka, TopicError without the topic."""
    consumer = reader(settings, f"{settings.worker.application_id}-letters")
    try:
        yield from _letters(consumer, _partitions(consumer, settings.kafka), {})
    except KafkaException as error:
        raise BrokerError(f"dead letters cannot be read: {error.args[0].str()}") from None
    finally:
        consumer.close()


class Resender:
    """Sends letters; one at a time, a second one fences it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topics = TopicSet(settings.kafka.prefix)
        self._name = f"{settings.worker.application_id}-resend"
        self._writer = Writer(settings, self._name, "resending", TIMEOUT)

    def start(self) -> None:
        """Become the only one; blocks. Raise BrokerError without Kafka, TopicError without the topic."""
        with closing(reader(self._settings, self._name)) as consumer:
            _partitions(consumer, self._settings.kafka)
        self._writer.fence()

    def resend(self, reason: Reason, limit: int) -> Outcome:
        """Send the letters of one reason that were not dealt with yet, at most ``limit``."""
        consumer = reader(self._settings, f"{self._name}-{reason}")
        try:
            return self._resend(consumer, reason, limit)
        except KafkaException as error:
            raise RestartError(f"resending stopped, start it again: {error.args[0].str()}") from None
        finally:
            consumer.close()

    def _resend(self, consumer: Consumer, reason: Reason, limit: int) -> Outcome:
        sent = parked = 0
        chunk: list[Kept] = []
        places = _partitions(consumer, self._settings.kafka)
        dealt_with = _dealt_with(consumer, places)
        for letter in _letters(consumer, places, dealt_with):
            chunk.append(letter)
            if letter.header("reason") == reason:
                sent += not letter.parked
                parked += letter.parked
            if len(chunk) == CHUNK or sent == limit:
                dealt_with = self._commit(consumer, chunk, reason, dealt_with)
                chunk = []
            if sent == limit:
                break
        if chunk:
            self._commit(consumer, chunk, reason, dealt_with)
        return Outcome(sent, parked)

    def _commit(
        self, consumer: Consumer, chunk: list[Kept], reason: Reason, dealt_with: Mapping[int, int]
    ) -> dict[int, int]:
        """Send a chunk's letters of the reason in one transaction; return up to where letters are dealt with now."""
        deadline = time.monotonic() + TIMEOUT
        ends = {letter.place.partition: letter.place.offset + 1 for letter in chunk}
        places = [TopicPartition(self._topics.dead_letters, number, end) for number, end in ends.items()]
        self._writer.begin()
        for letter in chunk:
            if letter.header("reason") == reason and not letter.parked:
                self._send(letter, deadline)
        self._writer.offsets(places, consumer.consumer_group_metadata(), deadline)
        now = {**dealt_with, **ends}
        if not self._writer.commit(deadline):
            self._renew(consumer, now)
        return now

    def _renew(self, consumer: Consumer, dealt_with: Mapping[int, int]) -> None:
        """Become the only one anew, if nobody else has become it: the letters are dealt with up to where we were, of every partition."""
        log(logger, logging.INFO, "An answer to a commit was lost: began anew.", group=self._name)
        self._writer.close()
        self._writer.fence()
        places = [TopicPartition(self._topics.dead_letters, number) for number in dealt_with]
        if _dealt_with(consumer, places) != dealt_with:
            raise FencedError("resending: another one has begun meanwhile")

    def _send(self, letter: Kept, deadline: float) -> None:
        partition = letter.header("partition")
        attempts = HEADER_PREFIX + "attempt"
        headers = [pair for pair in letter.headers if pair[0] == attempts or not pair[0].startswith(HEADER_PREFIX)]
        number = int(partition) if partition.isdigit() else BY_KEY
        self._writer.letters(self._topics.events, [Letter(letter.key, letter.value, headers)], deadline, number)


def _partitions(consumer: Consumer, kafka: KafkaSettings) -> list[TopicPartition]:
    topic = TopicSet(kafka.prefix).dead_letters
    try:
        found = consumer.list_topics(topic, REACH_SECONDS).topics[topic]
    except KafkaException as error:
        raise unreachable(kafka, error.args[0].str()) from None
    if found.error is not None:
        raise TopicError(f"{topic}: {found.error.str()}: create it with `centralita topics`")
    return [TopicPartition(topic, number) for number in found.partitions]


def _dealt_with(consumer: Consumer, places: list[TopicPartition]) -> dict[int, int]:
    """Return the offset of each partition up to which its group has dealt with letters; a negative one for not at all."""
    return {place.partition: place.offset for place in consumer.committed(places, TIMEOUT)}


def _letters(consumer: Consumer, places: list[TopicPartition], begun: Mapping[int, int]) -> Iterator[Kept]:
    """Yield the letters of the partitions from where each was begun (else from its first) up to the ends of now."""
    left: dict[int, int] = {}
    for place in places:
        low, high = consumer.get_watermark_offsets(place, TIMEOUT)
        offset = begun.get(place.partition, OFFSET_INVALID)
        place.offset = low if offset in (OFFSET_INVALID, 0) or offset < low else offset
        if place.offset < high:
            left[place.partition] = high
    consumer.assign([place for place in places if place.partition in left])
    while left:
        for message in consumer.consume(CHUNK, 0.05):
            yield from _within(message, left)


def _within(message: Message, left: dict[int, int]) -> Iterator[Kept]:
    """Yield the message unless it is past the end of when we began; note which partitions have ended."""
    error, number = message.error(), message.partition()
    if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
        raise KafkaException(error)
    inside = error is None and message.offset() < left.get(number, 0)
    if inside:
        place = TopicPartition(message.topic(), number, message.offset())
        yield Kept(place, message.key(), message.value(), list(message.headers() or ()))
    if not inside or message.offset() + 1 == left[number]:
        left.pop(number, None)
