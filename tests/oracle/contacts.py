"""What happened to one contact: its queue visits and conversations, read from all its facts at once.

Independent of the engine on purpose: it starts from the definitions, sorts, walks once, and keeps no state.

    visit          queued ---- wait ----> answered | abandoned | flowed_out
    conversation                          answered -- talk, hold --> transferred | ended | answered again
    after-call work                                                  ended -- wrap-up --> wrapped_up
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2s
from typing import Any

from schemas.business import CostAccrued, CustomerLost, CustomerRetained, SaleClosed
from schemas.calls import (
    CallAbandoned,
    CallAnswered,
    CallEnded,
    CallFlowedOut,
    CallHeld,
    CallQueued,
    CallResumed,
    CallTransferred,
    CallWrappedUp,
)
from schemas.chats import (
    ChatAbandoned,
    ChatAnswered,
    ChatEnded,
    ChatFlowedOut,
    ChatMessage,
    ChatStarted,
    ChatTransferred,
)
from schemas.events import Event
from schemas.opinions import FeedbackReceived, SurveyAnswered
from schemas.tickets import TicketOpened, TicketReopened, TicketReplied, TicketResolved, TicketTransferred
from streams.engine.policy import Policy

ORDER = (
    "entered", "handed over", "answered", "replied", "held", "resumed", "transferred", "abandoned", "flowed out", "ended",
    "resolved", "reopened", "wrapped up", "surveyed", "remarked", "sold", "retained", "lost", "spent", "noted",
)  # fmt: skip
"""What comes first of facts with the same time."""
ACTS: dict[type, str] = {
    CallQueued: "entered", ChatStarted: "entered", TicketOpened: "entered",
    CallAnswered: "answered", ChatAnswered: "answered",
    CallHeld: "held", CallResumed: "resumed",
    CallTransferred: "transferred", ChatTransferred: "transferred", TicketTransferred: "transferred",
    CallAbandoned: "abandoned", ChatAbandoned: "abandoned",
    CallFlowedOut: "flowed out", ChatFlowedOut: "flowed out",
    CallEnded: "ended", ChatEnded: "ended", CallWrappedUp: "wrapped up",
    TicketResolved: "resolved", TicketReopened: "reopened",
    SurveyAnswered: "surveyed", FeedbackReceived: "remarked", SaleClosed: "sold", CustomerRetained: "retained",
    CustomerLost: "lost", CostAccrued: "spent",
}  # fmt: skip
KEPT = 8
"""A later fact amends one of the last so many visits, and of the last so many conversations."""
TRAITS = ("platform", "priority", "customer_type", "language", "entry_point")


@dataclass
class Visit:
    """One stay in one queue; ``outcome`` is None while it waits."""

    queue: str
    channel: str
    start: int
    traits: dict[str, str] = field(default_factory=dict)
    outcome: str | None = None
    at: int | None = None
    reason: str | None = None
    implied: bool = False
    """True when it was closed only because the contact entered a queue again."""
    agent: str | None = None
    level: str | None = None

    @property
    def ticket(self) -> bool:
        """Return whether it may wait for months."""
        return self.channel not in ("call", "chat")

    def decide(self, outcome: str, at: int, reason: str | None = None, *, implied: bool = False) -> None:
        """Set the outcome; the agent and level belong to answers only."""
        self.outcome, self.at, self.reason, self.implied = outcome, at, reason, implied
        self.agent = self.level = None


@dataclass
class Conversation:
    """One agent's part in a contact; ``end`` is None while it lasts."""

    visit: Visit
    agent: str | None
    level: str | None
    start: int
    end: int | None = None
    holds: list[tuple[int, int | None]] = field(default_factory=list)
    wrap_up: int = 0
    transferred: bool = False

    def close(self, at: int) -> None:
        """End it, and the hold that was still on."""
        self.end = at
        self.holds = [(begin, at if end is None else end) for begin, end in self.holds]

    @property
    def hold(self) -> int:
        """Return the microseconds on hold of a conversation that ended."""
        return sum(end - begin for begin, end in self.holds if end is not None)


@dataclass
class Happening:
    """Something that happened once, during a visit (None: of no contact) and by an agent, with its particulars."""

    what: str
    at: int
    visit: Visit | None
    agent: str | None = None
    level: str | None = None
    more: dict[str, Any] = field(default_factory=dict)
    over: int | None = None
    """When the contact had ended last, as far as it had."""


