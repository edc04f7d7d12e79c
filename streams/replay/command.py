"""The command `centralita replay`: any stretch of history again, counted as the worker counted it, into whatever is made of it.

It reads events and writes files, nothing else: no group, no topic and no state of the live worker is touched.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from streams.broker.topics import TopicSet
from streams.cli import INTERRUPTED
from streams.errors import BrokerError, ConfigurationError, InputError
from streams.kpis.windows import zone_of
from streams.replay import compare, exposition, outputs, parquet
from streams.replay.asking import Wanted, config_option, counting, fail_for_garbage, options, range_of, settings_of
from streams.replay.atomic import written
from streams.replay.counted import Counted
from streams.replay.progress import shown
from streams.replay.republish import Pace, Range, of_files, of_topic, send
from streams.replay.topic import Asked, spans
from streams.settings import Settings
from streams.sources.producer import Sender

FORMATS: Final = (*outputs.FORMATS, "parquet", "openmetrics")
_SUFFIXES: Final = {
    ".csv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json", ".om": "openmetrics", ".parquet": "parquet",
}  # fmt: skip


FLUSH_SECONDS: Final = 20.0


class Target(NamedTuple):
    """Where the answer goes (None: standard output), and in which format."""

    output: Path | None
    form: str


@click.command
@options
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write here, whole or not at all; progress is kept beside it until then.",
)
@click.option("--format", "form", type=click.Choice(FORMATS), help="Default: as the file is called, else a table.")
@config_option("replay")
@click.option(
    "--into", metavar="TOPIC", help="Send the events of the range into this topic again, instead of counting them."
)
@click.option(
    "--speed",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="With --into: so many times as fast as they came; 0: as fast as it goes.",
)
@click.option("--shift", is_flag=True, help="With --into: move the events' times by one constant, to now.")
@click.option("--compare", "comparing", is_flag=True, help="Show only what --config changes, and by how much.")
@click.pass_obj
def command(  # noqa: PLR0913 - a parameter an option
    load: Callable[[], Settings],
    /,
    output: Path | None,
    form: str | None,
    config: Path | None,
    into: str | None,
    speed: float,
    *,
    shift: bool,
    comparing: bool,
    **given: Any,
) -> None:
    """Count a range of the topic, or files, again: exactly what was shown live, or what other settings would have shown.

    The rows are those of the API for the same range. Interrupted or killed, the same command with the same --output goes on where
    it was. Records that are no events are counted by reason on standard error, and the exit code is then 1.

    With --into there is nothing to go on from: the same command sends all from the beginning, and events that are there already count once;
    with --shift they would have other times, so begin anew with topics of another prefix.

    Example: centralita replay --from 2026-03-02 --to 2026-03-09 --every 15m --by queue --output week.parquet

    Example: centralita replay --from 2026-03-02 --to 2026-03-03 --every 1h --config other.toml --compare

    Example: centralita replay --from 2026-03-02T09:00 --to 2026-03-02T13:00 --into rehearsal.events --speed 10 --shift
    """
    if into is not None:
        if output is not None or form is not None or comparing:
            raise click.UsageError(
                "--into: sends events, and writes no figures; expected it without --output, --format and --compare"
            )
        _republish(settings_of(load, config), Wanted(**given), into, Pace(speed, shift))
        return
    target = _target(form, output, compare.FORMATS if comparing else FORMATS)
    wanted = Wanted(**given, reach=exposition.REACH if target.form == "openmetrics" else 0)
    if comparing and config is None:
        raise click.UsageError("--compare: expected --config with the settings to compare with")
    settings = settings_of(load, None if comparing else config)
    try:
        if comparing:
            assert config is not None
            _compare(settings, settings_of(load, config), wanted, target)
        else:
            _replay(settings, wanted, target)
    except KeyboardInterrupt:
        click.echo("interrupted" + (": the same command goes on from here" if output is not None else ""), err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None


def _target(form: str | None, output: Path | None, forms: tuple[str, ...]) -> Target:
    """Return where the answer goes; raise what is wrong with it before anything is counted."""
    if form is None:
        form = "table" if output is None else _SUFFIXES.get(output.suffix)
    if form not in forms:
        seen = f"not given, expected one for {output}" if form is None else f"seen {form}, expected one of"
        raise click.UsageError(f"--format: {seen}: {', '.join(forms)}")
    if form == "table" and output is not None:
        raise click.UsageError("--format: seen table, which is printed; expected another one for --output")
    if form == "parquet":
        if output is None:
            raise click.UsageError("--format: seen parquet, which is no text; expected --output FILE with it")
        parquet.library()
    return Target(output, form)


def _replay(settings: Settings, wanted: Wanted, target: Target) -> None:
    zone = zone_of(settings.policy, wanted.queue)
    with counting(settings, wanted, zone, target.output) as counted:
        query = range_of(counted, wanted, zone)
        if target.form == "table":
            outputs.show(counted.figures.rows(query), wanted.by, settings.policy, zone, counted.watermark)
        else:
            with written(target.output) as file:
                if target.form == "parquet":
                    parquet.write(file, counted.figures.stretches(query))
                elif target.form == "openmetrics":
                    assert counted.folder is not None
                    exposition.write(file, counted.figures, query, counted.folder)
                else:
                    outputs.write(file, target.form, counted.figures.stretches(query))
    fail_for_garbage(counted)


def _republish(settings: Settings, wanted: Wanted, into: str, pace: Pace) -> None:
    """Send the events of a range again; told is how many are in, also when it is interrupted."""
    topics = TopicSet(settings.kafka.prefix)
    if into in topics.names:
        raise ConfigurationError(
            f"--into: seen {into}, a topic of this installation; expected one of another, as rehearsal.events"
        )
    start, end = wanted.range_us(zone_of(settings.policy, wanted.queue))
    now_us = time.time_ns() // 1_000
    if end is None and pace.shift and not 0 < pace.speed <= 1:
        raise click.UsageError(
            "--shift: expected --to with a speed above 1: the end of the range is moved to when it is sent"
        )
    belongs = Range(start or 0, end if end is not None else now_us + settings.policy.future)
    sender = Sender(settings.kafka, into)
    partitions = sender.check()
    if wanted.files:
        stream = of_files(wanted.files, belongs, now_us)
    else:
        asked = Asked(settings.kafka, topics.events, belongs.start_us, belongs.end_us, 0, wanted.incomplete)
        stream = of_topic(asked, spans(asked, settings.policy), settings.policy, partitions)
    code = 0
    with shown((belongs.end_us - belongs.start_us) if end is not None else None, "sending") as bar:
        try:
            send(stream, sender, belongs, pace, bar)
        except KeyboardInterrupt:
            sender.flush(FLUSH_SECONDS)
            sender.drop()
            code = INTERRUPTED
        except BrokerError as error:
            raise BrokerError(f"{error}; {sender.delivered:,} events sent into {into}; {_again(pace)}") from None
    click.echo(f"{sender.delivered:,} events sent into {into}" + (f", interrupted; {_again(pace)}" if code else ""))
    if not sender.delivered and not code:
        raise InputError("there are no events to send between --from and --to")
    if code:
        raise click.exceptions.Exit(code)


def _again(pace: Pace) -> str:
    """Return what to do when not all was sent."""
    if pace.shift:
        return "moved events have other times when they are sent again: begin anew with another prefix"
    return "the same command sends all from the beginning, and what is there already counts once"


def _compare(before: Settings, after: Settings, wanted: Wanted, target: Target) -> None:
    """Count under both definitions, the same records, and tell what differs."""
    zone, other = (zone_of(settings.policy, wanted.queue) for settings in (before, after))
    beside = None if target.output is None else target.output.with_name(f"{target.output.name}.other")
    with counting(before, wanted, zone, target.output) as counted:
        old = _paired(counted, wanted, zone, zone)
        cut = other if wanted.every in compare.LOCAL else zone  # whose clock local times and stretches are of
        with counting(after, wanted, cut, beside, counted.plan) as again:
            found = list(compare.changes(old, _paired(again, wanted, cut, other)))
            if target.form == "table":
                compare.show(found, sum(len(row.kpis) for row in old.values()), zone)
            else:
                with written(target.output) as file:
                    compare.write(file, target.form, found)
    fail_for_garbage(counted)


def _paired(counted: Counted, wanted: Wanted, cut: str, zone: str) -> dict[compare.Paired, Any]:
    name = compare.pairing(wanted.every, zone)
    return {name(row): row for row in counted.figures.rows(range_of(counted, wanted, cut))}
