"""Other stream processors with a small job: count the events and sum a number by queue, in tumbling windows of five minutes.

Each reads the worker's own topic in one process, and commits every quarter of a second, as the worker does live (Faust every 2.8 s, as it
comes). That topic is keyed by customer, so QuixStreams and Kafka Streams write the events to a topic of their own by queue and read them
again; Faust keeps a table a partition. `Stage.by_queue` gives them a topic keyed by queue instead, which spares them that.

Kafka Streams is there again with the worker's own job, for which it needs no topic in between, as the worker needs none; once it commits
every two seconds, as the worker does while it catches up. How far each is, is asked of the broker (its group's committed offsets), not of
the peer.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol, Self

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from streams.broker.topics import TopicSet

HERE = Path(__file__).parent
COMMIT_SECONDS = 0.25
_CONTROL = 3


class PeerMissingError(Exception):
    """A peer that cannot be had here, and why."""


class Stage(NamedTuple):
    """What everyone runs on."""

    bootstrap: str
    prefix: str
    events: int
    folder: Path
    by_queue: bool = False

    @property
    def peers_prefix(self) -> str:
        """The prefix of the topic that the peers read."""
        return f"{self.prefix}-by-queue" if self.by_queue else self.prefix

    @property
    def peers_topic(self) -> str:
        """The topic that the peers read."""
        return TopicSet(self.peers_prefix).events

    @property
    def keyed(self) -> str:
        """What a peer is told of the keys."""
        return "queue" if self.by_queue else "customer"


class Peer(Protocol):
    """A processor to compare with."""

    name: str
    by_customer: bool
    """Whether it needs the topic that is keyed by customer, whatever others read."""
    note: str
    """What a reader of its figures must know."""

    def prepare(self) -> Self:
        """Get what it needs, or raise `PeerMissingError`."""

    def command(self, stage: Stage, group: str, folder: Path) -> list[str]:
        """Return the command that runs it; ``folder`` is for its state."""


def committed(stage: Stage, group: str) -> Callable[[], int]:
    """Return a function that asks the broker how many events a group has committed, all but one while it re-reads its own."""
    # librdkafka ends the process when a cluster that had no group so far answers it (its issue 5040).
    groups = KafkaAdminClient(bootstrap_servers=stage.bootstrap, request_timeout_ms=5_000)
    admin = AdminClient({"bootstrap.servers": stage.bootstrap, "log_level": 0})

    def ask() -> int:
        try:
            places = groups.list_group_offsets([group])[group]
            done = sum(max(0, at.offset) for place, at in places.items() if place.topic == stage.peers_topic)
            own = [
                TopicPartition(place.topic, place.partition, at.offset)
                for place, at in places.items()
                if place.topic != stage.peers_topic
            ]
            return stage.events - 1 if done >= stage.events and _lag(admin, own) else done
        except (KafkaError, KafkaException, TimeoutError):
            return 0  # there is no such group yet

    return ask


def _lag(admin: AdminClient, places: list[TopicPartition]) -> bool:
    """Tell whether records are left; the last offsets of a partition can be ends of transactions."""
    asked = {TopicPartition(place.topic, place.partition): OffsetSpec.latest() for place in places}
    ends = admin.list_offsets(asked, request_timeout=5) if asked else {}
    left = {(place.topic, place.partition): done.result(5).offset for place, done in ends.items()}
    return any(left[place.topic, place.partition] - place.offset > _CONTROL for place in places)


from benchmarks.peers.jvm import counting, kpis, kpis_catching_up  # noqa: E402 - these import the above
from benchmarks.peers.python import Faust, QuixStreams  # noqa: E402

PEERS: dict[str, Callable[[], Peer]] = {
    "faust": Faust,
    "quixstreams": QuixStreams,
    "kafka-streams": counting,
    "kafka-streams-kpis": kpis,
    "kafka-streams-kpis-2s": kpis_catching_up,
}
