"""What a feed keeps beside the figures, from records as Kafka's client gives them."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import pytest

from schemas.panes import FORMAT, PARTITION, PartitionStatus
from streams.board.feed import Feed
from streams.engine.marker import fingerprint
from streams.engine.policy import SECOND, Policy, QueuePolicy
from streams.kpis.figures import Figures
from streams.settings import KafkaSettings

COUNTERS = b'["counters","call","sales"]'


class Message(NamedTuple):
    """A record of the KPI topic."""

    number: int
    content: bytes | None
    at: int = 0
    name: bytes = COUNTERS

    def partition(self) -> int:
        return self.number

    def key(self) -> bytes:
        return self.name

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


def rebuilt(number: int, name: str, partitions: list[int]) -> Message:
    mark = {"id": name, "partitions": partitions}
    return Message(number, msgspec.json.encode(mark), name=b'["rebuilt"]')


def counted(number: int, events: int, of: Any = FORMAT) -> list[Message]:
    """Return a transaction in a format: so many events of a partition, and its end."""
    status = PartitionStatus(events, 1, 1, events, 0, {}, format=of)
    return [
        Message(number, b'{"events":{"call.queued":%d}}' % events),
        Message(number, msgspec.json.encode(status), name=b'["partition"]'),
    ]


def shown(feed: Feed[Figures]) -> int:
    """Return how many events the counters that are shown have."""
    return sum(sum(kinds.values()) for kinds in feed.figures.counters().values())


def test_a_rebuild_is_shown_when_all_its_partitions_are_there():
    """Not with the first, not with the second's beginning; what comes after it goes on from it."""
    feed = feed_of(*counted(0, 5), *counted(1, 7))
    assert shown(feed) == 12
    feed.load([rebuilt(0, "a", [0, 1]), *counted(0, 50)])
    assert shown(feed) == 12
    feed.load([rebuilt(1, "a", [0, 1]), counted(1, 70)[0]])
    assert shown(feed) == 12
    feed.load(counted(1, 70)[1:])
    assert shown(feed) == 120
    feed.load(counted(0, 51))
    assert shown(feed) == 121
    assert feed.last_events() == {("call", "sales"): 0}


def test_a_rebuild_does_not_wait_for_partitions_without_events():
    """Whose beginning may be read later than everything else, with the deletions of what they had."""
    feed = feed_of(*counted(0, 5), *counted(1, 7))
    feed.load([rebuilt(0, "a", [0]), *counted(0, 50)])
    assert shown(feed) == 50
    feed.load([rebuilt(1, "a", [0]), Message(1, None)])
    assert shown(feed) == 50
    feed.load(counted(1, 3))
    assert shown(feed) == 53


def test_a_rebuild_that_was_begun_again_takes_the_place_of_the_first():
    """One that ended between two partitions is never shown."""
    feed = feed_of(*counted(0, 5), *counted(1, 7), rebuilt(0, "a", [0, 1]), *counted(0, 50))
    feed.load([rebuilt(0, "b", [0, 1]), *counted(0, 60), rebuilt(1, "b", [0, 1])])
    assert shown(feed) == 12
    feed.load(counted(1, 80))
    assert shown(feed) == 140


def unread(caplog: pytest.LogCaptureFixture) -> int:
    """Return how many records were said to be left out."""
    return sum("cannot be read" in record.message for record in caplog.records)


@pytest.mark.parametrize(
    "credit",
    [b'[[0],{"of_a_later_version":1},{}]', b'[[0,1],{"entered":1},{}]', b'[[0,-1],{"entered":1},{}]'],
)
def test_credits_that_cannot_be_read_are_left_out(credit: bytes, caplog: pytest.LogCaptureFixture):
    """All that the record says, and a word of it; the reading goes on behind them."""
    record = b'{"number":0,"slices":[["call","sales",null,null]],"panes":[[900,0,[' + credit + b"]]]}"
    feed = feed_of(Message(0, record, name=b'["credits",0]'), *counted(0, 5))
    assert (shown(feed), unread(caplog)) == (5, 1)


@pytest.mark.parametrize("name", [b'["agent","ana"]', b'["partition"]', b"[" * 4000])
def test_what_is_nested_without_end_is_left_out(name: bytes, caplog: pytest.LogCaptureFixture):
    """On every Python: some give up at once, others when the stack is full."""
    value = b'{"format":%d,"x":' % FORMAT + b"[" * 4000 + b"]" * 4000 + b"}"
    feed = feed_of(Message(0, value, name=name), *counted(0, 5))
    assert (shown(feed), unread(caplog)) == (5, 1)


@pytest.mark.parametrize(
    "other", [0, FORMAT + 1, "2.0"], ids=["an earlier version", "a later version", "a version with other numbers"]
)
def test_figures_of_another_version_are_said_and_not_shown_until_they_are_rebuilt(
    caplog: pytest.LogCaptureFixture, other: Any
):
    """Nothing of any partition, and no more word of it however much comes; a rebuild by that version changes nothing."""
    feed = feed_of(*counted(1, 7))
    feed._answered, feed.complete = feed._clock(), True
    assert (feed.condition().state, feed.ready) == ("live", True)
    for mark in ((), (rebuilt(0, "a", [0]),)):
        feed.load(
            [
                *mark,
                *counted(0, 5, other),
                Message(0, b"{", name=b'["agent","ana"]'),
                *counted(1, 8),
                *counted(0, 6, other),
            ]
        )
        assert (feed.condition().state, feed.ready, shown(feed), feed.last_events()) == ("other_version", False, 0, {})
    said = [record for record in caplog.records if "of another version" in record.message]
    assert [record.fields for record in said] == [{"partition": 0, "seen": other, "expected": FORMAT}] * 2
    assert len(caplog.records) == 2
    feed.load([rebuilt(0, "b", [0, 1]), *counted(0, 50), rebuilt(1, "b", [0, 1]), *counted(1, 70)])
    assert (feed.condition().state, feed.ready, shown(feed)) == ("live", True, 120)


def test_figures_under_other_definitions_are_shown_and_said_to_be_so():
    """Of a worker with another threshold; not of one that counts the same and aims at something else, nor of one that does not say."""
    feed = feed_of(*counted(1, 7))
    feed._answered, feed.complete = feed._clock(), True
    assert feed.condition().state == "live"
    for policy, state in (
        (Policy(), "live"),
        (Policy(defaults=QueuePolicy(threshold=60 * SECOND)), "other_definitions"),
        (Policy(defaults=QueuePolicy(target=0.5)), "live"),
    ):
        status = PartitionStatus(5, 1, 1, 5, 0, {}, format=FORMAT, definitions=fingerprint(policy))
        feed.load([Message(0, msgspec.json.encode(status), name=PARTITION)])
        assert (feed.condition().state, feed.ready) == (state, True)
