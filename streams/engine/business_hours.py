"""Business hours: how much of a stretch of time a queue was open, by its calendar and the clocks of its zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

SECOND = 1_000_000
Hours = tuple[tuple[int, int], ...]
"""Stretches of a day in minutes since midnight, in order, none touching another."""


class Calendar(Struct, frozen=True):
    """When a queue is open: hours of each weekday from Monday, and days (YYYY-MM-DD) on which it is closed."""

    week: tuple[Hours, Hours, Hours, Hours, Hours, Hours, Hours]
    holidays: tuple[str, ...] = ()


class BusinessHours:
    """A calendar in a zone."""

    def __init__(self, calendar: Calendar, zone: str) -> None:
        self._week = calendar.week
        self._holidays = frozenset(map(date.fromisoformat, calendar.holidays))
        self._zone = ZoneInfo(zone)
        self._days: dict[date, list[tuple[int, int]]] = {}

    def between(self, start: int, end: int) -> int:
        """Return the open time from ``start`` to ``end``, all in microseconds.

        >>> nine_to_five = ((540, 1020),)
        >>> hours = BusinessHours(Calendar((nine_to_five,) * 5 + ((), ())), "UTC")
        >>> hours.between(16 * 3600 * SECOND, (24 + 10) * 3600 * SECOND) // (3600 * SECOND)  # a Thursday and a Friday
        2
        """
        day, last = self._date(start), self._date(end)
        total = 0
        while day <= last:
            for opens, closes in self._open(day):
                total += max(0, min(end, closes) - max(start, opens))
            day += timedelta(days=1)
        return total

    def _date(self, time: int) -> date:
        return datetime.fromtimestamp(time // SECOND, UTC).astimezone(self._zone).date()

    def _open(self, day: date) -> list[tuple[int, int]]:
        known = self._days.get(day)
        if known is None:
            hours = () if day in self._holidays else self._week[day.weekday()]
            known = self._days[day] = [(self._at(day, begin), self._at(day, end)) for begin, end in hours]
        return known

    def _at(self, day: date, minute: int) -> int:
        """Return the microseconds at which the clocks show a minute of a day; one skipped by the clocks is when they go forward."""
        after, rest = divmod(minute, 1440)
        local = datetime(day.year, day.month, day.day, rest // 60, rest % 60, tzinfo=self._zone) + timedelta(days=after)
        return round(local.timestamp()) * SECOND
