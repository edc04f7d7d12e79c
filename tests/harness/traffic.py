"""Events for tests of whole processes: contacts of several customers, each event once, with known ids."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime

from schemas.calls import CallAbandoned, CallAnswered, CallEnded, CallQueued
from schemas.events import Event, encode

START = round(datetime(2026, 3, 2, 9, tzinfo=UTC).timestamp())
QUEUES = ("sales", "support", "billing")
Sent = tuple[bytes, bytes]
"""Key and value of a record."""


def contact(number: int, chance: random.Random) -> list[Event]:
    """Return the events of one call, answered or abandoned, a second after the call before it."""
    name, at = f"contact-{number}", START + number * 0.5
    customer = f"customer-{chance.randrange(max(1, number // 2 + 1))}"
    wait = chance.choice([2.0, 5.0, 12.5, 20.0, 31.0, 75.25])
    common = {"contact_id": name, "customer_id": customer}
    queued = CallQueued(id=f"{name}-1", time=at, queue=chance.choice(QUEUES), **common)
    if chance.random() < 0.15:
        return [queued, CallAbandoned(id=f"{name}-2", time=at + wait, **common)]
    agent = f"agent-{chance.randrange(20)}"
    return [
        queued,
        CallAnswered(id=f"{name}-2", time=at + wait, agent_id=agent, **common),
        CallEnded(id=f"{name}-3", time=at + wait + chance.randrange(10, 400), agent_id=agent, **common),
    ]


def calls(contacts: int, seed: int = 1, *, first: int = 0) -> Iterator[Sent]:
    """Yield the records of so many contacts, in the order of their contacts, keyed by customer."""
    chance = random.Random(seed)
    for number in range(first, first + contacts):
        for event in contact(number, chance):
            yield str(event.customer_id).encode(), encode(event)


GARBAGE: dict[str, tuple[bytes | None, bytes | None]] = {
    "truncated JSON": (b"k", b'{"type": "call.queued", "id": "1'),
    "invalid UTF-8": (b"k", b'{"type": "call.queued", "id": "\xff"}'),
    "not a number": (b"k", b'{"type": "call.queued", "id": "1", "time": NaN}'),
    "huge number": (b"k", b'{"type": "call.queued", "id": "1", "time": 1' + b"0" * 400 + b"}"),
    "deep nesting": (b"k", b"[" * 10_000 + b"]" * 10_000),
    "no value": (b"k", None),
    "no key": (None, b'{"type": "call.ended", "id": "1", "time": 1772442000, "contact_id": "x"}'),
    "unknown type": (b"k", b'{"type": "call.sung", "id": "1", "time": 1772442000}'),
    "wrong type": (b"k", b'{"type": "call.ended", "id": 1, "time": 1772442000, "contact_id": "x"}'),
    "negative wait": (
        b"k",
        b'{"type": "call.abandoned", "id": "1", "time": 1772442000, "contact_id": "x", "wait_seconds": -1}',
    ),
    "in the future": (b"k", b'{"type": "call.ended", "id": "1", "time": "9999-01-01T00:00:00Z", "contact_id": "x"}'),
}
"""Records that are no events, by what is wrong with them."""
REASONS = {
    "truncated JSON": "undecodable",
    "invalid UTF-8": "undecodable",
    "not a number": "undecodable",
    "huge number": "invalid",
    "deep nesting": "undecodable",
    "no value": "undecodable",
    "no key": "invalid",
    "unknown type": "unknown_type",
    "wrong type": "invalid",
    "negative wait": "negative_duration",
    "in the future": "in_the_future",
}
"""Why each of them is refused."""
