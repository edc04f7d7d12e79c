"""What every surface shows, computed in one place from the figures: answers of the API, snapshots of the wallboard.

Computed under the feed's lock, in a thread: a question takes milliseconds for a wallboard, seconds for years of quarter hours.
"""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from schemas.panes import PartitionStatus
from schemas.rows import Figure, Row
from streams.board.feed import Condition, Feed
from streams.board.ledger import Ledger, ledger
from streams.board.levels import ACTION, ATTENTION, Goal, goals, levels
from streams.board.parameters import EVERY, Asked, BadRequestError, too_many_rows, too_many_sums
from streams.engine.policy import SECOND, Policy, QueuePolicy
from streams.errors import InputError
from streams.kpis import zones
from streams.kpis.figures import AgentStatus, Figures, Query, WaitingNow
from streams.kpis.waiting import Growth
from streams.kpis.windows import split, window, zone_of
from streams.settings import AlarmSettings

SHOWN: Final = (
    "entered", "answered", "abandoned", "flowed_out", "service_level", "abandonment_rate", "average_speed_of_answer", "handle_time",
)  # fmt: skip
_SIGNED_OFF: Final = "offline"
_OF_QUEUES: Final = ("waiting", "longest_wait")
PATIENCE: Final = 30.0
"""Seconds that an answer may take."""
_HELD: Final = 0.05
"""Seconds after which a long answer lets go of the feed's lock, and for how long."""
_LET_GO: Final = 0.002
Place = tuple[str | None, str | None]
"""Channel and queue."""
P = ParamSpec("P")
T = TypeVar("T")


class GoneError(Exception):
    """Who asked has gone."""


class Limits(Struct, frozen=True):
    """A queue's policy as people read it: seconds."""

    zone: str
    threshold: float
    target: float
    formula: str
    short_abandon: float


class Answer(Struct, frozen=True, rename={"from_": "from"}):
    """An answer of the API. `zone` is where its days begin: that of the queue asked for, else the deployment's."""

    zone: str
    from_: str
    to: str
    window: str | None
    every: str
    by: str | None
    channel: str | None
    queue: str | None
    live: bool
    as_of: str
    watermark: str | None
    policy: dict[str, Limits]
    ledger: list[Ledger]
    rows: list[Row]


class Tile(Struct, frozen=True):
    """One queue of the wallboard, or all together. `longest` and `last_event` are milliseconds since the epoch.

    `waiting` is None as long as nothing has been counted.
    """

    channel: str | None
    queue: str | None
    waiting: int | None
    longest: int | None
    last_event: int | None
    policy: Limits
    goals: dict[str, Goal]
    alarms: dict[str, str]
    ledger: Ledger
    kpis: dict[str, Figure]


class Agent(Struct, frozen=True):
    """An agent now; `since` in milliseconds since the epoch."""

    agent: str
    state: str
    since: int
    reason: str | None
    queues: list[str]


class Span(Struct, frozen=True):
    """The window that a snapshot shows."""

    name: str
    start: str
    end: str


class Events(Struct, frozen=True):
    """What became of the records that the worker has read."""

    counted: int
    duplicate: int
    refused: int


class Feeding(Struct, frozen=True):
    """How far the figures can be trusted (`streams.board.feed`)."""

    state: str
    loaded: int
    behind: int


class Snapshot(Struct, frozen=True):
    """All that the wallboard shows. `now` and `watermark` are milliseconds since the epoch."""

    now: int
    as_of: str
    watermark: int | None
    zone: str
    window: Span
    feed: Feeding
    events: Events
    channels: int
    available: int | None
    signed_in: int | None
    total: Tile
    queues: list[Tile]
    agents: list[Agent]


class LastEvent(Struct, frozen=True):
    """When a queue's last event was committed."""

    channel: str | None
    queue: str | None
    at: str


class Status(Struct, frozen=True):
    """How far and how fresh the figures are. `lag_seconds` is the clock minus the newest event time."""

    as_of: str
    state: str
    records_read: int
    unprocessed: int
    zone: str
    watermark: str | None
    lag_seconds: float | None
    counted: int
    duplicate: int
    refused: dict[str, int]
    late: int
    partitions: dict[str, PartitionStatus]
    last_events: list[LastEvent]


