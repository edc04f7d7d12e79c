"""What is written, said, sold and paid beside the calls: accepted by the engine, in every KPI, and as in a real center."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import islice, pairwise

import pytest

from schemas.agents import AgentStateChanged
from schemas.business import CostAccrued, SaleClosed
from schemas.calls import CallQueued
from schemas.chats import (
    ChatAbandoned,
    ChatAnswered,
    ChatEnded,
    ChatFlowedOut,
    ChatMessage,
    ChatStarted,
    ChatTransferred,
)
from schemas.events import EVENT_TYPES, decode
from schemas.opinions import SurveyAnswered
from schemas.tickets import TicketOpened, TicketReopened, TicketReplied, TicketResolved, TicketTransferred
from streams.engine.partition import Partition, Record
from streams.engine.policy import INTERVAL, Policy
from streams.kpis.figures import Figures, Query
from streams.kpis.registry import KPIS
from streams.simulate.center import MONDAY_MORNING, Center, demo_center, with_all_channels
from streams.simulate.timed import SECOND, Timed, encoded
from streams.simulate.traffic import events

HOUR = 3600
CALLS = demo_center().larger(2).steady().lasting(MONDAY_MORNING, 3 * HOUR)
CENTER: Center = with_all_channels(demo_center()).larger(2).steady().lasting(MONDAY_MORNING, 3 * HOUR)
END = MONDAY_MORNING + 3 * HOUR * SECOND


@pytest.fixture(scope="module")
def shift() -> list[Timed]:
    """Three busy hours."""
    return list(events(CENTER, seed=5))


@pytest.fixture(scope="module")
def figures(shift: list[Timed]) -> Figures:
    """What the engine makes of them, none refused."""
    partition, figures = Partition(0, Policy()), Figures(Policy())
    sent = enumerate(encoded(timed for timed in shift if timed.time_us < END))
    assert partition.process(Record(offset, one.time_us, one.key, one.value) for offset, one in sent) == []
    partition.advance(END)
    for key, value in partition.flush().kpis:
        figures.load(0, key, value)
    return figures


def test_every_type_of_event_comes_in_order_with_an_id_of_its_own(shift: list[Timed]) -> None:
    """And as our decoder takes it, at the time of its sending."""
    assert {type(timed.event) for timed in shift} == set(EVENT_TYPES)
    assert [timed.time_us for timed in shift] == sorted(timed.time_us for timed in shift)
    assert len({timed.event.id for timed in shift}) == len(shift)
    for sent, timed in zip(encoded(iter(shift)), shift, strict=True):
        assert decode(sent.value) == timed.event
        assert timed.event.time_us == timed.time_us


def test_the_same_seed_gives_the_same_bytes() -> None:
    """Another seed gives other events."""
    one, same, other = (list(islice(encoded(events(CENTER, seed)), 3_000)) for seed in (1, 1, 2))
    assert one == same
    assert not {sent.value for sent in one} & {sent.value for sent in other}


def test_calls_are_those_of_a_center_of_calls_only(shift: list[Timed]) -> None:
    """In their order, with their agents; the rest is beside them."""
    desks = {crew.name for crew in CENTER.crews}
    calls = [
        timed
        for timed in shift
        if timed.event.__struct_config__.tag.startswith("call.")
        or (isinstance(timed.event, AgentStateChanged) and timed.event.agent_id.rpartition("-")[0] not in desks)
    ]
    assert calls == list(events(CALLS, seed=5))


def test_every_kpi_has_a_value(figures: Figures) -> None:
    """In the row of some queue, agent, level or channel, or in the total."""
    query = Query(MONDAY_MORNING, END - END % INTERVAL + INTERVAL, now_us=END, live=True)
    rows = [row for by in (None, "queue", "agent", "level") for row in figures.rows(query._replace(by=by))]
    valued = {name for row in rows for name, figure in row.kpis.items() if figure.value is not None}
    assert {kpi.id for kpi in KPIS} - valued == set()


def test_the_ledger_of_each_queue_holds(figures: Figures) -> None:
    """Of each channel in each queue: entered = answered + abandoned + flowed out + still waiting."""
    query = Query(MONDAY_MORNING, END - END % INTERVAL + INTERVAL, by="queue", now_us=END, live=True)
    *rows, _ = figures.rows(query)
    assert {row.channel for row in rows} == {"call", "chat", "email", "web", "social", "whatsapp"}
    for row in rows:
        entered, *left = (
            row.kpis[name].value for name in ("entered", "answered", "abandoned", "flowed_out", "waiting")
        )
        assert entered == sum(left), (row.channel, row.queue)


def test_all_events_of_a_contact_have_its_customers_key(shift: list[Timed]) -> None:
    """Surveys, sales and the like too; who has no customer is keyed by the contact."""
    keys = defaultdict(set)
    for timed in shift:
        contact = getattr(timed.event, "contact_id", None)
        if contact is not None:
            keys[contact].add(timed.key)
            assert timed.key == (timed.event.customer_id or contact).encode()
    assert max(map(len, keys.values())) == 1


def test_customers_come_back_through_other_channels(shift: list[Timed]) -> None:
    """Callers write, writers write elsewhere, and some call again after they have written."""
    channels: dict[str, list[str]] = defaultdict(list)
    for timed in shift:
        event = timed.event
        if isinstance(event, CallQueued | ChatStarted | TicketOpened) and event.customer_id is not None:
            channel = (
                event.channel if isinstance(event, TicketOpened) else event.__struct_config__.tag.partition(".")[0]
            )
            channels[event.customer_id].append(channel)
    pairs = Counter(pair for came in channels.values() for pair in pairwise(came))
    assert sum(number for (first, then), number in pairs.items() if first == "call" != then) > 20
    assert sum(number for (first, then), number in pairs.items() if "call" not in {first, then} and first != then) > 5
    assert sum(number for (first, then), number in pairs.items() if first != "call" == then) > 0


def test_chats_begin_with_a_bot_and_agents_have_several(shift: list[Timed]) -> None:
    """At most three at once, busy while there is one; notes are private, and a bot's end has no agent."""
    talking: dict[str, set[str]] = defaultdict(set)
    state: dict[str, str] = {}
    most = 0
    for timed in shift:
        match timed.event:
            case ChatAnswered(agent_id=agent, contact_id=chat):
                talking[agent].add(chat)
                most = max(most, len(talking[agent]))
            case (
                ChatEnded(agent_id=str(agent), contact_id=chat)
                | ChatTransferred(from_agent=str(agent), contact_id=chat)
            ):
                assert state[agent] == "busy"
                talking[agent].remove(chat)
            case AgentStateChanged(agent_id=agent, state=new) if agent.startswith("chat-"):
                assert state.get(agent) != new
                assert new == "busy" or not talking[agent]
                state[agent] = new
    assert most == 3
    kinds = Counter(type(timed.event) for timed in shift)
    assert kinds[ChatAbandoned] > 0
    assert kinds[ChatFlowedOut] > 0
    transfers = [timed.event for timed in shift if isinstance(timed.event, ChatTransferred)]
    assert {event.kind for event in transfers} == {"handover", "queue"}
    messages = Counter((e.event.author, e.event.public) for e in shift if isinstance(e.event, ChatMessage))
    assert set(messages) == {("bot", True), ("customer", True), ("agent", True), ("agent", False)}
    assert any(e.event.ended_by == "system" for e in shift if isinstance(e.event, ChatEnded))


