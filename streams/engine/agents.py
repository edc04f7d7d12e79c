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
_encode = msgspec.msgpack.Encoder().encode
_encode_now = msgspec.json.Encoder().encode


class Agent:
    """One agent's states, oldest first, the quarters of an hour whose record is out of date, and what was last published.

    A change of state adds little to records of hundreds, so what is written in them is kept, and a change that comes in order is added to it.
    """

    __slots__ = (
        "dirty", "facts", "ids", "key", "name", "packed", "place", "published", "quarter", "queues", "recent", "shown", "unwritten",
        "within",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.key = msgspec.json.encode(("agent", name))
        self.facts: list[Fact] = []
        self.ids: set[bytes] = set()
        self.dirty: set[int] = set()
        self.queues: tuple[str, ...] | None = None
        """The queues whose ``place`` is known. Facts share one tuple of them, for they seldom change."""
        self.place = 0
        self.unwritten = 0
        """The last facts that are not in what is written yet."""
        self.recent, self.shown = b"", 0
        """The last facts as they are published, with a comma after each, and how many these are."""
        self.quarter = _NONE
        self.packed, self.within = b"", 0
        """The facts of that quarter as they are written, one after the other, and how many these are."""
        self.published = b""

    def append(self, fact: Fact) -> None:
        """Add a fact that is later than all others."""
        self.facts.append(fact)
        self.unwritten += 1

    def write(self) -> None:
        """Add the facts that were appended to what is written."""
        facts, first = self.facts, len(self.facts) - self.unwritten
        for at in range(first, len(facts)):
            quarter = facts[at][0] // INTERVAL
            if not at or facts[at - 1][0] // INTERVAL < quarter:
                self.quarter, self.packed, self.within = quarter, b"", 0
            if self.quarter == quarter:
                self.packed += _encode(facts[at])
                self.within += 1
        self.recent += b"".join(map(_text, facts[first:]))
        self.shown += self.unwritten
        self.unwritten = 0

    def sort(self) -> None:
        """Bring facts that were added anyhow into their order."""
        self.facts.sort()
        self._write_anew()

    def _write_anew(self) -> None:
        facts = self.facts
        self.shown = min(_MOST, len(facts) - max(0, bisect_left(facts, (facts[-1][0] - RECENT,)) - 1))
        self.recent = b"".join(map(_text, facts[-self.shown :]))
        self.quarter, self.within, self.unwritten = _NONE, 0, 0

    def trim(self, horizon: int) -> None:
        """Forget the whole quarters that no event can change any more, but for the last state before them."""
        keep = bisect_left(self.facts, (horizon - horizon % INTERVAL,)) - 1
        if keep < 64:
            return
        for fact in self.facts[:keep]:
            self.ids.discard(fact[1])
            self.dirty.add(fact[0] // INTERVAL)
        del self.facts[:keep]
        if len(self.facts) < max(self.shown, self.within):
            self._write_anew()

    def record(self, quarter: int) -> bytes | None:
        """Return the record of the facts in a quarter of an hour; None where there are none."""
        if quarter == self.quarter:
            head = _encode([None] * self.within)[: -self.within]  # of an array of so many, each of which takes a byte
            return head + self.packed
        begin, end = (bisect_left(self.facts, (at * INTERVAL,)) for at in (quarter, quarter + 1))
        return _encode(self.facts[begin:end]) if begin < end else None

    def state_now(self) -> AgentNow:
        """Return the agent's state, and the states of the last `RECENT`: the one that went on when it began, and those after it."""
        time, _, state, reason, queues = self.facts[-1]
        since = time
        for fact in reversed(self.facts):
            if fact[2] != state or fact[3] != reason:
                break
            since = fact[0]
        passed = 0
        while self.shown > _MOST or (self.shown > 1 and self.facts[1 - self.shown][0] < time - RECENT):
            passed = self.recent.index(b"]", passed) + 2
            self.shown -= 1
        self.recent = self.recent[passed:]
        return AgentNow(state, since, reason, list(queues), Raw(b"[" + self.recent[:-1] + b"]"))  # type: ignore[arg-type]  # written already


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
        horizon = watermark - lateness - HOUR
        for agent in self._changed:
            agent.write()
            if agent.facts[0][0] < horizon:
                agent.trim(horizon)
            state += [(_key(agent.name, quarter), agent.record(quarter)) for quarter in agent.dirty]
            agent.dirty.clear()
            published = _encode_now(agent.state_now())
            if published != agent.published:
                agent.published = published
                now.append((agent.key, published))
        self._changed.clear()
        return state, now

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
        """Know what was last published of an agent."""
        (self._agents.get(name) or self._new(name)).published = record


def _key(name: str, quarter: int) -> bytes:
    return b"a" + quarter.to_bytes(_QUARTER_BYTES, "big", signed=True) + name.encode()


def _text(fact: Fact) -> bytes:
    return b'[%d,"%s"],' % (fact[0], fact[2].encode())


_MOST: Final = 500
"""Changes of state in an agent's record at most."""
_NONE: Final = -1 << 62
