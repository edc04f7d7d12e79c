"""Facts: what is kept of an event, by its type, and the order among facts.

A contact is the set of its facts, ordered by (time, rank of the type, digest of the id). What belongs to no contact (a cost, a customer
who stays without one named) is a fact of the contact without a name of the record's key.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from hashlib import blake2b, blake2s
from typing import Any, Final

from schemas.agents import AgentStateChanged
from schemas.business import CostAccrued, CustomerLost, CustomerRetained, SaleClosed
from schemas.calls import (
    CallAbandoned,
    CallAnswered,
    CallEnded,
    CallFlowedOut,
    CallHeld,
    CallQueued,
    CallResumed,
    CallTransferred,
    CallWrappedUp,
)
from schemas.chats import (
    ChatAbandoned,
    ChatAnswered,
    ChatEnded,
    ChatFlowedOut,
    ChatMessage,
    ChatStarted,
    ChatTransferred,
)
from schemas.events import EVENT_TYPES, scale_of
from schemas.fields import DECIMALS, microseconds
from schemas.opinions import FeedbackReceived, SurveyAnswered
from schemas.tickets import TicketOpened, TicketReopened, TicketReplied, TicketResolved, TicketTransferred

CALL: Final = "call"
CHAT: Final = "chat"
PRESENT: Final = frozenset({CALL, CHAT})
"""Channels in which customers stay and wait for the answer; all others are tickets."""
(
    QUEUED, HANDED_OVER, ANSWERED, REPLIED, HELD, RESUMED, TRANSFERRED, ABANDONED, FLOWED_OUT, ENDED, RESOLVED, REOPENED,
    WRAPPED_UP, SURVEYED, REMARKED, SOLD, STAYED, LOST, SPENT, NOTED,
) = range(20)  # fmt: skip
"""Ranks of the types: the order in which facts of the same time are taken. What is noted changes nothing."""

Fact = tuple[Any, ...]
"""(time in microseconds, rank, digest of the event's id, then what the type needs; see `FACTS`)."""


def digest(event_id: str) -> bytes:
    """Return 8 bytes that stand for an event's id, which also put facts of equal time and type into one order."""
    return blake2s(event_id.encode(), digest_size=8).digest()  # less to do than blake2b for a short text


def _us(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1_000_000)


def _text(value: str | int | None) -> str | None:
    return None if value is None else str(value)


def micros(amount: Decimal) -> int:
    """Return an amount of money in millionths.

    >>> micros(Decimal("-19.9"))
    -19900000
    """
    return int(amount.scaleb(DECIMALS))


def about(reason: str | None) -> int:
    """Return a number that stands for what a contact is about, 0 where that is not said.

    >>> about(None), about("invoice") == about("invoice")
    (0, True)
    """
    return int.from_bytes(blake2b(reason.encode(), digest_size=7).digest(), "big") + 1 if reason else 0


def _entered(e: CallQueued | ChatStarted | TicketOpened, time: int, channel: str | None) -> Fact:
    return (
        time, QUEUED, digest(e.id), e.queue, channel,
        e.platform, _text(e.priority), e.customer_type, e.language, e.entry_point,
    )  # fmt: skip


def _wrote(e: ChatMessage | TicketReplied, time: int) -> Fact:
    """Return a reply where it can be a response; of anything else only that it was."""
    if e.author == "agent" and e.public:
        return time, REPLIED, digest(e.id), e.agent_id
    return time, NOTED, digest(e.id)


def _handed_on(e: ChatTransferred | TicketTransferred, time: int, queue: str | None) -> Fact:
    if e.kind == "handover":
        return time, HANDED_OVER, digest(e.id)
    return time, TRANSFERRED, digest(e.id), e.from_agent, _text(e.level), queue


def _surveyed(e: SurveyAnswered, time: int) -> Fact:
    """Return an answer on its own scale turned so that more is better: agent, kind, value, and the scale's ends (millionths)."""
    low, high = (round(end * 1_000_000) for end in scale_of(e))
    value = round(e.value * 1_000_000)
    turned = value if e.better == "higher" else low + high - value
    return time, SURVEYED, digest(e.id), e.agent_id, e.kind, turned, low, high


def _spent(e: CostAccrued, time: int) -> Fact:
    start = time if e.period_start is None else microseconds(e.period_start)
    end = start if e.period_end is None else microseconds(e.period_end)
    return time, SPENT, digest(e.id), e.queue, e.channel, e.currency, micros(e.amount), start, end


FACTS: Final[dict[type, Callable[[Any, int], Fact]]] = {
    CallQueued: lambda e, time: _entered(e, time, None),
    CallAnswered: lambda e, time: (
        time, ANSWERED, digest(e.id), e.queue, _us(e.wait_seconds), None, e.agent_id, _text(e.level),
    ),
    CallHeld: lambda e, time: (time, HELD, digest(e.id), e.agent_id),
    CallResumed: lambda e, time: (time, RESUMED, digest(e.id), e.agent_id),
    CallTransferred: lambda e, time: (time, TRANSFERRED, digest(e.id), e.from_agent, _text(e.level), None),
    CallAbandoned: lambda e, time: (time, ABANDONED, digest(e.id), e.queue, _us(e.wait_seconds), None, None),
    CallFlowedOut: lambda e, time: (time, FLOWED_OUT, digest(e.id), e.queue, _us(e.wait_seconds), None, e.reason),
    CallEnded: lambda e, time: (time, ENDED, digest(e.id), e.agent_id, e.resolved, about(e.reason), None, None),
    CallWrappedUp: lambda e, time: (time, WRAPPED_UP, digest(e.id), e.agent_id),
    ChatStarted: lambda e, time: _entered(e, time, CHAT),
    ChatAnswered: lambda e, time: (
        time, ANSWERED, digest(e.id), e.queue, _us(e.wait_seconds), CHAT, e.agent_id, _text(e.level),
    ),
    ChatMessage: _wrote,
    ChatAbandoned: lambda e, time: (time, ABANDONED, digest(e.id), e.queue, _us(e.wait_seconds), CHAT, None),
    ChatFlowedOut: lambda e, time: (time, FLOWED_OUT, digest(e.id), e.queue, _us(e.wait_seconds), CHAT, e.reason),
    ChatTransferred: lambda e, time: _handed_on(e, time, None),
    ChatEnded: lambda e, time: (
        time, ENDED, digest(e.id), e.agent_id, e.resolved, about(e.reason), CHAT, e.ended_by,
    ),
    TicketOpened: lambda e, time: (*_entered(e, time, e.channel), about(e.reason)),
    TicketReplied: _wrote,
    TicketTransferred: lambda e, time: _handed_on(e, time, e.to_queue),
    TicketResolved: lambda e, time: (time, RESOLVED, digest(e.id), e.agent_id, _text(e.level)),
    TicketReopened: lambda e, time: (time, REOPENED, digest(e.id), _text(e.level)),
    SurveyAnswered: _surveyed,
    FeedbackReceived: lambda e, time: (time, REMARKED, digest(e.id), e.agent_id, e.kind),
    SaleClosed: lambda e, time: (time, SOLD, digest(e.id), e.agent_id, e.currency, micros(e.amount)),
    CustomerRetained: lambda e, time: (time, STAYED, digest(e.id)),
    CustomerLost: lambda e, time: (time, LOST, digest(e.id)),
    CostAccrued: _spent,
}  # fmt: skip
"""What is kept of an event and its time, by its type."""
assert FACTS.keys() == set(EVENT_TYPES) - {AgentStateChanged}
