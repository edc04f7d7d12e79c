"""Who waited at a time that has passed: those who wait now, less those who came since, plus those who left since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from streams.engine.measures import SHIFT
from streams.engine.policy import INTERVAL, SECOND
from streams.engine.slices import Slice
from streams.kpis.coverage import Coverage, Piece
from streams.kpis.query import TOTAL, Group, Place, Query

Growth = dict[Place, int | None]
"""By how much each queue has grown since a time; None where only the whole day around that time is known."""
_FOREVER = (1 << 40) * SECOND
_COUNT = (1 << 32) - 1


class WaitingNow(Struct, frozen=True):
    """Callers of a queue who wait now, and since when the first of them does (microseconds)."""

    channel: str
    queue: str
    count: int
    longest_since_us: int | None


def growth_since(times: Iterable[int], coverage: Coverage) -> dict[int, Growth]:
    """Return by how much each queue has grown since each of the times: entered less answered, abandoned and flowed out.

    One walk over the panes from the last back, however many times are asked for.
    """
    quarters = {time: time + -time % INTERVAL for time in times}
    first = min(quarters.values(), default=_FOREVER)
    pieces = sorted(coverage.panes(first, _FOREVER, None, _of_contacts), key=lambda piece: piece.start)
    found: dict[int, Growth] = {}
    grown: dict[Place, int] = {}
    for time, quarter in sorted(quarters.items(), reverse=True):
        while pieces and pieces[-1].start >= quarter:
            _add(grown, pieces.pop())
        at = dict(grown)
        for piece in coverage.sliding(time, quarter, None, _of_contacts):
            _add(at, piece)
        found[time] = at | {(of.channel, of.queue): None for of in coverage.cut(quarter, None) if _of_contacts(of)}
    return found


def waiting_at(
    now: Iterable[WaitingNow], growth: Growth, query: Query, groups: Mapping[Group, object]
) -> dict[Group, int | None]:
    """Return who waited in each group at the time of a growth, None where that is not known."""
    found: dict[Group, int | None] = {}
    for one in now:
        if query.channel not in {None, one.channel} or query.queue not in {None, one.queue}:
            continue
        grown = growth.get((one.channel, one.queue), 0)
        for group in ((one.channel, one.queue, None, None), (one.channel, None, None, None), TOTAL):
            if group in groups:
                before = found.get(group, 0)
                found[group] = None if grown is None or before is None else before + one.count - grown
    return found


def _of_contacts(of: Slice) -> bool:
    return of.channel is not None


def _add(grown: dict[Place, int], piece: Piece) -> None:
    place = (piece.of.channel, piece.of.queue)
    entered, *left = (
        piece.total.bundle >> SHIFT[name] & _COUNT for name in ("entered", "answered", "abandoned", "flowed_out")
    )
    grown[place] = grown.get(place, 0) + entered - sum(left)
