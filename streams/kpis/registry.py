"""The registry: each KPI once, with its formula, what it counts, when it is credited and what is left out.

A KPI is a numerator and a denominator, each a sum of measures (some taken away), so that totals over queues and time are
sums of parts and never averages of averages. Formulas: docs/kpis.md, and the sources named here.
"""

from __future__ import annotations

from collections.abc import Iterator
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
Crediting = Literal["COHORT", "EVENT", "CLOSE", "CLIP", "PERIOD", "now"]
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
    """One KPI. ``scale`` divides the numerator (microseconds to seconds); ``percent`` of its durations, the sum of ``histograms``."""

    id: str
    name: str
    name_es: str
    formula: str
    formula_es: str
    subject: Subject
    unit: Literal["count", "ratio", "s", "score", "points", "money"]
    """A score is a mean on its scale, points are -100 to 100, money is in the currency that a figure names."""
    crediting: Crediting
    numerator: Terms = {}
    denominator: Terms | None = None
    scale: int = 1
    amount: str | None = None
    """Amounts by currency that are the numerator, of KPIs in money."""
    share: bool = False
    """True when the denominator is that of the total: a row's share of all."""
    histograms: tuple[str, ...] = ()
    percent: int | None = None
    breakdowns: tuple[str, ...] = _NOT_AGENT
    exclusions: str = ""
    exclusions_es: str = ""
    better: Literal["lower", "higher"] | None = None
    follows_customers: bool = False
    """True when a customer who comes back may still change it, until the window W has passed."""
    window_days: int | None = None
    """W where it is not that of the queue."""
    version: int = 1


def _count(kpi: str, names: tuple[str, str], formulas: tuple[str, str], crediting: Crediting, **more: Any) -> Kpi:
    """Return a KPI that counts one measure; names and formulas in English and Spanish."""
    (name, name_es), (formula, formula_es) = names, formulas
    more = {"numerator": {kpi: 1}, "subject": "volume", **more}
    return Kpi(
        id=kpi, name=name, name_es=name_es, formula=formula, formula_es=formula_es, unit="count", crediting=crediting, **more
    )  # fmt: skip


