"""What all tests share: a real Kafka broker, topics of their own, and skips that say why."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from streams.broker.embedded import EmbeddedKafka
from streams.broker.topics import TopicSet, admin_client


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run choose Docker's broker."""
    parser.addoption("--kafka", choices=["embedded", "docker"], default="embedded", help="broker of the tests")


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a broker: CENTRALITA_KAFKA, else Docker with --kafka=docker, else the embedded one."""
    given = os.environ.get("CENTRALITA_KAFKA")
    if given:
        yield given
    elif request.config.getoption("--kafka") == "docker":
        yield from _docker()
    else:
        with EmbeddedKafka(tmp_path_factory.mktemp("kafka")) as broker:
            yield broker.bootstrap


def _docker() -> Iterator[str]:
    from testcontainers.kafka import KafkaContainer

    with KafkaContainer("apache/kafka:4.1.1").with_kraft() as container:
        yield container.get_bootstrap_server()


@pytest.fixture
def partitions() -> int:
    """Partitions of `topics`; a test asks for others with @pytest.mark.parametrize("partitions", [1])."""
    return 4


@pytest.fixture
def topics(kafka: str, partitions: int) -> TopicSet:
    """The four topics, new and empty, under a prefix that no other test has."""
    made = TopicSet(f"test-{uuid4().hex[:12]}")
    with admin_client(kafka) as admin:
        made.create(admin, partitions)
    return made


@pytest.fixture
def topic_prefix(topics: TopicSet) -> str:
    """The prefix of `topics`."""
    return topics.prefix


def program(*names: str) -> str:
    """Return the path of the first program of these that is installed, or skip the test and say what is missing."""
    for name in names:
        path = shutil.which(name)
        if path:
            return path
    pytest.skip(f"{' or '.join(names)} is not installed; .ci/run installs it")


@pytest.fixture(scope="session")
def promtool() -> str:
    """Prometheus' checker of rules."""
    return program("promtool")


@pytest.fixture(scope="session")
def prometheus() -> str:
    """The Prometheus server."""
    return program("prometheus")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser of the system."""
    return program("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of recorded data beside the repository."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("there is no ../shared/data beside the repository")
    return folder
