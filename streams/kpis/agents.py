"""Agents: as the partitions told of them last, and their time that is in no pane: states that go on, and the last hour cut anywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from schemas.panes import AgentNow
from streams.engine.agents import LONGEST_STATE, MEASURE
from streams.engine.measures import SHIFT
from streams.engine.policy import INTERVAL
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


class AgentsTold:
    """Agents by name, each as the partition with the newest state says; what is asked for often is kept until one changes."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[int, AgentNow]] = {}
        self._latest: dict[str, AgentNow] | None = None
        self._signed_in: Counter[str | None] = Counter()

    def load(self, name: str, partition: int, now: AgentNow | None) -> None:
        """Take what a partition says of an agent; None takes it back."""
        parts = self._parts.setdefault(name, {})
        if now is not None:
            parts[partition] = now
        else:
            parts.pop(partition, None)
            if not parts:
                del self._parts[name]
        self._latest = None

    @property
    def latest(self) -> Mapping[str, AgentNow]:
        """Return what was told last of every agent, by name, in order."""
        if self._latest is None:
            parts = sorted(self._parts.items())
            self._latest = {name: max(told.values(), key=lambda now: now.since) for name, told in parts}
            self._signed_in = Counter()
            for now in self._latest.values():
                if now.state != "offline":
                    self._signed_in.update({None, *now.queues})
        return self._latest

    def signed_in(self, queue: str | None) -> int:
        """Return how many agents of a queue (None: of all) are signed in."""
        return self._signed_in[queue] if self.latest else 0

    def statuses(self) -> list[AgentStatus]:
        """Return every agent's state, by name."""
        return [
            AgentStatus(name, now.state, now.since, now.reason, tuple(now.queues)) for name, now in self.latest.items()
        ]


def open_time(
    agents: Mapping[str, AgentNow], query: Query, begin: int, until: int, *, sliding: bool
) -> Iterator[tuple[Slice, int, int]]:
    """Yield the time of agents' states that still go on, in sliding windows all of their time: slice, start and bundle."""
    found: dict[tuple[Slice, int], int] = {}
    for name, now in agents.items():
        own = [Slice(None, None), Slice(None, None, "agent", name), *(Slice(None, queue) for queue in set(now.queues))]
        wanted = [of for of in own if asked(query, of)]
        for start, bundle in _parts(query, now, begin, until, sliding=sliding) if wanted else ():
            for of in wanted:
                found[of, start] = found.get((of, start), 0) + bundle
    yield from ((of, start, bundle) for (of, start), bundle in found.items() if bundle)


def _parts(query: Query, now: AgentNow, begin: int, until: int, *, sliding: bool) -> Iterable[tuple[int, int]]:
    if query.by in {"hour", "weekday"}:
        return quarters_of_state(now, begin, until)
    return [(begin, time_in_states(now, begin, until, sliding=sliding))]


def time_in_states(now: AgentNow, begin: int, until: int, *, sliding: bool) -> int:
    """Return a bundle of an agent's time between two times (microseconds).

    Only of the state that goes on, since panes hold the rest; or of all recent states when ``sliding``.
    """
    states = now.recent or [(now.since, now.state)]
    bundle, next_start = 0, until
    for start, state in reversed(states if sliding else states[-1:]):
        begun, ended = max(start, begin), min(next_start, until, start + LONGEST_STATE)
        if ended > begun and state in _SHIFT:
            bundle += (ended - begun) << _SHIFT[state]
        if start <= begin:
            break
        next_start = start
    return bundle


def quarters_of_state(now: AgentNow, begin: int, until: int) -> Iterator[tuple[int, int]]:
    """Yield the time of the state that goes on as panes would hold it: start and bundle, quarter of an hour by quarter."""
    start, state = now.recent[-1] if now.recent else (now.since, now.state)
    begin, until = max(begin, start), min(until, start + LONGEST_STATE)
    while begin < until:
        border = min(until, begin - begin % INTERVAL + INTERVAL)
        yield begin, (border - begin) << _SHIFT[state] if state in _SHIFT else 0
        begin = border
