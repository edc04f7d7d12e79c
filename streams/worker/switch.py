"""State and figures made anew take the place of the old ones, at once.

Each partition gets one transaction of its own writer, which fences a worker that runs after all: what is new, and tombstones for
what no longer is. All transactions are written first, then committed one right after the other. Their figures begin with ``["rebuilt"]``:
boards go on showing the old ones until the new ones of all partitions are there.

    counting             writing                 committing
    |------- old figures on the boards ---------------|--- new ones --->
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final
from uuid import uuid4

import msgspec

from schemas.panes import PARTITION, REBUILT, Rebuilt
from streams.engine.marker import MARKER
from streams.engine.partition import Changes
from streams.engine.records import Records
from streams.errors import FencedError
from streams.replay.journal import frames
from streams.settings import Settings
from streams.worker.store import Store

PATIENCE: Final = 600.0
"""Seconds for a transaction: that of a large partition waits until the others are written. A broker allows 900 unless told otherwise."""
Kept = dict[bytes, bytes]


def switch(settings: Settings, journals: dict[int, Path], progress: Callable[[], None]) -> None:
    """Put what the journals of all partitions hold in the place of what is there; ``progress`` is called for each partition.

    Raises FencedError when a worker was started meanwhile. Then nothing has changed, unless it says so.
    """
    patient = replace(settings, worker=replace(settings.worker, transaction_timeout=PATIENCE))
    with _stores(patient, sorted(journals)) as stores:
        mark = Rebuilt(uuid4().hex, [number for number, path in journals.items() if path.stat().st_size])
        for number, store in stores.items():
            _write(store, *_last(journals[number]), mark)
            progress()
        _commit(stores)


@contextmanager
def _stores(settings: Settings, numbers: Sequence[int]) -> Iterator[dict[int, Store]]:
    """Give the writer of each partition; what is not committed at the end is taken back."""
    stores: dict[int, Store] = {}
    try:
        for number in numbers:
            stores[number] = Store(settings, number)
            stores[number].fence()
        yield stores
    except BaseException:
        for store in stores.values():
            store.abort()
        raise
    finally:
        for store in stores.values():
            store.close()


def _write(store: Store, state: Kept, kpis: Kept, mark: Rebuilt) -> None:
    old_state, old_kpis = _known(store)
    gone = [key for key in old_kpis if key not in kpis]
    figures: Records = [(REBUILT, msgspec.json.encode(mark)), *((key, None) for key in gone if key != REBUILT)]
    figures += sorted(kpis.items(), key=lambda record: record[0] == PARTITION)
    records: Records = [(key, None) for key in old_state if key not in state]
    records += sorted(state.items(), key=lambda record: record[0] == MARKER)
    store.write(Changes(records, figures), (), time.monotonic() + PATIENCE)


def _known(store: Store) -> tuple[dict[bytes, None], dict[bytes, None]]:
    """Return the keys of the state and of the figures that are there."""
    state: dict[bytes, None] = {}
    kpis: dict[bytes, None] = {}
    store.restore(keeping(state), keeping(kpis), lambda *_: None)
    return state, kpis


def keeping(keys: dict[bytes, None]) -> Callable[[bytes, bytes | None], None]:
    """Return what keeps the keys of the records that it is fed, without those that were deleted."""

    def feed(key: bytes, value: bytes | None) -> None:
        if value is None:
            keys.pop(key, None)
        else:
            keys[key] = None

    return feed


def _commit(stores: dict[int, Store]) -> None:
    done: list[int] = []
    for number, store in stores.items():
        try:
            store.finish(time.monotonic() + PATIENCE)
        except FencedError as error:
            if not done:
                raise
            raise FencedError(
                f"{error}; partitions {', '.join(map(str, done))} are new, the others are not: stop the workers and rebuild again"
            ) from None
        done.append(number)


def _last(path: Path) -> tuple[Kept, Kept]:
    """Return the last value of each key of a journal's state and figures."""
    state: dict[bytes, bytes | None] = {}
    kpis: dict[bytes, bytes | None] = {}
    for frame in frames(path):
        state.update(frame.state)
        kpis.update(frame.kpis)
    return tuple({key: value for key, value in found.items() if value is not None} for found in (state, kpis))  # type: ignore[return-value]