@dataclass
class Contact:
    """All that is known of one contact."""

    contact_id: str
    customer: str | None = None
    visits: list[Visit] = field(default_factory=list)
    """All of them, in the order of their starts; the last `KEPT` in order can be amended."""
    conversations: list[Conversation] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    handed_on: bool = False
    end: tuple[int, bool] | None = None
    """The last end, and whether resolved; None while it is open (again)."""
    reopened: bool = False
    first_resolved: int | None = None
    clock: tuple[str, int] | None = None
    handover: int | None = None
    named_level: str | None = None
    reason: str | None = None
    open_to: list[Visit] = field(default_factory=list)
    in_talk: list[Conversation] = field(default_factory=list)

    @property
    def first(self) -> Visit | None:
        """Return the visit that began first; of several that begin at once the one made known first."""
        return min(self.visits, key=lambda visit: visit.start, default=None)

    @property
    def first_start(self) -> int | None:
        """Return the start of its first visit."""
        return self.first.start if self.first is not None else None

    @property
    def resolved_at(self) -> int | None:
        """Return when it was resolved: its last end, unless that says it was not, or it was reopened."""
        return self.end[0] if self.end is not None and self.end[1] and self.in_talk else None

    @property
    def open_conversation(self) -> Conversation | None:
        """Return the conversation that lasts."""
        last = self.in_talk[-1] if self.in_talk else None
        return last if last is not None and last.end is None else None

    @property
    def waits(self) -> Visit | None:
        """Return the visit that has no outcome yet."""
        return next((visit for visit in reversed(self.open_to) if visit.outcome is None), None)

    def happened(self, what: str, at: int, agent: str | None = None, **more: Any) -> None:
        """Note something, by the agent named, else by who spoke last."""
        last = self.in_talk[-1] if self.in_talk else None
        level = None
        if last is not None and agent in (None, last.agent):
            agent, level = last.agent, last.level
        visit = self.open_to[-1] if self.open_to else None
        over = None if self.end is None else self.end[0]
        self.happenings.append(Happening(what, at, visit, agent, level, more, over))

    def happened_talking(self, what: str, at: int, **more: Any) -> None:
        """Note something of the last conversation."""
        last = self.in_talk[-1]
        self.happenings.append(Happening(what, at, last.visit, last.agent, last.level, more))


def act(event: Event) -> str:
    """Return what an event says, of one of the kinds of `ORDER`."""
    if isinstance(event, ChatMessage | TicketReplied):
        return "replied" if event.author == "agent" and event.public else "noted"
    if isinstance(event, ChatTransferred | TicketTransferred) and event.kind == "handover":
        return "handed over"
    return ACTS[type(event)]


def in_order(events: Iterable[Event]) -> list[Event]:
    """Return the facts of one contact by time, then type, then the digest of the id; the first of each id."""
    facts = sorted(events, key=lambda event: (event.time_us, ORDER.index(act(event)), digest(event.id)))
    return list({fact.id: fact for fact in reversed(facts)}.values())[::-1]


def lives(events: Iterable[Event], policy: Policy) -> list[list[Event]]:
    """Return the facts of an id as those of several contacts: what comes after the longest pause is of another one."""
    queues = (policy.defaults, *policy.queues.values())
    windows = (*policy.windows, *(queue.return_window for queue in queues))
    pause = max(windows) + max(queue.maximum_wait for queue in queues)
    found: list[list[Event]] = []
    ticket = False
    for event in in_order(events):
        longest = pause + (max(queue.maximum_ticket_age for queue in queues) if ticket else 0)
        if not found or event.time_us - found[-1][-1].time_us > longest:
            found.append([])
            ticket = False
        found[-1].append(event)
        if act(event) == "entered":
            ticket = isinstance(event, TicketOpened) and event.channel not in ("call", "chat")
    return found


def digest(name: str) -> bytes:
    """Return what decides between facts of the same time and type: ids are opaque, their own order means nothing."""
    return blake2s(name.encode(), digest_size=8).digest()


def read(contact_id: str, events: Iterable[Event]) -> Contact:
    """Return what happened to the contact whose facts these are."""
    facts = in_order(events)
    contact = Contact(contact_id)
    contact.customer = next((who for fact in facts if (who := getattr(fact, "customer_id", None)) is not None), None)
    for fact in facts:
        name = act(fact)
        if name in _STEPS:
            _STEPS[name](contact, fact)
    return contact


def _traits(fact: Any) -> dict[str, str]:
    values = {trait: getattr(fact, trait) for trait in TRAITS}
    return {trait: str(value) for trait, value in values.items() if value is not None}


def _named(level: str | int | None) -> str | None:
    return None if level is None else str(level)


def _channel(fact: Any) -> str:
    if isinstance(fact, TicketOpened):
        return fact.channel
    return "chat" if type(fact).__module__.endswith("chats") else "call"


