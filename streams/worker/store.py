"""Exactly once by transactions: one producer a partition, one transaction a commit, its marker the only truth.

Taking a partition has one order: fence (``init_transactions`` ends what the old owner left open), read the ends, restore
up to them. Restoring first could miss the old owner's last commit. After any error of the producer (writer.py) the process ends with
its code and starts again from the marker.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import closing

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from streams.broker.topics import TopicSet
from streams.engine.records import Changes, Records
from streams.errors import BrokerError, FencedError, RestartError
from streams.kafka import confluent
from streams.settings import Settings
from streams.telemetry import log
from streams.worker.crashes import crash_point
from streams.worker.ends import Ends, hanging
from streams.worker.letters import Letter
from streams.worker.writer import Writer

logger = logging.getLogger(__name__)
BATCH = 500
"""Records asked for at once when restoring: measured above 300,000 a second."""
REBUILD_PATIENCE = 600.0
"""Seconds for the one transaction of a rebuild. A broker allows 900 unless told otherwise."""
HANGING_CURE = "end it with `kafka-transactions.sh abort`, and find out who else writes to our topics"
_Feed = Callable[[Records], None]
"""Takes records of one topic, in their order."""
_Progress = Callable[[int, int], None]


class Store:
    """The transactional producer of one partition. Its methods block: call them in a thread, one at a time."""

    def __init__(self, settings: Settings, number: int) -> None:
        self._settings, self._number = settings, number
        self._topics = TopicSet(settings.kafka.prefix)
        self._patience = settings.worker.transaction_timeout
        self._writer = Writer(settings, transactional_id(settings, number), f"partition {number}", self._patience)

    def fence(self) -> None:
        """Become the partition's only writer; whoever was it before can commit nothing more."""
        self._writer.fence()

    def commit(self, changes: Changes, letters: Sequence[Letter]) -> None:
        """Write everything in one transaction, the marker last; on return it is committed."""
        deadline = time.monotonic() + self._patience
        self._writer.begin()
        self._writer.produce(self._topics.kpis, self._number, changes.kpis, deadline)
        self._writer.letters(self._topics.dead_letters, letters, deadline)
        self._writer.produce(self._topics.state, self._number, changes.state, deadline)
        crash_point("after-produce")
        self._writer.flush(deadline)
        if not self._writer.commit(deadline):
            self._renew(changes.state[-1])

    def _renew(self, marker: tuple[bytes, bytes | None]) -> None:
        """Become the partition's writer anew, if nobody else has become it: the last that was written is still this marker."""
        log(logger, logging.INFO, "An answer to a commit was lost: took the partition anew.", partition=self._number)
        self._writer.close()
        self._writer.fence()
        if self._last() != marker:
            raise FencedError(f"partition {self._number}: another worker has taken it meanwhile")

    def _last(self) -> tuple[bytes | None, bytes | None]:
        """Return the last record of the state."""
        place = TopicPartition(self._topics.state, self._number, max(0, self.written() - 2))  # behind it is the commit
        consumer = reader(self._settings, self._settings.worker.application_id)
        try:
            consumer.assign([place])
            for message in consumer.consume(1, self._patience):
                if message.error() is None:
                    return message.key(), message.value()
        except KafkaException as error:
            raise RestartError(f"partition {self._number}: its state cannot be read: {error.args[0].str()}") from None
        finally:
            consumer.close()
        return None, None

    def close(self) -> None:
        """Let go of the producer without waiting for anything."""
        self._writer.close()

    def restore(self, state: _Feed, kpis: _Feed, progress: _Progress) -> int:
        """Feed every committed record of both topics, oldest first; return how many there were."""
        return restore(self._settings, self._number, {self._topics.state: state, self._topics.kpis: kpis}, progress)

    def written(self) -> int:
        """Return where the state ends. Between two calls after `fence` it moves when another has become the writer."""
        place = TopicPartition(self._topics.state, self._number)
        try:
            with closing(Ends(self._settings)) as ends:
                ((_, end),) = ends.of([place]).items()
        except BrokerError as error:
            raise RestartError(f"partition {self._number}: cannot be taken: {error}") from None
        return end.high


def transactional_id(settings: Settings, number: int) -> str:
    """Return the id that makes the writers of one partition exclude each other, those of another deployment included."""
    return f"{settings.kafka.prefix}-{number}"