class Beat(Struct, frozen=True):
    """A sign of life between snapshots."""

    now: int
    feed: Feeding


class View:
    """Answers and snapshots from a feed's figures."""

    def __init__(
        self,
        feed: Feed[Figures],
        policy: Policy,
        alarms: Mapping[str, AlarmSettings],
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000,
    ) -> None:
        self.now_us = clock
        self.feed = feed
        self.policy = policy
        self.alarms = alarms

    @property
    def zone(self) -> str:
        """Return the deployment's time zone."""
        return self.policy.defaults.time_zone

    def zone_of(self, queue: str | None) -> str:
        """Return a queue's time zone, the deployment's when none is asked for."""
        return zone_of(self.policy, queue)

    # Answers

    def answer(self, asked: Asked, gone: Callable[[], bool] = lambda: False) -> Answer:
        """Return the rows for a question.

        Raises `BadRequestError` when they are too many, take too long, or the figures cannot give them, and `GoneError` when who asked
        has gone.
        """
        live = asked.window is not None
        query = Query(
            asked.start_us,
            asked.end_us,
            asked.every,
            asked.by,
            asked.channel,
            asked.queue,
            live=live,
            now_us=asked.now_us,
        )
        rows = self._rows(asked, query, gone)
        with self.feed.lock:
            watermark = self.feed.figures.watermark_us
        sums = [ledger(row.channel, row.queue, row.kpis) for row in rows] if asked.by in {None, "queue"} else []
        queues = sorted({row.queue for row in rows if row.queue is not None})
        zone = self.zone_of(asked.queue)
        return Answer(
            zone, _local(asked.start_us, zone), _local(asked.end_us, zone), asked.window, asked.every, asked.by,
            asked.channel, asked.queue, live, _local(asked.now_us, zone), _local(watermark, zone) if watermark else None,
            {"*": limits(self.policy.defaults, live=live)} | {queue: limits(self.policy.of(queue), live=live) for queue in queues},
            sums, rows,
        )  # fmt: skip

    def _rows(self, asked: Asked, query: Query, gone: Callable[[], bool]) -> list[Row]:
        """Return the rows, none for a queue or channel that nobody has heard of.

        The lock is let go every `_HELD` seconds: a question about years must not hold up the wallboard. So the newest stretches, which
        still change, come first, under the lock of the growth since all of them.
        """
        until = time.monotonic() + PATIENCE
        found: list[list[Row]] = []
        with self.feed.lock:
            figures = self.feed.figures  # these to the end, though the feed may begin anew
            places = figures.queues()
            if not is_known(places, query.channel, query.queue):
                return []
            self._bound(asked, len(places))
            spans = [zones.Span(query, self.zone_of(query.queue), alone=True)]
            if asked.window is not None:
                spans = zones.spans(asked.window, query, figures)
            stretches = _stretches(spans)
            growth: Mapping[int, Any] = _told(figures.growth, [stretch.end for stretch in stretches])
            waited = _waiting(figures)
            _some(figures, stretches, growth, {}, found)
        while stretches:
            too_many_rows(asked, sum(map(len, found)))
            if gone():
                raise GoneError
            if time.monotonic() > until:
                raise BadRequestError("every", asked.every, f"what is answered within {PATIENCE:.0f} s: ask for less")
            time.sleep(_LET_GO)
            with self.feed.lock:
                # Who came or left since the growth was taken is not in it, but is among those who wait now.
                since = {place: count - waited.get(place, 0) for place, count in _waiting(figures).items()}
                _some(figures, stretches, growth, since, found)
        too_many_rows(asked, sum(map(len, found)))
        rows = [row for rows in reversed(found) for row in rows]
        return rows if len(spans) == 1 else zones.in_order(rows, query.every)

    @staticmethod
    def _bound(asked: Asked, places: int) -> None:
        """Refuse what would be too much before it is begun: rows, or sums of each queue that rows are made of."""
        length = EVERY[asked.every]
        if length is not None:
            stretches = (asked.end_us - asked.start_us) // length
            queues = places + 1 if asked.by == "queue" and asked.queue is None else 1
            too_many_rows(asked, stretches * queues)
            too_many_sums(asked, stretches * places)

    # Snapshots

    def check(self, channel: str | None, queue: str | None) -> None:
        """Raise `BadRequestError` for a channel or queue that nobody has heard of, once the figures are complete."""
        with self.feed.lock:
            known = not self.feed.ready or is_known(self.feed.figures.queues(), channel, queue)
        if not known:
            name, seen = ("channel", channel) if queue is None else ("queue", queue)
            raise BadRequestError(name, seen, "one that is configured or that an event has named")

    def snapshot(self, name: str, channel: str | None = None, queue: str | None = None) -> Snapshot:
        """Return what the wallboard shows for a window."""
        now_us = self.now_us()
        zone = self.zone_of(queue)
        start, end = window(name, now_us, zone)
        condition = self.feed.condition()
        with self.feed.lock:
            figures = self.feed.figures
            query = Query(start, end, "all", "queue", channel, queue, live=True, now_us=now_us)
            *rows, of_all = zones.rows(name, query, figures)
            waiting = figures.waiting() if figures.has_begun else None
            agents = [_agent(agent) for agent in figures.agents() if queue is None or queue in agent.queues]
            statuses = list(figures.partitions().values())
            watermark = figures.watermark_us
            last_events = self.feed.last_events()
        tiles = [self._tile(row, waiting, last_events, now_us) for row in rows]
        return Snapshot(
            now_us // 1_000, _local(now_us, zone), watermark // 1_000 if watermark else None, zone,
            Span(name, _local(start, zone), _local(end, zone)), feeding(condition),
            Events(
                sum(status.counted for status in statuses), sum(status.duplicate for status in statuses),
                sum(sum(status.refused.values()) for status in statuses),
            ),
            len({tile.channel for tile in tiles}),
            None if waiting is None else sum(agent.state == "available" for agent in agents),
            None if waiting is None else sum(agent.state != _SIGNED_OFF for agent in agents),
            _with_worst(self._tile(of_all, waiting, last_events, now_us), tiles), tiles, agents,
        )  # fmt: skip

    def status(self) -> Status:
        """Return how far and how fresh the figures are."""
        now_us = self.now_us()
        condition = self.feed.condition()
        with self.feed.lock:
            watermark = self.feed.figures.watermark_us
            partitions = {str(number): status for number, status in sorted(self.feed.figures.partitions().items())}
            last_events = sorted(self.feed.last_events().items(), key=lambda item: (item[0][1] or "", item[0][0] or ""))
        refused: Tally[str] = Tally()
        for status in partitions.values():
            refused.update(status.refused)
        return Status(
            self._time(now_us), condition.state, condition.loaded, condition.behind, self.zone,
            self._time(watermark) if watermark else None, (now_us - watermark) / SECOND if watermark else None,
            sum(status.counted for status in partitions.values()), sum(status.duplicate for status in partitions.values()),
            dict(refused), refused["too_late"], partitions,
            [LastEvent(channel, queue, self._time(at * 1_000)) for (channel, queue), at in last_events],
        )  # fmt: skip

    def beat(self) -> Beat:
        """Return a sign of life."""
        return Beat(self.now_us() // 1_000, feeding(self.feed.condition()))

    def _tile(
        self,
        row: Row,
        waiting: list[WaitingNow] | None,
        last_events: Mapping[tuple[str | None, str | None], int],
        now_us: int,
    ) -> Tile:
        policy = self.policy.of(row.queue) if row.queue is not None else self.policy.defaults
        here = [place for place in waiting or () if _in(row, place.channel, place.queue)]
        longest = min((place.longest_since_us for place in here if place.longest_since_us is not None), default=None)
        number = None if waiting is None else sum(place.count for place in here)
        aims = goals(policy, self.alarms)
        found = levels(aims, row.kpis, number, None if longest is None else (now_us - longest) / SECOND)
        events = [at for (channel, queue), at in last_events.items() if _in(row, channel, queue)]
        return Tile(
            row.channel, row.queue, number, None if longest is None else longest // 1_000, max(events, default=None),
            limits(policy, live=True), aims, found, ledger(row.channel, row.queue, row.kpis),
            {name: row.kpis[name] for name in SHOWN if name in row.kpis},
        )  # fmt: skip

    def _time(self, time_us: int) -> str:
        return _local(time_us, self.zone)


def _local(time_us: int, zone: str) -> str:
    return datetime.fromtimestamp(time_us // SECOND, UTC).astimezone(ZoneInfo(zone)).isoformat()


def limits(policy: QueuePolicy, *, live: bool) -> Limits:
    """Return a queue's policy as it is printed with an answer."""
    formula = policy.formula_live if live else policy.formula
    return Limits(policy.time_zone, policy.threshold / SECOND, policy.target, formula, policy.short_abandon / SECOND)


def feeding(condition: Condition) -> Feeding:
    """Return the feed's condition as it is sent."""
    return Feeding(condition.state, condition.loaded, condition.behind)


def is_known(places: Iterable[tuple[str, str]], channel: str | None, queue: str | None) -> bool:
    """Tell whether there is a queue of these names; None is any, of none at all too.

    >>> is_known([("call", "sales")], "call", None), is_known([("call", "sales")], "chat", "sales"), is_known([], None, None)
    (True, False, True)
    """
    return (channel, queue) == (None, None) or any(
        channel in {None, of} and queue in {None, name} for of, name in places
    )


class _Stretch(NamedTuple):
    """A stretch of a span's range (microseconds)."""

    begin: int
    end: int
    span: zones.Span


def _stretches(spans: Iterable[zones.Span]) -> list[_Stretch]:
    """Return the stretches of spans, the newest last."""
    found = [
        _Stretch(begin, end, span)
        for span in spans
        for begin, end in split(span.query.start_us, span.query.end_us, span.query.every, span.zone)
    ]
    return sorted(found, key=lambda stretch: stretch.end)


def _some(
    figures: Figures,
    stretches: list[_Stretch],
    growth: Mapping[int, Any],
    since: Mapping[Place, int],
    found: list[list[Row]],
) -> None:
    """Take stretches from the end of the list and append their rows, for as long as the lock may be held."""
    until = time.monotonic() + _HELD
    while stretches:
        stretch = stretches.pop()
        grown = dict(growth[stretch.end])
        for place, change in since.items():
            known = grown.get(place, 0)
            grown[place] = None if known is None else known + change
        found.append(_told(_rows, figures, stretch, grown))
        if time.monotonic() > until:
            return


def _rows(figures: Figures, stretch: _Stretch, growth: Growth) -> list[Row]:
    rows = figures.stretch(stretch.span.query, stretch.begin, stretch.end, growth)
    return zones.own(rows, stretch.span, figures)


def _waiting(figures: Figures) -> dict[Place, int]:
    return {(place.channel, place.queue): place.count for place in figures.waiting()}


def _told(work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """Do what may find that a question is none, and tell it as a wrong parameter."""
    try:
        return work(*given, **named)
    except InputError as error:
        name, _, text = str(error).partition(": ")
        raise BadRequestError(name.split(",")[0], None, text.removeprefix("expected ")) from error


def _agent(agent: AgentStatus) -> Agent:
    return Agent(agent.agent, agent.state, agent.since_us // 1_000, agent.reason, list(agent.queues))


def _in(row: Row, channel: str | None, queue: str | None) -> bool:
    return row.channel in {None, channel} and row.queue in {None, queue}


def _with_worst(total: Tile, queues: list[Tile]) -> Tile:
    """Let the totals that have no bound of their own alarm as the worst of their queues does."""
    found = {name: level for name, level in total.alarms.items() if name not in _OF_QUEUES}
    for name in _OF_QUEUES:
        seen = {tile.alarms.get(name) for tile in queues}
        level = ACTION if ACTION in seen else ATTENTION if ATTENTION in seen else None
        if level is not None:
            found[name] = level
    return structs.replace(total, alarms=found)
