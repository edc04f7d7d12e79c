"""What is of this moment: who waits, for how long, and the agents signed in."""

from __future__ import annotations

from schemas.agents import AgentStateChanged
from schemas.calls import CallAnswered, CallQueued
from schemas.events import encode
from streams.engine.partition import Partition, Record
from streams.engine.policy import MINUTE, SECOND, Policy
from streams.kpis.figures import Figures, Query

NOW = 1_772_452_800 * SECOND


def test_waiting_and_agents_are_of_now() -> None:
    """Two of three wait, the first for a minute; an agent of two queues is in both and once in the total, who signed off in none."""
    at = NOW / SECOND
    events = [
        CallQueued(id="1", time=at - 60, contact_id="a", queue="sales"),
        CallQueued(id="2", time=at - 10, contact_id="b", queue="support"),
        CallQueued(id="3", time=at - 90, contact_id="c", queue="sales"),
        CallAnswered(id="4", time=at - 80, contact_id="c", agent_id="ana"),
        AgentStateChanged(id="5", time=at - 95, agent_id="ana", state="busy", queues=("sales", "support")),
        AgentStateChanged(id="6", time=at - 95, agent_id="eva", state="offline", queues=("sales",)),
    ]
    partition, figures = Partition(0, Policy(), write_behind=True), Figures(Policy())
    partition.process(
        Record(number, NOW, (getattr(event, "contact_id", None) or "agent").encode(), encode(event))
        for number, event in enumerate(events)
    )
    partition.advance(NOW)
    for key, value in partition.flush().kpis:
        figures.load(0, key, value)
    rows = figures.rows(Query(NOW - 15 * MINUTE, NOW + 15 * MINUTE, by="queue", live=True, now_us=NOW))
    found = {row.queue: [row.kpis[kpi].value for kpi in ("waiting", "longest_wait", "agents")] for row in rows}
    assert found == {"sales": [1, 60, 1], "support": [1, 10, 1], None: [2, 60, 1]}
