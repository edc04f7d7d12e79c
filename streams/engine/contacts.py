"""Contacts: what is remembered of one between two events.

Its facts are the truth; the course folded from them and what it has been credited are kept beside them while it is in use, and its
record (bytes) alone once it has settled.

What a contact of any length costs is bounded by what can still change. Facts that no event within the allowed lateness can come before
are folded into the contact's ``past``, a course of a few things, and dropped, as soon as they are half of all; so each is folded twice at most. The
others fill pages of 64, each a record of its own that is written once, and the last ones are in the contact's record.

    |---- past ----|-- page 0 --|-- page 1 --|- tail -|
    folded, dropped|<--- within the allowed lateness -->
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from typing import Final, NamedTuple

import msgspec

from schemas.dead_letters import Reason, RefusedError
from streams.engine.course import Course, advance, pack, unpack
from streams.engine.facts import CALL, NOTED, PRESENT, QUEUED, REPLIED, Fact
from streams.engine.marker import StateCorruptError
from streams.engine.marks import Credit
from streams.engine.records import Records, contact_key, page_key

_head = struct.Struct("<BqqqH")
"""Record's head: flags, when the contact began (microseconds, -1 unknown), the last time of a fact of it, what it is about, pages."""
short_of: Final = struct.Struct("<B8xq").unpack_from
"""Returns of a record's head the flags and the last time of a fact."""
UNKNOWN: Final = -1
PAGE: Final = 64
"""Facts in a page."""
FEW: Final = 16
"""Up to so many facts are searched one by one."""
_FINISHED, _TICKET, _LONG = 1, 2, 4
_NEVER: Final = -(1 << 62)


