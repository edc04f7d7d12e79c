"""A simulated call, its customer, and the events that a switch would send of it."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from schemas.calls import (
    CallAbandoned,
    CallAnswered,
    CallEnded,
    CallFlowedOut,
    CallQueued,
    CallTransferred,
    CallWrappedUp,
)
from schemas.contacts import FlowOutReason, Party
from streams.simulate.center import Queue
from streams.simulate.contact import Caller, Contact
from streams.simulate.timed import SECOND

if TYPE_CHECKING:
    from streams.simulate.agents import Agent


class Call(Contact):
    """A call on its way through queues."""

    __slots__ = ("agent", "queue", "transfers")

    def __init__(self, contact_id: str, caller: Caller, queue: Queue) -> None:
        super().__init__(contact_id, caller)
        self.queue = queue
        self.transfers = 0
        self.agent: Agent | None = None

    def with_agent(self, now: int) -> dict[str, Any]:
        """Return what every event of the call and its agent has, for its next one."""
        assert self.agent is not None
        return self.next(now) | {"agent_id": self.agent.agent_id}

    def queued(self, now: int) -> CallQueued:
        """Return the event of entering the queue; its attributes only where callers have some."""
        if not self.caller.attributes:
            return CallQueued(
                **self.next(now),
                queue=self.queue.name,
            )
        platform, priority, language, customer_type = self.caller.attributes
        return CallQueued(
            **self.next(now),
            queue=self.queue.name,
            platform=platform,
            priority=priority,
            language=language,
            customer_type=customer_type,
            entry_point=self.queue.entry_point,
        )

    def answered(self, now: int, agent: Agent) -> CallAnswered:
        """Return the event of an agent's answer."""
        return CallAnswered(
            **self.next(now),
            agent_id=agent.agent_id,
            queue=self.queue.name,
            wait_seconds=(now - self.since) / SECOND,
            level=self.queue.level,
        )

    def abandoned(self, now: int) -> CallAbandoned:
        """Return the event of hanging up while waiting."""
        return CallAbandoned(
            **self.next(now),
            queue=self.queue.name,
            wait_seconds=(now - self.since) / SECOND,
        )

    def flowed_out(self, now: int, reason: FlowOutReason) -> CallFlowedOut:
        """Return the event of leaving the queue in another way."""
        return CallFlowedOut(
            **self.next(now),
            queue=self.queue.name,
            reason=reason,
            wait_seconds=(now - self.since) / SECOND,
        )

    def transferred(self, now: int, to: Queue) -> CallTransferred:
        """Return the event of being handed on to another queue."""
        assert self.agent is not None
        return CallTransferred(
            **self.next(now),
            from_queue=self.queue.name,
            to_queue=to.name,
            from_agent=self.agent.agent_id,
            kind="queue",
            level=to.level,
        )

    def ended(self, now: int, by: Party, *, resolved: bool | None) -> CallEnded:
        """Return the event of the end of the conversation."""
        return CallEnded(**self.with_agent(now), ended_by=by, resolved=resolved)

    def wrapped_up(self, now: int, agent: Agent, disposition: str) -> CallWrappedUp:
        """Return the event of the end of after-call work; the call may be with another agent by then."""
        return CallWrappedUp(
            **self.next(now),
            agent_id=agent.agent_id,
            disposition=disposition,
        )


def attributes(random: Random) -> tuple[Any, ...]:
    """Return platform, priority, language and customer type of a caller."""
    return (
        random.choices(("phone", "web", "app"), (6, 1, 2))[0],
        random.choices(("normal", "high", "urgent"), (8, 2, 1))[0],
        random.choices(("es", "en", "ca", "fr"), (12, 3, 3, 1))[0],
        random.choices(("residential", "business", "vip"), (12, 4, 1))[0],
    )
