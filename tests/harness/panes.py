"""The panes of a partition, from its records and by what schemas/panes.py says of them alone: its parts, and what its credits add."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from schemas.panes import CREDITS, PANES, RING, Credits, Pane, decode_key

K = TypeVar("K")
Name = tuple[int, int, str | None, str | None, str | None, str | None]
"""Length and start (seconds), channel, queue, breakdown and value."""


def panes(kpis: Mapping[bytes, Any]) -> dict[Name, Pane]:
    """Return all panes that hold anything, of decoded records by key."""
    found: dict[Name, Pane] = {}
    for key, cuts in kpis.items():
        if key.startswith(PANES):
            _, length, start, channel, queue, _ = decode_key(key)
            for cut in cuts:
                name = length, start, channel, queue, cut.breakdown, cut.value
                assert name not in found, "a pane is in two records"
                found[name] = cut.pane
    for name, more in _credited({key: value for key, value in kpis.items() if key.startswith(CREDITS)}):
        found[name] = _sum(found.get(name, Pane()), more)
    return {name: pane for name, pane in found.items() if pane != Pane()}


def _credited(told: Mapping[bytes, Credits]) -> Iterator[tuple[Name, Pane]]:
    """Yield what credits add."""
    whole: dict[tuple[int, int], int] = {}
    for key, record in sorted(told.items(), key=lambda one: one[1].number):
        assert key == CREDITS + b"%d]" % (record.number % RING)
        whole |= dict.fromkeys(record.whole, record.number)
    for record in told.values():
        for pane in record.panes:
            for length, start in {(pane.length, pane.start), (900, pane.start - pane.start % 900)}:
                if whole.get((length, start), -1) < record.number:
                    for credit in pane.credits:
                        for name in (record.slices[index] for index in credit.slices):
                            if length == 900 or name[2] in {None, "agent"}:
                                yield (length, start, *name), Pane(credit.measures, credit.histograms)


def _sum(one: Pane, more: Pane) -> Pane:
    histograms = {
        name: _added(one.histograms.get(name, {}), more.histograms.get(name, {}))
        for name in one.histograms | more.histograms
    }
    return Pane(_added(one.measures, more.measures), {name: counts for name, counts in histograms.items() if counts})


def _added(one: Mapping[K, int], more: Mapping[K, int]) -> dict[K, int]:
    total = Counter(one)
    total.update(more)
    return {key: value for key, value in total.items() if value}
