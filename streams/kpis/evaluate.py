"""From sums of panes to figures: a KPI's numerator, denominator, value and status."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from schemas.rows import Figure
from streams.engine.codes import currency
from streams.engine.histogram import Ranks
from streams.engine.measures import unpack
from streams.engine.policy import Policy, QueuePolicy
from streams.kpis.panes import Total
from streams.kpis.registry import KPIS, MICRO, SERVICE_LEVELS, Kpi, Terms

Parts = dict[str | None, Total]
"""Sums by queue (None: agents' time over all queues)."""
UNAVAILABLE = "unavailable"
_MILLIONTH: Final = Decimal("0.000001")


class Asked(NamedTuple):
    """What a row is asked for: by what, live or history, and whether agents' time is kept for it."""

    by: str | None
    live: bool
    timed: bool


def figures(parts: Parts, policy: Policy, asked: Asked, statuses: Mapping[str, str], whole: Parts) -> dict[str, Figure]:
    """Return every KPI of a row but those of the moment (waiting, longest wait, agents).

    ``parts`` are the row's sums by queue, since service level follows each queue's formula, ``statuses`` those of each KPI, and
    ``whole`` the sums of the total, for shares of it.
    """
    measures = {queue: unpack(total.bundle) for queue, total in parts.items()}
    together = next(iter(parts.values())) if len(parts) == 1 else _sum(parts.values())
    sums = unpack(together.bundle)
    ranks: dict[tuple[str, ...], Ranks] = {}
    found = {}
    for kpi in KPIS:
        if kpi.crediting == "now":
            continue
        status = statuses[kpi.id]
        if (
            (asked.by is not None and asked.by not in kpi.breakdowns)
            or (kpi.crediting == "CLIP" and not asked.timed)
            or (kpi.share and asked.by is None)
        ):
            found[kpi.id] = unavailable(kpi)
        elif kpi.id == "service_level":
            found[kpi.id] = _service_level(measures, policy, status, live=asked.live)
        elif kpi.histograms:
            of = ranks.get(kpi.histograms)
            if of is None:
                of = ranks[kpi.histograms] = Ranks(merged(together.counts, kpi.histograms))
            found[kpi.id] = _percentile(kpi, of, status)
        elif kpi.amount is not None:
            found[kpi.id] = _money(kpi, together.counts.get(kpi.amount, {}), sums, status)
        elif kpi.share:
            found[kpi.id] = _ratio(kpi, sums, status, of=unpack(sum(total.bundle for total in whole.values())))
        else:
            found[kpi.id] = _ratio(kpi, sums, status)
    return found


def _sum(totals: Iterable[Total]) -> Total:
    found = Total()
    for total in totals:
        found.add(total)
    return found


def merged(counts: Mapping[str, Mapping[int, int]], names: tuple[str, ...]) -> Mapping[int, int]:
    """Return the sum of some of the histograms."""
    if len(names) == 1:
        return counts.get(names[0], {})
    total: Counter[int] = Counter()
    for name in names:
        total.update(counts.get(name, {}))
    return total


def _money(kpi: Kpi, amounts: Mapping[int, int], sums: Mapping[str, int], status: str) -> Figure:
    """Return the amounts of a KPI, or what one of its denominator costs: a value where there is one currency."""
    bottom = None if kpi.denominator is None else added(kpi.denominator, sums)
    spent = {currency(index): Decimal(amount) / MICRO for index, amount in sorted(amounts.items()) if amount}
    exact = {name: _each(amount, bottom) for name, amount in spent.items() if bottom is None or bottom > 0}
    unit, *others = exact or [kpi.unit]
    if others or not exact:
        value = 0.0 if bottom is None and not exact else None
        return Figure(value, None, bottom, kpi.unit, status, _plain(exact))
    return Figure(float(exact[unit]), float(spent[unit]), bottom, unit, status, _plain(exact))


def _each(amount: Decimal, many: int | None) -> Decimal:
    """Return an amount, or what of it falls to each of many, rounded to a millionth."""
    return amount if many is None else (amount / many).quantize(_MILLIONTH)


def _plain(amounts: Mapping[str, Decimal]) -> dict[str, str] | None:
    return {name: f"{amount.normalize():f}" for name, amount in amounts.items()} or None


def unavailable(kpi: Kpi) -> Figure:
    """Return the figure of what is not counted."""
    return Figure(None, None, None, kpi.unit, UNAVAILABLE)


def _ratio(kpi: Kpi, sums: Mapping[str, int], status: str, of: Mapping[str, int] | None = None) -> Figure:
    """Return a quotient, or a sum where there is no denominator; the denominator is made ``of`` other sums where they are given."""
    top = added(kpi.numerator, sums)
    if kpi.denominator is None:
        return Figure(top, top, None, kpi.unit, status)
    bottom = added(kpi.denominator, sums if of is None else of)
    divide_bottom = kpi.scale if kpi.unit == "ratio" else 1
    value = None if bottom <= 0 else top / (bottom * (kpi.scale // divide_bottom))
    return Figure(value, _scaled(top, kpi.scale), _scaled(bottom, divide_bottom), kpi.unit, status)


def _scaled(amount: int, scale: int) -> float:
    return amount if scale == 1 else amount / scale


def _percentile(kpi: Kpi, ranks: Ranks, status: str) -> Figure:
    return Figure(ranks.percentile(kpi.percent or 0), None, len(ranks), kpi.unit, status)


def _service_level(
    measures: Mapping[str | None, Mapping[str, int]], policy: Policy, status: str, *, live: bool
) -> Figure:
    """Return the service level, each queue by its own formula: the sum of numerators over the sum of denominators."""
    top = bottom = 0
    for queue, sums in measures.items():
        if queue is not None:
            above, below, *_ = SERVICE_LEVELS[formula_of(policy.of(queue), live=live)]
            top += added(above, sums)
            bottom += added(below, sums)
    return Figure(None if bottom <= 0 else top / bottom, top, bottom, "ratio", status)


def formula_of(limits: QueuePolicy, *, live: bool) -> str:
    """Return the name of the service-level formula of a queue, for live windows or for history."""
    return limits.formula_live if live else limits.formula


def added(terms: Terms, sums: Mapping[str, int]) -> int:
    """Return the sum of the terms of a numerator or a denominator."""
    total = 0
    for measure, times in terms.items():
        if measure in sums:
            total += times * sums[measure]
    return total
