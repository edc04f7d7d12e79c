"""A row of figures, as the API, the reports and the stream give it."""

from __future__ import annotations

from msgspec import Struct


class Figure(Struct, frozen=True, omit_defaults=True):
    """A KPI's value with what it was made of. ``value`` is None when there is nothing to divide by.

    ``status`` is "open" (still filling), "provisional" (events or returning customers may still change it), "final", or
    "unavailable": it is not counted by what was asked, or nothing has been counted yet at all. Of money ``unit`` is the
    currency; where there are several there is no one value, but ``amounts`` has each by its currency, exact, as text.
    """

    value: float | None
    numerator: float | None
    denominator: float | None
    unit: str
    status: str
    amounts: dict[str, str] | None = None


class Row(Struct, frozen=True):
    """The figures of one slice of one stretch of time: RFC 3339 ends, None for totals."""

    start: str
    end: str
    channel: str | None
    queue: str | None
    breakdown: str | None
    value: str | None
    kpis: dict[str, Figure]
