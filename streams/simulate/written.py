"""A simulated contact in writing, and what is known of any contact that is over."""

from __future__ import annotations

from typing import Any, NamedTuple

from streams.simulate.calls import Caller
from streams.simulate.center import Desk
from streams.simulate.crews import Writer
from streams.simulate.timed import SECOND, moment

REASONS = ("invoice", "delivery", "breakdown", "contract", "password", "booking")


class Written:
    """A chat or ticket on its way. ``waiting`` grows when a wait begins and when it ends, so an old entry is known as void."""

    __slots__ = (
        "again", "caller", "contact_id", "desk", "events", "key", "level", "moves", "reason", "since", "until", "waiting",
        "writer",
    )  # fmt: skip

    def __init__(self, contact_id: str, caller: Caller, desk: Desk, reason: str | None) -> None:
        self.contact_id = contact_id
        self.caller = caller
        self.desk = desk
        self.reason = reason
        self.key = caller.key or contact_id.encode()
        self.again = self.events = self.moves = self.since = self.until = self.waiting = 0
        self.level = 1
        self.writer: Writer | None = None

    def next(self, now: int) -> dict[str, Any]:
        """Return what every event of the contact has, for its next one."""
        self.events += 1
        return {
            "id": f"{self.contact_id}.{self.events}",
            "time": moment(now),
            "contact_id": self.contact_id,
            "customer_id": self.caller.customer_id,
        }

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
