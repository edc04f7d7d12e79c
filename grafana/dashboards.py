"""The dashboards, each for one question, from general to specific; they link to each other and keep time, channel and queue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from grafana import operations, panels, pipeline, queries
from grafana.subjects import (
    AGENTS,
    CHANNELS,
    LIVE,
    MONEY,
    PIPELINE,
    QUEUE,
    RESOLUTION,
    SATISFACTION,
    Subject,
    kpis_of,
    others,
)
from grafana.words import FOLDERS, Language, Text
from streams.board import metrics
from streams.kpis.registry import BY_ID, Kpi

Rows = Iterator[tuple[Text, list[Any]]]
"""Titles of rows and their panels."""
_TAG: Final = "centralita"
_WINDOW: Final = "30m"
_BOARD: Final = "http://127.0.0.1:8080"
"""Where a browser finds the board unless told otherwise, as with compose."""
_TOTALS: Final = Text("All chosen queues", "Todas las colas elegidas")
_BY_QUEUE: Final = Text("By queue", "Por cola")
_NOW: Final = Text("Now", "Ahora")


def uid(subject: Subject, language: Language) -> str:
    """Return a dashboard's uid, which is also the stem of its file."""
    return subject.uid if language == "en" else f"{subject.uid}-{language}"


def build(language: Language) -> dict[str, dashboard.Dashboard]:
    """Return all dashboards of a language that have something to show, by uid."""
    made = {}
    for subject, rows in _DASHBOARDS.items():
        filled = [(title, found) for title, found in rows(language) if found]
        if filled:
            made[uid(subject, language)] = _dashboard(subject, language, filled)
    return made


def _dashboard(subject: Subject, language: Language, rows: list[tuple[Text, list[Any]]]) -> dashboard.Dashboard:
    made = dashboard.Dashboard(subject.title.to(language)).uid(uid(subject, language))
    made.description(subject.question.to(language)).tags([_TAG, language]).readonly().timezone("browser")
    made.time("now-3h", "now").refresh("10s").tooltip(DashboardCursorSync.CROSSHAIR)
    made.link(
        dashboard.DashboardLink(FOLDERS.to(language))
        .type(DashboardLinkType.DASHBOARDS).tags([_TAG, language]).as_dropdown(False).include_vars(True).keep_time(True)
    )  # fmt: skip
    for variable in _variables(subject, language):
        made.with_variable(variable)
    ids = count(1)
    for title, found in rows:
        made.with_row(dashboard.Row(title.to(language)).id(next(ids)))
        for panel in found:
            made.with_panel(panel.id(next(ids)))
    return made


def _variables(subject: Subject, language: Language) -> Iterator[Any]:
    yield dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
    if subject is PIPELINE:
        return
    if subject is CHANNELS:
        yield (
            dashboard.TextBoxVariable("board")
            .label(Text("Address of the board", "Dirección del board").to(language))
            .default_value(_BOARD)
        )
    yield _labels("channel", Text("Channel", "Canal").to(language), metrics.WAITING)
    yield _labels("queue", Text("Queue", "Cola").to(language), f'{metrics.WAITING}{{channel=~"$channel"}}')
    window = dashboard.CustomVariable("window").label(Text("Window", "Ventana").to(language))
    yield window.values(",".join(metrics.WINDOWS)).current(VariableOption(text=_WINDOW, value=_WINDOW))


def _labels(label: str, text: str, series: str) -> dashboard.QueryVariable:
    """Return a choice of the values of a label, at first all."""
    query: dict[str, object] = {"query": f"label_values({series},{label})", "refId": label}
    return (
        dashboard.QueryVariable(label).label(text).datasource(panels.SOURCE).query(query).multi(True).include_all(True).all_value(".*")
        .current(VariableOption(text="All", value="$__all")).refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
    )  # fmt: skip


# What is on each


def _live(language: Language) -> Rows:
    kpis = kpis_of(LIVE)
    yield _TOTALS, [*operations.now(language), *(panels.kpi_total(kpi, language) for kpi in kpis)]
    yield Text("How fresh the figures are", "Actualidad de las cifras"), pipeline.freshness(language)
    yield _BY_QUEUE, [operations.queues(language, kpis, uid(QUEUE, language))]
    yield _NOW, [operations.waiting(language), operations.alerts(language)]
    yield Text("Course", "Evolución"), _graphs(kpis, language)


def _queue(language: Language) -> Rows:
    kpis = kpis_of(QUEUE)
    percentiles = [kpi for kpi in kpis if kpi.histograms]
    rest = [kpi for kpi in kpis if not kpi.histograms]
    of_now = {"waiting": operations.WAITING, "longest_wait": operations.LONGEST}
    now = [panels.kpi_levels(BY_ID[kpi], language, query) for kpi, query in of_now.items()]
    yield _NOW, [*now, *(panels.kpi_levels(kpi, language) for kpi in rest[:4])]
    yield (
        Text("Ledger", "Balance"),
        [operations.ledger(language), operations.waiting(language), operations.limits(language)],
    )
    yield Text("Rates and means", "Tasas y medias"), _graphs(rest, language)
    yield Text("Waits", "Esperas"), [*operations.waits(language), *_graphs(percentiles, language)]
    yield Text("Others", "Otros"), _graphs(others(), language)


def _agents(language: Language) -> Rows:
    yield _NOW, [*operations.agents(language), operations.working_by_queue(language)]
    yield _BY_QUEUE, _graphs(kpis_of(AGENTS), language)
    tables = (operations.states, operations.by_agent, operations.money_by_agent)
    yield Text("By agent", "Por agente"), [made(language) for made in tables]


def _channels(language: Language) -> Rows:
    kpis = kpis_of(CHANNELS)
    yield _TOTALS, [panels.kpi_total(kpi, language) for kpi in kpis]
    yield Text("Distribution", "Distribución"), [*operations.volume(language), operations.elsewhere(language)]
    yield _BY_QUEUE, _graphs(kpis, language)


def _by_subject(subject: Subject) -> Callable[[Language], Rows]:
    """Return rows of totals and of graphs by queue."""

    def rows(language: Language) -> Rows:
        kpis = kpis_of(subject)
        yield _TOTALS, [panels.kpi_total(kpi, language) for kpi in kpis if queries.adds_up(kpi)]
        yield _BY_QUEUE, _graphs(kpis, language)

    return rows


def _resolution(language: Language) -> Rows:
    yield from _by_subject(RESOLUTION)(language)
    yield (
        Text("By level, and settled", "Por nivel, y cerrado"),
        [operations.by_level(language), operations.settled(language)],
    )


def _pipeline(language: Language) -> Rows:
    yield _NOW, [*pipeline.freshness(language), *pipeline.health(language)]
    yield Text("Events", "Eventos"), pipeline.flow(language)
    yield Text("Workers", "Trabajadores"), pipeline.workers(language)


def _graphs(kpis: list[Kpi], language: Language) -> list[Any]:
    return [panels.kpi_graph(kpi, language) for kpi in kpis]


_DASHBOARDS: Final[dict[Subject, Callable[[Language], Rows]]] = {
    LIVE: _live,
    QUEUE: _queue,
    AGENTS: _agents,
    CHANNELS: _channels,
    RESOLUTION: _resolution,
    SATISFACTION: _by_subject(SATISFACTION),
    MONEY: _by_subject(MONEY),
    PIPELINE: _pipeline,
}
