"""A simulated event and when it is sent, as a struct and as bytes. Times are microseconds since the epoch."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from schemas.events import Event, encode

SECOND = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Timed(NamedTuple):
    """An event, when it is sent, and the key that its topic wants."""

    time_us: int
    key: bytes
    event: Event


class Sent(NamedTuple):
    """The same as bytes."""

    time_us: int
    key: bytes
    value: bytes


def encoded(stream: Iterator[Timed]) -> Iterator[Sent]:
    """Yield the same events as the bytes that are sent."""
    for time_us, key, event in stream:
        yield Sent(time_us, key, encode(event))


def moment(time_us: int) -> datetime:
    """Return the time that an event carries."""
    return _EPOCH + timedelta(microseconds=time_us)
