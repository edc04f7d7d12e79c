"""Short hands for events in tests: seconds after a fixed moment in, typed events out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.agents import AgentStateChanged
from schemas.calls import CallEvent
from schemas.events import EVENT_TYPES, TYPE_NAMES, Event

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
KINDS: dict[str, Any] = {name: kind for kind, name in TYPE_NAMES.items()}
assert len(KINDS) == len(EVENT_TYPES)


def us(seconds: float, since: datetime = NOON) -> int:
    """Return the microseconds since the epoch of so many seconds after ``since``."""
    return round(since.timestamp()) * 1_000_000 + round(seconds * 1_000_000)


def moment(time_us: int) -> datetime:
    """Return a time in microseconds since the epoch as an event carries it."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)


def event(kind: str, seconds: float, contact: str = "c", **fields: Any) -> Event:
    """Return a call's event; its id tells contact, type and time unless one is given.

    >>> event("queued", 0, queue="sales").contact_id
    'c'
    """
    name = f"{contact}/{kind}/{seconds}"
    made: CallEvent = KINDS[f"call.{kind}"](
        **{"id": name, "time": moment(us(seconds)), "contact_id": contact, **fields}
    )
    return made


def state(agent: str, seconds: float, state: str, **fields: Any) -> AgentStateChanged:
    """Return an agent's change of state."""
    name = f"{agent}/{state}/{seconds}"
    return AgentStateChanged(**{"id": name, "time": moment(us(seconds)), "agent_id": agent, "state": state, **fields})
