"""Agents: the states that a person who takes contacts goes through (docs/events.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from schemas.envelope import Envelope
from schemas.fields import Name, Text

State = Literal["available", "busy", "wrap_up", "paused", "offline"]


class AgentStateChanged(Envelope, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="agent.state_changed"):
    """The agent is in ``state`` from ``time`` on, for the queues listed."""

    agent_id: Name
    state: State
    reason: Text | None = None
    queues: Annotated[tuple[Name, ...], Meta(max_length=256)] = ()
