"""What goes wrong in a simulated center does so when, where and as much as is said; all else is as without it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from schemas.agents import AgentStateChanged
from schemas.calls import CallAnswered, CallEnded, CallQueued
from streams.simulate.center import MONDAY_MORNING, Center, Incident, demo_center
from streams.simulate.timed import SECOND, Timed
from streams.simulate.traffic import events

HOUR = 3600 * SECOND
BEGIN, END = MONDAY_MORNING + HOUR, MONDAY_MORNING + 2 * HOUR


def morning(*incidents: Incident, **more: object) -> list[Timed]:
    center: Center = demo_center().larger(2).lasting(MONDAY_MORNING, 3 * 3600)
    return list(events(replace(center, incidents=incidents, **more), 7))


def entered(stream: list[Timed], queue: str, begin: int, end: int) -> int:
    return sum(isinstance(e.event, CallQueued) and e.event.queue == queue and begin <= e.time_us < end for e in stream)


def test_a_surge_brings_so_many_times_the_calls_to_its_queue_while_it_lasts() -> None:
    """300 calls an hour become 900, and again 300; transfers and returns come on top."""
    surge = morning(Incident(what="arrivals", name="ventas", start=BEGIN, end=END, factor=3.0))
    hours = [entered(surge, "ventas", BEGIN + at * HOUR, BEGIN + (at + 1) * HOUR) for at in (-1, 0, 1)]
    assert hours == [pytest.approx(300, rel=0.3), pytest.approx(900, rel=0.2), pytest.approx(400, rel=0.4)]
    assert entered(surge, "averías", BEGIN, END) < 300


def test_long_calls_are_those_answered_while_it_lasts() -> None:
    """Of the queue named, three times as long."""
    long = morning(Incident(what="handle", name="ventas", start=BEGIN, end=END, factor=3.0))
    queue = {e.event.contact_id: e.event.queue for e in long if isinstance(e.event, CallQueued)}
    answered = {e.event.contact_id: e.time_us for e in long if isinstance(e.event, CallAnswered)}
    spent: dict[tuple[str, bool], list[float]] = {}
    for e in long:
        if isinstance(e.event, CallEnded) and e.event.contact_id in answered:
            at = answered[e.event.contact_id]
            place = (queue[e.event.contact_id], BEGIN <= at < END)
            spent.setdefault(place, []).append((e.time_us - at) / SECOND)
    mean = {place: sum(values) / len(values) for place, values in spent.items()}
    assert mean["ventas", True] / mean["ventas", False] == pytest.approx(3.0, rel=0.25)
    assert mean["reservas", True] / mean["reservas", False] == pytest.approx(1.0, rel=0.25)


def test_agents_leave_when_they_are_free_and_come_back() -> None:
    """A fifth of the group stays; the others are offline at the end of the hour, and most are back an hour later."""
    left = morning(Incident(what="agents", name="comercial", start=BEGIN, end=END, factor=0.2))

    def working(time_us: int) -> int:
        state = {
            e.event.agent_id: e.event.state
            for e in left
            if isinstance(e.event, AgentStateChanged)
            and e.event.agent_id.startswith("comercial")
            and e.time_us <= time_us
        }
        return sum(found != "offline" for found in state.values())

    agents = next(group.agents for group in demo_center().larger(2).groups if group.name == "comercial")
    assert working(END - 1) == pytest.approx(0.2 * agents, abs=2)
    assert working(END + HOUR - 1) > 0.7 * agents


def test_a_holiday_has_the_calls_of_the_quietest_weekday() -> None:
    """A Monday with the calls of a Sunday."""
    free = morning(holidays=(f"{datetime.fromtimestamp(MONDAY_MORNING // SECOND, UTC):%Y-%m-%d}",))
    usual = morning()
    assert len(free) / len(usual) == pytest.approx(0.3, rel=0.2)


def test_an_incident_of_another_time_changes_nothing() -> None:
    """Not one event."""
    later = Incident(what="handle", name="ventas", start=BEGIN + 100 * HOUR, end=END + 100 * HOUR, factor=3.0)
    assert morning(later) == morning()
