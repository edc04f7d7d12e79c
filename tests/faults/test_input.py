"""Numbers 21 and 22 of the list: poison among good events, and times that are abused."""

from __future__ import annotations

import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schemas.calls import CallQueued
from schemas.dead_letters import Reason
from schemas.events import encode
from streams.broker.topics import TopicSet
from streams.engine.policy import HOUR, Policy
from streams.simulate.faults import Faults
from streams.worker.letters import KEPT
from tests.chaos.verdict import letters
from tests.harness import records
from tests.harness.exactness import assert_exact, published, wait_until, wait_until_caught_up
from tests.harness.independent import assert_independent
from tests.harness.invariants import assert_invariants, garbage, send
from tests.harness.storm import Item, storm
from tests.harness.traffic import GARBAGE, REASONS
from tests.harness.watcher import Watcher
from tests.harness.workers import WorkerProcess

pytestmark = pytest.mark.kafka
LARGE = b'{"type": "call.ended", "filler": "' + b"x" * 5_000_000 + b'"}'
TWICE = b'{"type":"call.queued","id":"1","id":"2","time":1772442000,"contact_id":"t","queue":"first","queue":"last"}'
PURE = Faults(duplicates=0.02, disorder=0.05)


@pytest.mark.parametrize("partitions", [2])
def test_fault_21_poison_among_good_events(kafka: str, topics: TopicSet, tmp_path: Path):
    """Each piece is in the dead letters once, for its reason, untouched; one too large as its beginning; the rest counts."""
    poison = [Item(key, value, Reason(REASONS[name])) for name, (key, value) in GARBAGE.items()]
    poison += [Item(b"k", LARGE, Reason.TOO_LARGE), Item(b"k" * 2_000, b"{}", Reason.TOO_LARGE)]
    items = [*storm(2_000, seed=21, faults=PURE), *poison, Item(b"k", TWICE, None)]
    random.Random(21).shuffle(items)
    with Watcher(kafka, topics), WorkerProcess(kafka, topics.prefix, tmp_path) as worker:
        worker.ready()
        send(kafka, topics, items)
        wait_until_caught_up(kafka, topics)
        assert_exact(kafka, topics)
        refused = {(item.key, item.value) for item in poison}
        now = time.time_ns() // 1000
        assert_independent(kafka, topics, Policy(), now, lambda seen: (seen.key, seen.value) in refused)
        assert worker.terminate() == 0
    kept = Counter(
        (key, value[:KEPT] if value is LARGE else value, reason) for key, value, reason in garbage(poison).elements()
    )
    assert letters(kafka, topics, kept) == []
    (cut,) = [one for one in records.read(kafka, topics.dead_letters) if one.value == LARGE[:KEPT]]
    assert cut.headers["dead-letter-size"] == b"%d" % len(LARGE)
    queues = {key for _, key in published(kafka, topics)}
    assert any(b'"last"' in key for key in queues)
    assert not any(b'"first"' in key for key in queues), "of two equal names of JSON the last counts"


@pytest.mark.parametrize("partitions", [1])
def test_fault_22_times_that_are_abused(kafka: str, topics: TopicSet, tmp_path: Path):
    """10,000 events in any order count; times without sense are refused and move no watermark; 23 h late is in time."""
    now = datetime.now(UTC).replace(microsecond=0)
    begin = round(now.timestamp() * 1e6) - 24 * HOUR
    items = list(storm(10_000, seed=22, days=0.8, start=begin, faults=PURE))
    random.Random(22).shuffle(items)
    abuse = {
        "0": Reason.TOO_LATE,
        "-5": Reason.TOO_LATE,
        '"9999-12-31T23:59:59Z"': Reason.IN_THE_FUTURE,
        f"{round(now.timestamp() * 1000)}": Reason.INVALID,
        f'"{(now + timedelta(minutes=10)).isoformat()}"': Reason.IN_THE_FUTURE,
        f'"{(now - timedelta(hours=80)).isoformat()}"': Reason.TOO_LATE,
    }
    wrong = [Item(b"k", at(text, f"abuse-{text.strip(chr(34))}"), reason) for text, reason in abuse.items()]
    late = Item(b"k", at(f'"{(now - timedelta(hours=23)).isoformat()}"', "late"), None)
    with Watcher(kafka, topics), WorkerProcess(kafka, topics.prefix, tmp_path) as worker:
        worker.ready()
        send(kafka, topics, items)
        wait_until_caught_up(kafka, topics)
        before = watermark(kafka, topics)
        send(kafka, topics, [*wrong, late])
        wait_until_caught_up(kafka, topics)
        assert watermark(kafka, topics) == before
        assert_invariants(kafka, topics, garbage(wrong))


def at(time_: str, contact: str) -> bytes:
    """Return an event at a time that no encoder of ours would write."""
    whole = encode(CallQueued(id=contact, time=0.0, contact_id=contact, queue="abused"))
    return whole.replace(b'"time":0.0', b'"time":' + time_.encode())


def watermark(kafka: str, topics: TopicSet) -> int:
    """Return the watermark of the only partition."""
    (found,) = [value.watermark for (_, key), value in published(kafka, topics).items() if key == b'["partition"]']
    return int(found)


CLOCK = """
import os, time
_shift = int(os.environ.get("SHIFTED_SECONDS", "0"))
_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + _shift
time.time_ns = lambda: _time_ns() + _shift * 10**9
"""


@pytest.mark.parametrize("partitions", [1])
def test_fault_22_a_worker_whose_clock_is_wrong_by_an_hour(kafka: str, topics: TopicSet, tmp_path: Path):
    """An hour behind, an hour ahead, then right: the clock decides no figure of calls that are over."""
    (tmp_path / "sitecustomize.py").write_text(CLOCK)
    now = time.time_ns() // 1000
    items = list(storm(3_000, seed=220, days=0.8, start=now - 24 * HOUR, faults=PURE))
    with Watcher(kafka, topics), WorkerProcess(kafka, topics.prefix, tmp_path) as worker:
        worker.kill()
        for number, shift in enumerate(("-3600", "3600", "0")):
            worker.start(PYTHONPATH=str(tmp_path), SHIFTED_SECONDS=shift)
            wait_until(lambda: worker.problems() == [], 30, "not ready")
            send(kafka, topics, items[number::3])
            wait_until_caught_up(kafka, topics)
            assert worker.terminate() == 0
        assert_invariants(kafka, topics, garbage(items))
