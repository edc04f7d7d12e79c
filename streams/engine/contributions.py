"""Contributions: what the contacts of a partition add to its panes, kept up to date by crediting differences.

Facts are noted as they come and evaluated once per contact, when the time advances or changes are asked for.
"""

from __future__ import annotations

from streams.engine.calls import Fact
from streams.engine.contacts import UNKNOWN, Contact, Customer
from streams.engine.credits import Credit, credits_of, lost
from streams.engine.customers import Customers, load
from streams.engine.gauges import Name, WaitingNow
from streams.engine.panes import Panes
from streams.engine.policy import Policy
from streams.engine.records import Records, contact_key
from streams.engine.slices import Slices
from streams.engine.timers import Timers


class Contributions:
    """The contacts, the callers waiting among them, and the timers that they set."""

    def __init__(self, policy: Policy, panes: Panes, slices: Slices) -> None:
        self._policy = policy
        self._panes = panes
        self._slices = slices
        self._customers = Customers(policy)
        self._timers = Timers()
        self._news: list[tuple[bytes, str, Customer, Contact]] = []
        self._dirty: dict[Name, Contact | None] = {}
        self.waiting = WaitingNow()

    # Facts in

    def note(self, key: bytes, name: str, fact: Fact, watermark: int) -> tuple[bool, Contact]:
        """Add a fact to its contact, to be evaluated later; return False with the contact when it was known."""
        customer = self._customers.get(key, watermark)
        contact = customer.contacts.get(name)
        if not isinstance(contact, Contact):
            contact = self._load(key, customer, name)
        if contact is None:
            contact = customer.contacts[name] = Contact([], identified=key != name.encode())
        new = contact.learn(fact)
        if not contact.new and contact.folded != len(contact.facts):
            contact.new = True
            self._news.append((key, name, customer, contact))
        return new, contact

    def evaluate(self) -> None:
        """Evaluate the contacts that facts were noted for."""
        news, self._news = self._news, []
        for key, name, customer, contact in news:
            contact.fold()
            self._evaluate(key, name, customer, contact)
            self._dirty[key, name] = contact
            contact.new = False
            contact.written = None

    def advance(self, now_us: int) -> None:
        """Evaluate what is noted, then credit what is due by ``now_us`` to those who still wait."""
        self.evaluate()
        for key, name in self._timers.due(now_us):
            customer = self._customers.live.get(key)
            contact = customer.contacts.get(name) if customer is not None else None
            if customer is None or not isinstance(contact, Contact) or contact.call.waiting is None:
                continue
            contact.as_of = max(contact.as_of, now_us)
            before = contact.credits
            self._evaluate(key, name, customer, contact)
            if contact.credits != before:
                contact.written = None
                self._dirty[key, name] = contact

    # Records out and in

    @property
    def pending(self) -> bool:
        """Tell whether a contact's record is out of date."""
        return bool(self._news or self._dirty)

    def flush(self, watermark: int) -> Records:
        """Return the records of the contacts that changed, and of those that nothing can change any more."""
        self.evaluate()
        for name in self._customers.expire(watermark):
            self._dirty[name] = None
        records: Records = [
            (contact_key(*name), None if contact is None else contact.record()) for name, contact in self._dirty.items()
        ]
        self._dirty = {}
        self._customers.settle(watermark)
        return records

    @property
    def known(self) -> bool:
        """Tell whether there is any contact."""
        return self._customers.known

    def restore(self, key: bytes, name: str, record: bytes | None) -> None:
        """Take a contact's record back, or its deletion; of several the last one counts."""
        self._customers.restore(key, name, record)

    def restored(self, watermark: int) -> None:
        """Be ready after all records were taken; whoever still waits or talks is in use."""
        for key, customer in self._customers.restored(watermark):
            for name in list(customer.contacts):
                contact = self._load(key, customer, name)
                if contact is not None:
                    self._watch((key, name), contact)

    # What a contact adds

    def _load(self, key: bytes, customer: Customer, name: str) -> Contact | None:
        contact, settled = load(key, customer, name)
        if settled and contact is not None:
            contact.credits = self._credits(name, customer, contact)
        return contact

    def _credits(self, name: str, customer: Customer, contact: Contact) -> list[Credit]:
        following = customer.next_start(name, contact.start) if len(customer.order) > 1 else None
        return credits_of(
            contact.call, self._policy, self._slices, contact.as_of, following, identified=contact.identified
        )

    def _evaluate(self, key: bytes, name: str, customer: Customer, contact: Contact) -> None:
        """Credit the difference between what a contact adds now and what it has been credited."""
        visits = contact.call.visits
        start = visits[0].start if visits else UNKNOWN
        if start != contact.start:
            self._move(key, name, customer, contact, start)
        self._settle_up(contact, self._credits(name, customer, contact))
        if contact.waiting is not None or contact.call.waiting is not None:
            self._watch((key, name), contact)

    def _move(self, key: bytes, name: str, customer: Customer, contact: Contact, start: int) -> None:
        """Place a contact that now began at ``start``; the contact before it may have another one after it now."""
        before = customer.before(name, contact.start, start) if customer.order else ()
        neighbours = {other: self._load(key, customer, other) for other in before}
        customer.place(name, contact.start, start)
        contact.start = start
        for other, neighbour in neighbours.items():
            if neighbour is not None:
                self._settle_up(neighbour, self._credits(other, customer, neighbour))

    def _settle_up(self, contact: Contact, new: list[Credit]) -> None:
        credit = self._panes.credit
        old = contact.credits
        contact.credits = new
        for was, now in zip(old, new, strict=False):
            if was is now or was == now:
                continue
            if was[0] == now[0] and was[1] == now[1] and was[3] == now[3]:
                credit(now[0], now[1], now[2] - was[2], None, 0)
            else:
                credit(was[0], was[1], -was[2], was[3], -1)
                credit(now[0], now[1], now[2], now[3], 1)
        common = len(old)
        if common > len(new):
            common = len(new)
            for time, group, bundle, code in old[common:]:
                credit(time, group, -bundle, code, -1)
        for time, group, bundle, code in new[common:]:
            credit(time, group, bundle, code, 1)

    def _watch(self, name: Name, contact: Contact) -> None:
        """Keep the callers waiting, and the timers of those who begin to, up to date."""
        visit = contact.call.waiting
        waiting = None
        if visit is not None and not lost(visit, self._policy.of(visit.queue), contact.as_of):
            waiting = (visit.queue, visit.start)
        if waiting == contact.waiting:
            return
        if contact.waiting is not None:
            self.waiting.end(contact.waiting[0], name)
        if waiting is not None:
            queue, start = waiting
            limits = self._policy.of(queue)
            self.waiting.begin(queue, name, start)
            self._timers.set(start + limits.threshold, name)
            self._timers.set(start + limits.maximum_wait, name)
        contact.waiting = waiting
