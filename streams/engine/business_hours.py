"""Business hours: how much of a stretch of time a queue was open, by its calendar and the clocks of its zone.

It is open whenever the clocks show a time within the hours. So of a night on which they go forward the part that they skip is no time
at all, and of one on which they go back an hour that they show twice counts twice.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

SECOND = 1_000_000
_DAY: Final = 86_400
_EPOCH: Final = date(1970, 1, 1)
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
        self._holidays = {(date.fromisoformat(day) - _EPOCH).days for day in calendar.holidays}
        self._zone = ZoneInfo(zone)
        self._days: dict[int, list[tuple[int, int]]] = {}
        """When it is open, of each day of UTC since 1970."""

    def between(self, start: int, end: int) -> int:
        """Return the open time from ``start`` to ``end``, all in microseconds.

        >>> nine_to_five = ((540, 1020),)
        >>> hours = BusinessHours(Calendar((nine_to_five,) * 5 + ((), ())), "UTC")
        >>> hours.between(16 * 3600 * SECOND, (24 + 10) * 3600 * SECOND) // (3600 * SECOND)  # a Thursday and a Friday
        2
        """
        total = 0
        for day in range(start // (_DAY * SECOND), end // (_DAY * SECOND) + 1):
            for opens, closes in self._open(day):
                total += max(0, min(end, closes) - max(start, opens))
        return total

    def _open(self, day: int) -> list[tuple[int, int]]:
        known = self._days.get(day)
        if known is None:
            known = self._days[day] = [
                stretch for even in self._even(day * _DAY, (day + 1) * _DAY) for stretch in self._within(*even)
            ]
        return known

    def _even(self, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield the stretches of a day in which the clocks go evenly, and by how much they are ahead of UTC, all in seconds."""
        before, after = self._ahead(begin), self._ahead(end)
        change = end
        if before != after:
            change = begin + bisect_left(range(begin, end), 1, key=lambda time: self._ahead(time) == after)
            yield change, end, after
        yield begin, change, before

    def _within(self, begin: int, end: int, ahead: int) -> Iterator[tuple[int, int]]:
        """Yield when it is open between two seconds: whenever the clocks, so much ahead of UTC, show a time within the hours."""
        for day in range((begin + ahead) // _DAY, (end - 1 + ahead) // _DAY + 1):
            midnight = day * _DAY - ahead
            for opens, closes in () if day in self._holidays else self._week[(day + _EPOCH.weekday()) % 7]:
                first, last = max(begin, midnight + 60 * opens), min(end, midnight + 60 * closes)
                if first < last:
                    yield first * SECOND, last * SECOND

    def _ahead(self, time: int) -> int:
        ahead = datetime.fromtimestamp(time, self._zone).utcoffset()
        return 0 if ahead is None else round(ahead.total_seconds())
