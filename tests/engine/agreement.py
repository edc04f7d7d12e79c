"""What it means that an engine agrees with the oracle, and that two engines agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from schemas.events import Event
from streams.engine.histogram import bucket
from streams.engine.policy import DAILY, INTERVAL, SLIDING
from tests.engine.store import Slice, Store
from tests.oracle.figures import Oracle


def assert_agrees(store: Store, events: Iterable[Event], now: int) -> None:
    """Assert that what the store has written is what the oracle makes of the events."""
    oracle = Oracle(events, store.policy, now)
    assert store.measures(INTERVAL) == oracle.panes()
    assert store.histograms(INTERVAL) == buckets(oracle.waits())
    assert store.measures(SLIDING) == sliding(oracle.panes(SLIDING))
    assert store.histograms(SLIDING) == sliding(buckets(oracle.waits(SLIDING)))
    assert waiting(store) == {key: (len(starts), starts[:10]) for key, starts in oracle.waiting().items()}
    stays = oracle.agents()
    assert {agent: (now.state, now.since, now.reason, set(now.queues)) for agent, now in store.agents().items()} == {
        agent: (stay.state, stay.start, stay.reason, stay.queues) for agent, stay in stays.items()
    }


def assert_days_agree(store: Store, events: Iterable[Event], now: int) -> None:
    """Assert that the panes of days are the oracle's, in each queue's zone."""
    oracle = Oracle(events, store.policy, now)
    days = {key: measures for key, measures in store.measures(DAILY).items() if key[3] != "hour"}
    assert days == oracle.days()


def figures(store: Store) -> dict[str, Any]:
    """Return everything that must not depend on how the events came: order, duplicates, cuts, flushes."""
    return {
        "intervals": store.measures(INTERVAL),
        "waits": store.histograms(INTERVAL),
        "sliding": store.measures(SLIDING),
        "sliding waits": store.histograms(SLIDING),
        "days": store.measures(DAILY),
        "day waits": store.histograms(DAILY),
        "waiting": waiting(store),
        "agents": store.agents(),
        "counters": store.counters(),
    }


def waiting(store: Store) -> dict[tuple[str, str], tuple[int, list[int]]]:
    """Return how many wait, and since when the longest, by channel and queue."""
    return {key: (now.waiting, now.starts) for key, now in store.waiting().items()}


def buckets(waits: dict[Slice, dict[str, list[int]]]) -> dict[Slice, dict[str, list[tuple[int, int]]]]:
    """Return the histograms of lists of waits."""
    return {
        key: {name: sorted(Counter(map(bucket, values)).items()) for name, values in lists.items()}
        for key, lists in waits.items()
    }


def sliding(panes: dict[Slice, Any]) -> dict[Slice, Any]:
    """Return what sliding windows keep: contacts, by queue and by agent."""
    return {key: value for key, value in panes.items() if key[1] is not None and key[3] in (None, "agent")}
