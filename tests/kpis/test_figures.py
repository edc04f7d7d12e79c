"""Rows from days and quarters of an hour are those from quarters that were all kept, whatever is asked.

Sixty days in two partitions, of which one falls silent on day 30; queues of two zones; agents of one queue, of both and of none.

    day      0                  25            30                      52        60
    quarters |   let go of      |             |                                  |     (35 days)
    breakdowns' |         let go of                                   |          |     (8 days)
    partition 0 |================================================================|
    partition 1 |=============================|
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from schemas.events import Event
from schemas.rows import Figure
from schemas.tickets import TicketOpened, TicketReplied, TicketResolved, TicketTransferred
from streams.engine.policy import DAY, EVERYTHING, HOUR, MINUTE, SECOND, Policy, QueuePolicy, Retention
from streams.errors import InputError
from streams.kpis.figures import Figures, Query
from streams.kpis.registry import BY
from tests.engine.store import Store
from tests.oracle.make import event, state, us

POLICY = Policy(queues={"far": QueuePolicy(time_zone="Asia/Tokyo")})
MIDNIGHT = us(0, datetime(2026, 3, 2, tzinfo=UTC))
TOKYO = MIDNIGHT - 9 * HOUR
SILENT, LAST = 30, 60
EVER = (MIDNIGHT - 5 * DAY, MIDNIGHT + LAST * DAY)
Rows = dict[tuple[object, ...], dict[str, tuple[object, ...]]]


def after(time_us: int) -> float:
    """Return a time as the seconds that `tests.oracle.make` counts in."""
    return (time_us - us(0)) / SECOND


def traffic(partition: int) -> list[Event]:
    """Return the events of a partition in the order in which they arrive, some of them late."""
    chance = random.Random(partition)
    arriving: list[tuple[float, Event]] = []
    for day in range(SILENT if partition else LAST):
        for number in range(8):
            calls = _call(chance, f"{partition}-{day}-{number}", MIDNIGHT + day * DAY)
            arriving += [(one.time_us + (chance.random() < 0.1) * chance.random() * 40 * HOUR, one) for one in calls]
        for agent, queues in (("ana", ["near", "far"]), ("bob", ["near"]), ("eve", [])):
            for hour, name in ((8, "available"), (10, "busy"), (12, "available"), (17, "offline")):
                at = MIDNIGHT + day * DAY + hour * HOUR + chance.randrange(3000) * SECOND
                arriving.append((at, state(f"{agent}{partition}", after(at), name, queues=queues)))
    return [one for _, one in sorted(arriving, key=lambda pair: pair[0])]


def _call(chance: random.Random, name: str, midnight: int) -> list[Event]:
    start = after(midnight + chance.randrange(86_000) * SECOND)
    contact = f"{name}@{chance.randrange(40)}"
    wait, queue = chance.randrange(600), chance.choice(["near", "far"])
    queued = event("queued", start, contact, queue=queue, language=chance.choice(["es", "en"]), customer_id="x")
    if chance.random() < 0.3:
        return [queued, event("abandoned", start + wait, contact)]
    return [
        queued,
        event("answered", start + wait, contact, agent_id=chance.choice(["ana0", "bob1"]), level=chance.choice([1, 2])),
        event("ended", start + wait + 90, contact),
    ]


def read(policy: Policy, partitions: list[list[Event]]) -> Figures:
    """Return what a reader knows of partitions that were counted under a policy."""
    figures = Figures(policy)
    for number, events in enumerate(partitions):
        store = Store(policy, number=number)
        for first in range(0, len(events), 200):
            store.feed(events[first : first + 200])
            store.flush()
        for key, value in store.kpis.items():
            figures.load(number, key, value)
    return figures


@pytest.fixture(scope="module")
def both() -> tuple[Figures, Figures]:
    """The same events under the default retention, and with everything kept."""
    partitions = [traffic(0), traffic(1)]
    return read(POLICY, partitions), read(replace(POLICY, retention=EVERYTHING), partitions)


def rows(figures: Figures, query: Query) -> Rows:
    """Return the values of rows by what they are of."""
    return {
        (row.start, row.end, row.channel, row.queue, row.breakdown, row.value): {
            name: (figure.value, figure.numerator, figure.denominator) for name, figure in row.kpis.items()
        }
        for row in figures.rows(query)
    }


def same(both: tuple[Figures, Figures], query: Query) -> Rows:
    """Assert that a question has the same answer from both, and return it."""
    found, expected = (rows(figures, query) for figures in both)
    assert found.keys() == expected.keys()
    for group, figures in expected.items():
        assert found[group] == figures, group
    return found


@pytest.mark.parametrize("by", [None, *BY])
@pytest.mark.parametrize("queue", [None, "near", "far"])
def test_days_and_quarters_make_what_all_quarters_make(
    both: tuple[Figures, Figures], by: str | None, queue: str | None
) -> None:
    """Over everything, at midnights of the queue's zone before and after the horizon, and in between after it."""
    midnight = TOKYO if queue == "far" else MIDNIGHT
    ranges = [EVER, (MIDNIGHT + 55 * DAY + HOUR, MIDNIGHT + 58 * DAY)]
    if queue is not None:
        ranges += [(midnight + first * DAY, midnight + last * DAY) for first, last in ((0, 10), (20, 33), (28, 60))]
    for start, end in ranges:
        assert same(both, Query(start, end, by=by, queue=queue))


