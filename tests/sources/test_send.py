"""`centralita send` delivers every good line once, names every bad one, and can be stopped and gone on with."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from schemas.calls import CallQueued
from schemas.events import decode, encode
from streams.broker.topics import TopicSet
from streams.simulate.center import demo_center
from streams.simulate.traffic import events

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]


def _start(kafka: str, prefix: str, *arguments: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "streams.cli", "send", *arguments],
        env={**os.environ, "CENTRALITA_KAFKA": kafka, "CENTRALITA_KAFKA_PREFIX": prefix, **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _records(kafka: str, topic: str) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield partition, key and value of all that the topic holds."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "test"})
    for number in range(4):
        place = TopicPartition(topic, number, 0)
        left = consumer.get_watermark_offsets(place, timeout=20)[1]
        consumer.assign([place])
        while left:
            messages = consumer.consume(min(left, 5_000), timeout=20)
            assert messages, f"{left} records of partition {number} did not come"
            left -= len(messages)
            yield from ((number, message.key(), message.value()) for message in messages)
    consumer.close()


def _file(path: Path, count: int) -> set[str]:
    """Write events of calls whose later events do not name the customer, the last one first; return their ids."""
    lines, ids = [], set[str]()
    for timed in events(demo_center(), 3):
        value = encode(timed.event)
        if not isinstance(timed.event, CallQueued):
            value = re.sub(rb',"customer_id":"[^"]*"', b"", value)
        lines.append(value)
        ids.add(timed.event.id)
        if len(lines) == count:
            break
    path.write_bytes(b"\n".join(reversed(lines)) + b"\n")
    return ids


def test_bad_lines_are_named_and_the_rest_is_sent(kafka: str, topics: TopicSet, tmp_path: Path) -> None:
    """File, line, reason and what is wrong, on standard error; exit code 1; the good ones are in under their customers."""
    path = tmp_path / "calls.ndjson"
    ids = _file(path, 500)
    with path.open("ab") as file:
        file.write(b"nonsense\n\n")
        file.write(b'{"type":"call.abandoned","id":"n","time":1,"contact_id":"x","wait_seconds":-1}\n')
    out, err = (done := _start(kafka, topics.prefix, str(path))).communicate(timeout=60)
    assert done.returncode == 1
    assert out == "500 events sent, 2 bad lines skipped\n"
    assert f"{path}:501: undecodable: record: not JSON" in err
    assert f"{path}:503: negative_duration: wait_seconds: seen -1.0, expected 0 or more" in err
    records = list(_records(kafka, topics.events))
    assert {decode(value).id for _, _, value in records} == ids
    contacts: dict[str, set[bytes]] = {}
    for _, key, value in records:
        event = decode(value)
        if hasattr(event, "contact_id"):
            contacts.setdefault(event.contact_id, set()).add(key)
    assert all(len(keys) == 1 for keys in contacts.values())


def test_pseudonyms(kafka: str, topics: TopicSet, tmp_path: Path) -> None:
    """With a secret no customer's id reaches Kafka."""
    path = tmp_path / "calls.ndjson"
    _file(path, 200)
    done = _start(kafka, topics.prefix, str(path), CENTRALITA_PRIVACY_CUSTOMER_KEY_SECRET="s")
    done.communicate(timeout=60)
    assert done.returncode == 0
    customers = set(re.findall(rb'"customer_id":"([^"]*)"', path.read_bytes()))
    sent = b"\n".join(key + b" " + value for _, key, value in _records(kafka, topics.events))
    assert customers
    assert not any(b'"' + customer + b'"' in sent or customer + b" " in sent for customer in customers)


def test_ctrl_c_and_going_on_loses_nothing(kafka: str, topics: TopicSet, tmp_path: Path) -> None:
    """What was sent before and what `--from-line` sends after are all lines; at most the one it stopped at is in twice."""
    path = tmp_path / "calls.ndjson"
    ids = _file(path, 200_000)
    first = _start(kafka, topics.prefix, str(path))
    _wait_for_records(kafka, topics.events)
    first.send_signal(signal.SIGINT)
    _, err = first.communicate(timeout=60)
    assert first.returncode == 130, err
    line = re.search(rf"go on with: centralita send --from-line (\d+) {re.escape(str(path))}", err)
    assert line, err
    assert 1 < int(line[1]) <= 200_000
    second = _start(kafka, topics.prefix, "--from-line", line[1], str(path))
    second.communicate(timeout=90)
    assert second.returncode == 0
    seen = [decode(value).id for _, _, value in _records(kafka, topics.events)]
    assert set(seen) == ids
    assert len(seen) - len(ids) in {0, 1}


def test_events_too_old_for_a_worker_are_sent_and_told(kafka: str, topics: TopicSet, tmp_path: Path) -> None:
    """Those further behind the newest one before them than the lateness that the worker allows, and no others."""
    path = tmp_path / "calls.ndjson"
    hours = (100, 53, 51, 101, 52)  # the newest before them: -, 100, 100, 100, 101
    path.write_bytes(
        b"\n".join(
            encode(CallQueued(id=f"e{hour}", time=hour * 3600, contact_id=f"c{hour}", queue="sales")) for hour in hours
        )
    )
    out, err = (done := _start(kafka, topics.prefix, str(path))).communicate(timeout=60)
    assert (done.returncode, out) == (0, "5 events sent, 0 bad lines skipped\n")
    assert "warning: 2 events are more than 48 h older than the newest sent before them" in err
    longer = _start(kafka, topics.prefix, str(path), CENTRALITA_RETENTION_LATENESS_HOURS="49.5")
    assert "warning" not in longer.communicate(timeout=60)[1]


def test_where_there_is_nothing_to_go_on_with_it_is_said(kafka: str, topics: TopicSet, tmp_path: Path) -> None:
    """Behind the last line, and in what cannot be read: no advice to go on with its first line."""
    path, packed = tmp_path / "calls.ndjson", tmp_path / "broken.gz"
    _file(path, 3)
    packed.write_bytes(b"x")
    for arguments, code, told in (
        (("--from-line", "4", str(path)), 0, f"{path} has no line 4, nor a line after it"),
        ((str(tmp_path),), 65, f"{tmp_path}: is a folder, expected a file"),
        ((str(packed),), 65, f"{packed}: cannot be read: Not a gzipped file"),
    ):
        err = (done := _start(kafka, topics.prefix, *arguments)).communicate(timeout=60)[1]
        assert (done.returncode, told in err, "go on with" in err) == (code, True, False), err


def test_a_missing_topic_is_told(kafka: str, tmp_path: Path) -> None:
    """With the command that makes it."""
    path = tmp_path / "calls.ndjson"
    _file(path, 3)
    done = _start(kafka, "nowhere", str(path))
    _, err = done.communicate(timeout=60)
    assert done.returncode == os.EX_UNAVAILABLE
    assert "nowhere.events" in err
    assert "centralita topics" in err


def _wait_for_records(kafka: str, topic: str) -> None:
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "test"})
    end = time.monotonic() + 60
    while not any(consumer.get_watermark_offsets(TopicPartition(topic, n), timeout=20)[1] for n in range(4)):
        assert time.monotonic() < end
    consumer.close()
