"""One seeded run: load, faults, calm, and whether anything was lost, doubled or left hanging."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from streams.broker.embedded import EmbeddedKafka
from streams.broker.topics import TopicSet, admin_client
from streams.engine.policy import MINUTE
from tests.chaos import verdict
from tests.chaos.feeder import Feeder
from tests.chaos.fleet import Fleet
from tests.harness.exactness import assert_closed, wait_until_caught_up
from tests.harness.storm import length, storm
from tests.harness.watcher import Watcher

DAYS = 5.0
"""Days that the events are spread over: below the 8 for which all panes are kept, above the 2 after which they become days."""
AGO = 10 * MINUTE
"""How long before the run the last event was: who waits then still waits."""
TICK = 0.1


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run does. It ends after so many seconds, or after so many faults."""

    seed: int
    events: int
    seconds: float
    most: int | None
    every: float
    only: tuple[str, ...]
    workers: int
    partitions: int
    start: int


@dataclass(kw_only=True)
class Report:
    """What came of it."""

    sent: int = 0
    good: int = 0
    garbage: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    exits: Counter[int] = field(default_factory=Counter)
    restarts: int = 0
    storm_seconds: float = 0.0
    transactions_in_storm: int = 0
    transactions: int = 0
    caught_up_seconds: float = 0.0
    differences: list[str] = field(default_factory=list)


def beginning(events: int, seed: int) -> int:
    """Return when the events must begin so that the last has just happened (microseconds)."""
    return time.time_ns() // 1000 - length(events, seed, days=DAYS) - AGO


def run(plan: Plan, folder: Path, tell: Callable[[str], None]) -> Report:
    """Do it."""
    chance, report = random.Random(plan.seed), Report()
    topics = TopicSet(f"chaos-{plan.seed}")
    with EmbeddedKafka(folder / "kafka") as broker:
        with admin_client(broker.bootstrap) as admin:
            topics.create(admin, plan.partitions)
        items = storm(plan.events, plan.seed, days=DAYS, start=plan.start)
        feeder = Feeder(broker.bootstrap, topics.events, items, plan.events / (0.9 * plan.seconds))
        fleet = Fleet(broker, topics.prefix, folder, plan.workers, chance)
        try:
            with Watcher(broker.bootstrap, topics) as watcher:
                feeder.start()
                _storm(plan, fleet, feeder, watcher, report, tell)
                _calm(fleet, feeder, broker.bootstrap, topics, report)
                _judge(broker.bootstrap, topics, feeder, watcher, report, tell)
                report.differences += _board(fleet, plan, broker.bootstrap, topics)
        except AssertionError as error:  # it did not catch up
            report.differences.append(str(error))
        finally:
            broker.resume()
            fleet.stop()
            report.faults, report.exits, report.restarts = fleet.faults, fleet.exits, fleet.restarts
            report.differences += fleet.wrong
    return report


def _storm(plan: Plan, fleet: Fleet, feeder: Feeder, watcher: Watcher, report: Report, tell: Callable) -> None:
    began = told = time.monotonic()
    chance = random.Random(f"times {plan.seed}")
    names = list(plan.only or fleet.kinds)
    due = began + chance.expovariate(1 / plan.every)
    for _ in count():
        now = time.monotonic()
        if (plan.most is None and now - began >= plan.seconds) or sum(fleet.faults.values()) == plan.most:
            break
        fleet.tick()
        if now >= due:
            fleet.befall(names)
            due += chance.expovariate(1 / plan.every)
        if now - told >= 30:
            told = now
            tell(f"{now - began:.0f} s: {feeder.sent} sent, {sum(fleet.faults.values())} faults, "
                 f"{watcher.transactions} transactions, {len(fleet.wrong)} wrong")  # fmt: skip
        time.sleep(TICK)
    report.storm_seconds = time.monotonic() - began
    report.transactions_in_storm = watcher.transactions


def _calm(fleet: Fleet, feeder: Feeder, bootstrap: str, topics: TopicSet, report: Report) -> None:
    began = time.monotonic()
    fleet.calm()
    while not feeder.done:
        fleet.tick()
        time.sleep(TICK)
    report.sent, report.good, report.garbage = feeder.sent, feeder.good, sum(feeder.garbage.values())
    report.differences += feeder.failed
    wait_until_caught_up(bootstrap, topics, 300, [_Supervised(fleet)])
    report.caught_up_seconds = time.monotonic() - began


class _Supervised:
    def __init__(self, fleet: Fleet) -> None:
        self.revive = fleet.tick


def _judge(
    bootstrap: str, topics: TopicSet, feeder: Feeder, watcher: Watcher, report: Report, tell: Callable[[str], None]
) -> None:
    tell("caught up; comparing")
    bad = frozenset(value for _, value, _ in feeder.garbage)
    report.differences += verdict.sizes(bootstrap, topics, feeder)
    report.differences += verdict.markers(bootstrap, topics)
    report.differences += verdict.letters(bootstrap, topics, feeder.garbage)
    report.differences += verdict.panes(bootstrap, topics, bad)
    for check in (lambda: assert_closed(bootstrap, topics), watcher.assert_clean):
        try:
            check()
        except AssertionError as error:
            report.differences.append(str(error))
    report.transactions = watcher.transactions


def _board(fleet: Fleet, plan: Plan, bootstrap: str, topics: TopicSet) -> list[str]:
    """Return what is wrong with the board: after all its deaths it shows what the panes say."""
    wanted = verdict.entered(bootstrap, topics)
    shown: object = None
    for _ in range(20):
        try:
            shown = verdict.shown(fleet.board(), plan.start, time.time_ns() // 1000)
        except OSError as error:
            shown = error
        if shown == wanted:
            return []
        time.sleep(0.5)
    return [f"the board shows {shown} entered, the panes say {wanted}"]