@pytest.mark.parametrize("queue", ["near", "far"])
def test_each_day_and_month_is_what_its_quarters_make(both: tuple[Figures, Figures], queue: str) -> None:
    """Those waiting at the end of a day before the horizon included."""
    midnight = TOKYO if queue == "far" else MIDNIGHT
    days = same(both, Query(midnight, midnight + LAST * DAY, "1d", queue=queue))
    assert len(days) == LAST
    same(both, Query(midnight, midnight + LAST * DAY, "1mo", queue=queue))


def test_a_channel_is_what_its_quarters_make(both: tuple[Figures, Figures]) -> None:
    """It has no agents' time."""
    for by in ("queue", "hour", "weekday", "agent"):
        same(both, Query(*EVER, by=by, channel="call"))


@pytest.mark.parametrize("by", [None, "queue", "language"])
def test_a_day_that_is_cut_is_refused(both: tuple[Figures, Figures], by: str | None) -> None:
    """By the start or the end of what is asked, of any queue that is asked for; and its zone is named."""
    reader = both[0]
    for start, end in ((9, 48), (0, 33)):
        with pytest.raises(InputError, match=r"from, to: quarters of an hour are kept for .* \(UTC\) are needed"):
            reader.rows(Query(MIDNIGHT + start * HOUR, MIDNIGHT + end * HOUR, by=by, queue="near"))
    with pytest.raises(InputError, match="Asia/Tokyo"):
        reader.rows(Query(MIDNIGHT, MIDNIGHT + 20 * DAY, by=by))


@pytest.mark.parametrize(
    ("retention", "refused", "first"),
    [
        (Retention(days=0), 5 * DAY + 45 * MINUTE, 5 * DAY + HOUR),
        (Retention(breakdowns=5 * DAY, intervals=5 * DAY, days=20 * DAY), 19 * DAY, 20 * DAY),
    ],
)
@pytest.mark.parametrize("by", [None, "queue"])
def test_what_is_no_longer_kept_is_refused_and_not_0(
    retention: Retention, refused: int, first: int, by: str | None
) -> None:
    """With days and without; from the first moment that is kept on figures are whole."""
    moments = [after(MIDNIGHT + day * DAY + HOUR) for day in (0, 5, 20, 40)]
    events = [event("queued", moment, f"c{moment}", queue="near") for moment in moments]
    figures = read(replace(POLICY, retention=retention), [events])
    assert figures.watermark_us == MIDNIGHT + 40 * DAY + HOUR
    with pytest.raises(InputError, match="from: expected a time since 2026-03-"):
        figures.rows(Query(MIDNIGHT + refused, MIDNIGHT + 41 * DAY, by=by))
    found = figures.rows(Query(MIDNIGHT + first, MIDNIGHT + 41 * DAY, by=by))[-1]
    assert found.kpis["entered"].value == sum(moment >= after(MIDNIGHT + first) for moment in moments)


def test_quarters_of_breakdowns_are_kept_for_less_long(both: tuple[Figures, Figures]) -> None:
    """An hour of day 40 is known by queue and no longer by language."""
    hour = Query(MIDNIGHT + 40 * DAY + 9 * HOUR, MIDNIGHT + 40 * DAY + 10 * HOUR, by="queue")
    same(both, hour)
    with pytest.raises(InputError, match="kept for 8 days"):
        both[0].rows(hour._replace(by="language"))


