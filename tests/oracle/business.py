"""What opinions, sales and costs count, and how long a queue was open: from the definitions, one step at a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import floor
from typing import Any
from zoneinfo import ZoneInfo

from schemas.fields import microseconds
from tests.oracle.contacts import Happening

QUARTER = 15 * 60 * 1_000_000
USUAL = {"csat": (1, 5), "nps": (0, 10), "ces": (1, 7), "fcr": (0, 1), "enps": (0, 10)}


def opinions(one: Happening) -> Iterator[tuple[int, str, int]]:
    """Yield (time, measure, value) of an answer, a sale or a cost; amounts are "kind/currency" in millionths."""
    if one.what == "survey":
        for measure, value in _answer(one.more["answer"]):
            yield one.at, measure, value
    elif one.what == "sale":
        sale = one.more["sale"]
        yield one.at, ("refunds" if sale.amount < 0 else "sales"), 1
        yield one.at, f"sales_amount/{sale.currency}", _millionths(sale.amount)
    else:
        yield from _cost(one.more["cost"])


def _answer(answer: Any) -> Iterator[tuple[str, int]]:
    usual = USUAL[answer.kind]
    low = _exact(usual[0] if answer.scale_min is None else answer.scale_min)
    high = _exact(usual[1] if answer.scale_max is None else answer.scale_max)
    value = _exact(answer.value)
    if answer.better == "lower":
        value = high - (value - low)
    share = (value - low) / (high - low)
    usually = usual[0] + share * (usual[1] - usual[0])
    if answer.kind in ("csat", "ces"):
        yield f"{answer.kind}_answers", 1
        yield f"{answer.kind}_millionths", floor(usually * 1_000_000)
        tops = 1 if high - low + 1 < 4 else 2
        good = value >= high - (tops - 1) if answer.kind == "csat" else usually >= 5
        yield ("csat_top" if answer.kind == "csat" else "ces_easy"), int(good)
    elif answer.kind == "fcr":
        yield "survey_fcr_answers", 1
        yield "survey_fcr_yes", int(share > Fraction(1, 2))
    else:
        yield f"{answer.kind}_answers", 1
        yield f"{answer.kind}_promoters", int(usually >= 9)
        yield f"{answer.kind}_detractors", int(usually <= 6)


def _exact(value: float) -> Fraction:
    """Return the decimal number that was meant, to the millionth."""
    return Fraction(f"{value:.6f}")


def _cost(cost: Any) -> Iterator[tuple[int, str, int]]:
    """Yield a cost's parts: what is spent by the end of an interval less what was spent by its start."""
    amount, name = _millionths(cost.amount), f"cost_amount/{cost.currency}"
    if cost.period_start is None:
        yield cost.time_us, "costs", 1
        yield cost.time_us, name, amount
        return
    start, end = microseconds(cost.period_start), microseconds(cost.period_end)
    edges = [start, *range(start - start % QUARTER + QUARTER, end, QUARTER), end]
    for begin, until in pairwise(edges):
        spent = [floor(Fraction(amount * (at - start), end - start)) for at in (begin, until)]
        yield begin, "costs", 1
        yield begin, name, spent[1] - spent[0]


def _millionths(amount: Decimal) -> int:
    return int(Fraction(amount) * 1_000_000)


def business(calendar: Any, zone: str, start: int, end: int) -> int:
    """Return for how long a queue was open, minute by minute of its zone's clocks."""
    if calendar is None:
        return end - start
    total, place = 0, ZoneInfo(zone)
    minute = start - start % 60_000_000
    while minute < end:
        local = datetime.fromtimestamp(minute // 1_000_000, UTC).astimezone(place)
        of_day = local.hour * 60 + local.minute
        if local.date().isoformat() not in calendar.holidays and any(
            begin <= of_day < until for begin, until in calendar.week[local.weekday()]
        ):
            total += min(end, minute + 60_000_000) - max(start, minute)
        minute += 60_000_000
    return total
