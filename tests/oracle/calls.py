"""What happened to one contact: its queue visits and conversations, read from all its facts at once.

Independent of the engine on purpose: it starts from the definitions, sorts, walks once, and keeps no state.

    visit          queued ---- wait ----> answered | abandoned | flowed_out
    conversation                          answered -- talk, hold --> transferred | ended | answered again
    after-call work                                                  ended -- wrap-up --> wrapped_up
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b

from schemas.calls import (
    CallAbandoned,
    CallAnswered,
    CallEnded,
    CallEvent,
    CallFlowedOut,
    CallHeld,
    CallQueued,
    CallResumed,
    CallTransferred,
    CallWrappedUp,
)

ORDER: tuple[type[CallEvent], ...] = (
    CallQueued,
    CallAnswered,
    CallHeld,
    CallResumed,
    CallTransferred,
    CallAbandoned,
    CallFlowedOut,
    CallEnded,
    CallWrappedUp,
)
"""What comes first of facts with the same time."""
TRAITS = ("platform", "priority", "customer_type", "language", "entry_point")


@dataclass
class Visit:
    """One stay in one queue; ``outcome`` is None while it waits."""

    queue: str
    start: int
    traits: dict[str, str] = field(default_factory=dict)
    outcome: str | None = None
    at: int | None = None
    reason: str | None = None
    implied: bool = False
    """True when it was closed only because the contact entered a queue again."""
    agent: str | None = None
    level: str | None = None

    def decide(self, outcome: str, at: int, reason: str | None = None, *, implied: bool = False) -> None:
        """Set the outcome; the agent and level belong to answers only."""
        self.outcome, self.at, self.reason, self.implied = outcome, at, reason, implied
        self.agent = self.level = None


@dataclass
class Conversation:
    """One agent's part in a contact; ``end`` is None while it lasts."""

    visit: Visit
    agent: str
    level: str | None
    start: int
    end: int | None = None
    holds: list[tuple[int, int | None]] = field(default_factory=list)
    wrap_up: int = 0
    transferred: bool = False
    transfer_level: str | None = None

    def close(self, at: int) -> None:
        """End it, and the hold that was still on."""
        self.end = at
        self.holds = [(begin, at if end is None else end) for begin, end in self.holds]

    @property
    def hold(self) -> int:
        """Return the microseconds on hold of a conversation that ended."""
        return sum(end - begin for begin, end in self.holds if end is not None)


@dataclass
class Contact:
    """All that is known of one contact."""

    contact_id: str
    customer: str | None = None
    visits: list[Visit] = field(default_factory=list)
    conversations: list[Conversation] = field(default_factory=list)
    handed_on: bool = False
    ends: list[tuple[int, bool]] = field(default_factory=list)
    """Ends after an answer: when, and whether resolved."""

    @property
    def first_start(self) -> int | None:
        """Return the start of its first visit."""
        return min((visit.start for visit in self.visits), default=None)

    @property
    def resolved_at(self) -> int | None:
        """Return when it was resolved: its last end, unless that says it was not."""
        return self.ends[-1][0] if self.ends and self.ends[-1][1] and self.conversations else None

    @property
    def open_conversation(self) -> Conversation | None:
        """Return the conversation that lasts."""
        last = self.conversations[-1] if self.conversations else None
        return last if last is not None and last.end is None else None


def in_order(events: Iterable[CallEvent]) -> list[CallEvent]:
    """Return the facts of one contact by time, then type, then the digest of the id; the first of each id."""
    facts = sorted(events, key=lambda event: (event.time_us, ORDER.index(type(event)), digest(event.id)))
    return list({fact.id: fact for fact in reversed(facts)}.values())[::-1]


def digest(name: str) -> bytes:
    """Return what decides between facts of the same time and type: ids are opaque, their own order means nothing."""
    return blake2b(name.encode(), digest_size=8).digest()


def read(events: Iterable[CallEvent]) -> Contact:
    """Return what happened to the contact whose facts these are."""
    facts = in_order(events)
    contact = Contact(facts[0].contact_id)
    contact.customer = next((fact.customer_id for fact in facts if fact.customer_id is not None), None)
    for fact in facts:
        _apply(contact, fact)
    return contact


