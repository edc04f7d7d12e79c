"""Business hours against a count of minutes, on days on which clocks change."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from streams.engine.business_hours import BusinessHours, Calendar
from tests.oracle.business import business

CHANGES = [
    ("Europe/Madrid", (2026, 3, 28)),
    ("Europe/Madrid", (2026, 10, 24)),
    ("America/New_York", (2026, 3, 7)),
    ("America/Havana", (2026, 11, 1)),  # its clocks show midnight twice
    ("America/Santiago", (2026, 9, 5)),  # they skip midnight
    ("Africa/Cairo", (2026, 4, 23)),
    ("Australia/Lord_Howe", (2026, 4, 4)),  # by half an hour
    ("America/Toronto", (1985, 10, 26)),  # from a minute past midnight back to the day before
    ("Asia/Kathmandu", (2026, 4, 4)),  # never
]


@pytest.mark.parametrize(("zone", "day"), CHANGES)
def test_open_time_is_the_minutes_in_which_the_clocks_show_one_within_the_hours(
    zone: str, day: tuple[int, int, int]
) -> None:
    """Wherever the hours begin and end, in what is skipped or comes twice too; and a holiday is closed."""
    chance = random.Random(f"{zone} {day}")
    midnight = round(datetime(*day, tzinfo=UTC).timestamp())
    for number in range(20):
        opens, closes = sorted(chance.sample(range(0, 1441, 30), 2))
        holidays = ("{}-{:02}-{:02}".format(*day),) if number % 5 == 0 else ()
        calendar = Calendar((((opens, closes),), *(((opens // 2, closes),),) * 6), holidays)
        start = midnight + chance.randrange(86_400)
        end = start + chance.randrange(2 * 86_400)
        found = BusinessHours(calendar, zone).between(start * 1_000_000, end * 1_000_000)
        assert found == business(calendar, zone, start * 1_000_000, end * 1_000_000), (calendar, start, end)
