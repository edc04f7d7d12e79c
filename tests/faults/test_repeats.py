"""Number 23 of the list: the whole input again, and dead letters sent again by a command that is killed."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from streams.broker.topics import TopicSet
from streams.simulate.faults import Faults
from tests.harness import records
from tests.harness.commands import centralita
from tests.harness.exactness import (
    STATUS,
    assert_exact,
    comparable,
    published,
    wait_until,
    wait_until_caught_up,
)
from tests.harness.invariants import assert_invariants, garbage, send
from tests.harness.storm import storm
from tests.harness.watcher import Watcher
from tests.harness.workers import WorkerProcess

pytestmark = pytest.mark.kafka


def figures(kafka: str, topics: TopicSet) -> dict[tuple[Any, ...], Any]:
    """Return everything published but how far the partitions are."""
    return comparable({place: value for place, value in published(kafka, topics).items() if place[1] != STATUS})


@pytest.mark.parametrize("partitions", [2])
def test_fault_23_the_whole_input_twice(kafka: str, topics: TopicSet, tmp_path: Path):
    """A day of events, and all of them again, up to a day late: no figure changes, all are counted as known."""
    items = list(storm(5_000, seed=23))
    with Watcher(kafka, topics), WorkerProcess(kafka, topics.prefix, tmp_path) as worker:
        worker.ready()
        send(kafka, topics, items)
        wait_until_caught_up(kafka, topics)
        before = figures(kafka, topics)
        send(kafka, topics, items)
        wait_until_caught_up(kafka, topics)
        assert figures(kafka, topics) == before
        assert_invariants(kafka, topics, garbage([*items, *items]))


@pytest.mark.parametrize("partitions", [2])
def test_fault_23_letters_sent_again_by_a_command_that_is_killed(kafka: str, topics: TopicSet, tmp_path: Path):
    """Killed half-way and run twice more: each letter is sent again exactly once, and no figure changes."""
    items = list(storm(4_000, seed=231, faults=Faults(garbage=0.6)))
    bad = garbage(items)
    with Watcher(kafka, topics), WorkerProcess(kafka, topics.prefix, tmp_path) as worker:
        worker.ready()
        send(kafka, topics, items)
        wait_until_caught_up(kafka, topics)
        before = figures(kafka, topics)
        assert worker.terminate() == 0
        command = centralita(kafka, topics, "dead-letters", "resend")
        wait_until(lambda: _step(command) and written(kafka, topics) > len(items), 60, "nothing was sent again", 0.0)
        command.kill()
        command.communicate()
        assert count(kafka, topics) < len(items) + bad.total(), "killed too late"
        for left in (False, True):
            said, _ = centralita(kafka, topics, "dead-letters", "resend").communicate(timeout=60)
            assert ("0 sent again, 0 parked" in said.decode().splitlines()) == left
        assert count(kafka, topics) == len(items) + bad.total()
        worker.start().ready()
        wait_until_caught_up(kafka, topics)
        assert figures(kafka, topics) == before
        assert_exact(kafka, topics)
        attempts = sorted(one.headers["dead-letter-attempt"] for one in records.read(kafka, topics.dead_letters))
        assert attempts == [b"1"] * bad.total() + [b"2"] * bad.total()


def _step(command: subprocess.Popen[bytes]) -> bool:
    """Let a command go on for a hundredth of a second, so that it is not done before somebody looks."""
    command.send_signal(signal.SIGCONT)
    time.sleep(0.01)
    command.send_signal(signal.SIGSTOP)
    return True


def written(kafka: str, topics: TopicSet) -> int:
    """Return where the events end, what is not committed included."""
    return sum(records.ends(kafka, topics.events, "read_uncommitted").values())


def count(kafka: str, topics: TopicSet) -> int:
    """Return how many events there are."""
    return sum(1 for _ in records.read(kafka, topics.events))
