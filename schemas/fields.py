"""The field types that all events share: names, times, durations.

Times are integer microseconds since 1970-01-01T00:00Z inside the program (``*_us``), so that sums are exact and
any order of additions gives the same figure. On the wire a time is RFC 3339 with an offset, or epoch seconds.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from msgspec import Meta

MICROSECONDS = 1_000_000
LONGEST_DURATION = 10 * 366 * 86_400.0
"""Seconds. A longer wait than ten years is a mistake of the source, not a wait."""
EARLIEST, LATEST = -62_135_596_800.0, 253_402_300_799.0
"""Seconds since the epoch: the years 1 to 9999. Milliseconds fall outside and are refused, not guessed."""

Id = Annotated[str, Meta(min_length=1, max_length=256, description="Identity, opaque")]
Name = Annotated[str, Meta(min_length=1, max_length=128, description="Name of a queue, an agent or a category")]
Text = Annotated[str, Meta(max_length=256, description="Free text, not used in figures")]
Seconds = Annotated[
    float, Meta(le=LONGEST_DURATION, description="Duration in seconds, not negative (else refused: negative_duration)")
]
Moment = Annotated[
    Annotated[datetime, Meta(tz=True)] | Annotated[float, Meta(ge=EARLIEST, le=LATEST)],
    Meta(
        description="RFC 3339 with offset, or seconds since 1970-01-01T00:00Z", examples=["2026-03-02T09:00:00+01:00"]
    ),
]
Score = Annotated[float, Meta(ge=-1e6, le=1e6, description="Answer to a survey, or an end of its scale")]
Amount = Annotated[
    Decimal,
    Meta(description="Amount of money, a number or its text: at most 6 decimals, below 10^12", examples=["19.90"]),
]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", description="ISO 4217 code", examples=["EUR"])]
LARGEST_AMOUNT, DECIMALS = 10**12, 6

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(moment: datetime | float) -> int:
    """Return a moment as microseconds since the epoch.

    >>> microseconds(1.5)
    1500000
    >>> microseconds(datetime.fromisoformat("1970-01-01T01:00:00.000001+01:00"))
    1
    """
    if isinstance(moment, datetime):
        passed = moment - _EPOCH
        return (passed.days * 86_400 + passed.seconds) * MICROSECONDS + passed.microseconds
    return round(moment * MICROSECONDS)


def rfc3339(time_us: int) -> str:
    """Return microseconds since the epoch as RFC 3339 in UTC.

    >>> rfc3339(1_500_000)
    '1970-01-01T00:00:01.500000Z'
    """
    seconds, fraction = divmod(time_us, MICROSECONDS)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{fraction:06d}Z" if fraction else f"{text}Z"
