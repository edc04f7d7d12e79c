"""What must hold whatever happened to the workers: I1 to I4 of the project's list of faults, checked from outside.

I1  every pane equals what one engine in this process makes of the same input
I2  counted + duplicate + refused = records up to the marker, and the markers of state and panes agree
I4  nothing is left open: last stable offset = high watermark
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from confluent_kafka import KafkaException

from schemas.panes import CREDITS, PANES, PartitionStatus, Rebuilt, decode_key, decode_value
from streams.broker.topics import TopicSet
from streams.engine.marker import MARKER, Marker
from streams.engine.partition import Partition, Record
from streams.engine.policy import SECOND, SLIDING, Policy
from tests.harness import records
from tests.harness.panes import panes

STATUS = b'["partition"]'
SLIDING_SECONDS = SLIDING // SECOND
SURELY_KEPT = 119 * 60
"""Seconds; sliding panes are kept for two hours."""
Published = dict[records.Key, Any]


def assert_exact(bootstrap: str, topics: TopicSet, policy: Policy | None = None) -> dict[int, PartitionStatus]:
    """Assert that all input is counted exactly once; return how far each partition is."""
    expected, sizes = expectation(bootstrap, topics, policy or Policy())
    # A commit is answered before all partitions have it, and seen in one topic before another.
    wait_until(lambda: is_closed(bootstrap, *_written(topics)), 10, "a transaction stays open")
    seen = published(bootstrap, topics)
    statuses = {number: value for (number, key), value in seen.items() if key == STATUS}
    assert set(statuses) >= {number for number, size in sizes.items() if size}
    for number, status in statuses.items():
        assert status.counted + status.duplicate + sum(status.refused.values()) == sizes[number], (number, status)
    assert_markers_agree(bootstrap, topics, statuses)
    assert_closed(bootstrap, topics)
    assert comparable(seen) == comparable(expected)
    return statuses


def expectation(bootstrap: str, topics: TopicSet, policy: Policy) -> tuple[Published, dict[int, int]]:
    """Return what one engine publishes for all the input, and the number of records of each partition."""
    engines = {number: Partition(number, policy) for number in records.partitions(bootstrap, topics.events)}
    inputs: dict[int, list[Record]] = {number: [] for number in engines}
    for seen in records.read(bootstrap, topics.events):
        inputs[seen.partition].append(Record(seen.offset, seen.timestamp_ms * 1000, seen.key, seen.value))
    found: Published = {}
    for number, engine in engines.items():
        engine.process(inputs[number])
        engine.advance(time.time_ns() // 1000)
        for key, value in engine.flush().kpis:
            if value is not None and inputs[number]:
                found[number, key] = decoded(key, value)
    return found, {number: len(found) for number, found in inputs.items()}


def published(bootstrap: str, topics: TopicSet) -> Published:
    """Return the last committed record of each key of the KPI topic, decoded."""
    return {(number, key): decoded(key, value) for (number, key), value in records.last(bootstrap, topics.kpis).items()}


def decoded(key: bytes, value: bytes) -> Any:
    """Return a record of the KPI topic as its structure."""
    return decode_value(decode_key(key)[0], value)


def comparable(found: Published) -> dict[tuple[Any, ...], Any]:
    """Return what must be equal: everything but how many transactions it took, and sliding panes about to be dropped.

    Those are dropped once in ten seconds, so which of the oldest are still there depends on when somebody looks.
    """
    oldest = time.time() - SURELY_KEPT
    by_partition: dict[int, dict[bytes, Any]] = {}
    for (number, key), value in found.items():
        by_partition.setdefault(number, {})[key] = value
    return {
        (number, *name): _plain(value)
        for number, kpis in by_partition.items()
        for name, value in _named(kpis)
        if not _empty(value) and (name[:2] != ("pane", SLIDING_SECONDS) or name[2] > oldest)
    }


def _named(kpis: dict[bytes, Any]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield what records say: of those of panes and credits the panes, for what is written where depends on who wrote it."""
    for name, pane in panes(kpis).items():
        yield ("pane", *name), pane
    for key, value in kpis.items():
        if not key.startswith((PANES, CREDITS)):
            yield tuple(json.loads(key)), value


def _plain(value: Any) -> Any:
    if isinstance(value, PartitionStatus):
        return value.watermark, value.counted, value.duplicate, value.refused
    if hasattr(value, "measures"):  # a pane: whether it was late depends on where transactions were cut
        return value.measures, value.histograms
    return value


def _empty(value: Any) -> bool:
    return isinstance(value, Rebuilt) or getattr(value, "measures", True) == {} or getattr(value, "waiting", None) == 0


def assert_markers_agree(bootstrap: str, topics: TopicSet, statuses: dict[int, PartitionStatus]) -> None:
    """Assert that state and panes are of the same transaction."""
    state = records.last(bootstrap, topics.state)
    markers = {number: Marker.decode(value).status for (number, key), value in state.items() if key == MARKER}
    assert markers == statuses


def assert_closed(bootstrap: str, topics: TopicSet) -> None:
    """Assert that no transaction is open."""
    for topic in _written(topics):
        assert records.ends(bootstrap, topic) == records.ends(bootstrap, topic, "read_uncommitted")


def is_closed(bootstrap: str, *topics: str) -> bool:
    """Tell whether no transaction is open on any of the topics."""
    return all(records.ends(bootstrap, topic) == records.ends(bootstrap, topic, "read_uncommitted") for topic in topics)


def _written(topics: TopicSet) -> tuple[str, str, str]:
    return topics.state, topics.kpis, topics.dead_letters


def progress(bootstrap: str, topics: TopicSet) -> dict[int, int]:
    """Return the next input offset that each partition's last committed transaction says."""
    return {number: value.offset for (number, key), value in published(bootstrap, topics).items() if key == STATUS}


class Revivable(Protocol):
    """A worker that a supervisor looks after."""

    def revive(self) -> None:
        """Start it again if it ended with the code that asks for that."""


def wait_until_caught_up(
    bootstrap: str, topics: TopicSet, timeout: float = 120.0, supervised: Sequence[Revivable] = ()
) -> None:
    """Wait until committed transactions cover the whole input, starting workers again as a supervisor would."""
    wait_until(lambda: _caught_up(bootstrap, topics, supervised), timeout, "the workers did not catch up")


def _caught_up(bootstrap: str, topics: TopicSet, supervised: Sequence[Revivable]) -> bool:
    for worker in supervised:
        worker.revive()
    try:
        wanted = {number: end for number, end in records.ends(bootstrap, topics.events).items() if end}
        seen = progress(bootstrap, topics)
    except KafkaException:  # a broker that has just been frozen or restarted
        return False
    return all(seen.get(number, 0) >= end for number, end in wanted.items())


def wait_until(condition: Callable[[], bool], timeout: float, what: str, every: float = 0.2) -> None:
    """Wait until something holds, or fail saying what did not."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"{what} within {timeout} s"
        time.sleep(every)
