"""The command `centralita ranking`: agents of files, or of a range of the topic, in the order of a published composite."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any, Final

import click
from rich import box
from rich.table import Table
from rich.text import Text

from schemas.fields import rfc3339
from schemas.rows import Figure
from streams.kpis.figures import Query
from streams.kpis.outputs import as_json, safe
from streams.kpis.ranking import MINIMUM, WEIGHTS, Part, Ranked, ranking
from streams.kpis.registry import BY_ID
from streams.kpis.windows import zone_of
from streams.replay.asking import Wanted, counting, fail_for_garbage, format_option, range_of, range_options
from streams.replay.atomic import written
from streams.replay.outputs import cell, local, show_whole
from streams.settings import Settings

_OF_PART: Final = ("", "_sample", "_shrunk", "_deviations")
_COLUMNS: Final = ("rank", "agent", "score", "handled", *(f"{kpi}{part}" for kpi in WEIGHTS for part in _OF_PART))


@click.command
@range_options
@format_option("agent")
@click.pass_obj
def command(load: Callable[[], Settings], /, form: str, **given: Any) -> None:
    """Rank agents by a composite: 50 is the team's mean, 10 more or less a standard deviation of the team.

    First-contact resolution counts for 0.3, CSAT 0.25, handling time 0.15, transfers, reopenings and complaints 0.1 each. Each is drawn to the team's
    mean as if the agent had handled 30 more contacts of it; who has handled fewer than 30 has no rank. A TIME is as in `report`.

    Example: centralita ranking march.ndjson.gz --queue sales

    Example: centralita ranking --from 2026-03-01 --to 2026-04-01 --format csv
    """
    settings = load()
    wanted = Wanted(every="all", by="agent", **given)
    zone = zone_of(settings.policy, wanted.queue)
    with counting(settings, wanted, zone) as counted:
        query = range_of(counted, wanted, zone)
        rows = counted.figures.rows(query)
        found = ranking(rows)
        if form == "table":
            show(found, rows[-1].kpis, query, zone)
        else:
            with written(None) as file:
                write(file, form, found)
    fail_for_garbage(counted)


def show(found: Sequence[Ranked], team: Mapping[str, Figure], query: Query, zone: str) -> None:
    """Print a table, the ``team``'s figures last; times are of ``zone``."""
    table = Table(
        title=" to ".join(local(rfc3339(end), zone) for end in (query.start_us, query.end_us)),
        box=box.SIMPLE_HEAD,
        title_justify="left",
        show_edge=False,
    )
    table.add_column("rank", justify="right", vertical="bottom")
    table.add_column("agent", no_wrap=True, vertical="bottom")
    for name in ("score", "handled", *(f"{BY_ID[kpi].name} ({weight:g})" for kpi, weight in WEIGHTS.items())):
        table.add_column(name.replace(" ", "\n"), justify="right", vertical="bottom")
    for one in found:
        own = [one.parts.get(kpi) for kpi in WEIGHTS]
        cells = [_plain(one.rank), one.agent, _plain(one.score, ".1f"), f"{one.handled:,.0f}"]
        table.add_row(*map(Text, [*cells, *(_of(kpi, part) for kpi, part in zip(WEIGHTS, own, strict=True))]))
    handled = sum(one.handled for one in found)
    table.add_row(*map(Text, ["", "(team)", "50.0", f"{handled:,.0f}", *(cell(team[kpi]) for kpi in WEIGHTS)]))
    show_whole(table)
    click.echo(
        f"Weights in brackets; every KPI is drawn to the team's as if by {MINIMUM} contacts more. -- has no value, or no rank: fewer than {MINIMUM} handled."
    )


def _plain(value: float | None, form: str = "") -> str:
    return "--" if value is None else format(value, form)


def _of(kpi: str, part: Part | None) -> str:
    """Return an agent's own figure of a KPI, as other tables show it."""
    return cell(Figure(None if part is None else part.value, None, None, BY_ID[kpi].unit, ""))


def write(file: IO[bytes], form: str, found: Sequence[Ranked]) -> None:
    """Write agents as JSON, one a line as in the API, or as CSV."""
    if form == "json":
        file.writelines(as_json(one) + b"\n" for one in found)
        return
    text = io.StringIO()
    sheet = csv.writer(text, lineterminator="\n")
    sheet.writerow(_COLUMNS)
    sheet.writerows([one.rank, safe(one.agent), one.score, one.handled, *_parts(one)] for one in found)
    file.write(text.getvalue().encode())


def _parts(one: Ranked) -> Iterator[float | None]:
    for kpi in WEIGHTS:
        part = one.parts.get(kpi)
        yield from (None,) * len(_OF_PART) if part is None else (part.value, part.sample, part.shrunk, part.better)
