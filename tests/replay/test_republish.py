"""A past day sent again: every key, byte and header in its order, at the pace that was asked for, and of now where that was."""

from __future__ import annotations

import itertools
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer
from kafka.partitioner.default import murmur2
from msgspec.structs import replace

from schemas.calls import CallQueued
from schemas.events import decode, encode
from schemas.rows import Row
from streams.broker.topics import TopicSet, admin_client
from streams.cli import group
from streams.engine.partition import Partition, Record
from streams.engine.policy import EVERYTHING, Policy
from streams.errors import BrokerError, ConfigurationError, InputError, TopicError
from streams.kpis.figures import Figures
from streams.replay.republish import Due, send
from streams.sources.producer import Sender
from tests.harness import records
from tests.harness.traffic import START
from tests.replay import expected

pytestmark = pytest.mark.kafka
EVENTS = expected.traffic(contacts=300, seed=17)
ALL = ("--from", "2026-03-02T09:00", "--to", "2026-03-03")


@pytest.fixture
def rehearsal(kafka: str, topics: TopicSet) -> TopicSet:
    """The topics of another installation, with as many partitions."""
    made = TopicSet(f"{topics.prefix}-rehearsal")
    with admin_client(kafka) as admin:
        made.create(admin, 4)
    return made


@pytest.fixture
def replay(kafka: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch):
    """Run the command against the broker; what goes wrong is raised."""
    monkeypatch.setenv("CENTRALITA_KAFKA", kafka)
    monkeypatch.setenv("CENTRALITA_KAFKA_PREFIX", topic_prefix)

    def run(*arguments: object) -> Result:
        result = CliRunner().invoke(group, ["replay", *map(str, arguments)])
        if isinstance(result.exception, Exception):
            raise result.exception
        return result

    return run


def by_partition(kafka: str, topic: str) -> dict[int, list[tuple[bytes | None, bytes | None, dict[str, bytes]]]]:
    found = defaultdict(list)
    for seen in records.read(kafka, topic):
        found[seen.partition].append((seen.key, seen.value, seen.headers))
    return found


def test_every_record_comes_again_as_it_was(kafka, topics, rehearsal, replay) -> None:
    """As fast as it goes: partition, order, key, bytes and headers, duplicates among them; nothing else is touched."""
    records.send(kafka, topics.events, EVENTS)
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(topics.events, EVENTS[0][1], b"k", 2, headers={"source": b"switch"})
    assert producer.flush(10) == 0
    before = records.ends(kafka, topics.events)
    told = replay(*ALL, "--into", rehearsal.events, "--speed", 0)
    assert f"{len(EVENTS) + 1:,} events sent into {rehearsal.events}" in told.stdout
    assert by_partition(kafka, rehearsal.events) == by_partition(kafka, topics.events)
    assert records.ends(kafka, topics.events) == before


