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
Subject = Literal[
    "volume", "waiting", "service", "handling", "first_response", "resolution", "satisfaction", "money", "agents"
]
"""What a KPI is about; pages and dashboards group by it."""
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
    formula_es: str
    subject: Subject
    unit: Literal["count", "ratio", "s"]
    crediting: Crediting
    numerator: Terms = {}
    denominator: Terms | None = None
    scale: int = 1
    histogram: str | None = None
    quantile: float | None = None
    breakdowns: tuple[str, ...] = _NOT_AGENT
    exclusions: str = ""
    exclusions_es: str = ""
    better: Literal["lower", "higher"] | None = None
    follows_customers: bool = False
    """True when a customer who comes back may still change it, until the window W has passed."""
    version: int = 1


def _count(kpi: str, names: tuple[str, str], formulas: tuple[str, str], crediting: Crediting, **more: Any) -> Kpi:
    """Return a KPI that counts one measure; names and formulas in English and Spanish."""
    (name, name_es), (formula, formula_es) = names, formulas
    more = {"numerator": {kpi: 1}, "subject": "volume", **more}
    return Kpi(
        id=kpi, name=name, name_es=name_es, formula=formula, formula_es=formula_es, unit="count", crediting=crediting, **more
    )  # fmt: skip


def _percentiles(stem: str, name: str, name_es: str, histogram: str, **more: Any) -> tuple[Kpi, ...]:
    return tuple(
        Kpi(
            id=f"{stem}_p{percent}",
            name=f"{name}, p{percent}",
            name_es=f"{name_es}, p{percent}",
            formula=f"{percent} % of the waits are at most this long (relative error <= 1 %)",
            formula_es=f"el {percent} % de las esperas dura como mucho esto (error relativo <= 1 %)",
            unit="s",
            subject="waiting",
            crediting="EVENT",
            histogram=histogram,
            quantile=percent / 100,
            better="lower",
            **more,
        )
        for percent in (50, 90, 95, 99)
    )


_ANSWERED_OR_ABANDONED = {"cohort_answered": 1, "cohort_abandoned": 1}
SERVICE_LEVELS: dict[str, tuple[Terms, Terms, str, str]] = {
    "SL1": (
        {"answered_within": 1, "abandoned_within": 1},
        _ANSWERED_OR_ABANDONED,
        "(answered <= T + abandoned <= T) / (answered + abandoned)",
        "(atendidas <= T + abandonadas <= T) / (atendidas + abandonadas)",
    ),
    "SL2": (
        {"answered_within": 1},
        {"cohort_answered": 1},
        "answered <= T / answered",
        "atendidas <= T / atendidas",
    ),
    "SL3": (
        {"answered_within": 1},
        _ANSWERED_OR_ABANDONED,
        "answered <= T / (answered + abandoned)",
        "atendidas <= T / (atendidas + abandonadas)",
    ),
    "SL4": (
        {"answered_within": 1},
        {**_ANSWERED_OR_ABANDONED, "abandoned_within": -1},
        "answered <= T / (answered + abandoned > T)",
        "atendidas <= T / (atendidas + abandonadas > T)",
    ),
    "SL5": (
        {"answered_within": 1, "short_abandoned": 1},
        _ANSWERED_OR_ABANDONED,
        "(answered <= T + short abandons) / (answered + abandoned)",
        "(atendidas <= T + abandonos cortos) / (atendidas + abandonadas)",
    ),
    "SL6": (
        {"answered_within": 1},
        {"entered": 1, "short_abandoned": -1},
        "answered <= T / (entered - short abandons)",
        "atendidas <= T / (entradas - abandonos cortos)",
    ),
    "SL7": (
        {"answered_within": 1, "abandoned_within": 1, "callback_within": 1},
        {"entered": 1},
        "(answered, abandoned or called back <= T) / entered",
        "(atendidas, abandonadas o con devolución de llamada <= T) / entradas",
    ),
    "SL8": (
        {"answered_within": 1},
        {"answered_within": 1, "abandoned_within": 1, "reached_threshold": 1},
        "answered <= T / (answered <= T + abandoned <= T + waited longer than T, decided or not)",
        "atendidas <= T / (atendidas <= T + abandonadas <= T + las que esperaron más de T, decididas o no)",
    ),
}
"""Numerator, denominator and formula (English, Spanish) of the eight service levels in use (docs/kpis.md).

Golden vector: ICMI, March 2005.
"""

