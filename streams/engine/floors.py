"""Floors: panes that end by these times have been let go of, each kind by its own."""

from __future__ import annotations

from typing import Final, NamedTuple

from streams.engine.policy import INTERVAL, SLIDING

_LONG_AGO: Final = -(1 << 62)


class Floors(NamedTuple):
    """Panes that end by these times have been let go of (microseconds), by kind."""

    sliding: int = _LONG_AGO
    breakdowns: int = _LONG_AGO
    intervals: int = _LONG_AGO
    days: int = _LONG_AGO

    def passed(self, length: int) -> tuple[int, ...]:
        """Return the floors that hold for panes of a length."""
        if length == SLIDING:
            return (self.sliding,)
        return (self.breakdowns, self.intervals) if length == INTERVAL else (self.days,)
