"""Business hours: as people write them, and how long a queue was open, minute by minute of its zone's clocks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.engine.business_hours import BusinessHours
from streams.opening_hours import calendar
from tests.oracle.business import business

SECOND = 1_000_000
LINES = ["mon-fri 09:00-14:00 15:00-18:30", "sat 00:00-24:00", "sun 01:30-03:30"]
HOLIDAYS = ["2026-03-30", "2026-10-26"]
NIGHTS = [datetime(2026, 3, 27, 12, tzinfo=UTC), datetime(2026, 10, 23, 12, tzinfo=UTC)]
"""Two days before the clocks of Madrid change."""


@given(
    st.sampled_from(NIGHTS),
    st.integers(0, 4 * 86_400),
    st.integers(0, 86_400),
    st.sampled_from(["Europe/Madrid", "UTC"]),
)
def test_open_time_is_what_the_clocks_show(since: datetime, after: int, seconds: int, zone: str) -> None:
    """Over weekends, holidays, and nights with hours that are skipped or come twice; against a walk by minutes."""
    hours = calendar(LINES, HOLIDAYS)
    assert hours is not None
    start = (round(since.timestamp()) + after) * SECOND
    end = start + seconds * SECOND
    assert BusinessHours(hours, zone).between(start, end) == business(hours, zone, start, end)


def test_nothing_said_is_always_open() -> None:
    """And holidays alone close their days only."""
    assert calendar([], []) is None
    days_off = calendar([], ["2026-12-25"])
    assert days_off is not None
    christmas = round(datetime(2026, 12, 25, tzinfo=UTC).timestamp()) * SECOND
    assert (
        BusinessHours(days_off, "UTC").between(christmas - 3600 * SECOND, christmas + 90_000 * SECOND) == 7200 * SECOND
    )


@pytest.mark.parametrize(
    ("lines", "holidays", "told"),
    [
        (["monday 09:00-12:00"], [], "seen 'monday 09:00-12:00', expected days and hours"),
        (["fri-mon 09:00-12:00"], [], "seen 'fri-mon 09:00-12:00', expected days and hours"),
        (["mon"], [], "seen 'mon'"),
        (["mon 12:00-09:00"], [], "one after the other"),
        (["mon 09:00-12:00 11:00-13:00"], [], "one after the other"),
        (["mon 09:00-24:30"], [], "none after 24:00"),
        (["mon-wed 09:00-12:00", "wed 10:00-11:00"], [], "wed is in two"),
        ([], ["25/12/2026"], "seen '25/12/2026', expected a date"),
    ],
)
def test_what_is_no_calendar_is_told(lines: list[str], holidays: list[str], told: str) -> None:
    """With the value seen and what was expected."""
    with pytest.raises(ValueError, match=told):
        calendar(lines, holidays)
