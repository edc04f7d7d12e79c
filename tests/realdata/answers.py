"""The known answers of the bank's January 1999, and what a row of figures says to the same questions."""

from __future__ import annotations

from schemas.rows import Row

SETTINGS = "[defaults]\nshort_abandon = 0\n"
"""No abandoned call is too short to count, as in the known answers."""
ANSWERED, ABANDONED = 27_060, 4_299
WAITED, SERVED = 947_857, 4_964_204
"""Seconds, over all answered calls."""
WITHIN_20_S = 16_402


def value(row: Row, kpi: str) -> float:
    """Return a figure that has to be there."""
    found = row.kpis[kpi].value
    assert found is not None, kpi
    return found


def parts(row: Row, kpi: str) -> tuple[float | None, float | None]:
    """Return numerator and denominator."""
    return row.kpis[kpi].numerator, row.kpis[kpi].denominator


def assert_known(total: Row) -> None:
    """Assert that the figures of the whole month are the known answers, counts and sums to the last digit."""
    entered = ANSWERED + ABANDONED
    assert [value(total, kpi) for kpi in ("entered", "answered", "abandoned", "flowed_out", "waiting")] == [
        entered, ANSWERED, ABANDONED, 0, 0,
    ]  # fmt: skip
    assert value(total, "short_abandoned") == 0
    assert parts(total, "abandonment_rate") == parts(total, "abandonment_rate_offered") == (ABANDONED, entered)
    assert round(value(total, "abandonment_rate"), 5) == 0.13709
    assert parts(total, "average_speed_of_answer") == (WAITED, ANSWERED)
    assert round(value(total, "average_speed_of_answer"), 3) == 35.028
    assert parts(total, "talk_time") == (SERVED, ANSWERED)
    assert round(value(total, "talk_time"), 3) == 183.452
    assert parts(total, "service_level_sl3") == (WITHIN_20_S, entered)
    assert round(value(total, "service_level_sl3"), 5) == 0.52304
