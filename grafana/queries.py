"""PromQL of the panels. Several boards show one figure, so each is the largest of those that are current; totals are sums of parts."""

from __future__ import annotations

from typing import Final

from streams.board import metrics
from streams.kpis.registry import Kpi

PLACE: Final = 'channel=~"$channel", queue=~"$queue"'
WINDOWED: Final = f'{PLACE}, window="$window"'
_QUEUE: Final = "queue, channel"
_FIRING: Final = 'alertname=~"ContactCenter.+", alertstate="firing"'


def live(series: str, offset: str = "") -> str:
    """Return series without those of boards that tell old figures and say so. History that was loaded as blocks is of no board, and stays.

    >>> live("contact_center_agents")
    'contact_center_agents unless on (job, instance) contact_center_board_live == 0'
    """
    return f"{series} unless on (job, instance) {metrics.LIVE}{offset} == 0"


def by_queue(name: str, labels: str = PLACE, more: str = "") -> str:
    """Return a figure of each queue.

    >>> by_queue("waiting", 'queue="sales"')
    'max by (queue, channel) (waiting{queue="sales"} unless on (job, instance) contact_center_board_live == 0)'
    """
    return f"max by ({_QUEUE}{more}) ({live(f'{name}{{{labels}}}')})"


def of_queue(kpi: Kpi) -> str:
    """Return a KPI of each queue in the chosen window."""
    return by_queue(metrics.name_of(kpi.id, kpi.unit), WINDOWED, _currency(kpi))


def of_agent(kpi: Kpi) -> str:
    """Return a KPI of each agent in the chosen window."""
    series = f'{metrics.name_of(kpi.id, kpi.unit)}_by_agent{{window="$window"}}'
    return f"max by (agent{_currency(kpi)}) ({live(series)})"


def _currency(kpi: Kpi) -> str:
    """Return the label that an amount is told apart by, beside others."""
    return f", {metrics.CURRENCY}" if kpi.unit == "money" else ""


def may_have_bounds(kpi: Kpi) -> bool:
    """Tell whether a KPI may alarm: not one of which more is neither better nor worse, nor an amount, as a bound has no currency."""
    return kpi.better is not None and kpi.unit != "money"


def adds_up(kpi: Kpi) -> bool:
    """Tell whether a total over queues is made of their parts: not of percentiles, nor of the time of agents who serve several."""
    has_parts = metrics.has_parts(kpi) or kpi.unit == "money"
    return kpi.crediting != "CLIP" and ((kpi.denominator is None and not kpi.histograms) or has_parts)


def total(kpi: Kpi, by: str = "") -> str:
    """Return a KPI over all chosen queues, or by channel."""
    labels = [label for label in (by, metrics.CURRENCY if kpi.unit == "money" else "") if label]
    together = f"sum by ({', '.join(labels)})" if labels else "sum"
    if kpi.unit == "money" and kpi.amount and kpi.denominator is not None:
        amount = by_queue(metrics.name_of(kpi.amount, kpi.unit), WINDOWED, _currency(kpi))
        each = by_queue(metrics.part_names(kpi.id, kpi.unit)[1], WINDOWED)
        return f"{together}({amount}) / on () group_left () (sum({each}) > 0)"
    if not metrics.has_parts(kpi):
        return f"{together}({of_queue(kpi)})"
    top, bottom = (by_queue(part, WINDOWED) for part in metrics.part_names(kpi.id, kpi.unit))
    return f"{together}({top}) / ({together}({bottom}) > 0)"


def bound(kpi_id: str, level: str) -> str:
    """Return the bound of each queue that its settings give."""
    return by_queue(metrics.BOUND, f'{PLACE}, kpi="{kpi_id}", level="{level}"')


def at_level(kpi_id: str, better: str, value: str) -> dict[str, str]:
    """Return the value four times, each where it has no bound, is as wanted, asks for attention, or for action: of a queue one has a sample.

    The wallboard's rule without its minimum sample: here the figure is shown however small the sample is.
    """
    beyond = "<" if better == "higher" else ">"
    attention, action = (f"{value} {beyond} {bound(kpi_id, level)}" for level in ("attention", "action"))
    bounded = f"on ({_QUEUE}) {bound(kpi_id, 'action')}"
    return {
        "unbounded": f"{value} unless {bounded}",
        "as_wanted": f"({value} unless ({attention})) and {bounded}",
        "attention": f"({attention}) unless ({action})",
        "action": action,
    }


def firing(place: str = "") -> str:
    """Return those of our alerts that fire; a Prometheus may have others.

    >>> firing('queue="sales"')
    'ALERTS{alertname=~"ContactCenter.+", alertstate="firing", queue="sales"}'
    """
    return f"ALERTS{{{_FIRING}{f', {place}' if place else ''}}}"


def longest_wait() -> str:
    """Return for how long the longest wait of each queue has lasted."""
    return f"time() - min by ({_QUEUE}) ({live(f'{metrics.LONGEST}{{{PLACE}}}')})"
