"""What a feed keeps beside the figures, from records as Kafka's client gives them."""

from __future__ import annotations

from typing import Any, NamedTuple

from streams.board.feed import Feed
from streams.engine.policy import Policy
from streams.kpis.figures import Figures
from streams.settings import KafkaSettings

COUNTERS = b'["counters","call","sales"]'


class Message(NamedTuple):
    """A record of the KPI topic."""

    number: int
    content: bytes | None
    at: int

    def partition(self) -> int:
        return self.number

    def key(self) -> bytes:
        return COUNTERS

    def value(self) -> bytes | None:
        return self.content

    def timestamp(self) -> tuple[int, int]:
        return 1, self.at

    def offset(self) -> int:
        return 0


def feed_of(*messages: Message) -> Feed[Figures]:
    feed: Feed[Any] = Feed(KafkaSettings(), lambda: Figures(Policy()))
    feed.load(messages)
    return feed


def test_the_last_event_of_a_queue_is_that_of_the_partition_that_committed_last():
    """Each partition counts the queue's events of its own customers."""
    feed = feed_of(Message(0, b'{"events":{}}', 20), Message(1, b'{"events":{}}', 30), Message(0, b'{"events":{}}', 25))
    assert feed.last_events() == {("call", "sales"): 30}


def test_deleted_counters_leave_no_last_event():
    """The deletion itself is none either."""
    kept = [Message(0, b'{"events":{}}', 20), Message(1, b'{"events":{}}', 30)]
    assert feed_of(*kept, Message(1, None, 40)).last_events() == {("call", "sales"): 20}
    assert feed_of(*kept, Message(1, None, 40), Message(0, None, 41)).last_events() == {}
