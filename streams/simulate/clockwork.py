"""Time and chance of a simulation: what is due next is on a heap, and chance is drawn from one seeded source."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from heapq import heappop, heappush
from math import inf, log, prod
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from streams.simulate.center import Center
from streams.simulate.timed import SECOND, Timed

HOUR = 3600 * SECOND
Action = Callable[[int, Any], None]
"""What happens at a time (microseconds) to something."""


class Clockwork:
    """Does each action when its time has come; each puts its events into ``out``. ``end`` is when no new call comes any more."""

    def __init__(self, center: Center, random: Random) -> None:
        self.center = center
        self.random = random.random
        self.second = SECOND / center.hurry
        self.end = center.start + round(center.seconds * SECOND) if center.seconds is not None else None
        self.steady = min(*center.day, *center.week) == max(*center.day, *center.week)
        self._borders = sorted({time for one in center.incidents for time in (one.start, one.end)})
        self.out: list[Timed] = []
        self._zone = ZoneInfo(center.time_zone)
        self._levels: dict[int, float] = {}
        self._heap: list[tuple[int, int, Action, Any]] = []
        self._pushed = 0

    def run(self, until: float = inf) -> Iterator[Timed]:
        """Yield the events of all that is due before a time, by default until nothing is due any more."""
        heap, out = self._heap, self.out
        yield from out
        out.clear()
        while heap and heap[0][0] < until:
            now, _, action, subject = heappop(heap)
            action(now, subject)
            if out:
                yield from out
                out.clear()

    def at(self, when: int, action: Action, subject: Any) -> None:
        """Do something later; what is due at the same time is done in the order in which it was put here."""
        self._pushed += 1
        heappush(self._heap, (when, self._pushed, action, subject))

    def later(self, when: int, action: Action, subject: Any) -> None:
        """Do something later unless new contacts do not come by then any more."""
        if self.goes_on(when):
            self.at(when, action, subject)

    def exponential(self, mean_seconds: float) -> int:
        """Return a stretch of time in microseconds, at least one."""
        return 1 + int(-log(1.0 - self.random()) * mean_seconds * self.second)

    def arrival(self, now: int, per_hour: float, name: str) -> int:
        """Return when the next contact of a queue comes: Poisson, at a rate that changes on the hour and with incidents."""
        need = -log(1.0 - self.random())
        while True:
            usual = per_hour * self.level(now) / (3600 * self.second)
            rate = usual * self.factor(now, "arrivals", name)
            border = self.border(now)
            if border is None or now + need / rate < border:
                return now + int(need / rate)
            need -= rate * (border - now)
            now = border

    def happens(self, share: float) -> bool:
        """Tell whether what happens in a share of the cases does."""
        return share > 0.0 and self.random() < share

    def level(self, now: int) -> float:
        """Return the share of the busiest hour's calls that this hour has."""
        if self.steady:
            return self.center.day[0] * self.center.week[0]
        hour = now // HOUR
        level = self._levels.get(hour)
        if level is None:
            local = datetime.fromtimestamp(hour * 3600, UTC).astimezone(self._zone)
            free = f"{local:%Y-%m-%d}" in self.center.holidays
            week = self.center.week
            level = self._levels[hour] = self.center.day[local.hour] * (min(week) if free else week[local.weekday()])
        return level

    def factor(self, now: int, what: str, name: str) -> float:
        """Return what the incidents of this time make of a queue's or a group's usual value."""
        if not self._borders:
            return 1.0
        of_now = (one for one in self.center.incidents if one.start <= now < one.end)
        return prod(one.factor for one in of_now if (one.what, one.name) == (what, name))

    def border(self, now: int) -> int | None:
        """Return until when calls come at the rate of now, None for good."""
        times = [] if self.steady else [now - now % HOUR + HOUR]
        times += self._borders[bisect_right(self._borders, now) :][:1]
        return min(times, default=None)

    def goes_on(self, now: int) -> bool:
        """Tell whether new calls still come."""
        return self.end is None or now < self.end
