"""How far before a range its events are looked for."""

from __future__ import annotations

import pytest

from streams.engine.agents import LONGEST_STATE
from streams.engine.policy import HOUR, Policy, QueuePolicy
from streams.replay.topic import BEFORE, Asked, first_arrival
from streams.settings import KafkaSettings

FROM = 100 * HOUR


def asked(start: int, margin: int | None = None) -> Asked:
    return Asked(KafkaSettings(), "events", start, start + HOUR, margin)


@pytest.mark.parametrize("hours", [0.5, 12, 36])
def test_what_goes_on_when_a_range_begins_has_been_read(hours: float) -> None:
    """An agent's state of 24 h, and a conversation after the longest wait; each may be stamped as much ahead as is allowed."""
    policy = Policy(
        queues={"q": QueuePolicy(maximum_wait=round(hours * HOUR))}, defaults=QueuePolicy(maximum_wait=HOUR)
    )
    begin = first_arrival(asked(FROM), policy) + policy.future
    assert begin <= FROM - LONGEST_STATE
    assert begin <= FROM - BEFORE - round(hours * HOUR)


def test_a_range_at_the_beginning_of_time_begins_there() -> None:
    """Arrivals before 1970 cannot be asked for."""
    assert first_arrival(asked(HOUR), Policy()) == 0


def test_a_margin_that_was_asked_for_is_read() -> None:
    """Shorter or longer than what a policy needs; the five minutes always."""
    assert first_arrival(asked(FROM, HOUR), Policy()) == FROM - HOUR - Policy().future
