"""Rows as Parquet, for pandas, DuckDB, Polars and Spark: the columns of the CSV, times as timestamps, a column of parts for each KPI.

A KPI's column is a structure of `value`, `numerator`, `denominator` and `status`; its unit is in the field's metadata. A null is no
value, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import IO, Any, Final

from msgspec.structs import asdict

from schemas.rows import Row
from streams.errors import ConfigurationError
from streams.kpis.registry import KPIS

_GROUP: Final = 10_000
"""Rows in a row group: what is held in memory."""
_PLACE: Final = ("channel", "queue", "breakdown", "value")
_PARTS: Final = ("value", "numerator", "denominator")


def library() -> Any:
    """Return PyArrow; raise ConfigurationError where it is not installed."""
    try:
        import pyarrow.parquet  # noqa: PLC0415 - large, and needed for this format only
    except ModuleNotFoundError:
        raise ConfigurationError(
            "--format: seen parquet, which needs PyArrow: pip install 'centralita[parquet]'"
        ) from None
    return pyarrow


def write(file: IO[bytes], stretches: Iterable[list[Row]]) -> None:
    """Write rows, a row group at a time."""
    arrow = library()
    schema = _schema(arrow)
    with arrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        held: list[Row] = []
        for rows in stretches:
            held += rows
            if len(held) >= _GROUP:
                writer.write_table(arrow.Table.from_pylist([_flat(row) for row in held], schema))
                held.clear()
        writer.write_table(arrow.Table.from_pylist([_flat(row) for row in held], schema))


def _schema(arrow: Any) -> Any:
    time, text = arrow.timestamp("us", "UTC"), arrow.string()
    parts = arrow.struct([(name, arrow.float64()) for name in _PARTS] + [("status", text)])
    return arrow.schema(
        [arrow.field(name, time, nullable=False) for name in ("start", "end")]
        + [arrow.field(name, text) for name in _PLACE]
        + [arrow.field(kpi.id, parts, metadata={"unit": kpi.unit}) for kpi in KPIS]
    )


def _flat(row: Row) -> dict[str, Any]:
    place = {name: getattr(row, name) for name in _PLACE}
    times = {name: datetime.fromisoformat(getattr(row, name)) for name in ("start", "end")}
    return times | place | {name: asdict(figure) for name, figure in row.kpis.items()}
