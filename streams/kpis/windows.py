"""Stretches of time that people ask for: the last minutes, this interval, today, or from one time to another."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from streams.engine.policy import HOUR, INTERVAL, MINUTE, SECOND, SLIDING, Days, Policy

SLIDING_WINDOWS = {"5m": 5 * MINUTE, "15m": 15 * MINUTE, "30m": 30 * MINUTE, "60m": 60 * MINUTE}
WINDOWS = (*SLIDING_WINDOWS, "interval", "today")
EVERY = ("15m", "1h", "1d", "1mo", "all")


def zone_of(policy: Policy, queue: str | None) -> str:
    """Return the time zone in which days of a queue begin, the deployment's for None.

    >>> zone_of(Policy(), None)
    'UTC'
    """
    return (policy.defaults if queue is None else policy.of(queue)).time_zone


def window(name: str, now_us: int, zone: str) -> tuple[int, int]:
    """Return the start and end of a window in microseconds; the end is the next boundary of its panes.

    >>> window("5m", 601_000_000, "UTC")
    (310000000, 610000000)
    """
    if name in SLIDING_WINDOWS:
        end = now_us - now_us % SLIDING + SLIDING
        return end - SLIDING_WINDOWS[name], end
    start = now_us - now_us % INTERVAL
    if name == "interval":
        return start, start + INTERVAL
    if name == "today":
        return Days(zone).around(now_us)[0], start + INTERVAL
    message = f"window: seen {name!r}, expected one of {', '.join(WINDOWS)}"
    raise ValueError(message)


def split(start_us: int, end_us: int, every: str, zone: str) -> Iterator[tuple[int, int]]:
    """Yield the stretches of a range, cut at the clock of a zone ("1d" at midnight, "1mo" at the first).

    >>> list(split(0, 2 * HOUR, "1h", "UTC")) == [(0, HOUR), (HOUR, 2 * HOUR)]
    True
    """
    if every == "all":
        yield start_us, end_us
        return
    begin = start_us
    while begin < end_us:
        end = min(_next(begin, every, zone), end_us)
        yield begin, end
        begin = end


def _next(time_us: int, every: str, zone: str) -> int:
    if every == "15m":
        return time_us - time_us % INTERVAL + INTERVAL
    if every == "1d":
        return Days(zone).around(time_us)[1]
    local = datetime.fromtimestamp(time_us // SECOND, UTC).astimezone(ZoneInfo(zone))
    if every == "1h":
        seconds = local.minute * 60 + local.second
        return (time_us // SECOND - seconds) * SECOND + HOUR
    if every == "1mo":
        first = (local.date().replace(day=1) + timedelta(days=32)).replace(day=1)
        return Days(zone).start(first)
    message = f"every: seen {every!r}, expected one of {', '.join(EVERY)}"
    raise ValueError(message)
