"""What an alert found, missed and made up, told from the calls themselves and not from any rule.

Callers are hurt around one who gave up (not within the short limit) when of those who entered within 2.5 minutes of him, before or after, or of
the ten nearest, more gave up than the bound and chance explain: by more than three standard errors. Hindsight knows how each of them ended.

    incident |-----------------------------|
    callers     . . . x . x x . x x . x x . .          x gave up
                          ^ begins to hurt  ^ page: time to fire = page - begin

A page is of an incident, of a spell (nothing was injected, yet callers are hurt), or false. For this callers are hurt too where of ten or more
who entered within any 15 minutes around the page more gave up than the bound and chance explain: the alert looks at 15 minutes as well.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import sqrt
from statistics import median
from typing import Final, NamedTuple

from benchmarks.alerting.centers import Trouble
from benchmarks.report import percentile
from schemas.events import Event
from streams.engine.policy import DAY, MINUTE, SECOND

BOUND: Final = 0.10
"""For action, of the usual settings."""
SAMPLE: Final = 10
SHORT: Final = 5 * SECOND
_AROUND: Final = 150 * SECOND
_FARTHEST: Final = 450 * SECOND
_ERRORS: Final = 3
_LOOK_BACK: Final = 15 * MINUTE
"""The longest window of the alert: what a page may be about."""
_AFTER: Final = 5 * MINUTE
"""A page so long after an incident still finds it: calls that entered in it end."""
_TAIL: Final = 30 * MINUTE
"""A page so long after an incident is no false one: those who wait in it are still answered."""
_ENDINGS: Final = {"call.answered": False, "call.abandoned": True, "call.flowed_out": False}
Pages = Mapping[str, Sequence[tuple[int, int]]]
"""By queue from when to when its alert fired."""


class Visit(NamedTuple):
    """When a caller entered a queue and left it (microseconds), and whether by giving up."""

    entered: int
    left: int
    gave_up: bool


class Visits:
    """The visits of each queue, noted as their events pass."""

    def __init__(self) -> None:
        self.of: dict[str, list[Visit]] = defaultdict(list)
        self._open: dict[str, tuple[str, int]] = {}

    def note(self, event: Event) -> None:
        """Take an event; others than of waiting callers are none of ours."""
        kind: str = event.__struct_config__.tag  # type: ignore[assignment]  # every event's tag is its type
        if kind == "call.queued":
            self._open[event.contact_id] = (event.queue, event.time_us)  # type: ignore[union-attr]
        elif kind in _ENDINGS and event.contact_id in self._open:  # type: ignore[union-attr]
            queue, entered = self._open.pop(event.contact_id)  # type: ignore[union-attr]
            self.of[queue].append(Visit(entered, event.time_us, _ENDINGS[kind]))

    def sorted(self) -> dict[str, list[Visit]]:
        """Return each queue's visits in the order in which they entered, without short abandons."""
        return {
            queue: sorted(visit for visit in visits if not (visit.gave_up and visit.left - visit.entered <= SHORT))
            for queue, visits in self.of.items()
        }


def begins_to_hurt(visits: Sequence[Visit], begin: int, end: int) -> int | None:
    """Return when callers of a queue who enter between two times begin to be hurt, None when they are not.

    >>> calm = [Visit(n * MINUTE, n * MINUTE + 10 * SECOND, False) for n in range(20)]
    >>> begins_to_hurt(calm, 0, 20 * MINUTE) is None
    True
    >>> some = [visit._replace(gave_up=number in (5, 6, 7, 8, 9)) for number, visit in enumerate(calm)]
    >>> begins_to_hurt(some, 0, 20 * MINUTE) == 5 * MINUTE + 10 * SECOND
    True
    """
    at = bisect_left(visits, (begin,))
    while at < len(visits) and visits[at].entered < end:
        if visits[at].gave_up and _beyond_chance(_around(visits, at)):
            return visits[at].left
        at += 1
    return None


