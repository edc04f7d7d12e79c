"""When each simulated event is sent: an open loop, which never waits for whoever receives.

    history                     | live
    as fast as it can be sent   | when its time comes, `speed` times as fast while it lags behind the clock
    start ---------------- launch ------------------------------------------------------------>

No event is sent before its own time by the clock: Centralita would refuse it as being in the future.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from msgspec import Struct

from streams.simulate.timed import SECOND, Sent

_LONGEST_PAUSE = 0.1


class Pace(Struct, frozen=True, kw_only=True):
    """``live_from`` is the simulated time that is due at ``launch``, both in microseconds; ``speed`` 0 does not wait at all."""

    live_from: int
    launch: int
    speed: float

    def due(self, time_us: int) -> int:
        """Return the time of the clock at which an event of ``time_us`` is sent.

        >>> Pace(live_from=1_000, launch=5_000, speed=2.0).due(2_000), Pace(live_from=1_000, launch=5_000, speed=0.0).due(9_000)
        (5500, 9000)
        """
        if time_us <= self.live_from:
            return 0
        paced = self.launch + round((time_us - self.live_from) / self.speed) if self.speed else 0
        return max(paced, time_us)


Idle = Callable[[float], None]
"""Spend at most so many seconds on something useful."""


def paced(
    stream: Iterator[Sent], pace: Pace, idle: Idle, clock: Callable[[], float] = time.time
) -> Iterator[tuple[Sent, float]]:
    """Yield each event when it is due, with the seconds by which it is late."""
    now = clock() * SECOND
    for sent in stream:
        due = pace.due(sent.time_us)
        if now < due:
            now = clock() * SECOND
        while now < due:
            idle(min((due - now) / SECOND, _LONGEST_PAUSE))
            now = clock() * SECOND
        yield sent, (clock() * SECOND - due) / SECOND if due else 0.0
