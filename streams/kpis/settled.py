"""First-contact resolution that no return can change any more: of the last week whose customers' window W has passed, and of the weeks before.

Days are those of the queue's zone, W is the queue's.

    |      the four weeks before      | settled week |  rest of a day, W  |now
    |---------------------------------|--------------|--------------------|
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from schemas.fields import rfc3339
from schemas.rows import Figure, Row
from streams.engine.measures import unpack
from streams.engine.policy import SECOND, Days, QueuePolicy
from streams.kpis.evaluate import added
from streams.kpis.figures import Figures
from streams.kpis.registry import BY_ID

KPI: Final = BY_ID["first_contact_resolution"]
WEEK: Final = "settled_week"
BEFORE: Final = "settled_weeks_before"
WINDOWS: Final = {WEEK: (7, 0), BEFORE: (35, 7)}
"""How many days before the end of the settled week each begins and ends."""


class Stretch(NamedTuple):
    """A window's name, its start and end in microseconds."""

    window: str
    begin: int
    end: int


def stretches(now_us: int, limits: QueuePolicy) -> Iterator[Stretch]:
    """Yield the windows of a queue at a time.

    >>> from streams.engine.policy import DAY
    >>> [(window, begin / DAY, end / DAY) for window, begin, end in stretches(round(100.7 * DAY), QueuePolicy())]
    [('settled_week', 86.0, 93.0), ('settled_weeks_before', 58.0, 86.0)]
    """
    days = Days(limits.time_zone)
    last = datetime.fromtimestamp((now_us - limits.return_window) // SECOND, UTC).astimezone(days.zone).date()
    for window, (begin, end) in WINDOWS.items():
        yield Stretch(window, days.start(last - timedelta(days=begin)), days.start(last - timedelta(days=end)))


def settled(figures: Figures, now_us: int) -> dict[str, list[Row]]:
    """Return by window the rows of the queues; none where days are no longer kept."""
    alike: dict[tuple[str, int], set[str]] = {}
    for _, queue in figures.queues():
        limits = figures.policy.of(queue)
        alike.setdefault((limits.time_zone, limits.return_window), set()).add(queue)
    found: dict[str, list[Row]] = {window: [] for window in WINDOWS}
    for queues in alike.values():
        for stretch in stretches(now_us, figures.policy.of(min(queues))):
            bundles = figures.days(stretch.begin, stretch.end, queues)
            found[stretch.window] += _rows(stretch, bundles.items())
    return found


def _rows(stretch: Stretch, bundles: Iterable[tuple[tuple[str, str], int]]) -> Iterator[Row]:
    for (channel, queue), bundle in bundles:
        sums = unpack(bundle)
        top, bottom = added(KPI.numerator, sums), added(KPI.denominator or {}, sums)
        figure = Figure(top / bottom if bottom > 0 else None, top, bottom, KPI.unit, "final")
        yield Row(
            rfc3339(stretch.begin), rfc3339(stretch.end), channel, queue, None, None, {KPI.id: figure},
        )  # fmt: skip
