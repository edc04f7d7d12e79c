"""Business: what contacts bring in and cost, and customers who stay or leave (docs/events.md)."""

from __future__ import annotations

from schemas.contacts import ContactEvent
from schemas.envelope import Envelope
from schemas.fields import Amount, Currency, Id, Moment, Name


class SaleClosed(ContactEvent, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="sale.closed"):
    """A sale came out of a contact."""

    amount: Amount
    currency: Currency
    agent_id: Name | None = None


class CustomerRetained(Envelope, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="customer.retained"):
    """A customer who was asked, or who was about to leave, stays."""

    customer_id: Id
    contact_id: Id | None = None


class CustomerLost(Envelope, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="customer.lost"):
    """A customer left."""

    customer_id: Id
    contact_id: Id | None = None


class CostAccrued(Envelope, kw_only=True, frozen=True, gc=False, omit_defaults=True, tag="cost.accrued"):
    """Operating cost, of a queue or a channel where one is named, spread evenly over the period where one is given."""

    amount: Amount
    currency: Currency
    queue: Name | None = None
    channel: Name | None = None
    period_start: Moment | None = None
    period_end: Moment | None = None


BusinessEvent = SaleClosed | CustomerRetained | CustomerLost | CostAccrued
