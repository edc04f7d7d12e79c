"""Progress on standard error: a bar with the rate of events, and nothing when nobody watches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class RateColumn(ProgressColumn):
    """Events so far, and how many a second."""

    def render(self, task: Task) -> Text:
        """Return both as text."""
        events = task.fields["events"]
        rate = events / task.elapsed if task.elapsed else 0.0
        return Text(f"{events:,} events, {rate:,.0f}/s")


@dataclass(slots=True)
class ProgressBar:
    """How far the reading is: bytes of files or records of a topic, and events."""

    progress: Progress
    task: TaskID
    seen: int = 0

    def passed(self, count: int) -> None:
        """Move on by bytes or records read."""
        self.progress.advance(self.task, count)

    def events(self, count: int) -> None:
        """Add to the events shown."""
        self.seen += count
        self.progress.update(self.task, events=self.seen)

    def again(self, text: str) -> None:
        """Begin anew, and say why."""
        self.progress.console.print(text, markup=False, highlight=False, soft_wrap=True)
        self.seen = 0
        self.progress.reset(self.task, events=0)


@contextmanager
def shown(total: int | None, what: str = "reading") -> Iterator[ProgressBar]:
    """Show a bar towards ``total`` (None: unknown) on a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), RateColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        yield ProgressBar(progress, progress.add_task(what, total=total, events=0))
