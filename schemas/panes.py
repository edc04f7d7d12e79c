"""What the worker publishes on ``contact-center.kpis``, one compacted record a key; a null value deletes.

The record's key is a JSON array that starts with its kind, the value a JSON object:

    ["panes", length, start, channel, queue, part]             -> [[breakdown, value, Pane], ...]  (length and start in seconds)
    ["credits", slot]                                          -> Credits
    ["waiting", channel, queue]                                -> Waiting
    ["agent", agent_id]                                        -> AgentNow
    ["counters", channel, queue]                               -> Counters
    ["partition"]                                              -> PartitionStatus
    ["rebuilt"]                                                -> Rebuilt

Each partition of the events topic has its own records on the same partition of this topic: a reader adds the panes,
waiting callers and counters of all partitions. The panes of a queue in a stretch of time are in parts, each pane in one of them; a part
that is written again replaces all that it had. ``channel`` and ``queue`` are null in the panes of agents' time over all queues; ``breakdown``
and ``value`` are null in a queue's own pane, which comes first in part 0.

A transaction of few credits publishes them in one record, and the parts of the panes that they change later. So the panes of a partition are
what its parts say and what its credits add: of all records of credits that are there, those with a higher number than the highest
one that says the pane (length and start) is whole. What is credited to a pane of 10 s is of the one of 900 s around it too, and of itself only
where it is a queue's own or an agent's: others have no panes of 10 s. A record takes the place of the one `RING` numbers before it, by when all
panes that that one changed are whole. Who comes to a part that a compaction has left reads right figures once all records are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct, field


class Pane(Struct, frozen=True, omit_defaults=True):
    """Measures (counts, and sums in microseconds) and histograms (counts by bucket) of one slice of one stretch of time."""

    measures: dict[str, int] = field(default_factory=dict)
    histograms: dict[str, dict[int, int]] = field(default_factory=dict)


class Cut(Struct, frozen=True, array_like=True):
    """A pane, and the breakdown and value that it is cut by: null in a queue's own."""

    breakdown: str | None
    value: str | None
    pane: Pane


class Credits(Struct, frozen=True, omit_defaults=True):
    """What one transaction adds to panes of which the parts are not written yet, and the panes that are whole from it on.

    Measures and counts may be negative here.
    """

    number: int
    whole: list[tuple[int, int]] = field(default_factory=list)
    """Length and start (seconds): the parts say what these panes hold, the credits of this record included."""
    slices: list[tuple[str | None, str | None, str | None, str | None]] = field(default_factory=list)
    """Channel, queue, breakdown and value."""
    panes: list[PaneCredits] = field(default_factory=list)


class PaneCredits(Struct, frozen=True, array_like=True):
    """What is added to panes that begin at ``start`` and are ``length`` long (seconds); of 10 s, to those of 900 s around them too."""

    length: int
    start: int
    credits: list[Credit]


class Credit(Struct, frozen=True, array_like=True):
    """What is added to the panes of slices, each by its index in `Credits.slices`."""

    slices: list[int]
    measures: dict[str, int]
    histograms: dict[str, dict[int, int]]


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
    are in their days. ``format`` is the `FORMAT` in which all of the partition's records are written, ``definitions`` a fingerprint of those
    under which they were counted (empty: not said).
    """

    offset: int
    sequence: int
    watermark: int
    counted: int
    duplicate: int
    refused: dict[str, int]
    graduated: int = 0
    format: int = 0
    definitions: str = ""


FORMAT: Final = 1
"""How the records here are written, raised with every change that who knows another one would misread. Those that do not say it are of 0."""
PANES = b'["panes",'
CREDITS = b'["credits",'
COUNTERS = b'["counters",'
"""How the keys of panes, of credits and of counters begin."""
RING: Final = 40
"""Slots of the records of credits, each in the one of its number modulo so many."""
SHORT: Final = 10
QUARTER: Final = 900
"""Lengths of panes, those of days apart (seconds); to these records of credits add."""
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


KINDS: dict[str, Any] = {
    "panes": list[Cut],
    "credits": Credits,
    "waiting": Waiting,
    "agent": AgentNow,
    "counters": Counters,
    "partition": PartitionStatus,
    "rebuilt": Rebuilt,
}
_decoders: Final[dict[str, Any]] = {kind: msgspec.json.Decoder(structure) for kind, structure in KINDS.items()}
_keys = msgspec.json.Decoder(tuple[Any, ...])


def decode_key(key: bytes) -> tuple[Any, ...]:
    """Return a record's key as a tuple; its first item is the kind."""
    decoded: tuple[Any, ...] = _keys.decode(key)
    return decoded


def split_panes_key(key: bytes) -> tuple[int, int, bytes, int]:
    """Return length and start (seconds) of a part's key, its channel and queue, still encoded, and its number.

    >>> split_panes_key(b'["panes",900,1700000100,"call","sales",0]')
    (900, 1700000100, b'"call","sales"', 0)
    """
    _, length, start, rest = key.split(b",", 3)
    place, _, part = rest.rpartition(b",")
    return int(length), int(start), place, int(part[:-1])


def decode_place(place: bytes) -> tuple[str | None, str | None]:
    """Return channel and queue.

    >>> decode_place(b'"call","sales"')
    ('call', 'sales')
    """
    channel, queue = decode_key(b"[" + place + b"]")
    return channel, queue


def panes_of(key: bytes, value: bytes) -> Iterator[tuple[tuple[Any, ...], Pane]]:
    """Yield (length, start, channel, queue, breakdown, value) and the pane, of each in a part, without what credits add; nothing of other records."""
    if key.startswith(PANES):
        place = decode_key(key)[1:-1]
        for cut in decode_value("panes", value):
            yield (*place, cut.breakdown, cut.value), cut.pane


def credited_panes(length: int, start: int) -> tuple[tuple[int, int], ...]:
    """Return length and start (seconds) of the panes to which credits of a pane go: its interval, and itself if it is one of 10 s.

    >>> credited_panes(10, 1700000110), credited_panes(900, 1700000100)
    (((900, 1700000100), (10, 1700000110)), ((900, 1700000100),))
    """
    quarter = (QUARTER, start - start % QUARTER)
    return (quarter, (SHORT, start)) if length == SHORT else (quarter,)


class _Format(Struct, frozen=True):
    format: Any = 0


_format: Final = msgspec.json.Decoder(_Format).decode


def format_of(status: bytes) -> Any:
    """Return the format of a partition's records from its status, of which nothing else need be as it is here, nor the format a number.

    >>> format_of(b'{"offset":"0000-0007","format":7}'), format_of(b'{"format":"2.0"}'), format_of(b"{}")
    (7, '2.0', 0)
    """
    return _format(status).format


def is_in(length: int, breakdown: str | None) -> bool:
    """Tell whether panes of a length (seconds) are cut by a breakdown.

    >>> is_in(10, "agent"), is_in(10, "language"), is_in(900, "language")
    (True, False, True)
    """
    return length != SHORT or breakdown is None or breakdown == "agent"


def decode_value(kind: str, value: bytes) -> Any:
    """Return a record's value as the structure of its kind; raises msgspec.ValidationError when it is not one."""
    return _decoders[kind].decode(value)