def test_interrupted_it_may_be_run_again(kafka, topics, rehearsal, replay, monkeypatch) -> None:
    """By a person, then by the broker: it says so, and in the end what is in the other topic counts as the range does."""
    records.send(kafka, topics.events, EVENTS)
    failure: BaseException = KeyboardInterrupt()

    def broken(stream: Iterator[Due], sender: Sender, *rest: Any) -> None:
        send(islice(stream, len(EVENTS) // 2), sender, *rest)
        raise failure

    with monkeypatch.context() as stopped:
        stopped.setattr("streams.replay.command.send", broken)
        told = replay(*ALL, "--into", rehearsal.events, "--speed", 0)
        assert (told.exit_code, "what is there already counts once" in told.stdout) == (130, True)
        failure = BrokerError("gone")
        with pytest.raises(BrokerError, match=rf"gone; {len(EVENTS) // 2:,} events sent .* already counts once"):
            replay(*ALL, "--into", rehearsal.events, "--speed", 0)
    assert sum(records.ends(kafka, rehearsal.events).values()) == len(EVENTS) // 2 * 2
    assert replay(*ALL, "--into", rehearsal.events, "--speed", 0).exit_code == 0
    assert counted(kafka, rehearsal.events) == counted(kafka, topics.events)


def counted(kafka: str, topic: str) -> list[Row]:
    """Return the rows by queue of all that is in a topic."""
    found = Figures(replace(Policy(), retention=EVERYTHING))
    for number in range(4):
        engine = Partition(number, found.policy)
        taken = [
            Record(one.offset, one.timestamp_ms * 1_000, one.key, one.value)
            for one in records.read(kafka, topic, only=number)
        ]
        assert engine.process(taken) == []
        for key, value in engine.flush().kpis:
            found.load(number, key, value)
    return expected.rows(found, "1h", "queue")


def queued(number: int, seconds: float) -> tuple[bytes, bytes]:
    event = CallQueued(id=str(number), time=START + seconds, contact_id=f"c{number}", queue="sales")
    return f"c{number}".encode(), encode(event)


def test_the_spacing_is_kept_at_another_speed(kafka, topics, rehearsal, replay, monkeypatch) -> None:
    """Sixty seconds in three, over partitions in one order of time; a late event goes out where it came."""
    late = queued(99, 5.0)
    events = [queued(number, number * 2.0) for number in range(31)]
    records.send(kafka, topics.events, [*events[:20], late, *events[20:]])
    began = []

    def timed(*given: Any) -> None:
        began.append(time.time())
        send(*given)

    monkeypatch.setattr("streams.replay.command.send", timed)
    replay(*ALL, "--into", rehearsal.events, "--speed", 20)
    seen = {seen.value: seen.timestamp_ms / 1_000 for seen in records.read(kafka, rehearsal.events)}
    arrived = [seen[value] for _, value in events]
    for number, at in enumerate(arrived):
        assert at - began[0] >= number * 0.1 - 0.002, number  # never early
    assert all(
        after > before - 0.05 for before, after in itertools.pairwise(arrived)
    )  # brokers take partitions in any order
    assert arrived[-1] - began[0] < 30
    assert seen[late[1]] >= began[0] + 1.9


@pytest.mark.parametrize(("speed", "partitions_there"), [(60, 4), (0, 7)])
def test_shifted_it_is_of_now_and_nothing_is_ahead_of_the_clock(
    kafka, topics, replay, speed: float, partitions_there: int
) -> None:
    """All times by one constant, so the figures are the same; where the other topic has more partitions, each key is where a source sends it."""
    other = TopicSet(f"{topics.prefix}-other")
    with admin_client(kafka) as admin:
        other.create(admin, partitions_there)
    events = [queued(number, number * 2.0) for number in range(31)]
    records.send(kafka, topics.events, [*events, (b"k", b"garbage")])
    replay(
        "--from", "2026-03-02T09:00", "--to", "2026-03-02T09:15", "--into", other.events, "--speed", speed, "--shift"
    )
    found = {}
    for seen in records.read(kafka, other.events):
        event = decode(seen.value)
        assert event.time_us <= (seen.timestamp_ms + 1) * 1_000
        found[event.id] = event.time_us
        if partitions_there != 4:
            assert seen.partition == (murmur2(seen.key) & 0x7FFFFFFF) % partitions_there
    shifts = {found[json.loads(value)["id"]] - decode(value).time_us for _, value in events}
    assert len(found) == 31
    assert len(shifts) == 1


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (("--into", "absent.events"), TopicError, "absent.events: .*create it"),
        (("--into", "OWN"), ConfigurationError, "a topic of this installation"),
    ],
)
def test_where_it_cannot_go_is_said(
    topics, replay, arguments: tuple[str, ...], kind: type[Exception], message: str
) -> None:
    """A topic that is not there, and those of the live installation."""
    with pytest.raises(kind, match=message):
        replay(*ALL, *(topics.events if argument == "OWN" else argument for argument in arguments))


def test_an_empty_range_is_said(kafka, topics, rehearsal, replay) -> None:
    """Instead of nothing sent without a word."""
    records.send(kafka, topics.events, EVENTS)
    with pytest.raises(InputError, match="no events to send"):
        replay("--from", "2026-03-01", "--to", "2026-03-02", "--into", rehearsal.events)


def test_figures_are_not_written_beside_it(topics) -> None:
    """Exit code 2: the two are different answers; and a shift at another speed needs an end."""
    refused = CliRunner().invoke(group, ["replay", *ALL, "--into", "x.events", "--output", "rows.csv"])
    assert (refused.exit_code, "expected it without --output" in refused.stderr) == (2, True)
    endless = CliRunner().invoke(group, ["replay", *ALL[:2], "--into", "x.events", "--speed", "0", "--shift"])
    assert (endless.exit_code, "expected --to" in endless.stderr) == (2, True)
