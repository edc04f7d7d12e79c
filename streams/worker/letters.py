"""Dead letters as records: the refused bytes, key and headers untouched, and our headers beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from schemas.dead_letters import HEADER_PREFIX, LONGEST_MESSAGE
from streams.engine.partition import Refusal

Headers = list[tuple[str, bytes | None]]
LARGEST_LETTER = 900_000
"""Bytes of a value that is kept whole; of a larger one the first `KEPT` bytes, its size and its SHA-256."""
KEPT = 4_096
VERSION = b"1"


class Letter(NamedTuple):
    """A record for the dead-letter topic."""

    key: bytes | None
    value: bytes | None
    headers: Headers


def letter(refusal: Refusal, topic: str, partition: int, headers: Iterable[tuple[str, bytes | None]]) -> Letter:
    """Return the dead letter of a refused record that came with ``headers``."""
    record = refusal.record
    own = [(name, value) for name, value in headers if not name.startswith(HEADER_PREFIX)]
    value, cut = _fit(record.value)
    ours = {
        "reason": str(refusal.reason).encode(),
        "error": refusal.message.encode()[:LONGEST_MESSAGE].decode(errors="ignore").encode(),
        "topic": topic.encode(),
        "partition": b"%d" % partition,
        "offset": b"%d" % record.offset,
        "timestamp": b"%d" % record.timestamp_us,
        "version": VERSION,
        "attempt": b"%d" % (attempt(headers) + 1),
    } | cut
    return Letter(record.key, value, [*own, *((HEADER_PREFIX + name, text) for name, text in ours.items())])


def attempt(headers: Iterable[tuple[str, bytes | None]]) -> int:
    """Return how often a record was refused before, 0 for one that never was.

    >>> attempt([("dead-letter-attempt", b"2")]), attempt([]), attempt([("dead-letter-attempt", b"x")])
    (2, 0, 0)
    """
    text = dict(headers).get(HEADER_PREFIX + "attempt") or b"0"
    return int(text) if text.isdigit() and len(text) < 10 else 0


def _fit(value: bytes | None) -> tuple[bytes | None, dict[str, bytes]]:
    if value is None or len(value) <= LARGEST_LETTER:
        return value, {}
    return value[:KEPT], {"size": b"%d" % len(value), "sha256": hashlib.sha256(value).hexdigest().encode()}
