"""What the worker publishes on ``contact-center.kpis``, one compacted record a key; a null value deletes.

The record's key is a JSON array that starts with its kind, the value a JSON object:

    ["pane", length, start, channel, queue, breakdown, value]  -> Pane      (length and start in seconds)
    ["waiting", channel, queue]                                -> Waiting
    ["agent", agent_id]                                        -> AgentNow
    ["counters", channel, queue]                               -> Counters
    ["partition"]                                              -> PartitionStatus
    ["rebuilt"]                                                -> Rebuilt

Each partition of the events topic has its own records on the same partition of this topic: a reader adds the panes,
waiting callers and counters of all partitions. ``channel`` and ``queue`` are null in the panes of agents' time over all queues;
``breakdown`` and ``value`` are null in a queue's own pane.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct, field


class Pane(Struct, frozen=True, omit_defaults=True):
    """Measures (counts, and sums in microseconds) and histograms (counts by bucket) of one slice of one stretch of time."""

    measures: dict[str, int] = field(default_factory=dict)
    histograms: dict[str, dict[int, int]] = field(default_factory=dict)


class Waiting(Struct, frozen=True):
    """Callers waiting now: how many, and since when the ten who wait longest (microseconds since the epoch)."""

    waiting: int
    starts: list[int]


class AgentNow(Struct, frozen=True, omit_defaults=True):
    """An agent's state since a time, and the states of the last 65 minutes, oldest first (microseconds, state)."""

    state: str
    since: int
    reason: str | None = None
    queues: list[str] = field(default_factory=list)
    recent: list[tuple[int, str]] = field(default_factory=list)


class Counters(Struct, frozen=True):
    """Events counted so far, by type. They never fall."""

    events: dict[str, int]


class PartitionStatus(Struct, frozen=True):
    """How far a partition is: next offset, transactions so far, largest event time, and what became of the records.

    ``counted + duplicate + sum(refused.values())`` is the number of records read. Intervals that end by ``graduated`` (microseconds)
    are in their days.
    """

    offset: int
    sequence: int
    watermark: int
    counted: int
    duplicate: int
    refused: dict[str, int]
    graduated: int = 0


PANE = b'["pane",'
COUNTERS = b'["counters",'
"""How the keys of panes and of counters begin."""
PARTITION = b'["partition"]'
"""The key of how far a partition is: the last record of each transaction."""
REBUILT = b'["rebuilt"]'
"""The key of what a rebuild's records begin with."""


class Rebuilt(Struct, frozen=True):
    """The partition's records from here on are a new set, complete with its next PartitionStatus.

    Who shows figures shows the old ones until all ``partitions`` have the rebuild of this ``id``, and then the new ones at once.
    """

    id: str
    partitions: list[int]


KINDS: dict[str, type[Struct]] = {
    "pane": Pane,
    "waiting": Waiting,
    "agent": AgentNow,
    "counters": Counters,
    "partition": PartitionStatus,
    "rebuilt": Rebuilt,
}
_decoders = {kind: msgspec.json.Decoder(structure) for kind, structure in KINDS.items()}
_keys = msgspec.json.Decoder(tuple[Any, ...])


def decode_key(key: bytes) -> tuple[Any, ...]:
    """Return a record's key as a tuple; its first item is the kind."""
    decoded: tuple[Any, ...] = _keys.decode(key)
    return decoded


def split_pane_key(key: bytes) -> tuple[int, int, bytes]:
    """Return length and start (seconds) of a pane's key, and what it is cut by, still encoded: for `decode_cut`.

    >>> split_pane_key(b'["pane",900,1700000100,"call","sales",null,null]')
    (900, 1700000100, b'"call","sales",null,null]')
    """
    _, length, start, cut = key.split(b",", 3)
    return int(length), int(start), cut


def decode_cut(cut: bytes) -> tuple[str | None, ...]:
    """Return channel, queue, breakdown and value.

    >>> decode_cut(b'"call","sales",null,null]')
    ('call', 'sales', None, None)
    """
    return decode_key(b"[" + cut)


def decode_value(kind: str, value: bytes) -> Any:
    """Return a record's value as the structure of its kind; raises msgspec.ValidationError when it is not one."""
    return _decoders[kind].decode(value)
