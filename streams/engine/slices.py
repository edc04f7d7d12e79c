"""Slices: what a pane is cut by (channel, queue, breakdown, value), each given a small number.

A number indexes faster than a tuple of names; the table of names is kept per partition and is never written: records carry names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from streams.engine.policy import SLIDING

TRAITS: Final = ("platform", "priority", "customer_type", "language", "entry_point")
"""Breakdowns that ``call.queued`` states, in the order in which facts keep them."""
BREAKDOWNS: Final = (*TRAITS, "level", "agent")
"""All breakdowns of contacts. Days are also broken down by "hour" (of the queue's zone)."""


WHO: Final = 32
"""Bits of a place that are a visit's group; the group of who answered is above them, 0 (no slices) when nobody did."""


class Slice(NamedTuple):
    """What a pane is cut by; None for all."""

    channel: str | None
    queue: str | None
    breakdown: str | None = None
    value: str | None = None


class Slices:
    """Numbers for slices, and for groups of them that are always credited together, as they are first seen.

    ``breakdowns`` are those that places have: a replay that asks for one has no need of the others.

    A credit names its place: the group of a visit (the queue and all its traits), or that and the group of who answered it, in one
    integer. Only a flush looks at the slices in it.
    """

    def __init__(self, breakdowns: Collection[str] = BREAKDOWNS) -> None:
        self.breakdowns = breakdowns
        self._numbers: dict[Slice, int] = {}
        self._groups: dict[tuple[int, ...], int] = {}
        self._visits: dict[tuple[str, str, tuple[str | None, ...]], int] = {}
        self._people: dict[tuple[str, str, str | None, str | None], int] = {}
        self.names: list[Slice] = []
        self.heads: list[bytes] = []
        """How a pane of the slice begins among others of its place."""
        self.place_of: list[int] = []
        """The place, channel and queue, of each slice."""
        self._places: dict[tuple[str | None, str | None], int] = {}
        self.places: list[tuple[str | None, str | None]] = []
        self.suffixes: list[bytes] = []
        """How the key of a part of a place goes on after its time."""
        self.groups: list[tuple[int, ...]] = [()]
        self.sliding: list[tuple[int, ...]] = [()]
        """Of each group the slices that have sliding panes: queues' and agents'."""
        self._exactly: dict[tuple[int, ...], int] = {}

    def number(self, name: Slice) -> int:
        """Return the number of a slice."""
        known = self._numbers.get(name)
        if known is None:
            known = self._numbers[name] = len(self.names)
            self.names.append(name)
            self.heads.append(msgspec.json.encode(name[2:])[:-1] + b",")
            self.place_of.append(self.place(name.channel, name.queue))
        return known

    def place(self, channel: str | None, queue: str | None) -> int:
        """Return the number of a place."""
        name = (channel, queue)
        known = self._places.get(name)
        if known is None:
            known = self._places[name] = len(self.places)
            self.places.append(name)
            self.suffixes.append(b"," + msgspec.json.encode(name)[1:-1] + b",")
        return known

    def group(self, names: Iterable[Slice], sliding: int | None = None) -> int:
        """Return the number of a group of slices, of which so many first ones have sliding panes (all unless said)."""
        numbers = tuple(self.number(name) for name in names)
        known = self._groups.get(numbers)
        if known is None:
            known = self._groups[numbers] = len(self.groups)
            self.groups.append(numbers)
            self.sliding.append(numbers[:sliding])
        return known

    def exactly(self, names: Iterable[Slice]) -> int:
        """Return the number of a group of these slices, all of which have sliding panes: of what was credited to either kind of pane."""
        numbers = tuple(self.number(name) for name in names)
        known = self._exactly.get(numbers)
        if known is None:
            known = self._exactly[numbers] = len(self.groups)
            self.groups.append(numbers)
            self.sliding.append(numbers)
        return known

    def of_length(self, length: int) -> list[tuple[int, ...]]:
        """Return of each group the slices that have panes of a length, microseconds."""
        return self.sliding if length == SLIDING else self.groups

    def visit(self, channel: str, queue: str, traits: tuple[str | None, ...]) -> int:
        """Return the group of a queue visit: the queue's own slice first, then one for each trait that is known."""
        key = (channel, queue, traits)
        known = self._visits.get(key)
        if known is None:
            pairs = zip(TRAITS, traits, strict=False)
            known = self._visits[key] = self.group(
                [Slice(channel, queue), *self._broken_down(channel, queue, pairs)], 1
            )
        return known

    def person(self, channel: str, queue: str, agent: str | None, level: str | None) -> int:
        """Return what turns a visit's group into the place of who answered it: the agent's slice first, then the level's, as far as known."""
        key = (channel, queue, agent, level)
        known = self._people.get(key)
        if known is None:
            pairs = (("agent", agent), ("level", level))
            names = list(self._broken_down(channel, queue, pairs))
            known = self._people[key] = (
                self.group(names, sum(name.breakdown == "agent" for name in names)) << WHO if names else 0
            )
        return known

    def _broken_down(self, channel: str, queue: str, pairs: Iterable[tuple[str, str | None]]) -> Iterator[Slice]:
        for breakdown, value in pairs:
            if value is not None and breakdown in self.breakdowns:
                yield Slice(channel, queue, breakdown, value)


def spread(place: int, groups: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the slices of a place, of the groups that `Slices` has or of those that have sliding panes.

    >>> spread(1 + (2 << WHO), [(), (7, 8), (9,)])
    (7, 8, 9)
    """
    return groups[place & _GROUP] + groups[place >> WHO]


_GROUP: Final = (1 << WHO) - 1
