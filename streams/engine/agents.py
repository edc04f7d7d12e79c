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
from msgspec import Raw

from schemas.agents import AgentStateChanged, State
from schemas.panes import AgentNow
from streams.engine.facts import digest
from streams.engine.panes import Panes
from streams.engine.policy import HOUR, INTERVAL, MINUTE
from streams.engine.slices import Slice, Slices

Fact = tuple[int, bytes, State, str | None, tuple[str, ...]]
"""(time in microseconds, digest of the event's id, state, reason, queues). What is read back has one text of each state, not one a fact."""
MEASURE: Final = {
    "available": "available_us",
    "busy": "on_contact_us",
    "wrap_up": "on_contact_us",
    "paused": "paused_us",
}
RECENT: Final = 65 * MINUTE
LONGEST_STATE: Final = 24 * HOUR
"""A state that lasts longer counts for so long only: somebody forgot to sign off, or a clock was wrong."""
_QUARTER_BYTES: Final = 8
_facts_decoder = msgspec.msgpack.Decoder(list[Fact])
_encode_facts = msgspec.msgpack.Encoder().encode
_encode_now = msgspec.json.Encoder().encode


class Agent:
    """One agent's states, oldest first, the quarters of an hour whose record is out of date, and what was last told."""

    __slots__ = ("dirty", "facts", "ids", "name", "place", "queues", "recent", "told")

    def __init__(self, name: str) -> None:
        self.name = name
        self.facts: list[Fact] = []
        self.ids: set[bytes] = set()
        self.dirty: set[int] = set()
        self.queues: tuple[str, ...] | None = None
        """The queues whose ``place`` is known. Facts share one tuple of them, for they seldom change."""
        self.place = 0
        self.recent: list[Raw] = []
        """The last facts as they are told; one state more is all that a change adds to hundreds."""
        self.told = b""

    def append(self, fact: Fact) -> None:
        """Add a fact that is later than all others."""
        self.facts.append(fact)
        self.recent.append(_told(fact))

    def sort(self) -> None:
        """Bring facts that were added anyhow into their order."""
        self.facts.sort()
        self.recent = [_told(fact) for fact in self.facts[-_lately(self.facts) :]]