def test_histograms_are_what_their_quarters_make(both: tuple[Figures, Figures]) -> None:
    """All of every queue, and the measures with them."""
    found, expected = (
        {place: (total.bundle, total.counts) for place, total in figures.places(Query(*EVER)).items()}
        for figures in both
    )
    assert found == expected
    assert all(counts["wait_answered"] for _, counts in found.values())


# Who waited


def two_days(leaving: float) -> Figures:
    """Return the figures when a caller who came 10 minutes before midnight had left, and 40 days later."""
    store = Store(POLICY)
    store.feed([event("queued", after(MIDNIGHT + DAY) - 600, "w", queue="near")])
    store.feed([event("abandoned", after(MIDNIGHT + DAY) + leaving, "w")])
    store.flush()
    store.feed([event("queued", after(MIDNIGHT + 40 * DAY), "z", queue="near")])
    figures = Figures(POLICY)
    for key, value in store.flush().kpis.items():
        figures.load(0, key, value)
    return figures


def waiting(figures: Figures, query: Query) -> list[float | None]:
    """Return who waited at the end of each stretch."""
    return [row.kpis["waiting"].value for row in figures.rows(query)]


def test_who_waited_at_a_midnight_is_known_from_days() -> None:
    """The caller who came before and left after it."""
    assert waiting(two_days(600), Query(MIDNIGHT, MIDNIGHT + 2 * DAY, "1d", queue="near")) == [1, 0]


def test_who_waited_within_a_day_before_the_horizon_is_not_known() -> None:
    """The growth since then is None for the queue, and known again at the midnight before."""
    noon = MIDNIGHT + DAY // 2
    growth = two_days(600).growth([noon, MIDNIGHT, MIDNIGHT + DAY, MIDNIGHT + 3 * DAY])
    assert [growth[time].get(("call", "near")) for time in sorted(growth)] == [1, None, 0, 1]


def test_a_sliding_window_is_not_cut_nor_of_long_ago() -> None:
    """Its panes of 10 s are kept for two hours."""
    figures = two_days(600)
    now = MIDNIGHT + 40 * DAY + MINUTE
    window = Query(now - 5 * MINUTE + 10 * SECOND, now + 10 * SECOND, live=True, now_us=now)
    assert waiting(figures, window) == [1]
    with pytest.raises(InputError, match="every"):
        figures.rows(window._replace(every="15m"))
    with pytest.raises(InputError, match="kept for 2 h"):
        figures.rows(window._replace(start_us=window.start_us - DAY, end_us=window.end_us - DAY))


# Agents' time


def agents_time(figures: Figures, by: str, end: int, now: int) -> dict[str | None, float | None]:
    """Return the seconds that agents were at work by value."""
    found = figures.rows(Query(MIDNIGHT, end, by=by, live=True, now_us=now))
    return {row.value: row.kpis["occupancy"].denominator for row in found}


def test_a_state_that_goes_on_is_in_the_hours_that_it_spans() -> None:
    """From 9:40 to now, 11:30."""
    store = Store(POLICY)
    store.feed([state("ana", after(MIDNIGHT + 9 * HOUR + 40 * MINUTE), "available", queues=["near", "far"])])
    figures = Figures(POLICY)
    for key, value in store.flush().kpis.items():
        figures.load(0, key, value)
    now = MIDNIGHT + 11 * HOUR + 30 * MINUTE
    assert agents_time(figures, "hour", MIDNIGHT + 12 * HOUR, now) == {"09": 1200, "10": 3600, "11": 1800, None: 6600}
    assert agents_time(figures, "weekday", MIDNIGHT + 12 * HOUR, now) == {"monday": 6600, None: 6600}


# Statuses


def lagging(newest: int) -> Figures:
    """Return the figures of two partitions: one has events up to a time, the other only at 10:00."""
    partitions = [
        [event("queued", after(at), f"{number}-{at}", queue="near") for at in (MIDNIGHT + 10 * HOUR, last)]
        for number, last in enumerate((newest, MIDNIGHT + 10 * HOUR + SECOND))
    ]
    return read(POLICY, partitions)


