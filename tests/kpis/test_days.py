"""Days of civil time: midnights of zones with half hours, three quarters, and nights on which the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.engine.policy import DAY, HOUR, INTERVAL, MINUTE, Days
from streams.kpis.windows import split, window

ZONES = ("UTC", "Europe/Madrid", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia")
HALF = HOUR // 2


def at(text: str) -> int:
    """Return a time in microseconds."""
    return round(datetime.fromisoformat(text).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("zone", "noon", "begins", "length"),
    [
        ("Europe/Madrid", "2026-03-29T12:00+02:00", "2026-03-29T00:00+01:00", DAY - HOUR),
        ("Europe/Madrid", "2026-10-25T12:00+01:00", "2026-10-25T00:00+02:00", DAY + HOUR),
        ("Europe/Madrid", "2026-07-01T23:59:59+02:00", "2026-07-01T00:00+02:00", DAY),
        ("America/New_York", "2026-03-08T12:00-04:00", "2026-03-08T00:00-05:00", DAY - HOUR),
        ("America/New_York", "2026-11-01T12:00-05:00", "2026-11-01T00:00-04:00", DAY + HOUR),
        ("Asia/Kathmandu", "2026-03-02T23:59:59+05:45", "2026-03-02T00:00+05:45", DAY),
        ("Asia/Kathmandu", "2026-03-03T00:00:00+05:45", "2026-03-03T00:00+05:45", DAY),
        ("Australia/Lord_Howe", "2026-04-05T12:00+10:30", "2026-04-05T00:00+11:00", DAY + HALF),
        ("Australia/Lord_Howe", "2026-10-04T12:00+11:00", "2026-10-04T00:00+10:30", DAY - HALF),
    ],
)
def test_a_day_begins_and_ends_at_the_zones_midnights(zone: str, noon: str, begins: str, length: int) -> None:
    """Of 23, 23 and a half, 24, 24 and a half and 25 hours."""
    start, end = Days(zone).around(at(noon))
    assert (start, end - start) == (at(begins), length)
    assert list(split(start, end, "1d", zone)) == [(start, end)]
    assert window("today", at(noon), zone)[0] == start


@given(st.sampled_from(ZONES), st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1)))
def test_a_moment_is_in_the_day_that_its_zone_says(zone: str, moment: datetime) -> None:
    """The civil date at the start of the day is the moment's own; the day ends where the next begins; edges are panes'."""
    time = round(moment.replace(tzinfo=UTC).timestamp()) * 1_000_000
    start, end = Days(zone).around(time)
    assert start <= time < end
    assert start % INTERVAL == end % INTERVAL == 0
    assert local(start, zone).date() == local(time, zone).date() == local(end - 1, zone).date()
    assert local(end, zone).date() > local(time, zone).date()
    assert Days(zone).around(end)[0] == end


def local(time_us: int, zone: str) -> datetime:
    """Return a time as the zone's clocks show it."""
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).astimezone(ZoneInfo(zone))


@given(
    st.sampled_from(ZONES),
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
    st.integers(1, 24 * 80),
    st.sampled_from(["15m", "1h", "1d", "1mo", "all"]),
)
def test_a_range_is_cut_without_gaps_at_civil_boundaries(zone: str, moment: datetime, hours: int, every: str) -> None:
    """The pieces follow each other, cover the range and nothing else, and inner cuts show 0 on the zone's clock."""
    begin = round(moment.replace(tzinfo=UTC).timestamp()) * 1_000_000 // INTERVAL * INTERVAL
    end = begin + hours * HOUR
    if every == "15m":
        end = min(end, begin + DAY)
    pieces = list(split(begin, end, every, zone))
    assert (pieces[0][0], pieces[-1][1]) == (begin, end)
    assert all(left[1] == right[0] for left, right in pairwise(pieces))
    assert all(start < stop for start, stop in pieces)
    for start, _ in pieces[1:]:
        shown = local(start, zone)
        assert every != "1h" or shown.minute == 0 or zone == "Australia/Lord_Howe"
        assert every not in ("1d", "1mo") or (shown.hour, shown.minute) == (0, 0)
        assert every != "1mo" or shown.day == 1


@given(st.integers(0, 4_000_000_000_000_000), st.sampled_from(["5m", "15m", "30m", "60m"]))
def test_a_sliding_window_ends_at_the_next_ten_seconds(now: int, name: str) -> None:
    """It holds the moment, ends at most 10 s after it and is as long as it says."""
    start, end = window(name, now, "UTC")
    assert start <= now < end <= now + 10_000_000
    assert end % 10_000_000 == 0
    assert end - start == int(name[:-1]) * MINUTE


def test_the_day_resets_on_the_clock_and_not_on_an_event() -> None:
    """A microsecond before midnight in Kathmandu is yesterday, midnight is today."""
    midnight = at("2026-03-03T00:00+05:45")
    before, after = window("today", midnight - 1, "Asia/Kathmandu"), window("today", midnight, "Asia/Kathmandu")
    assert before == (midnight - DAY, midnight)
    assert after == (midnight, midnight + INTERVAL)
    assert timedelta(microseconds=before[1] - before[0]) == timedelta(days=1)
