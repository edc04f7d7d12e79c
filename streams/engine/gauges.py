"""What is told beside the panes: who waits now, and how many events of each type there were."""

from __future__ import annotations

from heapq import nsmallest

import msgspec

from schemas.panes import Counters, Waiting
from streams.engine.calls import CHANNEL
from streams.engine.records import Records

Name = tuple[bytes, str]
"""Key and contact id."""
LONGEST_WAITS = 10


class WaitingNow:
    """Callers waiting in each queue, and since when."""

    def __init__(self) -> None:
        self._starts: dict[str, dict[Name, int]] = {}
        self._changed: set[str] = set()
        self._told: dict[str, Waiting] = {}

    def begin(self, queue: str, name: Name, start: int) -> None:
        """Let a caller wait since ``start`` (microseconds)."""
        self._starts.setdefault(queue, {})[name] = start
        self._changed.add(queue)

    def end(self, queue: str, name: Name) -> None:
        """Let a caller wait no more."""
        del self._starts[queue][name]
        self._changed.add(queue)

    def flush(self) -> Records:
        """Return the records of the queues in which it changed."""
        records: Records = []
        for queue in self._changed:
            starts = self._starts[queue].values()
            value = Waiting(len(starts), nsmallest(LONGEST_WAITS, starts))
            if self._told.get(queue) != value:
                self._told[queue] = value
                records.append((msgspec.json.encode(("waiting", CHANNEL, queue)), msgspec.json.encode(value)))
        self._changed = set()
        return records

    def restore(self, queue: str, value: Waiting) -> None:
        """Know what was last told of a queue."""
        self._starts.setdefault(queue, {})
        self._told[queue] = value
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
