"""Whether nothing but garbage comes. Then a source is broken, and going on would only bury the figures under dead letters.

    refused     xxxxx xx  xxxxxxx xxxx                xxx      good
                |-------- timeout ------| stop        |-- never 100 of them, or a good one between: go on

Single bad records among good ones never stop a worker, nor does a backlog of them that is passed over in seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from streams.engine.partition import Refusal

FEWEST: Final = 100
"""Records that have to be refused in a row before it is called anything."""
CURE: Final = "correct what sends them (`centralita dead-letters list` says what is wrong) and start the worker again; nothing is lost"


class Poison:
    """What is refused in a row, over all partitions of this worker; times are seconds of one clock.

    >>> from schemas.dead_letters import Reason
    >>> bad = [Refusal(None, Reason.INVALID, "no")] * 60
    >>> poison = Poison(timeout=60)
    >>> poison.see(60, bad, now=0.0); poison.see(60, bad, now=59.0); poison.seconds(59.0), poison.fatal(59.0)
    (59.0, False)
    >>> poison.see(60, bad, now=61.0); poison.fatal(61.0), poison.problem(61.0)
    (True, 'all 180 records of 61 s were refused (180 invalid)')
    >>> poison.see(61, bad, now=62.0); poison.fatal(62.0), poison.problem(62.0)  # one was good
    (False, None)
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._reasons: Counter[str] = Counter()
        self._first = self._last = 0.0

    def see(self, records: int, refusals: Sequence[Refusal], now: float) -> None:
        """Take note of a run of records and of those that were refused."""
        if len(refusals) < records or self._over(now):
            self._reasons.clear()
        if len(refusals) == records:
            self._first = self._first if self._reasons else now
            self._last = now
            self._reasons.update(str(refusal.reason) for refusal in refusals)

    def seconds(self, now: float) -> float:
        """Return for how long records came and every one was refused; 0 while there are fewer than `FEWEST`."""
        known = self._reasons.total() >= FEWEST and not self._over(now)
        return self._last - self._first if known else 0.0

    def problem(self, now: float) -> str | None:
        """Say what is wrong from half of the timeout on."""
        seconds = self.seconds(now)
        if seconds < self._timeout / 2:
            return None
        reasons = ", ".join(f"{count} {reason}" for reason, count in self._reasons.most_common())
        return f"all {self._reasons.total()} records of {seconds:.0f} s were refused ({reasons})"

    def fatal(self, now: float) -> bool:
        """Tell whether it has lasted long enough to stop."""
        return self.seconds(now) >= self._timeout

    def _over(self, now: float) -> bool:
        """Tell whether nothing has come for so long that what is next begins anew."""
        return now - self._last > self._timeout
