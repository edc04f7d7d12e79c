"""Files counted by several processes: a line goes to the process of its customer, under the key that `send` would give it.

All that is in the files counts, in whatever order. The engine forgets contacts that nothing within the allowed lateness can
change, so the memory does not grow with the files; when an event comes later than that after all, the files are read again
with nothing forgotten. What can be read only once (a pipe) is read so from the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol
from zlib import crc32

from msgspec import structs

from schemas.dead_letters import RefusedError
from schemas.events import decode
from streams.engine.policy import Policy
from streams.replay.counted import Counted, figures_of, gather
from streams.replay.crew import Batch, Crew, FedJob, encode_batch, fed
from streams.replay.journal import Example
from streams.replay.shard import MOST_EXAMPLES, UNLIMITED, DisorderError, Task, broken_down, kept
from streams.replay.work import Plan, Work
from streams.sources.files import Line, is_regular, read_events

_LINES: Final = 500
"""Lines handed to a process at once."""


class Bar(Protocol):
    """Where progress is shown."""

    def passed(self, count: int) -> None:
        """Move on by bytes or records read."""

    def events(self, count: int) -> None:
        """Add to the events shown."""

    def again(self, text: str) -> None:
        """Begin anew, and say why."""


def count_files(paths: Sequence[str], policy: Policy, by: str | None, work: Work, plan: Plan, bar: Bar) -> Counted:
    """Return what is in the files; ``plan`` is for a start, the work's own goes before it."""
    if work.plan is None:
        work.keep(structs.replace(plan, ordered=all(is_regular(path) for path in paths)))
    assert work.plan is not None
    if work.plan.ordered:
        try:
            return _count(paths, policy, by, work, bar)
        except DisorderError:
            bar.again("events are far out of order: reading again, with nothing forgotten")
        work.keep(structs.replace(work.plan, ordered=False))
    return _count(paths, structs.replace(policy, lateness=UNLIMITED), by, work, bar)


def _count(paths: Sequence[str], policy: Policy, by: str | None, work: Work, bar: Bar) -> Counted:
    counted = Counted(figures_of(policy))
    plan = work.plan
    assert plan is not None
    task = Task(kept(policy), broken_down(by), str(work.folder), work.resumable)
    jobs = [FedJob(task, number, plan.ordered, plan.now_us) for number in range(plan.processes)]
    with Crew(fed, jobs) as crew:
        _distribute(paths, crew, len(jobs), counted, bar)
        gather(crew, task, crew.summaries(lambda passed, events: bar.events(events)), counted, None)
    counted.examples = [example._replace(place=_place(paths, example.offset)) for example in counted.examples]
    return counted


def _distribute(paths: Sequence[str], crew: Crew, count: int, counted: Counted, bar: Bar) -> None:
    """Hand every line to the process of its key; of what says of nobody whose it is, note what is wrong."""
    batches: list[Batch] = [[] for _ in range(count)]
    for line in read_events(paths, progress=bar.passed):
        if line.key is None:
            _refuse(line, counted)
            continue
        index = crc32(line.key) % count
        batch = batches[index]
        batch.append((_mark(line), line.key, line.value))
        if len(batch) == _LINES:
            crew.send(index, encode_batch(batch))
            batch.clear()
            bar.events(_LINES)
    for index, batch in enumerate(batches):
        if batch:
            crew.send(index, encode_batch(batch))
        crew.send(index, b"")


def _refuse(line: Line, counted: Counted) -> None:
    try:
        decode(line.value)
    except RefusedError as refused:
        counted.refuse(refused.reason.value)
        if len(counted.examples) < MOST_EXAMPLES:
            counted.examples.append(Example(0, _mark(line), refused.reason.value, str(refused)))


def _mark(line: Line) -> int:
    """Return a number that grows with the place of a line."""
    return line.file << 48 | line.number


def _place(paths: Sequence[str], mark: int) -> str:
    """Return file and line of a mark.

    >>> _place(["a", "b"], 1 << 48 | 7)
    'b:7'
    """
    return f"{paths[mark >> 48]}:{mark & ((1 << 48) - 1)}"
