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
    """The terms of one queue, or of all; `balanced` is False when fewer than nobody would have waited.

    None is unknown: who waited in the middle of a day of which the quarters are no longer kept.
    """

    channel: str | None
    queue: str | None
    waiting_start: int | None
    entered: int | None
    answered: int | None
    abandoned: int | None
    flowed_out: int | None
    waiting_end: int | None
    balanced: bool | None


def ledger(channel: str | None, queue: str | None, kpis: Mapping[str, Figure]) -> Ledger:
    """Return the ledger of a row from its figures.

    >>> kpis = {"entered": 9, "answered": 6, "abandoned": 2, "flowed_out": 0, "waiting": 3}
    >>> figures = {name: Figure(value, None, None, "count", "open") for name, value in kpis.items()}
    >>> ledger("call", "sales", figures).waiting_start
    2
    """
    entered, answered, abandoned, flowed_out, end = terms = [_count(kpis, name) for name in _TERMS]
    start = _start([term for term in terms if term is not None])
    balanced = None if start is None or end is None else start >= 0 and end >= 0
    return Ledger(channel, queue, start, entered, answered, abandoned, flowed_out, end, balanced)


_TERMS = ("entered", "answered", "abandoned", "flowed_out", "waiting")


def _start(known: list[int]) -> int | None:
    if len(known) < len(_TERMS):
        return None
    entered, answered, abandoned, flowed_out, end = known
    return end + answered + abandoned + flowed_out - entered


def _count(kpis: Mapping[str, Figure], name: str) -> int | None:
    value = kpis[name].value
    return None if value is None else int(value)