def _percentiles(
    stem: str, name: str, name_es: str, *histograms: str, of: tuple[str, str] = ("waits", "esperas"), **more: Any
) -> tuple[Kpi, ...]:
    return tuple(
        Kpi(
            id=f"{stem}_p{percent}",
            name=f"{name}, p{percent}",
            name_es=f"{name_es}, p{percent}",
            formula=f"{percent} % of the {of[0]} are at most this long (relative error <= 1 %)",
            formula_es=f"el {percent} % de las {of[1]} dura como mucho esto (error relativo <= 1 %)",
            unit="s",
            crediting="EVENT",
            histograms=histograms,
            percent=percent,
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

_RESPONDED: dict[str, tuple[tuple[str, ...], str, str]] = {
    "": (("creation", "reopening"), "a (re)opening", "una (re)apertura"),
    "_creation": (("creation",), "the first opening", "la primera apertura"),
    "_reopening": (("reopening",), "a reopening", "una reapertura"),
    "_handover": (("handover",), "a hand-over by a bot", "el paso de un bot a personas"),
}
"""Variants of the first response: from where its clock runs."""
_NO_BOTS = "bots, system messages and private notes: they are no response"
_NO_BOTS_ES = "bots, mensajes del sistema y notas privadas: no son respuesta"


def _first_responses() -> Iterator[Kpi]:
    for suffix, (origins, since, since_es) in _RESPONDED.items():
        for hours, hours_es, clock in (("", "", ""), (", business hours", ", horario laboral", "_business")):
            opened = "_open" if clock else ""
            names: dict[str, Any] = {
                "name": f"First response{', from ' + since if suffix else ''}{hours}",
                "name_es": f"Primera respuesta{', desde ' + since_es if suffix else ''}{hours_es}",
            }
            shared: dict[str, Any] = {
                "subject": "first_response", "breakdowns": _EVERY, "exclusions": _NO_BOTS, "exclusions_es": _NO_BOTS_ES,
            }  # fmt: skip
            stem = f"first_response_time{suffix}{clock}"
            yield Kpi(
                id=stem, unit="s", crediting="EVENT", better="lower", scale=MICRO,
                formula=f"sum of times from {since} to the first public reply of a human agent{hours} / such replies",
                formula_es=f"suma de los tiempos desde {since_es} hasta la primera respuesta pública de una persona{hours_es} / respuestas",
                numerator={f"response_{origin}{opened}_us": 1 for origin in origins},
                denominator={f"responses_{origin}": 1 for origin in origins}, **names, **shared,
            )  # fmt: skip
            histograms = [f"response_{origin}{opened}" for origin in origins]
            yield from _percentiles(stem, *names.values(), *histograms, of=("responses", "respuestas"), **shared)


def _resolution_times() -> Iterator[Kpi]:
    for which, which_es, numerator, counted in (
        ("first", "primera", "resolution_first_us", "resolved_first"),
        ("full", "definitiva", "resolution_full_us", "resolved_written"),
    ):
        name, name_es = f"{which.capitalize()} resolution time", f"Tiempo hasta la resolución {which_es}"
        shared: dict[str, Any] = {
            "subject": "resolution", "breakdowns": _EVERY, "exclusions": "calls, and what is not resolved",
            "exclusions_es": "llamadas, y lo que no está resuelto",
        }  # fmt: skip
        yield Kpi(
            id=f"{which}_resolution_time", name=name, name_es=name_es, unit="s", crediting="EVENT", better="lower", scale=MICRO,
            formula=f"sum of times from the opening to the {which} resolution of chats and tickets / resolved",
            formula_es=f"suma de los tiempos desde la apertura hasta la resolución {which_es} de chats y tickets / resueltos",
            numerator={numerator: 1}, denominator={counted: 1}, **shared,
        )  # fmt: skip
        of = ("resolutions", "resoluciones")
        yield from _percentiles(f"{which}_resolution_time", name, name_es, f"resolution_{which}", of=of, **shared)


def _within(days: int) -> Kpi:
    """Return first-contact resolution with a window of so many days."""
    return Kpi(
        id=f"first_contact_resolution_{days}d", subject="resolution", name=f"First-contact resolution, {days} d",
        name_es=f"Resolución en el primer contacto, {days} d",
        formula=f"resolved, neither transferred, reopened nor followed by another contact of the customer within {days} days / resolved",
        formula_es=f"resueltas, ni transferidas ni reabiertas ni seguidas de otro contacto del cliente en {days} días / resueltas",
        unit="ratio", crediting="COHORT", numerator={"resolved_alone": 1, f"returned_within_{days}d": -1},
        denominator={"resolved_identified": 1}, breakdowns=_EVERY, better="higher", follows_customers=True, window_days=days,
        exclusions="contacts of unknown customers", exclusions_es="contactos de clientes desconocidos",
    )  # fmt: skip


def _ratio(
    kpi: str,
    subject: Subject,
    names: tuple[str, str],
    formulas: tuple[str, str],
    parts: tuple[Terms, Terms],
    **more: Any,
) -> Kpi:
    """Return a ratio of what happened in a stretch of time; names and formulas in English and Spanish."""
    (name, name_es), (formula, formula_es), (top, bottom) = names, formulas, parts
    more = {"unit": "ratio", "crediting": "EVENT", "breakdowns": _EVERY, **more}
    return Kpi(
        id=kpi, subject=subject, name=name, name_es=name_es, formula=formula, formula_es=formula_es, numerator=top,
        denominator=bottom, **more,
    )  # fmt: skip


_ALL_HANDLED: Terms = {"handled": 1, "tickets_handled": 1}
_CONTACTS_HANDLED: Terms = {"opened": 1, "opened_unhandled": -1}
_RESOLVED_FOR_GOOD: Terms = {"resolutions": 1, "resolutions_reopened": -1}
_CUSTOMERS: Terms = {"retained": 1, "lost": 1}


def _promoters(kind: str, name: str, asked: tuple[str, str], breakdowns: tuple[str, ...]) -> tuple[Kpi, ...]:
    return (
        _ratio(kind, "satisfaction", (name, name), (
            f"100 * (answers of 9 and 10 - answers of 0 to 6) / answers, on a scale of 0 to 10, {asked[0]}",
            f"100 * (respuestas de 9 y 10 - respuestas de 0 a 6) / respuestas, en una escala de 0 a 10, {asked[1]}",
        ), ({f"{kind}_promoters": 100, f"{kind}_detractors": -100}, {f"{kind}_answers": 1}), unit="points", better="higher",
            breakdowns=breakdowns),
        _count(f"{kind}_answers", (f"{name}, answers", f"{name}, respuestas"), ("answers", "respuestas"), "EVENT",
               subject="satisfaction", breakdowns=breakdowns),
    )  # fmt: skip


_WRITTEN: tuple[Kpi, ...] = (
    _count("opened", ("Contacts", "Contactos"), ("contacts that began", "contactos que empezaron"), "COHORT", breakdowns=_EVERY),
    *_first_responses(),
    _count("resolutions", ("Resolutions", "Resoluciones"),
           ("contacts resolved, each time that they were", "contactos resueltos, cada vez que lo fueron"), "EVENT", subject="resolution",
           breakdowns=_EVERY),
    _ratio("resolution_rate", "resolution", ("Resolution rate", "Tasa de resolución"),
           ("contacts resolved and not open again / contacts", "contactos resueltos y no reabiertos / contactos"),
           ({"opened": 1, "opened_unresolved": -1}, {"opened": 1}), crediting="COHORT", better="higher"),
    *_resolution_times(),
    _ratio("reopen_rate", "resolution", ("Reopen rate", "Tasa de reapertura"), ("reopened / resolutions", "reabiertos / resoluciones"),
           ({"reopened": 1}, {"resolutions": 1}), better="lower"),
    *map(_within, (1, 7, 14, 30)),
    _ratio("first_contact_resolution_survey", "resolution",
           ("First-contact resolution by survey", "Resolución en el primer contacto según encuesta"),
           ("answers that one contact was enough / answers", "respuestas de que bastó un contacto / respuestas"),
           ({"survey_fcr_yes": 1}, {"survey_fcr_answers": 1}), better="higher"),
    _ratio("level_share", "resolution", ("Share of the level", "Cuota del nivel"),
           ("resolutions at the level of attention / all resolutions", "resoluciones en el nivel de atención / todas las resoluciones"),
           ({"resolutions": 1}, {"resolutions": 1}), breakdowns=("level",), share=True),
    _count("transfers", ("Transfers", "Transferencias"),
           ("transfers, before an answer too", "transferencias, también antes de una respuesta"), "EVENT", subject="handling",
           breakdowns=_EVERY),
    _count("escalations", ("Escalations", "Escalados"), ("transfers to a higher level of attention", "transferencias a un nivel de atención más alto"),
           "EVENT", subject="resolution", breakdowns=_EVERY, better="lower", version=2,
           exclusions="transfers from a level that is not known; of levels that are no numbers every other one is higher",
           exclusions_es="transferencias desde un nivel desconocido; de niveles que no son números cualquier otro es más alto"),
    _ratio("csat", "satisfaction", ("CSAT", "CSAT"),
           ("answers in the top two boxes of their scale (the top one where it has fewer than four) / answers",
            "respuestas en las dos casillas más altas de su escala (en la más alta si tiene menos de cuatro) / respuestas"),
           ({"csat_top": 1}, {"csat_answers": 1}), better="higher", version=2),
    _ratio("csat_mean", "satisfaction", ("CSAT, mean", "CSAT, media"),
           ("mean of the answers on a scale of 1 to 5", "media de las respuestas en una escala de 1 a 5"),
           ({"csat_millionths": 1}, {"csat_answers": 1}), unit="score", scale=MICRO, better="higher"),
    _count("csat_answers", ("CSAT, answers", "CSAT, respuestas"), ("answers", "respuestas"), "EVENT", subject="satisfaction",
           breakdowns=_EVERY),
    *_promoters("nps", "NPS", ("of customers", "de clientes"), _EVERY),
    _ratio("ces", "satisfaction", ("CES", "CES"),
           ("answers of 5 to 7 on a scale of 1 to 7 / answers", "respuestas de 5 a 7 en una escala de 1 a 7 / respuestas"),
           ({"ces_easy": 1}, {"ces_answers": 1}), better="higher"),
    _ratio("ces_mean", "satisfaction", ("CES, mean", "CES, media"),
           ("mean of the answers on a scale of 1 to 7", "media de las respuestas en una escala de 1 a 7"),
           ({"ces_millionths": 1}, {"ces_answers": 1}), unit="score", scale=MICRO, better="higher"),
    _count("ces_answers", ("CES, answers", "CES, respuestas"), ("answers", "respuestas"), "EVENT", subject="satisfaction",
           breakdowns=_EVERY),
    *_promoters("enps", "eNPS", ("of agents", "de agentes"), _NOT_AGENT),
    _ratio("survey_response_rate", "satisfaction", ("Survey response rate", "Tasa de respuesta a encuestas"),
           ("contacts with an answer to a survey / conversations handled", "contactos con respuesta a una encuesta / conversaciones gestionadas"),
           ({"surveyed": 1}, _ALL_HANDLED), better="higher"),
    _ratio("complaint_rate", "satisfaction", ("Complaint rate", "Tasa de quejas"),
           ("contacts with a complaint / conversations handled", "contactos con una queja / conversaciones gestionadas"),
           ({"complaints": 1}, _ALL_HANDLED), better="lower"),
    _ratio("applause_rate", "satisfaction", ("Applause rate", "Tasa de felicitaciones"),
           ("contacts with applause / conversations handled", "contactos con una felicitación / conversaciones gestionadas"),
           ({"applause": 1}, _ALL_HANDLED), better="higher"),
    _ratio("retention_rate", "satisfaction", ("Retention rate", "Tasa de retención"),
           ("customers who stay / customers who stay or leave", "clientes que se quedan / clientes que se quedan o se van"),
           ({"retained": 1}, _CUSTOMERS), better="higher"),
    _ratio("churn_rate", "satisfaction", ("Churn rate", "Tasa de pérdida"),
           ("customers who leave / customers who stay or leave", "clientes que se van / clientes que se quedan o se van"),
           ({"lost": 1}, _CUSTOMERS), better="lower"),
    _count("sales", ("Sales", "Ventas"), ("sales closed", "ventas cerradas"), "EVENT", subject="money", breakdowns=_EVERY, version=2,
           exclusions="refunds: negative amounts", exclusions_es="devoluciones: importes negativos"),
    _ratio("sales_conversion", "money", ("Sales conversion", "Conversión de ventas"),
           ("contacts handled with a sale / contacts handled", "contactos gestionados con una venta / contactos gestionados"),
           ({"opened_sold": 1}, _CONTACTS_HANDLED), crediting="COHORT", better="higher", version=2,
           exclusions="contacts with refunds only", exclusions_es="contactos que solo tienen devoluciones"),
    Kpi(id="sales_amount", subject="money", name="Sales amount", name_es="Importe de ventas",
        formula="sum of the amounts of sales, each currency by itself", formula_es="suma de los importes de las ventas, cada moneda aparte",
        unit="money", crediting="EVENT", amount="sales_amount", breakdowns=_EVERY, better="higher",
        exclusions="nothing: refunds, which are negative, are taken away", exclusions_es="nada: las devoluciones, negativas, se restan"),
    Kpi(id="cost_amount", subject="money", name="Cost", name_es="Coste", formula="sum of the costs, each currency by itself",
        formula_es="suma de los costes, cada moneda aparte", unit="money", crediting="PERIOD", amount="cost_amount",
        breakdowns=("queue", "channel", *_TIME)),
    Kpi(id="cost_per_resolution", subject="money", name="Cost per resolution", name_es="Coste por resolución",
        formula="costs / resolutions that were not reopened, each currency by itself",
        formula_es="costes / resoluciones que no se reabrieron, cada moneda aparte", unit="money", crediting="PERIOD",
        amount="cost_amount", denominator=_RESOLVED_FOR_GOOD, breakdowns=("queue", "channel", *_TIME), better="lower"),
)  # fmt: skip

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
    *_percentiles("speed_of_answer", "Speed of answer", "Velocidad de respuesta", "wait_answered", subject="waiting", breakdowns=_EVERY),
    Kpi(id="average_time_to_abandon", subject="waiting", name="Average time to abandon", name_es="Tiempo medio hasta el abandono",
        formula="sum of waits of the abandoned / abandoned",
        formula_es="suma de las esperas de las abandonadas / abandonadas",
        unit="s", crediting="EVENT", numerator={"wait_abandoned_us": 1},
        denominator={"abandoned": 1}, scale=MICRO),
    *_percentiles("time_to_abandon", "Time to abandon", "Tiempo hasta el abandono", "wait_abandoned", subject="waiting"),
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
        formula="resolved, neither transferred, reopened nor followed by another contact of the customer, in any channel and about the "
        "same where it is said, within W / resolved",
        formula_es="resueltas, ni transferidas ni reabiertas ni seguidas de otro contacto del cliente, por cualquier canal y por lo mismo "
        "donde se dice, dentro de W / resueltas",
        version=2,
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
    *_WRITTEN,
)  # fmt: skip
BY_ID: dict[str, Kpi] = {kpi.id: kpi for kpi in KPIS}


def definitions() -> list[dict[str, Any]]:
    """Return all definitions as plain values, for the API and the documentation."""
    plain: list[dict[str, Any]] = msgspec.to_builtins(KPIS)
    return plain
