r"""What happens to callers and their calls, and when: the events that a center's switch and its agents would send.

queued ---wait--- answered --talk-- [held - resumed] --talk-- ended ---after-call work--- wrapped_up
|                                      \- transferred, and 0.2 s later queued again
\- abandoned or flowed_out
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schemas.calls import CallHeld, CallResumed
from schemas.contacts import FlowOutReason, Party
from schemas.events import Event
from streams.simulate.agents import Agent, Staff
from streams.simulate.calls import Call
from streams.simulate.center import Queue
from streams.simulate.clockwork import Clockwork
from streams.simulate.contact import Caller
from streams.simulate.timed import Timed

BETWEEN_QUEUES = 0.2
MOST_TRANSFERS = 2
SOON, LATER = 1200.0, 2.5 * 86_400
"""Seconds, means: a customer who calls again does so soon, or some days later."""
_FLOW_OUTS: tuple[FlowOutReason, ...] = ("callback", "callback", "voicemail", "timeout", "key")
_DISPOSITIONS = ("done", "follow up", "sale", "information")
_ENDINGS: tuple[Party, ...] = ("customer", "customer", "agent")


class Switch:
    """The callers, their calls and the agents; ``stamp`` is part of every id."""

    def __init__(self, clockwork: Clockwork, stamp: str, kinds: Sequence[tuple[Any, ...]]) -> None:
        self.center = clockwork.center
        self.callers = clockwork.center.callers
        self.clockwork = clockwork
        self.stamp = stamp
        self.kinds = kinds
        self.contacts = self.customers = 0
        self.staff = Staff(clockwork, stamp, self._answer)

    def begin(self) -> None:
        """Wait for the first call of each queue."""
        for queue in self.center.queues:
            self._await_call(self.center.start, queue)

    # --- callers

    def _await_call(self, now: int, queue: Queue) -> None:
        """Put the next call of a queue on the heap."""
        clockwork = self.clockwork
        when = clockwork.arrival(now, queue.calls_per_hour, queue.name)
        if clockwork.goes_on(when):
            clockwork.at(when, self._call, queue)

    def _call(self, now: int, queue: Queue) -> None:
        self._await_call(now, queue)
        kind = self.kinds[int(self.clockwork.random() * len(self.kinds))]
        if self.clockwork.happens(self.callers.anonymous):
            caller = Caller(None, kind)
        else:
            self.customers += 1
            caller = Caller(f"u{self.stamp}-{self.customers}", kind)
        self._arrive(now, (caller, queue))

    def _call_again(self, now: int, returning: tuple[Caller, Queue]) -> None:
        """Let a customer call again, sooner by day than by night."""
        clockwork = self.clockwork
        if clockwork.level(now) < clockwork.random():
            clockwork.at(now + clockwork.exponential(7200.0), self._call_again, returning)
        elif clockwork.goes_on(now):
            self._arrive(now, returning)

    def _arrive(self, now: int, arriving: tuple[Caller, Queue]) -> None:
        self.contacts += 1
        self._enqueue(now, Call(f"c{self.stamp}-{self.contacts}", *arriving))

    def _maybe_return(self, now: int, call: Call, share: float) -> None:
        clockwork = self.clockwork
        if call.key is call.caller.key and clockwork.happens(share):
            mean = SOON if clockwork.random() < 0.4 else LATER
            when = now + clockwork.exponential(mean)
            if clockwork.goes_on(when):
                clockwork.at(when, self._call_again, (call.caller, call.queue))

    # --- calls

    def _emit(self, now: int, call: Call, event: Event) -> None:
        self.clockwork.out.append(Timed(now, call.key, event))

    def _enqueue(self, now: int, call: Call) -> None:
        queue, clockwork = call.queue, self.clockwork
        call.since = now
        self._emit(now, call, call.queued(now))
        group = self.staff.of[queue.name]
        agent = group.first_free()
        if agent:
            self._answer(now, call, agent)
            return
        call.waiting += 1
        group.waiting.append((call, call.waiting))
        if queue.patience:
            clockwork.at(now + clockwork.exponential(queue.patience), self._give_up, (call, call.waiting))

    def _give_up(self, now: int, waiting: tuple[Call, int]) -> None:
        call, visit = waiting
        if call.waiting != visit:  # answered long ago
            return
        call.waiting += 1
        if self.clockwork.happens(self.callers.flowed_out):
            reason = _FLOW_OUTS[int(self.clockwork.random() * len(_FLOW_OUTS))]
            self._emit(now, call, call.flowed_out(now, reason))
        else:
            self._emit(now, call, call.abandoned(now))
        self._maybe_return(now, call, self.callers.return_unresolved)

    def _answer(self, now: int, call: Call, agent: Agent) -> None:
        clockwork = self.clockwork
        call.agent = agent
        self._emit(now, call, call.answered(now, agent))
        self.staff.become(now, agent, "busy")
        handle = call.queue.handle * clockwork.factor(now, "handle", call.queue.name)
        end = now + clockwork.exponential(handle)
        if clockwork.happens(self.callers.held) and end - now > 10:
            begin = now + 1 + int((end - now - 2) * 0.8 * clockwork.random())
            clockwork.at(begin, self._hold, call)
            clockwork.at(begin + 1 + int((end - begin - 2) * clockwork.random()), self._resume, call)
        clockwork.at(end, self._finish, call)

    def _hold(self, now: int, call: Call) -> None:
        self._emit(now, call, CallHeld(**call.with_agent(now)))

    def _resume(self, now: int, call: Call) -> None:
        self._emit(now, call, CallResumed(**call.with_agent(now)))

    def _finish(self, now: int, call: Call) -> None:
        clockwork, agent = self.clockwork, call.agent
        assert agent is not None
        several = len(self.center.queues) > 1
        if several and call.transfers < MOST_TRANSFERS and clockwork.happens(self.callers.transferred):
            self._transfer(now, call)
        else:
            self._end(now, call)
        if call.queue.wrap_up:
            self.staff.become(now, agent, "wrap_up")
            clockwork.at(now + clockwork.exponential(call.queue.wrap_up), self._wrap_up, (call, agent))
        else:
            self.staff.freed(now, agent)

    def _end(self, now: int, call: Call) -> None:
        unresolved = self.clockwork.happens(self.callers.unresolved)
        ending = _ENDINGS[int(self.clockwork.random() * len(_ENDINGS))]
        self._emit(now, call, call.ended(now, ending, resolved=False if unresolved else None))
        again = self.callers.return_unresolved if unresolved else self.callers.return_resolved
        self._maybe_return(now, call, again)

    def _transfer(self, now: int, call: Call) -> None:
        call.transfers += 1
        others = [queue for queue in self.center.queues if queue is not call.queue]
        to = others[int(self.clockwork.random() * len(others))]
        self._emit(now, call, call.transferred(now, to))
        self.clockwork.at(now + 1 + int(BETWEEN_QUEUES * self.clockwork.second), self._enter_next, (call, to))

    def _enter_next(self, now: int, moved: tuple[Call, Queue]) -> None:
        call, to = moved
        call.queue = to
        self._enqueue(now, call)

    def _wrap_up(self, now: int, work: tuple[Call, Agent]) -> None:
        call, agent = work
        disposition = _DISPOSITIONS[int(self.clockwork.random() * len(_DISPOSITIONS))]
        self._emit(now, call, call.wrapped_up(now, agent, disposition))
        self.staff.freed(now, agent)