def statuses(figures: Figures) -> tuple[str, str]:
    """Return the status of the first day's visits, and of its resolutions, which a returning customer can change."""
    kpis: dict[str, Figure] = figures.rows(Query(MIDNIGHT, MIDNIGHT + DAY))[-1].kpis
    return kpis["entered"].status, kpis["first_contact_resolution"].status


def test_a_day_is_open_then_provisional_then_final() -> None:
    """Until it ends; until no late event can come; and with the window of a customer's return for resolutions."""
    found = []
    for days in (0.5, 1, 2.99, 3, 9.99, 10):
        figures = lagging(MIDNIGHT + round(days * DAY))
        figures.idle = frozenset({1})
        found.append(statuses(figures))
    assert found == [
        ("open", "open"),
        ("provisional", "provisional"),
        ("provisional", "provisional"),
        ("final", "provisional"),
        ("final", "provisional"),
        ("final", "final"),
    ]


def test_a_partition_that_lags_leaves_figures_provisional() -> None:
    """Unless the reader is told that nothing is left to read there."""
    figures = lagging(MIDNIGHT + 20 * DAY)
    assert statuses(figures) == ("provisional", "provisional")
    figures.idle = frozenset({1})
    assert statuses(figures) == ("final", "final")


CALL: tuple[tuple[str, dict[str, Any]], ...] = (
    ("queued", {"queue": "near"}), ("answered", {"agent_id": "ana"}), ("ended", {"resolved": False}),
)  # fmt: skip


def at(time_us: int) -> float:
    """Return a time as seconds since the epoch."""
    return time_us / SECOND


def test_what_open_tickets_can_change_is_provisional_until_they_are_resolved() -> None:
    """Rates by cohort; of a row with such tickets, and for as long as tickets get. A call that was not resolved stays so."""
    opened = [
        *(event(kind, after(MIDNIGHT) + 9, "c", **more) for kind, more in CALL),
        TicketOpened(id="t", time=at(MIDNIGHT), contact_id="t", queue="near", channel="email"),
        TicketOpened(id="s", time=at(MIDNIGHT), contact_id="s", queue="near", channel="social"),
        TicketResolved(id="s.", time=at(MIDNIGHT + HOUR), contact_id="s", agent_id="ana"),
    ]
    reply = TicketReplied(id="r", time=at(MIDNIGHT + 5 * DAY), contact_id="t", author="agent", agent_id="ana")
    resolved = TicketResolved(id="t.", time=at(MIDNIGHT + 50 * DAY), contact_id="t", agent_id="ana")
    last = event("queued", after(MIDNIGHT + 60 * DAY), "later", queue="near")
    names = (
        "entered",
        "abandonment_rate",
        "first_contact_resolution_1d",
        "resolution_rate",
        "reopen_rate",
        "sales_conversion",
    )

    def found(*more: Event) -> dict[str | None, list[str]]:
        rows = read(POLICY, [[*opened, *more, last]]).rows(Query(MIDNIGHT, MIDNIGHT + DAY, by="channel"))
        return {row.channel: [row.kpis[name].status[0] for name in names] for row in rows}

    assert found() == {"call": [*"ffffff"], "email": [*"fpppfp"], "social": [*"ffffff"], None: [*"fpppfp"]}
    assert found(reply) == {"call": [*"ffffff"], "email": [*"ffppfp"], "social": [*"ffffff"], None: [*"ffppfp"]}
    assert {*map(tuple, found(reply, resolved).values())} == {tuple("ffffff")}
    ages = event("queued", after(MIDNIGHT + 103 * DAY), "much later", queue="near")
    policy = Policy(defaults=QueuePolicy(maximum_ticket_age=100 * DAY), retention=EVERYTHING)
    (row,) = read(policy, [[*opened, ages]]).rows(Query(MIDNIGHT, MIDNIGHT + DAY))
    assert {row.kpis[name].status for name in names} == {"final"}


MOVED: tuple[Event, ...] = (
    TicketOpened(id="o", time=at(MIDNIGHT), contact_id="t", queue="near", channel="email"),
    TicketReplied(id="a", time=at(MIDNIGHT + HOUR), contact_id="t", author="agent", agent_id="ana"),
    TicketTransferred(id="x", time=at(MIDNIGHT + DAY + HOUR), contact_id="t", to_queue="second"),
)
REPLIED = TicketReplied(id="r", time=at(MIDNIGHT + DAY + 2 * HOUR), contact_id="t", author="agent", agent_id="bob")
MOVED_ON = TicketTransferred(id="m", time=at(MIDNIGHT + 3 * DAY), contact_id="t", to_queue="third")


