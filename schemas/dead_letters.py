"""Dead letters: why a record was refused, and the headers it carries on the dead-letter topic."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """The closed set of reasons for which a record is refused."""

    UNDECODABLE = "undecodable"
    """Not JSON, not UTF-8, or nested deeper than 128 levels."""
    UNKNOWN_TYPE = "unknown_type"
    """An object whose ``type`` is no event of ours."""
    INVALID = "invalid"
    """A field is absent, of the wrong type or out of its bounds, or contradicts another; or the record has no key."""
    NEGATIVE_DURATION = "negative_duration"
    """A stated duration is below 0."""
    IN_THE_FUTURE = "in_the_future"
    """More than 5 minutes ahead of the time at which the broker took it."""
    TOO_LATE = "too_late"
    """Further behind the watermark than the allowed lateness (48 h unless configured)."""
    TOO_LARGE = "too_large"
    """More bytes than an event, or a key, may have."""


class RefusedError(ValueError):
    """A record is no event: ``reason`` of the closed set, and a message without personal data."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


CUT_HEADERS = ("size", "sha256")
"""Carried only by a letter whose value is kept as a prefix: the bytes and the hash of the whole."""
HEADERS = ("reason", "error", "topic", "partition", "offset", "timestamp", "version", "attempt", *CUT_HEADERS)
"""Names of the headers that a dead letter carries besides those the record had (prefixed ``dead-letter-``)."""
HEADER_PREFIX = "dead-letter-"
LONGEST_MESSAGE = 1024
"""Bytes of the error header at most."""
