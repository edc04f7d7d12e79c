"""The simulated center keeps the books of a real one, and does what the theory of queues says."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import islice, pairwise
from statistics import fmean, stdev

import pytest

from schemas.agents import AgentStateChanged
from schemas.calls import (
    CallAbandoned,
    CallAnswered,
    CallEnded,
    CallFlowedOut,
    CallHeld,
    CallQueued,
    CallResumed,
    CallTransferred,
)
from schemas.events import decode
from streams.simulate.center import MONDAY_MORNING, Callers, Center, Group, Queue, demo_center, erlang_center
from streams.simulate.erlang import LongRun, erlang_a
from streams.simulate.timed import SECOND, Timed, encoded
from streams.simulate.traffic import events

DAY = 86_400


@pytest.fixture(scope="module")
def day() -> list[Timed]:
    """A Monday of the demo's center, to its last call."""
    return list(events(demo_center().lasting(MONDAY_MORNING, DAY), seed=5))


def test_the_same_seed_gives_the_same_bytes() -> None:
    """Equal seeds give equal streams, other seeds or starts give other events."""
    center = demo_center()
    one, same, other, later = (
        list(islice(encoded(events(what, seed)), 5_000))
        for what, seed in ((center, 1), (center, 1), (center, 2), (center.lasting(MONDAY_MORNING + SECOND, None), 1))
    )
    assert one == same
    assert not {sent.value for sent in one} & {sent.value for sent in other}
    assert not {decode(sent.value).id for sent in one} & {decode(sent.value).id for sent in later}


def test_events_are_in_order_valid_and_unique(day: list[Timed]) -> None:
    """Every event is one that our decoder takes, with the time of its sending and an id of its own."""
    assert [timed.time_us for timed in day] == sorted(timed.time_us for timed in day)
    assert len({timed.event.id for timed in day}) == len(day)
    for sent, timed in zip(encoded(iter(day)), day, strict=True):
        assert decode(sent.value) == timed.event
        assert timed.event.time_us == timed.time_us


def test_the_ledger_of_a_finished_day_holds(day: list[Timed]) -> None:
    """Per queue: entered = answered + abandoned + flowed out, nobody is left waiting."""
    entered, left = Counter[str](), Counter[str]()
    for timed in day:
        match timed.event:
            case CallQueued(queue=queue):
                entered[queue] += 1
            case CallAnswered(queue=queue) | CallAbandoned(queue=queue) | CallFlowedOut(queue=queue):
                left[str(queue)] += 1
    assert entered == left
    assert set(entered) == {queue.name for queue in demo_center().queues}


def test_a_contact_has_one_key_the_customer_or_itself(day: list[Timed]) -> None:
    """The key is customer_id, else contact_id; an agent's is agent_id."""
    for timed in day:
        event = timed.event
        identity = event.agent_id if isinstance(event, AgentStateChanged) else event.customer_id or event.contact_id
        assert timed.key == identity.encode()


def test_customers_come_back_and_some_are_nobody(day: list[Timed]) -> None:
    """There are returning customers, anonymous callers, holds within calls, transfers with a new visit, unresolved ends."""
    contacts = defaultdict(set)
    for timed in day:
        if isinstance(timed.event, CallQueued):
            contacts[timed.event.customer_id].add(timed.event.contact_id)
    assert len(contacts.pop(None)) > 100
    assert sum(len(calls) > 1 for calls in contacts.values()) > 100
    kinds = Counter(type(timed.event) for timed in day)
    assert kinds[CallHeld] == kinds[CallResumed] > 100
    assert kinds[CallTransferred] > 100
    assert any(timed.event.resolved is False for timed in day if isinstance(timed.event, CallEnded))


def test_agents_take_one_call_at_a_time(day: list[Timed]) -> None:
    """Each agent is busy from every answer to the end of that conversation, and only then."""
    talking: set[str] = set()
    state: dict[str, str] = {}
    for timed in day:
        match timed.event:
            case CallAnswered(agent_id=agent):
                assert agent not in talking
                talking.add(agent)
            case CallEnded(agent_id=agent) | CallTransferred(from_agent=agent):
                assert state[str(agent)] == "busy"
                talking.remove(str(agent))
            case AgentStateChanged(agent_id=agent, state=new):
                assert state.get(agent) != new
                assert (new == "busy") == (agent in talking)
                state[agent] = new
    assert not talking
    assert {"available", "paused", "offline"} & set(state.values())


