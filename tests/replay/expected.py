"""What a report has to say: the same events through one engine in this process, asked in the same way."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from msgspec.structs import replace

from schemas.agents import AgentStateChanged
from schemas.events import decode, encode
from schemas.rows import Row
from streams.engine.partition import Partition, Record
from streams.engine.policy import EVERYTHING, Policy
from streams.kpis.figures import Figures, Query
from streams.kpis.windows import window
from tests.harness.traffic import START, Sent, calls

STATES = ("available", "busy", "wrap_up", "available", "paused", "offline")


def traffic(contacts: int = 600, seed: int = 7) -> list[Sent]:
    """Return key and value of events of calls and agents, with duplicates, in an order that is not that of time."""
    chance = random.Random(seed)
    events = list(calls(contacts, seed))
    for number in range(8):
        name, at = f"agent-{number}", START + number
        for index, state in enumerate(STATES * 4):
            event = AgentStateChanged(id=f"{name}/{index}", time=at, agent_id=name, state=state, queues=("sales",))
            events.append((name.encode(), encode(event)))
            at += chance.randrange(5, 300)
    events += chance.sample(events, len(events) // 20)
    return sorted(events, key=lambda event: decode(event[1]).time_us + chance.randrange(120_000_000))


def figures(events: Sequence[Sent], policy: Policy | None = None) -> Figures:
    """Return the figures of all events from one engine."""
    policy = policy or Policy()
    engine = Partition(0, replace(policy, retention=EVERYTHING))
    now_us = time.time_ns() // 1_000
    refused = engine.process([Record(offset, now_us, *event) for offset, event in enumerate(events)])
    assert not refused
    engine.advance(engine.watermark)
    found = Figures(engine.policy)
    for key, value in engine.flush().kpis:
        found.load(0, key, value)
    return found


def rows(found: Figures, every: str = "all", by: str | None = None) -> list[Row]:
    """Return the rows from the first event's interval to the last one's."""
    first, _ = window("interval", START * 1_000_000, "UTC")
    _, last = window("interval", found.watermark_us or 0, "UTC")
    return found.rows(Query(first, last, every, by))
