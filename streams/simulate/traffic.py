r"""A center's calls and agents as a discrete-event simulation: the events that its switch would send, in the order of time.

The same center and seed give the same events, byte for byte. One core makes about 150,000 events a second, and memory grows
only with the calls in progress and the customers who will call again.

    queued ---wait--- answered --talk-- [held - resumed] --talk-- ended ---after-call work--- wrapped_up
                |                                      \- transferred, and 0.2 s later queued again
                \- abandoned or flowed_out
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import islice
from math import log
from random import Random
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from schemas.agents import AgentStateChanged, State
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
    FlowOutReason,
    Party,
)
from schemas.events import Event, encode
from streams.simulate.center import Center, Queue, on_duty

SECOND = 1_000_000
HOUR = 3600 * SECOND
SHIFT = 15 * 60 * SECOND
"""How often the number of agents on duty is set anew."""
BETWEEN_QUEUES = 0.2
MOST_TRANSFERS = 2
SOON, LATER = 1200.0, 2.5 * 86_400
"""Seconds, means: a customer who calls again does so soon, or some days later."""
BREAK = 600.0

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FLOW_OUTS: tuple[FlowOutReason, ...] = ("callback", "callback", "voicemail", "timeout", "key")
_BREAKS = ("coffee", "lunch", "training")
_DISPOSITIONS = ("done", "follow up", "sale", "information")
_ENDINGS: tuple[Party, ...] = ("customer", "customer", "agent")


class Timed(NamedTuple):
    """An event, when it is sent (microseconds since the epoch), and the key that its topic wants."""

    time_us: int
    key: bytes
    event: Event


class Sent(NamedTuple):
    """The same as bytes."""

    time_us: int
    key: bytes
    value: bytes


def events(center: Center, seed: int | str) -> Iterator[Timed]:
    """Yield the center's events; after ``center.seconds`` no new call comes, and those in progress are finished."""
    return _Traffic(center, seed).run()


def encoded(stream: Iterator[Timed]) -> Iterator[Sent]:
    """Yield the same events as the bytes that are sent."""
    for time_us, key, event in stream:
        yield Sent(time_us, key, encode(event))


