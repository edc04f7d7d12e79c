"""What the embedded broker is configured with, and why where it is not Kafka's default."""

import random
import socket
from collections.abc import Mapping
from pathlib import Path

from streams.errors import BrokerError

HOST = "127.0.0.1"
# Below the range that Linux takes for outgoing connections: nothing grabs the port of a broker that is restarting.
PORTS = range(20_000, 32_000)
PORT_TRIES = 200
_random = random.SystemRandom()  # a seeded one would give processes with the same seed the same ports

DEFAULTS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    # A typing error in a topic's name has to fail, not to count into a topic with the wrong settings.
    "auto.create.topics.enable": "false",
    # One node: every topic that Kafka makes for itself has one replica and needs no second one.
    "default.replication.factor": "1",
    "offsets.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.replication.factor": "1",
    # 50 partitions each would be made at the first commit: seconds of waiting for one node.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    # Groups of a few members form at once; the default waits 3 s.
    "group.initial.rebalance.delay.ms": "0",
    # Topics set their own; requests up to their size have to pass.
    "message.max.bytes": str(8 * 1024 * 1024),
    "replica.fetch.max.bytes": str(8 * 1024 * 1024),
    # A killed broker is let in again when its old session has expired: 3 s instead of 9 s.
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",
    # 1.3 million keys a pass: a quarter of Kafka's default, which is half of our heap.
    "log.cleaner.dedupe.buffer.size": str(32 * 1024 * 1024),
}


def server_properties(data: Path, port: int, controller_port: int, settings: Mapping[str, str]) -> str:
    """Return the text of server.properties; `settings` win over the defaults."""
    places = {
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "log.dirs": (data / "log").absolute().as_posix(),
    }
    return "".join(f"{key}={value}\n" for key, value in {**DEFAULTS, **places, **settings}.items())


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    for _ in range(PORT_TRIES):
        port = _random.choice(PORTS)
        if is_free(port):
            return port
    raise BrokerError(f"no free port on {HOST} between {PORTS.start} and {PORTS.stop - 1}")


def is_free(port: int) -> bool:
    """Tell whether the broker could listen on the port."""
    with socket.socket() as probe:
        # Connections of a broker that just ended linger; they do not stop the next one.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
