"""Simulated traffic of every channel with duplicates, disorder, losses and garbage; of every record it is known whether it is garbage, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from schemas.dead_letters import Reason
from streams.simulate.center import MONDAY_MORNING, Center, demo_center, with_all_channels
from streams.simulate.faults import Faults, Tally, broken
from streams.simulate.timed import encoded
from streams.simulate.traffic import events, natural_rate

FAULTS = Faults(duplicates=0.03, disorder=0.05, losses=0.002, garbage=0.01, delay=120.0)


class Item(NamedTuple):
    """A record to send; ``reason`` is why it must be refused, None for a good one."""

    key: bytes
    value: bytes
    reason: Reason | None


def storm(
    count: int, seed: int, *, days: float = 1.0, start: int = MONDAY_MORNING, faults: Faults = FAULTS
) -> Iterator[Item]:
    """Yield what ``count`` events of a busy center become on their way, spread evenly over about so many days."""
    tally = Tally()
    told: Counter[Reason] = Counter()
    stream = encoded(islice(events(_center(count, days, start), seed), count))
    for sent in broken(stream, faults, seed, tally):
        new = tally.garbage - told  # a piece of garbage is counted right before it is yielded
        told += new
        yield Item(sent.key, sent.value, next(iter(new), None))


def length(count: int, seed: int, *, days: float = 1.0) -> int:
    """Return the microseconds from the start to the last event."""
    return max(event.time_us for event in islice(events(_center(count, days, 0), seed), count))


def _center(count: int, days: float, start: int) -> Center:
    center = with_all_channels(demo_center()).steady()
    return center.larger(count / (natural_rate(center) * days * 86_400)).lasting(start, None)
