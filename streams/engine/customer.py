"""One customer: contacts in the order in which they began, so that first-contact resolution is a look at the neighbour.

A later contact about something else is no return. Where it is not said what a contact is about, it may be about anything:

    about     invoice   (unsaid)   delivery   invoice
              |---------->|--------->|                       the next that may be about the same
                                     |--------- none
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Any, Final

from streams.engine.contacts import UNKNOWN, Contact, head_of

Key = tuple[int, str]
"""(start in microseconds, contact id)"""
FEW: Final = 8
"""A customer with more contacts is not put away with others when it has gone quiet."""
UNTOUCHED: Final = -1
_LATER: Final = "\0"
"""Between an id and the time of a contact that came so long after another with this id that it is another one."""


class Customer:
    """One customer's contacts, each in use or settled, and the order in which those with a known start began."""

    __slots__ = ("_about", "_subjects", "contacts", "key", "later", "order", "touched", "used")

    def __init__(self) -> None:
        self.contacts: dict[str, Contact | bytes] = {}
        self.used: set[str] = set()
        """The contacts that are in use."""
        self.order: list[Key] = []
        self._about: dict[str, int] = {}
        """What contacts are about, where it is said."""
        self._subjects: dict[int, list[Key]] = {}
        """The order of those about the same; of none while nothing is said."""
        self.later: dict[str, list[str]] = _NONE
        """Names of later contacts with the same id, by id."""
        self.key = b""
        """The key of its records, while it is in use."""
        self.touched = UNTOUCHED

    def before(self, name: str, start: int, about: int) -> set[str]:
        """Return the contacts whose next one ``name`` might be, were it to begin at ``start`` and be ``about`` that, or might have been."""
        if start == UNKNOWN:
            return set()
        one = (start, name)
        if not self._subjects:
            orders = [self.order]
        elif about:
            orders = [self._subjects.get(about, []), self._subjects[0]]
        else:
            orders = list(self._subjects.values())
        found = [last for order in orders if (last := _before(order, one)) is not None]
        # Of one that may be about anything the next is the very next, and hides what comes after it from those before.
        anything = _before(self._subjects.get(0, []), one)
        return {other[1] for other in found if anything is None or other >= anything}

    def place(self, name: str, old: int, new: int, about: int) -> None:
        """Move a contact in the order from ``old`` to ``new``, and say what it is about."""
        before = self._about.get(name, 0)
        if old != UNKNOWN:
            _remove(self.order, (old, name))
        if new != UNKNOWN:
            insort(self.order, (new, name))
        if about != before and not self._subjects:
            self._subjects = {0: [one for one in self.order if one != (new, name)]}
        elif self._subjects and old != UNKNOWN:
            _remove(self._subjects[before], (old, name))
        if self._subjects and new != UNKNOWN:
            insort(self._subjects.setdefault(about, []), (new, name))
        if about:
            self._about[name] = about
        else:
            self._about.pop(name, None)

    def next_start(self, name: str, start: int, about: int) -> int | None:
        """Return when the first contact after this one began that may be about the same."""
        if len(self.order) < 2 or start == UNKNOWN:
            return None
        if not about or not self._subjects:
            return _after(self.order, (start, name))
        starts = [_after(self._subjects.get(of, []), (start, name)) for of in (0, about)]
        return min((one for one in starts if one is not None), default=None)

    def forget(self, name: str, start: int) -> None:
        """Let go of a contact."""
        del self.contacts[name]
        self.used.discard(name)
        if start != UNKNOWN:
            _remove(self.order, (start, name))
            if self._subjects:
                _remove(self._subjects[self._about.get(name, 0)], (start, name))
        self._about.pop(name, None)
        if _LATER in name:
            self._forget_later(name)

    def name_later(self, name: str, time: int) -> str:
        """Return the name of a contact that begins at a time and has the id of another, ``name``."""
        later = f"{name}{_LATER}{time}"
        while later in self.contacts:
            later += "'"
        self.know_later(later)
        return later

    def know_later(self, later: str) -> None:
        """Know that there is a later contact with an id."""
        if self.later is _NONE:
            self.later = {}
        self.later.setdefault(id_of(later), []).append(later)

    def _forget_later(self, later: str) -> None:
        names = self.later[id_of(later)]
        names.remove(later)
        if not names:
            del self.later[id_of(later)]

    def settle(self) -> dict[str, Any]:
        """Keep the contacts in use as bytes; return the records of all."""
        for name in self.used:
            contact = self.contacts[name]
            if isinstance(contact, Contact):
                self.contacts[name] = contact.record()
        self.used.clear()
        return self.contacts


def many(records: dict[str, Any]) -> Customer:
    """Return a customer of many contacts as far as a restore has read them, without their order."""
    customer = Customer()
    customer.contacts = records
    return customer


def gather(records: dict[str, Any]) -> Customer:
    """Return a customer from the records of the contacts, by contact id."""
    customer = Customer()
    customer.contacts = records
    for name in records:
        if _LATER in name:
            customer.know_later(name)
    heads = [(name, head_of(record)) for name, record in records.items()]
    for name, head in heads:
        if head.start != UNKNOWN:
            customer.order.append((head.start, name))
    customer.order.sort()
    for name, head in heads:
        if head.about:
            customer.place(name, head.start, head.start, head.about)
    return customer


def id_of(name: str) -> str:
    """Return the id of a contact of this name.

    >>> id_of("c1"), id_of(Customer().name_later("c1", 7))
    ('c1', 'c1')
    """
    return name.partition(_LATER)[0]


def is_identified(key: bytes, name: str) -> bool:
    """Tell whether a contact is of a known customer: its records have not its own id for a key."""
    return key != id_of(name).encode()


_NONE: Final[dict[str, list[str]]] = {}


def _remove(order: list[Key], one: Key) -> None:
    del order[bisect_left(order, one)]


def _before(order: list[Key], one: Key) -> Key | None:
    at = bisect_left(order, one)
    return order[at - 1] if at else None


def _after(order: list[Key], one: Key) -> int | None:
    at = bisect_left(order, one)
    if at < len(order) and order[at] == one:
        at += 1
    return order[at][0] if at < len(order) else None
