"""A restart under other settings or another clock: nothing that was let go of is withdrawn from, and no day counts twice."""

from __future__ import annotations

import pytest
from msgspec import structs

from schemas.agents import AgentStateChanged
from schemas.calls import CallAnswered, CallEnded, CallQueued
from schemas.events import Event
from schemas.panes import Waiting
from schemas.tickets import TicketOpened
from streams.engine.policy import DAY, HOUR, INTERVAL, MINUTE, SECOND, Policy, Retention
from tests.engine.store import Store

NOON = 1_772_452_800 * SECOND
NOBODY = Waiting(0, [])


def call(name: str, start: int) -> list[Event]:
    """Return a call that is resolved in two minutes."""
    seconds = start / SECOND
    return [
        CallQueued(id=f"{name}.0", time=seconds, contact_id=name, queue="sales"),
        CallAnswered(id=f"{name}.1", time=seconds + 10, contact_id=name, agent_id="ana"),
        CallEnded(id=f"{name}.2", time=seconds + 120, contact_id=name),
    ]


def restarted(store: Store, policy: Policy) -> Store:
    """Return the store's partition as it is under another policy."""
    return Store(policy, store.state, store.kpis)


def entered_of_days(store: Store) -> int:
    """Return the visits that the day panes hold."""
    return sum(
        pane.measures.get("entered", 0)
        for key, pane in store.panes(DAY).items()
        if key[2] == "sales" and key[3] is None
    )


@pytest.mark.parametrize("hours", [1, 24, 72])
def test_another_lateness_counts_no_day_twice_and_loses_none(hours: int) -> None:
    """What has graduated stays in its day, whatever the lateness is after a restart."""
    store = Store(Policy())
    for number in range(5):
        store.feed(call(f"c{number}@x", NOON - 6 * HOUR + number * HOUR))
    store.feed(call("later", NOON + 47 * HOUR))
    store.flush()
    other = restarted(store, Policy(lateness=hours * HOUR))
    other.feed(call("last", NOON + 41 * DAY))
    other.flush()
    assert entered_of_days(other) == 6


@pytest.mark.parametrize(
    ("before", "after", "age"),
    [
        (Retention(sliding=2 * HOUR), Retention(sliding=4 * HOUR), 3 * HOUR),
        (Retention(breakdowns=3 * DAY), Retention(breakdowns=20 * DAY), 5 * DAY),
        (Retention(intervals=3 * DAY, breakdowns=3 * DAY), Retention(intervals=20 * DAY), 5 * DAY),
        (Retention(days=3 * DAY), Retention(days=20 * DAY), 6 * DAY),
    ],
)
def test_a_longer_retention_withdraws_from_no_pane_that_is_gone(before: Retention, after: Retention, age: int) -> None:
    """A customer who returns takes a resolution back from panes that a shorter retention has dropped."""
    store = Store(Policy(retention=before))
    store.feed(call("first@x", NOON))
    store.flush()
    store.feed(call("other", NOON + age), NOON + age)
    store.flush()
    later = restarted(store, Policy(retention=after))
    later.feed(call("second@x", NOON + age + MINUTE), NOON + age + MINUTE)
    later.flush()
    assert all(value >= 0 for pane in later.panes(INTERVAL).values() for value in pane.measures.values())


def test_a_clock_that_was_ahead_withdraws_from_no_pane_that_is_gone() -> None:
    """The clock an hour ahead lets go of sliding panes; set right over a restart, it does not bring them back."""
    store = Store(Policy())
    store.feed(call("first@x", NOON))
    store.flush()
    store.feed(call("other", NOON + 80 * MINUTE), NOON + 140 * MINUTE)
    store.flush()
    later = store.restarted()
    later.feed(call("second@x", NOON + 81 * MINUTE), NOON + 81 * MINUTE)
    later.flush()
    starts = {key[0] for key in later.panes(10 * SECOND)}
    assert min(starts) > NOON + 15 * MINUTE


def test_a_state_nobody_ended_counts_for_a_day() -> None:
    """An agent available for a year was not: a day of it counts, and a clock of 1970 writes no million panes."""
    store = Store(Policy(retention=structs.replace(Policy().retention, days=0)))
    store.feed([AgentStateChanged(id="a", time=1.0, agent_id="ana", state="available")])
    store.feed([AgentStateChanged(id="b", time=NOON / SECOND, agent_id="ana", state="busy")])
    store.feed([AgentStateChanged(id="c", time=NOON / SECOND + 3600, agent_id="ana", state="offline")])
    store.flush()
    times = [pane.measures for key, pane in store.panes(INTERVAL).items() if key[3] == "agent"]
    assert sum(measures.get("on_contact_us", 0) for measures in times) == HOUR
    assert len(store.written[-1][1]) < 1000


@pytest.mark.parametrize("told", [True, False], ids=["the clock is told", "no clock is told"])
def test_a_ticket_that_nobody_answers_for_years_is_lost_before_it_is_forgotten(told: bool) -> None:  # noqa: FBT001
    """Also where the clock is told at the end only, as in a replay: nobody is left waiting, and whoever looks again finds a whole state."""
    store = Store(Policy())
    opened = TicketOpened(id="t.0", time=NOON / SECOND, contact_id="t", queue="sales", channel="email")
    store.feed([opened, *call("first@x", NOON + MINUTE)], NOON + HOUR)
    for years in range(1, 4):
        store.flush().feed(call(f"c{years}@x", NOON + years * 400 * DAY), NOON + years * 400 * DAY if told else None)
    store = store.flush().restarted()
    for number in range(4):
        now = NOON + 1200 * DAY + number * HOUR
        store.feed(call(f"last{number}@x", now), now)
        store.flush()
    assert store.waiting().get(("email", "sales"), NOBODY).waiting == 0
