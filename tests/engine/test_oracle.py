"""The engine against the oracle: after every event, in any order, whatever the clock says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from schemas.agents import AgentStateChanged
from schemas.events import Event
from streams.engine.policy import HOUR, MINUTE
from tests.engine.agreement import assert_agrees, assert_days_agree
from tests.engine.store import Store
from tests.engine.traffic import POLICY, clocks, deliveries
from tests.oracle.make import event, moment

PATIENT = structs.replace(POLICY, lateness=24 * HOUR)


@given(st.data())
def test_the_figures_of_a_stream_are_the_oracles(data: st.DataObject) -> None:
    """A whole stream, in any order and with duplicates, read at the watermark or later."""
    events, arrived = data.draw(deliveries(contacts=6))
    now = data.draw(clocks(events))
    store = Store(POLICY)
    assert store.feed(arrived, now) == []
    store.flush()
    assert_agrees(store, events, now)


@given(st.data())
def test_the_days_of_a_stream_are_the_oracles(data: st.DataObject) -> None:
    """What is behind the allowed lateness is added up by the days and hours of each queue's zone."""
    _, arrived = data.draw(deliveries(contacts=4))
    store = Store(PATIENT)
    store.feed(arrived)
    minutes = data.draw(st.lists(st.integers(1, 1800), min_size=1, max_size=3))
    for number, minute in enumerate(minutes):
        late = max(event.time_us for event in arrived) + minute * MINUTE
        arrived = [*arrived, AgentStateChanged(id=str(number), time=moment(late), agent_id="nobody", state="offline")]
        assert store.feed(arrived[-1:], late) == []
        assert_days_agree(store.flush(), arrived, late)


@given(deliveries(contacts=3), st.sampled_from([0, 1, 20_000_000, 900_000_000]))
def test_the_figures_of_every_prefix_are_the_oracles(delivery: tuple[list[Event], list[Event]], ahead: int) -> None:
    """Event by event, with the clock at the watermark or ``ahead`` of it; nothing seen before is ever needed again."""
    _, arrived = delivery
    store, watermark = Store(POLICY), 0
    for number, one in enumerate(arrived):
        watermark = max(watermark, one.time_us)
        store.feed([one], watermark + ahead)
        store.flush()
        assert_agrees(store, arrived[: number + 1], watermark + ahead)


@given(st.data())
def test_the_passing_of_time_alone_changes_the_figures_as_the_oracle_says(data: st.DataObject) -> None:
    """The clock goes on without events: thresholds are reached, waits come to their end, each exactly when due."""
    events, arrived = data.draw(deliveries(contacts=3))
    store, now = Store(POLICY), max(event.time_us for event in events) if events else 0
    store.feed(arrived, now)
    for step in data.draw(st.lists(st.sampled_from([1, 19_999_999, 20_000_000, 7_199_999_999]), max_size=6)):
        now += step
        store.partition.advance(now)
        store.flush()
        assert_agrees(store, events, now)


@pytest.mark.parametrize("first", [0, 1])
def test_who_returns_takes_the_resolution_back_whatever_else_comes_with_it(first: int) -> None:
    """An event that changes no figure of the first contact comes in the same flush as the one that does, before or after it."""
    call = [
        event("queued", 0, "a@x", queue="madrid"),
        event("answered", 5, "a@x", queue="madrid", agent_id="ana"),
        event("ended", 65, "a@x"),
    ]
    later = [event("resumed", 70, "a@x"), event("queued", 120, "b@x", queue="madrid")]
    store = Store(POLICY)
    store.feed(call)
    store.flush()
    store.feed([later[first], later[1 - first]])
    store.flush()
    assert_agrees(store, [*call, *later], store.partition.watermark)


@given(deliveries(contacts=4))
def test_every_record_is_counted_or_known_or_refused(delivery: tuple[list[Event], list[Event]]) -> None:
    """Counted, duplicate and refused add up to the records read, and the counters to those counted."""
    events, arrived = delivery
    store = Store(POLICY)
    store.feed(arrived)
    status = store.flush().status()
    assert (status.counted, status.duplicate, sum(status.refused.values())) == (
        len(events),
        len(arrived) - len(events),
        0,
    )
    assert status.offset == len(arrived)
    assert status.watermark == max(event.time_us for event in events)
    assert sum(store.counters().values()) == len(events)
