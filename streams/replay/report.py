"""The command `centralita report`: figures of files, or of a range of the events topic.

The figures are those of the board for the same range: the same engine, the same registry, the formulas of history.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import click

from streams.broker.topics import TopicSet
from streams.configuration import load as load_settings
from streams.errors import InputError
from streams.kpis.figures import Query
from streams.kpis.outputs import SHEETS
from streams.kpis.registry import BY
from streams.kpis.times import TimeError, moment
from streams.kpis.windows import EVERY, zone_of
from streams.replay import outputs
from streams.replay.counted import Counted
from streams.replay.files import count_files
from streams.replay.progress import shown
from streams.replay.topic import Asked, count_range, spans
from streams.settings import Settings
from streams.sources.files import bytes_to_read, is_regular


class Wanted(NamedTuple):
    """What a report shall show; times in microseconds, None for the first or the last event."""

    start_us: int | None
    end_us: int | None
    every: str
    by: str | None
    channel: str | None
    queue: str | None
    format: str


@click.command
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--from", "start", metavar="TIME", help="Begin here; needed for a range of the topic.")
@click.option("--to", "end", metavar="TIME", help="End before this time; default: after the last event.")
@click.option(
    "--every", type=click.Choice(EVERY), default="all", show_default=True, help="Cut the range into stretches."
)
@click.option("--by", type=click.Choice(BY), help="A row for each of these, and the total.")
@click.option("--channel", help="Only this channel.")
@click.option("--queue", help="Only this queue.")
@click.option(
    "--format",
    "form",
    type=click.Choice(outputs.FORMATS),
    default="table",
    show_default=True,
    help="json is one row a line.",
)
@click.option(
    "--processes", type=click.IntRange(1, 256), default=os.cpu_count() or 1, show_default="cores", help="Processes."
)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Settings file, instead of the one before `report`.",
)
@click.pass_obj
def command(  # noqa: PLR0913, PLR0917 - a parameter an option
    load: Callable[[], Settings],
    files: tuple[str, ...],
    start: str | None,
    end: str | None,
    every: str,
    by: str | None,
    channel: str | None,
    queue: str | None,
    form: str,
    processes: int,
    config: Path | None,
) -> None:
    """Compute figures of files (one JSON event a line, also .gz and .xz, `-` is standard input), or of a range of the topic.

    A TIME is a day or a local time of the zone of the queue, else of the settings, or has an offset, and lies on a quarter of an hour. Records that are
    no events are counted by reason on standard error; with files the exit code is then 1, and the report is made from the rest.

    Example: centralita report january.ndjson.gz --every 1d --by queue

    Example: centralita report --from 2026-03-02 --to 2026-03-03 --every 1h --format csv
    """
    settings = load() if config is None else load_settings(config, os.environ)
    zone = zone_of(settings.policy, queue)
    wanted = Wanted(
        _moment("--from", start, zone),
        _moment("--to", end, zone),
        every, by, channel, queue, form,
    )  # fmt: skip
    if wanted.start_us is not None and wanted.end_us is not None and wanted.end_us <= wanted.start_us:
        raise click.UsageError(f"--to: seen {end}, expected a time after --from ({start})")
    if not files and wanted.start_us is None:
        raise click.UsageError("expected FILE..., or --from for a range of the topic")
    counted = _of_files(files, settings, wanted, processes) if files else _of_topic(settings, wanted, processes)
    _tell_refused(counted)
    _print(counted, settings, wanted)
    if files and counted.refused:
        raise click.exceptions.Exit(1)


def _moment(option: str, text: str | None, zone: str) -> int | None:
    if text is None:
        return None
    try:
        return moment(text, zone)
    except TimeError as error:
        raise click.UsageError(f"{option}: seen {text!r}, expected {error}") from None


def _of_files(files: tuple[str, ...], settings: Settings, wanted: Wanted, processes: int) -> Counted:
    for name in files:
        is_regular(name)
    with shown(bytes_to_read(files)) as bar:
        return count_files(files, settings.policy, wanted.by, processes, _now_us(), bar)


def _of_topic(settings: Settings, wanted: Wanted, processes: int) -> Counted:
    now_us = _now_us()
    end_us = wanted.end_us or now_us + settings.policy.future
    assert wanted.start_us is not None, "checked by the command"
    asked = Asked(settings.kafka, TopicSet(settings.kafka.prefix).events, wanted.start_us, end_us)
    found = spans(asked, settings.policy)
    with shown(sum(span.end - span.begin for span in found)) as bar:
        return count_range(asked, found, settings.policy, wanted.by, processes, bar)


def _now_us() -> int:
    return time.time_ns() // 1_000


def _tell_refused(counted: Counted) -> None:
    """Say which records are not in the figures, and why."""
    for example in sorted(counted.examples, key=lambda example: example.offset)[:10]:
        click.echo(f"{example.place}: {example.reason}: {example.message}", err=True)
    if counted.refused:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(counted.refused.items()))
        click.echo(
            f"{sum(counted.refused.values()):,} records are no events and not in the figures: {reasons}", err=True
        )


def _print(counted: Counted, settings: Settings, wanted: Wanted) -> None:
    start, end = _span(counted, wanted)
    rows = counted.figures.rows(Query(start, end, wanted.every, wanted.by, wanted.channel, wanted.queue))
    if wanted.format == "json":
        sys.stdout.buffer.write(outputs.as_lines(rows))
    elif wanted.format in SHEETS:
        sys.stdout.writelines(SHEETS[wanted.format](rows))
    else:
        outputs.show(rows, wanted.by, settings.policy, zone_of(settings.policy, wanted.queue), counted.watermark)


def _span(counted: Counted, wanted: Wanted) -> tuple[int, int]:
    """Return the range to report: as asked, else from the interval of the first event to that of the last."""
    found = counted.span
    start = wanted.start_us if wanted.start_us is not None else found[0] if found else 0
    end = wanted.end_us if wanted.end_us is not None else found[1] if found else 0
    if found is None or start >= found[1] or end <= found[0]:
        raise InputError("there are no events to report" + ("" if found is None else " between --from and --to"))
    return start, end
