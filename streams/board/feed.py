"""Reads `contact-center.kpis` from the beginning, all partitions, committed records only, and keeps `Figures` up to date.

A partition's records are handed over when the last one of their transaction (``["partition"]``) is there, so a reader never sees half
a commit. A rebuild fills figures of its own, which take the place of those shown once all partitions are there. Ready when the end of
every partition, as it was at the start, has been reached. The client reconnects by itself; when the topic was made anew, the figures are
read anew. Of figures in another format (schemas/panes.py) nothing is shown until a rebuild has made new ones.

    connecting -> loading -> live <-> behind        events wait for 10 s: no worker counts them, or it trails
                     |         ^ v
                     |     disconnected             no answer of a broker for 3 s
                     v
               other_version                        the figures are of another version, which this one would misread

Instead of live it is other_definitions while the settings say that something else is counted than what a worker has counted.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from schemas.panes import (
    COUNTERS,
    FORMAT,
    PARTITION,
    REBUILT,
    PartitionStatus,
    Rebuilt,
    decode_key,
    decode_value,
    format_of,
)  # fmt: skip
from streams.board.progress import Ends, Progress, TopicAnewError
from streams.engine.marker import UNREADABLE
from streams.kafka import confluent
from streams.kafka import ends as ends_of
from streams.settings import KafkaSettings
from streams.telemetry import Fact

BATCH: Final = 2_000
HELD: Final = 50_000
"""Records of one transaction held back at most; a larger one is shown as it comes."""
POLL: Final = 0.1
_LET_GO: Final = 0.002
"""Seconds."""
LOST_AFTER: Final = 3.0
_PROBE_EVERY: Final = 1.0
_PROBE_TIMEOUT: Final = 2.0
_CLIENT: Final = "centralita-board"

_log = logging.getLogger("streams.board")
_begun = Fact(logging.INFO, "The figures are being read.", logger=_log)
_loaded = Fact(logging.INFO, "The figures are complete.", logger=_log)
_lost = Fact(logging.WARNING, "Kafka does not answer; the figures stand still.", logger=_log)
_back = Fact(logging.INFO, "Kafka answers again.", logger=_log)
_again = Fact(logging.WARNING, "Reading the figures failed and starts again.", logger=_log)
OTHER_VERSION: Final = "The figures are of another version and are not shown"
ONE_VERSION: Final = "run board and workers of one version, and `centralita rebuild` if a worker asks for it"
_other_version = Fact(logging.ERROR, f"{OTHER_VERSION}: {ONE_VERSION}.", logger=_log)
_other_definitions = Fact(
    logging.ERROR,
    "The figures are counted under other definitions than this board's settings: give board and workers the same, and restart the board.",
    logger=_log,
)
_unread = Fact(logging.ERROR, "A record of the figures cannot be read and is left out.", logger=_log)


class Loads(Protocol):
    """What the feed fills; ``idle`` are the partitions of which all events are counted."""

    idle: frozenset[int]

    def load(self, partition: int, key: bytes, value: bytes | None) -> None:
        """Take one record of the topic; no value deletes."""

    def partitions(self) -> dict[int, PartitionStatus]:
        """Return how far the worker is, by partition."""

    def under_other_definitions(self) -> bool:
        """Tell whether the worker counts under other definitions than those that are shown."""


F = TypeVar("F", bound=Loads)
Place = tuple[str | None, str | None]
"""Channel and queue."""


class Condition(NamedTuple):
    """How far the figures can be trusted: a state of the drawing above, records read, events no worker has taken."""

    state: str
    loaded: int
    behind: int


class _Filled(Generic[F]):
    """Figures, and when the events of each queue were committed in a partition; without what is of another version."""

    def __init__(self, make: Callable[[], F]) -> None:
        self._make = make
        self.figures = make()
        self.committed: dict[Place, dict[int, int]] = {}
        self.other_version = False

    def load(self, message: Any) -> None:
        """Take a record."""
        if message.key() == PARTITION and message.value() is not None and not self.other_version:
            self._look(message)
        if self.other_version:
            return
        self.figures.load(message.partition(), message.key(), message.value())
        if message.key().startswith(COUNTERS):
            self._note(message)

    def _look(self, message: Any) -> None:
        """Forget everything when the format of a partition is another one: it is of all partitions, until a rebuild."""
        seen = format_of(message.value())
        if seen != FORMAT:
            self.figures, self.committed, self.other_version = self._make(), {}, True
            _other_version(partition=message.partition(), seen=seen, expected=FORMAT)

    def _note(self, message: Any) -> None:
        """Note when the events of a queue were committed in a partition; counters that are deleted leave nothing."""
        _, channel, queue = decode_key(message.key())
        committed = self.committed.setdefault((channel, queue), {})
        if message.value() is None:
            committed.pop(message.partition(), None)
        else:
            committed[message.partition()] = message.timestamp()[1]


class _Anew(Generic[F]):
    """A rebuild on its way: what is filled, and the partitions that it has begun and finished."""

    def __init__(self, mark: Rebuilt, filled: _Filled[F]) -> None:
        self.id = mark.id
        self.filled = filled
        self.begun: set[int] = set()
        self._missing = set(mark.partitions)

    def see(self, message: Any) -> None:
        """Take a record of a partition that has begun."""
        self.filled.load(message)
        if message.key() == PARTITION:
            self._missing.discard(message.partition())

    @property
    def complete(self) -> bool:
        """Tell whether every partition is there."""
        return not self._missing


class _Reading:
    """The lock of those who read figures: one waits for the figures at a time, so that who fills them is never behind two."""

    def __init__(self, lock: threading.RLock) -> None:
        self._turn = threading.RLock()
        self._lock = lock

    def __enter__(self) -> None:
        self._turn.acquire()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        self._turn.release()

    @contextmanager
    def again(self) -> Iterator[None]:
        """Hold it once more, after those who wait for it: a lock that is taken again at once is had by nobody else."""
        time.sleep(_LET_GO)
        with self:
            yield


class Feed(Generic[F]):
    """Figures of all partitions, filled by a thread. Hold `lock` while reading `figures`."""

    def __init__(
        self, kafka: KafkaSettings, figures: Callable[[], F], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._shown = _Filled(figures)
        self._anew: _Anew[F] | None = None
        self._rebuilt: str | None = None
        self._lock = threading.RLock()
        self.lock = _Reading(self._lock)
        self.complete = False
        """Whether all that was there at the start has been read."""
        self.version = 0
        self.loaded = 0
        self.changed: Callable[[], None] = lambda: None
        self._kafka = kafka
        self._make = figures
        self._clock = clock
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._answered: float | None = None
        self._progress = Progress()
        self._read_partitions = 0
        self._grown = threading.Event()
        """Set when the events have more partitions than are read of the figures."""

    @property
    def figures(self) -> F:
        """Return what is shown; after a rebuild other figures than before."""
        return self._shown.figures

    @property
    def ready(self) -> bool:
        """Tell whether there are figures to be shown, as of now or of when Kafka last answered."""
        return self.complete and not self._shown.other_version

    def start(self) -> None:
        """Begin to read, in threads of its own."""
        _begun(kafka=self._kafka.bootstrap, topic=self._topic("kpis"))
        for work in (self._read, self._probe):
            thread = threading.Thread(target=work, name=f"board{work.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End the threads, within a few seconds."""
        self._stop.set()
        for thread in self._threads:
            thread.join(5)

    def condition(self) -> Condition:
        """Tell whether the figures are complete and current."""
        now = self._clock()
        behind = self._progress.behind
        if self._answered is None:
            state = "connecting"
        elif now - self._answered > LOST_AFTER:
            state = "disconnected"
        elif self._shown.other_version:
            state = "other_version"
        elif not self.complete:
            state = "loading"
        elif self._progress.stalled(now):
            state = "behind"
        else:
            state = "other_definitions" if self.figures.under_other_definitions() else "live"
        return Condition(state, self.loaded, behind)

    # Reading

    def _read(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except TopicAnewError as anew:
                self._say_again(str(anew))
            except KafkaException as error:
                self._say_again(error.args[0].str())
            except Exception as error:  # noqa: BLE001 - figures that nobody reads would stand still without a word
                self._say_again(repr(error))
            self._stop.wait(1)

    def _say_again(self, error: str) -> None:
        _again(kafka=self._kafka.bootstrap, topic=self._topic("kpis"), error=error)

    def _follow(self) -> None:
        consumer = Consumer(
            confluent(
                self._kafka, client_id=_CLIENT, group_id="centralita-board", enable_auto_commit=False,
                isolation_level="read_committed", auto_offset_reset="error", enable_partition_eof=True,
                queued_max_messages_kbytes=32_768,
            )
        )  # fmt: skip
        try:
            partitions = _partitions(consumer, self._topic("kpis"))
            self._read_partitions = len(partitions)
            self._begin()
            consumer.assign([TopicPartition(self._topic("kpis"), number, OFFSET_BEGINNING) for number in partitions])
            self._tail(consumer, Ends(consumer, self._topic("kpis"), partitions))
        finally:
            consumer.close()

    def _begin(self) -> None:
        with self._lock:
            self._shown = _Filled(self._make)
            self._anew = self._rebuilt = None
            self.complete = False
            self.loaded = 0

    def _tail(self, consumer: Any, ends: Ends) -> None:
        held: dict[int, list[Any]] = {}
        while not self._stop.is_set():
            whole: list[Any] = []
            for message in _arrived(consumer):
                if message.error() is not None:
                    ends.reached(message)
                    continue
                ends.read(message)
                self._answered = self._clock()
                waiting = held.setdefault(message.partition(), [])
                waiting.append(message)
                if message.key() == PARTITION or len(waiting) >= HELD:
                    whole += waiting
                    waiting.clear()
            if whole:
                self.load(whole)
            if self._grown.is_set():
                self._grown.clear()
                if len(_partitions(consumer, self._topic("kpis"))) > self._read_partitions:
                    raise TopicAnewError("partitions were added")
            if not self.complete and ends.all_reached():
                self.load(_before(ends, held))
                self.complete = True
                _loaded(records=self.loaded, partitions=len(ends.missing_at_start))
                self._tell()

    def load(self, messages: Iterable[Any]) -> None:
        """Take records as Kafka's client gives them."""
        with self._lock:
            for message in messages:
                self._load(message)
        self._tell()

    def _load(self, message: Any) -> None:
        self.loaded += 1
        try:
            if message.key() == REBUILT and message.value() is not None:
                self._begin_anew(message.partition(), decode_value("rebuilt", message.value()))
            if self._anew is None or message.partition() not in self._anew.begun:
                self._shown.load(message)
            else:
                self._anew.see(message)
        except (*UNREADABLE, RecursionError) as error:
            # of another version, or not ours
            _unread(partition=message.partition(), offset=message.offset(), error=str(error))

        if self._anew is not None and self._anew.complete:
            self._shown, self._rebuilt, self._anew = self._anew.filled, self._anew.id, None

    def _begin_anew(self, number: int, mark: Rebuilt) -> None:
        """Fill other figures with what follows in a partition; those shown stay until all partitions are there."""
        if mark.id == self._rebuilt:  # a partition without events, which the others did not wait for
            return
        if self._anew is None or self._anew.id != mark.id:
            self._anew = _Anew(mark, _Filled(self._make))
        self._anew.begun.add(number)

    def last_events(self) -> dict[Place, int]:
        """Return by channel and queue the milliseconds at which its last event was committed; needs no lock."""
        seen = list(self._shown.committed.items())  # copied at once: others go on adding to it
        return {place: max(committed.values()) for place, committed in seen if committed}

    def _tell(self) -> None:
        self.version += 1
        self.changed()

    # Asking whether Kafka answers and whether events wait

    def _probe(self) -> None:
        asks = confluent(self._kafka, client_id=_CLIENT, group_id=_CLIENT, isolation_level="read_committed")
        consumer = Consumer(asks)
        was_lost = were_others = False
        while not self._stop.wait(_PROBE_EVERY if self._answered is not None else 0.2):
            try:
                ends = _ends(consumer, self._topic("events"))
            except KafkaException:
                ends = None
                consumer.close()  # after a restart of the broker it would go on asking with the leader's old epoch
                consumer = Consumer(asks)
            if ends is not None:
                self._answered = self._clock()
                if len(ends) > self._read_partitions:
                    self._grown.set()
                with self._lock:
                    done = {number: status.offset for number, status in self.figures.partitions().items()}
                    self.figures.idle = frozenset(number for number, end in ends.items() if done.get(number, 0) >= end)
                self._progress.see(ends, done, self._clock())
            lost = self.condition().state == "disconnected"
            if lost != was_lost:
                (_lost if lost else _back)()
                was_lost = lost
            others = self.complete and self.figures.under_other_definitions()
            if others and not were_others:
                _other_definitions()
            were_others = others

    def _topic(self, name: str) -> str:
        return f"{self._kafka.prefix}.{name}"


def _arrived(consumer: Any) -> list[Any]:
    """Return what has arrived, as soon as anything has; `consume` alone would wait for a full batch."""
    first = consumer.poll(POLL)
    return [] if first is None else [first, *consumer.consume(BATCH - 1, 0)]


def _before(ends: Ends, held: dict[int, list[Any]]) -> list[Any]:
    """Take from what is held back what was there at the start: it is whole, though the last record of its transaction may be deleted."""
    found: list[Any] = []
    for number, waiting in held.items():
        end = ends.missing_at_start.get(number, 0)
        found += [message for message in waiting if message.offset() < end]
        held[number] = [message for message in waiting if message.offset() >= end]
    return found


def _partitions(consumer: Any, topic: str) -> list[int]:
    found = consumer.list_topics(topic, timeout=5).topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    return sorted(found.partitions)


def _ends(consumer: Consumer, topic: str) -> dict[int, int]:
    """Return where the partitions of a topic end; asks the broker."""
    found = consumer.list_topics(topic, timeout=_PROBE_TIMEOUT).topics[topic]
    if found.error is not None:
        return {}
    asked = [TopicPartition(topic, number) for number in found.partitions]
    return {number: end for (_, number), end in ends_of(consumer, asked, _PROBE_TIMEOUT).items()}
