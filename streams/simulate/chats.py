r"""Simulated chats: most are begun by a bot, which answers some by itself and hands the others over.

started -- bot -- customer -- handed over ---wait--- answered -- agent -- customer -- agent ... ended
\- ended by the bot       |                                \- transferred, and started again
\- abandoned or flowed_out
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from schemas.chats import (
    ChatAbandoned,
    ChatAnswered,
    ChatEnded,
    ChatFlowedOut,
    ChatMessage,
    ChatStarted,
    ChatTransferred,
)
from schemas.contacts import Author
from schemas.events import Event
from streams.simulate.center import Desk
from streams.simulate.clockwork import Clockwork
from streams.simulate.contact import Caller
from streams.simulate.crews import Writer, crews_of
from streams.simulate.timed import Timed
from streams.simulate.written import Over, Written

BY_BOT, SOLVED_BY_BOT = 0.7, 0.12
FLOWED_OUT = 0.25
NOTES = 0.06
TRANSFERRED, UNRESOLVED, AGAIN = 0.06, 0.1, 0.04
"""Shares of the chats concerned; of the notes, of agents' messages."""
PATIENCE, FIRST_REPLY, AGENT_WRITES, CUSTOMER_WRITES, COMES_AGAIN = 150.0, 8.0, 25.0, 30.0, 1500.0
"""Seconds, means."""


