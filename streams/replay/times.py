"""The ends of a range as people type them: a day, a local time, or RFC 3339 with an offset; always on a quarter of an hour."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import click

from streams.engine.policy import INTERVAL, SECOND


def moment(name: str, text: str, zone: str) -> int:
    """Return a time in microseconds; one without an offset is of ``zone``. Raise UsageError naming the option.

    >>> moment("--from", "2026-03-02", "Europe/Madrid") == moment("--from", "2026-03-01T23:00:00Z", "UTC")
    True
    >>> moment("--to", "2026-03-02T09:05", "UTC")
    Traceback (most recent call last):
    click.exceptions.UsageError: --to: seen '2026-03-02T09:05', expected a quarter of an hour: minutes 00, 15, 30 or 45
    """
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(
            f"{name}: seen {text!r}, expected a time like 2026-03-02, 2026-03-02T09:15 or 2026-03-02T09:15:00+01:00"
        ) from None
    local = read if read.tzinfo is not None else read.replace(tzinfo=ZoneInfo(zone))
    passed = local.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    time_us = (passed.days * 86_400 + passed.seconds) * SECOND + passed.microseconds
    if time_us % INTERVAL:
        raise click.UsageError(f"{name}: seen {text!r}, expected a quarter of an hour: minutes 00, 15, 30 or 45")
    return time_us
