"""Generated traffic: contacts as they happen and as they never should, agents, and the orders in which they arrive.

Times lie on a coarse grid with edges on purpose: exactly T and a microsecond more, exactly W, the ends of intervals,
ties, nights on which clocks change. Few names, so that contacts meet: some queues, two agents, two customers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import strategies as st

from schemas.agents import AgentStateChanged
from schemas.events import Event, scale_of
from streams.engine.business_hours import Calendar
from streams.engine.policy import DAY, HOUR, SECOND, Policy, QueuePolicy, Retention
from tests.oracle.make import KINDS, moment

RETURN, LONGEST, THRESHOLD, SHORT = HOUR, 2 * HOUR, 20 * SECOND, 5 * SECOND
NINE_TO_FIVE = ((540, 840), (900, 1020))
CALENDAR = Calendar((NINE_TO_FIVE,) * 5 + ((), ((0, 1440),)), holidays=("2026-10-26",))
ALL_PANES = Retention(sliding=None, breakdowns=None, intervals=None, days=None)
POLICY = Policy(
    defaults=QueuePolicy(return_window=RETURN, maximum_wait=LONGEST, maximum_ticket_age=2 * LONGEST),
    queues={
        "madrid": QueuePolicy(
            time_zone="Europe/Madrid",
            ticket_threshold=300 * SECOND,
            return_window=RETURN,
            maximum_wait=LONGEST,
            business_hours=CALENDAR,
        ),
        "new york": QueuePolicy(
            time_zone="America/New_York",
            threshold=60 * SECOND,
            ticket_threshold=0,
            short_abandon=0,
            formula="SL1",
            return_window=300 * SECOND,
            maximum_wait=900 * SECOND,
        ),
        "kathmandu": QueuePolicy(time_zone="Asia/Kathmandu", return_window=RETURN, maximum_wait=LONGEST, formula="SL7"),
    },
    lateness=30 * DAY,
    windows=(300 * SECOND, 900 * SECOND, RETURN, LONGEST),
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
CHATS = [
    ("started", "answered", "agent", "customer", "agent", "ended"),
    ("started", "bot", "handover", "customer", "agent", "note", "agent", "ended", "survey", "survey"),
    ("started", "agent", "ended", "started", "answered", "agent", "transferred", "started", "agent", "ended"),
    ("started", "abandoned"),
    ("started", "handover", "flowed_out"),
    ("started", "answered", "ended", "customer", "started", "handover", "agent", "ended", "sale"),
    ("agent", "answered", "agent", "ended", "complaint", "complaint"),
    ("started", "bot", "ended", "started", "agent"),
]
TICKETS = [
    ("opened", "agent", "resolved", "survey"),
    ("opened", "customer", "note", "agent", "agent", "resolved", "reopened", "agent", "resolved", "reopened"),
    ("opened", "transferred", "agent", "transferred", "agent", "resolved", "resolved", "applause", "sale"),
    ("opened", "resolved", "reopened", "resolved", "complaint", "retained"),
    ("opened", "resolved", "reopened", "reopened", "transferred"),
    ("opened", "handover", "agent", "handover", "agent", "transferred", "resolved", "sale", "sale"),
    ("resolved", "opened", "agent"),
    ("opened",),
]
LONG = [("queued", *("answered", "queued") * 9), ("opened", *("transferred", "agent") * 9, "resolved")]
"""More visits and conversations than can be amended."""
FAMILIES = {"call": PLOTS, "chat": CHATS, "ticket": TICKETS}
ACTS = {
    family: sorted({act for plot in plots for act in plot} | {"sale", "survey", "lost"})
    for family, plots in FAMILIES.items()
}
AUTHORS = ("customer", "agent", "bot", "note")
SHARED = {
    "survey": "survey.answered",
    "complaint": "feedback.received",
    "applause": "feedback.received",
    "sale": "sale.closed",
    "retained": "customer.retained",
    "lost": "customer.lost",
}
"""Acts that are of no family."""
AMOUNTS = ["0.01", "19.90", "-5", "0", "1000000.000001"]


class Whose(NamedTuple):
    """Of what family a contact is, and whose."""

    family: str
    contact: str
    customer: str | None


def steps() -> st.SearchStrategy[int]:
    """Microseconds between one thing and the next, the short ones first."""
    return st.sampled_from(STEPS)


@st.composite
def contact(draw: st.DrawFn, name: str, base: int, between: Sequence[int] = STEPS) -> list[Event]:
    """The events of one contact: a plot, or any acts at all; some may be lost. ``between`` two are so many microseconds."""
    family = draw(st.sampled_from(sorted(FAMILIES)))
    plots = [*FAMILIES[family], *(plot for plot in LONG if plot[0] == FAMILIES[family][0][0])]
    plot = draw(st.one_of(st.sampled_from(plots), st.lists(st.sampled_from(ACTS[family]), min_size=1, max_size=7)))
    time = base + draw(st.sampled_from([0, 1, 60, 895, 900, 3600, 3660, 4500])) * SECOND
    customer, queue = draw(st.sampled_from(CUSTOMERS)), draw(st.sampled_from(QUEUES))
    whose = Whose(family, f"{name}@{customer}" if customer else name, customer)
    lost = draw(st.one_of(st.just(-1), st.integers(0, len(plot) - 1))) if len(plot) > 1 else -1
    events = []
    for number, act in enumerate(plot):
        if number:
            time += draw(st.sampled_from(between))
        if act in ("queued", "started", "opened") and number:
            queue = draw(st.sampled_from(QUEUES))
        if number != lost:
            events.append(draw(fact(whose, number, act, time, queue)))
    return events


ENTERING = {"language": [None, "es"], "priority": [None, 1, "high"]}
ENDING = {
    "agent_id": [None, *AGENTS],
    "resolved": [None, True, False],
    "reason": [None, None, "invoice", "delivery"],
    "ended_by": [None, "customer", "agent"],
}
WRITING = {"agent_id": [None, *AGENTS]}
CHOICES: dict[str, dict[str, list[Any]]] = {
    "queued": ENTERING,
    "started": ENTERING,
    "opened": {**ENTERING, "channel": ["email", "social"], "reason": [None, "invoice", "delivery"]},
    "answered": {"wait_seconds": [None, *WAITS], "agent_id": [*AGENTS], "level": [None, 1, "two"]},
    "abandoned": {"wait_seconds": [None, *WAITS]},
    "flowed_out": {"wait_seconds": [None, *WAITS], "reason": ["callback", "timeout"]},
    "transferred": {"level": [None, 1, 2], "from_agent": [None, *AGENTS], "to_queue": [None, *QUEUES[:2]]},
    "handover": {"kind": ["handover"]},
    "ended": ENDING,
    "wrapped_up": {"agent_id": [None, *AGENTS]},
    "resolved": {"agent_id": [None, *AGENTS], "level": [None, 1, 2]},
    "reopened": {"level": [None, 1, 2]},
    "customer": {**WRITING, "author": ["customer"]},
    "bot": {**WRITING, "author": ["bot"]},
    "agent": {**WRITING, "author": ["agent"]},
    "note": {**WRITING, "author": ["agent"], "public": [False]},
}
"""What the fields of an act may be, but for its queue."""


@st.composite
def fact(draw: st.DrawFn, whose: Whose, number: int, act: str, time: int, queue: str) -> Event:
    """One event of a contact, its optional fields there or not."""
    fields: dict[str, Any] = {"id": f"{whose.contact}.{number}", "time": moment(time), "contact_id": whose.contact}
    if whose.customer is not None and draw(st.booleans()):
        fields["customer_id"] = whose.customer
    if act in SHARED:
        return draw(shared(act, fields, whose.customer or whose.contact))
    fields |= {field: draw(st.sampled_from(choices)) for field, choices in CHOICES.get(act, {}).items()}
    if act in ("queued", "started", "opened"):
        fields["queue"] = queue
    if act in ("answered", "abandoned", "flowed_out"):
        fields["queue"] = draw(st.sampled_from([None, queue, *QUEUES[:2]]))
    name = "transferred" if act == "handover" else act
    if act in AUTHORS:
        name = "message" if whose.family == "chat" else "replied"
    made: Event = KINDS[f"{whose.family}.{name}"](**fields)
    return made


@st.composite
def shared(draw: st.DrawFn, act: str, fields: dict[str, Any], customer: str) -> Event:
    """One event that any contact may have, or none."""
    if act not in ("retained", "lost"):
        fields |= {"agent_id": draw(st.sampled_from([None, *AGENTS]))}
    if act == "survey":
        fields |= {"kind": draw(st.sampled_from(["csat", "nps", "ces", "fcr", "enps"]))}
        low, high = draw(st.sampled_from([(None, None), (1, 10), (0.5, 5), (0, 1), (1, 3), (1, 4)]))
        usual = scale_of(KINDS["survey.answered"](**fields, value=0, scale_min=low, scale_max=high))
        fields |= {"scale_min": low, "scale_max": high, "better": draw(st.sampled_from(["higher", "lower"]))}
        fields |= {"value": usual[0] + draw(st.sampled_from([0, 0.25, 0.5, 0.6, 0.75, 0.9, 1])) * (usual[1] - usual[0])}
    elif act in ("complaint", "applause"):
        fields |= {"kind": act}
    elif act == "sale":
        fields |= {"amount": Decimal(draw(st.sampled_from(AMOUNTS))), "currency": draw(st.sampled_from(["EUR", "USD"]))}
    else:
        fields |= {"customer_id": customer}
    made: Event = KINDS[SHARED[act]](**fields)
    return made


@st.composite
def loose(draw: st.DrawFn, number: int, base: int) -> Event:
    """One event of no contact: a cost, a customer who stays or leaves, an employee's answer."""
    time = base + draw(st.sampled_from([0, 60, 895, 3600])) * SECOND
    fields: dict[str, Any] = {"id": f"loose.{number}", "time": moment(time)}
    act = draw(st.sampled_from(["cost", "retained", "lost", "survey"]))
    if act == "survey":
        answer = KINDS["survey.answered"](**fields, kind="enps", value=draw(st.integers(0, 10)))
        made: Event = answer
    elif act != "cost":
        made = KINDS[SHARED[act]](**fields, customer_id=draw(st.sampled_from(["x", "y"])))
    else:
        start = time - draw(st.sampled_from([0, 1, 450, 7200])) * SECOND
        end = start + draw(st.sampled_from([1, 900, 3600, 86_400])) * SECOND
        period = draw(st.sampled_from([{}, {"period_start": moment(start), "period_end": moment(end)}]))
        place = {"queue": draw(st.sampled_from([None, *QUEUES])), "channel": draw(st.sampled_from([None, "social"]))}
        amount = {"amount": Decimal(draw(st.sampled_from(AMOUNTS))), "currency": draw(st.sampled_from(["EUR", "USD"]))}
        made = KINDS["cost.accrued"](**fields, **place, **amount, **period)
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
    for number in range(draw(st.sampled_from([0, 0, 1, 2]))):
        events.append(draw(loose(number, base)))
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
