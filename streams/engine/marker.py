"""The marker: the record that says up to where the state is right, and in which format and under which definitions it was kept.

The format comes first, and is looked at before anything else is decoded: of another version nothing is sure but this.
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import Any, Final

import msgspec
from msgspec import Struct

from schemas.panes import FORMAT, RING, PartitionStatus
from streams.engine.floors import Floors
from streams.engine.policy import Policy, QueuePolicy

MARKER: Final = b"marker"
_CREDITS: Final = 4
"""What is credited for a fact, and where: raised with every change, as a state kept under the old rules cannot be gone on with."""


STATE_FORMAT: Final = (2, FORMAT)
"""How records are written, of the state and of the figures, since a worker takes up both: raised with every change that another version would misread."""


UNREADABLE: Final = (ValueError, LookupError, TypeError, AttributeError, struct.error)
"""What reading a record raises that is of another version, or corrupt. That of msgspec is a ValueError."""


class StateCorruptError(ValueError):
    """A record of the state cannot be read, so no figure from it could be trusted."""


class FormatChangedError(ValueError):
    """The state was written by a version that writes records otherwise; it has to be rebuilt, or gone on with by that version."""


class PolicyChangedError(ValueError):
    """The state was kept under other definitions than the ones now configured; it has to be rebuilt."""


class PanesProgress(Struct, frozen=True, array_like=True):
    """How far the panes of a partition are, which their records do not say (times in microseconds)."""

    credits: int
    """The number of the next record of credits."""
    graduated: int
    """Intervals that end by then are in their days."""
    floors: Floors


class Marker(Struct, frozen=True, array_like=True):
    """The next offset and the counts that belong to the state, the definitions' fingerprint, and how far panes are."""

    format: tuple[int, int]
    fingerprint: str
    status: PartitionStatus
    panes: PanesProgress
    writer: str = ""
    """Who wrote it, where that matters: the deployment whose state it is."""

    def encode(self) -> bytes:
        """Return the marker's record."""
        return msgspec.msgpack.encode(self)

    @staticmethod
    def decode(record: bytes) -> Marker:
        """Return the marker of a record; raises FormatChangedError when it is of another version, msgspec.MsgspecError when it is none."""
        seen = msgspec.msgpack.decode(record, type=_Head).format
        if seen != list(STATE_FORMAT):
            message = f"the state is of another version: seen format {_format_name(seen)}, expected {_format_name(STATE_FORMAT)}"
            raise FormatChangedError(message)
        return msgspec.msgpack.decode(record, type=Marker)


class _Head(Struct, frozen=True, array_like=True):
    """How the marker of any version begins."""

    format: Any


def _format_name(seen: Any) -> str:
    """Return a format's name; markers of the first versions began with something else."""
    return ".".join(map(str, seen)) if isinstance(seen, list | tuple) else "0"


def _kept(limits: QueuePolicy) -> tuple[object, ...]:
    """Return what of a queue's policy has gone into the state (targets and formulas are applied when read)."""
    return (
        limits.time_zone,
        limits.threshold,
        limits.ticket_threshold,
        limits.short_abandon,
        limits.return_window,
        limits.maximum_wait,
        limits.maximum_ticket_age,
        limits.business_hours,
    )


def fingerprint(policy: Policy) -> str:
    """Return a fingerprint of the definitions under which a state is kept.

    >>> fingerprint(Policy()) == fingerprint(Policy(queues={"sales": QueuePolicy(target=0.9)}))
    True
    """
    defaults = _kept(policy.defaults)
    queues = {name: _kept(limits) for name, limits in policy.queues.items() if _kept(limits) != defaults}
    return blake2b(
        msgspec.msgpack.encode((_CREDITS, RING, defaults, sorted(queues.items()), policy.windows)), digest_size=8
    ).hexdigest()
