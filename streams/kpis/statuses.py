"""Whether a figure is final.

stretch        lateness        window W
|=== open ===|-- provisional --|----------------> final; resolutions, which a returning customer can change:
             |-- provisional ------------------|-> final; a conversion, which a sale can change, as long as a sale is of its contact
             |-- provisional -------------------------|-> final; with tickets of the stretch that are open still:
             |-- provisional -------------------- ... the last is resolved, or as old as tickets get -> final

A call or chat without an outcome by then has lost its end.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from schemas.panes import PartitionStatus
from streams.engine.measures import unpack
from streams.engine.policy import Policy
from streams.kpis.query import Query
from streams.kpis.registry import KPIS, Kpi, Terms

_DAYS: Final = (1, 7, 14, 30)
_UNDECIDED: Final[Terms] = {"entered": 1, "cohort_answered": -1, "cohort_abandoned": -1, "cohort_flowed_out": -1}
_UNRESOLVED: Final[Terms] = {"opened_unresolved": 1}
_MOVED: Final[Terms] = {"moved_unresolved": 1}


class Statuses:
    """The statuses of a stretch's figures."""

    def __init__(
        self, query: Query, end: int, policy: Policy, partitions: Mapping[int, PartitionStatus], idle: Collection[int]
    ) -> None:
        newest = max((status.watermark for status in partitions.values()), default=0)
        settled = (_settled(partitions, idle) or newest) - end - policy.lateness
        self._awaits = settled < max(limits.maximum_ticket_age for limits in policy.every)
        if end > max(newest, query.now_us if query.live else 0):
            self._usual, self._awaits = {kpi.id: "open" for kpi in KPIS}, False
            return
        returns = max(limits.return_window for limits in policy.every)
        windows = dict(zip(_DAYS, policy.windows, strict=True))

        def window(kpi: Kpi) -> int:
            if "opened_sold" in kpi.numerator:
                return policy.remark_window
            return windows.get(kpi.window_days or 0, returns) if kpi.follows_customers else 0

        self._usual = {kpi.id: "final" if settled >= window(kpi) else "provisional" for kpi in KPIS}

    def of(self, tickets: int) -> Mapping[str, str]:
        """Return the status of each KPI of a row whose tickets have this bundle of measures."""
        if not self._awaits or not tickets:
            return self._usual
        sums = unpack(tickets)
        found = dict(self._usual)
        for terms, ids in _CHANGED_BY:
            if sum(times * sums.get(name, 0) for name, times in terms.items()) > 0:
                found |= dict.fromkeys(ids, "provisional")
        return found


def _is_of_outcomes(kpi: Kpi) -> bool:
    """Tell whether the outcome of a visit changes a figure of when it began."""
    names = {*kpi.numerator, *(kpi.denominator or {})}
    return kpi.id == "service_level" or any(name.startswith("cohort_") or name.endswith("_within") for name in names)


def _is_of_resolutions(kpi: Kpi) -> bool:
    """Tell whether handling or resolving a contact changes a figure of when it began."""
    return not {"opened_unresolved", "opened_unhandled", "resolved_identified"}.isdisjoint(kpi.denominator or {}) or (
        "opened_unresolved" in kpi.numerator
    )


_WHERE_RESOLVED: Final = [kpi.id for kpi in KPIS if "resolved_identified" in (kpi.denominator or {})]
"""Figures of the visit in which a contact is resolved, which of a ticket that changed its queue is not its first."""
_CHANGED_BY: Final = (
    (_UNDECIDED, [*_WHERE_RESOLVED, *(kpi.id for kpi in KPIS if _is_of_outcomes(kpi))]),
    (_UNRESOLVED, [kpi.id for kpi in KPIS if _is_of_resolutions(kpi)]),
    (_MOVED, _WHERE_RESOLVED),
)
"""What of the tickets of a stretch is still to come, and the KPIs that it changes."""
OWN: Final = tuple(
    kpi.id for kpi in KPIS if kpi.follows_customers or any(kpi.id in changed for _, changed in _CHANGED_BY)
)
"""KPIs that may be provisional when others are final."""


def _settled(partitions: Mapping[int, PartitionStatus], idle: Collection[int]) -> int | None:
    """Return the event time (microseconds) that every partition has reached: what it leaves behind can be final.

    The smallest watermark of the partitions that ever had an event, since one that lags still takes events that were sent long ago.
    Those that are idle do not hold the others up; None when all are.
    """
    reached = [status.watermark for number, status in partitions.items() if number not in idle]
    return min((watermark for watermark in reached if watermark), default=None)
