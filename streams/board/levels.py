"""What a supervisor aims at and the two levels of alarm, per queue: the same numbers on the wallboard and in Prometheus.

Attention (amber) and action (red), from the settings `[alarms.<kpi>]` and `[queues."name".alarms.<kpi>]`. A ratio or a mean alarms only with its minimum sample behind
it, so that the first lost call of a morning is no alarm.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from schemas.rows import Figure
from streams.engine.facts import PRESENT
from streams.engine.policy import QueuePolicy
from streams.kpis.registry import BY_ID
from streams.settings import FROM_TARGET, AlarmSettings

ATTENTION: Final = "attention"
ACTION: Final = "action"


class Goal(Struct, frozen=True):
    """A target and the bounds beyond which a figure asks for attention or action. `better` tells the direction."""

    target: float
    attention: float
    action: float
    better: str
    unit: str
    minimum: int = 0
    per_queue: bool = False

    def level(self, value: float | None, sample: float | None = None) -> str | None:
        """Return the level of a value with its sample size.

        >>> goal = Goal(0.8, 0.8, 0.7, "higher", "ratio", minimum=10)
        >>> goal.level(0.69, 10), goal.level(0.7, 10), goal.level(0.8, 10), goal.level(0.69, 9), goal.level(None)
        ('action', 'attention', None, None, None)
        """
        if value is None or (sample or 0) < self.minimum:
            return None
        sign = -1 if self.better == "higher" else 1
        if sign * value > sign * self.action:
            return ACTION
        return ATTENTION if sign * value > sign * self.attention else None


def goals(policy: QueuePolicy, alarms: Mapping[str, AlarmSettings], channel: str | None = None) -> dict[str, Goal]:
    """Return a queue's goals by KPI; those about waiting are of channels in which customers stay to wait, not of tickets.

    How long tickets wait is `first_response_time`. Without a channel, all goals are returned.
    """
    return {
        name: _goal(name, policy, alarm)
        for name, alarm in alarms.items()
        if name in BY_ID and (channel is None or channel in PRESENT or not of_waiting(name))
    }


def of_waiting(name: str) -> bool:
    """Tell whether a KPI is about customers who stay and wait.

    >>> of_waiting("longest_wait"), of_waiting("service_level"), of_waiting("first_response_time")
    (True, True, False)
    """
    return BY_ID[name].subject in {"waiting", "service"}


def _goal(name: str, policy: QueuePolicy, alarm: AlarmSettings) -> Goal:
    kpi = BY_ID[name]
    base = policy.target if name == FROM_TARGET else 0.0
    attention, action = (round(base + bound, 6) for bound in (alarm.attention, alarm.action))
    target = policy.target if name == FROM_TARGET else attention
    return Goal(target, attention, action, kpi.better or "lower", kpi.unit, alarm.minimum, per_queue=name == "waiting")


def levels(
    aims: Mapping[str, Goal], kpis: Mapping[str, Figure], waiting: int | None, longest: float | None
) -> dict[str, str]:
    """Return the level of each figure that is beyond a bound. `longest` is the longest wait now in seconds."""
    now: dict[str, float | None] = {"waiting": waiting, "longest_wait": longest}
    found = {}
    for name, goal in aims.items():
        if name in now:
            found[name] = goal.level(now[name], goal.minimum)
        elif name in kpis:
            figure = kpis[name]
            found[name] = goal.level(
                figure.value, figure.denominator if figure.denominator is not None else figure.value
            )
    return {name: level for name, level in found.items() if level is not None}
