"""A board without Kafka: real events through the real engine into real figures, at a time that stands still."""

from __future__ import annotations

from collections.abc import Iterable

from streams.board.feed import Feed
from streams.board.view import View
from streams.engine.partition import Partition, Record
from streams.engine.policy import MINUTE, SECOND, Policy, QueuePolicy
from streams.kpis.figures import Figures
from streams.settings import KafkaSettings, Settings
from tests.harness.traffic import START, Sent, calls

NOW = START * SECOND + 10 * MINUTE
QUEUES = {"idle": QueuePolicy(), "sales": QueuePolicy(threshold=12 * SECOND, target=0.9)}


def view_of(events: Iterable[Sent] | None = None, policy: Policy | None = None, partitions: int = 2) -> View:
    """Return a view of what the engine makes of events, 400 calls if none are given, spread over partitions."""
    policy = policy or Policy(queues=QUEUES)
    feed: Feed[Figures] = Feed(KafkaSettings(), lambda: Figures(policy), clock=lambda: 0.0)
    feed._answered, feed.complete = 0.0, True
    engines = [Partition(number, policy, write_behind=True) for number in range(partitions)]
    for offset, (key, value) in enumerate(calls(400) if events is None else events):
        refused = engines[sum(key) % partitions].process([Record(offset, NOW, key, value)])
        assert not refused, refused
    for engine in engines:
        engine.advance(NOW)
        for key, value in engine.flush().kpis:
            feed.figures.load(engine.number, key, value)
    return View(feed, policy, Settings().alarms, clock=lambda: NOW)
