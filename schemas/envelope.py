"""What every event carries, whatever its family (docs/events.md)."""

from __future__ import annotations

from msgspec import Struct

from schemas.fields import Id, Moment, Name, microseconds


class Envelope(Struct, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag_field="type"):
    """An event: ``id`` is unique and is the duplicate key, ``time`` is when it happened, ``source`` which system."""

    id: Id
    time: Moment
    source: Name | None = None

    @property
    def time_us(self) -> int:
        """Return the event's time in microseconds since the epoch."""
        return microseconds(self.time)
