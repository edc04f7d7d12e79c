"""A replay of a range of the topic: how fast it is with one and two processes beside the engine alone, and what memory it takes.

The engine alone is what a replay's processes have to do at least: decode, count and flush the same events as often and with the same breakdowns, in as many
processes at the same time (two engines on two cores are slower than one on one: they share caches, memory and sometimes a core), records in memory.
Time is by the clock, of the whole command: start, reading from the broker on the same machine, counting, journals, rows into a file. Where others
share the machine, the processor's time says more.
"""

from __future__ import annotations

import gc
import resource
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, suppress
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from uuid import uuid4

import click

from benchmarks.cluster import kafka
from benchmarks.processes import BenchmarkError, Child
from benchmarks.report import Line, Section, typical
from benchmarks.stream import environment
from benchmarks.traffic import PARTITIONS, REALISTIC, create, preload, simulated
from streams.broker.topics import TopicSet
from streams.engine.partition import Partition
from streams.engine.policy import Policy
from streams.engine.slices import BREAKDOWNS
from streams.replay.reading import Reading, Span, records_of
from streams.replay.shard import FLUSH_EVERY, broken_down, collect, kept
from streams.replay.topic import Asked, shares, spans
from streams.settings import KafkaSettings
from streams.simulate.timed import encoded

PROCESSES = (1, 2)
_SAMPLE = 500_000
_LOOK = 0.1


class Took(NamedTuple):
    """Seconds by the clock and of the processor, and bytes of all processes and of the largest one."""

    clock: float
    processor: float
    together: int = 0
    largest: int = 0


def alone(bootstrap: str, topic: str, processes: int, by: str | None = "queue") -> Took:
    """Return what an event takes that many engines at the same time, each with its partitions, as rows by ``by`` need them (None: all)."""
    kafka_settings = KafkaSettings(bootstrap=bootstrap)
    asked = Asked(kafka_settings, topic, 0, time.time_ns() // 1_000)
    found = [span._replace(end=min(span.end, _SAMPLE)) for span in spans(asked, Policy())]
    context = get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(processes, mp_context=context) as pool:
        ready = manager.Barrier(processes)
        running = [pool.submit(_engine, kafka_settings, topic, one, by, ready) for one in shares(found, processes)]
        took = [one.result(600) for one in running]
    events = sum(span.end - span.begin for span in found)
    return Took(max(one.clock for one in took) / events, sum(one.processor for one in took) / events)


def _engine(kafka_settings: KafkaSettings, topic: str, share: Sequence[Span], by: str | None, ready: Any) -> Took:
    """Count a process's share, which is in memory before all begin."""
    with closing(Reading(kafka_settings, topic, share)) as reading:
        taken = [(number, records_of(messages)) for number, messages in reading]
    breakdowns = BREAKDOWNS if by is None else broken_down(by)
    partitions = {span.partition: Partition(span.partition, kept(Policy()), breakdowns) for span in share}
    gc.collect()
    gc.freeze()
    gc.disable()
    ready.wait()
    began, before = time.perf_counter(), time.process_time()
    since = 0
    for number, some in taken:
        partitions[number].process(some)
        since += len(some)
        if since >= FLUSH_EVERY:
            since = 0
            _flush(partitions.values())
    _flush(partitions.values())
    return Took(time.perf_counter() - began, time.process_time() - before)


def _flush(partitions: Iterable[Partition]) -> None:
    for partition in partitions:
        partition.flush()
    collect()


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
    """Fill a topic, and replay it with each number of processes, by turns with the engine alone."""
    lines = []
    with kafka() as bootstrap, TemporaryDirectory(prefix="centralita-bench-") as name:
        topics = TopicSet(f"bench-{uuid4().hex[:6]}")
        create(bootstrap, topics)
        preload(bootstrap, topics.events, encoded(simulated(REALISTIC, events)))
        for count in processes:
            lines += _compared(bootstrap, topics, Path(name), events, repeat, count)
    notes = (
        f"{events:,} events of {PARTITIONS} partitions, whole command by the clock, median of {repeat}",
        "the engine alone in as many processes at once, with the breakdowns that the rows need, and with all, as a worker counts",
    )
    return Section("Replay", lines, notes)


def _compared(bootstrap: str, topics: TopicSet, folder: Path, events: int, repeat: int, count: int) -> list[Line]:
    found = []
    for _ in range(repeat):
        engine, worker = (alone(bootstrap, topics.events, count, by) for by in ("queue", None))
        found.append((engine, worker, _run(bootstrap, topics, folder, count)))
    rates = [(1 / engine.clock, 1 / worker.clock, events / took.clock) for engine, worker, took in found]
    used = [took.processor / events for *_, took in found]
    name = f"{count} process{'es' if count > 1 else ''}"
    return [
        Line(f"engine alone, {name}", typical(engine for engine, *_ in rates), "/s"),
        Line("  with all breakdowns", typical(worker for _, worker, _ in rates), "/s"),
        Line(f"replay, {name}", typical(rate for *_, rate in rates), "/s"),
        Line("  of the engine alone", typical(rate / engine for engine, _, rate in rates), "", ">= 0.8"),
        Line("  of the engine with all breakdowns", typical(rate / worker for _, worker, rate in rates), "", ">= 0.8"),
        Line("  processor an event, all processes", typical(used) * 1e6, "us"),
        Line("  the engine's", typical(engine.processor for engine, *_ in found) * 1e6, "us"),
        Line("  memory of all processes, at most", max(took.together for *_, took in found) / 1e6, "MB"),
        Line("  of the largest", max(took.largest for *_, took in found) / 1e6, "MB"),
    ]


def _run(bootstrap: str, topics: TopicSet, folder: Path, processes: int) -> Took:
    output = folder / "rows.ndjson"
    command = [sys.executable, "-m", "streams.cli", "replay", "--from", "2026-03-02", "--every", "1h", "--by", "queue"]
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
