"""What simulated contacts bring in and cost: sales in several currencies, customers who stay or leave, costs by the hour."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from schemas.business import CostAccrued, CustomerLost, CustomerRetained, SaleClosed
from schemas.events import Event
from streams.simulate.center import Center
from streams.simulate.clockwork import HOUR, Clockwork
from streams.simulate.timed import Timed, moment
from streams.simulate.written import Over

SOLD_BY_SELLERS, SOLD_BY_OTHERS = 0.2, 0.02
"""Shares of the contacts resolved that end in a sale."""
SALE, CLOSING = 60.0, 20.0
"""Mean amount of a sale, and mean seconds from the end of the contact to its being closed."""
WANTED_TO_LEAVE, STAYED = 0.03, 0.68
"""Share of the known customers handled who wanted to leave, and of these the share who stay."""
HOURLY_COST, FEE = 24.0, 0.05
"""EUR an hour of handling, and USD that the operator of a messenger asks for a contact."""
_CURRENCIES = ("EUR",) * 8 + ("USD", "GBP")


class Business:
    """All sales, customers and costs."""

    def __init__(self, clockwork: Clockwork, stamp: str) -> None:
        self._clockwork = clockwork
        self._stamp = stamp
        self._closed = 0
        self._sellers = _sellers(clockwork.center)
        self._costs = _costs(clockwork.center)

    def begin(self, now: int) -> None:
        """Let costs run up until the next full hour."""
        self._clockwork.later(now - now % HOUR + HOUR, self._pay, now)

    def over(self, now: int, contact: Over) -> None:
        """Let a contact that was handled end in a sale, or with a customer who stays or leaves."""
        clockwork = self._clockwork
        if contact.agent_id is None:
            return
        share = SOLD_BY_SELLERS if contact.queue in self._sellers else SOLD_BY_OTHERS
        if contact.resolved and clockwork.happens(share):
            clockwork.later(now + clockwork.exponential(CLOSING), self._sell, contact)
        if contact.caller.customer_id is not None and clockwork.happens(WANTED_TO_LEAVE):
            clockwork.later(now + clockwork.exponential(CLOSING), self._decide, contact)

    def _sell(self, now: int, contact: Over) -> None:
        random = self._clockwork.random
        amount = _cents(5.0 + 2 * (SALE - 5.0) * random())
        currency = _CURRENCIES[int(random() * len(_CURRENCIES))]
        sale = SaleClosed(**self._of(now, contact), agent_id=contact.agent_id, amount=amount, currency=currency)
        self._emit(now, contact.key, sale)

    def _decide(self, now: int, contact: Over) -> None:
        kind = CustomerRetained if self._clockwork.happens(STAYED) else CustomerLost
        self._emit(now, contact.key, kind(**self._of(now, contact)))

    def _pay(self, now: int, since: int) -> None:
        """Tell what the hour has cost, by queue and channel; later hours cost what their contacts will."""
        hours = (now - since) / HOUR * self._clockwork.level(since)
        for queue, channel, currency, hourly in self._costs:
            cost = CostAccrued(
                **self._next(now), queue=queue, channel=channel, amount=_cents(hours * hourly), currency=currency,
                period_start=moment(since), period_end=moment(now),
            )  # fmt: skip
            self._emit(now, cost.id.encode(), cost)
        self.begin(now)

    def _of(self, now: int, contact: Over) -> dict[str, Any]:
        return self._next(now) | {"contact_id": contact.contact_id, "customer_id": contact.caller.customer_id}

    def _next(self, now: int) -> dict[str, Any]:
        self._closed += 1
        return {"id": f"b{self._stamp}-{self._closed}", "time": moment(now)}

    def _emit(self, now: int, key: bytes, event: Event) -> None:
        self._clockwork.out.append(Timed(now, key, event))


def _sellers(center: Center) -> set[str]:
    """Return the queues whose agents sell: those of the first group of calls, and the first desk."""
    first = center.queues[0].group
    return {queue.name for queue in center.queues if queue.group == first} | {center.desks[0].name}


def _costs(center: Center) -> list[tuple[str, str, str, float]]:
    """Return queue, channel, currency and what the busiest hour costs."""
    calls = [
        (queue.name, "call", "EUR", HOURLY_COST * queue.calls_per_hour * (queue.handle + queue.wrap_up) / 3600)
        for queue in center.queues
    ]
    written = [
        (desk.name, desk.channel, "EUR", HOURLY_COST * desk.contacts_per_hour * desk.handle / 3600)
        for desk in center.desks
    ]
    fees = [
        (desk.name, desk.channel, "USD", FEE * desk.contacts_per_hour)
        for desk in center.desks
        if desk.channel == "whatsapp"
    ]
    return calls + written + fees


def _cents(amount: float) -> Decimal:
    """Return an amount of money with its cents.

    >>> _cents(19.899)
    Decimal('19.90')
    """
    return Decimal(round(amount * 100)).scaleb(-2)
