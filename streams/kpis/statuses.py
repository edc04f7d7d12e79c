"""Whether a figure is final.

stretch        lateness        window W
|=== open ===|-- provisional --|----------------> final; resolutions, which a returning customer can change:
             |-- provisional ------------------|-> final
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from schemas.panes import PartitionStatus
from streams.engine.policy import Policy
from streams.kpis.query import Query
from streams.kpis.registry import Kpi


def statuses(
    query: Query, end: int, policy: Policy, partitions: Mapping[int, PartitionStatus], idle: Collection[int]
) -> Callable[[Kpi], str]:
    """Return what says the status of a KPI's figure: those that a returning customer can change wait for their window."""
    newest = max((status.watermark for status in partitions.values()), default=0)
    if end > max(newest, query.now_us if query.live else 0):
        return lambda _: "open"
    settled = (_settled(partitions, idle) or newest) - end - policy.lateness
    longest = max(limits.return_window for limits in (policy.defaults, *policy.queues.values()))
    windows = dict(zip(_DAYS, policy.windows, strict=True))

    def status(kpi: Kpi) -> str:
        window = windows.get(kpi.window_days or 0, longest) if kpi.follows_customers else 0
        return "final" if settled >= window else "provisional"

    return status


_DAYS = (1, 7, 14, 30)


def _settled(partitions: Mapping[int, PartitionStatus], idle: Collection[int]) -> int | None:
    """Return the event time (microseconds) that every partition has reached: what it leaves behind can be final.

    The smallest watermark of the partitions that ever had an event, since one that lags still takes events that were sent long ago.
    Those that are idle do not hold the others up; None when all are.
    """
    reached = [status.watermark for number, status in partitions.items() if number not in idle]
    return min((watermark for watermark in reached if watermark), default=None)
