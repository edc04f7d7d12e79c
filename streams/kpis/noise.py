"""Whether a difference is more than chance: its 95 % interval, from what panes hold.

A difference is within noise when its interval has 0 in it. The sources take contacts as independent; where many call about one and the same thing
they are not, and the true interval is wider.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import floor, sqrt
from typing import Final, NamedTuple

from streams.engine.histogram import Ranks, middle

Z: Final = 1.959963984540054
"""The 0.975 quantile of the normal distribution."""


Pair = tuple[float, float]
"""A numerator and a denominator, or an amount and the number of what makes it up."""
_FEWEST: Final = 5
"""Pieces of time from which it can be told how much they differ."""


class Interval(NamedTuple):
    """Both ends, in the unit of the figure."""

    low: float
    high: float

    @property
    def noise(self) -> bool:
        """Tell whether 0 is in it."""
        return self.low <= 0 <= self.high


Estimate = tuple[float, Interval]
"""A value and its interval."""


def wilson(top: float, bottom: float) -> Interval:
    """Return the interval of a proportion (Wilson 1927); ``bottom`` is above 0.

    >>> [round(end, 4) for end in wilson(10, 100)]
    [0.0552, 0.1744]
    """
    share, square = top / bottom, Z * Z
    center = share + square / (2 * bottom)
    half = Z * sqrt(share * (1 - share) / bottom + square / (4 * bottom * bottom))
    return Interval((center - half) / (1 + square / bottom), (center + half) / (1 + square / bottom))


def of_shares(now: tuple[float, float], before: tuple[float, float]) -> Interval:
    """Return the interval of a difference of two proportions, numerator and denominator each (Newcombe 1998, method 10).

    >>> [round(end, 4) for end in of_shares((56, 70), (48, 80))]
    [0.0524, 0.3339]
    """
    return _of_both(now[0] / now[1], wilson(*now), before[0] / before[1], wilson(*before))


def of_scores(now: tuple[int, int, int], before: tuple[int, int, int]) -> Interval:
    """Return the interval of a difference of two net promoter scores (-100 to 100), promoters, detractors and answers each.

    A score is the difference of two proportions of one multinomial sample; three answers are added to it, of which half are neither and a
    quarter each promoters and detractors (adjusted Wald; Rocks 2016), and the two intervals make that of the difference.

    >>> [round(end, 1) for end in of_scores((60, 20, 100), (45, 30, 100))]
    [2.0, 47.1]
    """
    (first, of_first), (second, of_second) = _scored(*now), _scored(*before)
    return _of_both(first, of_first, second, of_second)


def of_counts(now: float, before: float) -> Interval:
    """Return the interval of a difference of two counts of events that come at random (Poisson).

    >>> of_counts(120, 100).noise, of_counts(140, 100).noise
    (True, False)
    """
    half = Z * sqrt(now + before)
    return Interval(now - before - half, now - before + half)


def of_means(now: Mapping[int, int], before: Mapping[int, int]) -> Interval | None:
    """Return the interval of a difference of two means of durations, from their histograms; None with fewer than two of either."""
    first, second = _mean(now), _mean(before)
    if first is None or second is None:
        return None
    half = Z * sqrt(first[1] + second[1])
    return Interval(first[0] - second[0] - half, first[0] - second[0] + half)


def of_quotients(now: Iterable[Pair], before: Iterable[Pair]) -> Interval | None:
    """Return the interval of a difference of two quotients of sums, from the parts that both sums have in pieces of time.

    A ratio of what clusters hold (Cochran 1977, 2.11): what single contacts hold need not be known, and that those of one piece resemble each other is in
    it. None with fewer than five pieces of either.
    """
    return _difference(_quotient(now), _quotient(before))


def of_amounts(now: Iterable[Pair], before: Iterable[Pair]) -> Interval | None:
    """Return the interval of a difference of two sums of amounts that come at random, from sum and number in pieces of time.

    Both how many come and how much each is vary (compound Poisson): the variance is n m^2 + n s^2, the mean m and what it leaves in the pieces from all.
    """
    return _difference(_amount(now), _amount(before))


def of_rates(now: Pair, before: Pair) -> Interval:
    """Return the interval of a difference of two quotients whose numerators are given and whose denominators come at random (Poisson).

    >>> [round(end, 2) for end in of_rates((1000, 100), (1000, 125))]
    [-0.41, 4.41]
    """
    first, second = (
        (top / bottom, Interval(top / bottom * (1 - Z / sqrt(bottom)), top / bottom * (1 + Z / sqrt(bottom))))
        for top, bottom in (now, before)
    )
    return _of_both(*first, *second)


def of_percentiles(percent: int, now: Mapping[int, int], before: Mapping[int, int]) -> Interval | None:
    """Return the interval of a difference of two percentiles, from the ranks that bound each (David and Nagaraja 2003, 7.1)."""
    return _difference(_percentile(now, percent), _percentile(before, percent))


def _quotient(pairs: Iterable[Pair]) -> Estimate | None:
    """Return a quotient of sums and its interval."""
    found = _pieces(pairs)
    return None if found is None else _around(found.top / found.bottom, found.student * sqrt(found.left) / found.bottom)


def _amount(pairs: Iterable[Pair]) -> Estimate | None:
    """Return a sum of amounts and its interval."""
    found = _pieces(pairs)
    if found is None:
        return None
    return _around(found.top, found.student * sqrt(found.top * found.top / found.bottom + found.left))


def _around(value: float, half: float) -> Estimate:
    return value, Interval(value - half, value + half)


class _Pieces(NamedTuple):
    """Both sums of pieces, what their quotient leaves in all of them (a sum of squares), and Student's quantile for so many."""

    top: float
    bottom: float
    left: float
    student: float


