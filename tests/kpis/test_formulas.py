"""Every figure that the registry gives, against the oracle's fractions, over generated traffic."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Event
from schemas.rows import Figure, Row
from streams.engine.policy import DAY, INTERVAL
from streams.kpis.figures import Figures, Query
from tests.engine.agreement import as_of
from tests.engine.store import Store
from tests.engine.traffic import POLICY, deliveries
from tests.oracle import formulas
from tests.oracle.figures import Oracle

STATUS = b'{"offset":0,"sequence":1,"watermark":0,"counted":0,"duplicate":0,"refused":{}}'
COUNTS = (
    "entered", "answered", "abandoned", "flowed_out", "short_abandoned", "opened", "resolutions", "transfers", "escalations",
    "csat_answers", "nps_answers", "ces_answers", "enps_answers", "sales",
)  # fmt: skip
AMOUNTS = ("sales_amount", "cost_amount", "cost_per_resolution")
PERCENTILES = {
    "speed_of_answer": ["wait_answered"],
    "time_to_abandon": ["wait_abandoned"],
    "first_resolution_time": ["resolution_first"],
    "full_resolution_time": ["resolution_full"],
    "first_response_time": ["response_creation", "response_reopening"],
    "first_response_time_business": ["response_creation_open", "response_reopening_open"],
    "first_response_time_creation": ["response_creation"],
    "first_response_time_reopening": ["response_reopening"],
    "first_response_time_handover": ["response_handover"],
    "first_response_time_creation_business": ["response_creation_open"],
    "first_response_time_reopening_business": ["response_reopening_open"],
    "first_response_time_handover_business": ["response_handover_open"],
}


def assert_row_agrees(row: Row, oracle: Oracle, begin: int, end: int, *, live: bool = False) -> None:
    """Assert that a row of a queue, or of all, has the oracle's figures."""
    place = row.channel, row.queue
    ratios = formulas.figures(oracle, POLICY, begin, end, place, live=live)
    for name, ratio in ratios.items():
        assert_ratio(name, row.kpis[name], ratio)
    chosen = formulas.tally(count for count in formulas.of_row(oracle, place) if begin <= count.time < end)
    assert {name: row.kpis[name].value for name in COUNTS} == {name: chosen[name] for name in COUNTS}
    for stem, names in PERCENTILES.items():
        for percent, exact in formulas.percentiles(oracle, begin, end, place, *names).items():
            assert_close(row.kpis[f"{stem}_{percent}"].value, exact)
    assert_money(row, chosen)


def assert_money(row: Row, chosen: Counter[str]) -> None:
    """Assert that amounts are exact, each currency by itself."""
    for name in AMOUNTS[:2]:
        millionths = {key.partition("/")[2]: amount for key, amount in chosen.items() if key.startswith(name)}
        assert {key: int(Decimal(text) * 10**6) for key, text in (row.kpis[name].amounts or {}).items()} == {
            key: amount for key, amount in millionths.items() if amount
        }
    resolved = chosen["resolutions"] - chosen["resolutions_reopened"]
    each = row.kpis["cost_per_resolution"]
    assert each.denominator == resolved
    for currency, text in (each.amounts or {}).items():
        exact = Fraction(chosen[f"cost_amount/{currency}"], 10**6 * resolved)
        assert abs(Fraction(text) - exact) <= Fraction(1, 2 * 10**6)


def assert_ratio(name: str, figure: Figure, ratio: formulas.Ratio) -> None:
    """Assert numerator, denominator and value; no value where there is nothing to divide by."""
    numerator, denominator = ratio
    assert (figure.numerator, figure.denominator) == (float(numerator), float(denominator)), name
    expected = formulas.value(ratio)
    assert (figure.value is None) == (expected is None), name
    if figure.value is not None and expected is not None:
        assert abs(Fraction(figure.value) - expected) <= abs(expected) / 10**12, name


def assert_close(found: float | None, exact: Fraction | None) -> None:
    """Assert a relative error of at most 1 %."""
    assert (found is None) == (exact is None)
    if found is not None and exact is not None:
        assert abs(Fraction(found) - exact) <= exact / 100


@given(st.data())
def test_the_rows_of_queues_and_their_total_are_the_oracles(data: st.DataObject) -> None:
    """Numerators, denominators, values, percentiles: per queue, and the total weighted and never averaged."""
    events, arrived = data.draw(deliveries(contacts=5, agents=1))
    watermark = max(event.time_us for event in events)
    store = Store(POLICY)
    store.feed(arrived, watermark)
    figures = Figures(POLICY)
    for key, value in store.flush().kpis.items():
        figures.load(0, key, value)
    oracle = as_of(store, events, watermark).with_open_time(watermark)
    begin = min(count.time for count in oracle.counts) // INTERVAL * INTERVAL if oracle.counts else 0
    begin += data.draw(st.integers(0, 3)) * INTERVAL
    end = begin + data.draw(st.sampled_from([1, 2, 4, 96])) * INTERVAL
    rows = figures.rows(Query(begin, end, by="queue"))
    places = {count.queue for count in oracle.counts if begin <= count.time < end and count.channel}
    assert places <= {row.queue for row in rows}
    assert [row.queue for row in rows].count(None) == 1
    for row in rows:
        assert_row_agrees(row, oracle, begin, end)


@given(deliveries(contacts=4, agents=0))
def test_partitions_are_added_before_dividing(delivery: tuple[list[Event], list[Event]]) -> None:
    """The same records on two partitions: counts twice, ratios the same."""
    _, events = delivery
    store = Store(POLICY)
    store.feed(events, max(event.time_us for event in events))
    one, two = Figures(POLICY), Figures(POLICY)
    for key, value in store.flush().kpis.items():
        one.load(0, key, value)
        two.load(0, key, value)
        two.load(1, key, value)
    begin = (one.watermark_us or 0) // INTERVAL * INTERVAL - 4 * INTERVAL
    (single,), (double,) = (figures.rows(Query(begin, begin + DAY)) for figures in (one, two))
    for name in COUNTS:
        assert double.kpis[name].value == 2 * (single.kpis[name].value or 0)
    for name in ("abandonment_rate", "service_level", "handle_time", "speed_of_answer_p50"):
        assert double.kpis[name].value == single.kpis[name].value


def test_ratios_of_nothing_have_no_value() -> None:
    """None and not 0, for every queue that is configured; a count of nothing is 0."""
    figures = Figures(POLICY)
    figures.load(0, b'["partition"]', STATUS)
    rows = figures.rows(Query(0, INTERVAL, by="queue"))
    assert [row.queue for row in rows] == ["kathmandu", "madrid", "new york", None]
    for row in rows:
        for name, figure in row.kpis.items():
            assert figure.value == (0 if name in (*COUNTS, "waiting", "sales_amount", "cost_amount") else None), name


def test_before_a_worker_has_told_of_its_figures_nothing_is_known() -> None:
    """Not even a count of 0, and the status says so."""
    for row in Figures(POLICY).rows(Query(0, INTERVAL, by="queue", live=True)):
        assert {(figure.value, figure.numerator, figure.denominator) for figure in row.kpis.values()} == {
            (None, None, None)
        }
        assert {figure.status for figure in row.kpis.values()} == {"unavailable"}
