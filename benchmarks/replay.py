"""A replay of a range of the topic: how fast it is with one and two processes beside the engine alone, and what memory it takes.

The engine alone is what a replay's process has to do at least: decode, count and flush as often as it does, one process, records in memory. Time
is by the clock, of the whole command: start, reading from the broker on the same machine, counting, journals, rows into a file. Where others share the
machine, the processor's time says more.
"""

from __future__ import annotations

import gc
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from uuid import uuid4

import click

from benchmarks.cluster import kafka
from benchmarks.processes import BenchmarkError, Child
from benchmarks.report import Line, Section, typical
from benchmarks.stream import environment
from benchmarks.traffic import PARTITIONS, REALISTIC, create, preload, records, simulated
from streams.broker.topics import TopicSet
from streams.engine.partition import Partition
from streams.engine.policy import Policy
from streams.replay.shard import FLUSH_EVERY, kept
from streams.simulate.timed import encoded

PROCESSES = (1, 2)
_SAMPLE = 300_000
_LOOK = 0.1


class Took(NamedTuple):
    """Seconds by the clock and of the processor, and bytes of all processes and of the largest one."""

    clock: float
    processor: float
    together: int = 0
    largest: int = 0


def alone(events: int) -> Took:
    """Return what an event takes the engine in this process."""
    taken = records(REALISTIC, events)
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)  # as a replay's process does
    partition = Partition(0, kept(Policy()))
    began, before = time.perf_counter(), time.process_time()
    for at in range(0, len(taken), FLUSH_EVERY):
        partition.process(taken[at : at + FLUSH_EVERY])
        partition.flush()
    return Took((time.perf_counter() - began) / len(taken), (time.process_time() - before) / len(taken))


class Run(Child):
    """One replay; its memory is that of all its processes together."""

    peak = 0
    largest = 0

    def watch(self, seconds: float) -> float:
        """Wait for its end, and return how long it took."""
        began = time.perf_counter()
        while self.running:
            if time.perf_counter() - began > seconds:
                raise BenchmarkError(f"it goes on after {seconds:.0f} s:\n{self.tail()}")
            with suppress(OSError, KeyError):
                sizes = [_resident(pid) for pid in (self.pid, *_children(self.pid))]
                self.peak, self.largest = max(self.peak, sum(sizes)), max(self.largest, *sizes)
            time.sleep(_LOOK)
        self.wait(1)
        return time.perf_counter() - began


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def _resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS")), 0)


def measure(events: int, repeat: int = 3, processes: tuple[int, ...] = PROCESSES) -> Section:
    """Fill a topic, and replay it with each number of processes."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        found = [pool.submit(alone, min(events, _SAMPLE)).result(600) for _ in range(repeat)]
    engine = Took(*(typical(values) for values in zip(*found, strict=True)))
    lines = [
        Line("engine alone, one process", 1 / engine.clock, "/s"),
        Line("  processor an event", engine.processor * 1e6, "us"),
    ]
    with kafka() as bootstrap, TemporaryDirectory(prefix="centralita-bench-") as name:
        topics = TopicSet(f"bench-{uuid4().hex[:6]}")
        create(bootstrap, topics)
        preload(bootstrap, topics.events, encoded(simulated(REALISTIC, events)))
        for count in processes:
            runs = [_run(bootstrap, topics, Path(name), count) for _ in range(repeat)]
            rate = typical(events / took.clock for took in runs)
            each = typical(took.processor / events for took in runs)
            lines += [
                Line(f"replay, {count} process{'es' if count > 1 else ''}", rate, "/s"),
                Line(f"  of the engine alone x {count}", rate * engine.clock / count, "", ">= 0.8"),
                Line("  processor an event, all processes", each * 1e6, "us"),
                Line("  the engine's share of that", engine.processor / each, ""),
                Line("  memory of all processes, at most", max(took.together for took in runs) / 1e6, "MB"),
                Line("  of the largest", max(took.largest for took in runs) / 1e6, "MB"),
            ]
    notes = (f"{events:,} events of {PARTITIONS} partitions, whole command by the clock, median of {repeat}",)
    return Section("Replay", lines, notes)


def _run(bootstrap: str, topics: TopicSet, folder: Path, processes: int) -> Took:
    output = folder / "rows.ndjson"
    command = [sys.executable, "-m", "streams.cli", "replay", "--from", "2026-03-01", "--every", "1h", "--by", "queue"]
    command += ["--processes", str(processes), "--output", str(output)]
    before = _processor()
    with Run(command, folder / "replay.log", environment(bootstrap, topics.prefix)) as run:
        seconds = run.watch(3_600)
    output.unlink()
    return Took(seconds, _processor() - before, run.peak, run.largest)


def _processor() -> float:
    """Return the processor time of all processes that have ended, those that these started among them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@click.command
@click.option("--events", type=click.IntRange(1), default=1_000_000, show_default=True, help="Events of the range.")
@click.option("--repeat", type=click.IntRange(1), default=3, show_default=True, help="Runs, of which the median.")
@click.option(
    "--processes",
    type=click.IntRange(1),
    multiple=True,
    default=PROCESSES,
    show_default=True,
    help="Processes, one of each.",
)
def replay(events: int, repeat: int, processes: tuple[int, ...]) -> Section:
    """Time a replay of a range of the topic with one and two processes, and watch its memory.

    Example: python -m benchmarks replay --events 10000000 --repeat 1 --processes 2
    """
    return measure(events, repeat, processes)
