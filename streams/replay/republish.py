"""A past stretch sent again into another topic, at its own pace or another, so that wallboard and alerts can be rehearsed on it.

Keys, bytes and headers stay, and so does the order: a record goes to the partition of the number that it was in where the other topic has as many,
else by its key, to where a source would send what that customer does next. It is due when its partition's newest event so far is, counted from the first one:

    event time   |--a----b-c------------d--|        a late event goes out where it came, not where it belongs
    speed 2      |-a--b-c------d-|

With ``shift`` all times are moved by one constant, so that what is sent is of now: of now throughout at the original speed or slower, and from the end back
at a higher one. No event is sent before its own time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from heapq import merge
from typing import Any, Final, NamedTuple

import msgspec

from schemas.dead_letters import RefusedError
from schemas.fields import Moment, microseconds, rfc3339
from schemas.nesting import is_too_deep
from streams.engine.partition import Record
from streams.engine.policy import SECOND, Policy
from streams.engine.records import event_of
from streams.replay.files import Bar
from streams.replay.reading import Reading, Span, records_of
from streams.replay.topic import Asked, count_partitions
from streams.sources.files import read_events
from streams.sources.producer import Sender

_LONGEST_PAUSE: Final = 0.1
_BY_KEY: Final = -1
"""The partition of a record that has none yet."""
_TIMES: Final = ("time", "period_start", "period_end")
"""Fields of events that are moments."""


class Due(NamedTuple):
    """A record, when it is due (microseconds of event time), its partition (None: by its key) and its headers."""

    time_us: int
    partition: int | None
    record: Record
    headers: list[tuple[str, bytes]]


class Range(NamedTuple):
    """Which events belong, by their time (microseconds)."""

    start_us: int
    end_us: int


class Pace(NamedTuple):
    """How fast: so many times the original speed, 0 for as fast as it goes; and whether times are moved to now."""

    speed: float
    shift: bool


def of_topic(asked: Asked, spans: Sequence[Span], policy: Policy, partitions: int) -> Iterator[Due]:
    """Yield the records of a range of all partitions as they are due, for a topic of so many."""
    wanted = Range(asked.start_us, asked.end_us)
    stays = partitions == count_partitions(asked)
    with ExitStack() as opened:
        parts = []
        for span in spans:
            reading = opened.enter_context(closing(Reading(asked.kafka, asked.topic, [span])))
            parts.append(_of_partition(reading, wanted, policy))
        for due in merge(*parts, key=lambda due: due.time_us):
            yield due if stays else due._replace(partition=None)


def _of_partition(reading: Reading, wanted: Range, policy: Policy) -> Iterator[Due]:
    newest = 0
    for number, messages in reading:
        for message, record in zip(messages, records_of(messages), strict=True):
            time_us = _time_of(record)
            newest = max(newest, time_us)
            if wanted.start_us <= time_us < wanted.end_us:
                yield Due(max(newest, wanted.start_us), number, record, list(message.headers() or ()))
        if newest > wanted.end_us + policy.lateness:
            reading.stop(number)


def of_files(paths: Sequence[str], wanted: Range, now_us: int) -> Iterator[Due]:
    """Yield the lines of files as they are due, under the keys that `send` would give them."""
    newest = 0
    for line in read_events(paths):
        record = Record(line.number, now_us, line.key, line.value)
        time_us = _time_of(record)
        newest = max(newest, time_us)
        if wanted.start_us <= time_us < wanted.end_us:
            yield Due(newest, None, record, [])


def _time_of(record: Record) -> int:
    """Return when an event happened; of what is no event, when it arrived."""
    try:
        return event_of(record.value).time_us
    except RefusedError:
        return record.timestamp_us


def send(
    stream: Iterator[Due], sender: Sender, wanted: Range, pace: Pace, bar: Bar, clock: Callable[[], float] = time.time
) -> None:
    """Send records when they are due; the bar is told of events, and of the event time (microseconds) that passes. Blocks."""
    first: int | None = None
    began = shift = 0
    reached = wanted.start_us
    for mark, due in enumerate(stream):
        if first is None:
            first = due.time_us
            began = round(clock() * SECOND)
            shift = shift_of(first, began, wanted, pace) if pace.shift else 0
        if pace.speed:
            _wait(began + round((due.time_us - first) / pace.speed), sender, clock)
        value = moved(due.record.value, shift) if shift else due.record.value
        number = _BY_KEY if due.partition is None else due.partition
        sender.send(due.record.key, value, mark, partition=number, headers=due.headers)
        bar.passed(due.time_us - reached)
        bar.events(1)
        reached = due.time_us
    sender.flush()
    sender.poll()


def shift_of(first: int, began: int, wanted: Range, pace: Pace) -> int:
    """Return by how much times are moved (microseconds), so that nothing is ahead of the clock when it is sent.

    >>> day = Range(0, 3_600)
    >>> shift_of(0, 10_000, day, Pace(1.0, True)), shift_of(0, 10_000, day, Pace(2.0, True)), shift_of(0, 10_000, day, Pace(0.0, True))
    (10000, 8200, 6400)
    """
    if 0 < pace.speed <= 1:
        return began - first
    return began + (round((wanted.end_us - first) / pace.speed) if pace.speed else 0) - wanted.end_us


def moved(value: bytes | None, shift: int) -> bytes | None:
    """Return an event with its moments moved, all else as it was; what is no event is left alone.

    >>> moved(b'{"time":1.5,"id":"1","more":[1]}', 1_000_000), moved(b"garbage", 5)
    (b'{"time":"1970-01-01T00:00:02.500000Z","id":"1","more":[1]}', b'garbage')
    """
    if value is None or is_too_deep(value):
        return value
    try:
        event: Any = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return value
    if not isinstance(event, dict):
        return value
    for name in _TIMES:
        time_us = _microseconds(event.get(name))
        if time_us is not None:
            event[name] = rfc3339(time_us + shift)
    return msgspec.json.encode(event)


def _microseconds(moment: Any) -> int | None:
    """Return a moment as it is written, None when it is none."""
    try:
        return microseconds(msgspec.convert(moment, Moment))
    except msgspec.ValidationError:
        return None


def _wait(until_us: int, sender: Sender, clock: Callable[[], float]) -> None:
    left = until_us / SECOND - clock()
    while left > 0:
        sender.poll(min(left, _LONGEST_PAUSE))
        left = until_us / SECOND - clock()
