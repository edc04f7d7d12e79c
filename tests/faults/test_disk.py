"""Number 19 of the list: the disk under the broker is full."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.broker.embedded import EmbeddedKafka
from streams.broker.topics import TopicSet
from tests.chaos.feeder import Feeder
from tests.conftest import program
from tests.harness import records
from tests.harness.exactness import progress, wait_until, wait_until_caught_up
from tests.harness.invariants import assert_invariants
from tests.harness.storm import storm
from tests.harness.watcher import Watcher
from tests.harness.workers import WorkerProcess

pytestmark = [pytest.mark.kafka, pytest.mark.long, pytest.mark.timeout(300)]
SIZE_MB = 128
LEFT = 2_000_000
"""Bytes that are free when the disk begins to fill."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, small and real."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = [program("mount"), "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"only root may mount a small disk: {done.stderr.strip()}")
    yield folder
    subprocess.run([program("umount"), "--lazy", str(folder)], check=True)


@pytest.fixture
def broker(disk: Path, tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A broker whose logs, those of its controller too, are on that disk."""
    with EmbeddedKafka(tmp_path / "kafka", settings={"log.dirs": str(disk / "log")}) as broker:
        yield broker


def test_fault_19_the_disk_of_the_broker_is_full(broker: EmbeddedKafka, own: TopicSet, disk: Path, tmp_path: Path):
    """The broker dies of it, the worker waits or ends with its code; with room and a start of the broker all goes on, exactly."""
    feeder = Feeder(broker.bootstrap, own.events, storm(100_000, seed=19), rate=1_500)
    with Watcher(broker.bootstrap, own), WorkerProcess(broker.bootstrap, own.prefix, tmp_path) as worker:
        worker.ready()
        feeder.start()
        wait_until(lambda: sum(progress(broker.bootstrap, own).values()) > 3_000, 60, f"too slow: {worker.tail()}")
        ballast = disk / "ballast"
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - LEFT)
        wait_until(lambda: not broker.running, 60, "the broker goes on though its disk is full")
        assert "No space left on device" in broker.log.read_text(), broker.log
        wait_until(lambda: worker.problems() != [], 60, f"it says that it is ready: {worker.tail()}")
        worker.revive()
        ballast.unlink()
        broker.start()
        assert not feeder.done, f"the load ended too early: {feeder.failed}"
        feeder.stop()
        wait_until(lambda: feeder.done, 60, "the load did not get through")
        assert feeder.failed == []
        wait_until_caught_up(broker.bootstrap, own, supervised=[worker])
        assert sum(records.ends(broker.bootstrap, own.events).values()) == feeder.sent
        assert_invariants(broker.bootstrap, own, feeder.garbage)
        assert worker.ready().terminate() == 0
