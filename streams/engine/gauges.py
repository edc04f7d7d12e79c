"""What is published beside the panes: who waits now, and how many events of each type there were."""

from __future__ import annotations

from heapq import nsmallest

import msgspec

from schemas.panes import Counters, Waiting
from streams.engine.records import Records

Name = tuple[bytes, str]
"""Key and contact id."""
Place = tuple[str, str]
"""Channel and queue."""
LONGEST_WAITS = 10


class WaitingNow:
    """Customers waiting in each queue, and since when."""

    def __init__(self) -> None:
        self._starts: dict[Place, dict[Name, int]] = {}
        self.where: dict[Name, Place] = {}
        self._changed: set[Place] = set()
        self._published: dict[Place, Waiting] = {}

    def of(self, name: Name) -> tuple[Place, int] | None:
        """Return where, and since when (microseconds), a contact waits; None when it does not."""
        place = self.where.get(name)
        return None if place is None else (place, self._starts[place][name])

    def begin(self, name: Name, place: Place, start: int) -> None:
        """Let a customer wait since ``start`` (microseconds)."""
        self._starts.setdefault(place, {})[name] = start
        self.where[name] = place
        self._changed.add(place)

    def end(self, name: Name) -> None:
        """Let a customer wait no more."""
        place = self.where.pop(name)
        del self._starts[place][name]
        self._changed.add(place)

    def flush(self) -> Records:
        """Return the records of the queues in which it changed."""
        records: Records = []
        for place in self._changed:
            starts = self._starts[place].values()
            value = Waiting(len(starts), nsmallest(LONGEST_WAITS, starts))
            if self._published.get(place) != value:
                self._published[place] = value
                records.append((msgspec.json.encode(("waiting", *place)), msgspec.json.encode(value)))
        self._changed = set()
        return records

    def restore(self, place: Place, value: Waiting) -> None:
        """Know what was last published of a queue."""
        self._starts.setdefault(place, {})
        self._published[place] = value
        self._changed = set()


class EventCounters:
    """Events counted by channel and queue, then by type."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str | None, str | None], dict[str, int]] = {}
        self._new: dict[tuple[str | None, str | None, str], int] = {}

    def add(self, channel: str | None, queue: str | None, kind: str) -> None:
        """Count an event."""
        what = (channel, queue, kind)
        self._new[what] = self._new.get(what, 0) + 1

    def flush(self) -> Records:
        """Return the records of those that changed."""
        changed = {}
        for (channel, queue, kind), count in self._new.items():
            counts = changed[channel, queue] = self._counts.setdefault((channel, queue), {})
            counts[kind] = counts.get(kind, 0) + count
        self._new = {}
        return [
            (msgspec.json.encode(("counters", *where)), msgspec.json.encode(Counters(counts)))
            for where, counts in changed.items()
        ]

    def restore(self, channel: str | None, queue: str | None, value: Counters) -> None:
        """Take the counts back from their record."""
        self._counts[channel, queue] = value.events
