"""A worker starts only where its topics are right, and says what mends them."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from uuid import uuid4

import pytest

from streams.broker.server_properties import free_port
from streams.broker.topics import TopicSet, admin_client
from streams.errors import BrokerError, TopicError
from streams.settings import KafkaSettings
from streams.worker import topics as at_start
from tests.harness import records
from tests.harness.exactness import wait_until
from tests.harness.workers import WorkerProcess

pytestmark = pytest.mark.kafka


def test_a_worker_without_topics_ends_with_69_and_names_the_command(kafka: str, tmp_path: Path):
    """Each missing topic is named."""
    absent = TopicSet(f"absent-{uuid4().hex}")
    with WorkerProcess(kafka, absent.prefix, tmp_path) as worker:
        assert worker.exit_code() == 69, worker.tail()
        assert all(f"{name} is missing: create it with `centralita topics`" in worker.tail() for name in absent.names)


@pytest.mark.parametrize("partitions", [1])
@pytest.mark.parametrize(
    ("topic", "key", "value"),
    [
        ("state", "cleanup.policy", "delete"),
        ("kpis", "cleanup.policy", "compact,delete"),
        ("events", "message.timestamp.type", "CreateTime"),
    ],
)
def test_a_harmful_setting_keeps_a_worker_from_starting_until_it_is_mended(
    kafka: str, topics: TopicSet, topic: str, key: str, value: str
):
    """The message has topic, key, value, expectation and command; after mending all is right. Quick in both cases."""
    settings, name = KafkaSettings(bootstrap=kafka, prefix=topics.prefix), getattr(topics, topic)
    at_start.check(settings)
    records.configure(kafka, name, key, value)
    began = time.monotonic()
    with pytest.raises(TopicError, match=rf"{name} has {key}={value}, expected .*`centralita topics --mend`"):
        at_start.check(settings)
    assert time.monotonic() - began < 1
    with admin_client(settings) as admin:
        assert topics.mend(admin) == [f"{name}: {key}={dict(_expected(topics, name))[key]}"]
        assert topics.check_changed(admin) == []
    at_start.check(settings)


def _expected(topics: TopicSet, name: str) -> dict[str, str]:
    return next(dict(topic.config) for topic in topics.topics if topic.name == name)


@pytest.mark.parametrize("partitions", [1])
def test_limits_are_the_operators_to_choose(kafka: str, topics: TopicSet):
    """How long events are kept, and how large a record may be, do not keep a worker from starting."""
    records.configure(kafka, topics.events, "retention.ms", "3600000")
    records.configure(kafka, topics.state, "max.message.bytes", "500000")
    at_start.check(KafkaSettings(bootstrap=kafka, prefix=topics.prefix))


def test_other_numbers_of_partitions_are_refused(kafka: str, topics: TopicSet):
    """State of a partition would be somewhere else."""
    with admin_client(kafka) as admin:
        admin.create_partitions({topics.events: 5})
        wait_until(lambda: topics.partitions(admin) == 5, 10, "no fifth partition")
    with pytest.raises(TopicError, match=f"{topics.events} has 5"):
        at_start.check(KafkaSettings(bootstrap=kafka, prefix=topics.prefix))


def test_a_broker_that_is_away_at_the_start_is_named(monkeypatch: pytest.MonkeyPatch):
    """The error of every command, with its address."""
    monkeypatch.setattr(at_start, "PATIENCE_MS", 300)
    bootstrap = f"127.0.0.1:{free_port()}"
    with pytest.raises(BrokerError, match=f"Kafka at {bootstrap} cannot be reached"):
        at_start.check(KafkaSettings(bootstrap=bootstrap))


def test_sigterm_while_the_broker_is_away_ends_at_once(tmp_path: Path):
    """Nothing was applied, so nothing is left to commit: 0."""
    with WorkerProcess(f"127.0.0.1:{free_port()}", "absent", tmp_path) as worker:
        wait_until(lambda: worker.problems() != [] and "refused" not in str(worker.problems()), 10, "no health page")
        assert worker.terminate(5) == 0, worker.tail()


def test_a_worker_without_a_broker_ends_with_69_and_one_error(tmp_path: Path):
    """As every command does; a supervisor starts it again after a pause."""
    bootstrap = f"127.0.0.1:{free_port()}"
    with WorkerProcess(bootstrap, "absent", tmp_path) as worker:
        assert worker.exit_code(20) == 69, worker.tail()
        (line,) = errors(worker)
        assert f"Kafka at {bootstrap} cannot be reached" in line


def test_a_worker_whose_port_is_taken_ends_with_78_and_one_error(tmp_path: Path):
    """Before it asks Kafka for anything."""
    worker = WorkerProcess(f"127.0.0.1:{free_port()}", "absent", tmp_path)
    with socket.create_server(("127.0.0.1", worker.port)), worker:
        assert worker.exit_code(20) == 78, worker.tail()
        (line,) = errors(worker)
        assert f"worker.port: seen {worker.port}, which is in use at 127.0.0.1: choose another" in line


def errors(worker: WorkerProcess) -> list[str]:
    """Return the lines of a worker's log but those of what it does, or waits for."""
    return [line for line in worker.log.read_text().splitlines() if " INFO " not in line and "Waiting for" not in line]
