"""The command writes what it says, and tells what was wrong with an option."""

from __future__ import annotations

import json
import lzma
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Consumer, TopicPartition

from schemas.events import decode
from schemas.fields import microseconds
from streams.broker.topics import TopicSet
from streams.settings import KafkaSettings, Settings
from streams.simulate.command import command
from streams.simulate.timed import SECOND


def _simulate(*options: str, settings: Settings | None = None) -> Result:
    return CliRunner().invoke(command, [*options], obj=lambda: settings or Settings(), catch_exceptions=False)


def test_a_file_is_the_same_for_the_same_options(tmp_path: Path) -> None:
    """Without a start a file begins at a fixed time, so it can be made again, compressed or not."""
    paths = [tmp_path / name for name in ("a.ndjson", "b.ndjson.xz")]
    for path in paths:
        done = _simulate("--events", "5000", "--garbage", "0.01", "--output", str(path))
        assert done.exit_code == 0, done.output
    plain = paths[0].read_bytes()
    assert plain == lzma.decompress(paths[1].read_bytes())
    assert 5_000 < plain.count(b"\n") < 5_200


def test_queues_duration_and_start(tmp_path: Path) -> None:
    """One hour from a given start, in the queues asked for."""
    path = tmp_path / "e"
    start = "2026-03-03T11:00:00+01:00"
    _simulate("--output", str(path), "--duration", "1h", "--start", start, "--queues", "sales,help")
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    first = microseconds(decode(path.read_bytes().splitlines()[0]).time)
    assert 0 <= first - 1_772_532_000 * SECOND < 60 * SECOND
    assert {line["queue"] for line in lines if line["type"] == "call.queued"} == {"sales", "help"}


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--duration", "soon", "seen 'soon', expected a number with s, m, h or d"),
        ("--start", "2026-01-01T00:00:00", "expected RFC 3339 with an offset"),
        ("--queues", "a,,b", "expected 1 to 1000, or different names"),
        ("--queues", "a,a", "expected 1 to 1000, or different names"),
        ("--queues", "0", "expected 1 to 1000, or different names"),
        ("--garbage", "1.5", "0<=x<=1"),
    ],
)
def test_bad_options_are_told(option: str, value: str, told: str) -> None:
    """The message names what was seen and what was expected."""
    done = _simulate(option, value)
    assert done.exit_code == 2
    assert told in " ".join(done.output.split())


def test_an_interrupted_file_says_what_is_in_it(tmp_path: Path) -> None:
    """And the exit code that it is not all; the events that are there are whole."""
    path = tmp_path / "long.ndjson"
    command = [sys.executable, "-m", "streams.cli", "simulate", "--output", str(path), "--duration", "999d"]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not (path.exists() and path.stat().st_size):
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    told = running.communicate(timeout=60)[1]
    lines = path.read_bytes().splitlines()
    assert (running.returncode, told) == (130, f"{len(lines):,} records written: {len(lines):,} events\n")
    decode(lines[-1])


@pytest.mark.kafka
def test_events_arrive_on_kafka(kafka: str, topics: TopicSet) -> None:
    """Every event is in the topic, none of the future, and a customer's events are on one partition."""
    settings = Settings(kafka=KafkaSettings(bootstrap=kafka, prefix=topics.prefix))
    done = _simulate("--events", "20000", "--speed", "0", settings=settings)
    assert done.exit_code == 0, done.output
    partitions: dict[bytes, set[int]] = {}
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "test", "enable.partition.eof": False})
    consumer.assign([TopicPartition(topics.events, number, 0) for number in range(4)])
    seen = 0
    while seen < 20_000:
        messages = consumer.consume(5_000, timeout=20)
        assert messages, f"{seen} events of 20,000 arrived"
        for message in messages:
            assert decode(message.value()).time_us <= message.timestamp()[1] * 1_000 + 1_000
            partitions.setdefault(message.key(), set()).add(message.partition())
        seen += len(messages)
    consumer.close()
    assert seen == 20_000
    assert all(len(found) == 1 for found in partitions.values())
