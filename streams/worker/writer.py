"""A transactional producer: what it writes between `begin` and `commit` is there as a whole, in every partition, or not at all.

Whoever starts last with an id is the only one who can write with it; what another one with the same id left open is ended. Every error of
the producer, an unknown outcome included, is one case: `FencedError`. A broker that is away for a few seconds is none: librdkafka
goes on trying within the transaction's timeout.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from streams.errors import ConfigurationError, FencedError
from streams.kafka import confluent
from streams.settings import Settings
from streams.worker.crashes import crash_point
from streams.worker.letters import Letter

_ABORTING: Final = 10.0
"""Seconds to wait for the broker when something has gone wrong already."""


_LOG_LEVEL: Final = 6
"""The level from which on librdkafka's log tells of connections that were lost and requests without an answer; nothing else of it does."""
_COORDINATOR: Final = "TxnCoordinator"
BY_KEY: Final = -1
"""Instead of a partition's number: the one that the key leads to."""
_PLAIN: Final = (None, None, 0)
"""What `Producer.produce` takes before headers: no callbacks but the producer's, and the time of now."""


class _Listener(logging.Handler):
    """Hears of trouble with brokers."""

    def __init__(self, trouble: Callable[[str], None]) -> None:
        super().__init__()
        self._trouble = trouble

    def emit(self, record: logging.LogRecord) -> None:
        """Tell of it."""
        self._trouble(record.getMessage())


