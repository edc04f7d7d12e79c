"""A report's rows as people and programs read them: a table, one JSON object a line, or CSV."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import IO, Final, NamedTuple
from zoneinfo import ZoneInfo

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.rows import Figure, Row
from streams.engine.policy import SECOND, Policy
from streams.kpis.outputs import SHEETS, as_json
from streams.kpis.registry import BY_ID

FORMATS: Final = ("table", "json", "csv", "csv-long")
COLUMNS: Final = (
    "entered", "answered", "abandoned", "flowed_out", "waiting", "abandonment_rate", "service_level", "average_speed_of_answer",
    "speed_of_answer_p95", "average_time_to_abandon", "handle_time", "transfer_rate", "first_response_time", "full_resolution_time",
    "resolution_rate", "reopen_rate", "first_contact_resolution", "csat", "nps", "sales_amount", "cost_per_resolution", "occupancy",
)  # fmt: skip
"""KPIs of a table; json and csv have all."""
_LEDGER: Final = ("queue", "channel")
_NOTHING: Final = "--"
_TOTAL: Final = "total"
_WIDEST: Final = 1_000


def write(file: IO[bytes], form: str, stretches: Iterable[list[Row]]) -> None:
    """Write rows as JSON, one a line, each with the bytes that it has in the API, or as a kind of CSV."""
    if form == "json":
        for rows in stretches:
            file.write(b"".join(as_json(row) + b"\n" for row in rows))
        return
    file.writelines(head.encode() for head in SHEETS[form]([]))
    for rows in stretches:
        _, *pieces = SHEETS[form](rows)
        file.writelines(piece.encode() for piece in pieces)


class Column(NamedTuple):
    """A column's head, and its cell in every row."""

    name: str
    cells: list[str]

    @property
    def width(self) -> int:
        """How wide it is in a table, the gap to the next one included."""
        return max(map(cell_len, [*self.name.split(), *self.cells])) + 2


def show(rows: Sequence[Row], by: str | None, policy: Policy, zone: str, watermark_us: int) -> None:
    """Print rows as tables no wider than the terminal (a single one elsewhere), then what the figures mean.

    Times are in ``zone``, ``--`` is what has no value.
    """
    title, places, figures = _columns(rows, by, zone)
    total = [by is not None and _who(row, by) is None for row in rows]
    console = Console()
    for number, part in enumerate(parts(places, figures, console.width if console.is_terminal else _WIDEST)):
        table = _table(places, part, total)
        table.title = title if number == 0 else None
        show_whole(table)
    console.print(_caption(policy, zone, watermark_us), style="dim italic", soft_wrap=True, highlight=False)


def parts(places: Sequence[Column], figures: Sequence[Column], width: int) -> list[list[Column]]:
    """Return the figures cut into tables that fit beside the places; a column that fits nowhere is alone.

    >>> wide = Column("entered", ["1,000"])
    >>> [len(part) for part in parts([Column("queue", ["sales"])], [wide] * 5, 26)]
    [2, 2, 1]
    """
    room = width - sum(place.width for place in places)
    found: list[list[Column]] = []
    left = 0
    for column in figures:
        if not found or column.width > left:
            found.append([])
            left = room
        found[-1].append(column)
        left -= column.width
    return found


def _columns(rows: Sequence[Row], by: str | None, zone: str) -> tuple[str | None, list[Column], list[Column]]:
    """Return the title when all rows are of one stretch, the columns that say what a row is of, and its figures.

    With all or by queue or channel the ledger is shown: waiting at start + entered = answered + abandoned + flowed out + waiting.
    """
    stretches = {(row.start, row.end) for row in rows}
    title = " to ".join(local(text, zone) for text in next(iter(stretches))) if len(stretches) == 1 else None
    times = [
        Column("from", [local(row.start, zone) for row in rows]),
        Column("to", [local(row.end, zone) for row in rows]),
    ]
    who = [Column(by, [_who(row, by) or _TOTAL for row in rows])] if by else []
    start = [Column("waiting at start", [_waiting_at_start(row) for row in rows])]
    figures = [
        Column(BY_ID[kpi].name, [cell(row.kpis[kpi]) for row in rows])
        for kpi in COLUMNS
        if any(row.kpis[kpi].value is not None or row.kpis[kpi].amounts for row in rows)
    ]
    return title, ([] if title else times) + who, (start if by is None or by in _LEDGER else []) + figures


