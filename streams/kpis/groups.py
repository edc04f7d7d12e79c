"""Which rows a slice of a pane belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from streams.engine.policy import INTERVAL
from streams.engine.slices import Slice
from streams.kpis.coverage import Coverage
from streams.kpis.query import TOTAL, Group, Query, in_total

_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
Belongs = Callable[[Slice, int, int], Iterator[Group]]
"""`groups_of` for one question: of a slice, a start and a length."""


def groups_of(
    query: Query, of: Slice, start: int, length: int, coverage: Coverage, places: Sequence[tuple[str, str]]
) -> Iterator[Group]:
    """Yield the groups that a slice belongs to: its own, and the total if it is a part of it; start and length in microseconds."""
    by = query.by
    whole = of.breakdown is None and in_total(query, of)
    if whole:
        yield TOTAL
    if by == "queue" and of.breakdown is None and of.queue is not None:
        for channel in _channels(of, places):
            yield channel, of.queue, None, None
    elif by == "channel" and of.breakdown is None and of.channel is not None:
        yield of.channel, None, None, None
    elif by == "weekday" and whole:
        yield None, None, by, _WEEKDAYS[coverage.local(of.queue, start).weekday()]
    elif by == "hour" and whole and length <= INTERVAL:
        yield None, None, by, f"{coverage.local(of.queue, start).hour:02d}"
    elif by is not None and by == of.breakdown and (by != "hour" or in_total(query, of)):
        yield None, None, by, of.value


def _channels(of: Slice, places: Sequence[tuple[str, str]]) -> list[str]:
    """Return the channel of a slice, or for agents' time those of its queue."""
    if of.channel is not None:
        return [of.channel]
    return [channel for channel, queue in places if queue == of.queue]
