"""Periods of a calendar, what they are compared with, and what is more than noise."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from statistics import fmean, stdev
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.business import SaleClosed
from schemas.events import Event
from schemas.fields import rfc3339
from schemas.opinions import SurveyAnswered
from streams.engine.histogram import bucket
from streams.engine.policy import EVERYTHING, SECOND, Policy, QueuePolicy
from streams.errors import InputError
from streams.kpis import noise
from streams.kpis.evolution import UNITS, Evolution, Unit, evolution, last_complete, periods, so_far
from streams.kpis.figures import Figures, Query
from tests.kpis.test_figures import after, read
from tests.oracle.make import event

MADRID = ZoneInfo("Europe/Madrid")
POLICY = Policy(defaults=QueuePolicy(time_zone="Europe/Madrid", short_abandon=0), retention=EVERYTHING)


def local(*of: int) -> int:
    """Return a time of Madrid in microseconds."""
    return round(datetime(*of, tzinfo=MADRID).timestamp()) * SECOND  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("unit", "now", "previous", "year_before"),
    [
        ("day", (2026, 3, 29), (2026, 3, 28), (2025, 3, 30)),
        ("week", (2026, 3, 23), (2026, 3, 16), (2025, 3, 24)),
        ("month", (2026, 3, 1), (2026, 2, 1), (2025, 3, 1)),
        ("year", (2026, 1, 1), (2025, 1, 1), None),
    ],
)
def test_periods_are_of_the_local_calendar(unit: Unit, now, previous, year_before):
    """Also on the day on which the clocks go forward; days and weeks are compared with the same weekdays."""
    found = periods(unit, local(2026, 3, 29, 12), "Europe/Madrid")
    assert (found.now[0], found.previous[0]) == (local(*now), local(*previous))
    assert found.previous[1] == found.now[0]
    assert (found.year_before and found.year_before[0]) == (year_before and local(*year_before))


@given(
    st.integers(0, 4_000_000_000),
    st.sampled_from(UNITS),
    st.sampled_from(["UTC", "America/Santiago", "Asia/Kathmandu"]),
)
def test_a_time_is_in_its_period_and_after_the_last_complete_one(second: int, unit: Unit, zone: str):
    """Whatever the zone; the last complete one ends where this one begins."""
    time_us = second * SECOND
    now = periods(unit, time_us, zone).now
    assert now[0] <= time_us < now[1]
    assert last_complete(unit, time_us, zone).now[1] == now[0]


Day = tuple[int, int, int]
"""Month, day and hour."""


def calls(month: int, year: int, counts: tuple[int, int], waits: float) -> list[Event]:
    """Return answered and abandoned calls, spread over the first days of a month."""
    chance = random.Random(f"{year}-{month}")
    found = []
    for number in range(sum(counts)):
        start, name = after(local(year, month, 1 + number % 20, 9)) + number, f"{year}-{month}-{number}"
        wait = chance.expovariate(1 / waits)
        found.append(event("queued", start, name, queue="sales"))
        ends = {"agent_id": "ana"} if number < counts[0] else {}
        found.append(event("answered" if ends else "abandoned", start + wait, name, **ends))
    return in_order(found)


@pytest.fixture(scope="module")
def figures() -> Figures:
    """Three months: a year before, the month before and this one, in which more are lost and waits are as long."""
    return read(POLICY, [calls(3, 2025, (80, 20), 30) + calls(2, 2026, (85, 15), 30) + calls(3, 2026, (60, 60), 31)])


def of_march(figures: Figures, *kpis: str) -> list[Evolution]:
    """Return the totals of March."""
    return evolution(figures, Query(0, 0), periods("month", local(2026, 3, 15), "Europe/Madrid"), kpis)


def test_more_abandons_are_more_than_noise_and_waits_are_not(figures: Figures):
    """The values are those of the rows, the differences theirs, and the intervals those of the formulas."""
    entered, rate, wait = of_march(figures, "abandonment_rate", "average_speed_of_answer", "entered")
    assert (rate.kpi, rate.figure.value, rate.start) == ("abandonment_rate", 0.5, rfc3339(local(2026, 3, 1)))
    assert rate.previous.figure is not None
    assert rate.year_before is not None
    assert rate.previous.difference == pytest.approx(0.35)
    assert (rate.previous.low, rate.previous.high) == pytest.approx(noise.of_shares((60, 120), (15, 100)))
    assert (rate.previous.noise, rate.year_before.noise, wait.previous.noise) == (False, False, True)
    assert wait.previous.difference == pytest.approx(wait.figure.value - wait.previous.figure.value)  # type: ignore[operator,union-attr]
    assert (entered.figure.value, entered.previous.difference, entered.previous.noise) == (120, 20, True)


def test_a_percentile_has_an_interval_and_what_did_not_happen_has_none(figures: Figures):
    """Nobody held, so there is no mean of holds to compare."""
    hold, p90 = of_march(figures, "hold_time")[0], of_march(figures, "speed_of_answer_p90")[0]
    assert (hold.figure.value, hold.previous.difference, hold.previous.noise) == (None, None, None)
    assert p90.previous.low is not None
    assert p90.previous.low < (p90.previous.difference or 0) < (p90.previous.high or 0)


def test_before_the_first_event_nothing_is_known_and_not_0(figures: Figures):
    """February 2026 has no February before it; and a period without anything known is refused."""
    found = evolution(figures, Query(0, 0), periods("month", local(2026, 2, 15), "Europe/Madrid"), ["entered"])
    assert [one.year_before.figure for one in found if one.year_before is not None] == [None]
    assert found[0].previous.figure is not None
    assert found[0].previous.figure.value == 0
    with pytest.raises(InputError, match="period"):
        evolution(figures, Query(0, 0), periods("month", local(2025, 2, 15), "Europe/Madrid"), ["entered"])


def test_rows_are_paired_by_what_they_are_of(figures: Figures):
    """A queue with its queue, the total with the total."""
    of = periods("month", local(2026, 3, 15), "Europe/Madrid")
    found = evolution(figures, Query(0, 0, by="queue"), of, ["entered"])
    assert [(one.queue, one.previous.difference) for one in found] == [("sales", 20), (None, 20)]


@given(
    st.lists(st.integers(1, 10**9), min_size=2, max_size=50), st.lists(st.integers(1, 10**9), min_size=2, max_size=50)
)
def test_intervals_of_means_from_histograms_are_those_of_the_values(first: list[int], second: list[int]):
    """Within the width of a bucket."""
    counted = [
        {index: buckets.count(index) for index in buckets}
        for buckets in ([bucket(us) for us in us_of] for us_of in (first, second))
    ]
    found = noise.of_means(*counted)
    assert found is not None
    a, b = ([us / 1e6 for us in values] for values in (first, second))
    half = noise.Z * (stdev(a) ** 2 / len(a) + stdev(b) ** 2 / len(b)) ** 0.5
    slack = 0.01 * (max(a) + max(b)) + 0.01
    assert found.low == pytest.approx(fmean(a) - fmean(b) - half, abs=slack)
    assert found.high == pytest.approx(fmean(a) - fmean(b) + half, abs=slack)


def test_intervals_hold_the_truth_as_often_as_they_say():
    """Samples of known populations: at least 93 of 100 intervals of 95 %, for shares, scores, medians, means of pieces of time, amounts and costs of each."""
    chance = random.Random(7)
    shares = scores = medians = quotients = amounts = rates = 0
    for _ in range(400):
        low, high = noise.of_scores(*(answers(chance, *population, 30) for population in ((0.5, 0.2), (0.4, 0.3))))
        scores += low <= 20 <= high
        tops = [(sum(chance.random() < p for _ in range(80)), 80) for p in (0.2, 0.1)]
        low, high = noise.of_shares(*tops)
        shares += low <= 0.1 <= high
        waits: list[dict[int, int]] = [{}, {}]
        for counts, mean in zip(waits, (20e6, 30e6), strict=True):
            for _ in range(80):
                index = bucket(round(chance.expovariate(1 / mean)))
                counts[index] = counts.get(index, 0) + 1
        interval = noise.of_percentiles(50, *waits)
        assert interval is not None
        medians += interval.low <= 0.6931471805599453 * -10 <= interval.high
        talks = [[spent(chance, mean) for _ in range(30)] for mean in (180, 200)]
        quotients += holds(noise.of_quotients(*talks), 180 - 200)
        amounts += holds(noise.of_amounts(*talks), 30 * 8 * (180 - 200))
        resolved = [sum(number for _, number in pieces) for pieces in talks]
        rates += holds(noise.of_rates((1e6, resolved[0]), (2e6, resolved[1])), -1e6 / 240)
    assert min(shares, scores, medians, quotients, amounts, rates) >= 0.93 * 400


def spent(chance: random.Random, mean: float) -> tuple[float, int]:
    """Return the sum and the number of the talks of an hour: on average 8, at random, of exponential length."""
    number, time = 0, chance.expovariate(8)
    while time < 1:
        number, time = number + 1, time + chance.expovariate(8)
    return sum(chance.expovariate(1 / mean) for _ in range(number)), number


def holds(interval: noise.Interval | None, truth: float) -> bool:
    """Tell whether the truth is in an interval."""
    assert interval is not None
    return interval.low <= truth <= interval.high


def answers(chance: random.Random, promoters: float, detractors: float, many: int) -> tuple[int, int, int]:
    """Return how many of so many answers, drawn from a population with these shares, are promoters and detractors."""
    drawn = [chance.random() for _ in range(many)]
    return sum(one < promoters for one in drawn), sum(one >= 1 - detractors for one in drawn), many


def in_order(events: Sequence[Event]) -> list[Event]:
    """Return events in the order of their times."""
    return sorted(events, key=lambda one: one.time_us)


FEBRUARY, MARCH = [3, 4, 5, 2, 5] * 8, [1, 2, 5, 2, 5, 3, 4] * 5 + [1, 2, 3, 4, 5]
"""Forty answers each."""


def test_scores_of_surveys_have_intervals():
    """Of 40 answers 30 and then 10 are promoters, none and then 20 detractors: -25 - 75. Of CSAT panes keep the sum, so the hours of the answers tell."""
    events = [
        SurveyAnswered(id=f"{kind}{month}{n}", time=local(2026, month, 3 + n % 10, 9) / SECOND + n, contact_id="c", kind=kind, value=value)
        for month, kind, values in (
            (2, "nps", [9] * 30 + [8] * 10), (3, "nps", [10] * 10 + [7] * 10 + [2] * 20), (2, "csat", FEBRUARY), (3, "csat", MARCH),
        )
        for n, value in enumerate(values)
    ]  # fmt: skip
    told = read(POLICY, [[event("queued", after(local(2026, 2, 1, 8)), "c", queue="sales"), *in_order(events)]])
    csat, nps = of_march(told, "nps", "csat_mean")
    assert (nps.previous.difference, nps.previous.noise) == (-100, False)
    assert (nps.previous.low, nps.previous.high) == pytest.approx(noise.of_scores((10, 20, 40), (30, 0, 40)))
    means = [[sum(values[day::10]) / 4 for day in range(10)] for values in (FEBRUARY, MARCH)]
    halves = [2.262 * stdev(days) / 10**0.5 for days in means]
    difference = fmean(MARCH) - fmean(FEBRUARY)
    assert csat.previous.difference == pytest.approx(difference)
    assert csat.previous.high == pytest.approx(difference + (halves[0] ** 2 + halves[1] ** 2) ** 0.5, abs=1e-3)


def test_amounts_are_compared_in_each_currency():
    """Of a queue that sold for euros and then for dollars too, never one with the other; with an interval when enough days had some."""
    days = [(2, day, 100 + day) for day in range(1, 9)] + [(3, day, 120 - day) for day in range(1, 9)]
    sold = [
        SaleClosed(id=f"{currency}{month}{day}", time=local(2026, month, day, 9) / SECOND, contact_id=f"{of}{month}", amount=Decimal(amount), currency=currency)
        for month, day, amount in days
        for of, currency in (("e", "EUR"), ("d", "EUR" if month == 2 else "USD"))
    ]  # fmt: skip
    entered = [
        event("queued", after(local(2026, month, 1, 8)), f"{of}{month}", queue=queue)
        for month in (2, 3)
        for of, queue in (("e", "euros"), ("d", "dollars"))
    ]
    told = read(POLICY, [in_order([*entered, *sold])])
    of = periods("month", local(2026, 3, 15), "Europe/Madrid")
    compared = evolution(told, Query(0, 0, by="queue"), of, ["sales_amount"])
    found = {
        (one.queue, one.figure.unit): (one.figure.value, one.previous.difference, one.previous.noise)
        for one in compared
    }
    assert found == {
        ("euros", "EUR"): (924, 88, True), ("dollars", "EUR"): (0, -836, False), ("dollars", "USD"): (924, 924, False),
        (None, "EUR"): (924, -748, True), (None, "USD"): (924, 924, False),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("unit", "until", "ends"),
    [
        ("month", (3, 10, 9), ((3, 10, 0), (2, 10, 0), (3, 10, 0))),
        ("month", (3, 31, 9), ((3, 31, 0), (3, 1, 0), (3, 31, 0))),
        ("month", (3, 1, 9), ((3, 1, 9), (2, 1, 9), (3, 1, 9))),
        ("day", (3, 29, 12), ((3, 29, 12), (3, 28, 12), (3, 30, 12))),
        ("week", (3, 12, 9), ((3, 12, 0), (3, 5, 0), (3, 13, 0))),
    ],
)
def test_a_period_that_goes_on_is_cut_and_the_earlier_ones_with_it(unit: Unit, until: Day, ends: tuple[Day, ...]):
    """At midnight, on the first day at a quarter of an hour of the clock, though it has been changed; and where a month is over at its end."""
    zone, time = "Europe/Madrid", local(2026, *until)
    whole = periods(unit, time - 1, zone)
    cut = so_far(whole, time + 60 * SECOND, zone)
    spans = (cut.now, cut.previous, cut.year_before)
    assert [span and span[1] for span in spans] == [
        local(year, *end) for year, end in zip((2026, 2026, 2025), ends, strict=True)
    ]
    assert (whole.complete, cut.complete, so_far(whole, whole.now[1], zone)) == (True, False, whole)


def test_a_month_that_goes_on_with_as_many_calls_a_day_has_not_changed():
    """Ten a day in all of February, and up to the tenth of March, which is not over."""
    events = [
        event("queued", after(local(2026, month, day, 9)) + number, f"{month}-{day}-{number}", queue="sales")
        for month, days in ((2, 28), (3, 10))
        for day in range(1, days + 1)
        for number in range(10)
    ]
    told = read(POLICY, [events])
    of = so_far(periods("month", local(2026, 3, 10, 10), "Europe/Madrid"), local(2026, 3, 10, 10), "Europe/Madrid")
    (entered,) = evolution(told, Query(0, 0), of, ["entered"])
    assert (entered.figure.value, entered.previous.difference, entered.previous.noise) == (90, 0, True)
    assert (entered.complete, entered.end) == (False, rfc3339(local(2026, 3, 10)))
