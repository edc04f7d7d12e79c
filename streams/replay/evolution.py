"""The command `centralita evolution`: KPIs of a day, week, month or year against the one before and the same one a year before."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import IO, Any, Final

import click
from rich import box
from rich.table import Table
from rich.text import Text

from schemas.fields import rfc3339
from schemas.rows import Figure
from streams.engine.policy import Days
from streams.kpis.evolution import (
    MAIN,
    UNITS,
    Compared,
    Evolution,
    Periods,
    Unit,
    evolution,
    last_complete,
    periods,
    so_far,
)
from streams.kpis.figures import Query
from streams.kpis.outputs import as_json, safe
from streams.kpis.registry import BY, BY_ID
from streams.kpis.times import TimeError, moment
from streams.kpis.windows import zone_of
from streams.replay.asking import Wanted, counting, fail_for_garbage, format_option, source_options
from streams.replay.atomic import written
from streams.replay.outputs import cell, difference, local, show_whole
from streams.settings import Settings

_COLUMNS: Final = (
    "kpi", "unit", "channel", "queue", "breakdown", "value", "start", "end", "complete", "figure", "sample", "compared_with", "its_start", "its_end",
    "its_figure", "its_sample", "difference", "low", "high", "within_noise",
)  # fmt: skip


@click.command
@source_options
@click.option("--period", "unit", type=click.Choice(UNITS), default="month", show_default=True, help="How long it is.")
@click.option("--at", metavar="TIME", help="The period that this time is in; default: the last complete one.")
@click.option("--by", type=click.Choice(BY), help="A row for each of these, and the total.")
@click.option(
    "--kpi", "kpis", multiple=True, metavar="ID", help="Only these KPIs (again for more); `all` for every one."
)
@format_option("comparison")
@click.pass_obj
def command(
    load: Callable[[], Settings], /, unit: Unit, at: str | None, kpis: Sequence[str], form: str, **given: Any
) -> None:
    """Compare KPIs with the period before and with the same one a year before, and tell what is more than noise.

    Differences come with their 95 % interval; one that has 0 in it is within noise. Days and weeks are compared with those 52 weeks
    before. The last complete period is that before the last event of files, before now for the topic. One that goes on is taken as far as
    whole days of it have passed (of files, up to the day of their last event), and compared with as many days of the earlier ones.
    Amounts in several currencies are compared each by itself.

    Example: centralita evolution 2025.ndjson.gz 2026.ndjson.gz --period month --at 2026-03-01 --by queue

    Example: centralita evolution --period week --kpi abandonment_rate
    """
    settings = load()
    wanted = Wanted(start=None, end=None, every="all", **given)
    zone = zone_of(settings.policy, wanted.queue)
    chosen = _chosen(kpis)
    of = _asked(unit, at, zone, of_topic=not wanted.files)
    if of is not None:
        wanted = wanted._replace(start=rfc3339(of.begin), end=rfc3339(of.now[1]))
    with counting(settings, wanted, zone) as counted:
        of = of or last_complete(unit, counted.watermark, zone)
        known = Days(zone).around(counted.watermark)[1] if wanted.files else time.time_ns() // 1_000
        of = so_far(of, known, zone)
        query = Query(0, 0, "all", wanted.by, wanted.channel, wanted.queue)
        found = evolution(counted.figures, query, of, chosen)
        if form == "table":
            show(found, of, wanted.by, zone)
        else:
            with written(None) as file:
                write(file, form, found)
    fail_for_garbage(counted)


def _chosen(kpis: Sequence[str]) -> Collection[str]:
    """Return the ids of the KPIs asked for."""
    for name in kpis:
        if name not in BY_ID and name != "all":
            raise click.UsageError(f"--kpi: seen {name!r}, expected all or one of {', '.join(BY_ID)}")
    return BY_ID.keys() if "all" in kpis else kpis or MAIN


def _asked(unit: Unit, at: str | None, zone: str, *, of_topic: bool) -> Periods | None:
    """Return the periods asked for; None where the last event of files will tell."""
    if at is None:
        return last_complete(unit, time.time_ns() // 1_000, zone) if of_topic else None
    try:
        return periods(unit, moment(at, zone), zone)
    except TimeError as error:
        raise click.UsageError(f"--at: seen {at!r}, expected {error}") from None


def show(found: Sequence[Evolution], of: Periods, by: str | None, zone: str) -> None:
    """Print a table; times are of ``zone``, ``*`` marks what is more than noise."""
    table = Table(
        title=" to ".join(local(rfc3339(end), zone) for end in of.now) + ("" if of.complete else _SO_FAR),
        box=box.SIMPLE_HEAD,
        title_justify="left",
        show_edge=False,
    )
    for name in [*([by] if by else []), "KPI"]:
        table.add_column(name, no_wrap=True)
    earlier = ["before", *(["a year before"] if of.year_before else [])]
    for name in ["now", *(head for period in earlier for head in (period, "change", "95 %"))]:
        table.add_column(name, justify="right", no_wrap=True)
    for one in found:
        who = [one.queue if by == "queue" else one.channel if by == "channel" else one.value] if by else []
        name = BY_ID[one.kpi].name if one.figure.amounts is None else f"{BY_ID[one.kpi].name}, {one.figure.unit}"
        cells = [*(place or "(all)" for place in who), name, cell(one.figure)]
        for compared in (one.previous, one.year_before):
            cells += [] if compared is None else _cells(compared)
        table.add_row(*map(Text, cells))
    show_whole(table)
    click.echo(
        "* more than noise: 0 is not in the 95 % interval of the change; no interval: too little is kept to tell. -- has no value."
    )


_SO_FAR: Final = ", as far as it has passed; the earlier periods up to the same day and time"


def _cells(compared: Compared) -> list[str]:
    if compared.figure is None:
        return ["unknown", "", ""]
    unit = compared.figure.unit
    interval = (
        ""
        if compared.low is None or compared.high is None
        else f"{difference(compared.low, unit)} to {difference(compared.high, unit)}"
    )
    return [
        cell(compared.figure),
        difference(compared.difference, unit) + ("*" if compared.noise is False else ""),
        interval,
    ]


def write(file: IO[bytes], form: str, found: Sequence[Evolution]) -> None:
    """Write comparisons as JSON, one KPI a line, or as CSV, one comparison a line."""
    if form == "json":
        file.writelines(as_json(one) + b"\n" for one in found)
        return
    text = io.StringIO()
    sheet = csv.writer(text, lineterminator="\n")
    sheet.writerow(_COLUMNS)
    for one in found:
        sheet.writerows([safe(field) if isinstance(field, str) else field for field in line] for line in _lines(one))
    file.write(text.getvalue().encode())


def _lines(one: Evolution) -> Iterator[list[object]]:
    place = [
        one.kpi,
        one.figure.unit,
        one.channel,
        one.queue,
        one.breakdown,
        one.value,
        one.start,
        one.end,
        one.complete,
    ]
    for name, compared in (("previous", one.previous), ("year_before", one.year_before)):
        if compared is not None:
            then = compared.figure or Figure(None, None, None, one.figure.unit, "unavailable")
            yield [
                *place, one.figure.value, one.figure.denominator, name, compared.start, compared.end, then.value, then.denominator,
                compared.difference, compared.low, compared.high, compared.noise,
            ]  # fmt: skip