_SETTLED = {"cohort_answered": 1, "cohort_abandoned": 1, "cohort_flowed_out": 1, "short_abandoned": -1}
_LONG_ABANDONED = {"cohort_abandoned": 1, "short_abandoned": -1}
_HANDLED = {"handled": 1}

KPIS: tuple[Kpi, ...] = (
    _count("entered", ("Entered", "Entradas"), ("queue visits", "visitas a la cola"), "COHORT", breakdowns=_EVERY),
    _count("answered", ("Answered", "Atendidas"), ("visits connected to an agent", "visitas que llegaron a un agente"), "EVENT",
           breakdowns=_EVERY),
    _count("abandoned", ("Abandoned", "Abandonadas"),
           ("visits the customer left while waiting", "visitas que el cliente dejó mientras esperaba"), "EVENT", better="lower"),
    _count("flowed_out", ("Flowed out", "Desbordadas"),
           ("visits left otherwise, callbacks among them", "visitas que salieron de otro modo, también por devolución de llamada"),
           "EVENT"),
    _count("short_abandoned", ("Short abandons", "Abandonos cortos"),
           ("abandoned with wait <= the queue's short-abandon limit", "abandonadas con espera <= límite de abandono corto de la cola"),
           "COHORT"),
    _count("waiting", ("Waiting", "En espera"),
           ("visits without an outcome at the end of the stretch", "visitas sin desenlace al final del tramo"), "now",
           numerator={}, breakdowns=("queue", "channel"), better="lower", subject="waiting"),
    Kpi(id="longest_wait", subject="waiting", name="Longest wait", name_es="Espera más larga", formula="now - the earliest start among those waiting",
        formula_es="ahora - el comienzo más antiguo entre las que esperan",
        unit="s", crediting="now", breakdowns=("queue", "channel"), better="lower", exclusions="no value when nobody waits",
        exclusions_es="sin valor cuando nadie espera"),
    Kpi(id="abandonment_rate", subject="service", name="Abandonment rate", name_es="Tasa de abandono",
        formula="(abandoned - short) / (answered + abandoned + flowed out - short)",
        formula_es="(abandonadas - cortas) / (atendidas + abandonadas + desbordadas - cortas)",
        unit="ratio", crediting="COHORT",
        numerator=_LONG_ABANDONED, denominator=_SETTLED, better="lower",
        exclusions="short abandons, and visits still waiting (undecided)",
        exclusions_es="abandonos cortos, y visitas que aún esperan (sin decidir)"),
    Kpi(id="abandonment_rate_offered", subject="service", name="Abandonment rate (offered)", name_es="Tasa de abandono (ofrecidas)",
        formula="(abandoned - short) / (entered - short)", formula_es="(abandonadas - cortas) / (entradas - cortas)",
        unit="ratio", crediting="COHORT", numerator=_LONG_ABANDONED,
        denominator={"entered": 1, "short_abandoned": -1}, better="lower", exclusions="short abandons",
        exclusions_es="abandonos cortos"),
    Kpi(id="average_speed_of_answer", subject="waiting", name="Average speed of answer", name_es="Velocidad media de respuesta",
        formula="sum of waits of the answered / answered", formula_es="suma de las esperas de las atendidas / atendidas",
        unit="s", crediting="EVENT", numerator={"wait_answered_us": 1},
        denominator={"answered": 1}, scale=MICRO, breakdowns=_EVERY, better="lower", exclusions="time before the queue (IVR)",
        exclusions_es="el tiempo anterior a la cola (IVR)"),
    *_percentiles("speed_of_answer", "Speed of answer", "Velocidad de respuesta", "wait_answered", breakdowns=_EVERY),
    Kpi(id="average_time_to_abandon", subject="waiting", name="Average time to abandon", name_es="Tiempo medio hasta el abandono",
        formula="sum of waits of the abandoned / abandoned",
        formula_es="suma de las esperas de las abandonadas / abandonadas",
        unit="s", crediting="EVENT", numerator={"wait_abandoned_us": 1},
        denominator={"abandoned": 1}, scale=MICRO),
    *_percentiles("time_to_abandon", "Time to abandon", "Tiempo hasta el abandono", "wait_abandoned"),
    Kpi(id="service_level", subject="service", name="Service level", name_es="Nivel de servicio",
        formula="the queue's formula, SL1 to SL8, with its threshold T",
        formula_es="la fórmula de la cola, SL1 a SL8, con su umbral T",
        unit="ratio", crediting="COHORT", better="higher",
        exclusions="by formula", exclusions_es="según la fórmula"),
    *(
        Kpi(id=f"service_level_{name.lower()}", subject="service", name=f"Service level {name}", name_es=f"Nivel de servicio {name}",
            formula=formula, formula_es=formula_es, unit="ratio", crediting="COHORT", numerator=numerator, denominator=denominator,
            better="higher")
        for name, (numerator, denominator, formula, formula_es) in SERVICE_LEVELS.items()
    ),
    Kpi(id="hold_time", subject="handling", name="Hold time", name_es="Tiempo en retención", formula="sum of holds / conversations that held",
        formula_es="suma de las retenciones / conversaciones con retención",
        unit="s", crediting="CLOSE", numerator={"hold_us": 1}, denominator={"held": 1}, scale=MICRO, breakdowns=_EVERY,
        better="lower"),
    Kpi(id="hold_time_all", subject="handling", name="Hold time, all conversations", name_es="Tiempo en retención, todas",
        formula="sum of holds / conversations handled", formula_es="suma de las retenciones / conversaciones gestionadas",
        unit="s", crediting="CLOSE", numerator={"hold_us": 1},
        denominator=_HANDLED, scale=MICRO, breakdowns=_EVERY, better="lower"),
    Kpi(id="talk_time", subject="handling", name="Talk time", name_es="Tiempo de conversación", formula="sum of talk / conversations handled",
        formula_es="suma de la conversación / conversaciones gestionadas",
        unit="s", crediting="CLOSE", numerator={"talk_us": 1}, denominator=_HANDLED, scale=MICRO, breakdowns=_EVERY,
        exclusions="holds", exclusions_es="las retenciones"),
    Kpi(id="wrap_up_time", subject="handling", name="Wrap-up time", name_es="Tiempo administrativo",
        formula="sum of after-call work / conversations handled",
        formula_es="suma del trabajo posterior a la llamada / conversaciones gestionadas",
        unit="s", crediting="CLOSE", numerator={"wrap_up_us": 1},
        denominator=_HANDLED, scale=MICRO, breakdowns=_EVERY),
    Kpi(id="handle_time", subject="handling", name="Handle time", name_es="Tiempo medio de operación",
        formula="(talk + hold + wrap-up) / conversations handled",
        formula_es="(conversación + retención + tiempo administrativo) / conversaciones gestionadas",
        unit="s", crediting="CLOSE",
        numerator={"talk_us": 1, "hold_us": 1, "wrap_up_us": 1}, denominator=_HANDLED, scale=MICRO, breakdowns=_EVERY),
    Kpi(id="transfer_rate", subject="handling", name="Transfer rate", name_es="Tasa de transferencia", formula="transferred / answered",
        formula_es="transferidas / atendidas",
        unit="ratio", crediting="EVENT", numerator={"transferred": 1}, denominator={"answered": 1}, breakdowns=_EVERY,
        better="lower"),
    Kpi(id="first_contact_resolution", subject="resolution", name="First-contact resolution", name_es="Resolución en el primer contacto",
        formula="resolved, neither transferred nor followed by another contact of the customer within W / resolved",
        formula_es="resueltas, ni transferidas ni seguidas de otro contacto del cliente dentro de W / resueltas",
        unit="ratio", crediting="COHORT", numerator={"resolved_first_contact": 1}, denominator={"resolved_identified": 1},
        breakdowns=_EVERY, better="higher", follows_customers=True, exclusions="contacts of unknown customers",
        exclusions_es="contactos de clientes desconocidos"),
    Kpi(id="occupancy", subject="agents", name="Occupancy", name_es="Ocupación", formula="on-contact time / (on-contact + available time)",
        formula_es="tiempo en contacto / (tiempo en contacto + libre)",
        unit="ratio", crediting="CLIP", numerator={"on_contact_us": 1}, denominator={"on_contact_us": 1, "available_us": 1},
        scale=MICRO, breakdowns=("queue", "agent", *_TIME), exclusions="paused and offline time",
        exclusions_es="el tiempo en pausa y desconectado"),
    Kpi(id="agents", subject="agents", name="Agents", name_es="Agentes", formula="distinct agents whose state now is not offline",
        formula_es="agentes distintos cuyo estado ahora no es desconectado", unit="count",
        crediting="now", breakdowns=("queue",)),
)  # fmt: skip
BY_ID: dict[str, Kpi] = {kpi.id: kpi for kpi in KPIS}


def definitions() -> list[dict[str, Any]]:
    """Return all definitions as plain values, for the API and the documentation."""
    plain: list[dict[str, Any]] = msgspec.to_builtins(KPIS)
    return plain