def _entered(contact: Contact, fact: Any) -> None:
    if not isinstance(fact, CallQueued):
        if contact.first is None:
            contact.clock = ("creation", fact.time_us)
        elif contact.end is not None:
            _open_again(contact, fact.time_us)
        if isinstance(fact, TicketOpened):
            contact.reason = fact.reason
    _enter(contact, Visit(fact.queue, _channel(fact), fact.time_us, _traits(fact)))


def _enter(contact: Contact, visit: Visit) -> None:
    """Add a visit; one that still waits flowed out when this one began."""
    for other in contact.open_to:
        if other.outcome is None and other.start <= visit.start:
            other.decide("flowed_out", visit.start, "overflow", implied=True)
    contact.visits.append(visit)
    contact.open_to = sorted([*contact.open_to, visit], key=lambda one: one.start)[-KEPT:]


def _open_again(contact: Contact, at: int) -> None:
    if contact.resolved_at is not None:
        contact.happened_talking("resolution", contact.resolved_at)
        contact.happened_talking("reopened", at)
        contact.reopened = True
    contact.end, contact.clock, contact.handover = None, ("reopening", at), None


def _reopen(contact: Contact, fact: TicketReopened) -> None:
    if contact.end is not None and contact.end[1]:
        contact.named_level = _named(fact.level) or contact.named_level
        _open_again(contact, fact.time_us)


def _matching(contact: Contact, fact: Any) -> list[Visit]:
    return [visit for visit in contact.open_to if fact.queue is None or fact.queue == visit.queue]


def _visit_of(contact: Contact, fact: Any) -> Visit | None:
    """Return the visit that an outcome is about: a visit that waits, else the last, else one made from the wait."""
    matching = _matching(contact, fact)
    waiting = [visit for visit in matching if visit.outcome is None]
    if waiting:
        return waiting[-1]
    if matching:
        return matching[-1]
    if fact.wait_seconds is None:
        return None
    start = fact.time_us - round(fact.wait_seconds * 1_000_000)
    visit = Visit(fact.queue or "unknown", _channel(fact), start)
    _enter(contact, visit)
    return visit


def _answer(contact: Contact, fact: Any) -> None:
    visit = _visit_of(contact, fact)
    if visit is not None:
        _talk(contact, visit, fact.time_us, fact.agent_id, _named(fact.level))


def _talk(contact: Contact, visit: Visit, at: int, agent: str | None, level: str | None) -> None:
    if visit.outcome != "answered":
        visit.decide("answered", at)
        visit.agent, visit.level = agent, level
    before = contact.open_conversation
    if before is not None:
        before.close(at)
    _converse(contact, Conversation(visit, agent, level, at))


def _converse(contact: Contact, conversation: Conversation) -> None:
    contact.conversations.append(conversation)
    contact.in_talk = [*contact.in_talk, conversation][-KEPT:]


def _leave(contact: Contact, fact: Any) -> None:
    outcome, reason = ("abandoned", None) if act(fact) == "abandoned" else ("flowed_out", fact.reason)
    implied = [visit for visit in _matching(contact, fact) if visit.implied and visit.at == fact.time_us]
    visit = implied[0] if implied else _visit_of(contact, fact)
    if visit is not None and (visit.implied or visit.outcome != outcome):
        visit.decide(outcome, fact.time_us, reason)
        gone = [one for one in contact.in_talk if one.visit is visit]
        contact.in_talk = [one for one in contact.in_talk if one.visit is not visit]
        contact.conversations = [one for one in contact.conversations if not any(one is other for other in gone)]


def _hand_over(contact: Contact, fact: Event) -> None:
    if contact.handover is None:
        contact.handover = fact.time_us


def _reply(contact: Contact, fact: ChatMessage | TicketReplied) -> None:
    if not contact.visits:
        return
    at, waits = fact.time_us, contact.waits
    if waits is not None:
        _talk(contact, waits, at, fact.agent_id, contact.named_level)
    elif contact.open_conversation is None and contact.end is None:
        _converse(contact, Conversation(contact.open_to[-1], fact.agent_id, contact.named_level, at))
    for origin, since in [clock for clock in (contact.clock, ("handover", contact.handover)) if clock is not None]:
        if since is not None:
            contact.happened("response", at, fact.agent_id, origin=origin, since=since)
    contact.clock = contact.handover = None


def _hold(contact: Contact, fact: CallHeld | CallResumed) -> None:
    conversation = contact.open_conversation
    if conversation is None:
        return
    on_hold = bool(conversation.holds) and conversation.holds[-1][1] is None
    if isinstance(fact, CallHeld) and not on_hold:
        conversation.holds.append((fact.time_us, None))
    elif isinstance(fact, CallResumed) and on_hold:
        conversation.holds[-1] = (conversation.holds[-1][0], fact.time_us)


