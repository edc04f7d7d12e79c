"""Business hours as people write them: ``["mon-fri 09:00-14:00 15:00-18:30", "sat 10:00-14:00"]``, and holidays ``["2026-12-25"]``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Final

from streams.engine.business_hours import Calendar, Hours

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LINE: Final = re.compile(r"([a-z]{3})(?:-([a-z]{3}))?((?: +\d\d:\d\d-\d\d:\d\d)+)")
_TIMES: Final = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")


def calendar(lines: Sequence[str], holidays: Sequence[str]) -> Calendar | None:
    """Return the calendar; None, always open, where nothing is said. Raises ValueError with what was seen and expected.

    >>> calendar(["mon-tue 09:00-12:00"], []).week[1:3]
    (((540, 720),), ())
    """
    if not lines and not holidays:
        return None
    week: list[Hours] = [() if lines else ((0, 1440),)] * 7
    for line in lines:
        days, hours = _read(line)
        for day in days:
            if week[day]:
                message = f"seen {line!r}, expected each day in one line only, {WEEKDAYS[day]} is in two"
                raise ValueError(message)
            week[day] = hours
    for day_off in holidays:
        try:
            date.fromisoformat(day_off)
        except ValueError:
            message = f"seen {day_off!r}, expected a date such as 2026-12-25"
            raise ValueError(message) from None
    return Calendar(tuple(week), tuple(holidays))  # type: ignore[arg-type]  # seven


def _read(line: str) -> tuple[range, Hours]:
    """Return the days, from Monday, and the hours of a line."""
    found = _LINE.fullmatch(line.strip().lower())
    first, last = (found[1], found[2] or found[1]) if found else ("", "")
    if found is None or first not in WEEKDAYS or last not in WEEKDAYS or WEEKDAYS.index(first) > WEEKDAYS.index(last):
        message = f"seen {line!r}, expected days and hours such as 'mon-fri 09:00-14:00 15:00-18:00'"
        raise ValueError(message)
    hours = tuple(
        (int(h) * 60 + int(m), int(until_h) * 60 + int(until_m)) for h, m, until_h, until_m in _TIMES.findall(found[3])
    )
    times = [time for stretch in hours for time in stretch]
    if times != sorted(set(times)) or times[-1] > 1440:
        message = f"seen {line!r}, expected hours one after the other, none after 24:00"
        raise ValueError(message)
    return range(WEEKDAYS.index(first), WEEKDAYS.index(last) + 1), hours
