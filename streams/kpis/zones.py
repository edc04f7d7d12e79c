"""Windows of queues in several time zones: `today` begins at each queue's own midnight, of totals at the deployment's.

So the total of today is not the sum of its rows where zones differ; each says when it begins (``Row.start``).

    now                                              |
    total, and queues of the deployment's zone  |----|
    a queue further east                     |-------|
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from schemas.rows import Row
from streams.kpis.figures import Figures, Query
from streams.kpis.panes import Total
from streams.kpis.windows import window, zone_of


class Span(NamedTuple):
    """A query, and the zone at whose clock it is cut; ``alone`` when it answers for the rows of all zones."""

    query: Query
    zone: str
    alone: bool


def spans(name: str, query: Query, figures: Figures) -> list[Span]:
    """Return the queries for a window (their ranges are replaced): one, or one for each zone."""
    zones = {zone_of(figures.policy, query.queue)}
    if name == "today" and query.by == "queue" and query.queue is None:
        zones |= {zone_of(figures.policy, queue) for _, queue in figures.queues()}
    found = []
    for zone in sorted(zones):
        start, end = window(name, query.now_us, zone)
        found.append(Span(query._replace(start_us=start, end_us=end), zone, len(zones) == 1))
    return found


def rows(name: str, query: Query, figures: Figures) -> list[Row]:
    """Return the rows of a window, the total last."""
    parts = spans(name, query, figures)
    found = [row for span in parts for row in own(figures.rows(span.query), span, figures)]
    return found if len(parts) == 1 else in_order(found, query.every)


def places(name: str, query: Query, figures: Figures) -> dict[tuple[str, str], Total]:
    """Return the measures and histograms of each queue's window."""
    return {
        (channel, queue): total
        for span in spans(name, query, figures)
        for (channel, queue), total in figures.places(span.query).items()
        if span.alone or zone_of(figures.policy, queue) == span.zone
    }


def own(found: Iterable[Row], span: Span, figures: Figures) -> list[Row]:
    """Return the rows that a span answers for."""
    return [row for row in found if span.alone or zone_of(figures.policy, row.queue) == span.zone]


def in_order(found: Iterable[Row], every: str) -> list[Row]:
    """Return rows by queue of several zones in the order of one: by stretch, then by name, the total last."""

    def place(row: Row) -> tuple[str, bool, str, str]:
        return "" if every == "all" else row.start, row.queue is None, row.channel or "", row.queue or ""

    return sorted(found, key=place)
