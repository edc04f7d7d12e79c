"""Agents: as the partitions published them last, and their time that is in no pane: states that go on, and the last hour cut anywhere."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from schemas.panes import AgentNow
from streams.engine.agents import LONGEST_STATE, MEASURE
from streams.engine.measures import SHIFT
from streams.engine.policy import quarters
from streams.engine.slices import Slice
from streams.kpis.query import Query, asked

_FIRST = min(SHIFT[measure] for measure in MEASURE.values())
_SHIFT = {state: SHIFT[measure] - _FIRST for state, measure in MEASURE.items()}
"""Lanes of agents' time from the first of them on: they lie together, so that sums are short until they become bundles."""


class AgentStatus(NamedTuple):
    """An agent's state and since when (microseconds)."""

    agent: str
    state: str
    since_us: int
    reason: str | None
    queues: tuple[str, ...]


class PublishedAgent:
    """An agent as it was published last.

    Its time in states is added up at once: of the states themselves, which are objects by the dozen, nothing is kept.
    """

    __slots__ = ("_lanes", "_starts", "_sums", "now", "own")

    def __init__(self, name: str, now: AgentNow) -> None:
        self.now = AgentStatus(name, now.state, now.since, now.reason, tuple(dict.fromkeys(now.queues)))
        self.own = Slice(None, None, "agent", name)
        states = now.recent or [(now.since, now.state)]
        self._starts = [start for start, _ in states]
        self._lanes = [_SHIFT.get(state) for _, state in states]
        self._sums = [0, *accumulate(map(_lasted, self._lanes, self._starts, self._starts[1:]))]

    def time(self, begin: int, until: int) -> int:
        """Return a bundle of the time in recent states between two times (microseconds)."""
        return self._before(until) - self._before(begin) << _FIRST if begin < until else 0

    def open_time(self, begin: int, until: int) -> int:
        """Return the part of it that panes do not hold: of the state that goes on."""
        return self.time(max(begin, self.started), until)

    @property
    def started(self) -> int:
        """Return when the last state event came; an event that repeats a state starts a new stretch of it."""
        return self._starts[-1]

    def quarters(self, begin: int, until: int) -> Iterator[tuple[int, int]]:
        """Yield the time of the state that goes on as panes would hold it: start and bundle, quarter of an hour by quarter."""
        begin, until = max(begin, self.started), min(until, self.started + LONGEST_STATE)
        yield from ((start, self.time(start, border)) for start, border in quarters(begin, until))

    def _before(self, time: int) -> int:
        """Return the time in all recent states up to a time, in lanes from the first on."""
        starts = self._starts
        at = (len(starts) if time >= starts[-1] else bisect_right(starts, time)) - 1
        return self._sums[at] + _lasted(self._lanes[at], self._starts[at], time) if at >= 0 else 0


class PublishedAgents:
    """Agents by name, each as the partition with the newest state says."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[int, PublishedAgent]] = {}
        self._newest: dict[str, PublishedAgent] = {}
        self._signed_in: Counter[str | None] = Counter()

    def load(self, name: str, partition: int, now: AgentNow | None) -> None:
        """Take what a partition says of an agent; None takes it back."""
        parts = self._parts.setdefault(name, {})
        if now is not None:
            parts[partition] = PublishedAgent(name, now)
        else:
            parts.pop(partition, None)
        before = self._newest.pop(name, None)
        if before is not None:
            self._count(before, -1)
        if parts:
            agent = self._newest[name] = max(parts.values(), key=lambda agent: agent.now.since_us)
            self._count(agent, 1)
        else:
            del self._parts[name]

    def _count(self, agent: PublishedAgent, sign: int) -> None:
        if agent.now.state != "offline":
            for queue in {None, *agent.now.queues}:
                self._signed_in[queue] += sign

    def signed_in(self, queue: str | None) -> int:
        """Return how many agents of a queue (None: of all) are signed in."""
        return self._signed_in[queue]

    def statuses(self) -> list[AgentStatus]:
        """Return every agent's state, by name."""
        return [agent.now for _, agent in sorted(self._newest.items())]

    def time(self, query: Query, begin: int, until: int, *, sliding: bool) -> Iterator[tuple[Slice, int, int]]:
        """Yield the time of states that still go on, in sliding windows of all states: slice, start and bundle."""
        found: dict[tuple[Slice, int], int] = {}
        by_queues: dict[tuple[tuple[str, ...], int], int] = {}
        measured = PublishedAgent.time if sliding else PublishedAgent.open_time
        cut = query.by in {"hour", "weekday"}
        for agent in self._newest.values():
            own = query.by == "agent" and asked(query, agent.own)
            parts = agent.quarters(begin, until) if cut else ((begin, measured(agent, begin, until)),)
            for start, bundle in parts:
                if own:
                    found[agent.own, start] = bundle
                at = agent.now.queues, start
                by_queues[at] = by_queues.get(at, 0) + bundle
        for (queues, start), bundle in by_queues.items():
            for queue in (None, *queues):
                of = Slice(None, queue)
                if asked(query, of):
                    found[of, start] = found.get((of, start), 0) + bundle
        yield from ((of, start, bundle) for (of, start), bundle in found.items() if bundle)


def _lasted(lane: int | None, start: int, end: int) -> int:
    """Return how long a state lasted from its start to a time, in its lane; nothing of a state without one."""
    return 0 if lane is None else min(end - start, LONGEST_STATE) << lane
