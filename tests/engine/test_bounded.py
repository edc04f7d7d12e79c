"""Contacts and customers of any length: the figures of the oracle, for a cost an event that does not grow."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

import pytest

from benchmarks import bounded
from schemas.events import Event
from streams.engine.policy import DAY, HOUR, MINUTE, SECOND, Policy, QueuePolicy
from tests.engine.agreement import assert_agrees
from tests.engine.store import Store
from tests.engine.traffic import ALL_PANES, CALENDAR
from tests.oracle.make import KINDS, moment

NOON = 1_772_452_800 * SECOND
LATENESS = 30 * MINUTE
POLICY = Policy(
    defaults=QueuePolicy(
        return_window=20 * MINUTE, maximum_wait=10 * MINUTE, maximum_ticket_age=5 * DAY, business_hours=CALENDAR
    ),
    lateness=LATENESS,
    windows=(MINUTE, 5 * MINUTE, 10 * MINUTE, 20 * MINUTE),
    retention=ALL_PANES,
)
AGENTS = (None, "ana", "eva")
TICKET: tuple[tuple[str, dict[str, Any]], ...] = (
    ("replied", {"author": "agent"}), ("replied", {"author": "agent"}), ("replied", {"author": "customer"}),
    ("replied", {"author": "agent", "public": False}), ("transferred", {}), ("transferred", {"to_queue": "second"}),
    ("transferred", {"to_queue": "first", "level": 2}), ("transferred", {"kind": "handover"}), ("resolved", {}),
    ("resolved", {"level": 3}), ("reopened", {}), ("reopened", {"level": 1}),
)  # fmt: skip
CHAT: tuple[tuple[str, dict[str, Any]], ...] = (
    *(("message", {"author": author}) for author in ("agent", "agent", "customer", "customer", "bot")),
    ("answered", {"agent_id": "ana"}), ("transferred", {}), ("transferred", {"kind": "handover"}), ("ended", {}),
    ("started", {"queue": "first"}), ("started", {"queue": "second"}),
)  # fmt: skip
SHARED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("survey.answered", {"kind": "csat", "value": 4}), ("feedback.received", {"kind": "complaint"}),
    ("sale.closed", {"amount": Decimal("1.5"), "currency": "EUR"}),
)  # fmt: skip


def story(family: str, random: Random, name: str, many: int) -> list[Event]:
    """The events of a long contact, in the order of their times."""
    first = {"ticket": ("opened", {"queue": "first", "channel": "email"}), "chat": ("started", {"queue": "first"})}
    time, events = NOON, []
    for number in range(many):
        kind, fields = first[family] if number == 0 else random.choice(TICKET if family == "ticket" else CHAT)
        time += random.choice((0, 1, 20 * SECOND, MINUTE, 5 * MINUTE))
        kind = f"{family}.{kind}"
        if number and random.random() < 0.1:
            kind, fields = random.choice(SHARED)
        if "agent_id" in KINDS[kind].__struct_fields__ and "agent_id" not in fields:
            fields = {**fields, "agent_id": random.choice(AGENTS)}
        events.append(KINDS[kind](**{"id": f"{name}.{number}", "time": moment(time), "contact_id": name, **fields}))
    return events


def disordered(events: list[Event], random: Random) -> list[Event]:
    """The events as they arrive, some twice, none further behind than is allowed."""
    again = random.sample(events, len(events) // 10)
    late = [(event.time_us + random.randrange(LATENESS // 2), number) for number, event in enumerate([*events, *again])]
    return [[*events, *again][number] for _, number in sorted(late)]


@pytest.mark.parametrize("family", ["ticket", "chat"])
@pytest.mark.parametrize("seed", range(4))
def test_what_is_summed_up_is_missed_by_no_figure(family: str, seed: int) -> None:
    """Hours of one contact with half an hour of lateness, in disorder, flushed and restarted anywhere: the oracle's figures."""
    random = Random(seed)
    events = story(family, random, f"{family}@x", 400)
    arrived = disordered(events, random)
    store, at = Store(POLICY), 0
    while at < len(arrived):
        many = random.choice((1, 7, 40, 150))
        assert store.feed(arrived[at : at + many], store.partition.watermark) == []
        store.flush()
        at += many
        if random.random() < 0.2:
            store = store.restarted()
    now = events[-1].time_us
    store.partition.advance(now)
    store.flush()
    assert_agrees(store, events, now)
    assert (store.partition.counted, store.partition.duplicate) == (len(events), len(arrived) - len(events))


def test_pages_survive_restarts_and_are_deleted_when_they_are_summed_up() -> None:
    """A contact of many facts is written in pages; a restart has all of them, and a month later there is nothing left."""
    random = Random(7)
    events = story("chat", random, "chat@x", 300)
    patient = Policy(defaults=POLICY.defaults, lateness=DAY * 3, windows=POLICY.windows, retention=ALL_PANES)
    store = Store(patient)
    for at in range(0, len(events), 50):
        assert store.feed(events[at : at + 50], events[at].time_us) == []
        store = store.flush().restarted()
    assert len([key for key in store.state if key.startswith(b"p")]) == 3
    now = events[-1].time_us
    store.partition.advance(now)
    assert_agrees(store.flush(), events, now)
    for days in (4, 5, 40, 41, 80):
        later = now + days * DAY
        store.feed([KINDS["call.queued"](id=f"{days}", time=moment(later), contact_id="other", queue="q")], later)
        store.flush()
    assert [key for key in store.state if b"chat@x" in key] == []


def work(case: str, events: int) -> tuple[float, bounded.Cost]:
    """Return how many functions an event of the last tenth calls, and what it costs."""
    calls = 0

    def count(_frame: object, kind: str, _argument: object) -> None:
        nonlocal calls
        calls += kind == "call"

    cost = bounded.cost(case, events, count)
    return calls / max(1, events // 10), cost


@pytest.mark.parametrize("case", bounded.CASES)
def test_an_event_costs_no_more_when_there_were_more_before_it(case: str) -> None:
    """Counted in calls of functions, which do not depend on the machine; and bytes of a flush."""
    (few, small), (many, large) = work(case, 600), work(case, 3000)
    assert many < 1.5 * few
    assert large.written < 2 * small.written


def test_hours_of_a_day() -> None:
    """The lateness of these tests is shorter than what they generate, or nothing would be summed up."""
    assert story("ticket", Random(0), "t", 400)[-1].time_us - NOON > 4 * HOUR > LATENESS
