"""The traffic of all measurements, and how it gets into Kafka before the clock starts.

`REALISTIC` is the center of the memory figure: 50 queues in ten teams, about 650 agents, about 100,000 contacts on a
Monday. Times lie in the past, so that no event is refused as being in the future.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import msgspec
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from msgspec.structs import replace

from benchmarks.processes import BenchmarkError
from streams.broker.topics import TopicSet, admin_client
from streams.engine.partition import Record
from streams.settings import KafkaSettings
from streams.simulate.center import MONDAY_MORNING, Center, demo_center, staffed
from streams.simulate.options import Queues
from streams.simulate.timed import Sent, Timed, encoded
from streams.simulate.traffic import at_rate, events
from streams.sources.producer import configuration

QUEUES = 50
PARTITIONS = 4
TEAM = 5
"""Queues that an agent serves."""


def _center() -> Center:
    center = demo_center(Queues().convert(str(QUEUES), None, None), busiest=240.0)
    queues = tuple(replace(queue, group=f"team-{at // TEAM}") for at, queue in enumerate(center.queues))
    return replace(center, queues=queues, groups=staffed(queues))


REALISTIC = _center()
_TIMES = 4


def live(rate: float) -> Center:
    """Return a center that makes ``rate`` events a second.

    Four times the agents, and all in a hurry: after half a minute of 10,000/s an agent has changed state as often as a real one does in
    the hour that its record tells of. With fewer agents that record would grow as no real one does.
    """
    return at_rate(REALISTIC.larger(_TIMES), rate)


SEED = "benchmark"


def simulated(center: Center, count: int | None = None, seed: str = SEED) -> Iterator[Timed]:
    """Yield the first ``count`` events from a Monday's midnight on."""
    return islice(events(center.lasting(MONDAY_MORNING - 8 * 3_600_000_000, None), seed), count)


def records(center: Center, count: int) -> list[Record]:
    """Return events as the records of one partition."""
    sent = encoded(simulated(center, count))
    return [Record(offset, time_us, key, value) for offset, (time_us, key, value) in enumerate(sent)]


def preload(bootstrap: str, topic: str, stream: Iterator[Sent], by: str | None = None) -> int:
    """Write a topic, keyed as the events are or by one of their members; return how many are surely in."""
    with producing(bootstrap) as producer:
        count = 0
        for _, key, value in stream:
            send(producer, topic, key if by is None else str(msgspec.json.decode(value).get(by)).encode(), value)
            count += 1
    return count


@contextmanager
def producing(bootstrap: str, **settings: Any) -> Iterator[Producer]:
    """Give a producer with the product's own settings, and wait for the broker at the end."""
    producer = Producer(configuration(KafkaSettings(bootstrap=bootstrap)) | settings)
    yield producer
    if producer.flush(60):
        raise BenchmarkError("the broker did not take everything within 60 s")


def send(producer: Producer, topic: str, key: bytes, value: bytes | None, **more: Any) -> None:
    """Hand a record over, waiting while the queue is full."""
    while True:
        try:
            producer.produce(topic, value, key, **more)
        except BufferError:
            producer.poll(0.1)
        else:
            producer.poll(0)
            return


def create(bootstrap: str, topics: TopicSet) -> None:
    """Make the product's topics that are missing."""
    with admin_client(bootstrap) as admin:
        topics.create(admin, PARTITIONS)


def recreate_outputs(bootstrap: str, topics: TopicSet) -> None:
    """Empty all but the events, so that a worker begins anew on the same events."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    names = {topics.state, topics.kpis, topics.dead_letters}
    for done in admin.delete_topics(list(names)).values():
        done.result(30)
    deadline = time.monotonic() + 30
    while names & admin.list_topics(timeout=10).topics.keys():
        if time.monotonic() > deadline:
            raise BenchmarkError("topics were not deleted within 30 s")
        time.sleep(0.2)
    create(bootstrap, topics)