def _apply(contact: Contact, fact: CallEvent) -> None:
    if isinstance(fact, CallQueued):
        _enter(contact, Visit(fact.queue, fact.time_us, _traits(fact)))
    elif isinstance(fact, CallAnswered):
        _answer(contact, fact)
    elif isinstance(fact, CallAbandoned):
        _leave(contact, fact, "abandoned", None)
    elif isinstance(fact, CallFlowedOut):
        _leave(contact, fact, "flowed_out", fact.reason)
    elif isinstance(fact, CallHeld | CallResumed):
        _hold(contact.open_conversation, fact)
    elif isinstance(fact, CallTransferred):
        _transfer(contact, fact)
    elif isinstance(fact, CallEnded):
        _end(contact, fact)
    else:
        _wrap_up(contact, fact)


def _traits(fact: CallQueued) -> dict[str, str]:
    values = {trait: getattr(fact, trait) for trait in TRAITS}
    return {trait: str(value) for trait, value in values.items() if value is not None}


def _enter(contact: Contact, visit: Visit) -> None:
    """Add a visit; one that still waits flowed out when this one began."""
    for other in contact.visits:
        if other.outcome is None and other.start <= visit.start:
            other.decide("flowed_out", visit.start, "overflow", implied=True)
    contact.visits = sorted([*contact.visits, visit], key=lambda one: one.start)


def _matching(contact: Contact, fact: CallAnswered | CallAbandoned | CallFlowedOut) -> list[Visit]:
    return [
        visit
        for visit in contact.visits
        if visit.start <= fact.time_us and (fact.queue is None or fact.queue == visit.queue)
    ]


def _visit_of(contact: Contact, fact: CallAnswered | CallAbandoned | CallFlowedOut) -> Visit | None:
    """Return the visit that an outcome is about: a visit that waits, else the last, else one made from the wait."""
    matching = _matching(contact, fact)
    waiting = [visit for visit in matching if visit.outcome is None]
    if waiting:
        return waiting[-1]
    if matching:
        return matching[-1]
    if fact.wait_seconds is None:
        return None
    visit = Visit(fact.queue or "unknown", fact.time_us - round(fact.wait_seconds * 1_000_000))
    _enter(contact, visit)
    return visit


def _answer(contact: Contact, fact: CallAnswered) -> None:
    visit = _visit_of(contact, fact)
    if visit is None:
        return
    level = None if fact.level is None else str(fact.level)
    if visit.outcome != "answered":
        visit.decide("answered", fact.time_us)
        visit.agent, visit.level = fact.agent_id, level
    before = contact.open_conversation
    if before is not None:
        before.close(fact.time_us)
    contact.conversations.append(Conversation(visit, fact.agent_id, level, fact.time_us))


def _leave(contact: Contact, fact: CallAbandoned | CallFlowedOut, outcome: str, reason: str | None) -> None:
    implied = [visit for visit in _matching(contact, fact) if visit.implied and visit.at == fact.time_us]
    visit = implied[0] if implied else _visit_of(contact, fact)
    if visit is not None and (visit.implied or visit.outcome != outcome):
        visit.decide(outcome, fact.time_us, reason)
        contact.conversations = [one for one in contact.conversations if one.visit is not visit]


def _hold(conversation: Conversation | None, fact: CallHeld | CallResumed) -> None:
    if conversation is None:
        return
    on_hold = bool(conversation.holds) and conversation.holds[-1][1] is None
    if isinstance(fact, CallHeld) and not on_hold:
        conversation.holds.append((fact.time_us, None))
    elif isinstance(fact, CallResumed) and on_hold:
        conversation.holds[-1] = (conversation.holds[-1][0], fact.time_us)


def _transfer(contact: Contact, fact: CallTransferred) -> None:
    contact.handed_on = True
    conversation = contact.open_conversation
    if conversation is not None:
        conversation.close(fact.time_us)
        conversation.transferred = True
        conversation.transfer_level = None if fact.level is None else str(fact.level)


def _end(contact: Contact, fact: CallEnded) -> None:
    if contact.conversations:
        contact.ends.append((fact.time_us, fact.resolved is not False))
    conversation = contact.open_conversation
    if conversation is not None:
        conversation.close(fact.time_us)


def _wrap_up(contact: Contact, fact: CallWrappedUp) -> None:
    ended = [one for one in contact.conversations if one.end is not None and fact.agent_id in (None, one.agent)]
    if ended and ended[-1].end is not None:
        ended[-1].wrap_up = fact.time_us - ended[-1].end
