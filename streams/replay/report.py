"""The command `centralita report`: figures of files, or of a range of the events topic, printed.

The figures are those of the board for the same range: the same engine, the same registry, the formulas of history. `centralita replay` counts in the
same way, for files and everything else that becomes of a past.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from streams.kpis.windows import zone_of
from streams.replay import outputs
from streams.replay.asking import Wanted, config_option, counting, fail_for_garbage, options, range_of, settings_of
from streams.replay.atomic import written
from streams.settings import Settings


@click.command
@options
@click.option(
    "--format",
    "form",
    type=click.Choice(outputs.FORMATS),
    default="table",
    show_default=True,
    help="json is one row a line.",
)
@config_option("report")
@click.pass_obj
def command(load: Callable[[], Settings], /, form: str, config: Path | None, **given: Any) -> None:
    """Compute figures of files (one JSON event a line, also .gz and .xz, `-` is standard input), or of a range of the topic.

    A TIME is a day or a local time of the zone of the queue, else of the settings, or has an offset, and lies on a quarter of an hour. Records that are
    no events are counted by reason on standard error; the exit code is then 1, and the report is made from the rest.

    Example: centralita report january.ndjson.gz --every 1d --by queue

    Example: centralita report --from 2026-03-02 --to 2026-03-03 --every 1h --format csv
    """
    settings = settings_of(load, config)
    wanted = Wanted(**given)
    zone = zone_of(settings.policy, wanted.queue)
    with counting(settings, wanted, zone) as counted:
        query = range_of(counted, wanted, zone)
        if form == "table":
            outputs.show(counted.figures.rows(query), wanted.by, settings.policy, zone, counted.watermark)
        else:
            with written(None) as file:
                outputs.write(file, form, counted.figures.stretches(query))
    fail_for_garbage(counted)
