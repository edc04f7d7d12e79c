"""What one finished contact costs in memory while first-contact resolution may still look at it.

The engine takes simulated days of traffic, until all contacts are finished and quiet. tracemalloc says what Python holds, by the file
that asked for it: customers and contacts on one side, panes on the other. The same run without it says what the process grew by.
"""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import click

from benchmarks.report import Line, Section
from benchmarks.traffic import REALISTIC, simulated
from schemas.calls import CallQueued
from streams.engine.partition import Partition
from streams.engine.policy import Policy

_FLUSH = 5_000
_PANES = {"codes.py", "histogram.py", "measures.py", "panes.py", "ring.py", "slices.py", "stretch.py"}
_AGENTS = {"agents.py", "facts.py", "fields.py"}
_SIMULATED = "simulate"
_KEPT = {"contacts.py", "customer.py", "customers.py", "shelf.py", _SIMULATED}
"""The record of a customer, its place, and its key, which the simulation made. Folded contacts are gone by then: what `facts.py` and
`fields.py` made and is left are the digests and times of agents' states."""


class Held(NamedTuple):
    """Contacts that were seen, bytes that Python holds by file (with tracemalloc), and bytes the process grew by."""

    contacts: int
    by_file: dict[str, int]
    resident: int


def hold(contacts: int, *, traced: bool) -> Held:
    """Let an engine have so many contacts, and say what it holds then."""
    before = _resident()
    if traced:
        tracemalloc.start()
    partition, seen = _grown(contacts)
    gc.collect()
    by_file: Counter[str] = Counter()
    if traced:
        for held in tracemalloc.take_snapshot().statistics("filename"):
            path = Path(held.traceback[0].filename)
            by_file[_SIMULATED if path.parent.name == _SIMULATED else path.name] += held.size
    resident = _resident() - before
    assert partition.counted >= 0  # it is held until here
    return Held(seen, dict(by_file), resident)


def _grown(contacts: int) -> tuple[Partition, int]:
    """Return a partition in which everybody has gone quiet, and the number of its contacts."""
    partition = Partition(0, Policy(), write_behind=True)
    seen = 0
    for count, (_, key, event) in enumerate(simulated(REALISTIC)):
        seen += isinstance(event, CallQueued) and event.id.endswith(".1")
        partition.apply(key, event, event.time_us)
        if count % _FLUSH == 0:
            partition.flush()
            if seen >= contacts:
                break
    partition.flush()
    for hours in (13, 1, 1):  # beyond the longest wait: calls in progress at the end of the simulation are given up
        last = CallQueued(
            id=f"last-{partition.watermark}",
            time=partition.watermark / 1e6 + hours * 3600,
            contact_id="last",
            queue="last",
        )
        partition.apply(b"last", last, last.time_us)
        partition.flush()
    return partition, seen


def _resident() -> int:
    text = Path("/proc/self/statm").read_text(encoding="ascii")
    return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure(contacts: int) -> Section:
    """Run both ways, each in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        traced = pool.submit(hold, contacts, traced=True).result(1800)
        plain = pool.submit(hold, contacts, traced=False).result(1800)
    kept, panes, agents = (
        sum(size for name, size in traced.by_file.items() if name in names) for names in (_KEPT, _PANES, _AGENTS)
    )
    lines = [
        Line("a finished contact kept for first-contact resolution", kept / traced.contacts, "B", "< 400 B"),
        Line("panes of that traffic, a contact", panes / traced.contacts, "B"),
        Line("two days of agents' states, a contact", agents / traced.contacts, "B"),
        Line("the process grew by, a contact", plain.resident / plain.contacts, "B"),
    ]
    notes = (f"{traced.contacts:,} contacts, all finished; ids of about 20 characters, as switches give them",)
    return Section("Memory", lines, notes)


@click.command
@click.option("--contacts", type=click.IntRange(1), default=50_000, show_default=True, help="Contacts to finish.")
def memory(contacts: int) -> Section:
    """Measure the bytes of a finished contact.

    Example: python -m benchmarks memory --contacts 100000
    """
    return measure(contacts)