def rebuild_writer(settings: Settings) -> Writer:
    """Return the writer of a rebuild, which writes to all partitions; to fence it ends what another one has not committed."""
    return Writer(settings, f"{settings.kafka.prefix}-rebuild", "rebuild", REBUILD_PATIENCE)


def reader(settings: Settings, group: str) -> Consumer:
    """Return a consumer of committed records that joins no group and commits nothing."""
    return Consumer(
        confluent(
            settings.kafka, group_id=group, isolation_level="read_committed", enable_auto_commit=False,
            enable_partition_eof=True, auto_offset_reset="earliest", fetch_wait_max_ms=50, check_crcs=True,
            max_partition_fetch_bytes=2 << 20, queued_max_messages_kbytes=8 << 10,
        ) | {"queued.min.messages": 100_000, "fetch.queue.backoff.ms": 5}
    )  # fmt: skip


def restore(settings: Settings, number: int, feeds: dict[str, _Feed], progress: _Progress) -> int:
    """Read one partition of each topic to its end, once no transaction is open on it; a rebuild's is ended, so that it has no effect."""
    _refuse_hanging(settings, number, list(feeds), settings.worker.progress_timeout)
    return read_committed(settings, number, feeds, progress)


def read_committed(settings: Settings, number: int, feeds: dict[str, _Feed], progress: _Progress) -> int:
    """Read one partition of each topic from its beginning to its last stable offset; return how many records there were."""
    patience = settings.worker.progress_timeout
    consumer = reader(settings, settings.worker.application_id)
    try:
        total = sum(_stable_end(consumer, topic, number, patience) for topic in feeds)
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for topic in feeds])
        return _read(consumer, feeds, total, progress, patience)
    except KafkaException as error:
        raise RestartError(f"partition {number}: cannot be restored: {error.args[0].str()}") from None
    finally:
        consumer.close()


def _refuse_hanging(settings: Settings, number: int, topics: list[str], patience: float) -> None:
    """Wait until nothing is open on the topics. Our own transaction ended when we fenced, so this is a rebuild's, or foreign."""
    deadline = time.monotonic() + patience
    places = [TopicPartition(topic, number) for topic in topics]
    try:
        if hanging(settings, places):
            end_rebuild(settings)
        while found := hanging(settings, places):
            if time.monotonic() > deadline:
                raise RestartError(f"partition {number}: a transaction hangs on {', '.join(found)}: {HANGING_CURE}")
            time.sleep(0.5)
    except BrokerError as error:  # it was there a moment ago: not a fault for an operator, but for a new start
        raise RestartError(f"partition {number}: cannot be restored: {error}") from None


def end_rebuild(settings: Settings) -> None:
    """End the transaction of a rebuild: of one that was killed, or goes on although a worker was started."""
    with closing(rebuild_writer(settings)) as writer:
        writer.fence()


def _read(consumer: Consumer, feeds: dict[str, _Feed], total: int, progress: _Progress, patience: float) -> int:
    """Read until every topic said that it ended (an end can be a control record, so counting would not do)."""
    done, open_, seen = 0, set(feeds), time.monotonic()
    while open_:
        messages = consumer.consume(BATCH, 0.05)  # waits as long even when the ends are there
        if messages:
            seen = time.monotonic()
        elif time.monotonic() - seen > patience:
            raise RestartError(f"restoring stood still for {patience} s at {done} records of {total}")
        done += _feed(messages, feeds, open_)
        progress(done, total)
        crash_point("during-restore")
    return done


def _feed(messages: list[Message], feeds: dict[str, _Feed], open_: set[str]) -> int:
    read: dict[str, Records] = {topic: [] for topic in feeds}
    for message in messages:
        error = message.error()
        if error is None:
            read[message.topic()].append((message.key(), message.value()))
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
            open_.discard(message.topic())
        elif not error.retriable():
            raise KafkaException(error)
    for topic, records in read.items():
        feeds[topic](records)
    return sum(map(len, read.values()))


def _stable_end(consumer: Consumer, topic: str, number: int, patience: float) -> int:
    """Return how many offsets there are up to the last stable one."""
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=patience)
    return max(0, int(high - low))
