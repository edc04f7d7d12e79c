"""What a replay has counted: the figures, what became of the records, and the stretch of time that they cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from schemas.panes import PANES, split_panes_key
from streams.engine.policy import EVERYTHING, INTERVAL, SECOND, Policy
from streams.kpis.figures import Figures
from streams.replay.crew import Crew
from streams.replay.journal import Example, shown
from streams.replay.shard import MOST_EXAMPLES, Summary, Task
from streams.replay.work import Plan


@dataclass(slots=True)
class Counted:
    """Figures of all processes together. Times are microseconds."""

    figures: Figures
    watermark: int = 0
    counted: int = 0
    duplicate: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    first: int | None = None
    """Start of the first interval with a figure."""
    last: int | None = None
    """End of the last one."""
    plan: Plan | None = None
    """How it was counted."""
    folder: Path | None = None
    """Where there is room to work in."""

    def refuse(self, reason: str, count: int = 1) -> None:
        """Add to the refused."""
        self.refused[reason] = self.refused.get(reason, 0) + count

    @property
    def span(self) -> tuple[int, int] | None:
        """Return the interval of the first event to that of the last, None without events."""
        if not self.counted:
            return None
        newest = self.watermark - self.watermark % INTERVAL + INTERVAL
        start = newest - INTERVAL if self.first is None else self.first
        return min(start, newest - INTERVAL), max(self.last or 0, newest)


def figures_of(policy: Policy) -> Figures:
    """Return empty figures that look for every stretch of time in its intervals: a replay has no days."""
    return Figures(replace(policy, retention=EVERYTHING))


def gather(crew: Crew, task: Task, summaries: Sequence[Summary], found: Counted, as_of: int | None) -> None:
    """Add up what all processes have counted, as of a time (microseconds; None: the largest event time of all)."""
    for summary in summaries:
        found.watermark = max(found.watermark, summary.watermark)
        found.counted += summary.counted
        found.duplicate += summary.duplicate
        for reason, count in summary.refused.items():
            found.refuse(reason, count)
    crew.finish(found.watermark if as_of is None else max(as_of, found.watermark))
    for number in sorted(number for summary in summaries for number in summary.partitions):
        _load(task, number, found)
    found.figures.idle = frozenset(found.figures.partitions())


def _load(task: Task, number: int, found: Counted) -> None:
    """Take the figures and examples of a journal."""
    for frame in shown(task.journal(number)):
        found.examples += frame.examples[: MOST_EXAMPLES - len(found.examples)]
        for key, value in frame.kpis:
            found.figures.load(number, key, value)
            if value is not None and key.startswith(PANES):
                length, start, *_ = split_panes_key(key)
                begin = start * SECOND
                found.first = begin if found.first is None else min(found.first, begin)
                found.last = max(found.last or 0, begin + length * SECOND)
