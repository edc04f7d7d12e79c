"""Tickets: contacts in writing that wait for an answer: email, web, social networks, messaging (docs/events.md)."""

from __future__ import annotations

from schemas.chats import Author, WrittenTransferKind
from schemas.envelope import ContactEvent
from schemas.fields import Name, Text


class TicketOpened(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="ticket.opened"):
    """A ticket was opened in a queue, through a channel such as email, web, social, whatsapp or sms."""

    channel: Name
    queue: Name
    priority: Name | int | None = None
    language: Name | None = None
    platform: Name | None = None
    customer_type: Name | None = None
    entry_point: Name | None = None
    reason: Text | None = None


class TicketReplied(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="ticket.replied"):
    """Somebody wrote. The first public reply of a human agent is the first response."""

    author: Author
    agent_id: Name | None = None
    public: bool = True


class TicketTransferred(
    ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="ticket.transferred"
):
    """The ticket was reassigned, or escalated to another ``level``; to ``to_queue`` where one is named."""

    from_queue: Name | None = None
    to_queue: Name | None = None
    from_agent: Name | None = None
    to_agent: Name | None = None
    kind: WrittenTransferKind | None = None
    level: Name | int | None = None


class TicketResolved(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="ticket.resolved"):
    """The ticket was resolved, by an agent of a ``level`` of attention."""

    agent_id: Name | None = None
    level: Name | int | None = None


class TicketReopened(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="ticket.reopened"):
    """A resolved ticket was opened again: what was resolved is not."""

    agent_id: Name | None = None
    level: Name | int | None = None


TicketEvent = TicketOpened | TicketReplied | TicketTransferred | TicketResolved | TicketReopened
