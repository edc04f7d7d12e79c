"""The course of a contact: from its facts to queue visits, conversations and marks.

`advance` takes a course some facts further, so an event later than all others costs one step, and an earlier one a fold anew of all of
them; the result is the same (docs/decisions.md).

    queued      answered       held  resumed   transferred   queued   answered   ended      wrapped_up
      |--- wait ---|--- talk ----|-hold-|-- talk ---|           |-wait---|--talk-----|--wrap up---|
      |------- visit 1, conversation 1 -------------|           |-- visit 2, conversation 2 ------|

In writing, the clock of the first response runs from a (re)opening, and that of people also from a hand-over by a bot, to the first
public reply of a human agent:

    opened    bot's message   handed over      reply   reply      resolved   reopened     reply
      |-------- from creation ------------------|                                |-- from reopening
                                    |-- from hand-over
      |-------- first resolution -----------------------------------|

A mark is something that happened once and stays (a response, a transfer, an answer to a survey). Visits and conversations can still
be amended: the last `AMENDABLE` of each, the ones before are sealed. So a course of any length is a bounded number of things, and the
rest is in the panes for good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from streams.engine.facts import ABANDONED, CALL, CHAT, PRESENT, Fact

WAITING, CONNECTED, LEFT, FLOWED, MOVED_ON = range(5)
"""Outcomes of a visit: none yet, answered, abandoned, flowed out, and flowed out unsaid (it entered another queue)."""
UNKNOWN_QUEUE: Final = "unknown"
AMENDABLE: Final = 8
"""Visits, and conversations, of a contact that a later fact can still amend."""
CREATION, REOPENING, HANDOVER = range(3)
"""From where the clock of a first response runs."""


class Visit:
    """One stay in one queue: ``start`` to ``decided`` (microseconds), its outcome, and who answered."""

    __slots__ = (
        "agent", "channel", "decided", "given", "group", "level", "outcome", "queue", "reason", "start", "traits",
    )  # fmt: skip

    def __init__(self, queue: str, channel: str | None, start: int, traits: tuple[str | None, ...]) -> None:
        self.queue = queue
        self.channel = channel or CALL
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

    @property
    def is_ticket(self) -> bool:
        """Tell whether nobody stays to wait for the answer."""
        return self.channel not in PRESENT

    def decide(self, outcome: int, time: int, reason: str | None = None) -> None:
        """Give the visit its outcome, or another one."""
        self.outcome, self.decided, self.reason = outcome, time, reason
        self.given = None

    def packed(self) -> list[Any]:
        """Return what the record keeps of it."""
        return [
            self.queue, self.channel, self.start, self.traits, self.outcome, self.decided, self.reason, self.agent,
            self.level,
        ]  # fmt: skip


class Leg:
    """One conversation with one agent: ``start`` to ``end`` (microseconds), its holds, its after-call work."""

    __slots__ = (
        "agent", "end", "given", "held", "hold", "hold_since", "level", "place", "start", "transferred", "visit",
        "wrap_up",
    )  # fmt: skip

    def __init__(self, visit: Visit, agent: str | None, level: str | None, start: int) -> None:
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

    def packed(self) -> list[Any]:
        """Return what the record keeps of it, but for its visit."""
        return [
            self.agent, self.level, self.start, self.end, self.hold, self.held, self.hold_since, self.transferred,
            self.wrap_up,
        ]  # fmt: skip


class Mark:
    """Something that happened once: what, when, during which visit (None: of no contact), by whom, and its particulars."""

    __slots__ = ("agent", "given", "level", "more", "since", "time", "visit", "what")

    def __init__(
        self,
        what: str,
        time: int,
        visit: Visit | None,
        agent: str | None,
        level: str | None,
        more: tuple[Any, ...] = (),
    ) -> None:
        self.what = what
        self.time = time
        self.visit = visit
        self.agent = agent
        self.level = level
        self.more = more
        self.since: int | None = None
        """Of what is said of a contact afterwards: when that began, or for a ticket was resolved (microseconds); else None."""
        self.given: list[Any] | None = None


class Course:
    """What the facts so far say: visits in the order of their starts, conversations in the order of theirs, marks."""

    __slots__ = (
        "about", "asked", "ended", "first", "given", "given_for", "handed", "legs", "level", "marks", "once", "reopened", "resolved", "resolved_first",
        "sealed", "sold", "transferred", "visits",
    )  # fmt: skip

    def __init__(self) -> None:
        self.visits: list[Visit] = []
        self.legs: list[Leg] = []
        self.sealed: list[Visit | Leg | Mark] = []
        """Visits and conversations that nothing can amend any more, and the marks until then; they are not in the panes for good yet.
        It only grows at its end, so that in a long contact what was credited for all before stays where it is (credits.py)."""
        self.given: list[Any] = []
        self.given_for = 0
        """What is credited for so many of what is sealed (credits.py)."""
        self.marks: list[Mark] = []
        """Those since then."""
        self.first: Visit | None = None
        """The visit that began first."""
        self.transferred = False
        self.ended: int | None = None
        self.resolved = False
        self.resolved_first: int | None = None
        self.reopened = False
        self.asked: tuple[int, int] | None = None
        """Since when, and from what, the clock of the first response runs."""
        self.handed: int | None = None
        """Since when people are asked, after a bot."""
        self.level: str | None = None
        """The level of attention that a transfer named last."""
        self.about = 0
        self.sold: tuple[int, int] | None = None
        """When the first sale was, and its `Mark.since`, or the same time where its contact had not begun."""
        self.once: set[str] = set()
        """What has happened at least once of what counts once for a contact."""

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
        """Tell that nobody waits and nobody talks; of a ticket, that it is resolved."""
        visits, legs = self.visits, self.legs
        if visits and visits[-1].outcome == WAITING:
            return False
        return self.ended is not None if self.is_ticket else not legs or legs[-1].end is not None

    @property
    def is_resolved(self) -> bool:
        """Tell whether somebody resolved it, and it is not open again."""
        return self.resolved and self.ended is not None and bool(self.legs)

    @property
    def is_ticket(self) -> bool:
        """Tell whether it is one that may wait for months."""
        return self.first is not None and self.first.is_ticket

    def enter(self, visit: Visit) -> None:
        """Begin a visit; the one still waiting has thereby moved on."""
        visits = self.visits
        waiting = self.waiting
        if waiting is not None and waiting.start <= visit.start:
            waiting.decide(MOVED_ON, visit.start)
        at = len(visits)
        while at and visits[at - 1].start > visit.start:
            at -= 1
        visits.insert(at, visit)
        if self.first is None or visit.start < self.first.start:
            self.first = visit
        if len(visits) > AMENDABLE:
            self._seal(visits.pop(0))

    def converse(self, leg: Leg) -> None:
        """Begin a conversation."""
        self.legs.append(leg)
        if len(self.legs) > AMENDABLE:
            self._seal(self.legs.pop(0))

    def _seal(self, one: Visit | Leg) -> None:
        """Put away what nothing can amend any more; what has happened so far never could be amended."""
        self.sealed += self.marks
        self.sealed.append(one)
        self.marks = []

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

    def mark(self, what: str, time: int, agent: str | None = None, *more: Any) -> None:
        """Let something have happened: during the last visit, by the agent named, else by who talks or talked last."""
        leg = self.legs[-1] if self.legs else None
        level = None
        if leg is not None and agent in {None, leg.agent}:
            agent, level = leg.agent, leg.level
        self.marks.append(Mark(what, time, self.visits[-1] if self.visits else None, agent, level, more))

    def remark(self, what: str, time: int, agent: str | None = None, *more: Any) -> Mark:
        """Let something be said of the contact, as `mark` does; it may be long after."""
        self.mark(what, time, agent, *more)
        mark = self.marks[-1]
        if mark.visit is not None:
            over = time if self.ended is None else self.ended
            mark.since = over if mark.visit.is_ticket else mark.visit.start
        return mark

    def mark_leg(self, what: str, time: int, *more: Any) -> None:
        """Let something have happened in the last conversation."""
        leg = self.legs[-1]
        self.marks.append(Mark(what, time, leg.visit, leg.agent, leg.level, more))


def advance(course: Course, facts: Iterable[Fact]) -> bool:
    """Take a course further by facts, which are in order; return False when it is credited the same as before."""
    changed = False
    for fact in facts:
        if _STEPS[fact[1]](course, fact) is not _SAME:
            changed = True
    return changed


_SAME: Final = False
"""What a step returns after which a contact adds to the figures what it did before."""


# Entering, answering, leaving


def _queued(course: Course, fact: Fact) -> None:
    visit = Visit(fact[3], fact[4], fact[0], fact[5:10])
    if fact[4] is not None:
        if len(fact) > 10:
            course.about = fact[10]
        if course.first is None:
            course.asked = (fact[0], CREATION)
        elif course.ended is not None:
            _reopen(course, fact[0])
    course.enter(visit)


def _reopen(course: Course, time: int) -> None:
    """Take back that the contact was resolved, and let the clock of the first response run again."""
    if course.is_resolved and course.ended is not None:
        course.mark_leg("resolution", course.ended)
        course.mark_leg("reopened", time)
        course.reopened = True
    course.ended, course.resolved = None, False
    course.asked, course.handed = (time, REOPENING), None


def _reopened(course: Course, fact: Fact) -> None:
    if course.resolved:
        course.level = fact[3] or course.level
        _reopen(course, fact[0])


def _visit_of(course: Course, fact: Fact) -> Visit | None:
    """Return the visit that an outcome belongs to, made up from ``wait_seconds`` where its start is lost."""
    visit = course.waiting
    if visit is None or (fact[3] is not None and visit.queue != fact[3]):
        visit = course.last(fact[3])
    if visit is None and fact[4] is not None:
        visit = Visit(fact[3] or UNKNOWN_QUEUE, fact[5], fact[0] - fact[4], ())
        course.enter(visit)
    return visit


def _answered(course: Course, fact: Fact) -> None:
    visit = _visit_of(course, fact)
    if visit is not None:
        _connect(course, visit, fact[0], fact[6], fact[7])


def _connect(course: Course, visit: Visit, time: int, agent: str | None, level: str | None) -> None:
    leg = course.open_leg
    if leg is not None:
        leg.finish(time)
    if visit.outcome != CONNECTED:
        visit.agent, visit.level = agent, level
        visit.decide(CONNECTED, time)
    course.converse(Leg(visit, agent, level, time))


def _left(course: Course, fact: Fact) -> None:
    outcome = LEFT if fact[1] == ABANDONED else FLOWED
    visit = course.moved_on_at(fact[0], fact[3]) or _visit_of(course, fact)
    if visit is None or visit.outcome == outcome:
        return
    visit.decide(outcome, fact[0], fact[6])
    course.legs = [leg for leg in course.legs if leg.visit is not visit]


# Conversations


def _handed_over(course: Course, fact: Fact) -> bool:
    if course.handed is None:
        course.handed = fact[0]
    return _SAME


def _replied(course: Course, fact: Fact) -> bool | None:
    """A reply answers the visit that waits, takes the conversation up where nobody leads it, and is the response to who asked last."""
    time, agent = fact[0], fact[3]
    if not course.visits:
        return _SAME
    visit = course.waiting
    if visit is not None:
        _connect(course, visit, time, agent, course.level)
    elif course.open_leg is None and course.ended is None:
        course.converse(Leg(course.visits[-1], agent, course.level, time))
    elif course.asked is None and course.handed is None:
        return _SAME
    if course.asked is not None:
        course.mark("response", time, agent, *course.asked)
        course.asked = None
    if course.handed is not None:
        course.mark("response", time, agent, course.handed, HANDOVER)
        course.handed = None
    return None


def _held(course: Course, fact: Fact) -> bool:
    """Begin a hold: a conversation is credited once it has ended, and nothing of it before."""
    leg = course.open_leg
    if leg is not None and leg.hold_since is None:
        leg.hold_since = fact[0]
        leg.held = True
    return _SAME


def _resumed(course: Course, fact: Fact) -> bool:
    leg = course.open_leg
    if leg is not None:
        leg.resume(fact[0])
    return _SAME


def _transferred(course: Course, fact: Fact) -> None:
    time, _, _, agent, level, queue = fact
    course.transferred = True
    leg = course.open_leg
    course.mark("transfer", time, agent, _is_higher(level, _known_level(course)))
    course.level = level or course.level
    if leg is not None:
        leg.transferred = True
        leg.finish(time)
    visit = course.visits[-1] if course.visits else None
    if queue is not None and visit is not None and visit.queue != queue:
        course.enter(Visit(queue, visit.channel, time, visit.traits))


def _known_level(course: Course) -> str | None:
    """Return the level of attention so far: of who talks, else the one that a transfer named last, else of who talked last with one."""
    leg = course.open_leg
    if leg is not None and leg.level is not None:
        return leg.level
    return course.level or next((leg.level for leg in reversed(course.legs) if leg.level is not None), None)


def _is_higher(level: str | None, before: str | None) -> bool:
    """Tell whether a level of attention is above the one before; of levels that are no numbers, whether it is another.

    >>> _is_higher("10", "9"), _is_higher("1", "2"), _is_higher("2", None), _is_higher("experts", "1")
    (True, False, False, True)
    """
    if level is None or before is None:
        return False
    if level.isdecimal() and before.isdecimal():
        return int(level) > int(before)
    return level != before


def _ended(course: Course, fact: Fact) -> None:
    time = fact[0]
    waiting = course.waiting if fact[6] == CHAT else None
    if waiting is not None:
        waiting.decide(LEFT if fact[7] == "customer" else FLOWED, time, "ended")
    if not course.legs:
        if fact[6] == CHAT:
            course.ended, course.asked, course.handed = time, None, None
        return
    leg = course.open_leg
    if leg is not None:
        leg.finish(time)
    course.about = fact[5] or course.about
    _settled(course, time, resolved=fact[4] is not False)


def _resolved(course: Course, fact: Fact) -> None:
    """The ticket is resolved by who says so, else by who leads the conversation; it answers the visit that waits."""
    time, agent = fact[0], fact[3]
    if not course.visits:
        return
    visit = course.waiting
    leg = course.open_leg
    level = fact[4] or course.level
    if visit is not None:
        _connect(course, visit, time, agent, level)
    elif leg is None or (agent is not None and agent != leg.agent):
        _connect(course, course.visits[-1], time, agent, level)
    leg = course.legs[-1]
    leg.level, leg.place = fact[4] or leg.level, -1
    leg.finish(time)
    _settled(course, time, resolved=True)


def _settled(course: Course, time: int, *, resolved: bool) -> None:
    course.ended, course.resolved = time, resolved
    if (
        resolved
        and course.resolved_first is None
        and course.first is not None
        and course.legs[-1].visit.channel != CALL
    ):
        course.resolved_first = time
        course.mark_leg("resolved_first", time, course.first.start)


def _wrapped_up(course: Course, fact: Fact) -> None:
    for leg in reversed(course.legs):
        if leg.end is not None and (fact[3] is None or leg.agent == fact[3]):
            leg.wrap_up = fact[0] - leg.end
            leg.given = None
            return


# What contacts bring in and cost


def _once(course: Course, what: str, time: int, agent: str | None) -> None:
    """Mark what counts once for a contact."""
    if what not in course.once:
        course.once.add(what)
        course.remark(what, time, agent)


def _surveyed(course: Course, fact: Fact) -> None:
    time, _, _, agent, kind, *scale = fact
    if kind == "enps":
        course.marks.append(Mark("survey", time, None, None, None, (kind, *scale)))
        return
    course.remark("survey", time, agent, kind, *scale)
    _once(course, "surveyed", time, agent)


def _remarked(course: Course, fact: Fact) -> None:
    _once(course, fact[4], fact[0], fact[3])


def _sold(course: Course, fact: Fact) -> None:
    mark = course.remark("sale", fact[0], fact[3], fact[4], fact[5])
    if course.sold is None and fact[5] >= 0:
        course.sold = mark.time, mark.time if mark.since is None else mark.since


def _stayed(course: Course, fact: Fact) -> None:
    course.remark("retained", fact[0])


def _lost(course: Course, fact: Fact) -> None:
    course.remark("lost", fact[0])


def _spent(course: Course, fact: Fact) -> None:
    course.marks.append(Mark("cost", fact[0], None, None, None, fact[3:]))


def _noted(_: Course, __: Fact) -> bool:
    """Change nothing."""
    return _SAME


_STEPS: Final[tuple[Callable[[Course, Fact], bool | None], ...]] = (
    _queued, _handed_over, _answered, _replied, _held, _resumed, _transferred, _left, _left, _ended, _resolved, _reopened,
    _wrapped_up, _surveyed, _remarked, _sold, _stayed, _lost, _spent, _noted,
)  # fmt: skip


# A course as it is kept where its facts are not


def pack(course: Course) -> bytes:
    """Return a course without its marks and without what is sealed: these are in the panes for good."""
    visits = list(course.visits)
    numbers = {id(visit): number for number, visit in enumerate(visits)}
    for visit in (*(leg.visit for leg in course.legs), course.first):
        if visit is not None and id(visit) not in numbers:
            numbers[id(visit)] = len(visits)
            visits.append(visit)
    return _encode(
        (
            len(course.visits), [visit.packed() for visit in visits],
            [(numbers[id(leg.visit)], leg.packed()) for leg in course.legs],
            None if course.first is None else numbers[id(course.first)],
            [getattr(course, name) for name in _PLAIN], sorted(course.once),
        )
    )  # fmt: skip


def unpack(packed: bytes) -> Course:
    """Return the course that `pack` kept."""
    course = Course()
    open_to, visits, legs, first, plain, once = _decode(packed)
    known = [_visit(*fields) for fields in visits]
    course.visits = known[:open_to]
    course.legs = [_leg(known[number], fields) for number, fields in legs]
    course.first = None if first is None else known[first]
    for name, value in zip(_PLAIN, plain, strict=True):
        setattr(course, name, tuple(value) if isinstance(value, list) else value)
    course.once = set(once)
    return course


_PLAIN: Final = (
    "about", "asked", "ended", "handed", "level", "reopened", "resolved", "resolved_first", "sold", "transferred",
)  # fmt: skip
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


def _visit(queue: str, channel: str, start: int, traits: list[str | None], *rest: Any) -> Visit:
    visit = Visit(queue, CALL if channel == CALL else channel, start, tuple(traits))
    visit.outcome, visit.decided, visit.reason, visit.agent, visit.level = rest
    return visit


def _leg(visit: Visit, fields: list[Any]) -> Leg:
    leg = Leg(visit, *fields[:3])
    leg.end, leg.hold, leg.held, leg.hold_since, leg.transferred, leg.wrap_up = fields[3:]
    return leg
