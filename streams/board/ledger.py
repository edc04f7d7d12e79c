"""The ledger of a stretch of time: waiting at start + entered = answered + abandoned + flowed out + waiting at end.

Everything is counted in the interval of its own event. Who waited at the end is a figure of the row (reckoned back from who waits
now), so every visit is in exactly one of the terms.

    start                  end             now
      |  + entered - left   |  + entered - left  |
    waiting             waiting              waiting (live)
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from schemas.rows import Figure


class Ledger(Struct, frozen=True):
    """The terms of one queue, or of all; `balanced` is False when fewer than nobody would have waited."""

    channel: str | None
    queue: str | None
    waiting_start: int
    entered: int
    answered: int
    abandoned: int
    flowed_out: int
    waiting_end: int
    balanced: bool


def ledger(channel: str | None, queue: str | None, kpis: Mapping[str, Figure]) -> Ledger:
    """Return the ledger of a row from its figures.

    >>> kpis = {"entered": 9, "answered": 6, "abandoned": 2, "flowed_out": 0, "waiting": 3}
    >>> figures = {name: Figure(value, None, None, "count", "open") for name, value in kpis.items()}
    >>> ledger("call", "sales", figures).waiting_start
    2
    """
    entered, answered, abandoned, flowed_out, end = (_count(kpis, name) for name in _TERMS)
    start = end + answered + abandoned + flowed_out - entered
    return Ledger(
        channel, queue, start, entered, answered, abandoned, flowed_out, end, balanced=start >= 0 and end >= 0
    )


_TERMS = ("entered", "answered", "abandoned", "flowed_out", "waiting")


def _count(kpis: Mapping[str, Figure], name: str) -> int:
    figure = kpis.get(name)
    return int(figure.value) if figure is not None and figure.value is not None else 0
