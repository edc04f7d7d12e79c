"""What a report and a replay are asked, and how it is counted: options, the range, and the one way to figures."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import click
import msgspec

from streams.broker.topics import TopicSet
from streams.configuration import load as load_settings
from streams.engine.policy import DAY, SECOND, Policy
from streams.errors import InputError
from streams.kpis.figures import Query, is_known
from streams.kpis.registry import BY
from streams.kpis.times import TimeError, moment
from streams.kpis.windows import EVERY
from streams.replay import definitions
from streams.replay.counted import Counted
from streams.replay.files import count_files
from streams.replay.progress import shown
from streams.replay.topic import Asked, count_range, spans
from streams.replay.work import Plan, Question, Work, working
from streams.settings import Settings
from streams.sources.files import bytes_to_read, is_regular

F = TypeVar("F", bound=Callable[..., Any])
NO_EVENTS: Final = frozenset({"undecodable", "unknown_type", "invalid", "negative_duration", "too_large"})
"""Reasons that make a record garbage, whenever it comes; the others are of its time."""
_EXAMPLES: Final = 10


class Wanted(NamedTuple):
    """What shall be counted and shown; ``start`` and ``end`` as they were given, None for the first or the last event."""

    files: tuple[str, ...]
    start: str | None
    end: str | None
    every: str
    by: str | None
    channel: str | None
    queue: str | None
    processes: int
    margin: float | None
    incomplete: bool
    reach: int = 0
    """Microseconds before the range from which on figures are shown too: windows that end in it."""

    def range_us(self, zone: str) -> tuple[int | None, int | None]:
        """Return both ends (microseconds), local times being of a zone; raise UsageError where they are none."""
        start, end = _moment("--from", self.start, zone), _moment("--to", self.end, zone)
        if start is not None and end is not None and end <= start:
            raise click.UsageError(f"--to: seen {self.end}, expected a time after --from ({self.start})")
        if not self.files and start is None:
            raise click.UsageError("expected FILE..., or --from for a range of the topic")
        return start, end


def options(command: F) -> F:
    """Give a command the options of `Wanted`, under its fields' names."""
    given = (
        click.option(
            "--every", type=click.Choice(EVERY), default="all", show_default=True, help="Cut the range into stretches."
        ),
        click.option("--by", type=click.Choice(BY), help="A row for each of these, and the total."),
    )
    return range_options(_decorated(command, given))


def range_options(command: F) -> F:
    """Give a command the options of `Wanted` that say what is counted."""
    given = (
        click.option("--from", "start", metavar="TIME", help="Begin here; needed for a range of the topic."),
        click.option("--to", "end", metavar="TIME", help="End before this time; default: after the last event."),
    )
    return source_options(_decorated(command, given))