class Agents:
    """The agents whose events come to one partition."""

    def __init__(self, panes: Panes, slices: Slices) -> None:
        self._panes = panes
        self._slices = slices
        self._agents: dict[str, Agent] = {}
        self._changed: set[Agent] = set()

    def apply(self, event: AgentStateChanged, time: int) -> bool:
        """Take a change of state at ``time`` (microseconds); return False when it was known."""
        agent = self._agents.get(event.agent_id) or self._new(event.agent_id)
        known = digest(event.id)
        if known in agent.ids:
            return False
        queues = event.queues if event.queues != agent.queues else agent.queues
        fact: Fact = (time, known, event.state, event.reason, queues)
        facts = agent.facts
        if not facts or fact > facts[-1]:
            if facts:
                self._credit(agent, facts[-1], fact[0], 1)
            agent.append(fact)
        else:
            self._insert(agent, fact)
        agent.ids.add(known)
        agent.dirty.add(time // INTERVAL)
        self._changed.add(agent)
        return True

    def _new(self, name: str) -> Agent:
        agent = self._agents[name] = Agent(name)
        return agent

    def _insert(self, agent: Agent, fact: Fact) -> None:
        """Put a fact before a later one; the stretch that it falls into is withdrawn and credited in two parts."""
        facts = agent.facts
        at = bisect_left(facts, fact)
        after = facts[at]
        if at:
            self._credit(agent, facts[at - 1], after[0], -1)
            self._credit(agent, facts[at - 1], fact[0], 1)
        self._credit(agent, fact, after[0], 1)
        facts.append(fact)
        agent.sort()

    def _credit(self, agent: Agent, fact: Fact, end: int, sign: int) -> None:
        measure = MEASURE.get(fact[2])
        if measure is None:
            return
        if fact[4] != agent.queues:
            agent.queues, agent.place = fact[4], self._place(agent.name, fact[4])
        self._panes.credit_time(fact[0], min(end, fact[0] + LONGEST_STATE), agent.place, measure, sign)

    def _place(self, name: str, queues: tuple[str, ...]) -> int:
        """Return the place of an agent: its own slice, that of everybody, and those of its queues."""
        places = [Slice(None, None), *(Slice(None, queue) for queue in dict.fromkeys(queues))]
        if "agent" in self._slices.breakdowns:
            places.insert(0, Slice(None, None, "agent", name))
        return self._slices.group(places)

    @property
    def pending(self) -> bool:
        """Tell whether an agent's record is out of date."""
        return bool(self._changed)

    def flush(
        self, watermark: int, lateness: int
    ) -> tuple[list[tuple[bytes, bytes | None]], list[tuple[bytes, bytes]]]:
        """Return the records of the state (a quarter of an hour of an agent each) and of the agents as they are now."""
        state: list[tuple[bytes, bytes | None]] = []
        now: list[tuple[bytes, bytes]] = []
        for agent in self._changed:
            self._trim(agent, watermark - lateness - HOUR)
            for quarter in agent.dirty:
                begin, end = (bisect_left(agent.facts, (at * INTERVAL,)) for at in (quarter, quarter + 1))
                facts = agent.facts[begin:end]
                state.append((_key(agent.name, quarter), _encode_facts(facts) if facts else None))
            agent.dirty.clear()
            told = _encode_now(_now(agent))
            if told != agent.told:
                agent.told = told
                now.append((msgspec.json.encode(("agent", agent.name)), told))
        self._changed.clear()
        return state, now

    def _trim(self, agent: Agent, horizon: int) -> None:
        """Forget the whole quarters that no event can change any more, but for the last state before them."""
        if agent.facts[0][0] >= horizon:
            return
        keep = bisect_left(agent.facts, (horizon - horizon % INTERVAL,)) - 1
        if keep < 64:
            return
        for fact in agent.facts[:keep]:
            agent.ids.discard(fact[1])
            agent.dirty.add(fact[0] // INTERVAL)
        del agent.facts[:keep]

    def restore(self, key: bytes, value: bytes) -> None:
        """Take a quarter of an hour of an agent back from its record; `restored` brings them into order."""
        name = key[1 + _QUARTER_BYTES :].decode()
        agent = self._agents.get(name) or self._new(name)
        for fact in _facts_decoder.decode(value):
            if fact[4] != agent.queues:
                agent.queues, agent.place = fact[4], self._place(agent.name, fact[4])
            agent.facts.append((*fact[:4], agent.queues))
            agent.ids.add(fact[1])

    def restored(self) -> None:
        """Be ready after all records were taken."""
        for agent in self._agents.values():
            agent.sort()

    def restore_now(self, name: str, record: bytes) -> None:
        """Know what was last told of an agent."""
        (self._agents.get(name) or self._new(name)).told = record


def _key(name: str, quarter: int) -> bytes:
    return b"a" + quarter.to_bytes(_QUARTER_BYTES, "big", signed=True) + name.encode()


def _told(fact: Fact) -> Raw:
    return Raw(b'[%d,"%s"]' % (fact[0], fact[2].encode()))


def _lately(facts: list[Fact]) -> int:
    """Return how many of the last facts an agent's record tells."""
    return min(_MOST, len(facts) - max(0, bisect_left(facts, (facts[-1][0] - RECENT,)) - 1))


def _now(agent: Agent) -> AgentNow:
    time, _, state, reason, queues = agent.facts[-1]
    since = time
    for fact in reversed(agent.facts):
        if fact[2:4] != (state, reason):
            break
        since = fact[0]
    del agent.recent[: -_lately(agent.facts)]
    return AgentNow(state, since, reason, list(queues), agent.recent)  # type: ignore[arg-type]  # written already


_MOST: Final = 500
"""Changes of state in an agent's record at most."""
