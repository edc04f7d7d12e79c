"""Whether the figures are right: every partition against one engine in one go, and against the independent oracle."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from schemas.fields import rfc3339
from streams.broker.topics import TopicSet
from streams.engine.partition import Partition, Record
from streams.engine.policy import INTERVAL, SECOND, SLIDING, Policy
from tests.board.boards import BoardProcess
from tests.chaos.feeder import Feeder
from tests.harness import records
from tests.harness.exactness import STATUS, comparable, decoded
from tests.harness.independent import differences
from tests.harness.panes import panes as panes_of

PATIENCE = 600.0
SHOWN = 5
TRIES = 3
Garbage = tuple[bytes | None, bytes | None, str]
"""Key, value, and the reason for which it is refused."""


def panes(bootstrap: str, topics: TopicSet, garbage: frozenset[bytes], processes: int = 2) -> list[str]:
    """Return what is wrong in any partition, in words."""
    numbers = records.partitions(bootstrap, topics.events)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        judged = [pool.submit(partition, bootstrap, topics.prefix, number, garbage) for number in numbers]
        return [f"partition {number}: {what}" for number, one in enumerate(judged) for what in one.result()]


def partition(bootstrap: str, prefix: str, number: int, garbage: frozenset[bytes]) -> list[str]:
    """Return what is wrong in one partition, in words."""
    topics, policy = TopicSet(prefix), Policy()
    inputs = list(records.read(bootstrap, topics.events, PATIENCE, number))
    engine, given = Partition(number, policy), dict[bytes, bytes | None]()
    engine.process(Record(seen.offset, seen.timestamp_ms * 1000, seen.key, seen.value) for seen in inputs)
    wrong: list[str] = []
    for _ in range(TRIES):  # someone may reach a limit of waiting while we look
        now = time.time_ns() // 1000
        kpis = {key: value for (_, key), value in records.last(bootstrap, topics.kpis, PATIENCE, number).items()}
        wrong = _beside_engine(engine, given, kpis, now) + [
            f"{what} differ from the oracle's at {len(keys)} places: {list(keys.items())[:SHOWN]}"
            for what, keys in differences(
                number, inputs, kpis, policy, now, lambda seen: seen.value is None or seen.value in garbage
            ).items()
        ]
        if not wrong:
            break
        time.sleep(2.0)
    return wrong


def _beside_engine(
    engine: Partition, given: dict[bytes, bytes | None], kpis: dict[bytes, bytes], now: int
) -> list[str]:
    """Compare with what the engine has ``given`` out so far and gives out now."""
    engine.advance(now)
    given.update(engine.flush().kpis)
    found = comparable({(engine.number, key): decoded(key, value) for key, value in kpis.items()})
    expected = comparable(
        {(engine.number, key): decoded(key, value) for key, value in given.items() if value is not None}
    )
    for panes_ in (found, expected):  # workers let go of sliding panes at their last transaction, some time ago
        for key in [key for key in panes_ if _let_go(key, engine.policy, now)]:
            del panes_[key]
    keys = [key for key in {**found, **expected} if found.get(key) != expected.get(key)]
    shown = [(key, found.get(key), expected.get(key)) for key in keys[:SHOWN]]
    return [f"records differ from one engine's at {len(keys)} places: {shown}"] if keys else []


def _let_go(key: tuple[Any, ...], policy: Policy, now: int) -> bool:
    if key[1:3] != ("pane", SLIDING // SECOND):
        return False
    keep = policy.retention.sliding
    return keep is not None and key[3] * SECOND + SLIDING + keep <= now


def sizes(bootstrap: str, topics: TopicSet, feeder: Feeder) -> list[str]:
    """Return whether the topic holds what was sent, each record once: all the rest is judged by the topic."""
    held = sum(records.ends(bootstrap, topics.events).values())
    return [] if held == feeder.sent else [f"{feeder.sent} records were sent, the topic holds {held}"]


def letters(bootstrap: str, topics: TopicSet, garbage: Counter[Garbage]) -> list[str]:
    """Return what is wrong with the dead letters: garbage is there once each, untouched, for the right reason."""
    found: Counter[tuple[bytes | None, bytes | None, str]] = Counter()
    places: Counter[tuple[bytes, bytes]] = Counter()
    for seen in records.read(bootstrap, topics.dead_letters, PATIENCE):
        found[seen.key, seen.value, seen.headers["dead-letter-reason"].decode()] += 1
        places[seen.headers["dead-letter-partition"], seen.headers["dead-letter-offset"]] += 1
    expected = Counter({(key, value, str(reason)): number for (key, value, reason), number in garbage.items()})
    return [
        *_told("letters that are missing", (expected - found).elements()),
        *_told("letters too many", (found - expected).elements()),
        *_told("records with more than one letter", (place for place, number in places.items() if number > 1)),
    ]


def _told(what: str, found: Iterable[object]) -> list[str]:
    listed = list(found)
    return [f"{len(listed)} {what}: {listed[:SHOWN]}"] if listed else []


def markers(bootstrap: str, topics: TopicSet) -> list[str]:
    """Return the partitions whose markers do not add up to their input."""
    sizes = records.ends(bootstrap, topics.events)
    wrong = []
    for (number, key), value in records.last(bootstrap, topics.kpis, PATIENCE).items():
        if key == STATUS:
            status = decoded(key, value)
            if not status.counted + status.duplicate + sum(status.refused.values()) == status.offset == sizes[number]:
                wrong.append(f"partition {number} has {sizes[number]} records, its marker says {status}")
    return wrong


def entered(bootstrap: str, topics: TopicSet) -> int:
    """Return how many contacts entered a queue, from the records of the intervals."""
    return sum(
        pane.measures.get("entered", 0)
        for number in records.partitions(bootstrap, topics.kpis)
        for (length, _, _, queue, breakdown, _), pane in panes_of(
            {
                key: decoded(key, value)
                for (_, key), value in records.last(bootstrap, topics.kpis, PATIENCE, number).items()
            }
        ).items()
        if length == INTERVAL // SECOND and queue is not None and breakdown is None
    )


def shown(board: BoardProcess, start: int, end: int) -> float | None:
    """Return how many the board says, over the quarters of an hour that hold ``start`` and ``end`` (microseconds)."""
    asked = {"from": rfc3339(start - start % INTERVAL), "to": rfc3339(end - end % INTERVAL + INTERVAL)}
    row = board.get("/api/v1/kpis", **asked)["rows"][-1]
    value: float | None = row["kpis"]["entered"]["value"]
    return value
