"""The command `centralita replay`: any stretch of history again, counted as the worker counted it, into whatever is made of it.

It reads events and writes files, nothing else: no group, no topic and no state of the live worker is touched.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from streams.cli import INTERRUPTED
from streams.configuration import load as load_settings
from streams.kpis.windows import zone_of
from streams.replay import outputs, parquet
from streams.replay.asking import Wanted, counting, fail_for_garbage, options, range_of
from streams.replay.atomic import written
from streams.replay.counted import Counted
from streams.settings import Settings

FORMATS: Final = (*outputs.FORMATS, "parquet")
_SUFFIXES: Final = {".csv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet"}


@click.command
@options
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write here, whole or not at all; progress is kept beside it until then.",
)
@click.option("--format", "form", type=click.Choice(FORMATS), help="Default: as the file is called, else a table.")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Settings file, instead of the one before `replay`.",
)
@click.pass_obj
def command(
    load: Callable[[], Settings], /, output: Path | None, form: str | None, config: Path | None, **given: Any
) -> None:
    """Count a range of the topic, or files, again: exactly what was shown live, or what other settings would have shown.

    The rows are those of the API for the same range. Interrupted or killed, the same command with the same --output goes on where
    it was. Records that are no events are counted by reason on standard error, and the exit code is then 1.

    Example: centralita replay --from 2026-03-02 --to 2026-03-09 --every 15m --by queue --output week.parquet

    Example: centralita replay --from 2026-03-02 --to 2026-03-03 --config other.toml --every 1h
    """
    settings = load() if config is None else load_settings(config, os.environ)
    wanted = Wanted(**given)
    form = _form(form, output)
    zone = zone_of(settings.policy, wanted.queue)
    try:
        with counting(settings, wanted, zone, output) as counted:
            _write(counted, settings, wanted, form, output)
    except KeyboardInterrupt:
        click.echo("interrupted" + (": the same command goes on from here" if output is not None else ""), err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    fail_for_garbage(counted)


def _form(form: str | None, output: Path | None) -> str:
    """Return the format; raise what is wrong with it before anything is counted."""
    if form is None:
        form = "table" if output is None else _SUFFIXES.get(output.suffix)
        if form is None:
            raise click.UsageError(f"--format: not given, expected one for {output}: {', '.join(FORMATS)}")
    if form == "table" and output is not None:
        raise click.UsageError("--format: seen table, which is printed; expected another one for --output")
    if form == "parquet":
        if output is None:
            raise click.UsageError("--format: seen parquet, which is no text; expected --output FILE with it")
        parquet.library()
    return form


def _write(counted: Counted, settings: Settings, wanted: Wanted, form: str, output: Path | None) -> None:
    zone = zone_of(settings.policy, wanted.queue)
    query = range_of(counted, wanted, zone)
    if form == "table":
        outputs.show(counted.figures.rows(query), wanted.by, settings.policy, zone, counted.watermark)
        return
    with written(output) as file:
        if form == "parquet":
            parquet.write(file, counted.figures.stretches(query))
        else:
            outputs.write(file, form, counted.figures.stretches(query))
