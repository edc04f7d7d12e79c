"""Rows as JSON and as CSV. Text in a CSV never starts a formula: spreadsheets would run it, and names come from events."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

import msgspec

from schemas.rows import Row

_PLACE = ("start", "end", "channel", "queue", "breakdown", "value")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def as_json(answer: object) -> bytes:
    """Return an answer as JSON."""
    return msgspec.json.encode(answer)


def as_csv(rows: Iterable[Row], kpis: Sequence[str]) -> str:
    """Return rows as CSV: their place, then of each KPI its value, numerator, denominator and status; empty is unknown."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*_PLACE, *(column for kpi in kpis for column in (kpi, *(f"{kpi}_{part}" for part in _PARTS)))])
    for row in rows:
        place = [safe(text) for text in (row.start, row.end, row.channel, row.queue, row.breakdown, row.value)]
        writer.writerow(place + [cell for kpi in kpis for cell in _cells(row, kpi)])
    return out.getvalue()


_PARTS = ("numerator", "denominator", "status")


def _cells(row: Row, kpi: str) -> list[object]:
    figure = row.kpis.get(kpi)
    if figure is None:
        return ["", "", "", ""]
    return [
        "" if part is None else part for part in (figure.value, figure.numerator, figure.denominator, figure.status)
    ]


def safe(text: str | None) -> str:
    r"""Return a name that no spreadsheet takes for a formula.

    >>> safe("Sales"), safe('=HYPERLINK("http://x")'), safe(None)
    ('Sales', '\'=HYPERLINK("http://x")', '')
    """
    if text is None:
        return ""
    return f"'{text}" if text.startswith(_FORMULA) else text
