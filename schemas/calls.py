"""Calls: the events of a telephone contact, in the order in which they usually happen (docs/events.md)."""

from __future__ import annotations

from schemas.contacts import Answered, Ended, Entered, FlowedOut, Left, OfAgent, TransferKind, Transferred
from schemas.fields import Seconds, Text


class CallQueued(Entered, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="call.queued"):
    """The call entered a queue: a queue visit begins."""

    callback: bool = False


class CallAnswered(Answered, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="call.answered"):
    """An agent connected. ``wait_seconds`` stands in when the start of the visit is lost."""

    ring_seconds: Seconds | None = None


class CallAbandoned(Left, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="call.abandoned"):
    """The customer hung up while waiting."""


class CallFlowedOut(FlowedOut, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="call.flowed_out"):
    """The call left the queue unanswered, and not by hanging up. A requested callback is one of these."""


class CallHeld(OfAgent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="call.held"):
    """Hold began."""


class CallResumed(OfAgent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="call.resumed"):
    """Hold ended."""


class CallTransferred(Transferred, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="call.transferred"):
    """The agent handed the call on. A new queue visit may follow, with its own ``call.queued``."""

    kind: TransferKind | None = None


class CallEnded(Ended, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="call.ended"):
    """The conversation is over. ``resolved`` left out counts as resolved; only a clear false does not."""


class CallWrappedUp(OfAgent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="call.wrapped_up"):
    """After-call work is over."""

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
