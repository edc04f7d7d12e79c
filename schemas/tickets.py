"""Tickets: contacts in writing that wait for an answer: email, web, social networks, messaging (docs/events.md)."""

from __future__ import annotations

from schemas.contacts import Entered, Leveled, WrittenTransferred, Wrote
from schemas.fields import Name, Text


class TicketOpened(Entered, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="ticket.opened"):
    """A ticket was opened in a queue, through a channel such as email, web, social, whatsapp or sms."""

    channel: Name
    reason: Text | None = None


class TicketReplied(Wrote, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="ticket.replied"):
    """Somebody wrote. The first public reply of a human agent is the first response."""


class TicketTransferred(
    WrittenTransferred, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="ticket.transferred"
):
    """The ticket was reassigned, or escalated to another ``level``; to ``to_queue`` where one is named."""


class TicketResolved(Leveled, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="ticket.resolved"):
    """The ticket was resolved, by an agent of a ``level`` of attention."""


class TicketReopened(Leveled, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="ticket.reopened"):
    """A resolved ticket was opened again: what was resolved is not."""


TicketEvent = TicketOpened | TicketReplied | TicketTransferred | TicketResolved | TicketReopened
