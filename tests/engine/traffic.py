"""Generated traffic: contacts as they happen and as they never should, agents, and the orders in which they arrive.

Times lie on a coarse grid with edges on purpose: exactly T and a microsecond more, exactly W, the ends of intervals,
ties, nights on which clocks change. Few names, so that contacts meet: some queues, two agents, two customers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from schemas.agents import AgentStateChanged
from schemas.calls import CallEvent
from schemas.events import Event
from streams.engine.policy import DAY, HOUR, SECOND, Policy, QueuePolicy, Retention
from tests.oracle.make import KINDS, moment

RETURN, LONGEST, THRESHOLD, SHORT = HOUR, 2 * HOUR, 20 * SECOND, 5 * SECOND
ALL_PANES = Retention(sliding=None, breakdowns=None, intervals=None, days=None)
POLICY = Policy(
    defaults=QueuePolicy(return_window=RETURN, maximum_wait=LONGEST),
    queues={
        "madrid": QueuePolicy(time_zone="Europe/Madrid", return_window=RETURN, maximum_wait=LONGEST),
        "new york": QueuePolicy(
            time_zone="America/New_York",
            threshold=60 * SECOND,
            short_abandon=0,
            formula="SL1",
            return_window=300 * SECOND,
            maximum_wait=900 * SECOND,
        ),
        "kathmandu": QueuePolicy(time_zone="Asia/Kathmandu", return_window=RETURN, maximum_wait=LONGEST, formula="SL7"),
    },
    lateness=30 * DAY,
    retention=ALL_PANES,
)
QUEUES = ("madrid", "new york", "kathmandu", "unlisted")
AGENTS = ("ana", "eva")
CUSTOMERS = (None, "x", "y")
BASES = [
    round(datetime(*day, tzinfo=UTC).timestamp()) * SECOND
    for day in (
        (2026, 3, 2, 12, 0),  # an ordinary noon
        (2026, 3, 28, 22, 45),  # midnight in Madrid before its clocks go forward
        (2026, 10, 25, 0, 30),  # the hour that Madrid lives twice
        (2026, 11, 1, 3, 45),  # midnight in New York before its clocks go back
        (2026, 3, 2, 18, 0),  # a quarter of an hour before midnight in Kathmandu
    )
]
STEPS = [
    0,
    1,
    SHORT,
    SHORT + 1,
    THRESHOLD,
    THRESHOLD + 1,
    60 * SECOND,
    300 * SECOND,
    900 * SECOND - THRESHOLD,
    900 * SECOND,
    RETURN,
    LONGEST - 1,
    LONGEST,
]
WAITS = [0.0, 5.0, 20.0, 20.000001, 300.0, 7200.0]
PLOTS = [
    ("queued", "abandoned"),
    ("queued", "flowed_out"),
    ("queued", "answered", "ended", "wrapped_up"),
    ("queued", "answered", "held", "resumed", "held", "ended"),
    ("queued", "answered", "transferred", "queued", "answered", "ended", "wrapped_up"),
    ("queued", "queued", "answered", "ended"),
    ("queued", "flowed_out", "queued", "abandoned"),
    ("queued", "abandoned", "answered", "ended"),
    ("queued", "answered", "answered", "held", "ended", "wrapped_up", "wrapped_up"),
    ("queued", "answered", "abandoned", "ended"),
    ("answered", "ended"),
    ("queued",),
]
ACTS = [name.removeprefix("call.") for name in KINDS if name.startswith("call.")]


def steps() -> st.SearchStrategy[int]:
    """Microseconds between one thing and the next, the short ones first."""
    return st.sampled_from(STEPS)


@st.composite
def contact(draw: st.DrawFn, name: str, base: int) -> list[CallEvent]:
    """The events of one contact: a plot, or any acts at all; some may be lost."""
    plot = draw(st.one_of(st.sampled_from(PLOTS), st.lists(st.sampled_from(ACTS), min_size=1, max_size=7)))
    time = base + draw(st.sampled_from([0, 1, 60, 895, 900, 3600, 3660, 4500])) * SECOND
    customer, queue = draw(st.sampled_from(CUSTOMERS)), draw(st.sampled_from(QUEUES))
    whose = f"{name}@{customer}" if customer else name
    lost = draw(st.one_of(st.just(-1), st.integers(0, len(plot) - 1))) if len(plot) > 1 else -1
    events = []
    for number, act in enumerate(plot):
        if number:
            time += draw(steps())
        if act == "queued" and number:
            queue = draw(st.sampled_from(QUEUES))
        if number != lost:
            events.append(draw(fact((whose, number), act, time, queue, customer)))
    return events


@st.composite
def fact(draw: st.DrawFn, name: tuple[str, int], act: str, time: int, queue: str, customer: str | None) -> CallEvent:
    """One event of a contact, its optional fields there or not."""
    contact, number = name
    fields: dict[str, Any] = {"id": f"{contact}.{number}", "time": moment(time), "contact_id": contact}
    if customer is not None and draw(st.booleans()):
        fields["customer_id"] = customer
    if act == "queued":
        fields |= {"queue": queue, "language": draw(st.sampled_from([None, "es"]))}
        fields |= {"priority": draw(st.sampled_from([None, 1, "high"]))}
    if act in ("answered", "abandoned", "flowed_out"):
        fields |= {"queue": draw(st.sampled_from([None, queue, *QUEUES[:2]]))}
        fields |= {"wait_seconds": draw(st.sampled_from([None, *WAITS]))}
    if act == "flowed_out":
        fields |= {"reason": draw(st.sampled_from(["callback", "timeout"]))}
    if act == "answered":
        fields |= {"agent_id": draw(st.sampled_from(AGENTS)), "level": draw(st.sampled_from([None, 1, "two"]))}
    if act in ("ended", "wrapped_up"):
        fields |= {"agent_id": draw(st.sampled_from([None, *AGENTS]))}
    if act == "ended":
        fields |= {"resolved": draw(st.sampled_from([None, True, False]))}
    if act == "transferred":
        fields |= {"level": draw(st.sampled_from([None, 2]))}
    made: CallEvent = KINDS[f"call.{act}"](**fields)
    return made


@st.composite
def shift(draw: st.DrawFn, agent: str, base: int) -> list[AgentStateChanged]:
    """The changes of state of one agent."""
    time = base
    changes = []
    for number, state in enumerate(
        draw(st.lists(st.sampled_from(["available", "busy", "wrap_up", "paused", "offline"]), max_size=5))
    ):
        time += draw(steps()) if number else 0
        queues = draw(st.sampled_from([(), ("madrid",), ("madrid", "new york")]))
        reason = draw(st.sampled_from([None, "lunch"]))
        changes.append(
            AgentStateChanged(
                id=f"{agent}.{number}",
                time=moment(time),
                agent_id=agent,
                state=state,  # type: ignore[arg-type]
                queues=queues,
                reason=reason,
            )
        )
    return changes


@st.composite
def traffic(draw: st.DrawFn, contacts: int = 4, agents: int = 2) -> list[Event]:
    """Events of several contacts and agents, in the order in which they happened."""
    base = draw(st.sampled_from(BASES))
    events: list[Event] = []
    for number in range(draw(st.integers(1, contacts))):
        events += draw(contact(f"c{number}", base))
    for agent in AGENTS[: draw(st.integers(0, agents))]:
        events += draw(shift(agent, base))
    return sorted(events, key=lambda event: event.time_us)


@st.composite
def arrivals(draw: st.DrawFn, events: Sequence[Event]) -> list[Event]:
    """The same events in another order, some of them more than once."""
    again = draw(st.lists(st.sampled_from(events), max_size=4)) if events else []
    return list(draw(st.permutations([*events, *again])))


@st.composite
def deliveries(draw: st.DrawFn, contacts: int = 4, agents: int = 2) -> tuple[list[Event], list[Event]]:
    """Events as they happened and the same as they arrive: in order, or in any, with duplicates."""
    events = draw(traffic(contacts, agents))
    in_order = draw(st.booleans())
    return events, events if in_order else draw(arrivals(events))


def clocks(events: Sequence[Event]) -> st.SearchStrategy[int]:
    """Times as of which the figures are read: the watermark, or later on a clock."""
    watermark = max((event.time_us for event in events), default=BASES[0])
    return st.sampled_from([0, 1, SHORT, THRESHOLD, THRESHOLD + 1, 900 * SECOND, LONGEST, DAY]).map(watermark.__add__)
