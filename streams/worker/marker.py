"""Whether what was restored may be counted on: the marker against the group's offset and the input's two ends."""

from __future__ import annotations

from typing import NamedTuple

from confluent_kafka import KafkaException, TopicPartition

from streams.broker.topics import TopicSet
from streams.errors import RestartError, StateError
from streams.settings import Settings
from streams.worker.store import reader

CURE = "stop the workers and run `centralita rebuild`, which makes the state anew from the first event kept"


class Input(NamedTuple):
    """One partition of the input: the first and the next offset, and what its group committed, None for nothing."""

    start: int
    end: int
    committed: int | None


def look(settings: Settings, number: int) -> Input:
    """Ask the broker."""
    place = TopicPartition(TopicSet(settings.kafka.prefix).events, number)
    consumer = reader(settings, settings.worker.application_id)
    timeout = settings.worker.progress_timeout
    try:
        start, end = consumer.get_watermark_offsets(place, timeout=timeout)
        committed = consumer.committed([place], timeout=timeout)[0].offset
    except KafkaException as error:
        raise RestartError(
            f"partition {number}: the input's offsets are not to be had: {error.args[0].str()}"
        ) from None
    finally:
        consumer.close()
    return Input(start, end, committed if committed >= 0 else None)


def begin(number: int, marker: int | None, found: Input) -> int:
    """Return the offset to go on at; raise StateError where going on would lose or double events.

    >>> begin(0, 7, Input(0, 9, 7)), begin(0, None, Input(3, 9, None))
    (7, 3)
    >>> begin(0, None, Input(0, 9, 5))
    Traceback (most recent call last):
    ...
    streams.errors.StateError: partition 0: no state, but its group has committed offset 5: stop the workers and run \
`centralita rebuild`, which makes the state anew from the first event kept
    """
    wrong = _wrong(marker, found)
    if wrong:
        raise StateError(f"partition {number}: {wrong}: {CURE}")
    return found.start if marker is None else marker


def _wrong(marker: int | None, found: Input) -> str | None:
    if marker is None:
        return (
            f"no state, but its group has committed offset {found.committed}" if found.committed is not None else None
        )
    if found.committed is not None and marker < found.committed:
        return f"the state ends at offset {marker}, but its group has committed offset {found.committed}"
    if marker < found.start:
        return f"the state ends at offset {marker}, but the input begins at {found.start} (events have expired)"
    if marker > found.end:
        return f"the state ends at offset {marker}, but the input ends at {found.end} (the topic was made anew)"
    return None
