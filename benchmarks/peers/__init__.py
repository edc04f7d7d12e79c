"""Other stream processors with a small job: count the events and sum a number by queue, in tumbling windows of five minutes.

Each reads the same topic, four partitions, keyed by queue, in one process, and commits every quarter of a second as our worker does. How
far each is, is asked of the broker (its group's committed offsets), not of the peer.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol, Self

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.broker.topics import TopicSet

HERE = Path(__file__).parent
COMMIT_SECONDS = 0.25


class PeerMissingError(Exception):
    """A peer that cannot be had here, and why."""


class Stage(NamedTuple):
    """What everyone runs on."""

    bootstrap: str
    prefix: str
    events: int
    folder: Path

    @property
    def peers_prefix(self) -> str:
        """The prefix of the topic that the peers read."""
        return f"{self.prefix}-by-queue"

    @property
    def peers_topic(self) -> str:
        """The same events, keyed by queue."""
        return TopicSet(self.peers_prefix).events


class Peer(Protocol):
    """A processor to compare with."""

    name: str

    def prepare(self) -> Self:
        """Get what it needs, or raise `PeerMissingError`."""

    def command(self, stage: Stage, group: str, folder: Path) -> list[str]:
        """Return the command that runs it; ``folder`` is for its state."""


def committed(stage: Stage, group: str) -> Callable[[], int]:
    """Return a function that asks the broker how many events a group has committed."""
    admin = AdminClient({"bootstrap.servers": stage.bootstrap, "log_level": 0})

    def ask() -> int:
        try:
            found = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=5)
            places: list[TopicPartition] = found[group].result(5).topic_partitions
        except (KafkaException, TimeoutError):
            return 0  # there is no such group yet
        return sum(max(0, place.offset) for place in places if place.topic == stage.peers_topic)

    return ask


from benchmarks.peers.jvm import KafkaStreams  # noqa: E402 - these import the above
from benchmarks.peers.python import Faust, QuixStreams  # noqa: E402

PEERS: dict[str, Callable[[], Peer]] = {"faust": Faust, "quixstreams": QuixStreams, "kafka-streams": KafkaStreams}
