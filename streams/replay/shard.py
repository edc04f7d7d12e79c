"""One process's share of a report: whole customers through the engine that the worker runs, with every interval kept.

Flushing now and then lets the engine put away the customers who have gone quiet; what it publishes is held here by key, and
handed over once at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from schemas.dead_letters import Reason
from streams.engine.partition import Partition, Record, Refusal
from streams.engine.policy import DAY, EVERYTHING, Policy
from streams.engine.slices import BREAKDOWNS

FLUSH_EVERY: Final = 50_000
"""Events between two flushes."""
MOST_EXAMPLES: Final = 10
UNLIMITED: Final = 1_000 * 366 * DAY
"""A lateness that no event has."""

Entry = tuple[int, bytes, bytes]
"""A record of figures: partition, key, value."""


class DisorderError(Exception):
    """An event lies further behind another one than the allowed lateness: only a run that forgets nobody can count it."""


class Example(NamedTuple):
    """A refused record: its partition and offset, why, and where people find it."""

    partition: int
    offset: int
    reason: str
    message: str
    place: str = ""


class Summary(NamedTuple):
    """What became of the records of one process, and its largest event time (microseconds)."""

    watermark: int
    counted: int
    duplicate: int
    refused: dict[str, int]
    examples: list[Example]


def kept(policy: Policy, by: str | None) -> Policy:
    """Return the policy of a report: every interval is kept, broken down only as long as the engine needs unless asked by that.

    >>> kept(Policy(), None).retention.intervals is None, kept(Policy(), "agent").retention == EVERYTHING
    (True, True)
    """
    if by in BREAKDOWNS or policy.lateness >= UNLIMITED:
        return replace(policy, retention=EVERYTHING)
    return replace(policy, retention=replace(EVERYTHING, breakdowns=2 * policy.lateness + DAY))


class Shard:
    """Some partitions, or the part of a file's customers that is one."""

    def __init__(self, policy: Policy, by: str | None, *, ordered: bool = False) -> None:
        self._policy = kept(policy, by)
        self._ordered = ordered
        self._wanted = (b",null,null]", f',"{by}",'.encode()) if by in BREAKDOWNS else (b",null,null]", b"\0")
        self._partitions: dict[int, Partition] = {}
        self._kpis: dict[int, dict[bytes, bytes]] = {}
        self._examples: list[Example] = []
        self._since_flush = 0

    def take(self, number: int, records: Sequence[Record]) -> None:
        """Count the records of a partition; with ``ordered``, raise `DisorderError` at the first that is too late."""
        partition = self._partitions.get(number)
        if partition is None:
            partition = self._partitions[number] = Partition(number, self._policy)
        for refusal in partition.process(records):
            self._look_at(number, refusal)
        self._since_flush += len(records)
        if self._since_flush >= FLUSH_EVERY:
            self._flush()

    def watermark(self, number: int) -> int:
        """Return the largest event time of a partition so far."""
        return self._partitions[number].watermark if number in self._partitions else 0

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
            self._examples,
        )

    def close(self, now_us: int) -> Iterator[Entry]:
        """Let the time be ``now_us`` for whoever waits still, and yield the figures."""
        for partition in self._partitions.values():
            partition.advance(now_us)
        self._flush()
        for number, records in self._kpis.items():
            for key, value in records.items():
                yield number, key, value

    def _look_at(self, number: int, refusal: Refusal) -> None:
        if self._ordered and refusal.reason is Reason.TOO_LATE:
            raise DisorderError
        if len(self._examples) < MOST_EXAMPLES:
            self._examples.append(Example(number, refusal.record.offset, refusal.reason.value, refusal.message))

    def _flush(self) -> None:
        own, broken_down = self._wanted
        for number, partition in self._partitions.items():
            records = self._kpis.setdefault(number, {})
            for key, value in partition.flush().kpis:
                if value is None:
                    records.pop(key, None)
                elif key.endswith(own) or broken_down in key or not key.startswith(b'["pane"'):
                    records[key] = value
        self._since_flush = 0
