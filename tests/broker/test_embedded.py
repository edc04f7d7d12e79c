import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from streams.broker.embedded import EmbeddedKafka, answers
from streams.broker.server_properties import free_port, is_free
from streams.errors import BrokerError, ConfigurationError, OutputError

pytestmark = pytest.mark.kafka


def write(bootstrap: str, value: bytes) -> None:
    client = AdminClient({"bootstrap.servers": bootstrap})
    client.create_topics([NewTopic("kept", 1, 1)])["kept"].result(10)
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    producer.produce("kept", value)
    assert producer.flush(10) == 0


def read(bootstrap: str) -> bytes | None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "enable.auto.commit": False})
    consumer.assign([TopicPartition("kept", 0, 0)])
    try:
        message = consumer.poll(10)
        assert message is not None
        return message.value()
    finally:
        consumer.close()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """A broker of this module's own, which a test may hurt but leaves running."""
    with EmbeddedKafka(tmp_path_factory.mktemp("hurt")) as made:
        yield made


def test_data_survive_a_kill_and_a_stop(broker: EmbeddedKafka):
    """What was acknowledged is read at the same address after SIGKILL, and after a clean stop."""
    address = broker.bootstrap
    write(address, b"hello")
    broker.kill()
    assert not broker.running
    broker.start()
    assert read(address) == b"hello"
    broker.stop()
    broker.start()
    assert (broker.bootstrap, read(address)) == (address, b"hello")


def test_a_paused_broker_is_silent_until_it_is_resumed(broker: EmbeddedKafka):
    """SIGSTOP leaves the port open and requests unanswered; SIGCONT ends that."""
    broker.pause()
    assert broker.running
    assert not is_free(broker.port)
    assert not answers(broker.port)
    broker.resume()
    assert answers(broker.port)


def test_a_port_in_use_is_refused_by_name(tmp_path: Path):
    """The message says which port, and nothing is started."""
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        broker = EmbeddedKafka(tmp_path, port)
        with pytest.raises(ConfigurationError, match=f"port: seen {port}, which is in use at 127.0.0.1"):
            broker.start()
    assert not broker.running


def test_who_ended_by_himself_is_started_again(broker: EmbeddedKafka):
    """As after a full disk."""
    broker._signal(signal.SIGKILL)
    broker.wait()
    broker.start()
    assert answers(broker.port)


def test_a_folder_has_one_broker(broker: EmbeddedKafka):
    """A second one is refused before it writes anything; the first goes on, and the folder is free when it has stopped."""
    properties = broker.data / "server.properties"
    before = properties.read_bytes()
    other = EmbeddedKafka(broker.data)
    with pytest.raises(ConfigurationError, match="in which another broker runs: choose another folder"):
        other.start()
    assert properties.read_bytes() == before
    assert answers(broker.port)
    broker.stop()
    with other:
        assert other.running
    broker.start()


def test_a_folder_that_cannot_be_written_is_named():
    with pytest.raises(OutputError, match="^/proc/none: cannot be written: "):
        EmbeddedKafka(Path("/proc/none")).start()


def test_a_broker_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path):
    """A wrong setting ends the start at once, with Kafka's own words."""
    broker = EmbeddedKafka(tmp_path, settings={"num.io.threads": "none"})
    with pytest.raises(BrokerError, match=r"(?s)none.*num\.io\.threads"):
        broker.start()


def test_only_the_loopback_interface_is_listened_on(broker: EmbeddedKafka):
    """Every address that the process listens on is 127.0.0.1."""
    listening = listeners(broker._process.pid)
    assert listening
    assert all(address.endswith("0100007F") for address in listening)  # 127.0.0.1, perhaps mapped into IPv6


def listeners(pid: int) -> list[str]:
    """Read from /proc the local addresses, in hexadecimal, of the sockets on which a process listens."""
    links = Path(f"/proc/{pid}/fd").iterdir()
    inodes = {str(link.readlink()).removeprefix("socket:[").rstrip("]") for link in links if link.is_symlink()}
    lines = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()
    ]
    return [line[1].split(":")[0] for line in lines if line[3] == "0A" and line[9] in inodes]
