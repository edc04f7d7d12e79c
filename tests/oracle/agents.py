"""What each agent did: states one after the other, each from its change to the next."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from schemas.agents import AgentStateChanged
from tests.oracle.contacts import digest

MEASURE = {"available": "available_us", "busy": "on_contact_us", "wrap_up": "on_contact_us", "paused": "paused_us"}


class Stay(NamedTuple):
    """An agent's time in one state, from ``start`` to ``end`` (None: it lasts), serving ``queues``."""

    agent: str
    state: str
    reason: str | None
    queues: frozenset[str]
    start: int
    end: int | None


def stays(events: Iterable[AgentStateChanged]) -> list[Stay]:
    """Return all agents' stays, in order of time for each agent; the last of each lasts."""
    once = {(event.agent_id, event.id): event for event in events}
    result = []
    for agent in sorted({agent for agent, _ in once}):
        changes = sorted((e for (who, _), e in once.items() if who == agent), key=lambda e: (e.time_us, digest(e.id)))
        ends = [later.time_us for _, later in pairwise(changes)] + [None]
        for change, end in zip(changes, ends, strict=True):
            stay = Stay(agent, change.state, change.reason, frozenset(change.queues), change.time_us, end)
            result.append(stay)
    return result


def now(events: Iterable[AgentStateChanged]) -> dict[str, Stay]:
    """Return the stay that lasts, for each agent; it began where state and reason were taken up without a break since."""
    current: dict[str, Stay] = {}
    for stay in stays(events):
        before = current.get(stay.agent)
        goes_on = before is not None and (before.state, before.reason) == (stay.state, stay.reason)
        current[stay.agent] = stay._replace(start=before.start) if before is not None and goes_on else stay
    return current