class Contact:
    """One contact in use. ``folded`` of its facts are in ``course``; `fold` brings the course up to date."""

    __slots__ = (
        "about", "as_of", "course", "credits", "facts", "floor", "folded", "identified", "known", "latest", "new", "pages",
        "past", "queue", "start", "stored", "tail", "waiting", "was_ticket", "written",
    )  # fmt: skip

    def __init__(self, *, identified: bool) -> None:
        self.identified = identified
        self.facts: list[Fact] = []
        self.past: bytes | None = None
        self.floor = _NEVER
        """Facts before this time are in the past (microseconds)."""
        self.pages: list[bytes] = []
        self.stored = 0
        """Pages that are written; those before the first that is not are as they were."""
        self.tail: list[Fact] | None = None
        """Facts that are in no page, in the order in which they came; None while there are no pages."""
        self.known: dict[bytes, Fact] | None = None
        """Facts by digest, when they are many."""
        self.as_of = 0
        self.course = Course()
        self.folded = 0
        self.queue: tuple[str, str] | None = None
        """Channel and queue that the facts so far say it entered last."""
        self.new = False
        """True while facts wait to be evaluated."""
        self.credits: list[Credit] = []
        self.start: int = UNKNOWN
        self.about = 0
        self.waiting: tuple[tuple[str, str], int] | None = None
        self.was_ticket = False
        self.latest = _NEVER
        """The last of all times that its record has ever given for its last fact: it is remembered no shorter than that said."""
        self.written: bytes | None = None
        """Its record, while nothing has changed since."""

    # Facts in

    def learn(self, fact: Fact) -> bool:
        """Add a fact; return False when its event was known (of two that differ, the smaller stays)."""
        facts, name = self.facts, fact[2]
        if self.known is None:
            for known in facts:
                if known[2] == name:
                    return self._know(known, fact)
        elif name in self.known:
            return self._know(self.known[name], fact)
        if fact[0] < self.floor:
            message = "time: seen one before what is already summed up, expected one within the allowed lateness"
            raise RefusedError(Reason.TOO_LATE, message)
        if not facts or fact[0] > facts[-1][0] or fact[:3] > facts[-1][:3]:
            facts.append(fact)
            if fact[1] == QUEUED:
                self.queue = fact[4] or CALL, fact[3]
        else:
            self._insert(fact)
        if len(facts) > FEW:
            self._note(fact)
        return True

    def _know(self, known: Fact, fact: Fact) -> bool:
        """Take a fact of an event that is known: of two that differ the smaller stays."""
        if _order(fact) < _order(known):
            self.facts.remove(known)
            self.unfold()
            self._insert(fact)
            self.queue = self._queue()
            self._turn_pages()
        return False

    def _insert(self, fact: Fact) -> None:
        """Put a fact among the others; the course is folded anew if that can make a difference."""
        facts = self.facts
        at = bisect_left(facts, fact[:3], key=_place)
        facts.insert(at, fact)
        if self.known is not None:
            self.known[fact[2]] = fact
        if at < self.folded:
            if fact[1] == NOTED or (fact[1] == REPLIED and self._follows_reply(at)):
                self.folded += 1
            else:
                self.unfold()
        if fact[1] == QUEUED:
            self.queue = self._queue()

    def _follows_reply(self, at: int) -> bool:
        """Tell whether the fact before that changes anything is a reply: a second one in a row changes nothing."""
        while at:
            at -= 1
            if self.facts[at][1] != NOTED:
                return bool(self.facts[at][1] == REPLIED)
        return False

    def _queue(self) -> tuple[str, str] | None:
        for fact in reversed(self.facts):
            if fact[1] == QUEUED:
                return fact[4] or CALL, fact[3]
        return self.queue if self.past is not None else None

    @property
    def is_ticket(self) -> bool:
        """Tell whether nothing may happen in it for months: it is in writing."""
        return self.queue is not None and self.queue[0] not in PRESENT

    def replace(self, facts: list[Fact]) -> None:
        """Have these facts, which are in order, instead of those that are in no past."""
        self.facts = facts
        self.known = {fact[2]: fact for fact in facts} if len(facts) > FEW else None
        self.queue = self._queue()
        self.unfold()
        self._turn_pages()

    # Pages

    def _note(self, fact: Fact) -> None:
        """Find the many facts by digest, and fill pages."""
        if self.known is None:
            self.known = {fact[2]: fact for fact in self.facts}
        self.known[fact[2]] = fact
        if self.tail is not None:
            self.tail.append(fact)
        elif len(self.facts) >= 2 * PAGE:
            self.tail = list(self.facts)
        if self.tail is not None and len(self.tail) >= 2 * PAGE:
            self.pages.append(_encode(self.tail[:PAGE]))
            del self.tail[:PAGE]

    def _turn_pages(self) -> None:
        """Write all pages anew, after a change to what may be in one."""
        if self.tail is None:
            return
        self.pages, self.tail = [], None
        if len(self.facts) >= 2 * PAGE:
            full = (len(self.facts) - PAGE) // PAGE * PAGE
            self.pages = [_encode(self.facts[at : at + PAGE]) for at in range(0, full, PAGE)]
            self.tail = self.facts[full:]
        self.stored = -abs(self.stored)

    # The course

    def unfold(self) -> None:
        """Let the course be folded anew."""
        self.course, self.folded = Course() if self.past is None else unpack(self.past), 0

    def fold(self) -> bool:
        """Bring the course up to date with the facts; return False when it is credited the same as before."""
        facts, folded = self.facts, self.folded
        changed = advance(self.course, facts[folded:])
        self.folded = len(facts)
        return changed or not folded

    def is_long(self, horizon: int) -> bool:
        """Tell whether it is worth while to sum up the facts before ``horizon``: they are many, and half of all."""
        facts = self.facts
        return len(facts) > FEW and facts[len(facts) // 2][0] < horizon

    def sum_up(self, horizon: int) -> None:
        """Fold the facts before ``horizon`` into the past; nothing can come before them any more."""
        self.unfold()
        # One stays, before all that may come: how long after it something comes decides whether that is of this contact (lives.py).
        past, cut = self.course, max(0, bisect_left(self.facts, (horizon,)) - 1)
        advance(past, self.facts[:cut])
        self.past, self.floor = pack(past), horizon
        self.replace(self.facts[cut:])
        self.fold()
        self.written = None

    @property
    def last(self) -> int:
        """Return the time of the last fact."""
        return self.facts[-1][0] if self.facts else self.floor

    def busy(self, horizon: int) -> bool:
        """Tell whether it goes on: somebody waits, or is talking, and has been since ``horizon`` at the earliest."""
        if self.course.is_ticket:
            return False
        return self.waiting is not None or (not self.course.finished and self.last >= horizon)

    # Records

    def outlive(self, other: Contact) -> None:
        """Be remembered for as long as the record of another one says, whose facts are this one's now."""
        self.was_ticket = self.was_ticket or other.was_ticket
        self.latest = max(self.latest, other.latest)

    def record(self) -> bytes:
        """Return the contact as it is kept in memory: a head, the past, the facts that are in no page, the pages."""
        if self.written is None:
            self.written = self._packed(self.pages)
        return self.written

    def _packed(self, pages: list[bytes]) -> bytes:
        self.was_ticket = self.was_ticket or self.is_ticket
        self.latest = max(self.latest, self.last)
        flags = (_FINISHED if self.course.finished else 0) | (_TICKET if self.was_ticket else 0)
        flags |= _LONG if len(self.facts) > FEW else 0
        head = _head.pack(flags, self.start, self.latest, self.about, len(self.pages))
        tail = self.facts if self.tail is None else self.tail
        rest = () if self.past is None and not self.pages else (self.past, self.floor, self.queue, pages)
        return head + _encode((self.as_of, tail, *rest))

    def records(self, key: bytes, name: str) -> Records:
        """Return the records to write: its own, and those of the pages that are new or gone."""
        if not self.pages and not self.stored:
            return [(contact_key(key, name), self.record())]
        first = max(0, self.stored)
        pages: Records = [(page_key(key, name, at), self.pages[at]) for at in range(first, len(self.pages))]
        gone = range(len(self.pages), abs(self.stored))
        pages += [(page_key(key, name, at), None) for at in gone]
        self.stored = len(self.pages)
        return [(contact_key(key, name), self._packed([])), *pages]


_encode = msgspec.msgpack.Encoder().encode


def _place(fact: Fact) -> Fact:
    return fact[:3]


def _order(fact: Fact) -> tuple[int, int, str]:
    return fact[0], fact[1], repr(fact[3:])


def decode(record: bytes, *, identified: bool) -> Contact:
    """Return the contact of a record, folded but with nothing credited."""
    head = head_of(record)
    as_of, tail, *rest = msgspec.msgpack.decode(memoryview(record)[_head.size :])
    contact = Contact(identified=identified)
    contact.as_of = as_of
    contact.start, contact.about = head.start, head.about
    contact.was_ticket, contact.latest = is_ticket(head.flags), head.last
    facts = [tuple(fact) for fact in tail]
    if rest:
        contact.past, contact.floor, queue, contact.pages = rest
        contact.queue = None if queue is None else (queue[0], queue[1])
    contact.stored = len(contact.pages)
    if contact.pages:
        contact.tail = list(facts)
        facts += [tuple(fact) for page in contact.pages for fact in msgspec.msgpack.decode(page)]
        facts.sort(key=_place)
    contact.facts = facts
    if len(facts) > FEW:
        contact.known = {fact[2]: fact for fact in facts}
        if contact.tail is None and len(facts) >= 2 * PAGE:
            contact.tail = list(facts)
    contact.queue = contact._queue()  # noqa: SLF001 - of this module
    contact.unfold()
    contact.fold()
    return contact


def with_pages(record: bytes, pages: list[bytes]) -> bytes:
    """Return a contact's record as it is kept in memory, from its own record and its pages."""
    if not pages:
        return record
    as_of, tail, past, floor, queue, _ = msgspec.msgpack.decode(memoryview(record)[_head.size :])
    return record[: _head.size] + _encode((as_of, tail, past, floor, queue, pages))


class Head(NamedTuple):
    """What can be told of a contact from its record without decoding it (times in microseconds)."""

    flags: int
    start: int
    last: int
    about: int
    pages: int

    @property
    def finished(self) -> bool:
        """Tell that nobody waits and nobody talks."""
        return bool(self.flags & _FINISHED)

    @property
    def long(self) -> bool:
        """Tell whether it has many facts."""
        return bool(self.flags & _LONG)


def is_plain(record: bytes) -> bool:
    """Tell whether a contact is finished and has few facts, from its record."""
    return record[0] & (_FINISHED | _LONG) == _FINISHED


def is_ticket(flags: int) -> bool:
    """Tell whether nothing may happen, or might once have happened, in a contact for months, from its head's flags."""
    return bool(flags & _TICKET)


def head_of(record: bytes) -> Head:
    """Return the head of a contact's record; raises StateCorruptError where it has none."""
    try:
        return Head._make(_head.unpack_from(record))
    except struct.error as error:
        message = f"a contact cannot be read: {error}"
        raise StateCorruptError(message) from None
