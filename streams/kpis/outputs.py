"""Rows as JSON and as CSV, in pieces, so that who writes large answers can do other work between them.

Text in a CSV never starts a formula: spreadsheets would run it, and names come from events.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Struct, structs

from schemas.rows import Figure, Row
from streams.kpis.registry import KPIS, Kpi
from streams.kpis.statuses import OWN

PIECE: Final = 500
"""Rows in a piece: about 2 MB of JSON, 5 ms of work."""
_PLACE: Final = ("start", "end", "channel", "queue", "breakdown", "value")
_PARTS: Final = ("kpi", "unit", "figure", "numerator", "denominator", "status")
_MONEY: Final = tuple(kpi.id for kpi in KPIS if kpi.amount is not None)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def as_json(answer: object) -> bytes:
    """Return an answer as JSON."""
    return msgspec.json.encode(answer)


def json_pieces(answer: Struct, rows: Sequence[Row]) -> Iterator[bytes]:
    """Yield an answer as JSON; the last field of its structure, `rows`, is to be these."""
    empty = msgspec.json.encode(structs.replace(answer, rows=[]))
    yield empty.removesuffix(b"]}")
    for first in range(0, len(rows), PIECE):
        yield (b"," if first else b"") + msgspec.json.encode(rows[first : first + PIECE])[1:-1]
    yield b"]}"


def csv_pieces(rows: Sequence[Row]) -> Iterator[str]:
    """Yield rows as CSV with a column a KPI: its value, in the unit of the registry, of money in ``currency``; empty is no value.

    A row with amounts in several currencies is followed by one for each further currency, in which the other KPIs are empty. ``status`` is
    that of all KPIs but those that customers who come back or open tickets can change, which have one of their own.
    """
    yield _lines([[*_PLACE, "currency", "status", *(f"{kpi}_status" for kpi in OWN), *(kpi.id for kpi in KPIS)]])
    for first in range(0, len(rows), PIECE):
        yield _lines([line for row in rows[first : first + PIECE] for line in _wide(row)])


def long_pieces(rows: Sequence[Row]) -> Iterator[str]:
    """Yield rows as CSV with a line a KPI, of money a line a currency: unit, value, numerator, denominator and status."""
    yield _lines([[*_PLACE, *_PARTS]])
    for first in range(0, len(rows), PIECE):
        yield _lines([line for row in rows[first : first + PIECE] for line in _long(row)])


SHEETS: Final = {"csv": csv_pieces, "csv-long": long_pieces}
"""Kinds of CSV."""


def _lines(lines: Sequence[Sequence[object]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(lines)
    return out.getvalue()


def _wide(row: Row) -> Iterator[list[object]]:
    statuses = [row.kpis[kpi].status for kpi in (KPIS[0].id, *OWN)]
    names = sorted({name for kpi in _MONEY for name in row.kpis[kpi].amounts or {}})
    first, others = (names[0] if names else None), names[1:]
    values = [row.kpis[kpi.id].value if kpi.amount is None else _amount(row, kpi, first) for kpi in KPIS]
    yield [*_place(row), first, *statuses, *values]
    for name in others:
        yield [*_place(row), name, *statuses, *(kpi.amount and _amount(row, kpi, name) for kpi in KPIS)]


def _amount(row: Row, kpi: Kpi, currency: str | None) -> object:
    """Return an amount in a currency: no value, or 0 of a sum, where there is none."""
    figure = row.kpis[kpi.id]
    if currency is None or not figure.amounts:
        return figure.value
    return figure.amounts.get(currency, None if kpi.denominator else 0)


def _long(row: Row) -> Iterator[list[object]]:
    place = _place(row)
    for kpi in KPIS:
        figure: Figure = row.kpis[kpi.id]
        if figure.amounts is not None:
            for currency, amount in figure.amounts.items():
                yield [*place, kpi.id, currency, amount, None, figure.denominator, figure.status]
        else:
            yield [*place, kpi.id, kpi.unit, figure.value, figure.numerator, figure.denominator, figure.status]


def _place(row: Row) -> list[str]:
    return [safe(text) for text in (row.start, row.end, row.channel, row.queue, row.breakdown, row.value)]


def safe(text: str | None) -> str:
    r"""Return a name that no spreadsheet takes for a formula.

    >>> safe("Sales"), safe('=HYPERLINK("http://x")'), safe(None)
    ('Sales', '\'=HYPERLINK("http://x")', '')
    """
    if text is None:
        return ""
    return f"'{text}" if text.startswith(_FORMULA) else text
