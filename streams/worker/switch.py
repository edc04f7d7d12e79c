"""State and figures made anew take the place of the old ones: one transaction over all partitions, so all of it or nothing.

While it is written nobody else may write to a partition, or the old and the new would mix. A worker writes with the id of its partition,
a rebuild with one of its own, so that neither fences the other by writing; what keeps them apart is this order:

    fence everyone      workers that run write nothing more
    count               the rest of the events
    hold                a record in each partition's state: whoever takes a partition from now on sees an open transaction there
                        and ends it, which ends the rebuild (store.py)
    fence everyone      who took a partition before it was held, writes nothing more
    look                has one of them written meanwhile? Then nothing is changed
    write, commit

Each partition's figures begin with ``["rebuilt"]``: boards go on showing the old ones until the new ones of all partitions are there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

import msgspec
from confluent_kafka import TopicPartition

from schemas.panes import PARTITION, REBUILT, Rebuilt
from streams.broker.topics import TopicSet
from streams.engine.marker import MARKER
from streams.engine.records import Changes, Records
from streams.errors import FencedError
from streams.replay.journal import frames
from streams.settings import Settings
from streams.worker.crashes import crash_point
from streams.worker.ends import Ends
from streams.worker.marker import signed
from streams.worker.store import REBUILD_PATIENCE, Store, end_rebuild, read_committed, rebuild_writer
from streams.worker.writer import Writer

_HOLD: Final = b"rebuild"
"""The key of a record of the state that says nothing but that the partition is being rebuilt: it deletes what never is."""
Kept = dict[bytes, bytes]
Seen = dict[bytes, bytes | None]
"""Keys that are there, some with their values."""


def fence(settings: Settings, numbers: Iterable[int]) -> dict[int, int]:
    """End what a rebuild that was killed, and workers, may be writing to partitions; return where the state of each ends then."""
    end_rebuild(settings)
    return _fence_workers(settings, numbers)


def _fence_workers(settings: Settings, numbers: Iterable[int]) -> dict[int, int]:
    partitions = list(numbers)
    with ThreadPoolExecutor(8) as threads:  # each takes a few round trips
        list(threads.map(lambda number: _fence_worker(settings, number), partitions))
    topic = TopicSet(settings.kafka.prefix).state
    with closing(Ends(settings)) as ends:
        found = ends.of([TopicPartition(topic, number) for number in partitions])
    return {number: found[topic, number].high for number in partitions}


def _fence_worker(settings: Settings, number: int) -> None:
    with closing(Store(settings, number)) as store:
        store.fence()


def switch(settings: Settings, journals: dict[int, Path], ends: dict[int, int], progress: Callable[[], None]) -> bool:
    """Put what the journals of all partitions hold in the place of what is there; ``progress`` is called for each partition.

    Return whether every reader sees it; if not, they will when the broker answers again. ``ends`` is what `fence` returned before the journals
    were finished. Raises FencedError when a worker was started meanwhile, or the broker did not take it all.
    """
    topics = TopicSet(settings.kafka.prefix)
    deadline = time.monotonic() + REBUILD_PATIENCE
    mark = Rebuilt(uuid4().hex, [number for number, path in journals.items() if path.stat().st_size])
    with closing(rebuild_writer(settings)) as writer:
        with _unchanged(writer):
            writer.fence()
            writer.begin()
            _hold(writer, topics, journals, deadline)
            _refuse_written(ends, _fence_workers(settings, journals))
            for number, journal in journals.items():
                _write(writer, _changes(settings, number, journal, mark), topics, number, deadline)
                crash_point("during-switch")
                progress()
            if writer.flush(deadline):
                raise FencedError(f"rebuild: the broker did not take it in {REBUILD_PATIENCE:.0f} s")
        try:
            writer.commit(deadline)
        except FencedError as error:
            message = (
                f"{error}; all partitions have the new state and figures, or none: stop the workers and run it again"
            )
            raise FencedError(message) from None
    # A broker answers before readers of every partition see the commit, and lets nobody begin anew with its id until they do.
    try:
        end_rebuild(settings)
    except FencedError:
        return False
    return True


@contextmanager
def _unchanged(writer: Writer) -> Iterator[None]:
    """Take back what is written when something goes wrong, and say so."""
    try:
        yield
    except FencedError as error:
        writer.abort()
        raise FencedError(f"{error}; nothing has changed: stop the workers and run it again") from None
    except BaseException:
        writer.abort()
        raise


def _hold(writer: Writer, topics: TopicSet, numbers: Iterable[int], deadline: float) -> None:
    for number in numbers:
        writer.produce(topics.state, number, [(_HOLD, None)], deadline)
    if writer.flush(deadline):
        raise FencedError("rebuild: the broker takes no records")
    crash_point("during-switch")


def _refuse_written(before: dict[int, int], now: dict[int, int]) -> None:
    """Raise when there is more in a partition's state than the record that holds it."""
    for number, end in now.items():
        if end != before[number] + 1:
            raise FencedError(f"partition {number}: a worker has written to it meanwhile")


def _write(writer: Writer, changes: Changes, topics: TopicSet, number: int, deadline: float) -> None:
    """Write a partition; one at a time is in memory."""
    writer.produce(topics.kpis, number, changes.kpis, deadline)
    writer.produce(topics.state, number, changes.state, deadline)


def _changes(settings: Settings, number: int, journal: Path, mark: Rebuilt) -> Changes:
    """Return the records that make the state and the figures of a partition those of a journal; what it lacks is deleted."""
    old_state, old_kpis = _known(settings, number)
    state, kpis = _last(journal)
    gone = [key for key in old_kpis if key not in kpis]
    figures: Records = [(REBUILT, msgspec.json.encode(mark)), *((key, None) for key in gone if key != REBUILT)]
    figures += sorted(kpis.items(), key=lambda record: record[0] == PARTITION)
    records: Records = [(key, None) for key in old_state if key not in state]
    records += sorted(state.items(), key=lambda record: record[0] == MARKER)
    return Changes(signed(records, settings) if MARKER in state else records, figures)


def _known(settings: Settings, number: int) -> tuple[Seen, Seen]:
    """Return the keys of the state and of the figures that are there."""
    state: Seen = {}
    kpis: Seen = {}
    topics = TopicSet(settings.kafka.prefix)
    read_committed(settings, number, {topics.state: keeping(state), topics.kpis: keeping(kpis)}, lambda *_: None)
    return state, kpis


def keeping(seen: Seen, *, values_of: tuple[bytes, ...] = ()) -> Callable[[Records], None]:
    """Return what keeps the keys of the records that it is fed, without those that were deleted, and the values of those that begin so."""

    def feed(records: Records) -> None:
        for key, value in records:
            if value is None:
                seen.pop(key, None)
            else:
                seen[key] = value if key.startswith(values_of) else None

    return feed


def _last(path: Path) -> tuple[Kept, Kept]:
    """Return the last value of each key of a journal's state and figures."""
    state: dict[bytes, bytes | None] = {}
    kpis: dict[bytes, bytes | None] = {}
    for frame in frames(path):
        state.update(frame.state)
        kpis.update(frame.kpis)
    return tuple({key: value for key, value in found.items() if value is not None} for found in (state, kpis))  # type: ignore[return-value]