class Chats:
    """All chats; ``over`` is told of each that has ended."""

    def __init__(self, clockwork: Clockwork, stamp: str, over: Callable[[int, Over], None]) -> None:
        self._clockwork = clockwork
        self._stamp = stamp
        self._over = over
        self._chats = 0
        self._desks = [desk for desk in clockwork.center.desks if desk.channel == "chat"]
        self._waiting: dict[str, deque[tuple[Written, int]]] = {desk.crew: deque() for desk in self._desks}
        self._crews = crews_of(clockwork, stamp, self._waiting, self._serve)

    def begin(self, now: int, desk: Desk, caller: Caller, reason: str) -> None:
        """Let a customer open a chat."""
        self._chats += 1
        self._start(now, Written(f"h{self._stamp}-{self._chats}", caller, desk, reason))

    def _start(self, now: int, chat: Written) -> None:
        clockwork = self._clockwork
        chat.since = now
        self._emit(now, chat, ChatStarted(**chat.entering(now)))
        if chat.events == 1 and clockwork.happens(BY_BOT):
            clockwork.at(now + clockwork.exponential(1.0), self._greet, chat)
        else:
            self._wait(now, chat)

    # --- the bot

    def _greet(self, now: int, chat: Written) -> None:
        self._write(now, chat, "bot")
        self._clockwork.at(now + self._clockwork.exponential(4.0), self._ask, chat)

    def _ask(self, now: int, chat: Written) -> None:
        self._write(now, chat, "customer")
        self._clockwork.at(now + self._clockwork.exponential(2.0), self._hand_over, chat)

    def _hand_over(self, now: int, chat: Written) -> None:
        if self._clockwork.happens(SOLVED_BY_BOT):
            self._write(now, chat, "bot")
            self._emit(now, chat, ChatEnded(**chat.next(now), ended_by="system", reason=chat.reason))
        else:
            self._emit(now, chat, ChatTransferred(**chat.next(now), kind="handover"))
            self._wait(now, chat)

    # --- waiting

    def _wait(self, now: int, chat: Written) -> None:
        writer = self._crews[chat.desk.crew].take(now)
        if writer is not None:
            self._answer(now, chat, writer)
            return
        chat.waiting += 1
        self._waiting[chat.desk.crew].append((chat, chat.waiting))
        self._clockwork.at(now + self._clockwork.exponential(PATIENCE), self._give_up, (chat, chat.waiting))

    def _serve(self, crew: str, now: int, writer: Writer) -> bool:
        """Give a free agent the chat that has waited for longest."""
        waiting = self._waiting[crew]
        while waiting:
            chat, visit = waiting.popleft()
            if chat.waiting == visit:
                chat.waiting += 1
                self._answer(now, chat, writer)
                return True
        return False

    def _give_up(self, now: int, waiting: tuple[Written, int]) -> None:
        chat, visit = waiting
        if chat.waiting != visit:  # answered long ago
            return
        chat.waiting += 1
        visited = chat.next(now) | {"queue": chat.desk.name, "wait_seconds": chat.waited(now)}
        left_in_time = self._clockwork.happens(FLOWED_OUT)
        self._emit(now, chat, ChatFlowedOut(**visited, reason="timeout") if left_in_time else ChatAbandoned(**visited))
        chat.writer = None
        self._over(now, chat.over(resolved=False))

    # --- the conversation

    def _answer(self, now: int, chat: Written, writer: Writer) -> None:
        clockwork = self._clockwork
        chat.writer = writer
        chat.until = now + clockwork.exponential(chat.desk.handle)
        visited: dict[str, Any] = {"queue": chat.desk.name, "wait_seconds": chat.waited(now), "level": chat.level}
        self._emit(now, chat, ChatAnswered(**chat.with_agent(now), **visited))
        clockwork.at(now + clockwork.exponential(FIRST_REPLY), self._reply, chat)

    def _reply(self, now: int, chat: Written) -> None:
        clockwork = self._clockwork
        if clockwork.happens(NOTES):
            self._write(now, chat, "agent", public=False)
        self._write(now, chat, "agent")
        if now < chat.until:
            clockwork.at(now + clockwork.exponential(CUSTOMER_WRITES), self._hear, chat)
        else:
            self._finish(now, chat)

    def _hear(self, now: int, chat: Written) -> None:
        self._write(now, chat, "customer")
        self._clockwork.at(now + self._clockwork.exponential(AGENT_WRITES), self._reply, chat)

    def _finish(self, now: int, chat: Written) -> None:
        clockwork, writer = self._clockwork, chat.writer
        assert writer is not None
        others = [desk for desk in self._desks if desk is not chat.desk]
        if others and not chat.moves and clockwork.happens(TRANSFERRED):
            self._transfer(now, chat, others[int(clockwork.random() * len(others))])
        else:
            self._end(now, chat)
        self._crews[chat.desk.crew].free(now, writer)

    def _transfer(self, now: int, chat: Written, to: Desk) -> None:
        assert chat.writer is not None
        chat.moves += 1
        chat.level += 1
        moved: dict[str, Any] = {"from_queue": chat.desk.name, "to_queue": to.name, "from_agent": chat.writer.agent_id}
        self._emit(now, chat, ChatTransferred(**chat.next(now), **moved, kind="queue", level=chat.level))
        self._clockwork.at(now + self._clockwork.exponential(0.2), self._move, (chat, to))

    def _move(self, now: int, moved: tuple[Written, Desk]) -> None:
        chat, to = moved
        chat.desk = to
        self._start(now, chat)

    def _end(self, now: int, chat: Written) -> None:
        clockwork = self._clockwork
        unresolved = clockwork.happens(UNRESOLVED)
        ended: dict[str, Any] = {"ended_by": "agent" if unresolved else "customer", "reason": chat.reason}
        self._emit(now, chat, ChatEnded(**chat.with_agent(now), **ended, resolved=False if unresolved else None))
        self._over(now, chat.over(resolved=not unresolved))
        if not chat.again and clockwork.happens(AGAIN):
            chat.again += 1
            clockwork.later(now + clockwork.exponential(COMES_AGAIN), self._start, chat)

    def _write(self, now: int, chat: Written, author: Author, *, public: bool = True) -> None:
        common = chat.with_agent(now) if author == "agent" else chat.next(now)
        self._emit(now, chat, ChatMessage(**common, author=author, public=public))

    def _emit(self, now: int, chat: Written, event: Event) -> None:
        self._clockwork.out.append(Timed(now, chat.key, event))
