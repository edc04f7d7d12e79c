"""Durations counted in buckets, for percentiles with a relative error of at most 1/256 (0.4 %).

Each power of two (in seconds) is cut into 128 equal buckets, each without its lower and with its upper end. So a whole
number of seconds up to 128, and every multiple of 16 up to 2048, is a bucket's upper end: how many waited at most
20 s is exact. Counts add and subtract, so histograms merge and retract exactly. The idea is DDSketch's (Masson et al.,
VLDB 2019) with HdrHistogram's linear steps within an octave.

    seconds  0      ...   16   16.125  16.25  ...  32   32.25 ...
    bucket   ZERO         640    641    642   ...  768   769
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from math import ceil, frexp, ldexp

STEPS = 128
COARSE = 16
"""Buckets in a coarse one."""
ZERO = -(1 << 15)
"""The bucket of a duration of exactly 0."""


def bucket(duration_us: int) -> int:
    """Return the bucket of a duration in microseconds, 0 or more.

    >>> upper(bucket(20_000_000)), upper(bucket(20_000_001))
    (20.0, 20.125)
    """
    if duration_us <= 0:
        return ZERO
    mantissa, exponent = frexp(duration_us / 1_000_000)
    return exponent * STEPS + ceil((mantissa - 0.5) * (2 * STEPS))


def coarse(duration_us: int) -> int:
    """Return the last of the 16 buckets that one of 8 to an octave would be: enough to be drawn, in a sixteenth of the room.

    >>> upper(coarse(90_000_000)), upper(coarse(96_000_000)), upper(coarse(96_000_001))
    (96.0, 96.0, 104.0)
    """
    return -(bucket(duration_us) // -COARSE) * COARSE


def upper(index: int) -> float:
    """Return the upper end of a bucket in seconds; the bucket holds durations up to and including it."""
    if index == ZERO:
        return 0.0
    exponent, step = divmod(index - 1, STEPS)
    return ldexp(0.5 + (step + 1) / (2 * STEPS), exponent)


def middle(index: int) -> float:
    """Return the middle of a bucket in seconds, within 1/256 of every duration in it."""
    if index == ZERO:
        return 0.0
    exponent, step = divmod(index - 1, STEPS)
    return ldexp(0.5 + (step + 0.5) / (2 * STEPS), exponent)


class Ranks:
    """The counts of a histogram in the order of its buckets, to find any number of percentiles."""

    __slots__ = ("_indices", "_passed")

    def __init__(self, counts: Mapping[int, int]) -> None:
        self._indices = sorted(counts)
        self._passed = list(accumulate(map(counts.__getitem__, self._indices)))

    def __len__(self) -> int:
        return self._passed[-1] if self._passed else 0

    def percentile(self, percent: int) -> float | None:
        """Return the shortest duration in seconds that so many percent do not exceed, or None when there is none.

        It is the nearest rank, ceil(percent n / 100) (Hyndman and Fan 1996, definition 1): nothing between two durations, so of few the longest.

        >>> of_three = Ranks({bucket(seconds * 1_000_000): 1 for seconds in (5, 10, 40)})
        >>> [round(of_three.percentile(percent)) for percent in (50, 66, 67, 95)]
        [10, 10, 40, 40]
        """
        return self.at(max(0, -(percent * len(self) // -100) - 1)) if self._passed else None

    def at(self, rank: int) -> float:
        """Return the value in seconds that so many are before, 0 to all but one."""
        return middle(self._indices[bisect_right(self._passed, rank)])
