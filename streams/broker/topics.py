"""The four topics: how they have to be, making them so, and telling in words what is wrong with those that exist.

All have the same number of partitions: the state and the figures of an event's partition are in the partition of that
number. Too short a retention, a topic that is not compacted or partitions added later would lose or double counts.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from streams.errors import BrokerError, TopicError
from streams.kafka import kafka_python, patience, unreachable
from streams.settings import KafkaSettings

if TYPE_CHECKING:  # a quarter of a second, in every command that only wants a topic's name
    from kafka import KafkaAdminClient

PREFIX = "contact-center"
PARTITIONS = 4
RETENTION = timedelta(days=35)
MOST_REPLICAS = 3
INSYNC = {"min.insync.replicas": "2"}
"""Of topics with three replicas: what was acknowledged is on two machines. Kafka asks for one, and the loss of that one loses events."""
LEARNING_SECONDS = 5.0
DAY_MS = str(24 * 3600 * 1000)

# Compacted early and in segments that are closed within a day: the shorter these topics, the faster a restore.
_COMPACTED = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.1",
    "segment.bytes": str(128 * 1024 * 1024),
    "segment.ms": DAY_MS,
    "delete.retention.ms": DAY_MS,
    "max.message.bytes": str(8 * 1024 * 1024),
}
AT_LEAST = frozenset({"retention.ms", "delete.retention.ms", "max.message.bytes", *INSYNC})
# How often the log is cleaned changes how long a restore takes, not what is counted.
FREE = frozenset({"min.cleanable.dirty.ratio", "segment.bytes", "segment.ms"})


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic's name and the configuration that it must have."""

    name: str
    config: Mapping[str, str]

    def replicated(self, replicas: int) -> dict[str, str]:
        """Return the configuration with what so many replicas ask for."""
        return {**self.config, **(INSYNC if replicas >= MOST_REPLICAS else {})}


class Shape(NamedTuple):
    """How many partitions a topic has, and on how many brokers each of them is."""

    partitions: int
    replicas: int


@dataclass(frozen=True, slots=True)
class TopicSet:
    """The topics of one installation, by their common prefix.

    >>> TopicSet().events
    'contact-center.events'
    """

    prefix: str = PREFIX
    retention: timedelta = RETENTION

    @property
    def events(self) -> str:
        """What happened, keyed by customer."""
        return f"{self.prefix}.events"

    @property
    def state(self) -> str:
        """What a worker keeps of a partition."""
        return f"{self.prefix}.state"

    @property
    def kpis(self) -> str:
        """Panes and gauges."""
        return f"{self.prefix}.kpis"

    @property
    def dead_letters(self) -> str:
        """Refused events, untouched, with the reason."""
        return f"{self.prefix}.dead-letters"

    @property
    def names(self) -> tuple[str, str, str, str]:
        """All four names."""
        return self.events, self.state, self.kpis, self.dead_letters

    @property
    def topics(self) -> tuple[Topic, ...]:
        """All four with their configuration."""
        # The time of arrival: offsets by time then are in order, and no producer's clock decides what expires.
        events = _deleted_after(self.retention) | {"message.timestamp.type": "LogAppendTime"}
        dead_letters = _deleted_after(self.retention)
        configs = (events, _COMPACTED, _COMPACTED, dead_letters)
        return tuple(Topic(name, config) for name, config in zip(self.names, configs, strict=True))

    def create(
        self, admin: KafkaAdminClient, partitions: int | None = None, replication: int | None = None
    ) -> list[str]:
        """Create the topics that are missing and return their names; existing ones stay as they are.

        Partitions: by default as many as the existing ones have, else 4. Replicas: 3, or as many as there are brokers.
        """
        from kafka.admin import NewTopic  # noqa: PLC0415 - see above

        existing = _described(admin, self.names)
        missing = [topic for topic in self.topics if topic.name not in existing]
        if missing:
            count = partitions or max((shape.partitions for shape in existing.values()), default=PARTITIONS)
            replicas = replication or min(MOST_REPLICAS, len(admin.describe_cluster()["brokers"]))
            new = [NewTopic(t.name, count, replicas, topic_configs=t.replicated(replicas)) for t in missing]
            admin.create_topics(new, wait_for_metadata=True)
        return [topic.name for topic in missing]

    def check(self, admin: KafkaAdminClient, partitions: int | None = None, free: Collection[str] = FREE) -> list[str]:
        """Return what is wrong, one sentence each; an empty list means that counting is safe.

        `partitions` is the number that the topics should have, and `free` are the settings that may have any value,
        as far as that matters to the caller.
        """
        shapes = _described(admin, self.names)
        configs = _configs(admin, shapes)
        problems = [
            f"{name} is missing: create it with `centralita topics`" for name in self.names if name not in shapes
        ]
        problems += _unequal({name: shape.partitions for name, shape in shapes.items()}, partitions)
        problems += [
            f"{name} has {key}={seen}, expected {_expectation(key, wanted)}: `centralita topics --mend` sets it"
            for name, key, seen, wanted in self._harmful(shapes, configs, free)
        ]
        return problems

    def check_changed(self, admin: KafkaAdminClient, partitions: int | None = None) -> list[str]:
        """Check what was created or mended just now: for some seconds again, as brokers learn of it one after the other."""
        deadline = time.monotonic() + LEARNING_SECONDS
        while (problems := self.check(admin, partitions)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return problems

    def mend(self, admin: KafkaAdminClient) -> list[str]:
        """Correct the settings of existing topics that do harm, and return what was set."""
        from kafka.admin import ConfigResource, ConfigResourceType  # noqa: PLC0415 - see above

        shapes = _described(admin, self.names)
        done = [(name, key, wanted) for name, key, _, wanted in self._harmful(shapes, _configs(admin, shapes), FREE)]
        for name, key, wanted in done:
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {key: wanted})])
        return [f"{name}: {key}={wanted}" for name, key, wanted in done]

    def _harmful(
        self, shapes: Mapping[str, Shape], configs: Mapping[str, Mapping[str, str]], free: Collection[str]
    ) -> Iterator[tuple[str, str, str, str]]:
        """Yield topic, key, value seen and value expected."""
        for topic in self.topics:
            if topic.name not in shapes:
                continue
            for key, wanted in topic.replicated(shapes[topic.name].replicas).items():
                seen = configs[topic.name].get(key, "unknown")
                if key not in free and not _suffices(key, seen, wanted):
                    yield topic.name, key, seen, wanted

    def partitions(self, admin: KafkaAdminClient) -> int:
        """Return the number of partitions of the events; raise TopicError when the topic is missing."""
        shapes = _described(admin, [self.events])
        if not shapes:
            raise TopicError(f"{self.events} is missing: create it with `centralita topics`")
        return shapes[self.events].partitions


