"""Calls: from the facts of a contact to its queue visits and conversations.

A contact is the set of its facts, ordered by (time, type, digest of the id). `advance` takes a call one fact further and
`fold` does so for all of them, so an event later than all others costs one step, and an earlier one a fold anew; the
result is the same (docs/decisions.md).

    queued      answered       held  resumed   transferred   queued   answered   ended      wrapped_up
      |--- wait ---|--- talk ----|-hold-|-- talk ---|           |-wait---|--talk-----|--wrap up---|
      |------- visit 1, conversation 1 -------------|           |-- visit 2, conversation 2 ------|
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any, Final

from schemas.agents import AgentStateChanged
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
from schemas.events import EVENT_TYPES

CHANNEL: Final = "call"
QUEUED, ANSWERED, HELD, RESUMED, TRANSFERRED, ABANDONED, FLOWED_OUT, ENDED, WRAPPED_UP, NOTED = range(10)
"""Ranks of the types: the order in which facts of the same time are taken."""
WAITING, CONNECTED, LEFT, FLOWED, MOVED_ON = range(5)
"""Outcomes of a visit: none yet, answered, abandoned, flowed out, and flowed out unsaid (it entered another queue)."""
UNKNOWN_QUEUE: Final = "unknown"

Fact = tuple[Any, ...]
"""(time in microseconds, rank, digest of the event's id, then what the type needs; see `FACTS`)."""


def digest(event_id: str) -> bytes:
    """Return 8 bytes that stand for an event's id, which also put facts of equal time and type into one order."""
    return blake2b(event_id.encode(), digest_size=8).digest()


def _us(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1_000_000)


def _text(value: str | int | None) -> str | None:
    return None if value is None else str(value)


FACTS: Final[dict[type, Callable[[Any, int], Fact]]] = {
    CallQueued: lambda e, time: (
        time, QUEUED, digest(e.id), e.queue,
        e.platform, _text(e.priority), e.customer_type, e.language, e.entry_point,
    ),
    CallAnswered: lambda e, time: (
        time, ANSWERED, digest(e.id), e.queue, _us(e.wait_seconds), e.agent_id, _text(e.level),
    ),
    CallHeld: lambda e, time: (time, HELD, digest(e.id), e.agent_id),
    CallResumed: lambda e, time: (time, RESUMED, digest(e.id), e.agent_id),
    CallTransferred: lambda e, time: (time, TRANSFERRED, digest(e.id), e.from_agent),
    CallAbandoned: lambda e, time: (time, ABANDONED, digest(e.id), e.queue, _us(e.wait_seconds), None),
    CallFlowedOut: lambda e, time: (time, FLOWED_OUT, digest(e.id), e.queue, _us(e.wait_seconds), e.reason),
    CallEnded: lambda e, time: (time, ENDED, digest(e.id), e.agent_id, e.resolved),
    CallWrappedUp: lambda e, time: (time, WRAPPED_UP, digest(e.id), e.agent_id),
}  # fmt: skip
"""What is kept of an event and its time, by its type."""
FACTS.update(dict.fromkeys(set(EVENT_TYPES) - {*FACTS, AgentStateChanged}, lambda e, time: (time, NOTED, digest(e.id))))
"""What changes no figure yet is known all the same, so that it is counted once as an event."""


class Visit:
    """One stay in one queue: ``start`` to ``decided`` (microseconds), its outcome, and who answered."""

    __slots__ = ("agent", "decided", "given", "group", "level", "outcome", "queue", "reason", "start", "traits")

    def __init__(self, queue: str, start: int, traits: tuple[str | None, ...]) -> None:
        self.queue = queue
        self.start = start
        self.traits = traits
        self.outcome = WAITING
        self.decided = 0
        self.reason: str | None = None
        self.agent: str | None = None
        self.level: str | None = None
        self.group = -1
        self.given: list[Any] | None = None
        """What it is credited, worked out once for an outcome (credits.py)."""

    def decide(self, outcome: int, time: int, reason: str | None = None) -> None:
        """Give the visit its outcome, or another one."""
        self.outcome, self.decided, self.reason = outcome, time, reason
        self.given = None


class Leg:
    """One conversation with one agent: ``start`` to ``end`` (microseconds), its holds, its after-call work."""

    __slots__ = (
        "agent",
        "end",
        "given",
        "held",
        "hold",
        "hold_since",
        "level",
        "place",
        "start",
        "transferred",
        "visit",
        "wrap_up",
    )

    def __init__(self, visit: Visit, agent: str, level: str | None, start: int) -> None:
        self.visit = visit
        self.agent = agent
        self.level = level
        self.start = start
        self.end: int | None = None
        self.hold = 0
        self.held = False
        self.hold_since: int | None = None
        self.transferred = False
        self.wrap_up = 0
        self.place = -1
        self.given: list[Any] | None = None
        """What it is credited, worked out once it has ended (credits.py)."""

    def resume(self, time: int) -> None:
        """End the hold that is open, if one is."""
        if self.hold_since is not None:
            self.hold += time - self.hold_since
            self.hold_since = None

    def finish(self, time: int) -> None:
        """End the conversation."""
        self.resume(time)
        self.end = time


class Call:
    """What the facts so far say: visits in the order of their starts, conversations in the order of theirs."""

    __slots__ = ("ended", "legs", "resolved", "transferred", "visits")

    def __init__(self) -> None:
        self.visits: list[Visit] = []
        self.legs: list[Leg] = []
        self.transferred = False
        self.ended: int | None = None
        self.resolved = False

    @property
    def open_leg(self) -> Leg | None:
        """Return the conversation that goes on."""
        return self.legs[-1] if self.legs and self.legs[-1].end is None else None

    @property
    def waiting(self) -> Visit | None:
        """Return the visit without an outcome; there is at most one, the last to start."""
        return self.visits[-1] if self.visits and self.visits[-1].outcome == WAITING else None

    @property
    def finished(self) -> bool:
        """Tell that nobody waits and nobody talks."""
        return self.waiting is None and self.open_leg is None

    def enter(self, visit: Visit) -> None:
        """Begin a visit; the one still waiting has thereby moved on."""
        waiting = self.waiting
        if waiting is not None and waiting.start <= visit.start:
            waiting.decide(MOVED_ON, visit.start)
        at = len(self.visits)
        while at and self.visits[at - 1].start > visit.start:
            at -= 1
        self.visits.insert(at, visit)

    def last(self, queue: str | None) -> Visit | None:
        """Return the visit that began last, of the queue if one is named."""
        for visit in reversed(self.visits):
            if queue is None or visit.queue == queue:
                return visit
        return None

    def moved_on_at(self, time: int, queue: str | None) -> Visit | None:
        """Return the visit that moved on at this very time, of the queue if one is named."""
        for visit in self.visits:
            if visit.outcome == MOVED_ON and visit.decided == time and (queue is None or visit.queue == queue):
                return visit
        return None


def fold(facts: Iterable[Fact]) -> Call:
    """Return the call of these facts, which are in order."""
    call = Call()
    for fact in facts:
        advance(call, fact)
    return call


def advance(call: Call, fact: Fact) -> None:
    """Take a call one fact further."""
    _STEPS[fact[1]](call, fact)


def _queued(call: Call, fact: Fact) -> None:
    call.enter(Visit(fact[3], fact[0], fact[4:]))


def _visit_of(call: Call, fact: Fact) -> Visit | None:
    """Return the visit that an outcome belongs to, made up from ``wait_seconds`` where its start is lost."""
    visit = call.waiting
    if visit is None or (fact[3] is not None and visit.queue != fact[3]):
        visit = call.last(fact[3])
    if visit is None and fact[4] is not None:
        visit = Visit(fact[3] or UNKNOWN_QUEUE, fact[0] - fact[4], ())
        call.enter(visit)
    return visit


def _answered(call: Call, fact: Fact) -> None:
    time, agent = fact[0], fact[5]
    visit = _visit_of(call, fact)
    if visit is None:
        return
    leg = call.open_leg
    if leg is not None:
        leg.finish(time)
    if visit.outcome != CONNECTED:
        visit.agent, visit.level = agent, fact[6]
        visit.decide(CONNECTED, time)
    call.legs.append(Leg(visit, agent, fact[6], time))


def _held(call: Call, fact: Fact) -> None:
    leg = call.open_leg
    if leg is not None and leg.hold_since is None:
        leg.hold_since = fact[0]
        leg.held = True


def _resumed(call: Call, fact: Fact) -> None:
    leg = call.open_leg
    if leg is not None:
        leg.resume(fact[0])


def _transferred(call: Call, fact: Fact) -> None:
    call.transferred = True
    leg = call.open_leg
    if leg is not None:
        leg.transferred = True
        leg.finish(fact[0])


def _left(call: Call, fact: Fact) -> None:
    outcome = LEFT if fact[1] == ABANDONED else FLOWED
    visit = call.moved_on_at(fact[0], fact[3]) or _visit_of(call, fact)
    if visit is None or visit.outcome == outcome:
        return
    visit.decide(outcome, fact[0], fact[5])
    call.legs = [leg for leg in call.legs if leg.visit is not visit]


def _ended(call: Call, fact: Fact) -> None:
    if not call.legs:
        return
    leg = call.open_leg
    if leg is not None:
        leg.finish(fact[0])
    call.ended, call.resolved = fact[0], fact[4] is not False


def _wrapped_up(call: Call, fact: Fact) -> None:
    for leg in reversed(call.legs):
        if leg.end is not None and (fact[3] is None or leg.agent == fact[3]):
            leg.wrap_up = fact[0] - leg.end
            leg.given = None
            return


def _noted(call: Call, fact: Fact) -> None:
    """Change nothing."""


_STEPS: Final = (_queued, _answered, _held, _resumed, _transferred, _left, _left, _ended, _wrapped_up, _noted)
