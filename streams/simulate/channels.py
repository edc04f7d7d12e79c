"""All of a center but its calls: who writes and why, and what follows from any contact, calls included.

Some who were not helped on the telephone write afterwards, and some who wrote come back through another channel: first-contact resolution is
across channels. Nobody who wrote calls because of it: the calls are those of a center without desks.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from random import Random

from schemas.calls import CallAbandoned, CallEnded, CallFlowedOut, CallQueued
from streams.simulate.business import Business
from streams.simulate.calls import attributes
from streams.simulate.center import Center, Desk
from streams.simulate.chats import Chats
from streams.simulate.clockwork import Clockwork
from streams.simulate.contact import Caller
from streams.simulate.opinions import Opinions
from streams.simulate.tickets import Tickets
from streams.simulate.timed import SECOND, Timed
from streams.simulate.written import REASONS, Over

WRITES_UNRESOLVED, WRITES_RESOLVED, ABOUT_THE_SAME = 0.12, 0.03, 0.7
"""Shares of known customers: those who write once more after a contact that helped them, or not, and that about the same."""
SOON, LATER = 900.0, 86_400.0
"""Seconds, means: they do so soon, or some other day."""


class Channels:
    """Chats, tickets and all that follows from contacts; it hears the calls."""

    def __init__(self, center: Center, seed: int | str) -> None:
        random = Random(f"{seed} channels")  # noqa: S311 - traffic, no secrets
        self._clockwork = clockwork = Clockwork(center, random)
        self._stamp = stamp = f"{center.start // SECOND:x}{seed}"
        self._kinds = [attributes(random) for _ in range(256)]
        self._customers = 0
        self._calls: dict[str, CallQueued] = {}
        """Where the calls in progress are."""
        self._chats = Chats(clockwork, stamp, self._over)
        self._tickets = Tickets(clockwork, stamp, self._over)
        self._opinions = Opinions(clockwork, stamp)
        self._business = Business(clockwork, stamp)
        self._opinions.begin(center.start)
        self._business.begin(center.start)
        for desk in center.desks:
            self._await_contact(center.start, desk)

    def run(self, until: float = inf) -> Iterator[Timed]:
        """Yield what happens before a time, by default until nothing does any more."""
        return self._clockwork.run(until)

    def hear(self, timed: Timed) -> None:
        """Take note of an event of the calls."""
        match timed.event:
            case CallQueued(contact_id=contact_id) as queued:
                self._calls[contact_id] = queued
            case CallEnded(contact_id=contact_id, agent_id=agent_id, resolved=resolved):
                self._call_over(timed, contact_id, agent_id, resolved=resolved is not False)
            case CallAbandoned(contact_id=contact_id) | CallFlowedOut(contact_id=contact_id):
                self._call_over(timed, contact_id, None, resolved=False)

    def _call_over(self, timed: Timed, contact_id: str, agent_id: str | None, *, resolved: bool) -> None:
        queued = self._calls.pop(contact_id)
        traits = (queued.platform, queued.priority, queued.language, queued.customer_type)
        caller = Caller(queued.customer_id, traits)
        over = Over(contact_id, timed.key, caller, "call", queued.queue, agent_id, None, resolved)
        self._over(timed.time_us, over)

    def _await_contact(self, now: int, desk: Desk) -> None:
        """Put the next contact of a desk on the heap."""
        when = self._clockwork.arrival(now, desk.contacts_per_hour, desk.name)
        self._clockwork.later(when, self._come, desk)

    def _come(self, now: int, desk: Desk) -> None:
        self._await_contact(now, desk)
        self._customers += 1
        kind = self._kinds[int(self._clockwork.random() * len(self._kinds))]
        anonymous = self._clockwork.happens(self._clockwork.center.callers.anonymous)
        caller = Caller(None if anonymous else f"w{self._stamp}-{self._customers}", kind)
        self._write(now, desk, caller, self._any_reason())

    def _come_again(self, now: int, again: tuple[Desk, Caller, str]) -> None:
        self._write(now, *again)

    def _write(self, now: int, desk: Desk, caller: Caller, reason: str) -> None:
        where = self._chats if desk.channel == "chat" else self._tickets
        where.begin(now, desk, caller, reason)

    def _over(self, now: int, contact: Over) -> None:
        """Let follow from a contact what does."""
        self._opinions.over(now, contact)
        self._business.over(now, contact)
        clockwork = self._clockwork
        share = WRITES_RESOLVED if contact.resolved else WRITES_UNRESOLVED
        if contact.caller.customer_id is not None and clockwork.happens(share):
            others = [desk for desk in clockwork.center.desks if desk.channel != contact.channel]
            desk = others[int(clockwork.random() * len(others))]
            same = contact.reason is not None and clockwork.happens(ABOUT_THE_SAME)
            reason = contact.reason if same and contact.reason is not None else self._any_reason()
            mean = SOON if clockwork.happens(0.5) else LATER
            clockwork.later(now + clockwork.exponential(mean), self._come_again, (desk, contact.caller, reason))

    def _any_reason(self) -> str:
        return REASONS[int(self._clockwork.random() * len(REASONS))]
