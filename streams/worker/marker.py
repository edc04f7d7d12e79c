"""Whether what was restored may be counted on: the marker against its writer, the group's offset and the input's two ends."""

from __future__ import annotations

import time
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from msgspec.structs import replace

from streams.broker.topics import TopicSet
from streams.engine.marker import Marker
from streams.engine.records import Records
from streams.errors import ConfigurationError, RestartError, StateError
from streams.settings import Settings
from streams.worker.store import reader

_SOON: Final = frozenset(
    {KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS}
)
_AGAIN: Final = 0.2
CURE = "stop the workers and run `centralita rebuild`, which makes the state anew from the first event kept"


def signed(state: Records, settings: Settings) -> Records:
    """Return records of the state, the marker last, with this deployment's name in it; nothing of nothing."""
    if not state:
        return state
    *others, (key, value) = state
    marker = replace(Marker.decode(value or b""), writer=settings.worker.application_id)
    return [*others, (key, marker.encode())]


def refuse_foreign(settings: Settings, number: int, writer: str | None) -> None:
    """Raise `ConfigurationError` when the state is that of a deployment with another name; one without a name is anybody's.

    Both would count the same events into the same topics; since transactional ids are of the topics, they end each other's
    transactions, so that no figure is wrong, but neither would get far.
    """
    own = settings.worker.application_id
    if writer and writer != own:
        raise ConfigurationError(
            f"worker.application_id: seen {own!r}, but the state of partition {number} is written by {writer!r}: give this deployment topics "
            "of its own (kafka.prefix); if it was renamed, stop the workers and run `centralita rebuild`"
        )


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
        committed = _committed(consumer, place, time.monotonic() + timeout)
    except KafkaException as error:
        raise RestartError(
            f"partition {number}: the input's offsets are not to be had: {error.args[0].str()}"
        ) from None
    finally:
        consumer.close()
    return Input(start, end, committed if committed >= 0 else None)


def _committed(consumer: Consumer, place: TopicPartition, deadline: float) -> int:
    """Return the group's offset; a broker that has just started, or begins to keep offsets, does not know it at once."""
    while True:
        try:
            offset: int = consumer.committed([place], timeout=max(0.1, deadline - time.monotonic()))[0].offset
        except KafkaException as error:
            if error.args[0].code() not in _SOON or time.monotonic() > deadline:
                raise
            time.sleep(_AGAIN)
        else:
            return offset


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
