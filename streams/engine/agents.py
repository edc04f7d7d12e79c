"""Agents: the states of each, in order of time, and the time spent in them split over the intervals.

A state lasts until the next one. Only stretches with a known end are credited; the one that goes on is in the agent's own
record and is added by who reads. An event out of order splits the stretch that it falls into.

    available            busy                 wrap_up   available
      |--- available_us ---|--- on_contact_us ---|---...---|------ (open: not credited yet)
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

import msgspec

from schemas.agents import AgentStateChanged
from schemas.panes import AgentNow
from streams.engine.calls import digest
from streams.engine.panes import Panes
from streams.engine.policy import HOUR, MINUTE
from streams.engine.slices import Slice, Slices

Fact = tuple[int, bytes, str, str | None, tuple[str, ...]]
"""(time in microseconds, digest of the event's id, state, reason, queues)."""
MEASURE: Final = {
    "available": "available_us",
    "busy": "on_contact_us",
    "wrap_up": "on_contact_us",
    "paused": "paused_us",
}
RECENT: Final = 65 * MINUTE
LONGEST_STATE: Final = 24 * HOUR
"""A state that lasts longer counts for so long only: somebody forgot to sign off, or a clock was wrong."""
_HOUR_BYTES: Final = 8
_facts_decoder = msgspec.msgpack.Decoder(list[tuple[int, bytes, str, str | None, tuple[str, ...]]])


class Agent:
    """One agent's states, oldest first, the hours whose record is out of date, and what was last told."""

    __slots__ = ("dirty", "facts", "ids", "told")

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.ids: set[bytes] = set()
        self.dirty: set[int] = set()
        self.told = b""


class Agents:
    """The agents whose events come to one partition."""

    def __init__(self, panes: Panes, slices: Slices) -> None:
        self._panes = panes
        self._slices = slices
        self._agents: dict[str, Agent] = {}
        self._changed: set[str] = set()
        self._groups: dict[tuple[str, tuple[str, ...]], int] = {}

    def apply(self, event: AgentStateChanged) -> bool:
        """Take a change of state; return False when it was known."""
        agent = self._agents.get(event.agent_id)
        if agent is None:
            agent = self._agents[event.agent_id] = Agent()
        fact: Fact = (event.time_us, digest(event.id), event.state, event.reason, event.queues)
        if fact[1] in agent.ids:
            return False
        facts = agent.facts
        if not facts or fact[:2] > facts[-1][:2]:
            if facts:
                self._credit(event.agent_id, facts[-1], fact[0], 1)
            facts.append(fact)
        else:
            self._insert(event.agent_id, facts, fact)
        agent.ids.add(fact[1])
        agent.dirty.add(fact[0] // HOUR)
        self._changed.add(event.agent_id)
        return True

    def _insert(self, name: str, facts: list[Fact], fact: Fact) -> None:
        """Put a fact before a later one; the stretch that it falls into is withdrawn and credited in two parts."""
        at = bisect_left(facts, fact[:2])
        after = facts[at]
        if at:
            self._credit(name, facts[at - 1], after[0], -1)
            self._credit(name, facts[at - 1], fact[0], 1)
        self._credit(name, fact, after[0], 1)
        facts.insert(at, fact)

    def _credit(self, name: str, fact: Fact, end: int, sign: int) -> None:
        measure = MEASURE.get(fact[2])
        if measure is None:
            return
        end = min(end, fact[0] + LONGEST_STATE)
        self._panes.credit_time(fact[0], end, self._group(name, fact[4]), measure, sign)

    def _group(self, name: str, queues: tuple[str, ...]) -> int:
        """Return the group of an agent: its own slice, that of everybody, and those of its queues."""
        known = self._groups.get((name, queues))
        if known is None:
            own, everybody = Slice(None, None, "agent", name), Slice(None, None)
            known = self._slices.group([own, everybody, *(Slice(None, queue) for queue in dict.fromkeys(queues))])
            self._groups[name, queues] = known
        return known

    @property
    def pending(self) -> bool:
        """Tell whether an agent's record is out of date."""
        return bool(self._changed)

    def flush(
        self, watermark: int, lateness: int
    ) -> tuple[list[tuple[bytes, bytes | None]], list[tuple[bytes, bytes]]]:
        """Return the records of the state (an hour of an agent each) and of the agents as they are now."""
        state: list[tuple[bytes, bytes | None]] = []
        now: list[tuple[bytes, bytes]] = []
        for name in self._changed:
            agent = self._agents[name]
            self._trim(agent, watermark - lateness - HOUR)
            for hour in agent.dirty:
                begin, end = (bisect_left(agent.facts, (time,)) for time in (hour * HOUR, (hour + 1) * HOUR))
                facts = agent.facts[begin:end]
                state.append((_key(name, hour), msgspec.msgpack.encode(facts) if facts else None))
            agent.dirty.clear()
            told = msgspec.json.encode(_now(agent))
            if told != agent.told:
                agent.told = told
                now.append((msgspec.json.encode(("agent", name)), told))
        self._changed.clear()
        return state, now

    def _trim(self, agent: Agent, horizon: int) -> None:
        """Forget the whole hours that no event can change any more, but for the last state before them."""
        keep = bisect_left(agent.facts, (horizon - horizon % HOUR,)) - 1
        if keep < 64:
            return
        for fact in agent.facts[:keep]:
            agent.ids.discard(fact[1])
            agent.dirty.add(fact[0] // HOUR)
        del agent.facts[:keep]

    def restore(self, key: bytes, value: bytes) -> None:
        """Take an hour of an agent back from its record."""
        name = key[1 + _HOUR_BYTES :].decode()
        agent = self._agents.setdefault(name, Agent())
        facts = _facts_decoder.decode(value)
        agent.facts.extend(facts)
        agent.facts.sort(key=lambda fact: fact[:2])
        agent.ids.update(fact[1] for fact in facts)

    def restore_now(self, name: str, record: bytes) -> None:
        """Know what was last told of an agent."""
        self._agents.setdefault(name, Agent()).told = record


def _key(name: str, hour: int) -> bytes:
    return b"a" + hour.to_bytes(_HOUR_BYTES, "big", signed=True) + name.encode()


def _now(agent: Agent) -> AgentNow:
    time, _, state, reason, queues = agent.facts[-1]
    since = time
    for fact in reversed(agent.facts):
        if fact[2:4] != (state, reason):
            break
        since = fact[0]
    recent = bisect_left(agent.facts, (time - RECENT,))
    states = [(fact[0], fact[2]) for fact in agent.facts[max(0, recent - 1) :]]
    return AgentNow(state, since, reason, list(queues), states[-_MOST:])


_MOST: Final = 500
"""Changes of state in an agent's record at most."""
