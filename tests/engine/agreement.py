"""What it means that an engine agrees with the oracle, and that two engines agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from schemas.events import Event
from streams.engine.histogram import bucket, coarse
from streams.engine.policy import DAILY, INTERVAL, SECOND, SLIDING
from tests.engine.store import Slice, Store, identity
from tests.oracle.figures import Oracle


def assert_agrees(store: Store, events: Iterable[Event], now: int) -> None:
    """Assert that what the store has written is what the oracle makes of the events."""
    oracle = as_of(store, events, now)
    stays = oracle.agents()
    agree("intervals", store.measures(INTERVAL), oracle.panes())
    agree("waits", store.histograms(INTERVAL), buckets(oracle.waits()))
    agree("money", store.money(INTERVAL), oracle.money())
    agree("sliding money", store.money(SLIDING), sliding(oracle.money(SLIDING)))
    agree("sliding", store.measures(SLIDING), sliding(oracle.panes(SLIDING)))
    agree("sliding waits", store.histograms(SLIDING), sliding(buckets(oracle.waits(SLIDING))))
    agree("waiting", waiting(store), {key: (len(since), since[:10]) for key, since in oracle.waiting().items()})
    agree(
        "agents",
        {agent: (now.state, now.since, now.reason, frozenset(now.queues)) for agent, now in store.agents().items()},
        {agent: (stay.state, stay.start, stay.reason, stay.queues) for agent, stay in stays.items()},
    )


def assert_days_agree(store: Store, events: Iterable[Event], now: int) -> None:
    """Assert that the panes of days hold the intervals behind the allowed lateness, in each queue's zone."""
    oracle = as_of(store, events, now)
    until = store.partition.watermark - store.policy.lateness
    agree("days", _with(store.measures(DAILY), hour=False), oracle.days(until))
    lengths = {(start, queue): oracle.length_of_day(start, queue) for start, _, queue, _, _ in oracle.days(until)}
    agree("lengths of days", store.lengths_of_days(), lengths)
    agree("hours", _with(store.measures(DAILY), hour=True), oracle.hours(until))


def _with(panes: Mapping[Slice, Any], *, hour: bool) -> dict[Slice, Any]:
    """Return the panes of hours, or all others."""
    return {key: of for key, of in panes.items() if (key[3] == "hour") == hour}


def as_of(store: Store, events: Iterable[Event], now: int) -> Oracle:
    """Return the oracle's figures; the engine's clock goes by whole seconds."""
    return Oracle(events, store.policy, now - now % SECOND, identity)


def agree(what: str, found: Mapping[Any, Any], expected: Mapping[Any, Any]) -> None:
    """Assert that two tables are equal, and show no more than where they are not."""
    keys = {**expected, **found}.keys()
    wrong = {key: (found.get(key), expected.get(key)) for key in keys if found.get(key) != expected.get(key)}
    assert not wrong, f"{what}, found and expected: {wrong}"


def figures(store: Store) -> dict[str, Any]:
    """Return everything that must not depend on how the events came: order, duplicates, cuts, flushes."""
    return {
        "intervals": store.measures(INTERVAL),
        "waits": store.histograms(INTERVAL),
        "sliding": store.measures(SLIDING),
        "sliding waits": store.histograms(SLIDING),
        "money": store.money(INTERVAL),
        "days": store.measures(DAILY),
        "day money": store.money(DAILY),
        "day waits": store.histograms(DAILY),
        "waiting": waiting(store),
        "agents": store.agents(),
        "counters": store.counters(),
    }


def waiting(store: Store) -> dict[tuple[str, str], tuple[int, list[int]]]:
    """Return how many wait, and since when the longest, by channel and queue."""
    return {key: (now.waiting, now.starts) for key, now in store.waiting().items()}


BUCKET = {"handle": coarse}
"""What turns durations into buckets, where they are not the usual ones."""


def buckets(waits: dict[Slice, dict[str, list[int]]]) -> dict[Slice, dict[str, list[tuple[int, int]]]]:
    """Return the histograms of lists of waits."""
    return {
        key: {name: sorted(Counter(map(BUCKET.get(name, bucket), values)).items()) for name, values in lists.items()}
        for key, lists in waits.items()
    }


AGENTS_TIME = {"available_us", "on_contact_us", "paused_us"}


def sliding(panes: dict[Slice, Any]) -> dict[Slice, Any]:
    """Return what sliding windows keep: all but agents' time, by queue and by agent."""
    kept = {
        key: {name: amount for name, amount in value.items() if name not in AGENTS_TIME}
        for key, value in panes.items()
        if key[3] in (None, "agent")
    }
    return {key: value for key, value in kept.items() if value}