def _deleted_after(retention: timedelta) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(retention // timedelta(milliseconds=1))}


@contextmanager
def admin_client(kafka: KafkaSettings | str, **options: Any) -> Iterator[KafkaAdminClient]:
    """Connect to Kafka (an address alone is a broker without TLS and SASL). Any error of Kafka becomes a BrokerError."""
    from kafka import KafkaAdminClient  # noqa: PLC0415 - see above
    from kafka.errors import KafkaError  # noqa: PLC0415 - see above

    kafka = KafkaSettings(bootstrap=kafka) if isinstance(kafka, str) else kafka
    try:
        with patience(kafka):
            client = KafkaAdminClient(**{"bootstrap_timeout_ms": 10_000, **kafka_python(kafka), **options})
    except KafkaError as error:
        raise unreachable(kafka, str(error)) from error
    try:
        yield client
    except KafkaError as error:
        raise BrokerError(f"Kafka at {kafka.bootstrap} refused: {error}") from error
    finally:
        client.close()


def _described(admin: KafkaAdminClient, names: Iterable[str]) -> dict[str, Shape]:
    """Return the shapes of those that exist."""
    found = admin.describe_topics(list(names))
    return {topic["name"]: _shape(topic["partitions"]) for topic in found if not topic["error_code"]}


def _shape(partitions: Sequence[Mapping[str, Any]]) -> Shape:
    return Shape(len(partitions), min(len(one["replica_nodes"]) for one in partitions))


def _configs(admin: KafkaAdminClient, names: Iterable[str]) -> dict[str, dict[str, str]]:
    from kafka.admin import ConfigResource, ConfigResourceType  # noqa: PLC0415 - see above

    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    if not resources:
        return {}
    found = admin.describe_configs(resources, config_filter="all")["topic"]
    return {name: {key: entry["value"] for key, entry in config.items()} for name, config in found.items()}


def _unequal(counts: Mapping[str, int], wanted: int | None) -> Iterator[str]:
    if len(set(counts.values())) > 1:
        seen = ", ".join(f"{name} has {count}" for name, count in counts.items())
        yield f"the numbers of partitions differ ({seen}): they must be equal: use a new prefix, or delete the topic that differs"
    elif wanted and counts and wanted not in counts.values():
        seen = str(max(counts.values()))
        yield f"the topics have {seen} partitions, {wanted} were asked for: a customer's events would move, use a new prefix"


def _suffices(key: str, seen: str, wanted: str) -> bool:
    """Tell whether a value does no harm.

    >>> _suffices("retention.ms", "-1", "1000"), _suffices("retention.ms", "999", "1000")
    (True, False)
    """
    if key in AT_LEAST and seen.lstrip("-").isdigit():
        return int(seen) == -1 or int(seen) >= int(wanted)
    return seen == wanted


def _expectation(key: str, wanted: str) -> str:
    return f"{wanted} or more" if key in AT_LEAST else wanted
