"""Contributions: what the contacts of a partition add to its panes, kept up to date by crediting differences.

Facts are noted as they come and evaluated once per contact, when the time advances or changes are asked for.
"""

from __future__ import annotations

from typing import Final

from streams.engine.contacts import FEW, UNKNOWN, Contact
from streams.engine.credits import Credits, lost, patience
from streams.engine.customer import Customer, is_identified
from streams.engine.customers import Customers, load
from streams.engine.facts import Fact
from streams.engine.gauges import Name, WaitingNow
from streams.engine.lives import Lives
from streams.engine.marks import Credit
from streams.engine.panes import Panes
from streams.engine.policy import Policy
from streams.engine.records import Records, contact_key, page_key
from streams.engine.slices import Slices
from streams.engine.timers import Timers

_CHANGING: Final = 64
"""Credits at the end of a long contact's, among which all that changes mostly is."""


class Contributions:
    """The contacts, the callers waiting among them, and the timers that they set."""

    def __init__(self, policy: Policy, panes: Panes, slices: Slices) -> None:
        self._policy = policy
        self._panes = panes
        self._given = Credits(policy, slices)
        self._customers = Customers(policy)
        self.restore = self._customers.restore
        """Takes contacts' records back; see `Customers.restore`."""
        self.restore_block = self._customers.restore_block
        self._timers = Timers()
        self._lives = Lives(policy)
        self._watermark = 0
        self._news: list[tuple[bytes, str, Customer, Contact]] = []
        self._dirty: dict[Name, Contact | int] = {}
        """Contacts to write; of those to delete the number of pages."""
        self.waiting = WaitingNow()

    # Facts in

    def note(self, key: bytes, name: str, fact: Fact, watermark: int) -> tuple[bool, Contact]:
        """Add a fact to its contact, to be evaluated later; return False with the contact when it was known."""
        self._watermark = watermark
        customer = self._customers.get(key, watermark)
        contact = customer.contacts.get(name)
        if not isinstance(contact, Contact):
            contact = self._load(key, customer, name)
        if customer.later or (contact is not None and self._lives.may_part(contact.facts, fact[0])):
            name, contact = self._live(key, customer, name, fact)
        elif contact is None:
            contact = self._begin(key, customer, name)
        new = contact.learn(fact)
        if not contact.new and (new or contact.folded != len(contact.facts)):
            self._renew(key, name, customer, contact)
        return new, contact

    def _begin(self, key: bytes, customer: Customer, name: str) -> Contact:
        contact = customer.contacts[name] = Contact(identified=is_identified(key, name))
        customer.used.add(name)
        return contact

    def _live(self, key: bytes, customer: Customer, name: str, fact: Fact) -> tuple[str, Contact]:
        """Return name and contact that a fact is of, where several contacts have its id, one long after the other (lives.py)."""
        lives: list[tuple[str, Contact]] = []
        for one in (name, *customer.later.get(name, ())):
            contact = self._load(key, customer, one)
            if contact is not None:
                lives.append((one, contact))
        found: tuple[str, Contact] | None = None
        alive: list[Contact] = []
        for facts, known in self._lives.of([contact for _, contact in lives], fact):
            at = next((at for at, (_, contact) in enumerate(lives) if contact is known), None)
            if at is None:
                one = name if name not in customer.contacts else customer.name_later(name, facts[0][0])
                contact = self._begin(key, customer, one)
            else:
                one, contact = lives.pop(at)
            rest = [other for other in facts if other is not fact]
            if rest != contact.facts:
                contact.replace(rest)
                if not contact.new:
                    self._renew(key, one, customer, contact)
            if len(rest) < len(facts):
                found = one, contact
            alive.append(contact)
        for one, contact in lives:
            next(other for other in alive if contact.facts[0] in other.facts).outlive(contact)
            self._end(key, one, customer, contact)
        assert found is not None, "a fact is of some contact"
        return found

    def _renew(self, key: bytes, name: str, customer: Customer, contact: Contact) -> None:
        """Let a contact be evaluated anew."""
        contact.new = True
        self._news.append((key, name, customer, contact))

    def _end(self, key: bytes, name: str, customer: Customer, contact: Contact) -> None:
        """Withdraw a contact all of whose facts are another one's."""
        self._settle_up(contact, [])
        self._move(key, name, customer, contact, UNKNOWN)
        if contact.waiting is not None:
            self.waiting.end((key, name))
        self._news = [news for news in self._news if news[3] is not contact]
        self._dirty[key, name] = abs(contact.stored)
        customer.forget(name, UNKNOWN)

    def evaluate(self) -> None:
        """Evaluate the contacts that facts were noted for."""
        news, self._news = self._news, []
        horizon = self._watermark - self._policy.lateness
        for key, name, customer, contact in news:
            if contact.fold():
                self._evaluate(key, name, customer, contact)
            if len(contact.facts) > FEW and contact.is_long(horizon):
                self._sum_up(name, customer, contact, horizon)
            self._dirty[key, name] = contact
            contact.new = False
            contact.written = None

    def _sum_up(self, name: str, customer: Customer, contact: Contact, horizon: int) -> None:
        """Fold what is out of reach into the contact's past; what only that was credited for is in the panes for good."""
        contact.sum_up(horizon)
        contact.credits = self._credits(name, customer, contact)

    def advance(self, now_us: int) -> None:
        """Evaluate what is noted, then credit what is due by ``now_us`` to those who still wait."""
        self.evaluate()
        for key, name in self._timers.due(now_us):
            if (key, name) not in self.waiting.where:
                continue
            customer = self._customers.get(key, self._watermark)
            contact = self._load(key, customer, name)
            if contact is None or contact.course.waiting is None:
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
        self._watermark = watermark
        self.advance(watermark - self._policy.lateness)  # whatever the clock was told: who is forgotten must not wait
        for key in self._customers.long(watermark):
            self._sum_up_settled(key)
        for key, name, pages in self._customers.expire(watermark):
            self._dirty[key, name] = pages
        records = self._customers.written()
        for (key, name), contact in self._dirty.items():
            if isinstance(contact, Contact):
                records.update(contact.records(key, name))
            else:
                records[contact_key(key, name)] = None
                records |= {page_key(key, name, number): None for number in range(contact)}
        self._dirty = {}
        self._customers.settle(watermark)
        records |= self._customers.written()
        return list(records.items())

    def _sum_up_settled(self, key: bytes) -> None:
        horizon = self._watermark - self._policy.lateness
        customer = self._customers.get(key, self._watermark)
        for name in list(customer.contacts):
            contact = self._load(key, customer, name)
            if contact is not None and contact.is_long(horizon):
                self._sum_up(name, customer, contact, horizon)
                self._dirty[key, name] = contact

    @property
    def known(self) -> bool:
        """Tell whether there is any contact."""
        return self._customers.known

    def restore_page(self, key: bytes, name: str, number: int, record: bytes | None) -> None:
        """Take a page of a contact's facts back, or its deletion; of several the last one counts."""
        self._customers.restore_page(key, name, number, record)

    def restored(self, watermark: int) -> None:
        """Be ready after all records were taken; whoever still waits or talks is in use."""
        self._watermark = watermark
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
            contact.waiting = self.waiting.of((key, name))
        return contact

    def _credits(self, name: str, customer: Customer, contact: Contact) -> list[Credit]:
        following = None
        if len(customer.order) > 1:
            following = customer.next_start(name, contact.start, contact.about)
        return self._given.of(contact.course, contact.as_of, following, identified=contact.identified)

    def _evaluate(self, key: bytes, name: str, customer: Customer, contact: Contact) -> None:
        """Credit the difference between what a contact adds now and what it has been credited."""
        course = contact.course
        start = course.first.start if course.first is not None else UNKNOWN
        if start != contact.start or course.about != contact.about:
            self._move(key, name, customer, contact, start)
        self._settle_up(contact, self._credits(name, customer, contact))
        if contact.waiting is not None or course.waiting is not None:
            self._watch((key, name), contact)

    def _move(self, key: bytes, name: str, customer: Customer, contact: Contact, start: int) -> None:
        """Place a contact that now began at ``start``; the contacts before it may have another one after them now."""
        about = contact.course.about
        before: set[str] = set()
        if customer.order:
            before = customer.before(name, contact.start, contact.about) | customer.before(name, start, about)
        neighbours = {other: self._load(key, customer, other) for other in before}
        before.discard(name)
        customer.place(name, contact.start, start, about)
        contact.start, contact.about = start, about
        for other, neighbour in neighbours.items():
            # Also one with news of its own: they may change nothing, and then nobody evaluates it.
            if neighbour is not None:
                self._settle_up(neighbour, self._credits(other, customer, neighbour))

    def _settle_up(self, contact: Contact, new: list[Credit]) -> None:
        credit = self._panes.credit
        old = contact.credits
        contact.credits = new
        same = min(len(old), len(new)) - _CHANGING
        if same > 0 and old[:same] == new[:same]:  # a long contact: what is sealed comes first
            old, new = old[same:], new[same:]
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
        visit = contact.course.waiting
        waiting = None
        if visit is not None and not lost(visit, self._policy.of(visit.queue), contact.as_of):
            waiting = ((visit.channel, visit.queue), visit.start)
        if waiting == contact.waiting:
            return
        if contact.waiting is not None:
            self.waiting.end(name)
        if waiting is not None and visit is not None:
            limits = self._policy.of(visit.queue)
            self.waiting.begin(name, *waiting)
            self._timers.set(visit.start + limits.threshold_in(visit.channel), name)
            self._timers.set(visit.start + patience(visit, limits), name)
        contact.waiting = waiting