def _around(visits: Sequence[Visit], at: int) -> Sequence[Visit]:
    time = visits[at].entered
    low = min(bisect_left(visits, (time - _AROUND,)), max(0, at - SAMPLE // 2))
    high = max(bisect_left(visits, (time + _AROUND,)), at + SAMPLE // 2)
    return [visit for visit in visits[low:high] if abs(visit.entered - time) <= _FARTHEST]


def _beyond_chance(visits: Sequence[Visit]) -> bool:
    count = len(visits)
    excess = sum(visit.gave_up for visit in visits) - count * BOUND
    return count >= SAMPLE and excess > _ERRORS * sqrt(count * BOUND * (1 - BOUND))


def hurt_within(visits: Sequence[Visit], begin: int, end: int) -> bool:
    """Tell whether callers of a queue who entered between two times were hurt: in a stretch of at most 15 minutes, at least ten of them.

    >>> some = [Visit(n * MINUTE, n * MINUTE + 10 * SECOND, n in (0, 3, 6, 9)) for n in range(20)]
    >>> hurt_within(some, 0, 20 * MINUTE), hurt_within(some, MINUTE, 20 * MINUTE)
    (True, False)
    """
    inside = visits[bisect_left(visits, (begin,)) : bisect_left(visits, (end,))]
    lost = [at for at, visit in enumerate(inside) if visit.gave_up]
    # Of longer stretches those from one who gave up to one who gave up are enough: any other is beyond chance only if they are.
    ten = [(first, first + SAMPLE) for first in range(len(inside) - SAMPLE + 1)]
    longer = [(first, last + 1) for first in lost for last in lost if last - first >= SAMPLE]
    return any(
        inside[past - 1].entered - inside[first].entered < _LOOK_BACK and _beyond_chance(inside[first:past])
        for first, past in ten + longer
    )


class Verdict(NamedTuple):
    """Counts that add up over centers, and how many seconds after callers began to be hurt each page came."""

    incidents: int
    hurting: int
    found: int
    pages: int
    of_incidents: int
    of_spells: int
    of_long_spells: int
    """Those in which callers were hurt over more than the five minutes around one of them, and only so."""
    weeks: float
    delays: tuple[float, ...]

    @property
    def recall(self) -> float | None:
        """Return the share of the incidents that hurt and were found."""
        return self.found / self.hurting if self.hurting else None

    @property
    def precision(self) -> float | None:
        """Return the share of the pages that are not false."""
        return (self.pages - self.false) / self.pages if self.pages else None

    @property
    def false(self) -> int:
        """Return how many pages are false."""
        return self.pages - self.of_incidents - self.of_spells - self.of_long_spells

    @property
    def false_a_week(self) -> float:
        """Return false pages, a week and center."""
        return self.false / self.weeks

    def delay(self, share: float = 0.5) -> float | None:
        """Return within how many seconds that share of the found incidents had its page."""
        ordered = sorted(self.delays)
        if not ordered:
            return None
        return median(ordered) if share == 0.5 else percentile(ordered, share)


def together(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the sum of several."""
    *counts, weeks, delays = zip(*verdicts, strict=True)
    return Verdict(*map(sum, counts), sum(weeks), tuple(one for some in delays for one in some))


def judge(
    visits: Mapping[str, list[Visit]], troubles: Sequence[Trouble], pages: Pages, span: tuple[int, int]
) -> Verdict:
    """Compare the pages of a stretch of time with its incidents."""
    hurting = {trouble: found for trouble in troubles if (found := dict(_hurt(visits, trouble)))}
    delays = [delay for trouble, since in hurting.items() if (delay := _delay(trouble, since, pages)) is not None]
    flat = [(queue, *page) for queue, of_queue in pages.items() for page in of_queue]
    outside = [page for page in flat if not any(_belongs(page, trouble) for trouble in troubles)]
    kinds = Counter(_kind(visits.get(queue, []), begin - _LOOK_BACK, end) for queue, begin, end in outside)
    return Verdict(
        len(troubles), len(hurting), len(delays), len(flat), len(flat) - len(outside), kinds["spell"], kinds["long spell"],
        (span[1] - span[0]) / (7 * DAY), tuple(delays),
    )  # fmt: skip


def _kind(visits: Sequence[Visit], begin: int, end: int) -> str:
    if begins_to_hurt(visits, begin, end) is not None:
        return "spell"
    return "long spell" if hurt_within(visits, begin, end) else "false"


def _hurt(visits: Mapping[str, list[Visit]], trouble: Trouble) -> Iterator[tuple[str, int]]:
    for queue in trouble.queues:
        since = begins_to_hurt(visits.get(queue, []), trouble.start, trouble.end)
        if since is not None:
            yield queue, since


def _delay(trouble: Trouble, since: Mapping[str, int], pages: Pages) -> float | None:
    """Return how many seconds after the first caller was hurt the first page of a queue that is hurt came; 0 if it was there."""
    came = [
        max(begin, trouble.start)
        for queue in since
        for begin, end in pages.get(queue, ())
        if end >= trouble.start and begin <= trouble.end + _AFTER
    ]
    return max(0.0, (min(came) - min(since.values())) / SECOND) if came else None


def _belongs(page: tuple[str, int, int], trouble: Trouble) -> bool:
    queue, begin, end = page
    return queue in trouble.queues and begin <= trouble.end + _TAIL and end >= trouble.start
