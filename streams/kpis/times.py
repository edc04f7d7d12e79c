"""The ends of a range as people type them: a day, a local time, or RFC 3339 with an offset; always on a quarter of an hour."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from streams.engine.policy import INTERVAL, SECOND

LATEST: Final = 4_102_444_800 * SECOND
"""The year 2100."""


class TimeError(ValueError):
    """A text is no end of a range; its message is what was expected."""


def moment(text: str, zone: str) -> int:
    """Return a time in microseconds; one without an offset is of ``zone``. Raise TimeError when it cannot be an end of a range.

    >>> moment("2026-03-02", "Europe/Madrid") == moment("2026-03-01T23:00:00Z", "UTC")
    True
    >>> moment("2026-03-02T09:05", "UTC")
    Traceback (most recent call last):
    streams.kpis.times.TimeError: a quarter of an hour: minutes 00, 15, 30 or 45 and no seconds
    """
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        message = "a time like 2026-03-02, 2026-03-02T09:15 or 2026-03-02T09:15:00+01:00"
        raise TimeError(message) from None
    local = read if read.tzinfo is not None else read.replace(tzinfo=ZoneInfo(zone))
    # Not by way of UTC: the first and the last days of the calendar have none.
    passed = local - datetime(1970, 1, 1, tzinfo=UTC)
    time_us = (passed.days * 86_400 + passed.seconds) * SECOND + passed.microseconds
    if time_us % INTERVAL:
        message = "a quarter of an hour: minutes 00, 15, 30 or 45 and no seconds"
        raise TimeError(message)
    if not 0 <= time_us <= LATEST:
        message = "a time between 1970 and 2100"
        raise TimeError(message)
    return time_us
