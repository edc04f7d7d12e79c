"""One process's share of a replay: whole customers through the engine that the worker runs, with every interval kept.

Flushing now and then lets the engine put away the customers who have gone quiet; what it publishes goes into the journal of its partition, from
which the parent reads the figures and a later run goes on.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from msgspec.structs import replace

from schemas.dead_letters import Reason
from streams.engine.partition import Partition, Record, Refusal
from streams.engine.policy import DAY, EVERYTHING, Policy
from streams.engine.slices import BREAKDOWNS
from streams.replay.journal import Example, Frame, Journal, frames

FLUSH_EVERY: Final = 100_000
"""Events between two flushes: the most that a process that is killed has to count again."""
MOST_EXAMPLES: Final = 10
UNLIMITED: Final = 1_000 * 366 * DAY
"""A lateness that no event has."""


class DisorderError(Exception):
    """An event lies further behind another one than the allowed lateness: only a run that forgets nobody can count it."""


class Task(NamedTuple):
    """How all processes count: under which policy, with which breakdowns, into journals in which folder.

    ``resumable`` journals hold the engine's state too. ``now_us`` is the clock of a worker that would count now, None in history.
    """

    policy: Policy
    breakdowns: tuple[str, ...]
    folder: str
    resumable: bool
    now_us: int | None = None

    def journal(self, number: int) -> Path:
        """Return the journal of a partition."""
        return Path(self.folder) / f"{number}.journal"


class Summary(NamedTuple):
    """What became of the records of one process, its largest event time (microseconds), and its partitions."""

    watermark: int
    counted: int
    duplicate: int
    refused: dict[str, int]
    partitions: list[int]


def kept(policy: Policy) -> Policy:
    """Return the policy of a report: every interval is kept."""
    return replace(policy, retention=EVERYTHING)


def broken_down(by: str | None) -> tuple[str, ...]:
    """Return the breakdowns that rows by this need.

    >>> broken_down("agent"), broken_down("queue")
    (('agent',), ())
    """
    return tuple(name for name in BREAKDOWNS if name == by)


def collect() -> None:
    """Collect what garbage is in cycles and came up since the last time.

    The engine makes many objects and hardly a cycle: looking for some whenever there are more of them took a seventh of a replay's time.
    """
    gc.collect(1)


class Shard:
    """Some partitions, or the part of a file's customers that is one."""

    def __init__(self, task: Task, *, ordered: bool = False) -> None:
        self._task = task
        self._ordered = ordered
        self._partitions: dict[int, Partition] = {}
        self._journals: dict[int, Journal] = {}
        self._examples: dict[int, list[Example]] = {}
        self._since_flush = 0

    def open(self, number: int) -> int:
        """Begin a partition, or take it up where its journal ends; return the offset of the next record to take."""
        partition = self._partitions[number] = Partition(number, self._task.policy, self._task.breakdowns)
        path = self._task.journal(number)
        if self._task.resumable and path.exists():
            for frame in frames(path):
                partition.restore_state(frame.state)
                partition.restore_kpis(frame.kpis)
            partition.restored()
        if self._task.now_us is not None:
            partition.advance(self._task.now_us)
        self._journals[number] = Journal(path)
        self._examples[number] = []
        return partition.offset

    def take(self, number: int, records: Sequence[Record]) -> None:
        """Count the records of a partition; with ``ordered``, raise `DisorderError` at the first that is too late."""
        for refusal in self._partitions[number].process(records):
            self._look_at(number, refusal)
        self._since_flush += len(records)
        if self._since_flush >= FLUSH_EVERY:
            self._flush()

    def watermark(self, number: int) -> int:
        """Return the largest event time of a partition so far."""
        return self._partitions[number].watermark

    def summary(self) -> Summary:
        """Return what became of the records."""
        refused: dict[str, int] = {}
        for partition in self._partitions.values():
            for reason, count in partition.refused.items():
                refused[reason.value] = refused.get(reason.value, 0) + count
        return Summary(
            max((partition.watermark for partition in self._partitions.values()), default=0),
            sum(partition.counted for partition in self._partitions.values()),
            sum(partition.duplicate for partition in self._partitions.values()),
            refused,
            list(self._partitions),
        )

    def close(self, now_us: int) -> None:
        """Let the time be ``now_us`` for whoever waits still, and write the last figures."""
        for partition in self._partitions.values():
            partition.advance(now_us)
        self._flush()
        for journal in self._journals.values():
            journal.close()

    def _look_at(self, number: int, refusal: Refusal) -> None:
        if self._ordered and refusal.reason is Reason.TOO_LATE:
            raise DisorderError
        examples = self._examples[number]
        if len(examples) < MOST_EXAMPLES:
            examples.append(Example(number, refusal.record.offset, refusal.reason.value, refusal.message))

    def _flush(self) -> None:
        for number, partition in self._partitions.items():
            changes = partition.flush()
            frame = Frame(changes.state if self._task.resumable else [], changes.kpis, self._examples[number])
            if any(frame):
                self._journals[number].append(frame)
            self._examples[number] = []
        self._since_flush = 0
        collect()
