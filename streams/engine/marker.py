"""The marker: the record that says up to where the state is right, and under which definitions it was kept."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import msgspec
from msgspec import Struct

from schemas.panes import RING, PartitionStatus
from streams.engine.policy import Policy, QueuePolicy

MARKER: Final = b"marker"
_CREDITS: Final = 3
"""What is credited for a fact, and where: raised with every change, as a state kept under the old rules cannot be gone on with."""


class StateCorruptError(ValueError):
    """A record of the state cannot be read, so no figure from it could be trusted."""


class PolicyChangedError(ValueError):
    """The state was kept under other definitions than the ones now configured; it has to be rebuilt."""


class Marker(Struct, frozen=True, array_like=True):
    """The next offset and the counts that belong to the state, the definitions' fingerprint, and what panes remember."""

    fingerprint: str
    status: PartitionStatus
    panes: tuple[int, int, int, int, int, int]
    """The number of the next record of credits, how far intervals are in their days, and how far panes of the four kinds are dropped (microseconds)."""
    writer: str = ""
    """Who wrote it, where that matters: the deployment whose state it is."""

    def encode(self) -> bytes:
        """Return the marker's record."""
        return msgspec.msgpack.encode(self)

    @staticmethod
    def decode(record: bytes) -> Marker:
        """Return the marker of a record."""
        return msgspec.msgpack.decode(record, type=Marker)


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
