"""From sums of panes to figures: a KPI's numerator, denominator, value and status."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.rows import Figure
from streams.engine.histogram import Ranks
from streams.engine.measures import unpack
from streams.engine.policy import Policy, QueuePolicy
from streams.kpis.panes import Total
from streams.kpis.registry import KPIS, SERVICE_LEVELS, Kpi, Terms

Parts = dict[str | None, Total]
"""Sums by queue (None: agents' time over all queues)."""
UNAVAILABLE = "unavailable"


def figures(
    parts: Parts, policy: Policy, by: str | None, statuses: Mapping[bool, str], *, live: bool, timed: bool
) -> dict[str, Figure]:
    """Return every KPI of a row but those of the moment (waiting, longest wait, agents).

    ``parts`` are the row's sums by queue, since service level follows each queue's formula; ``statuses`` says what holds for KPIs
    that a returning customer can change (True) and for the others (False); ``timed``, whether agents' time is kept for such a row.
    """
    measures = {queue: unpack(total.bundle) for queue, total in parts.items()}
    together = Total()
    for total in parts.values():
        together.add(total)
    sums = unpack(together.bundle)
    ranks: dict[str, Ranks] = {}
    found = {}
    for kpi in KPIS:
        if kpi.crediting == "now":
            continue
        status = statuses[kpi.follows_customers]
        if (by is not None and by not in kpi.breakdowns) or (kpi.crediting == "CLIP" and not timed):
            found[kpi.id] = unavailable(kpi)
        elif kpi.id == "service_level":
            found[kpi.id] = _service_level(measures, policy, status, live=live)
        elif kpi.histogram is not None:
            if kpi.histogram not in ranks:
                ranks[kpi.histogram] = Ranks(together.counts.get(kpi.histogram, {}))
            found[kpi.id] = _percentile(kpi, ranks[kpi.histogram], status)
        else:
            found[kpi.id] = _ratio(kpi, sums, status)
    return found


def unavailable(kpi: Kpi) -> Figure:
    """Return the figure of what is not counted."""
    return Figure(None, None, None, kpi.unit, UNAVAILABLE)


def _ratio(kpi: Kpi, sums: Mapping[str, int], status: str) -> Figure:
    top = _add(kpi.numerator, sums)
    if kpi.denominator is None:
        return Figure(top, top, None, kpi.unit, status)
    bottom = _add(kpi.denominator, sums)
    divide_bottom = kpi.scale if kpi.unit == "ratio" else 1
    value = None if bottom <= 0 else top / (bottom * (kpi.scale // divide_bottom))
    return Figure(value, _scaled(top, kpi.scale), _scaled(bottom, divide_bottom), kpi.unit, status)


def _scaled(amount: int, scale: int) -> float:
    return amount if scale == 1 else amount / scale


def _percentile(kpi: Kpi, ranks: Ranks, status: str) -> Figure:
    return Figure(ranks.quantile(kpi.quantile or 0.0), None, len(ranks), kpi.unit, status)


def _service_level(
    measures: Mapping[str | None, Mapping[str, int]], policy: Policy, status: str, *, live: bool
) -> Figure:
    """Return the service level, each queue by its own formula: the sum of numerators over the sum of denominators."""
    top = bottom = 0
    for queue, sums in measures.items():
        if queue is not None:
            above, below, *_ = SERVICE_LEVELS[formula_of(policy.of(queue), live=live)]
            top += _add(above, sums)
            bottom += _add(below, sums)
    return Figure(None if bottom <= 0 else top / bottom, top, bottom, "ratio", status)


def formula_of(limits: QueuePolicy, *, live: bool) -> str:
    """Return the name of the service-level formula of a queue, for live windows or for history."""
    return limits.formula_live if live else limits.formula


def _add(terms: Terms, sums: Mapping[str, int]) -> int:
    return sum(times * sums.get(measure, 0) for measure, times in terms.items())