def natural_rate(center: Center, sample: int = 20_000) -> float:
    """Return the events a second that a steady center makes, measured on a trial run after a tenth of it has passed."""
    trial = list(islice(events(center.steady(), "trial"), sample))
    begin, end = trial[len(trial) // 10].time_us, trial[-1].time_us
    return 0.9 * len(trial) * SECOND / (end - begin)


def at_rate(center: Center, rate: float) -> Center:
    """Return a steady center in such a hurry that it makes ``rate`` events a second."""
    return center.steady().quicker(rate / natural_rate(center))


class _Caller:
    """A customer who may call again: identity and what all of the calls share. ``None`` is nobody known."""

    __slots__ = ("attributes", "customer_id", "key")

    def __init__(self, customer_id: str | None, attributes: tuple[Any, ...]) -> None:
        self.customer_id = customer_id
        self.key = customer_id.encode() if customer_id else None
        self.attributes = attributes


class _Call:
    __slots__ = ("agent", "caller", "contact_id", "events", "key", "queue", "since", "transfers", "waiting")

    def __init__(self, contact_id: str, caller: _Caller, queue: Queue) -> None:
        self.contact_id = contact_id
        self.caller = caller
        self.queue = queue
        self.key = caller.key or contact_id.encode()
        self.events = self.transfers = self.since = self.waiting = 0
        self.agent: _Agent | None = None

    def next_id(self) -> str:
        self.events += 1
        return f"{self.contact_id}.{self.events}"


class _Agent:
    __slots__ = ("agent_id", "changes", "group", "key", "on_duty", "state")

    def __init__(self, agent_id: str, group: _Group) -> None:
        self.agent_id = agent_id
        self.key = agent_id.encode()
        self.group = group
        self.state: State = "offline"
        self.on_duty = False
        self.changes = 0


class _Group:
    """Agents who are free, the one free for longest first, and calls that wait, both with entries that have become void."""

    __slots__ = ("agents", "free", "load", "names", "waiting")

    def __init__(self, names: tuple[str, ...], load: float) -> None:
        self.names = names
        self.load = load
        self.agents: list[_Agent] = []
        self.free: deque[_Agent] = deque()
        self.waiting: deque[tuple[_Call, int]] = deque()


_Action = Callable[[int, Any], None]


class _Traffic:
    """The clockwork: what is due next is on a heap, and each thing that happens puts its events into ``out``."""

    def __init__(self, center: Center, seed: int | str) -> None:
        self.center = center
        self.callers = center.callers
        random = Random(f"{seed}")  # noqa: S311 - traffic, no secrets
        self.random = random.random
        self.end = center.start + round(center.seconds * SECOND) if center.seconds is not None else None
        self.zone = ZoneInfo(center.time_zone)
        self.second = SECOND / center.hurry
        self.steady = min(*center.day, *center.week) == max(*center.day, *center.week)
        self.levels: dict[int, float] = {}
        self.stamp = f"{center.start // SECOND:x}{seed}"
        self.contacts = self.customers = self.pushed = 0
        self.heap: list[tuple[int, int, _Action, Any]] = []
        self.out: list[Timed] = []
        self.attributes = [_attributes(random) for _ in range(256)] if self.callers.attributes else [()]
        self.groups = {group.name: self._group(group.name, group.agents) for group in center.groups}
        self.in_group = {queue.name: self.groups[queue.group] for queue in center.queues}
        for group in self.groups.values():
            self._staff(center.start, group)
        for queue in center.queues:
            self._await_call(center.start, queue)

    def run(self) -> Iterator[Timed]:
        heap, out = self.heap, self.out
        yield from out
        out.clear()
        while heap:
            now, _, action, subject = heappop(heap)
            action(now, subject)
            if out:
                yield from out
                out.clear()

    # --- time and chance

    def _at(self, when: int, action: _Action, subject: Any) -> None:
        self.pushed += 1
        heappush(self.heap, (when, self.pushed, action, subject))

    def _exponential(self, mean_seconds: float) -> int:
        return 1 + int(-log(1.0 - self.random()) * mean_seconds * self.second)

    def _happens(self, share: float) -> bool:
        return share > 0.0 and self.random() < share

    def _level(self, now: int) -> float:
        """Return the share of the busiest hour's calls that this hour has."""
        if self.steady:
            return self.center.day[0] * self.center.week[0]
        hour = now // HOUR
        level = self.levels.get(hour)
        if level is None:
            local = datetime.fromtimestamp(hour * 3600, UTC).astimezone(self.zone)
            level = self.levels[hour] = self.center.day[local.hour] * self.center.week[local.weekday()]
        return level

    # --- callers

    def _await_call(self, now: int, queue: Queue) -> None:
        """Put the next call of a queue on the heap: Poisson, at a rate that changes on the hour."""
        need = -log(1.0 - self.random())
        while True:
            rate = queue.calls_per_hour * self._level(now) / (3600 * self.second)
            if self.steady or now + need / rate < now - now % HOUR + HOUR:
                break
            hour_end = now - now % HOUR + HOUR
            need -= rate * (hour_end - now)
            now = hour_end
        when = now + int(need / rate)
        if self.end is None or when < self.end:
            self._at(when, self._call, queue)

    def _call(self, now: int, queue: Queue) -> None:
        self._await_call(now, queue)
        attributes = self.attributes[int(self.random() * len(self.attributes))]
        if self._happens(self.callers.anonymous):
            caller = _Caller(None, attributes)
        else:
            self.customers += 1
            caller = _Caller(f"u{self.stamp}-{self.customers}", attributes)
        self._arrive(now, (caller, queue))

    def _call_again(self, now: int, returning: tuple[_Caller, Queue]) -> None:
        """Let a customer call again, sooner by day than by night."""
        if self._level(now) < self.random():
            self._at(now + self._exponential(7200.0), self._call_again, returning)
        elif self.end is None or now < self.end:
            self._arrive(now, returning)

    def _arrive(self, now: int, arriving: tuple[_Caller, Queue]) -> None:
        self.contacts += 1
        self._enqueue(now, _Call(f"c{self.stamp}-{self.contacts}", *arriving))

    def _maybe_return(self, now: int, call: _Call, share: float) -> None:
        if call.key is call.caller.key and self._happens(share):
            mean = SOON if self.random() < 0.4 else LATER
            when = now + self._exponential(mean)
            if self.end is None or when < self.end:
                self._at(when, self._call_again, (call.caller, call.queue))

    # --- calls

    def _emit(self, now: int, call: _Call, event: Event) -> None:
        self.out.append(Timed(now, call.key, event))

    def _enqueue(self, now: int, call: _Call) -> None:
        queue = call.queue
        call.since = now
        if call.caller.attributes:
            platform, priority, language, customer_type = call.caller.attributes
            event = CallQueued(
                id=call.next_id(),
                time=_moment(now),
                contact_id=call.contact_id,
                customer_id=call.caller.customer_id,
                queue=queue.name,
                platform=platform,
                priority=priority,
                language=language,
                customer_type=customer_type,
                entry_point=queue.entry_point,
            )
        else:
            event = CallQueued(
                id=call.next_id(),
                time=_moment(now),
                contact_id=call.contact_id,
                customer_id=call.caller.customer_id,
                queue=queue.name,
            )
        self._emit(now, call, event)
        group = self.in_group[queue.name]
        agent = _first_free(group)
        if agent:
            self._answer(now, call, agent)
            return
        call.waiting += 1
        group.waiting.append((call, call.waiting))
        if queue.patience:
            self._at(now + self._exponential(queue.patience), self._give_up, (call, call.waiting))

    def _give_up(self, now: int, waiting: tuple[_Call, int]) -> None:
        call, visit = waiting
        if call.waiting != visit:  # answered long ago
            return
        call.waiting += 1
        wait = (now - call.since) / SECOND
        if self._happens(self.callers.flowed_out):
            reason = _FLOW_OUTS[int(self.random() * len(_FLOW_OUTS))]
            event: Event = CallFlowedOut(
                id=call.next_id(),
                time=_moment(now),
                contact_id=call.contact_id,
                customer_id=call.caller.customer_id,
                queue=call.queue.name,
                reason=reason,
                wait_seconds=wait,
            )
        else:
            event = CallAbandoned(
                id=call.next_id(),
                time=_moment(now),
                contact_id=call.contact_id,
                customer_id=call.caller.customer_id,
                queue=call.queue.name,
                wait_seconds=wait,
            )
        self._emit(now, call, event)
        self._maybe_return(now, call, self.callers.return_unresolved)

    def _answer(self, now: int, call: _Call, agent: _Agent) -> None:
        queue = call.queue
        call.agent = agent
        event = CallAnswered(
            id=call.next_id(),
            time=_moment(now),
            contact_id=call.contact_id,
            customer_id=call.caller.customer_id,
            agent_id=agent.agent_id,
            queue=queue.name,
            wait_seconds=(now - call.since) / SECOND,
            level=queue.level,
        )
        self._emit(now, call, event)
        self._become(now, agent, "busy")
        end = now + self._exponential(queue.handle)
        if self._happens(self.callers.held) and end - now > 10:
            begin = now + 1 + int((end - now - 2) * 0.8 * self.random())
            self._at(begin, self._hold, call)
            self._at(begin + 1 + int((end - begin - 2) * self.random()), self._resume, call)
        self._at(end, self._finish, call)

    def _hold(self, now: int, call: _Call) -> None:
        self._emit(now, call, CallHeld(**self._of(now, call)))

    def _resume(self, now: int, call: _Call) -> None:
        self._emit(now, call, CallResumed(**self._of(now, call)))

    def _finish(self, now: int, call: _Call) -> None:
        if len(self.center.queues) > 1 and call.transfers < MOST_TRANSFERS and self._happens(self.callers.transferred):
            self._transfer(now, call)
        else:
            self._end(now, call)
        agent = call.agent
        assert agent is not None
        if call.queue.wrap_up:
            self._become(now, agent, "wrap_up")
            self._at(now + self._exponential(call.queue.wrap_up), self._wrap_up, (call, agent))
        else:
            self._freed(now, agent)

    def _end(self, now: int, call: _Call) -> None:
        unresolved = self._happens(self.callers.unresolved)
        ending = _ENDINGS[int(self.random() * len(_ENDINGS))]
        event = CallEnded(**self._of(now, call), ended_by=ending, resolved=False if unresolved else None)
        self._emit(now, call, event)
        again = self.callers.return_unresolved if unresolved else self.callers.return_resolved
        self._maybe_return(now, call, again)

    def _transfer(self, now: int, call: _Call) -> None:
        call.transfers += 1
        others = [queue for queue in self.center.queues if queue is not call.queue]
        to = others[int(self.random() * len(others))]
        assert call.agent is not None
        event = CallTransferred(
            id=call.next_id(),
            time=_moment(now),
            contact_id=call.contact_id,
            customer_id=call.caller.customer_id,
            from_queue=call.queue.name,
            to_queue=to.name,
            from_agent=call.agent.agent_id,
            kind="queue",
            level=to.level,
        )
        self._emit(now, call, event)
        self._at(now + 1 + int(BETWEEN_QUEUES * self.second), self._enter_next, (call, to))

    def _enter_next(self, now: int, moved: tuple[_Call, Queue]) -> None:
        call, to = moved
        call.queue = to
        self._enqueue(now, call)

    def _wrap_up(self, now: int, work: tuple[_Call, _Agent]) -> None:
        call, agent = work
        event = CallWrappedUp(
            id=call.next_id(),
            time=_moment(now),
            contact_id=call.contact_id,
            customer_id=call.caller.customer_id,
            agent_id=agent.agent_id,
            disposition=_DISPOSITIONS[int(self.random() * len(_DISPOSITIONS))],
        )
        self._emit(now, call, event)
        self._freed(now, agent)

    def _of(self, now: int, call: _Call) -> dict[str, Any]:
        assert call.agent is not None
        return {
            "id": call.next_id(),
            "time": _moment(now),
            "contact_id": call.contact_id,
            "customer_id": call.caller.customer_id,
            "agent_id": call.agent.agent_id,
        }

    # --- agents

    def _group(self, name: str, agents: int) -> _Group:
        queues = [queue for queue in self.center.queues if queue.group == name]
        group = _Group(tuple(queue.name for queue in queues), agents)
        group.agents = [_Agent(f"{name}-{number + 1}", group) for number in range(agents)]
        return group

    def _staff(self, now: int, group: _Group) -> None:
        """Set how many of a group are on duty: all in the busiest hour, by the square-root rule in the others."""
        level = self._level(now)
        wanted = len(group.agents) if level >= 1.0 else min(len(group.agents), on_duty(group.load * level * 0.9))
        for number, agent in enumerate(group.agents):
            agent.on_duty = number < wanted
            if agent.on_duty and agent.state == "offline":
                self._freed(now, agent)
            elif not agent.on_duty and agent.state in {"available", "paused"}:
                self._become(now, agent, "offline")
        if not self.steady and (self.end is None or now < self.end):
            self._at(now - now % SHIFT + SHIFT, self._staff, group)

    def _freed(self, now: int, agent: _Agent) -> None:
        """Let an agent who has nothing to do go home, take the next call, take a break, or wait for a call."""
        group = agent.group
        if not agent.on_duty:
            self._become(now, agent, "offline")
            return
        while group.waiting:
            call, visit = group.waiting.popleft()
            if call.waiting == visit:
                call.waiting += 1
                self._answer(now, call, agent)
                return
        if self._happens(self.callers.breaks):
            reason = _BREAKS[int(self.random() * len(_BREAKS))]
            self._become(now, agent, "paused", reason)
            self._at(now + self._exponential(BREAK), self._return, agent)
            return
        self._become(now, agent, "available")
        group.free.append(agent)

    def _return(self, now: int, agent: _Agent) -> None:
        if agent.state == "paused":
            self._freed(now, agent)

    def _become(self, now: int, agent: _Agent, state: State, reason: str | None = None) -> None:
        if agent.state == state:
            return
        agent.state = state
        agent.changes += 1
        event = AgentStateChanged(
            id=f"{agent.agent_id}.{self.stamp}.{agent.changes}",
            time=_moment(now),
            agent_id=agent.agent_id,
            state=state,
            reason=reason,
            queues=agent.group.names,
        )
        self.out.append(Timed(now, agent.key, event))


def _moment(time_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time_us)


def _first_free(group: _Group) -> _Agent | None:
    while group.free:
        agent = group.free.popleft()
        if agent.state == "available":
            return agent
    return None


def _attributes(random: Random) -> tuple[Any, ...]:
    """Return platform, priority, language and customer type of a caller."""
    return (
        random.choices(("phone", "web", "app"), (6, 1, 2))[0],
        random.choices(("normal", "high", "urgent"), (8, 2, 1))[0],
        random.choices(("es", "en", "ca", "fr"), (12, 3, 3, 1))[0],
        random.choices(("residential", "business", "vip"), (12, 4, 1))[0],
    )
