"""Ready means: assigned, restored, the broker tells the ends, no lag that stands still."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from streams.settings import Settings, WorkerSettings
from streams.worker import monitor as monitor_module
from streams.worker.ends import End
from streams.worker.metrics import Metrics
from streams.worker.monitor import Monitor
from streams.worker.poison import Poison

SETTINGS = Settings(worker=WorkerSettings(progress_timeout=60))


def monitor(lag: int = 0, *, restored: bool = True, idle: float = 0.0) -> tuple[Monitor, Any]:
    """A monitor that has looked at one partition with this lag, whose last progress was so many seconds ago."""
    one = SimpleNamespace(restored=restored, progress_at=time.monotonic() - idle, committed=0)
    owner = SimpleNamespace(owned={0: one}, assigned_at=1.0, poison=Poison(60))
    made = Monitor(SETTINGS, owner, Metrics())  # type: ignore[arg-type]
    made._looked_at = time.monotonic()
    made._lag[0] = lag
    return made, owner


def test_a_partition_that_keeps_up_is_ready():
    """No lag, or lag with progress."""
    assert monitor()[0].problems() == monitor(5)[0].problems() == monitor(idle=3600)[0].problems() == []


@pytest.mark.parametrize(
    ("lag", "restored", "idle", "said"),
    [(5, True, 31, "has lag and makes no progress"), (0, False, 0, "is being restored")],
)
def test_a_partition_that_does_not_is_named(lag: int, restored: bool, idle: float, said: str):  # noqa: FBT001
    """Half the time that the watchdog allows."""
    assert monitor(lag, restored=restored, idle=idle)[0].problems() == [f"partition 0 {said}"]


def test_a_worker_without_partitions_or_broker_is_not_ready():
    """It says which."""
    made, owner = monitor()
    owner.assigned_at, made._looked_at = None, None
    assert len(made.problems()) == 2


def test_the_watchdog_counts_from_the_first_event_that_waits():
    """An idle partition has no progress either; lag alone makes it stand still, after the whole time."""
    made, owner = monitor(idle=3600)
    made._measure(0, 5, owner.owned[0].progress_at)
    assert made._stalled(60) == []
    owner.owned[0].progress_at = time.monotonic() - 61
    assert made._stalled(60) == [0]


def test_a_transaction_that_stays_open_is_a_problem():
    """Longer than any of ours may be."""
    made, _ = monitor()
    made._unstable = {("x.kpis", 1): (7, time.monotonic() - 2 * SETTINGS.worker.transaction_timeout - 1)}
    assert made.problems() == ["a transaction hangs on x.kpis-1"]


@pytest.mark.parametrize(("moves", "hanging"), [(True, 0), (False, 3)])
def test_only_an_end_that_stands_still_hangs(monkeypatch: pytest.MonkeyPatch, moves: bool, hanging: int):  # noqa: FBT001
    """Under steady load every look finds a transaction open, but never the same one."""
    made, _ = monitor()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for look in range(int(2 * SETTINGS.worker.transaction_timeout) + 5):
        stable = 100 * look if moves else 100
        ends = SimpleNamespace(
            of=lambda places, stable=stable: {(p.topic, p.partition): End(stable, 9000) for p in places}
        )
        asyncio.run(made._look(ends))  # type: ignore[arg-type]
        now += 1
    assert len([one for one in made.problems() if "hangs" in one]) == hanging


def test_the_watchdog_ends_the_process_though_the_log_hangs(monkeypatch: pytest.MonkeyPatch):
    """A full pipe blocks whoever logs; the exit code is the same."""
    read, ended = threading.Event(), threading.Event()
    codes: list[int] = []

    def exit_(code: int) -> None:
        codes.append(code)
        ended.set()

    monkeypatch.setattr(os, "_exit", exit_)
    monkeypatch.setattr(monitor_module, "LAST_WORDS", 0.05)
    monkeypatch.setattr(monitor_module, "log", lambda *_, **__: read.wait(10))
    monkeypatch.setattr(monitor_module.logging, "shutdown", lambda: None)
    thread = threading.Thread(target=monitor_module._end, args=["the event loop"], daemon=True)
    thread.start()
    try:
        assert ended.wait(5)
        assert codes == [75]
    finally:
        read.set()
        thread.join(5)