def format_option(line: str) -> Callable[[F], F]:
    """Return the option `--format` of a command that prints a table, or JSON with one of what ``line`` names a line, or CSV."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(["table", "json", "csv"]),
        default="table",
        show_default=True,
        help=f"json is one {line} a line.",
    )


def config_option(name: str) -> Callable[[F], F]:
    """Return the option `--config` of the command of that name; `settings_of` reads it."""
    return click.option(
        "--config",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help=f"Settings file, instead of the one before `{name}`.",
    )


def settings_of(load: Callable[[], Settings], config: Path | None) -> Settings:
    """Return what a command runs with: its own settings file, if it was given one."""
    return load() if config is None else load_settings(config, os.environ)


def source_options(command: F) -> F:
    """Give a command the options of `Wanted` that say what is counted of a range."""
    given = (
        click.argument("files", nargs=-1, metavar="[FILE]..."),
        click.option("--channel", help="Only this channel."),
        click.option("--queue", help="Only this queue."),
        click.option(
            "--processes", type=click.IntRange(1, 256), default=os.cpu_count() or 1, show_default="cores",
            help="Processes.",
        ),
        click.option(
            "--margin", type=click.FloatRange(0), metavar="DAYS",
            help="Read the topic from so long before the range; default: as long as a worker remembers contacts, about 33.",
        ),
        click.option("--incomplete", is_flag=True, help="Count what is left where the topic's log begins too late."),
    )  # fmt: skip
    return _decorated(command, given)


def _decorated(command: F, given: Sequence[Callable[[F], F]]) -> F:
    for option in reversed(given):
        command = option(command)
    return command


@contextmanager
def counting(
    settings: Settings, wanted: Wanted, zone: str, output: Path | None = None, like: Plan | None = None
) -> Iterator[Counted]:
    """Count what is wanted and give it; the progress is kept beside ``output`` until the block that uses it is done.

    ``like`` ends where another plan does, so that two counts are of the same records.
    """
    start, end = wanted.range_us(zone)
    for name in wanted.files:
        is_regular(name)
    with working(output, _question(settings, wanted)) as work:
        if work.plan is not None:
            click.echo(f"going on with {work.folder}", err=True)
        if wanted.files:
            counted = _of_files(settings.policy, wanted, work, like)
        else:
            assert start is not None, "checked with the range"
            counted = _of_topic(settings, wanted, work, (start, end), like)
        counted.plan, counted.folder = work.plan, work.folder
        tell_refused(counted)
        yield counted


def range_of(counted: Counted, wanted: Wanted, zone: str) -> Query:
    """Return the question for the rows: the range as asked, else from the interval of the first event to that of the last."""
    start, end = wanted.range_us(zone)
    found = counted.span
    start = start if start is not None else found[0] if found else 0
    end = end if end is not None else found[1] if found else 0
    if found is None or start >= found[1] or end <= found[0]:
        raise InputError("there are no events to report" + ("" if found is None else " between --from and --to"))
    places = counted.figures.queues()
    if not is_known(places, wanted.channel, wanted.queue):
        seen = " and ".join(
            f"--{name} {value}" for name, value in (("channel", wanted.channel), ("queue", wanted.queue)) if value
        )
        known = ", ".join(f"{channel} {queue}" for channel, queue in places[:_EXAMPLES])
        click.echo(f"Of {seen} there is no event; there are {known}{', ...' * (len(places) > _EXAMPLES)}", err=True)
    return Query(start, end, wanted.every, wanted.by, wanted.channel, wanted.queue)


def tell_refused(counted: Counted) -> None:
    """Say which records are not in the figures, and why."""
    for example in sorted(counted.examples, key=lambda example: example.offset)[:_EXAMPLES]:
        click.echo(f"{example.place}: {example.reason}: {example.message}", err=True)
    if counted.refused:
        reasons = ", ".join(f"{reason} {number:,}" for reason, number in sorted(counted.refused.items()))
        total = sum(counted.refused.values())
        click.echo(f"{total:,} records are no events and not in the figures: {reasons}", err=True)


def fail_for_garbage(counted: Counted) -> None:
    """End with 1 when there were records that are no events; those that came at a wrong time are the worker's too."""
    if NO_EVENTS & counted.refused.keys():
        raise click.exceptions.Exit(1)


def _moment(option: str, text: str | None, zone: str) -> int | None:
    if text is None:
        return None
    try:
        return moment(text, zone)
    except TimeError as error:
        raise click.UsageError(f"{option}: seen {text!r}, expected {error}") from None


def _question(settings: Settings, wanted: Wanted) -> Question:
    source = [_with_size(name) for name in wanted.files] or [TopicSet(settings.kafka.prefix).events]
    digest = blake2b(msgspec.msgpack.encode(settings.policy, order="sorted"), digest_size=8).hexdigest()
    margin = "" if wanted.margin is None else f"margin {wanted.margin:g} days"
    reach = f"{wanted.reach // SECOND} s before it" if wanted.reach else ""
    return Question(
        source=[*source, *filter(None, [margin, reach])],
        begin=wanted.start,
        to=wanted.end,
        by=wanted.by,
        definitions=digest,
    )


def _with_size(name: str) -> str:
    return f"{Path(name).resolve()}, {Path(name).stat().st_size} bytes" if is_regular(name) else name


def _of_files(policy: Policy, wanted: Wanted, work: Work, like: Plan | None) -> Counted:
    plan = Plan(now_us=_now_us() if like is None else like.now_us, processes=wanted.processes)
    with shown(bytes_to_read(wanted.files)) as bar:
        return count_files(wanted.files, policy, wanted.by, work, plan, bar)


def _of_topic(
    settings: Settings, wanted: Wanted, work: Work, ends: tuple[int, int | None], like: Plan | None
) -> Counted:
    start, end = ends
    known = work.plan or like
    end_us = end if end is not None else known.end_us if known else _now_us() + settings.policy.future
    margin = None if wanted.margin is None else round(wanted.margin * DAY)
    topic = TopicSet(settings.kafka.prefix).events
    asked = Asked(settings.kafka, topic, start - wanted.reach, end_us, margin, wanted.incomplete)
    if work.plan is None:
        found = [
            (span.partition, span.begin, span.end)
            for span in spans(asked, settings.policy, partial(click.echo, err=True))
        ]
        now_us = _now_us()
        if like is not None:
            last, now_us = {number: end for number, _, end in like.spans}, like.now_us
            found = [(number, begin, last[number]) for number, begin, _ in found if number in last]
        work.keep(Plan(now_us=now_us, end_us=end_us, spans=found))
    assert work.plan is not None
    if definitions.differ(settings):
        click.echo(definitions.OTHERWISE, err=True)
    with shown(sum(end - begin for _, begin, end in work.plan.spans)) as bar:
        return count_range(asked, settings.policy, wanted.by, wanted.processes, work, bar)


def _now_us() -> int:
    return time.time_ns() // 1_000
