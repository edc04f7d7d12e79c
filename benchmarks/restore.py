"""How long a worker takes to get back the state of many contacts, and what that state takes in memory.

The state is made by the engine in processes of our own, one partition each, from a simulated Monday to as many days as it takes, and written
as a compacted topic would hold it: the last record of every key. Its worker finds an empty input and a state to restore.
"""

from __future__ import annotations

import gc
import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from uuid import uuid4

import click

from benchmarks.cluster import kafka
from benchmarks.processes import Served
from benchmarks.report import Line, Section
from benchmarks.stream import environment
from benchmarks.traffic import PARTITIONS, REALISTIC, create, producing, send, simulated
from streams.broker.topics import TopicSet
from streams.engine.partition import Changes, Partition
from streams.engine.policy import Policy

_FLUSH = 20_000
_TOOK = re.compile(r"Took a partition\..* records=(\d+) seconds=([\d.]+)")


class Image(NamedTuple):
    """What was written of one partition."""

    contacts: int
    records: int
    size: int


def write(bootstrap: str, topics: TopicSet, number: int, contacts: int) -> Image:
    """Make and write the state and the figures of one partition."""
    gc.disable()
    state, kpis, seen = image(number, contacts)
    with producing(bootstrap) as producer:
        for topic, records in ((topics.state, state), (topics.kpis, kpis)):
            for key, value in records.items():
                send(producer, topic, key, value, partition=number)
    size = sum(len(key) + len(value) for records in (state, kpis) for key, value in records.items())
    return Image(seen, len(state) + len(kpis), size)


def image(number: int, contacts: int) -> tuple[dict[bytes, bytes], dict[bytes, bytes], int]:
    """Return the last record of each key of state and figures after about ``contacts`` contacts, and how many there were."""
    partition = Partition(number, Policy(), write_behind=True)
    center = REALISTIC.larger(1 / PARTITIONS)
    state: dict[bytes, bytes] = {}
    kpis: dict[bytes, bytes] = {}
    seen: set[str] = set()
    for count, (_, key, event) in enumerate(simulated(center, seed=f"restore-{number}")):
        partition.apply(key, event, event.time_us)
        contact = getattr(event, "contact_id", None)
        if contact is not None:
            seen.add(contact)
        if count % _FLUSH == 0:
            _fold(partition.flush(), state, kpis)
            if len(seen) >= contacts:
                break
    _fold(partition.flush(), state, kpis)
    return state, kpis, len(seen)


def _fold(changes: Changes, state: dict[bytes, bytes], kpis: dict[bytes, bytes]) -> None:
    for records, into in ((changes.state, state), (changes.kpis, kpis)):
        for key, value in records:
            if value is None:
                into.pop(key, None)
            else:
                into[key] = value


def written(bootstrap: str, topics: TopicSet, contacts: int) -> list[Image]:
    """Write all partitions, as many at a time as there are cores."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        share = contacts // PARTITIONS
        waiting = [pool.submit(write, bootstrap, topics, number, share) for number in range(PARTITIONS)]
        return [one.result(1800) for one in waiting]


def measure(contacts: int) -> Section:
    """Write the state, and time a worker that starts on it."""
    with kafka() as bootstrap, TemporaryDirectory(prefix="centralita-bench-") as name:
        folder = Path(name)
        topics, empty = TopicSet(f"bench-{uuid4().hex[:6]}"), TopicSet(f"bench-{uuid4().hex[:6]}")
        create(bootstrap, topics)
        create(bootstrap, empty)
        images = written(bootstrap, topics, contacts)
        idle = _memory_of_idle(bootstrap, empty, folder)
        with Served("worker", folder, environment(bootstrap, topics.prefix)) as worker:
            worker.ready(600)
            memory = worker.memory()
            took = [(int(found[1]), float(found[2])) for found in _TOOK.finditer(worker.log.read_text())]
        with Served("board", folder, environment(bootstrap, topics.prefix)) as board:
            board.ready(600)
            shown = board.memory().now
    seen, records = sum(one.contacts for one in images), sum(one.records for one in images)
    seconds = max(found for _, found in took)
    lines = [
        Line(f"restore of {seen:,} contacts", seconds, "s", "< 10 s for 1,000,000"),
        Line("records restored", sum(count for count, _ in took) / seconds, "/s"),
        Line("records a contact, panes included", records / seen, ""),
        Line("bytes of records a contact", sum(one.size for one in images) / seen, "B"),
        Line("worker: memory after restoring", memory.now / 1e6, "MB", "< 1.5 GB"),
        Line("worker: memory while restoring at most", memory.peak / 1e6, "MB"),
        Line("worker: memory a contact, panes included", (memory.now - idle) / seen, "B"),
        Line("board: memory after reading", shown / 1e6, "MB", "< 1 GB"),
    ]
    notes = (f"{PARTITIONS} partitions in one worker at once; {records:,} records, {seen / 98_000:.1f} simulated days",)
    return Section("Restoring a worker", lines, notes)


def _memory_of_idle(bootstrap: str, topics: TopicSet, folder: Path) -> int:
    with Served("worker", folder, environment(bootstrap, topics.prefix)) as worker:
        worker.ready()
        return worker.memory().now


@click.command
@click.option("--contacts", type=click.IntRange(4), default=200_000, show_default=True, help="Contacts in the state.")
def restore(contacts: int) -> Section:
    """Time a worker's restore of the state of finished contacts; a million takes minutes to make.

    Example: python -m benchmarks restore --contacts 1000000
    """
    return measure(contacts)
