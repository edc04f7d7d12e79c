"""What an operator decides per queue, as the engine needs it: microseconds and zones, nothing to parse."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from schemas.panes import QUARTER, SHORT
from streams.engine.business_hours import BusinessHours, Calendar
from streams.engine.facts import PRESENT

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 3600 * SECOND
DAY = 24 * HOUR
SLIDING, INTERVAL, DAILY = SHORT * SECOND, QUARTER * SECOND, DAY
"""The three lengths of panes."""


class QueuePolicy(Struct, frozen=True, kw_only=True):
    """The limits of one queue, in microseconds, the ratio aimed at, and the names of its formulas."""

    time_zone: str = "UTC"
    threshold: int = 20 * SECOND
    ticket_threshold: int = 20 * SECOND
    """The threshold of tickets: nobody stays to wait for the answer."""
    target: float = 0.8
    formula: str = "SL6"
    formula_live: str = "SL8"
    short_abandon: int = 5 * SECOND
    """0 leaves no abandon out, not even one without a wait."""
    return_window: int = 7 * DAY
    maximum_wait: int = 12 * HOUR
    maximum_ticket_age: int = 400 * DAY
    """A ticket that nobody resolved for so long is lost."""
    business_hours: Calendar | None = None
    """None is always open."""
    channels: tuple[str, ...] = ("call",)
    """Those in which the queue is shown before anything happened in it."""

    def threshold_in(self, channel: str) -> int:
        """Return the threshold T of the service level in a channel, microseconds."""
        return self.threshold if channel in PRESENT else self.ticket_threshold


def quarters(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of a stretch of time that lie in one interval each (microseconds).

    >>> list(quarters(INTERVAL - 1, 2 * INTERVAL)) == [(INTERVAL - 1, INTERVAL), (INTERVAL, 2 * INTERVAL)]
    True
    """
    while begin < end:
        border = min(end, begin - begin % INTERVAL + INTERVAL)
        yield begin, border
        begin = border


class Retention(Struct, frozen=True, kw_only=True):
    """For how long behind the watermark panes are kept, in microseconds; 0 keeps none, None keeps all."""

    sliding: int | None = 2 * HOUR
    breakdowns: int | None = 8 * DAY
    intervals: int | None = 35 * DAY
    days: int | None = 1130 * DAY


EVERYTHING = Retention(sliding=0, breakdowns=None, intervals=None, days=0)
"""What a report keeps: every interval, no sliding windows, no days (it adds intervals up itself)."""


class Policy(Struct, frozen=True, kw_only=True):
    """What the whole deployment decides, and each queue's exceptions."""

    defaults: QueuePolicy = QueuePolicy()
    queues: dict[str, QueuePolicy] = {}
    lateness: int = 48 * HOUR
    future: int = 5 * MINUTE
    retention: Retention = Retention()
    windows: tuple[int, int, int, int] = (DAY, 7 * DAY, 14 * DAY, 30 * DAY)
    """The windows of first-contact resolution that are always counted, besides each queue's own."""

    def of(self, queue: str) -> QueuePolicy:
        """Return the policy of a queue, the defaults where it has none of its own."""
        return self.queues.get(queue, self.defaults)

    @property
    def every(self) -> tuple[QueuePolicy, ...]:
        """Return the policies that there are: the defaults, and those of queues."""
        return self.defaults, *self.queues.values()

    @property
    def thresholds(self) -> frozenset[int]:
        """Return every threshold T of the service level that a queue has in a channel, microseconds."""
        return frozenset(threshold for limit in self.every for threshold in (limit.threshold, limit.ticket_threshold))

    @property
    def longest_window(self) -> int:
        """Return for how long a customer who returns can change a figure, microseconds."""
        return max(*self.windows, *(limit.return_window for limit in self.every))

    @property
    def longest_wait(self) -> int:
        """Return for how long a customer may wait who is not given up yet, microseconds."""
        return max(limits.maximum_wait for limits in self.every)

    @property
    def remark_window(self) -> int:
        """Return until how long after a contact an answer to a survey, a sale or a complaint is of its queue, microseconds.

        A worker remembers a contact for the allowed lateness longer, so what decides is their times, never what is remembered still.
        """
        return self.longest_window + self.longest_wait

    def longest_pause(self, *, ticket: bool) -> int:
        """Return for how long nothing may happen in a contact; what comes later with its id is another one's (microseconds).

        A worker remembers a contact for the allowed lateness longer, so that this too is decided by times alone.
        """
        if not ticket:
            return self.remark_window
        return self.remark_window + max(limit.maximum_ticket_age for limit in self.every)


class OpenTime:
    """The business hours of all queues."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._hours: dict[str, BusinessHours | None] = {}

    def between(self, queue: str, start: int, end: int) -> int:
        """Return for how long a queue was open between two times, microseconds."""
        if queue not in self._hours:
            limits = self._policy.of(queue)
            calendar = limits.business_hours
            self._hours[queue] = None if calendar is None else BusinessHours(calendar, limits.time_zone)
        hours = self._hours[queue]
        return end - start if hours is None else hours.between(start, end)


class Days:
    """Midnights of one zone, found by looking up: days of 23 and 25 hours included."""

    def __init__(self, zone: str) -> None:
        self.zone = ZoneInfo(zone)
        self._of: dict[int, tuple[int, int]] = {}
        self._hours: dict[int, str] = {}

    def around(self, time_us: int) -> tuple[int, int]:
        """Return the midnights before (or at) and after a time, in microseconds.

        >>> start, end = Days("Europe/Madrid").around(1774738800_000000)  # the night the clocks go forward
        >>> (end - start) // HOUR
        23
        """
        quarter = time_us - time_us % INTERVAL
        known = self._of.get(quarter)
        if known is None:
            known = self._of[quarter] = self._find(quarter)
        return known

    def start(self, day: date) -> int:
        """Return the midnight with which a day begins, in microseconds."""
        return self._midnight(datetime.combine(day, time()))

    def hour(self, time_us: int) -> str:
        """Return the hour of the local clock, "00" to "23".

        >>> Days("Asia/Kathmandu").hour(0)
        '05'
        """
        quarter = time_us - time_us % INTERVAL
        known = self._hours.get(quarter)
        if known is None:
            local = datetime.fromtimestamp(quarter // SECOND, UTC).astimezone(self.zone)
            known = self._hours[quarter] = f"{local.hour:02d}"
        return known

    def _find(self, time_us: int) -> tuple[int, int]:
        local = datetime.fromtimestamp(time_us // SECOND, UTC).astimezone(self.zone)
        day = local.replace(hour=0, minute=0, second=0, microsecond=0)
        return self._midnight(day), self._midnight(day + timedelta(days=1))

    def _midnight(self, day: datetime) -> int:
        return round(day.replace(tzinfo=self.zone, fold=0).timestamp()) * SECOND