def _pieces(pairs: Iterable[Pair]) -> _Pieces | None:
    """Return what pieces tell, None where there are too few."""
    known = [pair for pair in pairs if pair[1] > 0]
    many = len(known)
    if many < _FEWEST:
        return None
    top, bottom = (sum(parts) for parts in zip(*known, strict=True))
    left = sum((above - top / bottom * below) ** 2 for above, below in known) * many / (many - 1)
    return _Pieces(top, bottom, left, _student(many - 1))


def _student(freedom: int) -> float:
    """Return the 0.975 quantile of Student's distribution (Abramowitz and Stegun 26.7.5; within 0.002 from four degrees of freedom).

    >>> [round(_student(freedom), 2) for freedom in (4, 9, 29, 1000)]  # 2.776, 2.262, 2.045, 1.962
    [2.77, 2.26, 2.05, 1.96]
    """
    z, v = Z, float(freedom)
    return (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    )


def _scored(promoters: float, detractors: float, answers: float) -> Estimate:
    """Return a net promoter score and its interval, which holds it."""
    score = 100 * (promoters - detractors) / answers
    each, many = 0.75, answers + 3
    center = 100 * (promoters - detractors) / many
    variance = (100 * 100 * (promoters + detractors + 2 * each) / many - center * center) / many
    half = Z * sqrt(variance)
    return score, Interval(max(-100.0, min(score, center - half)), min(100.0, max(score, center + half)))


def _difference(now: Estimate | None, before: Estimate | None) -> Interval | None:
    """Return the interval of a difference, None where either is not known."""
    return None if now is None or before is None else _of_both(*now, *before)


def _of_both(now: float, of_now: Interval, before: float, of_before: Interval) -> Interval:
    """Return the interval of a difference from the intervals of both (Zou and Donner 2008)."""
    difference = now - before
    return Interval(
        difference - sqrt((now - of_now.low) ** 2 + (of_before.high - before) ** 2),
        difference + sqrt((of_now.high - now) ** 2 + (before - of_before.low) ** 2),
    )


def _mean(counts: Mapping[int, int]) -> tuple[float, float] | None:
    """Return the mean of the buckets' middles and its variance."""
    size = sum(counts.values())
    if size < 2:
        return None
    mean = sum(count * middle(index) for index, count in counts.items()) / size
    spread = sum(count * (middle(index) - mean) ** 2 for index, count in counts.items())
    return mean, spread / (size - 1) / size


def _percentile(counts: Mapping[int, int], percent: int) -> Estimate | None:
    ranks, q = Ranks(counts), percent / 100
    size, found = len(ranks), ranks.percentile(percent)
    if size < 2 or found is None:
        return None
    half = Z * sqrt(size * q * (1 - q))
    low, high = (ranks.at(min(size - 1, max(0, floor(size * q + side)))) for side in (-half, half))
    return found, Interval(low, high)
