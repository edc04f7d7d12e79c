"""The ledger: waiting at start + entered = answered + abandoned + flowed out + waiting at end, per queue, always."""

from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Event
from streams.engine.policy import INTERVAL
from tests.engine.agreement import as_of
from tests.engine.store import Store
from tests.engine.traffic import POLICY, clocks, deliveries
from tests.oracle.figures import Oracle

Place = tuple[str, str]
"""Channel and queue."""


def by_queue(store: Store) -> dict[Place, dict[int, Counter[str]]]:
    """Return the measures of each interval, for each channel's queue."""
    result: dict[Place, dict[int, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for (start, channel, queue, breakdown, _), measures in store.measures(INTERVAL).items():
        if channel is not None and queue is not None and breakdown is None:
            result[channel, queue][start].update(measures)
    return result


def left(measures: Counter[str]) -> int:
    """Return how many visits came to an end."""
    return measures["answered"] + measures["abandoned"] + measures["flowed_out"]


@given(deliveries(contacts=4))
def test_the_ledger_balances_after_every_event(delivery: tuple[list[Event], list[Event]]) -> None:
    """Entered = answered + abandoned + flowed out + still waiting, for each queue, by outcome and by arrival."""
    store, watermark = Store(POLICY), 0
    for event in delivery[1]:
        watermark = max(watermark, event.time_us)
        store.feed([event], watermark)
        store.flush()
        still = {place: now.waiting for place, now in store.waiting().items()}
        for place, intervals in by_queue(store).items():
            total: Counter[str] = sum(intervals.values(), Counter())
            assert total["entered"] == left(total) + still.get(place, 0)
            cohort = total["cohort_answered"] + total["cohort_abandoned"] + total["cohort_flowed_out"]
            assert cohort == left(total)


@given(st.data())
def test_the_ledger_balances_in_every_interval(data: st.DataObject) -> None:
    """What waits at an interval's end, reckoned from all before, is who waited then by the oracle's visits."""
    events, arrived = data.draw(deliveries(contacts=6))
    now = data.draw(clocks(events))
    store = Store(POLICY)
    store.feed(arrived, now)
    oracle = as_of(store, events, now)
    for place, intervals in by_queue(store.flush()).items():
        carried = 0
        for start in sorted(intervals):
            end = start + INTERVAL
            carried += intervals[start]["entered"] - left(intervals[start])
            assert carried == waiting_at(oracle, place, end)


def waiting_at(oracle: Oracle, place: Place, time: int) -> int:
    """Return how many visits had begun before a time and not ended before it."""
    visits = [
        (visit.start, oracle.outcome(visit).at) for visit in oracle.visits() if (visit.channel, visit.queue) == place
    ]
    return sum(start < time and (at is None or at >= time) for start, at in visits)
