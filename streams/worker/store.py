"""Exactly once by transactions: one producer a partition, one transaction a commit, its marker the only truth.

Taking a partition has one order: fence (``init_transactions`` ends what the old owner left open), read the ends, restore
up to them. Restoring first could miss the old owner's last commit. Every error of the producer, an unknown outcome
included, is one case: `FencedError`, the process ends with its code and starts again from the marker.
A broker that is away for a few seconds is none: librdkafka goes on trying within the transaction's timeout.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from streams.broker.topics import TopicSet
from streams.engine.partition import Changes
from streams.errors import BrokerError, ConfigurationError, FencedError, RestartError
from streams.kafka import confluent
from streams.settings import Settings
from streams.worker.crashes import crash_point
from streams.worker.ends import Ends, hanging
from streams.worker.letters import Letter

BATCH = 10_000
"""Records asked for at once when restoring: measured above 300,000 a second."""
HANGING_CURE = "end it with `kafka-transactions.sh abort`, and find out who else writes to our topics"
_Feed = Callable[[bytes, bytes | None], None]
_Progress = Callable[[int, int], None]


class Store:
    """The transactional producer of one partition. Its methods block: call them in a thread, one at a time."""

    def __init__(self, settings: Settings, number: int) -> None:
        self._settings, self._number = settings, number
        self._topics = TopicSet(settings.kafka.prefix)
        self._patience = settings.worker.transaction_timeout
        self._failed: list[KafkaError] = []
        self._producer: Producer | None = None

    def fence(self) -> None:
        """Become the partition's only writer; whoever was it before can commit nothing more."""
        self._producer = Producer(self._configuration())
        # An open transaction of the old owner may take its timeout; the watchdog must not be faster than our own error.
        patience = min(2 * self._patience, 0.9 * self._settings.worker.progress_timeout)
        deadline = time.monotonic() + patience
        self._until(deadline, "start", self._producer.init_transactions)

    def commit(self, changes: Changes, letters: Sequence[Letter]) -> None:
        """Write everything in one transaction, the marker last; on return it is committed."""
        deadline = time.monotonic() + self._patience
        self.write(changes, letters, deadline)
        self.finish(deadline)

    def write(self, changes: Changes, letters: Sequence[Letter], deadline: float) -> None:
        """Begin a transaction and write everything in it, the marker last; `finish` commits it."""
        producer = self._open()
        try:
            producer.begin_transaction()
            self._produce(self._topics.kpis, changes.kpis, deadline)
            self._letters(letters, deadline)
            self._produce(self._topics.state, changes.state, deadline)
        except KafkaException as error:
            raise self._refused(error.args[0], "write") from None
        crash_point("after-produce")
        self._flush(deadline)

    def finish(self, deadline: float) -> None:
        """Commit what was written."""
        crash_point("before-commit")
        self._until(deadline, "commit", self._open().commit_transaction)
        crash_point("after-commit")

    def abort(self) -> None:
        """Take back what was written, if the broker still lets us; else it does so when the transaction has timed out."""
        with suppress(KafkaException, FencedError):
            self._open().abort_transaction(self._patience)

    def close(self) -> None:
        """Let go of the producer without waiting for anything."""
        if self._producer is not None:
            self._producer.purge()
            self._producer = None

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

    def _configuration(self) -> dict[str, object]:
        # request timeout < transaction timeout < session timeout and alarms (settings check the latter).
        patience = int(self._patience * 1000)
        return confluent(
            self._settings.kafka,
            client_id=f"{self._settings.worker.application_id}-{self._number}",
            transactional_id=transactional_id(self._settings, self._number),
            transaction_timeout_ms=patience,
            message_timeout_ms=patience,
            request_timeout_ms=max(1000, patience // 3),
            socket_timeout_ms=max(1000, patience // 3),
            linger_ms=5,
            batch_size=1 << 20,
            batch_num_messages=50_000,
            compression_type="lz4",
            queue_buffering_max_messages=1_000_000,
            queue_buffering_max_kbytes=256 * 1024,
            message_max_bytes=10_000_000,  # the topic's own limit decides; ours must not be lower
        ) | {"delivery.report.only.error": True, "on_delivery": self._on_failure}

    def _on_failure(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed.append(error)

    def _produce(self, topic: str, records: Iterable[tuple[bytes, bytes | None]], deadline: float) -> None:
        producer, number = self._open(), self._number
        produce = producer.produce
        for key, value in records:
            try:
                produce(topic, value, key, number)
            except BufferError:
                self._drain(deadline)
                produce(topic, value, key, number)

    def _letters(self, letters: Sequence[Letter], deadline: float) -> None:
        producer = self._open()
        for letter in letters:
            try:
                producer.produce(self._topics.dead_letters, letter.value, letter.key, headers=letter.headers)
            except BufferError:
                self._drain(deadline)
                producer.produce(self._topics.dead_letters, letter.value, letter.key, headers=letter.headers)

    def _drain(self, deadline: float) -> None:
        """Wait until the full queue of the producer is sent."""
        if self._flush(deadline):
            raise FencedError(f"partition {self._number}: the broker took no records for {self._patience} s")

    def _flush(self, deadline: float) -> int:
        """Wait until what was produced is sent; return how many records are not."""
        try:
            left: int = self._open().flush(max(0.0, deadline - time.monotonic()))
        except (KafkaException, SystemError) as error:
            # A fatal error is raised here, and as a SystemError when a failed delivery is being told of at that moment.
            raise FencedError(
                f"partition {self._number}: cannot write its transaction: {error.__cause__ or error}"
            ) from error
        return left

    def _until(self, deadline: float, what: str, call: Callable[[float], None]) -> None:
        """Call, again while librdkafka says that it may succeed, until the deadline; the rest is one case."""
        while True:
            try:
                call(max(0.1, min(1.0, deadline - time.monotonic())))
            except KafkaException as error:
                cause = error.args[0]
                if not cause.retriable() or time.monotonic() >= deadline:
                    raise self._refused(cause, what) from None
            else:
                return

    def _refused(self, error: KafkaError, what: str) -> ConfigurationError | FencedError:
        causes = [error, *self._failed]
        if any(cause.code() == KafkaError.MSG_SIZE_TOO_LARGE for cause in causes):
            limit = "max.message.bytes of the topics and of the broker"
            return ConfigurationError(f"partition {self._number}: a record is larger than {limit} allow: raise it")
        said = "; ".join(dict.fromkeys(cause.str() for cause in causes))
        return FencedError(f"partition {self._number}: cannot {what} its transaction: {said}")

    def _open(self) -> Producer:
        if self._producer is None:
            raise FencedError(f"partition {self._number}: its producer is closed")
        return self._producer


def transactional_id(settings: Settings, number: int) -> str:
    """Return the id that makes the writers of one partition exclude each other."""
    return f"{settings.worker.application_id}-{number}"


def reader(settings: Settings, group: str) -> Consumer:
    """Return a consumer of committed records that joins no group and commits nothing."""
    return Consumer(
        confluent(
            settings.kafka, group_id=group, isolation_level="read_committed", enable_auto_commit=False,
            enable_partition_eof=True, auto_offset_reset="earliest", fetch_wait_max_ms=50, check_crcs=True,
            max_partition_fetch_bytes=8 << 20, queued_max_messages_kbytes=16 << 10,
        ) | {"queued.min.messages": 200_000, "fetch.queue.backoff.ms": 5}
    )  # fmt: skip


def restore(settings: Settings, number: int, feeds: dict[str, _Feed], progress: _Progress) -> int:
    """Read one partition of each topic from its beginning to its last stable offset."""
    patience = settings.worker.progress_timeout
    _refuse_hanging(settings, number, list(feeds), patience)
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
    """Wait until nothing is open on the topics: our own transaction ended when we fenced, so this one is foreign."""
    deadline = time.monotonic() + patience
    places = [TopicPartition(topic, number) for topic in topics]
    try:
        while found := hanging(settings, places):
            if time.monotonic() > deadline:
                raise RestartError(f"partition {number}: a transaction hangs on {', '.join(found)}: {HANGING_CURE}")
            time.sleep(0.5)
    except BrokerError as error:  # it was there a moment ago: not a fault for an operator, but for a new start
        raise RestartError(f"partition {number}: cannot be restored: {error}") from None


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
    fed = 0
    for message in messages:
        error = message.error()
        if error is None:
            feeds[message.topic()](message.key(), message.value())
            fed += 1
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
            open_.discard(message.topic())
        elif not error.retriable():
            raise KafkaException(error)
    return fed


def _stable_end(consumer: Consumer, topic: str, number: int, patience: float) -> int:
    """Return how many offsets there are up to the last stable one."""
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=patience)
    return max(0, int(high - low))
