"""End to end, exactly once: one worker process on a real broker, and beside it the peers on the same events in the same run.

Everything is written before the clock starts. A rate is that of what is surely done, between two commits: the last one seen, and the first after a
third of all, so that no start counts and no compilation of a JVM. Most peers do far less: a tumbling count and sum by queue, where the
worker keeps every KPI. `kafka-streams-kpis` does what the worker does with these events (benchmarks/peers/java/Kpis.java).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from uuid import uuid4

import click

from benchmarks.cluster import kafka
from benchmarks.peers import PEERS, Peer, PeerMissingError, Stage, committed
from benchmarks.processes import BenchmarkError, Child, Served
from benchmarks.report import Line, Section, typical
from benchmarks.traffic import REALISTIC, create, preload, recreate_outputs, simulated
from streams.broker.topics import TopicSet
from streams.simulate.timed import encoded

OURS = "centralita worker"
AIMED = ("kafka-streams", "kafka-streams-kpis", "kafka-streams-kpis-2s")
"""The peers that the aims are of."""
_EVERY = 0.2
_START = 60.0
"""Seconds for the first commit."""


class Sample(NamedTuple):
    """How many events are surely done, and the processor time spent, at a time; all of it since the start."""

    at: float
    done: int
    cpu: float


class Pace(NamedTuple):
    """Events a second, microseconds of processor an event, and the most memory of the process in bytes."""

    rate: float
    cpu: float
    memory: int


def watch(child: Child, done: Callable[[], int], total: int, seconds: float) -> Pace:
    """Follow a process until all is done, or for so long after its first commit."""
    deadline = time.monotonic() + _START
    samples: list[Sample] = []
    while time.monotonic() < deadline:
        if not child.running:
            raise BenchmarkError(f"it ended:\n{child.tail()}")
        with suppress(OSError):
            samples.append(Sample(time.monotonic(), done(), child.cpu_seconds()))
            if samples[-1].done >= total:
                break
            if samples[-1].done and not any(sample.done for sample in samples[:-1]):
                deadline = time.monotonic() + seconds
        time.sleep(_EVERY)
    return pace(samples, child.memory().peak)


def pace(samples: list[Sample], memory: int) -> Pace:
    """Return the pace between two commits that were seen: the last, and the first after a third of what was done.

    In the first third a JVM compiles. Where there is nothing between these two it is the pace from the first commit.

    >>> seen = [Sample(0, 0, 0.0), Sample(1, 100, 0.5), Sample(3, 500, 0.9), Sample(4, 500, 1.0)]
    >>> pace(seen, 0)
    Pace(rate=200.0, cpu=1000.0, memory=0)
    >>> pace([*seen, Sample(5, 1300, 2.5)], 0)
    Pace(rate=400.0, cpu=2000.0, memory=0)
    """
    moved = [now for before, now in itertools.pairwise(samples) if now.done > before.done]
    if len(moved) < 2:
        raise BenchmarkError(f"no two commits were seen: {samples[-1:]}")
    last = moved[-1]
    warm = next(sample for sample in moved if sample.done >= last.done / 3)
    first = moved[0] if warm is last else warm
    events = last.done - first.done
    return Pace(events / (last.at - first.at), (last.cpu - first.cpu) / events * 1e6, memory)


def worker(stage: Stage, seconds: float) -> Pace:
    """Let a worker that has nothing yet take all events."""
    topics = TopicSet(stage.prefix)
    recreate_outputs(stage.bootstrap, topics)
    with Served(
        "worker", stage.folder, environment(stage.bootstrap, stage.prefix, f"{stage.prefix}-{uuid4().hex[:6]}")
    ) as child:

        def done() -> int:
            return int(child.series().get("centralita_worker_events_total", 0))

        return watch(child, done, stage.events, seconds)


def environment(bootstrap: str, prefix: str, application: str | None = None, **more: str) -> dict[str, str]:
    """Return the variables of a worker or board of our own."""
    return {
        "CENTRALITA_KAFKA": bootstrap, "CENTRALITA_KAFKA_PREFIX": prefix,
        "CENTRALITA_WORKER_APPLICATION_ID": application or prefix,
    } | more  # fmt: skip


def peer(stage: Stage, one: Peer, seconds: float) -> Pace:
    """Let a peer that has nothing yet take the same events."""
    group = f"{one.name}-{uuid4().hex[:6]}"
    if one.by_customer:
        stage = stage._replace(by_queue=False)
    folder = stage.folder / group
    folder.mkdir()
    with Child(one.command(stage, group, folder), folder / "log") as child:
        return watch(child, committed(stage, group), stage.events, seconds)


@contextmanager
def prepared(events: int, *, by_queue: bool = False) -> Iterator[Stage]:
    """Give a broker with all events written: by customer, and for the peers by queue if asked for."""
    prefix = f"bench-{uuid4().hex[:6]}"
    with kafka() as bootstrap, TemporaryDirectory(prefix="centralita-bench-") as folder:
        stage = Stage(bootstrap, prefix, events, Path(folder), by_queue)
        topics = TopicSet(prefix)
        create(bootstrap, topics)
        preload(bootstrap, topics.events, encoded(simulated(REALISTIC, events)))
        if by_queue:
            create(bootstrap, TopicSet(stage.peers_prefix))
            preload(bootstrap, stage.peers_topic, encoded(simulated(REALISTIC, events)), by="queue")
        yield stage


def measure(
    events: int, repeat: int, names: list[str], seconds: float, *, ours: bool = True, by_queue: bool = False
) -> Section:
    """Run everyone in turns, ``repeat`` times, and return the medians."""
    ready, notes = available(names)
    found: dict[str, list[Pace]] = {}
    with prepared(events, by_queue=by_queue) as stage:
        for _ in range(repeat):
            if ours:
                found.setdefault(OURS, []).append(worker(stage, seconds * 2))
            for one in ready:
                try:
                    found.setdefault(one.name, []).append(peer(stage, one, seconds))
                except BenchmarkError as error:
                    notes.append(f"{one.name} failed: {error}")
    notes.append(
        "the events are months old: the worker catches up, and writes no sliding panes (`latency` has the live figure)"
    )
    if by_queue:
        notes.append("the peers that count by queue read a topic keyed by queue, so they need no topic in between")
    notes += [one.note for one in ready if one.note]
    paces = {name: _typical(runs) for name, runs in found.items() if runs}
    notes.append(
        f"{events:,} events, 4 partitions, the broker on the same cores, median of {repeat}; a peer gets {seconds:.0f} s"
    )
    return Section("End to end, one process each", _lines(paces), tuple(notes))


def available(names: list[str]) -> tuple[list[Peer], list[str]]:
    """Return the peers that can be had here, and why the others cannot."""
    ready, notes = [], []
    for name in names:
        try:
            ready.append(PEERS[name]().prepare())
        except PeerMissingError as error:
            notes.append(f"{name} is skipped: {error}")
    return ready, notes


def _typical(runs: list[Pace]) -> Pace:
    return Pace(typical(p.rate for p in runs), typical(p.cpu for p in runs), round(typical(p.memory for p in runs)))


def _lines(paces: dict[str, Pace]) -> list[Line]:
    lines: list[Line] = []
    for name, found in paces.items():
        lines += [
            Line(f"{name}: events", found.rate, "/s"),
            Line(f"{name}: processor an event", found.cpu, "us"),
            Line(f"{name}: memory at most", found.memory / 1e6, "MB"),
        ]
    ours = paces.get(OURS)
    if ours is None:
        return lines
    for name, found in paces.items():
        if name != OURS:
            aims = (">= 2", "<= 0.33") if name in AIMED else ("", "")
            lines += [
                Line(f"{OURS} / {name}: rate", ours.rate / found.rate, "x", aims[0]),
                Line(f"{OURS} / {name}: processor an event", ours.cpu / found.cpu, "x", aims[1]),
            ]
    return lines


_by_queue = click.option("--by-queue", is_flag=True, help="Peers read a topic keyed by queue: no topic in between.")
_events = click.option(
    "--events", type=click.IntRange(1), default=1_000_000, show_default=True, help="Events written before."
)
_repeat = click.option(
    "--repeat", type=click.IntRange(1), default=1, show_default=True, help="Rounds, of which the median."
)
_seconds = click.option(
    "--seconds", type=click.FloatRange(1), default=40.0, show_default=True, help="A peer's time at most."
)
_only = click.option(
    "--peer", "peers", multiple=True, type=click.Choice(list(PEERS)), help="Only this peer; may be repeated."
)


@click.command
@_events
@_repeat
@_seconds
@_only
@_by_queue
@click.option("--alone", is_flag=True, help="The worker without peers.")
def stream(events: int, repeat: int, seconds: float, peers: tuple[str, ...], *, alone: bool, by_queue: bool) -> Section:
    """Time a worker end to end, exactly once, beside the peers on the same events.

    Example: python -m benchmarks stream --events 200000 --peer faust
    """
    return measure(events, repeat, [] if alone else list(peers or PEERS), seconds, by_queue=by_queue)


@click.command
@_events
@_repeat
@_seconds
@_only
def peers(events: int, repeat: int, seconds: float, peers: tuple[str, ...]) -> Section:
    """Time the peers only: stock Faust, QuixStreams, Kafka Streams with the same small job and with the worker's own.

    Example: python -m benchmarks peers --peer quixstreams
    """
    return measure(events, repeat, list(peers or PEERS), seconds, ours=False)
