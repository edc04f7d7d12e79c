"""What the board sends: answers of the API, snapshots and beats of the wallboard, its status; and how times and limits are written."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from schemas.panes import PartitionStatus
from schemas.rows import Figure, Row
from streams.board.feed import Condition
from streams.board.ledger import Ledger
from streams.board.levels import Goal
from streams.engine.policy import SECOND, QueuePolicy
from streams.kpis.evolution import Evolution
from streams.kpis.figures import AgentStatus
from streams.kpis.ranking import Ranked


class Limits(Struct, frozen=True):
    """A queue's policy as people read it: seconds."""

    zone: str
    threshold: float
    threshold_tickets: float
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


class Evolved(Struct, frozen=True):
    """An answer about evolution; `zone` is where its periods begin and end."""

    zone: str
    as_of: str
    evolution: list[Evolution]


class Ranking(Struct, frozen=True, rename={"from_": "from"}):
    """An answer about the order of agents, with what each KPI counts for and the contacts that it takes."""

    zone: str
    from_: str
    to: str
    as_of: str
    weights: dict[str, float]
    minimum: int
    agents: list[Ranked]


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
    """All that the wallboard shows. `now` and `watermark` are milliseconds since the epoch, `channels` all that can be asked for."""

    now: int
    as_of: str
    watermark: int | None
    zone: str
    window: Span
    feed: Feeding
    events: Events
    channels: list[str]
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


def local(time_us: int, zone: str) -> str:
    """Return a time as the clocks of a zone show it, RFC 3339."""
    return datetime.fromtimestamp(time_us // SECOND, UTC).astimezone(ZoneInfo(zone)).isoformat()


def limits(policy: QueuePolicy, *, live: bool) -> Limits:
    """Return a queue's policy as it is printed with an answer."""
    formula = policy.formula_live if live else policy.formula
    return Limits(
        policy.time_zone,
        policy.threshold / SECOND,
        policy.ticket_threshold / SECOND,
        policy.target,
        formula,
        policy.short_abandon / SECOND,
    )


def feeding(condition: Condition) -> Feeding:
    """Return the feed's condition as it is sent."""
    return Feeding(condition.state, condition.loaded, condition.behind)


def agent_of(agent: AgentStatus) -> Agent:
    """Return an agent as it is sent."""
    return Agent(agent.agent, agent.state, agent.since_us // 1_000, agent.reason, list(agent.queues))
