"""The agents of a simulated center: who is on duty, who is free, and which waiting call a freed one takes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from math import ceil
from typing import TYPE_CHECKING

from schemas.agents import AgentStateChanged, State
from streams.simulate.center import on_duty
from streams.simulate.clockwork import Clockwork
from streams.simulate.timed import SECOND, Timed, moment

if TYPE_CHECKING:
    from streams.simulate.calls import Call

SHIFT = 15 * 60 * SECOND
"""How often the number of agents on duty is set anew."""
BREAK = 600.0
_BREAKS = ("coffee", "lunch", "training")


class Employee:
    """Somebody with a state, and how often it has changed."""

    __slots__ = ("agent_id", "changes", "key", "on_duty", "state")

    def __init__(self, agent_id: str) -> None:
        self.agent_id = agent_id
        self.key = agent_id.encode()
        self.state: State = "offline"
        self.on_duty = False
        self.changes = 0

    def become(
        self, now: int, stamp: str, state: State, queues: tuple[str, ...], reason: str | None = None
    ) -> Iterator[Timed]:
        """Change the state; yield the event of it, unless it is so already. ``stamp`` makes ids differ from other runs'."""
        if self.state == state:
            return
        self.state = state
        self.changes += 1
        event = AgentStateChanged(
            id=f"{self.agent_id}.{stamp}.{self.changes}",
            time=moment(now),
            agent_id=self.agent_id,
            state=state,
            reason=reason,
            queues=queues,
        )
        yield Timed(now, self.key, event)


class Agent(Employee):
    """One agent who takes calls."""

    __slots__ = ("group",)

    def __init__(self, agent_id: str, group: Group) -> None:
        super().__init__(agent_id)
        self.group = group


class Group:
    """Agents who are free, the one free for longest first, and calls that wait, both with entries that have become void."""

    __slots__ = ("agents", "free", "load", "name", "names", "waiting")

    def __init__(self, name: str, queues: tuple[str, ...], agents: int) -> None:
        self.name = name
        self.names = queues
        self.load = float(agents)
        self.agents = [Agent(f"{name}-{number + 1}", self) for number in range(agents)]
        self.free: deque[Agent] = deque()
        self.waiting: deque[tuple[Call, int]] = deque()

    def first_free(self) -> Agent | None:
        """Take the agent who has been free for longest."""
        while self.free:
            agent = self.free.popleft()
            if agent.state == "available":
                return agent
        return None

    def first_waiting(self) -> Call | None:
        """Take the call that has waited for longest."""
        while self.waiting:
            call, visit = self.waiting.popleft()
            if call.waiting == visit:
                call.waiting += 1
                return call
        return None


class Staff:
    """All agents; ``answer`` is told which call a freed one takes."""

    def __init__(self, clockwork: Clockwork, stamp: str, answer: Callable[[int, Call, Agent], None]) -> None:
        self._clockwork = clockwork
        self._stamp = stamp
        self._answer = answer
        center = clockwork.center
        groups = {
            group.name: Group(group.name, tuple(q.name for q in center.queues if q.group == group.name), group.agents)
            for group in center.groups
        }
        self.of = {queue.name: groups[queue.group] for queue in center.queues}
        for group in groups.values():
            self._staff(center.start, group)
        for incident in center.incidents:
            if incident.what == "agents":
                clockwork.at(incident.start, self._set, groups[incident.name])
                clockwork.at(incident.end, self._set, groups[incident.name])

    def freed(self, now: int, agent: Agent) -> None:
        """Let an agent who has nothing to do go home, take the next call, take a break, or wait for a call."""
        clockwork, group = self._clockwork, agent.group
        if not agent.on_duty:
            self.become(now, agent, "offline")
            return
        call = group.first_waiting()
        if call is not None:
            self._answer(now, call, agent)
        elif clockwork.happens(clockwork.center.callers.breaks):
            reason = _BREAKS[int(clockwork.random() * len(_BREAKS))]
            self.become(now, agent, "paused", reason)
            clockwork.at(now + clockwork.exponential(BREAK), self._return, agent)
        else:
            self.become(now, agent, "available")
            group.free.append(agent)

    def become(self, now: int, agent: Agent, state: State, reason: str | None = None) -> None:
        """Change an agent's state, with its event."""
        self._clockwork.out.extend(agent.become(now, self._stamp, state, agent.group.names, reason))

    def _staff(self, now: int, group: Group) -> None:
        """Set how many of a group are on duty, and do so again after a while."""
        clockwork = self._clockwork
        self._set(now, group)
        if not clockwork.steady and clockwork.goes_on(now):
            clockwork.at(now - now % SHIFT + SHIFT, self._staff, group)

    def _set(self, now: int, group: Group) -> None:
        """Set how many of a group are on duty: all in the busiest hour, by the square-root rule in the others; fewer in an incident."""
        level = self._clockwork.level(now)
        wanted = len(group.agents) if level >= 1.0 else min(len(group.agents), on_duty(group.load * level * 0.9))
        wanted = ceil(wanted * self._clockwork.factor(now, "agents", group.name))
        for number, agent in enumerate(group.agents):
            agent.on_duty = number < wanted
            if agent.on_duty and agent.state == "offline":
                self.freed(now, agent)
            elif not agent.on_duty and agent.state in {"available", "paused"}:
                self.become(now, agent, "offline")

    def _return(self, now: int, agent: Agent) -> None:
        if agent.state == "paused":
            self.freed(now, agent)
