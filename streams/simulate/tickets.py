r"""Simulated tickets: a crew looks at the one that has waited for longest, writes, and resolves, hands on or waits for the customer.

    opened -- acknowledged ---wait--- replied -- [customer -- replied ...] -- resolved ----- [reopened --- replied -- resolved]
                                          \- transferred: to somebody else, or to the next level of attention

Nobody looks at tickets by night, and what depends on the customer takes hours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from schemas.contacts import Author
from schemas.events import Event
from schemas.tickets import TicketOpened, TicketReopened, TicketReplied, TicketResolved, TicketTransferred
from streams.simulate.center import Desk
from streams.simulate.clockwork import Clockwork
from streams.simulate.contact import Caller
from streams.simulate.crews import Writer, crews_of
from streams.simulate.timed import Timed
from streams.simulate.written import Over, Written

NOTES, ESCALATED, REASSIGNED, ASKED_BACK = 0.12, 0.1, 0.05, 0.3
"""Shares of the looks at a ticket."""
REOPENED, SOON = 0.08, 0.4
"""Share of the tickets resolved that are opened again, and of those that are soon."""
MOST_LOOKS = 6
HIGHEST_LEVEL = 3
ACKNOWLEDGED, CUSTOMER_REPLIES, REOPENED_SOON, REOPENED_LATER = 2.0, 3 * 3600.0, 2400.0, 30 * 3600.0
"""Seconds, means."""
_BY_BOT = {"social", "whatsapp"}


class Tickets:
    """All tickets; ``over`` is told of each resolution."""

    def __init__(self, clockwork: Clockwork, stamp: str, over: Callable[[int, Over], None]) -> None:
        self._clockwork = clockwork
        self._stamp = stamp
        self._over = over
        self._tickets = 0
        names = {desk.crew for desk in clockwork.center.desks if desk.channel != "chat"}
        self._waiting: dict[str, deque[Written]] = {name: deque() for name in sorted(names)}
        self._crews = crews_of(clockwork, stamp, self._waiting, self._serve)

    def begin(self, now: int, desk: Desk, caller: Caller, reason: str) -> None:
        """Let a customer open a ticket."""
        self._tickets += 1
        ticket = Written(f"t{self._stamp}-{self._tickets}", caller, desk, reason)
        self._emit(now, ticket, TicketOpened(**ticket.entering(now), channel=desk.channel, reason=reason))
        self._clockwork.later(now + self._clockwork.exponential(ACKNOWLEDGED), self._acknowledge, ticket)

    def _acknowledge(self, now: int, ticket: Written) -> None:
        self._write(now, ticket, "bot" if ticket.desk.channel in _BY_BOT else "system")
        self._wait(now, ticket)

    def _wait(self, now: int, ticket: Written) -> None:
        writer = self._crews[ticket.desk.crew].take(now)
        if writer is None:
            self._waiting[ticket.desk.crew].append(ticket)
        else:
            self._look(now, ticket, writer)

    def _serve(self, crew: str, now: int, writer: Writer) -> bool:
        """Give a free agent the ticket that has waited for longest."""
        if not self._waiting[crew]:
            return False
        self._look(now, self._waiting[crew].popleft(), writer)
        return True

    def _look(self, now: int, ticket: Written, writer: Writer) -> None:
        ticket.writer = writer
        ticket.moves += 1
        self._clockwork.later(now + self._clockwork.exponential(ticket.desk.handle), self._reply, ticket)

    def _reply(self, now: int, ticket: Written) -> None:
        writer, chance = ticket.writer, self._clockwork.random()
        assert writer is not None
        if self._clockwork.happens(NOTES):
            self._write(now, ticket, "agent", public=False)
        self._write(now, ticket, "agent")
        if ticket.moves >= MOST_LOOKS or chance > ESCALATED + REASSIGNED + ASKED_BACK:
            self._resolve(now, ticket)
        elif chance < ESCALATED and ticket.level < HIGHEST_LEVEL:
            ticket.level += 1
            self._transfer(now, ticket, ticket.level)
        elif chance < ESCALATED + REASSIGNED:
            self._transfer(now, ticket, None)
        else:
            self._clockwork.later(now + self._clockwork.exponential(CUSTOMER_REPLIES), self._hear, ticket)
        self._crews[ticket.desk.crew].free(now, writer)

    def _transfer(self, now: int, ticket: Written, level: int | None) -> None:
        assert ticket.writer is not None
        self._emit(
            now,
            ticket,
            TicketTransferred(**ticket.next(now), from_agent=ticket.writer.agent_id, kind="attended", level=level),
        )
        # Behind those that wait, and not for who hands it on: that agent is free in this very moment.
        self._clockwork.later(now + 1, self._wait, ticket)

    def _hear(self, now: int, ticket: Written) -> None:
        self._write(now, ticket, "customer")
        self._wait(now, ticket)

    def _resolve(self, now: int, ticket: Written) -> None:
        clockwork = self._clockwork
        self._emit(now, ticket, TicketResolved(**ticket.with_agent(now), level=ticket.level))
        self._over(now, ticket.over(resolved=True))
        if not ticket.again and clockwork.happens(REOPENED):
            ticket.again += 1
            mean = REOPENED_SOON if clockwork.happens(SOON) else REOPENED_LATER
            clockwork.later(now + clockwork.exponential(mean), self._reopen, ticket)

    def _reopen(self, now: int, ticket: Written) -> None:
        ticket.moves = 0
        self._emit(now, ticket, TicketReopened(**ticket.next(now), level=ticket.level))
        self._wait(now, ticket)

    def _write(self, now: int, ticket: Written, author: Author, *, public: bool = True) -> None:
        common = ticket.with_agent(now) if author == "agent" else ticket.next(now)
        self._emit(now, ticket, TicketReplied(**common, author=author, public=public))

    def _emit(self, now: int, ticket: Written, event: Event) -> None:
        self._clockwork.out.append(Timed(now, ticket.key, event))
