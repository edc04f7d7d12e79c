"""The engine alone: how long one core takes an event, decode included, and what of it is decode, process and flush.

backlog: the realistic center, a day later. A flush of 5,000 events covers eight minutes, so most panes are in it; sliding ones are not.
live:    10,000 events a second, as they come. A flush covers half a second, sliding panes are written.
"""

from __future__ import annotations

import gc
import time
from typing import NamedTuple

import click

from benchmarks.report import Line, Section, typical
from benchmarks.traffic import REALISTIC, live, records
from schemas.events import decode
from streams.engine.partition import Partition, Record
from streams.engine.policy import DAY, Policy
from streams.simulate.center import Center

LIVE_RATE = 10_000.0


class Case(NamedTuple):
    """A center, and how far the clock is ahead of its events (microseconds)."""

    center: Center
    behind: int


def cases() -> dict[str, Case]:
    """Return what is measured."""
    return {"backlog": Case(REALISTIC, DAY), "live": Case(live(LIVE_RATE), 0)}


class Spent(NamedTuple):
    """Seconds of processor time of one run over all records, and the records that it wrote."""

    decode: float
    process: float
    advance: float
    flush: float
    state: int
    kpis: int

    @property
    def total(self) -> float:
        """Seconds of everything; process has decode in it."""
        return self.process + self.advance + self.flush


def measure(events: int, flush_every: int, repeat: int) -> Section:
    """Run every center ``repeat`` times."""
    lines: list[Line] = []
    for name, case in cases().items():
        lines += _lines(name, _run(case, events, flush_every, repeat), events)
    notes = (
        f"{events:,} events, one partition, flush every {flush_every:,}, median of {repeat} runs; process is without decode",
        "panes and state records are those that a flush returned",
    )
    return Section("Engine alone, one core", lines, notes)


def _run(case: Case, events: int, flush_every: int, repeat: int) -> Spent:
    taken = records(case.center, events)
    gc.collect()
    gc.freeze()
    gc.disable()  # as the worker does
    runs = [_once(taken, flush_every, case.behind) for _ in range(repeat)]
    gc.enable()
    gc.unfreeze()
    return Spent(*(typical(values) for values in zip(*runs, strict=True)))  # type: ignore[arg-type]  # the counts are equal


def _once(taken: list[Record], flush_every: int, behind: int) -> Spent:
    gc.collect()
    clock = time.process_time  # others on the machine must not count
    began = clock()
    for record in taken:
        decode(record.value or b"")
    decoding = clock() - began
    partition = Partition(0, Policy(), write_behind=True)
    process = advance = flush = 0.0
    state = kpis = 0
    for at in range(0, len(taken), flush_every):
        t0 = clock()
        partition.process(taken[at : at + flush_every])
        t1 = clock()
        partition.advance(partition.watermark + behind)
        t2 = clock()
        changes = partition.flush()
        t3 = clock()
        process, advance, flush = process + t1 - t0, advance + t2 - t1, flush + t3 - t2
        state, kpis = state + len(changes.state), kpis + len(changes.kpis)
    return Spent(decoding, process, advance, flush, state, kpis)


def _lines(name: str, spent: Spent, events: int) -> list[Line]:
    def each(seconds: float) -> float:
        return seconds / events * 1e6

    return [
        Line(f"{name}: events", events / spent.total, "/s", "250,000/s"),
        Line(f"{name}: an event", each(spent.total), "us"),
        Line(f"{name}:   decode", each(spent.decode), "us"),
        Line(f"{name}:   process", each(spent.process - spent.decode), "us"),
        Line(f"{name}:   advance", each(spent.advance), "us"),
        Line(f"{name}:   flush", each(spent.flush), "us"),
        Line(f"{name}: state records an event", spent.state / events, ""),
        Line(f"{name}: records of kpis an event", spent.kpis / events, ""),
    ]


@click.command
@click.option("--events", type=click.IntRange(1), default=300_000, show_default=True, help="Events of a run.")
@click.option("--flush-every", type=click.IntRange(1), default=5_000, show_default=True, help="Events between flushes.")
@click.option("--repeat", type=click.IntRange(1), default=3, show_default=True, help="Runs, of which the median.")
def engine(events: int, flush_every: int, repeat: int) -> Section:
    """Time the engine alone, decode included, over simulated traffic.

    Example: python -m benchmarks engine --events 1000000
    """
    return measure(events, flush_every, repeat)
