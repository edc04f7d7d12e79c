"""A simulated contact in writing, and what is known of any contact that is over."""

from __future__ import annotations

from typing import Any, NamedTuple

from streams.simulate.center import Desk
from streams.simulate.contact import Caller, Contact
from streams.simulate.crews import Writer
from streams.simulate.timed import SECOND

REASONS = ("invoice", "delivery", "breakdown", "contract", "password", "booking")


class Written(Contact):
    """A chat or ticket on its way."""

    __slots__ = ("again", "desk", "level", "moves", "reason", "until", "writer")

    def __init__(self, contact_id: str, caller: Caller, desk: Desk, reason: str | None) -> None:
        super().__init__(contact_id, caller)
        self.desk = desk
        self.reason = reason
        self.again = self.moves = self.until = 0
        self.level = 1
        self.writer: Writer | None = None

    def with_agent(self, now: int) -> dict[str, Any]:
        """Return what every event of the contact and its agent has, for its next one."""
        assert self.writer is not None
        return self.next(now) | {"agent_id": self.writer.agent_id}

    def entering(self, now: int) -> dict[str, Any]:
        """Return what its entering a queue has."""
        platform, priority, language, customer_type = self.caller.attributes
        return self.next(now) | {
            "queue": self.desk.name,
            "platform": platform,
            "priority": priority,
            "language": language,
            "customer_type": customer_type,
            "entry_point": self.desk.channel,
        }

    def waited(self, now: int) -> float:
        """Return the seconds since its visit began."""
        return (now - self.since) / SECOND

    def over(self, *, resolved: bool) -> Over:
        """Return what is known of it at its end."""
        agent_id = self.writer.agent_id if self.writer is not None else None
        return Over(
            self.contact_id, self.key, self.caller, self.desk.channel, self.desk.name, agent_id, self.reason, resolved
        )


class Over(NamedTuple):
    """A contact that is over for now; nobody answered where there is no agent."""

    contact_id: str
    key: bytes
    caller: Caller
    channel: str
    queue: str
    agent_id: str | None
    reason: str | None
    resolved: bool