@pytest.mark.parametrize(
    ("events", "queue", "day", "statuses"),
    [
        ((), "second", 1, ["provisional", "final"]),
        ((REPLIED,), "second", 1, ["provisional", "final"]),
        ((REPLIED, MOVED_ON), "third", 3, ["provisional", "final"]),
        ((REPLIED, MOVED_ON), "second", 1, ["final", "final"]),
    ],
    ids=["moved", "moved and answered", "moved twice", "moved away"],
)
def test_the_day_on_which_an_open_ticket_changed_its_queue_is_provisional_until_it_is_resolved(
    events: tuple[Event, ...], queue: str, day: int, statuses: list[str]
) -> None:
    """First-contact resolution is of the queue where it is resolved, and of the day on which it came there."""
    resolved = TicketResolved(id="e", time=at(MIDNIGHT + 50 * DAY), contact_id="t", agent_id="bob")
    last = event("queued", after(MIDNIGHT + 60 * DAY), "later", queue="near")
    query = Query(MIDNIGHT + day * DAY, MIDNIGHT + (day + 1) * DAY, by="queue")
    found = []
    for more in ((), (resolved,)):
        rows = read(POLICY, [[*MOVED, *events, *more, last]]).rows(query)
        kpis = {row.queue: row.kpis["first_contact_resolution"].status for row in rows}
        assert kpis[None] == kpis[queue]
        found.append(kpis[queue])
    assert found == statuses


# Deletions


def test_figures_that_are_deleted_leave_nothing() -> None:
    """As after a rebuild: no counters, no watermark, no agents, nobody who waits."""
    store = Store(POLICY)
    store.feed([event("queued", after(MIDNIGHT), "w", queue="near"), state("ana", after(MIDNIGHT), "available")])
    figures = Figures(POLICY)
    records = store.flush().kpis
    for key, value in records.items():
        figures.load(0, key, value)
    assert (figures.watermark_us, len(figures.agents()), len(figures.counters())) == (MIDNIGHT, 1, 2)
    for key in records:
        figures.load(0, key, None)
    assert figures.watermark_us is None
    assert figures.partitions() == figures.counters() == {}
    assert figures.agents() == []
    assert [place.count for place in figures.waiting()] == [0]


def test_an_agents_time_is_known_over_all_queues_and_not_in_one() -> None:
    """Half an hour on contacts after an hour available; in a queue it is unavailable, never the part of one state."""
    store = Store(POLICY)
    nine = after(MIDNIGHT + 9 * HOUR)
    store.feed([
        state("ana", nine, "available", queues=["near", "far"]),
        state("ana", nine + 3600, "busy", queues=["near", "far"]),
        event("queued", nine + 3600, "c", queue="near"),
        event("answered", nine + 3605, "c", agent_id="ana"),
        event("queued", nine + 5400, "d", queue="far"),
    ])  # fmt: skip
    figures = Figures(POLICY)
    for key, value in store.flush().kpis.items():
        figures.load(0, key, value)
    query = Query(MIDNIGHT, MIDNIGHT + 12 * HOUR, by="agent")
    (ana, _) = (row.kpis["occupancy"] for row in figures.rows(query))
    assert (ana.numerator, ana.denominator, ana.value) == (1800, 5400, 1 / 3)
    ana, near = (row.kpis for row in figures.rows(query._replace(queue="near")))
    assert ana["answered"].value == 1
    assert ana["occupancy"] == Figure(None, None, None, "ratio", "unavailable")
    assert (near["occupancy"].numerator, near["occupancy"].denominator) == (1800, 5400)


@pytest.mark.parametrize("by", [None, "queue", "hour", "channel"])
def test_agents_and_their_time_are_of_no_channel(both: tuple[Figures, Figures], by: str | None) -> None:
    """Unavailable, not 0."""
    for row in both[0].rows(Query(*EVER, by=by, channel="call")):
        assert row.kpis["occupancy"] == Figure(None, None, None, "ratio", "unavailable")
        assert row.kpis["agents"].value is None
