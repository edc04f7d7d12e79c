"""How far before a range its events are looked for."""

from __future__ import annotations

import pytest

from streams.engine.agents import LONGEST_STATE
from streams.engine.policy import HOUR, Policy, QueuePolicy
from streams.replay.topic import BEFORE, Asked, first_arrival, last_event, needed_arrival
from streams.settings import KafkaSettings

FROM = 12_000 * HOUR


def asked(start: int, margin: int | None = None) -> Asked:
    return Asked(KafkaSettings(), "events", start, start + HOUR, margin)


@pytest.mark.parametrize("hours", [0.5, 12, 36])
def test_what_goes_on_when_a_range_begins_has_been_read(hours: float) -> None:
    """An agent's state of 24 h, and a conversation after the longest wait; each may be stamped as much ahead as is allowed."""
    policy = Policy(
        queues={"q": QueuePolicy(maximum_wait=round(hours * HOUR))}, defaults=QueuePolicy(maximum_wait=HOUR)
    )
    begin = needed_arrival(asked(FROM), policy) + policy.future
    assert begin <= FROM - LONGEST_STATE
    assert begin <= FROM - BEFORE - round(hours * HOUR)


def test_a_range_at_the_beginning_of_time_begins_there() -> None:
    """Arrivals before 1970 cannot be asked for."""
    assert first_arrival(asked(HOUR), Policy()) == 0


def test_tickets_are_read_for_as_long_as_one_may_be_open() -> None:
    """Where a queue is said to have them; nobody else pays for it."""
    policy = Policy(queues={"q": QueuePolicy(channels=("call", "ticket"), maximum_ticket_age=60 * HOUR)})
    assert needed_arrival(asked(FROM), policy) == FROM - 60 * HOUR - policy.future
    assert last_event(asked(FROM), policy) == FROM + HOUR + policy.lateness + policy.longest_window + 60 * HOUR


def test_customers_who_return_within_the_longest_window_are_read() -> None:
    """Thirty days are always counted, whatever a queue's own window is."""
    policy = Policy()
    assert last_event(asked(FROM), policy) >= FROM + HOUR + policy.lateness + 30 * 24 * HOUR


def test_contacts_are_read_that_something_in_the_range_may_be_about() -> None:
    """As long ago as nothing may have happened in them, and the lateness: what comes later is another contact's."""
    policy = Policy()
    assert first_arrival(asked(FROM), policy) == FROM - (30 * 24 + 12 + 48) * HOUR - policy.future
    tickets = Policy(queues={"q": QueuePolicy(channels=("ticket",))})
    assert first_arrival(asked(FROM), tickets) == FROM - ((400 + 30) * 24 + 12 + 48) * HOUR - policy.future


def test_a_margin_that_was_asked_for_is_read() -> None:
    """Shorter or longer than what a policy needs; the five minutes always."""
    assert first_arrival(asked(FROM, HOUR), Policy()) == FROM - HOUR - Policy().future
    assert needed_arrival(asked(FROM, HOUR), Policy()) == FROM - HOUR - Policy().future
