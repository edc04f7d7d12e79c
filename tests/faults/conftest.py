"""A broker of a test's own, to be ill-treated, and its topics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.broker.embedded import EmbeddedKafka
from streams.broker.topics import TopicSet, admin_client

PARTITIONS = 2


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """The broker; it compacts as soon as there is anything to compact."""
    with EmbeddedKafka(tmp_path / "kafka", settings={"log.cleaner.backoff.ms": "100"}) as broker:
        yield broker
        broker.resume()


@pytest.fixture
def own(broker: EmbeddedKafka) -> TopicSet:
    """Its topics."""
    made = TopicSet("own")
    with admin_client(broker.bootstrap) as admin:
        made.create(admin, PARTITIONS)
    return made
