"""Panels about the pipeline: how fresh the figures are, what was refused, and how the workers do."""

from __future__ import annotations

from typing import Any, Final

from grafana_foundation_sdk.models import units

from grafana import queries
from grafana.panels import Head, graph, number
from grafana.words import Language, Text
from streams.board import metrics

_RATE: Final = "$__rate_interval"
_WORKER: Final = "centralita_worker"
_FRESH: Final[dict[Head, str]] = {
    Head(
        Text("Boards with current figures", "Paneles (board) al día"),
        Text("Boards whose figures are complete and current.", "Procesos board con cifras completas y actuales."),
    ): f"sum({metrics.LIVE})",
    Head(
        Text("Age of the newest event", "Edad del último evento"),
        Text("Now less the largest event time.", "Ahora menos el mayor tiempo de evento."),
        units.Seconds,
    ): f"time() - max({metrics.WATERMARK})",
    Head(
        Text("Events not counted yet", "Eventos sin contar"),
        Text("Events that no worker has counted yet.", "Eventos que ningún trabajador ha contado aún."),
    ): f"max({metrics.UNPROCESSED})",
}
_HEALTH: Final[dict[Head, str]] = {
    Head(
        Text("Workers ready", "Trabajadores listos"),
        Text("Workers whose /readyz says so.", "Trabajadores cuyo /readyz lo dice."),
    ): f"sum({_WORKER}_ready)",
    Head(
        Text("Wallboards connected", "Pantallas conectadas"),
        Text("Wallboards that receive the stream.", "Pantallas que reciben el flujo."),
    ): f"sum({metrics.CLIENTS})",
    Head(
        Text("Alerts", "Alertas"),
        Text("Our alerts that fire now.", "Nuestras alertas activas ahora."),
    ): f"count({queries.firing()}) or vector(0)",
}
_COUNTED: Final = Head(
    Text("Events counted", "Eventos contados"),
    Text("Events a second by kind; duplicates count once.", "Eventos por segundo y tipo; los duplicados cuentan una vez."),
    units.EventsPerSecond,
)  # fmt: skip
_REFUSED: Final = Head(
    Text("Events refused, and duplicates", "Eventos rechazados y duplicados"),
    Text(
        "Refused events are in the dead letters, with the reason; duplicates were known already.",
        "Los rechazados están en la cola de rechazados (dead letters), con su razón; los duplicados ya se conocían.",
    ),
    units.EventsPerSecond,
)
_AGE: Final = Head(
    Text("Age of the figures", "Edad de las cifras"),
    Text("Now less the largest event time, by partition.", "Ahora menos el mayor tiempo de evento, por partición."),
    units.Seconds,
)
_LAG: Final = Head(
    Text("Lag", "Retraso"),
    Text("Records that no transaction covers yet, by partition.", "Registros que ninguna transacción cubre aún, por partición."),
)  # fmt: skip
_COMMIT: Final = Head(
    Text("Time of a transaction", "Duración de una transacción"),
    Text("From the first record to the broker's answer.", "Del primer registro a la respuesta del broker."),
    units.Seconds,
)
_COMMITTED: Final = Head(
    Text("Records committed", "Registros confirmados"),
    Text("Records a second, by what became of them.", "Registros por segundo, según qué fue de ellos."),
    units.EventsPerSecond,
)
_RESTORED: Final = Head(
    Text("State restored", "Estado restaurado"),
    Text("Restored part of state and panes, by partition; all when done.", "Parte restaurada, por partición; toda al terminar."),
    units.PercentUnit,
)  # fmt: skip
_HANGING: Final = Head(
    Text("Records behind an open transaction", "Registros tras una transacción abierta"),
    Text(
        "High watermark minus last stable offset. Above 0 for long, a transaction hangs and stops all readers.",
        "High watermark menos last stable offset. Si sigue por encima de 0, una transacción colgada detiene a los lectores.",
    ),
)


def freshness(language: Language) -> list[Any]:
    """Return what says at a glance whether figures are current."""
    return [number(head, language, {"value": (query, "")}) for head, query in _FRESH.items()]


def health(language: Language) -> list[Any]:
    """Return what else says at a glance whether all is well."""
    return [number(head, language, {"value": (query, "")}) for head, query in _HEALTH.items()]


def flow(language: Language) -> list[Any]:
    """Return what comes in and what becomes of it."""
    counted = f"max by (event) (sum by (job, instance, event) (rate({metrics.EVENTS}_total[{_RATE}])))"
    refused = f"max by (reason) (rate({metrics.REFUSED}_total[{_RATE}]))"
    duplicate = f"max(rate({metrics.DUPLICATE}_total[{_RATE}]))"
    twice = Text("duplicates", "duplicados").to(language)
    age = f"time() - max by (partition) ({metrics.WATERMARK})"
    return [
        graph(_COUNTED, language, {"value": (counted, "{{event}}")}, stacked=True),
        graph(_REFUSED, language, {"value": (refused, "{{reason}}"), "duplicates": (duplicate, twice)}),
        graph(_AGE, language, {"value": (age, "{{partition}}")}),
        graph(_LAG, language, {"value": (f"max by (partition) ({_WORKER}_lag_records)", "{{partition}}")}),
    ]


def workers(language: Language) -> list[Any]:
    """Return how the workers do."""
    buckets = f"sum by (le) (rate({_WORKER}_commit_seconds_bucket[{_RATE}]))"
    quantiles = {f"p{n}": (f"histogram_quantile({n / 100}, {buckets})", f"p{n}") for n in (50, 99)}
    committed = f"sum by (outcome) (rate({_WORKER}_events_total[{_RATE}]))"
    hanging = f"max by (topic, partition) ({_WORKER}_unstable_records)"
    return [
        graph(_COMMIT, language, quantiles),
        graph(_COMMITTED, language, {"value": (committed, "{{outcome}}")}, stacked=True),
        graph(_RESTORED, language, {"value": (f"min by (partition) ({_WORKER}_restore_ratio)", "{{partition}}")}),
        graph(_HANGING, language, {"value": (hanging, "{{topic}} {{partition}}")}),
    ]
