"""Contacts and the customers to whom they belong: what is remembered between two events.

A contact's facts are the truth; its folded call and what it has been credited are kept beside them while it is in use, and its
record (bytes) alone once it has settled. A customer's contacts lie together, in the order in which they began, so that
first-contact resolution is a look at the neighbour.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, insort
from typing import Any, NamedTuple

import msgspec

from schemas.dead_letters import Reason, RefusedError
from streams.engine.calls import QUEUED, Call, Fact, advance
from streams.engine.credits import Credit

_head = struct.Struct("<?qq")
"""Record's head: finished or not, when the contact began (microseconds, -1 unknown), time of its last fact."""
UNKNOWN = -1
MOST_FACTS = 1000
"""Events of one contact at most; a source that gives many calls one id must not stop the partition."""


class Contact:
    """One contact in use. ``folded`` of its facts are in ``call``; `fold` brings the call up to date."""

    __slots__ = (
        "as_of",
        "call",
        "credits",
        "facts",
        "folded",
        "identified",
        "new",
        "queue",
        "start",
        "waiting",
        "written",
    )

    def __init__(self, facts: list[Fact], as_of: int = 0, *, identified: bool) -> None:
        self.identified = identified
        self.facts = facts
        self.as_of = as_of
        self.call = Call()
        self.folded = 0
        self.queue = _queue(facts)
        """The queue that the facts so far say it entered last."""
        self.new = False
        """True while facts wait to be evaluated."""
        self.credits: list[Credit] = []
        self.start: int = UNKNOWN
        self.waiting: tuple[str, int] | None = None
        self.written: bytes | None = None
        """Its record, while nothing has changed since."""

    def learn(self, fact: Fact) -> bool:
        """Add a fact; return False when its event was known (of two that differ, the smaller stays)."""
        facts = self.facts
        name = fact[2]
        for at, known in enumerate(facts):
            if known[2] == name:
                if _order(fact) < _order(known):
                    del facts[at]
                    self._insert(fact)
                return False
        if len(facts) >= MOST_FACTS:
            message = f"contact_id: seen one with more than {MOST_FACTS} events, expected a contact's own id"
            raise RefusedError(Reason.TOO_LARGE, message)
        if not facts or fact[0] > facts[-1][0] or fact[:3] > facts[-1][:3]:
            facts.append(fact)
            if fact[1] == QUEUED:
                self.queue = fact[3]
        else:
            self._insert(fact)
        return True

    def _insert(self, fact: Fact) -> None:
        self.facts.append(fact)
        self.facts.sort(key=_place)
        self.call, self.folded = Call(), 0
        self.queue = _queue(self.facts)

    def fold(self) -> None:
        """Bring the call up to date with the facts."""
        call, facts = self.call, self.facts
        for at in range(self.folded, len(facts)):
            advance(call, facts[at])
        self.folded = len(facts)

    def busy(self, horizon: int) -> bool:
        """Tell whether it goes on: somebody waits, or is talking and has been since ``horizon`` at the earliest."""
        return self.waiting is not None or (not self.call.finished and self.facts[-1][0] >= horizon)

    def record(self) -> bytes:
        """Return the contact's record: a head, then the facts."""
        if self.written is None:
            head = _head.pack(self.call.finished, self.start, self.facts[-1][0])
            self.written = head + _encode((self.as_of, self.facts))
        return self.written


_encode = msgspec.msgpack.Encoder().encode


def _queue(facts: list[Fact]) -> str | None:
    for fact in reversed(facts):
        if fact[1] == QUEUED:
            queue: str = fact[3]
            return queue
    return None


def _place(fact: Fact) -> Fact:
    return fact[:3]


def _order(fact: Fact) -> tuple[int, int, str]:
    return fact[0], fact[1], repr(fact[3:])


def decode(record: bytes, *, identified: bool) -> Contact:
    """Return the contact of a record, folded but with nothing credited."""
    as_of, facts = msgspec.msgpack.decode(memoryview(record)[_head.size :])
    contact = Contact([tuple(fact) for fact in facts], as_of, identified=identified)
    contact.fold()
    contact.start = _head.unpack_from(record)[1]
    return contact


class Head(NamedTuple):
    """What can be told of a contact from its record without decoding it (microseconds)."""

    finished: bool
    start: int
    last: int


def head(record: bytes) -> Head:
    """Return the head of a contact's record."""
    return Head(*_head.unpack_from(record))


class Customer:
    """One customer's contacts, each in use or settled, and the order in which those with a known start began."""

    __slots__ = ("contacts", "order", "touched")

    def __init__(self) -> None:
        self.contacts: dict[str, Contact | bytes] = {}
        self.order: list[tuple[int, str]] = []
        self.touched = -1

    def before(self, name: str, *starts: int) -> set[str]:
        """Return the contacts that come just before ``name``, were it to begin at each of ``starts``."""
        found = set()
        for start in starts:
            at = bisect_left(self.order, (start, name))
            while at and self.order[at - 1][1] == name:
                at -= 1
            if at and start != UNKNOWN:
                found.add(self.order[at - 1][1])
        return found

    def place(self, name: str, old: int, new: int) -> None:
        """Move a contact in the order from ``old`` to ``new``."""
        if old != UNKNOWN:
            del self.order[bisect_left(self.order, (old, name))]
        if new != UNKNOWN:
            insort(self.order, (new, name))

    def next_start(self, name: str, start: int) -> int | None:
        """Return when the contact after this one began."""
        if len(self.order) < 2 or start == UNKNOWN:
            return None
        at = bisect_left(self.order, (start, name)) + 1
        return self.order[at][0] if at < len(self.order) else None

    def pack(self) -> bytes:
        """Return all contacts as one record, for a customer who has gone quiet."""
        records = {
            name: contact if isinstance(contact, bytes) else contact.record() for name, contact in self.contacts.items()
        }
        return pack(records)


def pack(records: dict[str, bytes]) -> bytes:
    """Return the records of a customer's contacts as one. A copy, since msgspec leaves the room that it reserved."""
    return bytes(memoryview(_encode(records)))


unpack_records = msgspec.msgpack.Decoder(dict[str, bytes]).decode
"""Returns the records of a customer's contacts, by contact id, from what `pack` made of them."""


def unpack(record: bytes) -> Customer:
    """Return the customer of a packed record, the contacts still encoded."""
    return gather(unpack_records(record))


def gather(records: dict[str, Any]) -> Customer:
    """Return a customer from the records of the contacts, by contact id."""
    customer = Customer()
    customer.contacts = records
    starts = ((head(record).start, name) for name, record in records.items())
    customer.order = sorted(start for start in starts if start[0] != UNKNOWN)
    return customer
