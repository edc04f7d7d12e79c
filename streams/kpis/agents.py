"""Agents: as the partitions told of them last, and their time that is in no pane: states that go on, and the last hour cut anywhere."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from schemas.panes import AgentNow
from streams.engine.agents import LONGEST_STATE, MEASURE
from streams.engine.measures import SHIFT
from streams.engine.policy import quarters
from streams.engine.slices import Slice
from streams.kpis.query import Query, asked

_SHIFT = {state: SHIFT[measure] for state, measure in MEASURE.items()}


class AgentStatus(NamedTuple):
    """An agent's state and since when (microseconds)."""

    agent: str
    state: str
    since_us: int
    reason: str | None
    queues: tuple[str, ...]


class Told:
    """An agent as it was told of last. Its time in states is added up once, when first asked for."""

    __slots__ = ("_starts", "_states", "_sums", "now", "own", "shared")

    def __init__(self, name: str, now: AgentNow) -> None:
        self.now = now
        self.own = Slice(None, None, "agent", name)
        self.shared = (Slice(None, None), *(Slice(None, queue) for queue in dict.fromkeys(now.queues)))
        """What its time counts for beside its own: everybody's, and that of its queues."""
        self._starts: list[int] = []
        self._states: list[str] = []
        self._sums: list[int] = []

    def time(self, begin: int, until: int) -> int:
        """Return a bundle of the time in recent states between two times (microseconds)."""
        return self._before(until) - self._before(begin) if begin < until else 0

    def open_time(self, begin: int, until: int) -> int:
        """Return the part of it that panes do not hold: of the state that goes on."""
        return self.time(max(begin, self.started), until)

    @property
    def started(self) -> int:
        """Return when the last state event came; an event that repeats a state starts a new stretch of it."""
        return self.now.recent[-1][0] if self.now.recent else self.now.since

    def quarters(self, begin: int, until: int) -> Iterator[tuple[int, int]]:
        """Yield the time of the state that goes on as panes would hold it: start and bundle, quarter of an hour by quarter."""
        begin, until = max(begin, self.started), min(until, self.started + LONGEST_STATE)
        yield from ((start, self.time(start, border)) for start, border in quarters(begin, until))

    def _before(self, time: int) -> int:
        """Return the bundle of all recent states up to a time."""
        if not self._starts:
            self._add_up()
        at = bisect_right(self._starts, time) - 1
        return self._sums[at] + _lasted(self._states[at], self._starts[at], time) if at >= 0 else 0

    def _add_up(self) -> None:
        states = self.now.recent or [(self.now.since, self.now.state)]
        lasted = (_lasted(state, start, end) for (start, state), (end, _) in pairwise(states))
        self._sums = [0, *accumulate(lasted)]
        self._starts, self._states = [start for start, _ in states], [state for _, state in states]


class AgentsTold:
    """Agents by name, each as the partition with the newest state says."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[int, AgentNow]] = {}
        self._told: dict[str, Told] = {}
        self._signed_in: Counter[str | None] = Counter()

    def load(self, name: str, partition: int, now: AgentNow | None) -> None:
        """Take what a partition says of an agent; None takes it back."""
        parts = self._parts.setdefault(name, {})
        if now is not None:
            parts[partition] = now
        else:
            parts.pop(partition, None)
        before = self._told.pop(name, None)
        if before is not None:
            self._count(before, -1)
        if parts:
            told = self._told[name] = Told(name, max(parts.values(), key=lambda now: now.since))
            self._count(told, 1)
        else:
            del self._parts[name]

    def _count(self, told: Told, sign: int) -> None:
        if told.now.state != "offline":
            for queue in {of.queue for of in told.shared}:
                self._signed_in[queue] += sign

    def signed_in(self, queue: str | None) -> int:
        """Return how many agents of a queue (None: of all) are signed in."""
        return self._signed_in[queue]

    def statuses(self) -> list[AgentStatus]:
        """Return every agent's state, by name."""
        return [
            AgentStatus(name, told.now.state, told.now.since, told.now.reason, tuple(told.now.queues))
            for name, told in sorted(self._told.items())
        ]

    def time(self, query: Query, begin: int, until: int, *, sliding: bool) -> Iterator[tuple[Slice, int, int]]:
        """Yield the time of states that still go on, in sliding windows of all states: slice, start and bundle."""
        found: dict[tuple[Slice, int], int] = {}
        whole = query.queue is None and query.channel is None
        for told in self._told.values():
            slices: Sequence[Slice] = told.shared if query.by != "agent" else (told.own, *told.shared)
            if not whole:
                slices = [of for of in slices if asked(query, of)]
            if slices:
                for start, bundle in _parts(query, told, begin, until, sliding=sliding):
                    for of in slices:
                        found[of, start] = found.get((of, start), 0) + bundle
        yield from ((of, start, bundle) for (of, start), bundle in found.items() if bundle)


def _parts(query: Query, told: Told, begin: int, until: int, *, sliding: bool) -> Iterable[tuple[int, int]]:
    if query.by in {"hour", "weekday"}:
        return told.quarters(begin, until)
    return [(begin, told.time(begin, until) if sliding else told.open_time(begin, until))]


def _lasted(state: str, start: int, end: int) -> int:
    """Return the bundle of a state from its start to the next one's."""
    return (min(end, start + LONGEST_STATE) - start) << _SHIFT[state] if state in _SHIFT else 0
