"""Contacts with the same id, one long after the other: what is of which is decided by times, never by what is remembered."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from schemas.agents import AgentStateChanged
from schemas.events import Event
from streams.engine.contacts import Contact
from streams.engine.facts import FACTS
from streams.engine.policy import DAY, MINUTE, SECOND, Policy
from streams.engine.records import CONTACT
from tests.engine.agreement import agree, assert_agrees, figures
from tests.engine.store import Store
from tests.engine.traffic import BASES, LONGEST, POLICY, arrivals, contact
from tests.oracle.make import KINDS, moment

SOON = structs.replace(
    POLICY,
    defaults=structs.replace(POLICY.defaults, maximum_ticket_age=2 * LONGEST),
    queues={name: structs.replace(one, maximum_ticket_age=2 * LONGEST) for name, one in POLICY.queues.items()},
)
PAUSE, WRITTEN = SOON.longest_pause(ticket=False), SOON.longest_pause(ticket=True)
FORGETFUL = structs.replace(SOON, lateness=5 * MINUTE)
BETWEEN = [0, MINUTE, PAUSE - 1, PAUSE, PAUSE + 1, PAUSE + MINUTE, WRITTEN, WRITTEN + 1, WRITTEN + MINUTE]
DEFAULT = Policy()
YEAR = 365 * DAY


@st.composite
def drawn_out(draw: st.DrawFn, between: list[int]) -> list[Event]:
    """The events of a few contacts with long pauses, in the order in which they happened."""
    contacts = draw(st.lists(st.sampled_from(["c0", "c1", "c2"]), min_size=1, max_size=3, unique=True))
    events = [event for name in contacts for event in draw(contact(name, BASES[0], between))]
    return sorted(events, key=lambda event: event.time_us)


@given(st.data())
def test_the_figures_are_the_oracles_in_any_order(data: st.DataObject) -> None:
    """After each event: pauses that are too long by a microsecond, and what comes later and fills them."""
    arrived = data.draw(drawn_out(BETWEEN).flatmap(arrivals))
    store, watermark = Store(SOON), 0
    for number, event in enumerate(arrived):
        watermark = max(watermark, event.time_us)
        store.feed([event], watermark)
        if data.draw(st.booleans()):
            store = store.flush().restarted()
            assert_agrees(store, arrived[: number + 1], watermark)
    assert_agrees(store.flush(), arrived, watermark)


@given(st.data())
def test_figures_do_not_depend_on_when_commits_happen(data: st.DataObject) -> None:
    """A worker that forgets, and was started anew at any time, has the figures of the oracle, which forgets nothing."""
    events = data.draw(drawn_out([*BETWEEN, 2 * DAY]))
    store = Store(FORGETFUL)
    for number, event in enumerate(events):
        store.feed([event], event.time_us)
        what = data.draw(st.sampled_from(["nothing", "flush", "restart"]))
        if what != "nothing":
            store.flush()
        if what == "restart":
            store = store.restarted()
        if what != "nothing":
            assert_agrees(store, events[: number + 1], event.time_us)
    assert_agrees(store.flush(), events, max(event.time_us for event in events))


def ticket(kind: str, day: float, **fields: object) -> Event:
    """Return an event of the one ticket."""
    time = BASES[0] + round(day * DAY)
    made: Event = KINDS[f"ticket.{kind}"](id=f"{kind}/{day}", time=moment(time), contact_id="t", **fields)
    return made


def idle(day: float) -> AgentStateChanged:
    """Return something that lets a day pass."""
    return AgentStateChanged(id=str(day), time=moment(BASES[0] + round(day * DAY)), agent_id="ana", state="available")


def totals(store: Store) -> dict[str, int]:
    """Return the measures of all tickets, days and what is not in a day yet."""
    found: dict[str, int] = {}
    for (_, channel, _, breakdown, _), values in store.measures(15 * MINUTE).items():
        if channel == "email" and breakdown is None:
            for name, value in values.items():
                found[name] = found.get(name, 0) + value
    return found


def test_a_ticket_is_reopened_after_months():
    """As long as a ticket may wait: it was resolved, and everybody had forgotten it."""
    store = Store(structs.replace(DEFAULT, retention=POLICY.retention))
    events = [ticket("opened", 0, queue="mail", channel="email"), ticket("resolved", 1, agent_id="ana")]
    events += [idle(day) for day in range(2, 300, 40)]
    for event in [*events, ticket("reopened", 300), ticket("replied", 301, agent_id="eva", author="agent")]:
        store.feed([event], event.time_us)
        store.flush()
    found = totals(store)
    assert (found["reopened"], found["responses_reopening"], found["opened"]) == (1, 1, 1)


def test_what_nothing_can_belong_to_any_more_is_forgotten():
    """Of a ticket that is resolved, too: its record is gone after the longest pause and the allowed lateness."""
    store = Store(DEFAULT)
    store.feed([ticket("opened", 0, queue="mail", channel="email"), ticket("resolved", 1, agent_id="ana")])
    store.flush()
    until = 1 + (DEFAULT.longest_pause(ticket=True) + DEFAULT.lateness) / DAY
    store.feed([idle(until - 2)])
    assert any(key.startswith(CONTACT) for key in store.flush().state)
    store.feed([idle(until + 2)])
    assert not any(key.startswith(CONTACT) for key in store.flush().state)


def test_an_opening_that_turns_out_to_be_another_event_makes_no_ticket():
    """Of two events with one id the smaller stays; of that contact nothing says any more that it may pause for months."""
    known, other = (
        ticket("opened", 1, queue="mail", channel="email"),
        structs.replace(ticket("replied", 0, author="agent"), id="opened/1"),
    )
    found = Contact(identified=False)
    for event in (known, other):
        found.learn(FACTS[type(event)](event, event.time_us))
    assert not found.is_ticket
    assert found.queue is None


def test_a_ticket_with_an_old_id_is_another_one():
    """A producer that counts its tickets anew: both are entered, and neither is a reopening of the other."""
    stores = []
    for flushes in (False, True):
        store = Store(structs.replace(DEFAULT, retention=POLICY.retention))
        later = (DEFAULT.longest_pause(ticket=True) + 2 * SECOND) / DAY
        events = [ticket("opened", 0, queue="mail", channel="email"), ticket("resolved", 1 / 86_400, agent_id="ana")]
        events += [ticket("opened", later + 1, queue="mail", channel="email"), ticket("resolved", later + 2)]
        for event in events:
            store.feed([event], event.time_us)
            if flushes:
                store = store.flush().restarted()
        stores.append(store.flush())
        found = totals(store)
        assert (found["opened"], found.get("responses_creation", 0)) == (2, 0)
        assert "reopened" not in found
    agree("figures", figures(stores[0]), figures(stores[1]))
