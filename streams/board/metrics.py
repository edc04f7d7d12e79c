"""Every Prometheus series of the board: its name, its labels and what its help says. Bounded labels; agents only when asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from streams.engine.facts import CALL, PRESENT
from streams.kpis.registry import KPIS, Kpi, Terms

PREFIX: Final = "contact_center"
WINDOWS: Final = ("5m", "15m", "30m", "60m", "today")
PLACE: Final = ("queue", "channel")
WINDOWED: Final = (*PLACE, "window")
LEVEL_SHARE: Final = f"{PREFIX}_level_share_ratio"
CURRENCY: Final = "currency"
"""Label of amounts, beside the others."""
_SUFFIX: Final = {"ratio": "_ratio", "s": "_seconds", "count": ""}
_VARIANT: Final = "service_level_sl"

WATERMARK: Final = f"{PREFIX}_watermark_timestamp_seconds"
EVENTS: Final = f"{PREFIX}_events"
REFUSED: Final = f"{PREFIX}_refused_events"
DUPLICATE: Final = f"{PREFIX}_duplicate_events"
WAITING: Final = f"{PREFIX}_waiting"
LONGEST: Final = f"{PREFIX}_longest_wait_start_timestamp_seconds"
AGENTS: Final = f"{PREFIX}_agents"
AGENTS_BY_QUEUE: Final = f"{PREFIX}_agents_by_queue"
AGENT_SCORE: Final = f"{PREFIX}_agent_score"
AGENT_STATE: Final = f"{PREFIX}_agent_state_start_timestamp_seconds"
TARGET: Final = f"{PREFIX}_target_ratio"
THRESHOLD: Final = f"{PREFIX}_service_level_threshold_seconds"
SHORT: Final = f"{PREFIX}_short_abandon_threshold_seconds"
BOUND: Final = f"{PREFIX}_alarm_bound"
MINIMUM: Final = f"{PREFIX}_alarm_minimum_sample"
UP: Final = f"{PREFIX}_board_ready"
LIVE: Final = f"{PREFIX}_board_live"
UNPROCESSED: Final = f"{PREFIX}_unprocessed_events"
CLIENTS: Final = f"{PREFIX}_board_stream_clients"


class Durations(NamedTuple):
    """A histogram of durations: its name and help, what of the panes it adds up, where its buckets end (seconds), and whether every T is added to them.

    Counts are exact where the panes' buckets end, which those of `streams.engine.histogram` do at whole seconds.
    """

    name: str
    text: str
    counts: tuple[str, ...]
    sums: tuple[str, ...]
    bounds: tuple[int, ...]
    by_threshold: bool
    has: Callable[[str], bool]
    """Whether a channel has any."""


_WAITS: Final = (1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200)
_RESPONSES: Final = (5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 28800, 86400)
_HANDLED: Final = (16, 32, 64, 96, 128, 192, 256, 320, 384, 512, 640, 768, 1024, 1536, 2048, 4096)
"""Ends of coarse buckets."""
_PARTS: Final = ("talk_us", "hold_us", "wrap_up_us")
HISTOGRAMS: Final = {
    "wait_answered": Durations(
        f"{PREFIX}_answer_wait_seconds", "Waits of the visits answered in the window",
        ("wait_answered",), ("wait_answered_us",), _WAITS, True, lambda _: True,
    ),
    "wait_abandoned": Durations(
        f"{PREFIX}_abandon_wait_seconds", "Waits of the visits abandoned in the window",
        ("wait_abandoned",), ("wait_abandoned_us",), _WAITS, True, lambda _: True,
    ),
    "response": Durations(
        f"{PREFIX}_response_seconds", "Times from a (re)opening to the first public reply of a human agent, of replies in the window",
        ("response_creation", "response_reopening"), ("response_creation_us", "response_reopening_us"), _RESPONSES, True, lambda channel: channel != CALL,
    ),
    "handle": Durations(
        f"{PREFIX}_handle_seconds", "Talk, hold and after-call work of the conversations that ended in the window",
        ("handle",), _PARTS, _HANDLED, False, lambda channel: channel in PRESENT,
    ),
}  # fmt: skip


def exported() -> list[Kpi]:
    """Return the KPIs that have windowed series by queue: not those of this moment, nor the eight variants of the service level, nor shares."""
    return [kpi for kpi in KPIS if kpi.crediting != "now" and not kpi.id.startswith(_VARIANT) and not kpi.share]


def name_of(kpi_id: str, unit: str) -> str:
    """Return the name of a KPI's gauge.

    >>> name_of("abandonment_rate", "ratio"), name_of("handle_time", "s"), name_of("entered", "count")
    ('contact_center_abandonment_ratio', 'contact_center_handle_time_seconds', 'contact_center_entered')
    """
    return f"{PREFIX}_{_stem(kpi_id, unit)}{_SUFFIX.get(unit, '')}"


def part_names(kpi_id: str, unit: str) -> tuple[str, str]:
    """Return the names of the numerator and the denominator of a KPI.

    >>> part_names("abandonment_rate", "ratio")
    ('contact_center_abandonment_numerator', 'contact_center_abandonment_denominator')
    """
    stem = f"{PREFIX}_{_stem(kpi_id, unit)}"
    return f"{stem}_numerator", f"{stem}_denominator"


def _stem(kpi_id: str, unit: str) -> str:
    """``abandonment_rate`` -> ``abandonment``, but ``abandonment_rate_offered`` -> ``abandonment_offered``."""
    return kpi_id.replace("_rate", "", 1) if unit == "ratio" else kpi_id


def has_parts(kpi: Kpi) -> bool:
    """Tell whether a KPI is a quotient whose parts are exported: a ratio or a mean, not a count or a percentile."""
    return kpi.id == "service_level" or (kpi.amount is None and kpi.denominator is not None)


def help_of(kpi: Kpi) -> str:
    """Return the help of a KPI's gauge: its definition."""
    return f"{kpi.name}: {kpi.formula}. Credited: {kpi.crediting}. Definition {kpi.version}."


def terms_of(terms: Terms | None) -> str:
    """Return what is added up in words.

    >>> terms_of({"entered": 1, "short_abandoned": -1}), terms_of({})
    ('entered - short_abandoned', 'by the formula')
    """
    found = " ".join(
        f"{'-' if times < 0 else '+'} {'' if abs(times) == 1 else f'{abs(times)} * '}{name}"
        for name, times in (terms or {}).items()
    )
    return found.removeprefix("+ ") or "by the formula"
