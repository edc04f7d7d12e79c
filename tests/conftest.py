"""What all tests share: a real Kafka broker, topics of their own, and skips that say why."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from streams.broker.embedded import EmbeddedKafka, answers
from streams.broker.server_properties import DEFAULTS, free_port
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
    from testcontainers.core.container import DockerContainer

    port = free_port()
    settings = DEFAULTS | {
        "listeners": f"PLAINTEXT://0.0.0.0:{port},CONTROLLER://localhost:9093",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.quorum.voters": "1@localhost:9093",
    }
    container = DockerContainer("apache/kafka:4.1.2")
    # `with_bind_ports` knows no addresses, but Docker's client behind it does.
    container.ports[str(port)] = ("127.0.0.1", port)  # type: ignore[assignment]
    for key, value in settings.items():
        container.with_env(f"KAFKA_{key.upper().replace('.', '_')}", value)
    with container:
        yield wait_until_it_answers(port)


def wait_until_it_answers(port: int, seconds: float = 60.0) -> str:
    """Return the address of a broker as soon as it answers."""
    deadline = time.monotonic() + seconds
    while not answers(port):
        if time.monotonic() > deadline:
            pytest.fail(f"no broker answered on port {port} within {seconds:.0f} s")
        time.sleep(0.1)
    return f"127.0.0.1:{port}"


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
