"""The registry: each KPI once, with its formula, what it counts, when it is credited and what is left out.

A KPI is a numerator and a denominator, each a sum of measures (some taken away), so that totals over queues and time are
sums of parts and never averages of averages. Formulas: docs/kpis.md, and the sources named here.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

from streams.engine.slices import BREAKDOWNS

Terms = dict[str, int]
"""Measures and how often each is added (negative: taken away)."""
Crediting = Literal["COHORT", "EVENT", "CLOSE", "CLIP", "now"]
BY = ("queue", "channel", *BREAKDOWNS, "hour", "weekday")
"""What rows can be asked by."""
SLIDING_BY = (None, "queue", "channel", "agent")
"""What they can be asked by in sliding windows, of which panes of 10 s are kept; the others have panes of 15 minutes."""
_OF_VISITS = ("queue", "channel", "platform", "priority", "customer_type", "language", "entry_point", "level")
_TIME = ("hour", "weekday")
_EVERY = (*_OF_VISITS, "agent", *_TIME)
_NOT_AGENT = (*_OF_VISITS, *_TIME)
MICRO = 1_000_000


class Kpi(Struct, frozen=True, kw_only=True):
    """One KPI. ``scale`` divides the numerator (microseconds to seconds); ``quantile`` is taken of ``histogram``."""

    id: str
    name: str
    name_es: str
    formula: str
    unit: Literal["count", "ratio", "s"]
    crediting: Crediting
    numerator: Terms = {}
    denominator: Terms | None = None
    scale: int = 1
    histogram: str | None = None
    quantile: float | None = None
    breakdowns: tuple[str, ...] = _NOT_AGENT
    exclusions: str = ""
    better: Literal["lower", "higher"] | None = None
    follows_customers: bool = False
    """True when a customer who comes back may still change it, until the window W has passed."""
    version: int = 1


def _count(kpi: str, name: str, name_es: str, formula: str, crediting: Crediting, **more: Any) -> Kpi:
    more = {"numerator": {kpi: 1}, **more}
    return Kpi(id=kpi, name=name, name_es=name_es, formula=formula, unit="count", crediting=crediting, **more)


def _percentiles(stem: str, name: str, name_es: str, histogram: str, **more: Any) -> tuple[Kpi, ...]:
    return tuple(
        Kpi(
            id=f"{stem}_p{percent}",
            name=f"{name}, p{percent}",
            name_es=f"{name_es}, p{percent}",
            formula=f"{percent} % of the waits are at most this long (relative error <= 1 %)",
            unit="s",
            crediting="EVENT",
            histogram=histogram,
            quantile=percent / 100,
            better="lower",
            **more,
        )
        for percent in (50, 90, 95, 99)
    )


_ANSWERED_OR_ABANDONED = {"cohort_answered": 1, "cohort_abandoned": 1}
SERVICE_LEVELS: dict[str, tuple[Terms, Terms, str]] = {
    "SL1": (
        {"answered_within": 1, "abandoned_within": 1},
        _ANSWERED_OR_ABANDONED,
        "(answered <= T + abandoned <= T) / (answered + abandoned)",
    ),
    "SL2": ({"answered_within": 1}, {"cohort_answered": 1}, "answered <= T / answered"),
    "SL3": ({"answered_within": 1}, _ANSWERED_OR_ABANDONED, "answered <= T / (answered + abandoned)"),
    "SL4": (
        {"answered_within": 1},
        {**_ANSWERED_OR_ABANDONED, "abandoned_within": -1},
        "answered <= T / (answered + abandoned > T)",
    ),
    "SL5": (
        {"answered_within": 1, "short_abandoned": 1},
        _ANSWERED_OR_ABANDONED,
        "(answered <= T + short abandons) / (answered + abandoned)",
    ),
    "SL6": (
        {"answered_within": 1},
        {"entered": 1, "short_abandoned": -1},
        "answered <= T / (entered - short abandons)",
    ),
    "SL7": (
        {"answered_within": 1, "abandoned_within": 1, "callback_within": 1},
        {"entered": 1},
        "(answered, abandoned or called back <= T) / entered",
    ),
    "SL8": (
        {"answered_within": 1},
        {"answered_within": 1, "abandoned_within": 1, "reached_threshold": 1},
        "answered <= T / (answered <= T + abandoned <= T + waited longer than T, decided or not)",
    ),
}
"""Numerator, denominator and formula of the eight service levels in use (docs/kpis.md; golden vector: ICMI, March 2005)."""

_SETTLED = {"cohort_answered": 1, "cohort_abandoned": 1, "cohort_flowed_out": 1, "short_abandoned": -1}
_LONG_ABANDONED = {"cohort_abandoned": 1, "short_abandoned": -1}
_HANDLED = {"handled": 1}

KPIS: tuple[Kpi, ...] = (
    _count("entered", "Entered", "Entradas", "queue visits", "COHORT", breakdowns=_EVERY),
    _count("answered", "Answered", "Atendidas", "visits connected to an agent", "EVENT", breakdowns=_EVERY),
    _count("abandoned", "Abandoned", "Abandonadas", "visits the customer left while waiting", "EVENT", better="lower"),
    _count("flowed_out", "Flowed out", "Desbordadas", "visits left otherwise, callbacks among them", "EVENT"),
    _count(
        "short_abandoned", "Short abandons", "Abandonos cortos", "abandoned with wait <= the queue's short-abandon limit",
        "COHORT",
    ),
    _count("waiting", "Waiting", "En espera", "visits without an outcome at the end of the stretch", "now",
           numerator={}, breakdowns=("queue", "channel"), better="lower"),
    Kpi(id="longest_wait", name="Longest wait", name_es="Espera más larga", formula="now - the earliest start among those waiting",
        unit="s", crediting="now", breakdowns=("queue", "channel"), better="lower", exclusions="no value when nobody waits"),
    Kpi(id="abandonment_rate", name="Abandonment rate", name_es="Tasa de abandono",
        formula="(abandoned - short) / (answered + abandoned + flowed out - short)", unit="ratio", crediting="COHORT",
        numerator=_LONG_ABANDONED, denominator=_SETTLED, better="lower",
        exclusions="short abandons, and visits still waiting (undecided)"),
    Kpi(id="abandonment_rate_offered", name="Abandonment rate (offered)", name_es="Tasa de abandono (ofrecidas)",
        formula="(abandoned - short) / (entered - short)", unit="ratio", crediting="COHORT", numerator=_LONG_ABANDONED,
        denominator={"entered": 1, "short_abandoned": -1}, better="lower", exclusions="short abandons"),
    Kpi(id="average_speed_of_answer", name="Average speed of answer", name_es="Velocidad media de respuesta",
        formula="sum of waits of the answered / answered", unit="s", crediting="EVENT", numerator={"wait_answered_us": 1},
        denominator={"answered": 1}, scale=MICRO, breakdowns=_EVERY, better="lower", exclusions="time before the queue (IVR)"),
    *_percentiles("speed_of_answer", "Speed of answer", "Velocidad de respuesta", "wait_answered", breakdowns=_EVERY),
    Kpi(id="average_time_to_abandon", name="Average time to abandon", name_es="Tiempo medio hasta el abandono",
        formula="sum of waits of the abandoned / abandoned", unit="s", crediting="EVENT", numerator={"wait_abandoned_us": 1},
        denominator={"abandoned": 1}, scale=MICRO),
    *_percentiles("time_to_abandon", "Time to abandon", "Tiempo hasta el abandono", "wait_abandoned"),
    Kpi(id="service_level", name="Service level", name_es="Nivel de servicio",
        formula="the queue's formula, SL1 to SL8, with its threshold T", unit="ratio", crediting="COHORT", better="higher",
        exclusions="by formula"),
    *(
        Kpi(id=f"service_level_{name.lower()}", name=f"Service level {name}", name_es=f"Nivel de servicio {name}",
            formula=formula, unit="ratio", crediting="COHORT", numerator=numerator, denominator=denominator, better="higher")
        for name, (numerator, denominator, formula) in SERVICE_LEVELS.items()
    ),
    Kpi(id="hold_time", name="Hold time", name_es="Tiempo en retención", formula="sum of holds / conversations that held",
        unit="s", crediting="CLOSE", numerator={"hold_us": 1}, denominator={"held": 1}, scale=MICRO, breakdowns=_EVERY,
        better="lower"),
    Kpi(id="hold_time_all", name="Hold time, all conversations", name_es="Tiempo en retención, todas",
        formula="sum of holds / conversations handled", unit="s", crediting="CLOSE", numerator={"hold_us": 1},
        denominator=_HANDLED, scale=MICRO, breakdowns=_EVERY, better="lower"),
    Kpi(id="talk_time", name="Talk time", name_es="Tiempo de conversación", formula="sum of talk / conversations handled",
        unit="s", crediting="CLOSE", numerator={"talk_us": 1}, denominator=_HANDLED, scale=MICRO, breakdowns=_EVERY,
        exclusions="holds"),
    Kpi(id="wrap_up_time", name="Wrap-up time", name_es="Tiempo administrativo",
        formula="sum of after-call work / conversations handled", unit="s", crediting="CLOSE", numerator={"wrap_up_us": 1},
        denominator=_HANDLED, scale=MICRO, breakdowns=_EVERY),
    Kpi(id="handle_time", name="Handle time", name_es="Tiempo medio de operación",
        formula="(talk + hold + wrap-up) / conversations handled", unit="s", crediting="CLOSE",
        numerator={"talk_us": 1, "hold_us": 1, "wrap_up_us": 1}, denominator=_HANDLED, scale=MICRO, breakdowns=_EVERY),
    Kpi(id="transfer_rate", name="Transfer rate", name_es="Tasa de transferencia", formula="transferred / answered",
        unit="ratio", crediting="EVENT", numerator={"transferred": 1}, denominator={"answered": 1}, breakdowns=_EVERY,
        better="lower"),
    Kpi(id="first_contact_resolution", name="First-contact resolution", name_es="Resolución en el primer contacto",
        formula="resolved, neither transferred nor followed by another contact of the customer within W / resolved",
        unit="ratio", crediting="COHORT", numerator={"resolved_first_contact": 1}, denominator={"resolved_identified": 1},
        breakdowns=_EVERY, better="higher", follows_customers=True, exclusions="contacts of unknown customers"),
    Kpi(id="occupancy", name="Occupancy", name_es="Ocupación", formula="on-contact time / (on-contact + available time)",
        unit="ratio", crediting="CLIP", numerator={"on_contact_us": 1}, denominator={"on_contact_us": 1, "available_us": 1},
        scale=MICRO, breakdowns=("queue", "agent", *_TIME), exclusions="paused and offline time"),
    Kpi(id="agents", name="Agents", name_es="Agentes", formula="distinct agents whose state now is not offline", unit="count",
        crediting="now", breakdowns=("queue",)),
)  # fmt: skip
BY_ID: dict[str, Kpi] = {kpi.id: kpi for kpi in KPIS}


def definitions() -> list[dict[str, Any]]:
    """Return all definitions as plain values, for the API and the documentation."""
    plain: list[dict[str, Any]] = msgspec.to_builtins(KPIS)
    return plain