def _transfer(contact: Contact, fact: CallTransferred | ChatTransferred | TicketTransferred) -> None:
    contact.handed_on = True
    conversation, level = contact.open_conversation, _named(fact.level)
    known = [conversation.level if conversation is not None else None, contact.named_level]
    known += [one.level for one in reversed(contact.in_talk)]
    before = next((one for one in known if one is not None), None)
    contact.happened("transfer", fact.time_us, fact.from_agent, escalated=_above(before, level))
    contact.named_level = level or contact.named_level
    if conversation is not None:
        conversation.close(fact.time_us)
        conversation.transferred = True
    to = fact.to_queue if isinstance(fact, TicketTransferred) else None
    if to is not None and contact.open_to and contact.open_to[-1].queue != to:
        last = contact.open_to[-1]
        _enter(contact, Visit(to, last.channel, fact.time_us, last.traits))


def _above(before: str | None, level: str | None) -> bool:
    """Tell whether a level is higher than one that is known: as numbers, else any other one."""
    if None in (before, level) or before == level:
        return False
    numbers = [int(one) for one in (before, level) if one is not None and set(one) <= set("0123456789")]
    return len(numbers) < 2 or numbers == sorted(numbers)


def _end(contact: Contact, fact: CallEnded | ChatEnded) -> None:
    chat = isinstance(fact, ChatEnded)
    waits = contact.waits
    if chat and waits is not None:
        waits.decide("abandoned" if fact.ended_by == "customer" else "flowed_out", fact.time_us, "ended")
    if not contact.in_talk:
        if chat:
            contact.end, contact.clock, contact.handover = (fact.time_us, False), None, None
        return
    if contact.open_conversation is not None:
        contact.open_conversation.close(fact.time_us)
    contact.reason = fact.reason or contact.reason
    _conclude(contact, fact.time_us, resolved=fact.resolved is not False)


def _resolve(contact: Contact, fact: TicketResolved) -> None:
    if not contact.visits:
        return
    going, waits = contact.open_conversation, contact.waits
    if waits is not None or going is None or fact.agent_id not in (None, going.agent):
        level = _named(fact.level) or contact.named_level
        _talk(contact, waits or contact.open_to[-1], fact.time_us, fact.agent_id, level)
    last = contact.in_talk[-1]
    last.level = _named(fact.level) or last.level
    last.close(fact.time_us)
    _conclude(contact, fact.time_us, resolved=True)


def _conclude(contact: Contact, at: int, *, resolved: bool) -> None:
    contact.end = (at, resolved)
    written = contact.in_talk[-1].visit.channel != "call"
    if resolved and written and contact.first_resolved is None:
        contact.first_resolved = at
        contact.happened_talking("resolved_first", at, began=contact.first_start)


def _wrap_up(contact: Contact, fact: CallWrappedUp) -> None:
    ended = [one for one in contact.in_talk if one.end is not None and fact.agent_id in (None, one.agent)]
    if ended and ended[-1].end is not None:
        ended[-1].wrap_up = fact.time_us - ended[-1].end


def _survey(contact: Contact, fact: SurveyAnswered) -> None:
    if fact.kind == "enps":
        contact.happenings.append(Happening("survey", fact.time_us, None, more={"answer": fact}))
        return
    contact.happened("survey", fact.time_us, fact.agent_id, answer=fact)
    _once(contact, "surveyed", fact)


def _once(contact: Contact, what: str, fact: SurveyAnswered | FeedbackReceived) -> None:
    if all(happening.what != what for happening in contact.happenings):
        contact.happened(what, fact.time_us, fact.agent_id)


def _spend(contact: Contact, fact: CostAccrued) -> None:
    contact.happenings.append(Happening("cost", fact.time_us, None, more={"cost": fact}))


_STEPS: dict[str, Callable[[Contact, Any], None]] = {
    "entered": _entered,
    "handed over": _hand_over,
    "answered": _answer,
    "replied": _reply,
    "held": _hold,
    "resumed": _hold,
    "transferred": _transfer,
    "abandoned": _leave,
    "flowed out": _leave,
    "ended": _end,
    "resolved": _resolve,
    "reopened": _reopen,
    "wrapped up": _wrap_up,
    "surveyed": _survey,
    "remarked": lambda contact, fact: _once(contact, fact.kind, fact),
    "sold": lambda contact, fact: contact.happened("sale", fact.time_us, fact.agent_id, sale=fact),
    "retained": lambda contact, fact: contact.happened("retained", fact.time_us),
    "lost": lambda contact, fact: contact.happened("lost", fact.time_us),
    "spent": _spend,
}
