"""Three real brokers that hold every record three times, each to be killed and restarted alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from confluent_kafka.admin import AdminClient, ClusterMetadata

from streams.broker.embedded import EmbeddedKafka
from streams.broker.server_properties import DEFAULTS, HOST, free_port
from tests.harness.exactness import wait_until

BROKERS = 3
HEAP_MB = 256
"""Of each; a process takes 250 MB in all."""
REPLICATED = {
    "default.replication.factor": "3",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
}
_LOG = "__transaction_state"
_LOGS = int(DEFAULTS["transaction.state.log.num.partitions"])


class Cluster:
    """Brokers that are controllers too, by their numbers from 1 on. Two of them have to run for anything to go on."""

    def __init__(self, folder: Path) -> None:
        ports = {number: (free_port(), free_port()) for number in range(1, BROKERS + 1)}
        voters = ",".join(f"{number}@{HOST}:{port}" for number, (_, port) in ports.items())
        self.brokers = {
            number: EmbeddedKafka(
                folder / str(number),
                port,
                settings=REPLICATED
                | {
                    "node.id": str(number),
                    "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
                    "controller.quorum.voters": voters,
                },
                heap_mb=HEAP_MB,
            )
            for number, (port, controller) in ports.items()
        }

    @property
    def bootstrap(self) -> str:
        """The addresses of all."""
        return ",".join(broker.bootstrap for broker in self.brokers.values())

    def start(self) -> None:
        """Start those that do not run, at the same time: one alone does not answer."""
        with ThreadPoolExecutor(BROKERS) as threads:
            list(threads.map(EmbeddedKafka.start, [one for one in self.brokers.values() if not one.running]))
        wait_until(self._whole, 60, f"not all replicas are in sync: {self._behind()}")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        for broker in self.brokers.values():  # the last ones to be stopped in order would wait for each other
            broker.kill()

    def leader(self, topic: str, number: int) -> EmbeddedKafka:
        """Return the broker that a partition is written to."""
        return self.brokers[self._told().topics[topic].partitions[number].leader]

    def coordinator(self, transactional_id: str) -> EmbeddedKafka:
        """Return the broker that ends the transactions of an id: the leader of its partition of the transaction log."""
        return self.leader(_LOG, java_hash(transactional_id) % _LOGS)

    def await_loss(self, lost: EmbeddedKafka) -> None:
        """Wait until the others know that it is gone, and lead what it led."""
        (number,) = (number for number, broker in self.brokers.items() if broker is lost)
        wait_until(lambda: not self._leads(number), 30, f"broker {number} still leads")

    def _leads(self, number: int) -> bool:
        return any(
            one.leader in (-1, number) for topic in self._told().topics.values() for one in topic.partitions.values()
        )

    def _whole(self) -> bool:
        return len(self._told().brokers) == BROKERS and not self._behind()

    def _behind(self) -> list[str]:
        return [
            f"{name}-{number}"
            for name, topic in self._told().topics.items()
            for number, one in topic.partitions.items()
            if len(one.isrs) < BROKERS
        ]

    def _told(self) -> ClusterMetadata:
        return AdminClient(
            {"bootstrap.servers": self.bootstrap, "reconnect.backoff.max.ms": 1000, "log_level": 0}
        ).list_topics(timeout=20)


def java_hash(text: str) -> int:
    """Return what Kafka makes of Java's hash of a name, to choose a partition.

    >>> java_hash("contact-center-0") % 4
    1
    """
    value = 0
    for character in text.encode("utf-16-be")[1::2]:
        value = (31 * value + character) & 0xFFFFFFFF
    return value & 0x7FFFFFFF
