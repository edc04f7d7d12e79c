"""Records: what comes from the events topic, why one is refused, and what goes out in one transaction."""

from __future__ import annotations

from typing import Final, NamedTuple

from schemas.dead_letters import Reason, RefusedError
from schemas.events import CHECKED, TIMED, Event, contradiction, decode, negative_duration

_TIMED: Final = frozenset(TIMED)
"""Types of events that state durations; `isinstance` asks their metaclass, at five times the cost."""
_CHECKED: Final = frozenset(CHECKED)
LONGEST_KEY: Final = 1024
"""Bytes. A record with a longer key is refused (too_large)."""
CONTACT: Final = b"c"
PAGE: Final = b"p"
BLOCK: Final = b"b"
AGENT: Final = b"a"
"""First byte of the key of a contact's, of one of its pages', of a block's of quiet customers, and of an agent's, record of the state."""

Records = list[tuple[bytes, bytes | None]]
"""Keys and values to write; None deletes."""


class Record(NamedTuple):
    """A record of the events topic; ``timestamp_us`` is when the broker took it, microseconds."""

    offset: int
    timestamp_us: int
    key: bytes | None
    value: bytes | None


class Refusal(NamedTuple):
    """A record that is not counted, and why."""

    record: Record
    reason: Reason
    message: str


class Changes(NamedTuple):
    """Records to write in one transaction. The marker is the last of the state."""

    state: Records
    kpis: Records


def key_of(key: bytes | None) -> bytes:
    """Return a record's key, or raise `RefusedError`: without one its customer's records would scatter."""
    if not key:
        raise RefusedError(Reason.INVALID, "key: seen nothing, expected the customer's identity")
    if len(key) > LONGEST_KEY:
        raise RefusedError(Reason.TOO_LARGE, f"key: seen {len(key)} bytes, expected at most {LONGEST_KEY}")
    return key


def event_of(value: bytes | None) -> Event:
    """Return a record's event, or raise `RefusedError`."""
    if value is None:
        raise RefusedError(Reason.UNDECODABLE, "record: seen no value, expected a JSON object")
    event = decode(value)
    if type(event) in _TIMED:
        wrong = negative_duration(event)
        if wrong is not None:
            raise RefusedError(Reason.NEGATIVE_DURATION, wrong)
    elif type(event) in _CHECKED:
        wrong = contradiction(event)
        if wrong is not None:
            raise RefusedError(Reason.INVALID, wrong)
    return event


def contact_key(key: bytes, name: str) -> bytes:
    """Return the key of a contact's record of the state, from its records' key and its id.

    >>> split_contact_key(contact_key(b"ana", "c1"))
    (b'ana', 'c1')
    """
    return CONTACT + len(key).to_bytes(2, "big") + key + name.encode()


def page_key(key: bytes, name: str, number: int) -> bytes:
    """Return the key of a page of a contact's facts.

    >>> split_page_key(page_key(b"ana", "c1", 3))
    (b'ana', 'c1', 3)
    """
    return PAGE + number.to_bytes(4, "big") + contact_key(key, name)


def split_page_key(key: bytes) -> tuple[bytes, str, int]:
    """Return the records' key, the id of a contact and the number of a page."""
    return *split_contact_key(key[5:]), int.from_bytes(key[1:5], "big")


def block_key(number: int) -> bytes:
    """Return the key of a block of quiet customers.

    >>> split_block_key(block_key(7))
    7
    """
    return BLOCK + number.to_bytes(6, "big")


def split_block_key(key: bytes) -> int:
    """Return the number of a block."""
    return int.from_bytes(key[1:], "big")


def split_contact_key(key: bytes) -> tuple[bytes, str]:
    """Return the records' key and the id of a contact."""
    end = 3 + (key[1] << 8 | key[2])
    return key[3:end], key[end:].decode()
