"""What is let go of, and that it is missed by no figure: old panes, finished contacts, events that come too late."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from schemas.dead_letters import Reason
from schemas.events import Event
from streams.engine.policy import HOUR, INTERVAL, MINUTE, SECOND, SLIDING, Policy, QueuePolicy, Retention
from tests.engine.agreement import agree, as_of, buckets, sliding, waiting
from tests.engine.store import Store
from tests.oracle.make import KINDS, moment

LATENESS, RETURN, LONGEST = 30 * MINUTE, 20 * MINUTE, 10 * MINUTE
SHORT_MEMORY = Policy(
    defaults=QueuePolicy(return_window=RETURN, maximum_wait=LONGEST),
    lateness=LATENESS,
    windows=(MINUTE, 5 * MINUTE, 10 * MINUTE, RETURN),
    retention=Retention(sliding=None, breakdowns=None, intervals=None, days=None),
)
NARROW = structs.replace(
    SHORT_MEMORY, retention=Retention(sliding=2 * HOUR, breakdowns=4 * HOUR, intervals=8 * HOUR, days=None)
)
NOON = 1_772_452_800 * SECOND
ANSWERED = (("queued", {"queue": "sales"}), ("answered", {"agent_id": "ana"}), ("ended", {}))
PLOTS = (
    ("queued", "abandoned"),
    ("queued", "answered", "ended", "wrapped_up"),
    ("queued", "answered", "transferred", "queued", "answered", "ended"),
    ("queued",),
)


def call(kind: str, minute: int, contact: str, **fields: Any) -> Event:
    """Return an event of a call, minutes after noon."""
    made: Event = KINDS[f"call.{kind}"](
        id=f"{contact}/{kind}", time=moment(NOON + minute * MINUTE), contact_id=contact, **fields
    )
    return made


@st.composite
def hours_of_calls(draw: st.DrawFn) -> list[Event]:
    """Short calls of few customers over many hours, nearly in order; now and then one is far too late."""
    events: list[Event] = []
    time = NOON
    for number in range(draw(st.integers(1, 8))):
        time += draw(st.sampled_from([0, 5, 19, 20, 21, 30, 61, 180])) * MINUTE
        customer = draw(st.sampled_from(["", "@x", "@y"]))
        at = time
        for place, act in enumerate(draw(st.sampled_from(PLOTS))):
            at += draw(st.sampled_from([0, 5, 20, 100])) * SECOND if place else 0
            fields = {"queue": "sales"} if act == "queued" else {"agent_id": "ana"} if act == "answered" else {}
            name = f"c{number}{customer}"
            events.append(KINDS[f"call.{act}"](id=f"{name}.{place}", time=moment(at), contact_id=name, **fields))
    return sorted(events, key=lambda event: event.time_us)


@st.composite
def disordered(draw: st.DrawFn, events: list[Event]) -> list[Event]:
    """The events with delays up to twice what is allowed."""
    delays = [draw(st.sampled_from([0, 0, 0, 10, 29, 31, 60])) * MINUTE for _ in events]
    order = sorted(range(len(events)), key=lambda number: (events[number].time_us + delays[number], number))
    return [events[number] for number in order]


@given(st.data())
def test_letting_contacts_go_changes_no_figure(data: st.DataObject) -> None:
    """Nothing too late is refused wrongly, and what was accepted counts as if all were still remembered."""
    events = data.draw(hours_of_calls())
    arrived = data.draw(disordered(events))
    store, accepted, watermark = Store(SHORT_MEMORY), [], 0
    for event in arrived:
        refusals = store.feed([event], max(watermark, event.time_us))
        late = event.time_us < watermark - LATENESS
        assert [refusal.reason for refusal in refusals] == ([Reason.TOO_LATE] if late else [])
        accepted += [] if late else [event]
        watermark = max(watermark, event.time_us)
        if data.draw(st.booleans()):
            store = store.flush().restarted()
    oracle = as_of(store.flush(), accepted, watermark)
    agree("intervals", store.measures(INTERVAL), oracle.panes())
    agree("waits", store.histograms(INTERVAL), buckets(oracle.waits()))
    agree("waiting", waiting(store), {key: (len(since), since[:10]) for key, since in oracle.waiting().items()})


@given(hours_of_calls())
def test_finished_contacts_are_dropped(events: list[Event]) -> None:
    """A day after lateness and the window of returns no contact is left in the state, lost ones and strays neither."""
    stray = KINDS["call.abandoned"](id="stray", time=moment(NOON), contact_id="stray")
    events = [stray, *events]
    store = Store(SHORT_MEMORY)
    store.feed(events, events[-1].time_us)
    store.flush()
    for number in (1, 2, 3):
        later = events[-1].time_us + number * 12 * HOUR
        store.feed([KINDS["call.queued"](id=f"l{number}", time=moment(later), contact_id="last", queue="sales")], later)
        store.flush()
    assert [key for key in store.state if key.startswith(b"c") and b"last" not in key] == []
    assert [key for key in store.restarted().flush().state if key.startswith(b"c") and b"last" not in key] == []


def test_days_that_are_not_kept_are_not_corrected_after_a_restart() -> None:
    """A late return retracts a resolution whose interval is behind the lateness, days or no days.

    minutes   5 x resolved ----- 24 x returns (comes last) ----- 45 another call, flush, restart
    """
    policy = structs.replace(SHORT_MEMORY, retention=structs.replace(SHORT_MEMORY.retention, days=0))
    first = [
        call("queued", 5, "first@x", queue="sales"),
        call("answered", 5, "first@x", agent_id="ana"),
        call("ended", 5, "first@x"),
        call("queued", 45, "other", queue="sales"),
    ]
    late = call("queued", 24, "late@x", queue="sales")
    store = Store(policy)
    store.feed(first, first[-1].time_us)
    store = store.flush().restarted()
    store.feed([late], first[-1].time_us)
    oracle = as_of(store.flush(), [*first, late], first[-1].time_us)
    agree("intervals", store.measures(INTERVAL), oracle.panes())


@pytest.mark.parametrize(("minutes", "queue"), [(30, "sales"), (31, None), (59, None), (3_000, None)])
@pytest.mark.parametrize("family", ["call", "ticket"])
def test_what_is_said_later_is_of_the_queue_for_as_long_whatever_is_remembered(
    family: str, minutes: int, queue: str | None
) -> None:
    """A worker that never let go of the contact, one that did at its first chance, and a replay that began after it agree.

    Within the longest window (20 minutes) and wait (10) of a call's start and of a ticket's resolution: memory is 30 minutes longer.
    """
    fields = {"contact_id": "c1", "queue": "sales"}
    entered = KINDS["ticket.opened"](id="1", time=moment(NOON - 5 * HOUR), channel="email", **fields)
    over = KINDS["ticket.resolved"](id="2", time=moment(NOON), contact_id="c1", agent_id="ana")
    contact = [entered, over] if family == "ticket" else [call(kind, 0, "c1", **more) for kind, more in ANSWERED]
    other = call("queued", minutes, "other", queue="sales")
    at = {"time": moment(NOON + minutes * MINUTE), "contact_id": "c1"}
    said = [
        KINDS["survey.answered"](id="4", kind="csat", value=5, scale_min=1, scale_max=5, **at),
        KINDS["sale.closed"](id="5", amount=Decimal(10), currency="EUR", **at),
    ]
    always, soon, later = Store(SHORT_MEMORY), Store(SHORT_MEMORY), Store(SHORT_MEMORY)
    always.feed([*contact, other, *said])
    for event in [*contact, other, *said]:
        soon.feed([event])
        soon = soon.flush().restarted()
    later.feed([other, *said])
    for store in (always.flush(), soon, *([] if queue else [later.flush()])):
        found = {
            pane[2] for pane, measures in store.measures(INTERVAL).items() if measures.keys() & {"sales", "surveyed"}
        }
        assert found == {queue}
    sold = [measures.get("opened_sold") for pane, measures in always.measures(INTERVAL).items() if pane[2] == "sales"]
    assert (1 in sold) == (queue is not None)


@given(st.data())
def test_panes_are_kept_as_long_as_they_should_and_then_deleted(data: st.DataObject) -> None:
    """Within the retention they are the oracle's; an hour and more behind it they are gone."""
    events = data.draw(hours_of_calls())
    later = moment(events[-1].time_us + data.draw(st.sampled_from([0, 1, 3, 4, 5, 9, 10])) * HOUR)
    events = [*events, KINDS["call.queued"](id="later", time=later, contact_id="later", queue="sales")]
    store, watermark = Store(NARROW), 0
    for event in events:
        watermark = max(watermark, event.time_us)
        assert store.feed([event], watermark) == []
        store.flush()
    oracle = as_of(store, events, watermark)
    keep = NARROW.retention
    for length, expected in ((INTERVAL, oracle.panes()), (SLIDING, sliding(oracle.panes(SLIDING)))):
        found = store.measures(length)
        for key in {*found, *expected}:
            narrow = key[3] is None
            kept = keep.sliding if length == SLIDING else keep.intervals if narrow else keep.breakdowns
            assert kept is not None
            if key[0] >= watermark - kept:
                assert found.get(key) == expected.get(key)
            elif key[0] + length < watermark - kept - HOUR:
                assert key not in found
