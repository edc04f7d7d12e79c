"""What is written of an agent is added to, not made anew, at each change of state."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streams.engine.agents import Agents
from streams.engine.panes import Panes
from streams.engine.policy import HOUR, INTERVAL, MINUTE, Policy
from streams.engine.slices import Slices
from tests.oracle.make import state, us

_STATES = ("available", "busy", "wrap_up", "paused", "offline")
_LONG = 600
"""Changes: more than are published, and more in a quarter than 16, from which on msgpack writes how many there are in another form."""


@given(
    st.lists(st.tuples(st.integers(0, 180), st.sampled_from(_STATES), st.booleans()), max_size=100),
    st.sampled_from([0, 48 * HOUR]),
    st.sampled_from([0, 70, _LONG]),
)
def test_what_is_added_to_is_what_would_be_written_anew(
    changes: list[tuple[int, str, bool]], lateness: int, before: int
) -> None:
    """In any order, with flushes anywhere, after many changes in order, and when old ones are forgotten."""
    agents = _agents()
    for second in range(before):
        agents.apply(event := state("ana", second, _STATES[second % 5]), event.time_us)
    watermark = us(before)
    for minute, name, flushed in changes:
        event = state("ana", minute * 60, name)
        watermark = max(watermark, event.time_us)
        agents.apply(event, event.time_us)
        if flushed:
            agents.flush(watermark, lateness)
            _assert_is_anew(agents)


def _agents() -> Agents:
    slices = Slices()
    return Agents(Panes(Policy(), slices), slices)


def _assert_is_anew(agents: Agents) -> None:
    agent = agents._agents["ana"]
    facts = agent.facts
    for quarter in {fact[0] // INTERVAL for fact in facts}:
        within = [fact for fact in facts if fact[0] // INTERVAL == quarter]
        assert agent.record(quarter) == msgspec.msgpack.encode(within)
    goes_on = max((number for number, fact in enumerate(facts) if fact[0] < facts[-1][0] - 65 * MINUTE), default=0)
    recent = [[fact[0], fact[2]] for fact in facts[goes_on:][-500:]]
    assert msgspec.json.decode(msgspec.json.encode(agent.state_now()))["recent"] == recent
