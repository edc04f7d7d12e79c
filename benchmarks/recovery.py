"""How long figures stand still when a worker is killed under load and started again at once.

kill -9 -- new process -- [the group waits for the dead member: session timeout] -- fence, restore -- first commit -- caught up
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import click

from benchmarks.cluster import kafka
from benchmarks.open_loop import outcome, sending
from benchmarks.processes import Served, sums
from benchmarks.report import Line, Section
from benchmarks.stream import environment
from benchmarks.traffic import create
from streams.broker.topics import TopicSet

SESSION = 10.0
_TIMES = {
    "CENTRALITA_WORKER_SESSION_TIMEOUT": str(SESSION),
    "CENTRALITA_WORKER_TRANSACTION_TIMEOUT": "6",
    "CENTRALITA_WORKER_PROGRESS_TIMEOUT": "60",
}
_TOOK = re.compile(r"Took a partition\..* partition=(\d+) offset=(\d+)")
_BEFORE = 10.0
"""Seconds of load before the kill."""
_ENOUGH = 100.0
"""Records of lag that count as caught up: less than one commit interval's."""


def measure(rate: float, seconds: float) -> Section:
    """Kill a worker in the middle of a load and follow the next one."""
    with kafka() as bootstrap, TemporaryDirectory(prefix="centralita-bench-") as name:
        folder, topics = Path(name), TopicSet(f"bench-{uuid4().hex[:6]}")
        create(bootstrap, topics)
        with (
            Served("worker", folder, environment(bootstrap, topics.prefix, **_TIMES)) as worker,
            sending(bootstrap, topics.events, rate, seconds, folder) as producer,
        ):
            worker.ready()
            worker.until(lambda: _done(worker) > 0, 60, "committed nothing")
            time.sleep(_BEFORE)
            worker.kill()
            killed = time.monotonic()
            worker.start()
            first = worker.until(lambda: _done(worker) > 0, SESSION + 60, "committed nothing after the kill")
            caught_up = worker.until(lambda: _lag(worker) <= max(_ENOUGH, rate / 2), 120, "did not catch up")
            producer.wait(seconds + 120)
            total = len(outcome(folder))
            worker.until(
                lambda: _before(worker) + _done(worker) == total, 60, f"did not count {total} events once each"
            )
    lines = [
        Line("kill to first commit", first - killed, "s"),
        Line("first commit beyond the session timeout", first - killed - SESSION, "s", "< 5 s"),
        Line("kill to caught up", caught_up - killed, "s"),
    ]
    notes = (f"{rate:,.0f} events a second, session timeout {SESSION:.0f} s, the next worker started at once",)
    return Section("Recovery after kill -9", lines, notes)


def _before(worker: Served) -> int:
    """Return how many were committed before a worker took its partitions, as it says itself."""
    return sum({found[1]: int(found[2]) for found in _TOOK.finditer(worker.log.read_text())}.values())


def _done(worker: Served) -> float:
    """Return how many it has committed since."""
    return worker.series().get("centralita_worker_events_total", 0.0)


def _lag(worker: Served) -> float:
    return sums(worker.get("/metrics")).get("centralita_worker_lag_records", float("inf"))


@click.command
@click.option("--rate", type=click.FloatRange(1), default=5_000.0, show_default=True, help="Events a second.")
@click.option("--seconds", type=click.FloatRange(20), default=50.0, show_default=True, help="How long to send.")
def recovery(rate: float, seconds: float) -> Section:
    """Time a worker's return after kill -9 under load.

    Example: python -m benchmarks recovery --rate 2000
    """
    return measure(rate, seconds)
