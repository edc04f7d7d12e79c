"""CSV as an analyst reads it, and answers in pieces that are the whole."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

import msgspec
import pytest
from msgspec import Struct, structs

from schemas.rows import Figure, Row
from streams.kpis import outputs
from streams.kpis.registry import KPIS
from streams.kpis.statuses import OWN


class Answer(Struct):
    """An answer whose last field is its rows."""

    zone: str
    rows: list[Row]


def row(number: int) -> Row:
    """Return a row of which entered is the number, a service level of 3 in 4, and the others have no value."""
    nothing = {kpi.id: Figure(None, None, None, kpi.unit, "final") for kpi in KPIS}
    some = {
        "entered": Figure(number, number, None, "count", "open"),
        "service_level": Figure(0.75, 3, 4, "ratio", "open"),
        "first_contact_resolution": Figure(None, 0, 0, "ratio", "provisional"),
    }
    return Row("2026-03-02T09:00:00Z", "2026-03-02T09:15:00Z", "call", "sales", None, None, nothing | some)


def read(pieces: Iterator[str]) -> list[dict[str, str]]:
    return list(csv.DictReader("".join(pieces).splitlines()))


def test_a_row_of_csv_is_a_row_with_a_column_a_kpi() -> None:
    """Its place and statuses before; no value is an empty cell."""
    (line,) = read(outputs.csv_pieces([row(7)]))
    assert len(line) == 7 + 1 + len(OWN) + len(KPIS)
    assert (line["queue"], line["entered"], line["service_level"]) == ("sales", "7", "0.75")
    assert (line["status"], line["first_contact_resolution_status"]) == ("open", "provisional")
    assert line["handle_time"] == line["value"] == ""


def test_a_row_of_csv_is_followed_by_one_a_further_currency() -> None:
    """Amounts are never added, and what is no money is there once."""
    money = {
        "sales_amount": Figure(None, None, None, "money", "final", {"EUR": "19.9", "USD": "5"}),
        "cost_amount": Figure(10.0, 10.0, None, "EUR", "final", {"EUR": "10"}),
        "cost_per_resolution": Figure(2.5, 10.0, 4, "EUR", "final", {"EUR": "2.5"}),
    }
    lines = read(outputs.csv_pieces([structs.replace(row(7), kpis=row(7).kpis | money)]))
    names = ("queue", "currency", "entered", *money)
    assert [[line[name] for name in names] for line in lines] == [
        ["sales", "EUR", "7", "19.9", "10", "2.5"], ["sales", "USD", "", "5", "0", ""],
    ]  # fmt: skip


def test_long_csv_has_a_line_a_kpi_with_what_it_was_made_of() -> None:
    """Unit, figure, numerator, denominator and status."""
    lines = {line["kpi"]: line for line in read(outputs.long_pieces([row(7)]))}
    assert list(lines) == [kpi.id for kpi in KPIS]
    level = lines["service_level"]
    assert [level[name] for name in ("queue", "unit", "figure", "numerator", "denominator", "status")] == [
        "sales", "ratio", "0.75", "3", "4", "open",
    ]  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, outputs.PIECE, outputs.PIECE + 1, 2 * outputs.PIECE])
def test_pieces_are_the_whole_and_none_is_large(count: int) -> None:
    """Of JSON and of both kinds of CSV."""
    rows: Sequence[Row] = [row(number) for number in range(count)]
    answer = Answer("UTC", list(rows))
    pieces = list(outputs.json_pieces(answer, rows))
    assert b"".join(pieces) == msgspec.json.encode(answer)
    assert max(piece.count(b'"start"') for piece in pieces) <= outputs.PIECE
    assert [int(line["entered"]) for line in read(outputs.csv_pieces(rows))] == list(range(count))
    assert len(read(outputs.long_pieces(rows))) == count * len(KPIS)
