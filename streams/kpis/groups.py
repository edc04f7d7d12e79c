"""Which rows a slice of a pane belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from streams.engine.measures import AGENTS_TIME
from streams.engine.policy import INTERVAL
from streams.engine.slices import Slice
from streams.kpis.coverage import Coverage, Piece
from streams.kpis.panes import Total
from streams.kpis.query import NO_CHANNEL, NO_QUEUE, TOTAL, Group, Query, in_total

_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
Belongs = Callable[[Slice, int, int], Iterator[Group]]
"""`groups_of` for one question: of a slice, a start and a length."""


def apart(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Yield pieces with agents' time, which is of every channel, apart from what else is of no channel, which is of none."""
    for piece in pieces:
        of, total, start, length = piece
        if of.channel is not None:
            yield piece
            continue
        time = total.bundle & AGENTS_TIME
        if time:
            yield Piece(of, Total(time), start, length)
        if time != total.bundle or total.counts:
            rest = Total(total.bundle - time)
            rest.counts = total.counts
            yield Piece(of._replace(channel=NO_CHANNEL), rest, start, length)


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
            if channel is not None or query.queue is None:  # else the total has that name
                yield channel, of.queue, None, None
    elif by == "queue" and query.nowhere and of.breakdown is None and of.channel is not None:
        yield of.channel or None, NO_QUEUE, None, None
    elif by == "channel" and of.breakdown is None and of.channel:
        yield of.channel, None, None, None
    elif by == "weekday" and whole:
        yield None, None, by, _WEEKDAYS[coverage.local(of.queue, start).weekday()]
    elif by == "hour" and whole and length <= INTERVAL:
        yield None, None, by, f"{coverage.local(of.queue, start).hour:02d}"
    elif by is not None and by == of.breakdown and (by != "hour" or in_total(query, of)):
        yield None, None, by, of.value


def _channels(of: Slice, places: Sequence[tuple[str, str]]) -> Sequence[str | None]:
    """Return the channel of a slice; for agents' time all of its queue, for other things the only one, or None where there are several."""
    if of.channel:
        return [of.channel]
    channels = [channel for channel, queue in places if queue == of.queue]
    return channels if of.channel is None or len(channels) == 1 else [None]
