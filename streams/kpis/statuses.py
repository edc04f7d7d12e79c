"""Whether a figure is final.

stretch        lateness        window W
|=== open ===|-- provisional --|----------------> final; resolutions, which a returning customer can change:
             |-- provisional ------------------|-> final
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from schemas.panes import PartitionStatus
from streams.engine.policy import Policy
from streams.kpis.query import Query


def statuses(
    query: Query, end: int, policy: Policy, partitions: Mapping[int, PartitionStatus], idle: Collection[int]
) -> dict[bool, str]:
    """Return the status of figures that a returning customer can change (True), and of the others (False)."""
    newest = max((status.watermark for status in partitions.values()), default=0)
    if end > max(newest, query.now_us if query.live else 0):
        return {True: "open", False: "open"}
    watermark = _settled(partitions, idle) or newest
    window = max(limits.return_window for limits in (policy.defaults, *policy.queues.values()))
    return {
        customers: "final" if watermark >= end + policy.lateness + (window if customers else 0) else "provisional"
        for customers in (True, False)
    }


def _settled(partitions: Mapping[int, PartitionStatus], idle: Collection[int]) -> int | None:
    """Return the event time (microseconds) that every partition has reached: what it leaves behind can be final.

    The smallest watermark of the partitions that ever had an event, since one that lags still takes events that were sent long ago.
    Those that are idle do not hold the others up; None when all are.
    """
    reached = [status.watermark for number, status in partitions.items() if number not in idle]
    return min((watermark for watermark in reached if watermark), default=None)
