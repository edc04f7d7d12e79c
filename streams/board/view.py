"""What every surface shows, computed in one place from the figures: answers of the API, snapshots of the wallboard.

Computed under the feed's lock, in a thread: a question takes milliseconds for a wallboard, seconds for years of quarter hours.
"""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import structs

from schemas.rows import Row
from streams.board import answers
from streams.board.feed import Feed
from streams.board.ledger import ledger
from streams.board.levels import ACTION, ATTENTION, goals, levels, of_waiting
from streams.board.messages import (
    Answer,
    Beat,
    Events,
    Evolved,
    LastEvent,
    Ranking,
    Snapshot,
    Span,
    Status,
    Tile,
    agent_of,
    feeding,
    limits,
    local,
)
from streams.board.parameters import Asked, AskedEvolution, BadRequestError
from streams.engine.facts import PRESENT
from streams.engine.policy import SECOND, Policy
from streams.kpis import zones
from streams.kpis.evolution import evolution
from streams.kpis.figures import Figures, Query, WaitingNow, is_known
from streams.kpis.ranking import MINIMUM, WEIGHTS, ranking
from streams.kpis.windows import window, zone_of
from streams.settings import Alarms

SHOWN: Final = (
    "entered", "answered", "abandoned", "flowed_out", "service_level", "abandonment_rate", "average_speed_of_answer", "handle_time",
)  # fmt: skip
_SIGNED_OFF: Final = "offline"
_OF_QUEUES: Final = ("waiting", "longest_wait")


class View:
    """Answers and snapshots from a feed's figures."""

    def __init__(
        self,
        feed: Feed[Figures],
        policy: Policy,
        alarms: Alarms,
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
        rows = answers.rows(self.feed, asked, live=live, gone=gone)
        with self.feed.lock:
            watermark = self.feed.figures.watermark_us
        sums = [
            ledger(row.channel, row.queue, row.kpis)
            for row in rows
            if asked.by in {None, "queue"} and _is_waited_in(row, asked)
        ]
        queues = sorted({row.queue for row in rows if row.queue is not None})
        zone = self.zone_of(asked.queue)
        return Answer(
            zone, local(asked.start_us, zone), local(asked.end_us, zone), asked.window, asked.every, asked.by,
            asked.channel, asked.queue, live, local(asked.now_us, zone), local(watermark, zone) if watermark else None,
            {"*": limits(self.policy.defaults, live=live)} | {queue: limits(self.policy.of(queue), live=live) for queue in queues},
            sums, rows,
        )  # fmt: skip

    def evolution(self, asked: AskedEvolution) -> Evolved:
        """Return how KPIs evolved; raises `BadRequestError` when the figures cannot tell."""
        query = Query(0, 0, "all", asked.by, asked.channel, asked.queue)
        with self.feed.lock:
            found = answers.or_bad_request(evolution, self.feed.figures, query, asked.periods, asked.kpis)
        zone = self.zone_of(asked.queue)
        return Evolved(zone, local(self.now_us(), zone), found)

    def ranking(self, asked: Asked, gone: Callable[[], bool] = lambda: False) -> Ranking:
        """Return the order of agents; raises as `answer` does."""
        rows = answers.rows(self.feed, asked, live=False, gone=gone)
        zone = self.zone_of(asked.queue)
        return Ranking(
            zone, local(asked.start_us, zone), local(asked.end_us, zone), local(asked.now_us, zone), WEIGHTS, MINIMUM,
            ranking(rows) if rows else [],
        )  # fmt: skip

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
            agents = [agent_of(agent) for agent in figures.agents() if queue is None or queue in agent.queues]
            statuses = list(figures.partitions().values())
            watermark = figures.watermark_us
            last_events = self.feed.last_events()
            channels = sorted({channel for channel, _ in figures.queues()})
        tiles = [self._tile(row, waiting, last_events, now_us) for row in rows if row.channel is not None]
        return Snapshot(
            now_us // 1_000, local(now_us, zone), watermark // 1_000 if watermark else None, zone,
            Span(name, local(start, zone), local(end, zone)), feeding(condition),
            Events(
                sum(status.counted for status in statuses), sum(status.duplicate for status in statuses),
                sum(sum(status.refused.values()) for status in statuses),
            ),
            channels,
            None if waiting is None else sum(agent.state == "available" for agent in agents),
            None if waiting is None else sum(agent.state != _SIGNED_OFF for agent in agents),
            _with_worst(self._tile(of_all, waiting, last_events, now_us), tiles), tiles, agents,
        )  # fmt: skip

    def status(self) -> Status:
        """Return how far and how fresh the figures are.

        The lock is not waited for, which a scrape may hold for a while: a partition's status is the last record of its
        transaction, and what it is copied from is replaced as a whole.
        """
        now_us = self.now_us()
        condition = self.feed.condition()
        partitions = {str(number): status for number, status in sorted(self.feed.figures.partitions().items())}
        watermark = self.feed.figures.watermark_us
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
        aims = goals(policy, self.alarms.of(row.queue), row.channel)
        found = levels(aims, row.kpis, number, None if longest is None else (now_us - longest) / SECOND)
        events = [at for (channel, queue), at in last_events.items() if _in(row, channel, queue)]
        return Tile(
            row.channel, row.queue, number, None if longest is None else longest // 1_000, max(events, default=None),
            limits(policy, live=True), aims, found, ledger(row.channel, row.queue, row.kpis),
            {name: row.kpis[name] for name in SHOWN if name in row.kpis},
        )  # fmt: skip

    def _time(self, time_us: int) -> str:
        return local(time_us, self.zone)


def _is_waited_in(row: Row, asked: Asked) -> bool:
    """Tell whether a row is a queue's in a channel, or the total: what a queue has in no channel is money only."""
    return row.channel is not None or row.queue == asked.queue


def _in(row: Row, channel: str | None, queue: str | None) -> bool:
    return row.channel in {None, channel} and row.queue in {None, queue}


def _with_worst(total: Tile, queues: list[Tile]) -> Tile:
    """Let who waits now alarm in the total as in the worst of the queues.

    With tickets among them the other figures about waiting have no bound: hours of tickets and seconds of calls make no sum that has one.
    """
    mixed = any(tile.channel not in PRESENT for tile in queues)
    boundless = {name for name, goal in total.goals.items() if mixed and of_waiting(name) and not goal.per_queue}
    found = {name: level for name, level in total.alarms.items() if name not in boundless | {*_OF_QUEUES}}
    for name in _OF_QUEUES:
        seen = {tile.alarms.get(name) for tile in queues}
        level = ACTION if ACTION in seen else ATTENTION if ATTENTION in seen else None
        if level is not None:
            found[name] = level
    goals_left = {name: goal for name, goal in total.goals.items() if name not in boundless}
    return structs.replace(total, goals=goals_left, alarms=found)