class Writer:
    """The producer of a transactional id. Its methods block: call them in a thread, one at a time.

    ``name`` is what messages call it, ``patience`` the seconds that a transaction may take.
    """

    def __init__(self, settings: Settings, transactional_id: str, name: str, patience: float) -> None:
        self._settings, self._id, self._name, self._patience = settings, transactional_id, name, patience
        self._answer = max(1.0, min(30.0, patience / 3))
        """Seconds in which the broker has to answer; after them the client asks again."""
        self._failed: list[KafkaError] = []
        self._shaken = False
        self._has_offsets = False
        self._log = logging.Logger(transactional_id)  # noqa: LOG001 - outside the tree: what fails is told by our own log, once
        self._log.addHandler(_Listener(self._on_trouble))
        self._producer: Producer | None = None

    def fence(self) -> None:
        """Become the only one with this id; whoever was it before can commit nothing more, and nothing that it asked for can happen late."""
        self._producer = Producer(self._configuration(), logger=self._log)
        # An open transaction of the old owner may take its timeout; the watchdog must not be faster than our own error.
        patience = min(2 * self._patience, 0.9 * self._settings.worker.progress_timeout)
        deadline = time.monotonic() + patience
        self._until(deadline, "start", self._producer.init_transactions)
        self._producer.poll(0)  # what became of connections until now is told here, and concerns no transaction
        self._shaken = False

    def begin(self) -> None:
        """Begin a transaction."""
        try:
            self._open().begin_transaction()
        except KafkaException as error:
            raise self._refused(error.args[0], "begin") from None

    def produce(self, topic: str, number: int, records: Iterable[tuple[bytes, bytes | None]], deadline: float) -> None:
        """Write records to a partition."""
        self._produce(((topic, value, key, number) for key, value in records), deadline)

    def letters(self, topic: str, letters: Iterable[Letter], deadline: float, number: int = BY_KEY) -> None:
        """Write records with headers to a partition, or to the partitions of their keys."""
        self._produce(
            ((topic, letter.value, letter.key, number, *_PLAIN, letter.headers) for letter in letters), deadline
        )

    def offsets(self, places: Sequence[TopicPartition], group: Any, deadline: float) -> None:
        """Let a group's offsets be part of the transaction; ``group`` is a consumer's ``consumer_group_metadata``."""
        self._has_offsets = True
        send = self._open().send_offsets_to_transaction
        self._until(deadline, "write", lambda seconds: send(list(places), group, seconds))

    def flush(self, deadline: float) -> int:
        """Wait until what was written is sent; return how many records are not."""
        try:
            left: int = self._open().flush(max(0.0, deadline - time.monotonic()))
        except (KafkaException, SystemError) as error:
            # A fatal error is raised here, and as a SystemError when a failed delivery is being told of at that moment.
            raise FencedError(f"{self._name}: cannot write its transaction: {error.__cause__ or error}") from error
        return left

    def commit(self, deadline: float) -> bool:
        """Commit what was written; return False when it may be asked for once more later, by a request that is still on its way.

        librdkafka asks again where a connection was lost or an answer did not come. Once the broker has committed, the earlier request changes
        nothing, but when it comes while the next transaction is open, it commits what there is of that one, or puts its own offsets in the
        place of that one's. So `fence` again before beginning it.
        """
        crash_point("before-commit")
        self._until(deadline, "commit", self._open().commit_transaction)
        crash_point("after-commit")
        self._open().poll(0)  # what became of connections is told here
        return not self._shaken

    def abort(self) -> None:
        """Take back what was written, if the broker still lets us; else it does so when the transaction has timed out."""
        with suppress(KafkaException, FencedError):
            self._open().abort_transaction(min(self._patience, _ABORTING))

    def close(self) -> None:
        """Let go of the producer without waiting for anything."""
        if self._producer is not None:
            self._producer.purge()
            self._producer = None

    def _configuration(self) -> dict[str, object]:
        # request timeout < transaction timeout < session timeout and alarms (settings check the latter).
        patience, answer = int(self._patience * 1000), int(self._answer * 1000)
        return confluent(
            self._settings.kafka,
            client_id=self._id,
            transactional_id=self._id,
            transaction_timeout_ms=patience,
            message_timeout_ms=patience,
            request_timeout_ms=answer,
            socket_timeout_ms=answer,
            linger_ms=5,
            batch_size=1 << 20,
            batch_num_messages=50_000,
            compression_type="lz4",
            queue_buffering_max_messages=1_000_000,
            queue_buffering_max_kbytes=256 * 1024,
            message_max_bytes=10_000_000,  # the topic's own limit decides; ours must not be lower
        ) | {"log_level": _LOG_LEVEL, "delivery.report.only.error": True, "on_delivery": self._on_failure}

    def _on_failure(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed.append(error)

    def _on_trouble(self, said: str) -> None:
        # Offsets are sent to the group's broker, by a connection that is named as any other.
        if self._has_offsets or _COORDINATOR in said:
            self._shaken = True

    def _produce(self, messages: Iterable[tuple[Any, ...]], deadline: float) -> None:
        """Give messages, each as the arguments of `Producer.produce`, to the producer. By position: by name they cost it half as much again."""
        produce = self._open().produce
        try:
            for message in messages:
                try:
                    produce(*message)
                except BufferError:
                    self._drain(deadline)
                    produce(*message)
        except KafkaException as error:
            raise self._refused(error.args[0], "write") from None

    def _drain(self, deadline: float) -> None:
        """Wait until the full queue of the producer is sent."""
        if self.flush(deadline):
            raise FencedError(f"{self._name}: the broker took no records for {self._patience} s")

    def _until(self, deadline: float, what: str, call: Callable[[float], None]) -> None:
        """Call, again while librdkafka says that it may succeed, until the deadline; the rest is one case."""
        began = time.monotonic()
        while True:
            try:
                call(max(0.1, min(1.0, deadline - time.monotonic())))
            except KafkaException as error:
                cause = error.args[0]
                if not cause.retriable() or time.monotonic() >= deadline:
                    raise self._refused(cause, what) from None
            else:
                self._shaken |= time.monotonic() - began >= self._answer
                return

    def _refused(self, error: KafkaError, what: str) -> ConfigurationError | FencedError:
        causes = [error, *self._failed]
        if any(cause.code() == KafkaError.MSG_SIZE_TOO_LARGE for cause in causes):
            limit = "max.message.bytes of the topics and of the broker"
            return ConfigurationError(f"{self._name}: a record is larger than {limit} allow: raise it")
        said = "; ".join(dict.fromkeys(cause.str() for cause in causes))
        return FencedError(f"{self._name}: cannot {what} its transaction: {said}")

    def _open(self) -> Producer:
        if self._producer is None:
            raise FencedError(f"{self._name}: its producer is closed")
        return self._producer