def _table(places: Sequence[Column], figures: Sequence[Column], total: Sequence[bool]) -> Table:
    table = Table(
        title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_edge=False, header_style="bold", padding=(0, 1, 0, 0)
    )  # fmt: skip
    for column in places:
        table.add_column(column.name, no_wrap=True, vertical="bottom")
    for column in figures:
        table.add_column(column.name.replace(" ", "\n"), justify="right", no_wrap=True, vertical="bottom")
    for bold, *cells in zip(total, *(column.cells for column in (*places, *figures)), strict=True):
        table.add_row(*map(Text, cells), style="bold" if bold else "")
    return table


def show_whole(table: Table) -> None:
    """Print a table whole: a figure cut short would be another figure."""
    console = Console()
    needed = Console(width=_WIDEST).measure(table).maximum
    Console(width=max(console.width if console.is_terminal else 0, needed)).print(table, "")


def _who(row: Row, by: str | None) -> str | None:
    """Return whom a row is of, None for the total."""
    return row.queue if by == "queue" else row.channel if by == "channel" else row.value


def local(text: str, zone: str) -> str:
    """Return a time (RFC 3339) as the clock of a zone shows it, without seconds."""
    return f"{datetime.fromisoformat(text).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def clock(text: str, zone: str) -> str:
    """Return a time (RFC 3339) as the clock of a zone shows it, to the millisecond."""
    return f"{datetime.fromisoformat(text).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S.%f}"[:-3]


def _waiting_at_start(row: Row) -> str:
    """Return who waited when the stretch began, by the ledger."""
    entered, answered, abandoned, flowed_out, waiting = (
        row.kpis[kpi].value for kpi in ("entered", "answered", "abandoned", "flowed_out", "waiting")
    )
    if waiting is None:
        return _NOTHING
    return f"{round(waiting - (entered or 0) + (answered or 0) + (abandoned or 0) + (flowed_out or 0)):,}"


def cell(figure: Figure) -> str:
    r"""Return a figure as people read it; amounts in several currencies as what they are of each.

    >>> cell(Figure(0.1234, 1, 8, "ratio", "final")), cell(Figure(None, 0, 0, "s", "final")), cell(Figure(75.4, 1, 1, "s", "final"))
    ('12.3\xa0%', '--', '1:15')
    >>> cell(Figure(None, None, None, "money", "final", {"EUR": "1200.5", "USD": "20"}))
    '1,200.50\xa0EUR + 20.00\xa0USD'
    """
    if figure.amounts is not None and len(figure.amounts) > 1:
        return " + ".join(_money(float(amount), unit) for unit, amount in figure.amounts.items())
    if figure.value is None:
        return _NOTHING
    if figure.unit == "ratio":
        return f"{100 * figure.value:.1f}\N{NO-BREAK SPACE}%"
    if figure.unit == "s":
        minutes, seconds = divmod(round(figure.value), 60)
        return f"{minutes}:{seconds:02d}"
    if figure.unit != "count":
        return f"{figure.value:,.2f}" if figure.amounts is None else _money(figure.value, figure.unit)
    return f"{round(figure.value):,}"


def _money(amount: float, currency: str) -> str:
    return f"{amount:,.2f}\N{NO-BREAK SPACE}{currency}"


def difference(value: float | None, unit: str) -> str:
    """Return by how much a figure differs, as people read it; ratios in percentage points.

    >>> difference(-0.0123, "ratio"), difference(12, "count"), difference(4.26, "s"), difference(0.3, "score"), difference(None, "s")
    ('-1.2 pp', '+12', '+4.3 s', '+0.3', '--')
    """
    if value is None:
        return "--"
    if unit == "ratio":
        return f"{100 * value:+.1f} pp"
    if unit == "s":
        return f"{value:+,.1f} s"
    return f"{value:+,.0f}" if unit == "count" else f"{value:+,g}"


def _caption(policy: Policy, zone: str, watermark_us: int) -> str:
    limits = policy.defaults
    differs = limits.ticket_threshold != limits.threshold
    tickets = f" ({limits.ticket_threshold / SECOND:g} s of tickets)" if differs else ""
    own = f"; {', '.join(policy.queues)}: their own" if policy.queues else ""
    return (
        f"Times of {zone}. Service level {limits.formula}, T {limits.threshold / SECOND:g} s{tickets}; short abandons up to "
        f"{limits.short_abandon / SECOND:g} s; first contact: none within {limits.return_window / SECOND / 86_400:g} days{own}.\n"
        f"Durations in minutes:seconds. As of {datetime.fromtimestamp(watermark_us / SECOND, ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}."
    )
