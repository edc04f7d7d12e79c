"""Calls: the events of a telephone contact, in the order in which they usually happen (docs/events.md)."""

from __future__ import annotations

from typing import Literal

from schemas.envelope import ContactEvent
from schemas.fields import Name, Seconds, Text

FlowOutReason = Literal["timeout", "voicemail", "callback", "overflow", "key", "empty", "error"]
TransferKind = Literal["blind", "attended", "queue", "external"]
Party = Literal["customer", "agent", "system"]


class CallQueued(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="call.queued"):
    """The call entered a queue: a queue visit begins."""

    queue: Name
    priority: Name | int | None = None
    language: Name | None = None
    platform: Name | None = None
    customer_type: Name | None = None
    entry_point: Name | None = None
    callback: bool = False


class CallAnswered(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="call.answered"):
    """An agent connected. ``wait_seconds`` stands in when the start of the visit is lost."""

    agent_id: Name
    queue: Name | None = None
    wait_seconds: Seconds | None = None
    ring_seconds: Seconds | None = None
    level: Name | int | None = None


class CallAbandoned(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="call.abandoned"):
    """The customer hung up while waiting."""

    queue: Name | None = None
    wait_seconds: Seconds | None = None


class CallFlowedOut(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="call.flowed_out"):
    """The call left the queue unanswered, and not by hanging up. A requested callback is one of these."""

    reason: FlowOutReason
    queue: Name | None = None
    wait_seconds: Seconds | None = None


class CallHeld(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="call.held"):
    """Hold began."""

    agent_id: Name | None = None


class CallResumed(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="call.resumed"):
    """Hold ended."""

    agent_id: Name | None = None


class CallTransferred(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="call.transferred"):
    """The agent handed the call on. A new queue visit may follow, with its own ``call.queued``."""

    from_queue: Name | None = None
    to_queue: Name | None = None
    from_agent: Name | None = None
    to_agent: Name | None = None
    kind: TransferKind | None = None
    level: Name | int | None = None


class CallEnded(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="call.ended"):
    """The conversation is over. ``resolved`` left out counts as resolved; only a clear false does not."""

    agent_id: Name | None = None
    ended_by: Party | None = None
    resolved: bool | None = None
    reason: Text | None = None


class CallWrappedUp(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="call.wrapped_up"):
    """After-call work is over."""

    agent_id: Name | None = None
    disposition: Text | None = None


CallEvent = (
    CallQueued
    | CallAnswered
    | CallAbandoned
    | CallFlowedOut
    | CallHeld
    | CallResumed
    | CallTransferred
    | CallEnded
    | CallWrappedUp
)
