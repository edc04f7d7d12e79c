"""Agents' time that is in no pane: states that go on, and the last hour cut anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from schemas.panes import AgentNow
from streams.engine.agents import LONGEST_STATE, MEASURE
from streams.engine.measures import SHIFT
from streams.engine.policy import INTERVAL
from streams.engine.slices import Slice
from streams.kpis.query import Query, asked


def open_time(
    agents: Mapping[str, AgentNow], query: Query, begin: int, until: int, *, sliding: bool
) -> Iterator[tuple[Slice, int, int]]:
    """Yield the time of agents' states that still go on, in sliding windows all of their time: slice, start and bundle."""
    for name, now in agents.items():
        own = [Slice(None, None), Slice(None, None, "agent", name), *(Slice(None, queue) for queue in set(now.queues))]
        wanted = [of for of in own if asked(query, of)]
        for start, bundle in _parts(query, now, begin, until, sliding=sliding) if wanted else ():
            if bundle:
                yield from ((of, start, bundle) for of in wanted)


def _parts(query: Query, now: AgentNow, begin: int, until: int, *, sliding: bool) -> Iterable[tuple[int, int]]:
    if query.by in {"hour", "weekday"}:
        return quarters_of_state(now, begin, until)
    return [(begin, time_in_states(now, begin, until, sliding=sliding))]


def time_in_states(now: AgentNow, begin: int, until: int, *, sliding: bool) -> int:
    """Return a bundle of an agent's time between two times (microseconds).

    Only of the state that goes on, since panes hold the rest; or of all recent states when ``sliding``.
    """
    states = now.recent or [(now.since, now.state)]
    bundle = 0
    if sliding:
        for (start, state), (end, _) in pairwise(states):
            bundle += _clip(state, max(start, begin), min(end, until, start + LONGEST_STATE))
    start, state = states[-1]
    return bundle + _clip(state, max(start, begin), min(until, start + LONGEST_STATE))


def quarters_of_state(now: AgentNow, begin: int, until: int) -> Iterator[tuple[int, int]]:
    """Yield the time of the state that goes on as panes would hold it: start and bundle, quarter of an hour by quarter."""
    start, state = now.recent[-1] if now.recent else (now.since, now.state)
    begin, until = max(begin, start), min(until, start + LONGEST_STATE)
    while begin < until:
        border = min(until, begin - begin % INTERVAL + INTERVAL)
        yield begin, _clip(state, begin, border)
        begin = border


def _clip(state: str, start: int, end: int) -> int:
    measure = MEASURE.get(state)
    return (end - start) << SHIFT[measure] if measure is not None and end > start else 0
