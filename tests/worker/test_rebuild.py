"""What a rebuild says that it will lose, and what boards show until it is complete, against a real Kafka."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from streams.broker.topics import TopicSet
from streams.engine.policy import SECOND, Policy, QueuePolicy
from tests.board.boards import BoardProcess
from tests.harness import records
from tests.harness.exactness import assert_exact, expectation, wait_until, wait_until_caught_up
from tests.harness.traffic import calls
from tests.harness.workers import WorkerProcess
from tests.worker.test_commands import centralita, run_once

pytestmark = [pytest.mark.kafka, pytest.mark.parametrize("partitions", [2])]
ASKED = {"from": "2026-03-02T09:00:00Z", "to": "2026-03-02T11:00:00Z"}
LATER = 400_000
"""The number of a contact two days and seven hours after the first."""


def expire(kafka: str, topics: TopicSet) -> None:
    """Delete all events, as their retention would."""
    admin = AdminClient({"bootstrap.servers": kafka})
    ends = [TopicPartition(topics.events, number, -1) for number in range(2)]
    for deleted in admin.delete_records(ends).values():
        deleted.result(10)


def test_rebuild_says_of_which_days_figures_will_be_lost(kafka: str, topics: TopicSet, tmp_path: Path):
    """None while every event is there; then those of which no event is kept."""
    records.send(kafka, topics.events, calls(100))
    run_once(kafka, topics, tmp_path)
    assert "lost" not in centralita(kafka, topics, "rebuild").output
    expire(kafka, topics)
    records.send(kafka, topics.events, calls(100, first=LATER))
    run_once(kafka, topics, tmp_path)
    assert "Figures of 1 day, from 2026-03-02 to 2026-03-02 (UTC)" in centralita(kafka, topics, "rebuild").output
    expire(kafka, topics)
    asked = centralita(kafka, topics, "rebuild")
    assert (asked.exit_code, "replace state and figures?" in asked.output) == (1, True)
    assert "Figures of 3 days, from 2026-03-02 to 2026-03-04 (UTC), will be lost" in asked.output
    rebuilt = centralita(kafka, topics, "rebuild", "--yes")
    assert rebuilt.exit_code == 0
    assert "Figures of 3 days" in rebuilt.output
    assert "lost" not in centralita(kafka, topics, "rebuild").output


def test_boards_show_the_old_figures_until_the_new_ones_are_complete(kafka: str, topics: TopicSet, tmp_path: Path):
    """Another T, a worker that goes on while all is counted: no answer of the board is of half of the one and half of the other."""
    records.send(kafka, topics.events, calls(400))
    other = {"CENTRALITA_DEFAULTS_SERVICE_LEVEL_THRESHOLD": "60"}
    with BoardProcess(kafka, topics.prefix, tmp_path) as board, WorkerProcess(kafka, topics.prefix, tmp_path) as worker:
        wait_until_caught_up(kafka, topics)
        watching = Watching(board)
        wait_until(lambda: watching.last == (400, within(kafka, topics, 20)), 90, f"not shown: {watching.seen}")
        with rebuild(kafka, topics, other) as running:
            assert "All is counted. group" in running.stdout.readline()
            records.send(kafka, topics.events, calls(50, first=400))  # while it waits
            wait_until_caught_up(kafka, topics)
            wait_until(lambda: watching.last == (450, within(kafka, topics, 20)), 90, f"not shown: {watching.seen}")
            assert worker.terminate() == 0
            assert running.wait(60) == 0, running.stderr.read()
        new = (450, within(kafka, topics, 60))
        wait_until(lambda: watching.last == new, 90, f"not shown: {watching.seen}")
        seen = watching.stop()
        assert seen.index(new) == len(seen) - 1
        assert {answered for _, answered in seen[:-1]}.isdisjoint({new[1]})
        assert all(entered <= 450 for entered, _ in seen)
        assert [entered for entered, _ in seen] == sorted(
            entered for entered, _ in seen
        )  # never fewer, as a half would be
        worker.start(**other).ready()
        records.send(kafka, topics.events, calls(50, first=450))
        wait_until_caught_up(kafka, topics)
        assert_exact(kafka, topics, Policy(defaults=QueuePolicy(threshold=60 * SECOND)))


def rebuild(kafka: str, topics: TopicSet, other: dict[str, str]) -> subprocess.Popen[str]:
    """Start the command."""
    own = {
        "CENTRALITA_KAFKA": kafka,
        "CENTRALITA_KAFKA_PREFIX": topics.prefix,
        "CENTRALITA_WORKER_APPLICATION_ID": topics.prefix,
        "PYTHONUNBUFFERED": "1",
    }
    command = [str(Path(sys.executable).parent / "centralita"), "rebuild", "--yes"]
    return subprocess.Popen(
        command, env=os.environ | own | other, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def within(kafka: str, topics: TopicSet, seconds: int) -> int:
    """Return how many of the calls in the topic were answered within a time, as one engine counts them."""
    policy = Policy(defaults=QueuePolicy(threshold=seconds * SECOND))
    found, _ = expectation(kafka, topics, policy)
    panes = [pane for (_, key), pane in found.items() if key.startswith(b'["pane",900') and key.endswith(b"null,null]")]
    return sum(pane.measures.get("answered_within", 0) for pane in panes)


class Watching:
    """Asks a board again and again how many calls there are and how many were answered in time, and keeps each new answer."""

    def __init__(self, board: BoardProcess) -> None:
        self.seen: list[tuple[int, int]] = []
        self._board = board
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    @property
    def last(self) -> tuple[int, int] | None:
        return self.seen[-1] if self.seen else None

    def _watch(self) -> None:
        while not self._stopped.is_set():
            try:
                rows = self._board.get("/api/v1/kpis", **ASKED)["rows"]
            except OSError:  # the board has ended before its test
                return
            kpis = rows[-1]["kpis"]
            answer = (kpis["entered"]["value"], kpis["service_level_sl2"]["numerator"])
            if answer[0] is not None and answer != self.last:
                self.seen.append(answer)

    def stop(self) -> list[tuple[int, int]]:
        self._stopped.set()
        self._thread.join(10)
        return self.seen
