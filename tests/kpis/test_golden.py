"""The ICMI vector (March 2005) for the eight service levels: by events, through the engine, to the registry.

Answered 1000, of them 860 within T; abandoned 60: 10 short (<= 5 s), 10 more within T, 40 after T.
"""

from __future__ import annotations

from fractions import Fraction

import pytest

from schemas.events import Event
from schemas.rows import Row
from streams.engine.policy import INTERVAL, Policy
from streams.kpis.figures import Figures, Query
from tests.engine.store import Store
from tests.oracle.make import event, us

EXPECTED = {
    "sl1": Fraction(880, 1060),
    "sl2": Fraction(860, 1000),
    "sl3": Fraction(860, 1060),
    "sl4": Fraction(860, 1040),
    "sl5": Fraction(870, 1060),
    "sl6": Fraction(860, 1050),
    "sl7": Fraction(880, 1060),
    "sl8": Fraction(860, 1060),
}
"""SL8 on this vector, where everyone is decided: (answered <= T) / (answered <= T + abandoned <= T + waited longer)."""


def vector() -> list[Event]:
    """Return the calls of the vector."""
    waits = [("answered", 20)] * 860 + [("answered", 21)] * 140
    waits += [("abandoned", 5)] * 10 + [("abandoned", 20)] * 10 + [("abandoned", 30)] * 40
    events = []
    for number, (outcome, wait) in enumerate(waits):
        extra = {"agent_id": f"agent {number % 50}"} if outcome == "answered" else {}
        events.append(event("queued", number % 600, f"c{number}", queue="sales"))
        events.append(event(outcome, number % 600 + wait, f"c{number}", **extra))
    return events


@pytest.fixture(scope="module")
def row() -> Row:
    """The queue's row over the quarter of an hour."""
    store = Store(Policy())
    store.feed(vector(), us(3600))
    figures = Figures(Policy())
    for key, value in store.flush().kpis.items():
        figures.load(0, key, value)
    found = figures.rows(Query(us(0), us(0) + INTERVAL, by="queue"))
    return next(one for one in found if one.queue == "sales")


def test_the_vector_is_the_one_of_the_definition(row: Row) -> None:
    """What was sent is what is counted."""
    counts = {
        name: row.kpis[name].value for name in ("entered", "answered", "abandoned", "short_abandoned", "flowed_out")
    }
    assert counts == {"entered": 1060, "answered": 1000, "abandoned": 60, "short_abandoned": 10, "flowed_out": 0}


@pytest.mark.parametrize("formula", EXPECTED)
def test_a_service_level_is_the_published_one(row: Row, formula: str) -> None:
    """Each with its numerator and denominator, and the value to the last digit."""
    figure = row.kpis[f"service_level_{formula}"]
    assert figure.numerator is not None
    assert figure.denominator is not None
    assert Fraction(figure.numerator) / Fraction(figure.denominator) == EXPECTED[formula]
    assert figure.value == float(EXPECTED[formula])


def test_the_queues_own_formula_is_sl6_in_history(row: Row) -> None:
    """Unless configured otherwise."""
    assert row.kpis["service_level"].value == row.kpis["service_level_sl6"].value


def test_the_percentages_are_those_printed(row: Row) -> None:
    """As the article prints them."""
    printed = [f"{100 * (row.kpis[f'service_level_sl{i}'].value or 0):.2f}" for i in range(1, 8)]
    assert printed == ["83.02", "86.00", "81.13", "82.69", "82.08", "81.90", "83.02"]
