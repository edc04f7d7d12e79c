"""What events of contacts share, whatever the channel: a call, a chat and a ticket say it with the same fields (docs/events.md)."""

from __future__ import annotations

from typing import Literal

from schemas.envelope import Envelope
from schemas.fields import Id, Name, Seconds, Text

FlowOutReason = Literal["timeout", "voicemail", "callback", "overflow", "key", "empty", "error"]
Party = Literal["customer", "agent", "system"]
Author = Literal["customer", "agent", "bot", "system"]
TransferKind = Literal["blind", "attended", "queue", "external"]
WrittenTransferKind = Literal["blind", "attended", "queue", "external", "handover"]


class ContactEvent(Envelope, kw_only=True, frozen=True, gc=False, omit_defaults=True):
    """An event of one contact. ``customer_id`` is optional on each, and wanted on the first."""

    contact_id: Id
    customer_id: Id | None = None


class Entered(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True):
    """It entered a queue, and what is known of it then."""

    queue: Name
    priority: Name | int | None = None
    language: Name | None = None
    platform: Name | None = None
    customer_type: Name | None = None
    entry_point: Name | None = None


class Left(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True):
    """It left a queue, or was answered. ``wait_seconds`` stands in when the start of the visit is lost."""

    queue: Name | None = None
    wait_seconds: Seconds | None = None


class Answered(Left, kw_only=True, frozen=True, gc=False, omit_defaults=True):
    """A human agent took it, at a ``level`` of attention."""

    agent_id: Name
    level: Name | int | None = None


class FlowedOut(Left, kw_only=True, frozen=True, gc=False, omit_defaults=True):
    """It left a queue unanswered, and the customer had not left."""

    reason: FlowOutReason


class OfAgent(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True):
    """Something an agent did, who may be unknown."""

    agent_id: Name | None = None


class Leveled(OfAgent, kw_only=True, frozen=True, gc=False, omit_defaults=True):
    """Something an agent of a ``level`` of attention did."""

    level: Name | int | None = None


class Transferred(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True):
    """It was handed on, and a new queue visit may follow; to another ``level`` is an escalation."""

    from_queue: Name | None = None
    to_queue: Name | None = None
    from_agent: Name | None = None
    to_agent: Name | None = None
    level: Name | int | None = None


class WrittenTransferred(Transferred, kw_only=True, frozen=True, gc=False, omit_defaults=True):
    """What is in writing was handed on; by a bot to people where ``kind`` is ``handover``."""

    kind: WrittenTransferKind | None = None


class Ended(OfAgent, kw_only=True, frozen=True, gc=False, omit_defaults=True):
    """The conversation is over. ``resolved`` left out counts as resolved; only a clear false does not."""

    ended_by: Party | None = None
    resolved: bool | None = None
    reason: Text | None = None


class Wrote(OfAgent, kw_only=True, frozen=True, gc=False, omit_defaults=True):
    """Somebody wrote. The first public one of a human agent is the first response."""

    author: Author
    public: bool = True
