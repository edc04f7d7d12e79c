"""What a rebuild says that it will lose, what boards show until it is complete, and what is there after a kill, against a real Kafka."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import Result
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.panes import PANES, PARTITION
from streams.broker.topics import TopicSet, admin_client
from streams.configuration import load
from streams.engine.marker import MARKER
from streams.engine.partition import Changes
from streams.engine.policy import HOUR, SECOND, Policy, QueuePolicy
from streams.engine.slices import BREAKDOWNS
from streams.errors import FencedError, StateError
from streams.kpis.figures import Figures, Query
from streams.replay.shard import Task
from streams.settings import Settings
from streams.worker import crashes
from streams.worker.ends import Ends
from streams.worker.rebuild import count
from streams.worker.store import Store, end_rebuild
from streams.worker.switch import fence, switch
from tests.board.boards import BoardProcess
from tests.harness import records
from tests.harness.exactness import assert_exact, comparable, expectation, published, wait_until, wait_until_caught_up
from tests.harness.traffic import START, calls
from tests.harness.workers import WorkerProcess
from tests.worker.test_commands import centralita

pytestmark = [pytest.mark.kafka, pytest.mark.parametrize("partitions", [2])]
ASKED = {"from": "2026-03-02T09:00:00Z", "to": "2026-03-02T11:00:00Z"}
SIXTY = {"CENTRALITA_DEFAULTS_SERVICE_LEVEL_THRESHOLD": "60"}
LATER = 400_000
"""The number of a contact two days and seven hours after the first."""


def expire(kafka: str, topics: TopicSet) -> None:
    """Delete all events, as their retention would."""
    admin = AdminClient({"bootstrap.servers": kafka})
    ends = [TopicPartition(topics.events, number, -1) for number in range(2)]
    for deleted in admin.delete_records(ends).values():
        deleted.result(10)


def test_rebuild_says_of_which_days_figures_will_be_lost(
    kafka: str, topics: TopicSet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """None while every event is there; then those of which no event is kept. Interrupted when all is counted, it has changed nothing.

    Of another version's, and of what cannot be read, it cannot say which. A worker leaves such state alone and names the command, which does not mind what it replaces.
    """
    records.send(kafka, topics.events, calls(100))
    with monkeypatch.context() as broken:
        broken.setattr("streams.worker.rebuild.switch", interrupted)
        stopped = centralita(kafka, topics, "rebuild", "--yes", "--processes", "1")
    assert (stopped.exit_code, "interrupted: all partitions have their old" in stopped.stderr) == (130, True)
    assert published(kafka, topics) == {}
    rebuilt(kafka, topics)
    assert "lost" not in centralita(kafka, topics, "rebuild").output
    expire(kafka, topics)
    records.send(kafka, topics.events, calls(100, first=LATER))
    assert "Figures of 1 day, from 2026-03-02 to 2026-03-02 (UTC)" in centralita(kafka, topics, "rebuild").output
    assert "Figures of 1 day" in rebuilt(kafka, topics).output
    expire(kafka, topics)
    asked = centralita(kafka, topics, "rebuild")
    assert (asked.exit_code, "replace state and figures?" in asked.output) == (1, True)
    assert "Figures of 1 day, from 2026-03-04 to 2026-03-04 (UTC), will be lost" in asked.output
    write_as_another_version(kafka, topics)
    with WorkerProcess(kafka, topics.prefix, tmp_path) as worker:
        assert worker.exit_code() == StateError.exit_code
        assert "the state is of another version: seen format 0, expected " in worker.tail()
        assert "run `centralita rebuild`" in worker.tail()
    assert "of which days cannot be said: they are of another version (format 0" in rebuilt(kafka, topics).output
    assert "lost" not in centralita(kafka, topics, "rebuild").output
    records.send_to(kafka, topics.kpis, [(0, b'["credits",0]', b"{")])
    assert (
        "of which days cannot be said: a record of them in partition 0 cannot be read" in rebuilt(kafka, topics).output
    )


def write_as_another_version(kafka: str, topics: TopicSet) -> None:
    """Put records into partition 0 that this version cannot read, and the ends of a transaction as they were before there were formats."""
    panes, contact = b'["panes",900,["other"],0]', b"c\0\0"
    marker = msgspec.msgpack.encode(["0123456789abcdef", {"offset": 1}, [0] * 6, ""])
    records.send_to(kafka, topics.kpis, [(0, panes, b"{"), (0, PARTITION, b'{"offset":1}')])
    records.send_to(kafka, topics.state, [(0, contact, b"?"), (0, MARKER, marker)])


def interrupted(*_: object) -> None:
    """Be Ctrl-C."""
    raise KeyboardInterrupt


def rebuilt(kafka: str, topics: TopicSet) -> Result:
    """Run the whole command in this process."""
    result = centralita(kafka, topics, "rebuild", "--yes", "--processes", "1")
    assert result.exit_code == 0, result.output
    return result


def test_who_cannot_tell_that_all_is_seen_has_switched_all_the_same(
    kafka: str, topics: TopicSet, monkeypatch: pytest.MonkeyPatch
):
    """A broker that commits and then does not answer."""
    records.send(kafka, topics.events, calls(100))
    ends = [None, FencedError("no answer")]

    def end(settings: Settings) -> None:
        end_rebuild(settings)
        if (error := ends.pop(0)) is not None:
            raise error

    monkeypatch.setattr("streams.worker.switch.end_rebuild", end)
    result = rebuilt(kafka, topics)
    assert "State and figures are new. Start the workers." in result.output
    assert "does not answer whether every reader sees them yet" in result.stderr
    wait_until(lambda: published(kafka, topics) != {}, 10, "not seen")
    assert_exact(kafka, topics)


def test_boards_show_the_old_figures_until_the_new_ones_are_complete(kafka: str, topics: TopicSet, tmp_path: Path):
    """Another T, a worker that goes on while all is counted, a kill in the middle: the board changes once, from all old to all new."""
    records.send(kafka, topics.events, calls(400))
    with BoardProcess(kafka, topics.prefix, tmp_path) as board, WorkerProcess(kafka, topics.prefix, tmp_path) as worker:
        wait_until_caught_up(kafka, topics)
        watching = Watching(board)
        wait_until(lambda: watching.last == (400, within(kafka, topics, 20)), 90, f"not shown: {watching.seen}")
        with rebuild(kafka, topics, "during-switch:2") as running:  # one partition of two is written
            assert "All is counted. group" in running.stdout.readline()
            records.send(kafka, topics.events, calls(50, first=400))  # while it waits
            wait_until_caught_up(kafka, topics)
            wait_until(lambda: watching.last == (450, within(kafka, topics, 20)), 90, f"not shown: {watching.seen}")
            assert worker.terminate() == 0
            assert running.wait(60) == -9, running.stderr.read()
        with rebuild(kafka, topics) as running:
            assert running.wait(60) == 0, running.stderr.read()
        new = (450, within(kafka, topics, 60))
        wait_until(lambda: watching.last == new, 90, f"not shown: {watching.seen}")
        with rebuild(kafka, topics, "before-commit") as running:  # its transaction stays open for ten minutes
            assert running.wait(60) == -9, running.stderr.read()
        seen = watching.stop()
        assert seen.index(new) == len(seen) - 1
        assert {answered for _, answered in seen[:-1]}.isdisjoint({new[1]})
        assert [entered for entered, _ in seen] == sorted(
            entered for entered, _ in seen
        )  # never fewer, as a half would be
        worker.start(**SIXTY).ready(30)  # and ends it
        records.send(kafka, topics.events, calls(50, first=450))
        wait_until_caught_up(kafka, topics)
        assert_exact(kafka, topics, Policy(defaults=QueuePolicy(threshold=60 * SECOND)))


class Switching:
    """Rebuilds under other definitions, of which the part that writes runs in a process of its own and can be killed."""

    def __init__(self, kafka: str, topics: TopicSet, folder: Path) -> None:
        own = {"CENTRALITA_KAFKA": kafka, "CENTRALITA_KAFKA_PREFIX": topics.prefix}
        self.settings = load(None, own | {"CENTRALITA_WORKER_APPLICATION_ID": topics.prefix} | SIXTY)
        self.task = Task(self.settings.policy, BREAKDOWNS, str(folder), resumable=True, now_us=time.time_ns() // 1_000)
        self.journals = {number: self.task.journal(number) for number in range(2)}
        self.count()
        self._context = get_context("forkserver")
        self._context.set_forkserver_preload([__name__])

    def count(self) -> None:
        """Count what there is into journals."""
        count(self.settings, self.task, range(2), 1)

    def run(self, point: str = "", seconds: float = 60.0) -> int | None:
        """Return the exit code of the writing part, which dies at a point, or by itself after so many seconds."""
        process = self._context.Process(target=written_anew, args=(self.settings, self.journals, point))
        process.start()
        process.join(seconds)
        process.kill()
        process.join()
        return process.exitcode


def written_anew(settings: Settings, journals: dict[int, Path], point: str) -> None:
    """Do what the command does last."""
    crashes._point, _, crashes._time = point.partition(":")
    switch(settings, journals, fence(settings, journals), lambda: None)


def test_a_rebuild_is_whole_or_nothing_wherever_it_is_killed(kafka: str, topics: TopicSet, tmp_path: Path):
    """At every step and at random: the old state and figures of all partitions, or the new ones; and doing it again is harmless."""
    records.send(kafka, topics.events, calls(150))
    rebuilt(kafka, topics)
    before = comparable(published(kafka, topics))
    switching = Switching(kafka, topics, tmp_path)
    for point in ("during-switch:1", "during-switch:3", "before-commit"):
        assert switching.run(point) == -9, point
        assert comparable(published(kafka, topics)) == before, point
    began = time.monotonic()
    assert switching.run("after-commit") == -9
    needed = time.monotonic() - began
    end_rebuild(switching.settings)  # which waits until what it committed is seen in every partition
    sixty = Policy(defaults=QueuePolicy(threshold=60 * SECOND))
    assert_exact(kafka, topics, sixty)
    after = comparable(published(kafka, topics))
    assert after != before
    chance = random.Random(os.environ.get("CENTRALITA_CHAOS_SEED", "6"))
    for _ in range(2):
        switching.run(seconds=chance.uniform(0.2, 1.0) * needed)
        assert comparable(published(kafka, topics)) == after
    records.send(kafka, topics.events, calls(50, first=150))
    switching.count()
    assert switching.run() == 0
    assert_exact(kafka, topics, sixty)


def test_a_worker_that_takes_a_partition_ends_a_rebuild_or_is_ended_by_it(kafka: str, topics: TopicSet, tmp_path: Path):
    """Before the partitions are held, having written or not, and after: one of the two writes nothing more, and what is there is whole."""
    records.send(kafka, topics.events, calls(150))
    rebuilt(kafka, topics)
    before = comparable(published(kafka, topics))
    switching = Switching(kafka, topics, tmp_path)
    settings, journals = switching.settings, switching.journals
    worker = Store(settings, 1)
    with closing(worker):
        ends = fence(settings, journals)
        take(worker)
        write(worker)
        with pytest.raises(FencedError, match="a worker has written to it meanwhile; nothing has changed"):
            switch(settings, journals, ends, lambda: None)
        ends = fence(settings, journals)
        with pytest.raises(FencedError, match="nothing has changed"):
            switch(settings, journals, ends, lambda: take(worker))
        write(worker)
        assert comparable(published(kafka, topics)) == before
        ends = fence(settings, journals)
        take(worker)
        with closing(Ends(settings)) as asked:
            places = [TopicPartition(topic, number) for topic in (topics.state, topics.kpis) for number in range(2)]
            asked.of(places)  # connects, so that the next time is at once
            switch(settings, journals, ends, lambda: None)
            assert all(end.stable == end.high for end in asked.of(places).values())
        with pytest.raises(FencedError):
            write(worker)
    assert_exact(kafka, topics, Policy(defaults=QueuePolicy(threshold=60 * SECOND)))


def take(worker: Store) -> None:
    """Take a partition as a worker does."""
    worker.fence()
    worker.restore(lambda *_: None, lambda *_: None, lambda *_: None)


def write(worker: Store) -> None:
    """Commit something that says nothing."""
    worker.commit(Changes([(b"nothing", None)], []), [])


def rebuild(kafka: str, topics: TopicSet, crash: str = "") -> subprocess.Popen[str]:
    """Start the command under other definitions; it dies at a point."""
    own = {
        "CENTRALITA_KAFKA": kafka,
        "CENTRALITA_KAFKA_PREFIX": topics.prefix,
        "CENTRALITA_WORKER_APPLICATION_ID": topics.prefix,
        "CENTRALITA_CRASH_AT": crash,
        "PYTHONUNBUFFERED": "1",
    }
    command = [str(Path(sys.executable).parent / "centralita"), "rebuild", "--yes", "--processes", "1"]
    return subprocess.Popen(
        command, env=os.environ | own | SIXTY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def within(kafka: str, topics: TopicSet, seconds: int) -> int:
    """Return how many of the calls in the topic were answered within a time, as one engine counts them."""
    policy = Policy(defaults=QueuePolicy(threshold=seconds * SECOND))
    found, _ = expectation(kafka, topics, policy)
    panes = [part[0] for (_, key), part in found.items() if key.startswith(PANES + b"900,") and key.endswith(b",0]")]
    assert all(own.breakdown is None for own in panes)
    return sum(own.pane.measures.get("answered_within", 0) for own in panes)


def test_the_figures_are_the_same_in_another_number_of_partitions(kafka: str, topics: TopicSet):
    """Events sent again into more partitions; state and figures get more too, and keep the old ones until the rebuild."""
    spare = TopicSet(f"{topics.prefix}-spare")
    records.send(kafka, topics.events, calls(300))
    rebuilt(kafka, topics)
    numbers, before = figures(kafka, topics)
    assert (numbers, len(before) > 8) == ({0, 1}, True)
    with admin_client(kafka) as admin:
        spare.create(admin, 1)
        sent_again(kafka, topics, spare)
        admin.delete_topics([topics.events])
        wait_until(lambda: topics.create(admin, 5) == [topics.events], 30, "the events are still there")
        admin.create_partitions(dict.fromkeys(topics.names[1:], 5))
    sent_again(kafka, spare, topics)
    assert figures(kafka, topics) == ({0, 1}, before)
    rebuilt(kafka, topics)
    assert figures(kafka, topics) == ({0, 1, 2, 3, 4}, before)
    assert_exact(kafka, topics)


def sent_again(kafka: str, source: TopicSet, target: TopicSet) -> None:
    """Send all events of a topic into another one."""
    sent = centralita(kafka, source, "replay", "--from", "2026-03-01", "--into", target.events, "--speed", "0")
    assert sent.exit_code == 0, (sent.output, sent.exception)


def figures(kafka: str, topics: TopicSet) -> tuple[set[int], list[dict[str, Any]]]:
    """Return the partitions that have figures, and the figures of all of them by interval and queue."""
    found = Figures(Policy())
    for (number, key), value in records.last(kafka, topics.kpis).items():
        found.load(number, key, value)
    begin = START * SECOND
    rows = found.rows(Query(begin, begin + 2 * HOUR, "15m", "queue"))
    values = [{name: (kpi.value, kpi.numerator, kpi.denominator) for name, kpi in row.kpis.items()} for row in rows]
    return set(found.partitions()), values


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
