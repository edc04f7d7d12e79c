"""The oracle against scenarios reckoned by hand: events in, measures out.

Each scenario lists its events, the time as of which it is read, and for some slices every measure that is not 0.
A slice is (minutes after noon of the interval's start, queue, breakdown, value).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import pytest

from schemas.events import Event
from streams.engine.measures import NAMES
from streams.engine.policy import HOUR, SECOND, Policy, QueuePolicy
from tests.oracle import agents
from tests.oracle.figures import Oracle
from tests.oracle.make import event, state, us

POLICY = Policy(
    defaults=QueuePolicy(return_window=2 * HOUR, maximum_wait=3 * HOUR),
    queues={"vip": QueuePolicy(threshold=10 * SECOND, short_abandon=0, return_window=HOUR)},
)
Place = tuple[int, str | None, str | None, str | None]


class Scenario(NamedTuple):
    """Events, and what the oracle must make of them."""

    name: str
    events: list[Event]
    now: float
    expected: dict[Place, dict[str, int]]
    waiting: Mapping[str, list[float]] = MappingProxyType({})


def place(minutes: int, queue: str | None = "sales", breakdown: str | None = None, value: str | None = None) -> Place:
    """Return a slice."""
    return (minutes, queue, breakdown, value)


def s(seconds: float) -> int:
    """Return seconds as microseconds."""
    return round(seconds * 1_000_000)


SPINE = NAMES[: NAMES.index("opened")]
"""What these scenarios are about; of the others tests/kpis/test_written.py."""
ENTERED = {"entered": 1}
ANSWERED_IN_10 = {
    "entered": 1,
    "cohort_answered": 1,
    "answered_within": 1,
    "answered": 1,
    "wait_answered_us": s(10),
}
FLOWED_OUT_AT = {"entered": 1, "cohort_flowed_out": 1, "flowed_out": 1}

SCENARIOS = [
    Scenario(
        "a call waits and nothing else is known",
        [event("queued", 0, queue="sales")],
        20,
        {place(0): ENTERED},
        {"sales": [0]},
    ),
    Scenario(
        "a call that waits has reached the threshold a microsecond after it",
        [event("queued", 0, queue="sales")],
        20.000001,
        {place(0): ENTERED | {"reached_threshold": 1}},
        {"sales": [0]},
    ),
    Scenario(
        "a whole call: wait 10, talk 90 with 30 of hold, wrap-up 25",
        [
            event("queued", 0, queue="sales", priority=3, language="es"),
            event("answered", 10, agent_id="ana", level=2),
            event("held", 40),
            event("resumed", 70),
            event("ended", 130),
            event("wrapped_up", 155, agent_id="ana"),
        ],
        155,
        {
            at: ANSWERED_IN_10
            | {"handled": 1, "held": 1, "talk_us": s(90), "hold_us": s(30), "wrap_up_us": s(25), "resolved": 1}
            for at in (
                place(0),
                place(0, "sales", "agent", "ana"),
                place(0, "sales", "level", "2"),
                place(0, "sales", "priority", "3"),
                place(0, "sales", "language", "es"),
            )
        },
    ),
    Scenario(
        "queued in one interval, answered and ended in two later ones",
        [event("queued", 890, queue="sales"), event("answered", 930, agent_id="ana"), event("ended", 1800)],
        1800,
        {
            place(0): {"entered": 1, "cohort_answered": 1, "reached_threshold": 1, "resolved": 1},
            place(15): {"answered": 1, "wait_answered_us": s(40)},
            place(30): {"handled": 1, "talk_us": s(870)},
        },
    ),
    Scenario(
        "a wait of exactly the threshold is within it, and of exactly the short limit is short",
        [
            event("queued", 0, "a", queue="sales"),
            event("answered", 20, "a", agent_id="ana"),
            event("queued", 0, "b", queue="sales"),
            event("abandoned", 5, "b"),
            event("queued", 0, "c", queue="sales"),
            event("abandoned", 5.000001, "c"),
        ],
        20,
        {
            place(0): {
                "entered": 3,
                "cohort_answered": 1,
                "answered_within": 1,
                "answered": 1,
                "wait_answered_us": s(20),
                "cohort_abandoned": 2,
                "abandoned_within": 2,
                "short_abandoned": 1,
                "abandoned": 2,
                "wait_abandoned_us": s(10.000001),
            },
        },
    ),
    Scenario(
        "entering another queue leaves the first; an explicit reason at that moment is the first one's",
        [
            event("queued", 0, queue="sales"),
            event("flowed_out", 8, reason="callback"),
            event("queued", 8, queue="vip"),
            event("abandoned", 9),
        ],
        30,
        {
            place(0): FLOWED_OUT_AT | {"callback_within": 1},
            place(0, "vip"): {
                "entered": 1,
                "cohort_abandoned": 1,
                "abandoned_within": 1,
                "abandoned": 1,
                "wait_abandoned_us": s(1),
            },
        },
    ),
    Scenario(
        "an abandon that an answer contradicts becomes the answer",
        [event("queued", 0, queue="sales"), event("abandoned", 7), event("answered", 10, agent_id="ana")],
        10,
        {place(0): ANSWERED_IN_10, place(0, "sales", "agent", "ana"): ANSWERED_IN_10},
    ),
    Scenario(
        "a start that is missing is made from the stated wait",
        [event("answered", 10, agent_id="ana", queue="sales", wait_seconds=10)],
        10,
        {place(0): ANSWERED_IN_10},
    ),
    Scenario(
        "a start that is missing without a stated wait counts nowhere",
        [event("answered", 10, agent_id="ana", queue="sales"), event("ended", 60)],
        60,
        {},
    ),
    Scenario(
        "an outcome without a queue or a visit belongs to an unknown queue",
        [event("abandoned", 10, wait_seconds=4)],
        10,
        {
            place(0, "unknown"): {
                "entered": 1,
                "cohort_abandoned": 1,
                "abandoned_within": 1,
                "short_abandoned": 1,
                "abandoned": 1,
                "wait_abandoned_us": s(4),
            }
        },
    ),
    Scenario(
        "a second agent on the same visit is a second conversation and not a second answered visit",
        [
            event("queued", 0, queue="sales"),
            event("answered", 10, agent_id="ana"),
            event("answered", 70, agent_id="eva"),
            event("held", 80),
            event("ended", 100, resolved=False),
        ],
        100,
        {
            place(0): ANSWERED_IN_10 | {"handled": 2, "held": 1, "talk_us": s(60 + 10), "hold_us": s(20)},
            place(0, "sales", "agent", "ana"): ANSWERED_IN_10 | {"handled": 1, "talk_us": s(60)},
            place(0, "sales", "agent", "eva"): {"handled": 1, "held": 1, "talk_us": s(10), "hold_us": s(20)},
        },
    ),
    Scenario(
        "a transfer into a queue is a new visit, and the contact is not resolved at first contact",
        [
            event("queued", 0, queue="sales", customer_id="x"),
            event("answered", 10, agent_id="ana"),
            event("transferred", 40, to_queue="vip"),
            event("queued", 40, queue="vip"),
            event("answered", 45, agent_id="eva"),
            event("ended", 65),
        ],
        65,
        {
            place(0): ANSWERED_IN_10 | {"handled": 1, "talk_us": s(30), "transferred": 1},
            place(0, "vip"): {
                "entered": 1,
                "cohort_answered": 1,
                "answered_within": 1,
                "answered": 1,
                "wait_answered_us": s(5),
                "handled": 1,
                "talk_us": s(20),
                "resolved": 1,
                "resolved_identified": 1,
            },
        },
    ),
    Scenario(
        "a visit without an outcome is lost after the maximum wait",
        [event("queued", 0, queue="sales")],
        10801,
        {
            place(0): {"entered": 1, "cohort_flowed_out": 1, "reached_threshold": 1},
            place(180): {"flowed_out": 1},
        },
    ),
    Scenario(
        "a return at exactly the end of the window counts",
        [
            event("queued", 0, "a", queue="sales", customer_id="x"),
            event("answered", 10, "a", agent_id="ana"),
            event("ended", 60, "a"),
            event("queued", 7200, "b", queue="vip", customer_id="x"),
        ],
        7200,
        {
            place(0): ANSWERED_IN_10 | {"handled": 1, "talk_us": s(50), "resolved": 1, "resolved_identified": 1},
            place(120, "vip"): ENTERED,
        },
        {"vip": [7200]},
    ),
    Scenario(
        "a return after the window does not count",
        [
            event("queued", 0, "a", queue="sales", customer_id="x"),
            event("answered", 10, "a", agent_id="ana"),
            event("ended", 60, "a"),
            event("queued", 7200.000001, "b", queue="vip", customer_id="x"),
        ],
        7201,
        {
            place(0): ANSWERED_IN_10
            | {
                "handled": 1,
                "talk_us": s(50),
                "resolved": 1,
                "resolved_identified": 1,
                "resolved_first_contact": 1,
            },
            place(120, "vip"): ENTERED,
        },
        {"vip": [7200.000001]},
    ),
    Scenario(
        "an agent's time is cut at the interval's end; the state that lasts counts nowhere yet",
        [
            state("ana", 0, "available", queues=["sales", "vip"]),
            state("ana", 600, "busy", queues=["sales"]),
            state("ana", 1000, "wrap_up"),
            state("ana", 1030, "paused"),
        ],
        2000,
        {
            place(0, None): {"available_us": s(600), "on_contact_us": s(300)},
            place(0, None, "agent", "ana"): {"available_us": s(600), "on_contact_us": s(300)},
            place(0, "sales"): {"available_us": s(600), "on_contact_us": s(300)},
            place(0, "vip"): {"available_us": s(600)},
            place(15, None): {"on_contact_us": s(130)},
            place(15, None, "agent", "ana"): {"on_contact_us": s(130)},
            place(15, "sales"): {"on_contact_us": s(100)},
        },
    ),
]


def measured(oracle: Oracle, at: Place) -> dict[str, int]:
    """Return the measures of a slice."""
    minutes, queue, breakdown, value = at
    panes = oracle.panes()
    found = [panes.get((us(minutes * 60), channel, queue, breakdown, value)) for channel in ("call", None)]
    measures = next((measures for measures in found if measures), {})
    return {name: value for name, value in measures.items() if name in SPINE}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_measures_are_those_reckoned_by_hand(scenario: Scenario) -> None:
    """Events in, exact measures out, and who waits."""
    oracle = Oracle(scenario.events, POLICY, us(scenario.now))
    assert {at: measured(oracle, at) for at in scenario.expected} == scenario.expected
    spine = {key for key, measures in oracle.panes().items() if measures.keys() & set(SPINE)}
    unbroken = {(start, queue) for start, _, queue, breakdown, _ in spine if breakdown is None}
    assert unbroken == {(us(at[0] * 60), at[1]) for at in scenario.expected if at[2] is None}
    assert oracle.waiting() == {
        ("call", queue): [us(at) for at in starts] for queue, starts in scenario.waiting.items()
    }


def test_agents_are_in_their_last_state_since_they_took_it_up() -> None:
    """The latest in order of time decides; the same state and reason again go on, another reason begins anew."""
    changes = [
        state("ana", 30, "available", queues=["sales"]),
        state("ana", 10, "available"),
        state("ana", 5, "busy"),
        state("eva", 5, "paused"),
        state("eva", 7, "paused", reason="lunch"),
    ]
    now = agents.now(changes)
    assert (now["ana"].state, now["ana"].start, now["ana"].queues) == ("available", us(10), frozenset({"sales"}))
    assert (now["eva"].state, now["eva"].start, now["eva"].reason) == ("paused", us(7), "lunch")
