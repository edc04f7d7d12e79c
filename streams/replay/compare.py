"""What if: the rows of a range under the definitions that hold and under others, and every figure that differs.

Rows are paired by when their stretch begins: by the local day or month where days of two time zones are compared, else by the moment.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import IO, Final
from zoneinfo import ZoneInfo

import click
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from schemas.rows import Figure, Row
from streams.kpis.outputs import as_json, safe
from streams.kpis.registry import BY_ID
from streams.replay.outputs import cell, difference, local, show_whole

FORMATS: Final = ("table", "json", "csv")
LOCAL: Final = frozenset({"1d", "1mo"})
"""Stretches that begin by the local clock."""
_COLUMNS: Final = (
    "start", "end", "channel", "queue", "breakdown", "value", "kpi", "unit", "before", "before_numerator", "before_denominator",
    "after", "after_numerator", "after_denominator", "change",
)  # fmt: skip


class Change(Struct, frozen=True):
    """A figure that differs. The stretch is that of the row before; None is a row that the other definitions do not have."""

    start: str
    end: str
    channel: str | None
    queue: str | None
    breakdown: str | None
    value: str | None
    kpi: str
    before: Figure | None
    after: Figure | None

    @property
    def difference(self) -> float | None:
        """Return by how much the value changes, None where one has none."""
        if self.before is None or self.after is None or self.before.value is None or self.after.value is None:
            return None
        return self.after.value - self.before.value


Paired = tuple[str, str | None, str | None, str | None, str | None]


def pairing(every: str, zone: str) -> Callable[[Row], Paired]:
    """Return what names a row in both answers; ``zone`` is that of the answer.

    >>> row = Row("2026-03-01T23:00:00Z", "2026-03-02T23:00:00Z", None, None, None, None, {})
    >>> pairing("1d", "Europe/Madrid")(row)[0], pairing("1h", "Europe/Madrid")(row)[0]
    ('2026-03-02T00:00:00', '2026-03-01T23:00:00Z')
    """

    def name(row: Row) -> Paired:
        start = row.start
        if every in LOCAL:
            start = datetime.fromisoformat(start).astimezone(ZoneInfo(zone)).replace(tzinfo=None).isoformat()
        return start, row.channel, row.queue, row.breakdown, row.value

    return name


def changes(before: dict[Paired, Row], after: dict[Paired, Row]) -> Iterator[Change]:
    """Yield every figure that differs in value, numerator or denominator, row by row."""
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = before.get(name), after.get(name)
        row = old or new
        assert row is not None
        for kpi in BY_ID:
            was, becomes = old.kpis[kpi] if old else None, new.kpis[kpi] if new else None
            if _parts(was) != _parts(becomes):
                yield Change(
                    row.start, row.end, row.channel, row.queue, row.breakdown, row.value, kpi, was, becomes
                )  # fmt: skip


def _parts(figure: Figure | None) -> tuple[float | None, ...]:
    return (None, None, None) if figure is None else (figure.value, figure.numerator, figure.denominator)


def write(file: IO[bytes], form: str, found: Iterable[Change]) -> None:
    """Write changes as JSON, one a line, or as CSV."""
    if form == "json":
        file.writelines(as_json(change) + b"\n" for change in found)
        return
    out = io.StringIO()
    lines = csv.writer(out)
    lines.writerow(_COLUMNS)
    lines.writerows(_line(change) for change in found)
    file.write(out.getvalue().encode())


def _line(change: Change) -> list[object]:
    place = (change.start, change.end, change.channel, change.queue, change.breakdown, change.value)
    return [
        *map(safe, place), change.kpi, BY_ID[change.kpi].unit, *_parts(change.before), *_parts(change.after), change.difference,
    ]  # fmt: skip


def show(found: list[Change], figures: int, zone: str) -> None:
    """Print changes as a table, then how many of the figures change."""
    if found:
        table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
        for name in ("from", "of", "figure"):
            table.add_column(name, no_wrap=True)
        for name in ("before", "after", "change"):
            table.add_column(name, justify="right", no_wrap=True)
        for change in found:
            table.add_row(*map(Text, _cells(change, zone)))
        show_whole(table)
    stretches = len({change.start for change in found})
    many = "" if stretches == 1 else "es"
    click.echo(f"{len(found):,} of {figures:,} figures change, in {stretches:,} stretch{many}. Times of {zone}.")


def _cells(change: Change, zone: str) -> list[str]:
    who = " ".join(part for part in (change.channel, change.queue, change.value) if part)
    before, after = (cell(figure) if figure else "--" for figure in (change.before, change.after))
    if before == after:  # the parts differ, or less than is shown
        before, after = (_fraction(figure) or text for figure, text in ((change.before, before), (change.after, after)))
    return [
        local(change.start, zone),
        who or "total",
        BY_ID[change.kpi].name,
        before,
        after,
        difference(change.difference, BY_ID[change.kpi].unit),
    ]


def _fraction(figure: Figure | None) -> str:
    if figure is None or figure.numerator is None:
        return ""
    return f"{figure.numerator:,g}" + ("" if figure.denominator is None else f" / {figure.denominator:,g}")
