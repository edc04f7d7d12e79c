"""Chats: the events of a contact in writing while both sides are there (docs/events.md).

``chat.started`` again after ``chat.ended`` reopens the chat. A bot that hands over to people says so with a ``chat.transferred`` of
kind ``handover``, which is no transfer between people.
"""

from __future__ import annotations

from typing import Literal

from schemas.calls import FlowOutReason, Party
from schemas.envelope import ContactEvent
from schemas.fields import Name, Seconds, Text

Author = Literal["customer", "agent", "bot", "system"]
WrittenTransferKind = Literal["blind", "attended", "queue", "external", "handover"]


class ChatStarted(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="chat.started"):
    """The customer opened a chat, or it entered another queue: a queue visit begins."""

    queue: Name
    priority: Name | int | None = None
    language: Name | None = None
    platform: Name | None = None
    customer_type: Name | None = None
    entry_point: Name | None = None


class ChatAnswered(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="chat.answered"):
    """A human agent joined. ``wait_seconds`` stands in when the start of the visit is lost."""

    agent_id: Name
    queue: Name | None = None
    wait_seconds: Seconds | None = None
    level: Name | int | None = None


class ChatMessage(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="chat.message"):
    """A message. The first public one of a human agent is the first response."""

    author: Author
    agent_id: Name | None = None
    public: bool = True


class ChatAbandoned(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="chat.abandoned"):
    """The customer left while waiting."""

    queue: Name | None = None
    wait_seconds: Seconds | None = None


class ChatFlowedOut(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="chat.flowed_out"):
    """The chat left the queue unanswered, and the customer had not left."""

    reason: FlowOutReason
    queue: Name | None = None
    wait_seconds: Seconds | None = None


class ChatTransferred(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="chat.transferred"):
    """The chat was handed on; by a bot to people where ``kind`` is ``handover``. A new queue visit may follow."""

    from_queue: Name | None = None
    to_queue: Name | None = None
    from_agent: Name | None = None
    to_agent: Name | None = None
    kind: WrittenTransferKind | None = None
    level: Name | int | None = None


class ChatEnded(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="chat.ended"):
    """The conversation is over. ``resolved`` left out counts as resolved; only a clear false does not."""

    agent_id: Name | None = None
    ended_by: Party | None = None
    resolved: bool | None = None
    reason: Text | None = None


ChatEvent = ChatStarted | ChatAnswered | ChatMessage | ChatAbandoned | ChatFlowedOut | ChatTransferred | ChatEnded
