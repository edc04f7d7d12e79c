"""Slices: what a pane is cut by (channel, queue, breakdown, value), each given a small number.

A number indexes faster than a tuple of names; the table of names is kept per partition and is never written: records carry names.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

TRAITS: Final = ("platform", "priority", "customer_type", "language", "entry_point")
"""Breakdowns that ``call.queued`` states, in the order in which facts keep them."""
BREAKDOWNS: Final = (*TRAITS, "level", "agent")
"""All breakdowns of contacts. Days are also broken down by "hour" (of the queue's zone)."""


class Slice(NamedTuple):
    """What a pane is cut by; None for all."""

    channel: str | None
    queue: str | None
    breakdown: str | None = None
    value: str | None = None


class Slices:
    """Numbers for slices, given in the order in which they are first seen."""

    def __init__(self) -> None:
        self._numbers: dict[Slice, int] = {}
        self._visits: dict[tuple[str, str, tuple[str | None, ...]], tuple[int, ...]] = {}
        self._people: dict[tuple[str, str, str, str | None], tuple[int, ...]] = {}
        self.names: list[Slice] = []
        self.suffixes: list[bytes] = []

    def number(self, name: Slice) -> int:
        """Return the number of a slice."""
        known = self._numbers.get(name)
        if known is None:
            known = self._numbers[name] = len(self.names)
            self.names.append(name)
            self.suffixes.append(b"," + msgspec.json.encode(name)[1:])
        return known

    def visit(self, channel: str, queue: str, traits: tuple[str | None, ...]) -> tuple[int, ...]:
        """Return the slices of a queue visit: the queue's own first, then one for each trait that is known."""
        key = (channel, queue, traits)
        known = self._visits.get(key)
        if known is None:
            pairs = zip(TRAITS, traits, strict=False)
            known = self._visits[key] = (
                self.number(Slice(channel, queue)),
                *(self.number(Slice(channel, queue, name, value)) for name, value in pairs if value is not None),
            )
        return known

    def person(self, channel: str, queue: str, agent: str, level: str | None) -> tuple[int, ...]:
        """Return the slices of who answered: the agent's first, then the level of attention when it is known."""
        key = (channel, queue, agent, level)
        known = self._people.get(key)
        if known is None:
            known = (self.number(Slice(channel, queue, "agent", agent)),)
            if level is not None:
                known += (self.number(Slice(channel, queue, "level", level)),)
            self._people[key] = known
        return known