def test_tickets_are_answered_handed_on_resolved_and_opened_again(shift: list[Timed]) -> None:
    """By agents of several levels; automatic answers come first and count for nothing."""
    of: dict[str, list[object]] = defaultdict(list)
    for timed in shift:
        if isinstance(timed.event, TicketOpened | TicketReplied | TicketTransferred | TicketResolved | TicketReopened):
            of[timed.event.contact_id].append(timed.event)
    assert all(isinstance(ticket[0], TicketOpened) and ticket[0].reason for ticket in of.values())
    replies = [event for ticket in of.values() for event in ticket if isinstance(event, TicketReplied)]
    assert {(event.author, event.public) for event in replies} >= {
        ("agent", False),
        ("customer", True),
        ("system", True),
    }
    assert {event.level for ticket in of.values() for event in ticket if isinstance(event, TicketResolved)} == {1, 2, 3}
    assert sum(isinstance(event, TicketReopened) for ticket in of.values() for event in ticket) > 5
    moved = [event for ticket in of.values() for event in ticket if isinstance(event, TicketTransferred)]
    assert {event.level is None for event in moved} == {True, False}


def test_tickets_of_the_night_wait_for_the_morning_and_some_take_days() -> None:
    """From the opening to the first resolution, over two days; after the end nothing happens to them."""
    center = with_all_channels(demo_center()).lasting(MONDAY_MORNING, 48 * HOUR)
    opened, took = {}, []
    for timed in events(center, 3):
        match timed.event:
            case TicketOpened(contact_id=ticket):
                opened[ticket] = timed.time_us
            case TicketResolved(contact_id=ticket) if ticket in opened:
                took.append((timed.time_us - opened.pop(ticket)) / SECOND / HOUR)
        assert (
            not timed.event.__struct_config__.tag.startswith("ticket.")
            or timed.time_us < MONDAY_MORNING + 48 * HOUR * SECOND
        )
    took.sort()
    assert took[len(took) // 2] < 1
    assert took[len(took) * 9 // 10] > 3
    assert took[-1] > 12
    assert opened


def test_scales_and_currencies_are_as_sent(shift: list[Timed]) -> None:
    """Several of each, and costs of two currencies for the hours that are over."""
    surveys = [timed.event for timed in shift if isinstance(timed.event, SurveyAnswered)]
    assert {event.kind for event in surveys} == {"csat", "nps", "ces", "fcr", "enps"}
    assert {event.scale_max for event in surveys if event.kind == "csat"} == {None, 10}
    assert {event.better for event in surveys if event.kind == "ces"} == {"higher", "lower"}
    assert all(event.contact_id is None for event in surveys if event.kind == "enps")
    assert {timed.event.currency for timed in shift if isinstance(timed.event, SaleClosed)} == {"EUR", "USD", "GBP"}
    costs = [timed.event for timed in shift if isinstance(timed.event, CostAccrued)]
    assert {event.currency for event in costs} == {"EUR", "USD"}
    assert {event.channel for event in costs} == {"call", "chat", "email", "web", "social", "whatsapp"}