def test_no_two_changes_of_an_agent_at_the_same_moment(day: list[Timed]) -> None:
    """The order of an agent's states never hangs on the order of ids."""
    moments = defaultdict(list)
    for timed in day:
        if isinstance(timed.event, AgentStateChanged):
            moments[timed.key].append(timed.time_us)
    assert all(before < after for times in moments.values() for before, after in pairwise(times))


def test_the_day_rises_and_falls(day: list[Timed]) -> None:
    """Eleven in the morning is busier than four at night, in the center's own zone."""
    hours = Counter(timed.time_us // (3600 * SECOND) % 24 for timed in day if isinstance(timed.event, CallQueued))
    assert hours[10] > 5 * max(hours[3], 1)


def _batches(center: Center, calls: int, size: int, seed: int) -> tuple[list[float], list[float], list[float]]:
    """Return abandonment, mean wait of the answered and share that waited, per batch of calls in the order of arrival."""
    number: dict[str, int] = {}
    abandoned: dict[int, list[int]] = defaultdict(list)
    waits: dict[int, list[float]] = defaultdict(list)
    for timed in events(center, seed):
        match timed.event:
            case CallQueued(contact_id=contact):
                number[contact] = len(number)
            case CallAnswered(contact_id=contact, wait_seconds=float(wait)):
                abandoned[number[contact] // size].append(0)
                waits[number[contact] // size].append(wait)
            case CallAbandoned(contact_id=contact):
                abandoned[number[contact] // size].append(1)
        if len(number) > calls:
            break
    settled = range(1, calls // size)  # the first batch starts empty
    waited = [1 - sum(wait == 0 for wait in waits[batch]) / len(abandoned[batch]) for batch in settled]
    return [fmean(abandoned[batch]) for batch in settled], [fmean(waits[batch]) for batch in settled], waited


@pytest.mark.parametrize(
    ("rate", "handle", "agents", "patience"),
    [
        pytest.param(48 / 60, 60.0, 50, 120.0, id="Garnett, Mandelbaum and Reiman's center"),
        pytest.param(0.05, 240.0, 10, 90.0, id="too few agents"),
        pytest.param(0.05, 240.0, 16, 180.0, id="enough agents"),
    ],
)
def test_a_long_run_agrees_with_erlang_a(rate: float, handle: float, agents: int, patience: float) -> None:
    """Abandonment, speed of answer and waiting lie within four standard errors of batch means, and those are small."""
    expected: LongRun = erlang_a(rate, handle, agents, patience)
    measured = _batches(erlang_center(rate, handle, agents, patience), calls=100_000, size=2_500, seed=20)
    for batches, theory in zip(measured, (expected.abandon, expected.mean_wait_answered, expected.wait), strict=True):
        error = stdev(batches) / len(batches) ** 0.5
        assert fmean(batches) == pytest.approx(theory, abs=4 * error)
        assert error < 0.08 * theory


def test_agents_shared_by_queues_make_one_erlang_a() -> None:
    """Two queues of one group with equal times wait as one queue of both: the group takes the longest waiting call first."""
    queues = tuple(
        Queue(name=name, group="all", calls_per_hour=calls, handle=60.0, patience=120.0)
        for name, calls in (("a", 960), ("b", 1920))
    )
    center = Center(queues=queues, groups=(Group(name="all", agents=50),), callers=Callers())
    expected = erlang_a(48 / 60, 60.0, 50, 120.0)
    abandon, waits, _ = _batches(center, calls=100_000, size=2_500, seed=4)
    assert fmean(abandon) == pytest.approx(expected.abandon, abs=4 * stdev(abandon) / len(abandon) ** 0.5)
    assert fmean(waits) == pytest.approx(expected.mean_wait_answered, abs=4 * stdev(waits) / len(waits) ** 0.5)


def test_a_larger_center_has_more_calls_and_a_quicker_one_shorter_waits() -> None:
    """`larger` multiplies calls and agents, `quicker` divides every time."""
    center = erlang_center(0.05, 240.0, 10, 90.0)
    assert center.larger(3).queues[0].calls_per_hour == 3 * center.queues[0].calls_per_hour
    assert center.larger(3).groups[0].agents == 30
    normal, quick = (list(islice(events(one, 1), 2_000)) for one in (center, center.quicker(10)))
    span = normal[-1].time_us - normal[0].time_us
    assert quick[-1].time_us - quick[0].time_us == pytest.approx(span / 10, rel=0.01)
