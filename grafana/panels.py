"""Panels of the kinds that the dashboards have: each with unit, definition, and `--` where there is nothing to show.

A target is a setting of each queue and may change any day, and Grafana's own thresholds are constants of the file. So the bounds are queries
like the figure: lines in a graph, and the colour of a number, which also says its level in a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from grafana_foundation_sdk.builders import common, dashboard, heatmap, prometheus, stat, table, text, timeseries
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    MatcherConfig,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.text import TextMode

from grafana import queries
from grafana.words import ACTION, AS_WANTED, ATTENTION, TARGET, Language, Text, definition, name
from streams.board import metrics
from streams.kpis.registry import Kpi

Lines = Mapping[str, tuple[str, str]]
"""By query its expression and its legend."""
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
QUEUE: Final = "{{queue}} · {{channel}}"
CURRENCY: Final = f"{{{{{metrics.CURRENCY}}}}}"
_UNITS: Final = {"ratio": units.PercentUnit, "s": units.Seconds, "count": units.Short, "money": "currency:¤"}
"""The sign ¤ is an amount of whichever currency the legend names."""
_COLOURS: Final = {"target": "blue", "unbounded": "text", "as_wanted": "green", "attention": "orange", "action": "red"}
_LEVELS: Final = {"as_wanted": AS_WANTED, "attention": ATTENTION, "action": ACTION}
_NOTHING: Final = "--"
_AIMED_AT: Final = "service_level"
"""The KPI of which queues have a target."""
_TALL, _LOW = 8, 4


class Head(NamedTuple):
    """What every panel says of itself: title, description and the unit of its values."""

    title: Text
    about: Text
    unit: str = units.Short


def head_of(kpi: Kpi) -> Head:
    """Return what a panel of a KPI says: its name, its definition and its unit."""
    return Head(name(kpi), definition(kpi), unit_of(kpi))


def unit_of(kpi: Kpi) -> str:
    """Return Grafana's name of a KPI's unit; that of plain numbers for those without one."""
    return _UNITS.get(kpi.unit, units.NoUnit)


def _base(panel: Any, head: Head, language: Language) -> Any:
    """Give a panel what all have. The builders share these methods, but no type that says so."""
    panel.title(head.title.to(language)).description(head.about.to(language))
    return panel.datasource(SOURCE).unit(head.unit).no_value(_NOTHING)


def _query(ref: str, expression: str, legend: str = "") -> prometheus.Dataquery:
    return prometheus.Dataquery().ref_id(ref).datasource(SOURCE).expr(expression).legend_format(legend)


def _of(ref: str) -> MatcherConfig:
    return MatcherConfig("byFrameRefID", ref)


def _colour(ref: str) -> DynamicConfigValue:
    return DynamicConfigValue("color", {"mode": "fixed", "fixedColor": _COLOURS[ref]})


def graph(
    head: Head, language: Language, lines: Lines, *, bounds: tuple[str, ...] = (), stacked: bool = False
) -> timeseries.Panel:
    """Return a graph over time. The queries named in ``bounds`` are dashed and not in the legend."""
    panel: timeseries.Panel = _base(timeseries.Panel(), head, language).axis_soft_min(0)
    panel.span(12).height(_TALL).fill_opacity(60 if stacked else 0).show_points(kinds.VisibilityMode.NEVER)
    legend = common.VizLegendOptions().show_legend(True).display_mode(kinds.LegendDisplayMode.LIST)
    panel.legend(legend.placement(kinds.LegendPlacement.BOTTOM))
    panel.tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI))
    if stacked:
        panel.stacking(common.StackingConfig().mode(kinds.StackingMode.NORMAL).group("A"))
    for ref, (expression, legend_) in lines.items():
        panel.with_target(_query(ref, expression, legend_))
    for ref in bounds:
        dashed = DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [10, 10]})
        unseen = DynamicConfigValue("custom.hideFrom", {"legend": True, "tooltip": False, "viz": False})
        panel.with_override(_of(ref), [_colour(ref), dashed, unseen])
    return panel


def kpi_graph(kpi: Kpi, language: Language) -> timeseries.Panel:
    """Return a graph of a KPI by queue, with the bounds of its queues, and their target."""
    legend = f"{QUEUE} · {CURRENCY}" if kpi.unit == "money" else QUEUE
    return by_queue(head_of(kpi), kpi, language, (queries.of_queue(kpi), legend))


def by_queue(head: Head, kpi: Kpi, language: Language, line: tuple[str, str]) -> timeseries.Panel:
    """Return a graph of an expression by queue, with what bounds and targets the queues have for a KPI."""
    lines = {"value": line}
    bounds = ("attention", "action") if queries.may_have_bounds(kpi) else ()
    lines |= {
        level: (queries.bound(kpi.id, level), f"{QUEUE}: {_LEVELS[level].to(language)}") for level in bounds
    }  # fmt: skip
    if kpi.id == _AIMED_AT:
        bounds = ("target", *bounds)
        lines["target"] = (queries.by_queue(metrics.TARGET), f"{QUEUE}: {TARGET.to(language)}")
    return graph(head, language, lines, bounds=bounds)


def number(head: Head, language: Language, lines: Lines) -> stat.Panel:
    """Return a number for each line. Queries named as a level have its colour."""
    panel: stat.Panel = _base(stat.Panel(), head, language).span(4).height(_LOW)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    panel.graph_mode(kinds.BigValueGraphMode.AREA).color_mode(kinds.BigValueColorMode.VALUE)
    panel.color_scheme(dashboard.FieldColor().mode(FieldColorModeId.FIXED).fixed_color("text"))
    for ref, (expression, legend) in lines.items():
        query = _query(ref, expression, legend)
        if ref in _COLOURS:
            # Of now alone: over time one figure would be in several colours.
            panel.with_override(_of(ref), [_colour(ref)])
            query = query.instant()
        panel.with_target(query)
    return panel


def kpi_total(kpi: Kpi, language: Language) -> stat.Panel:
    """Return a KPI over all chosen queues; of money a number for each currency."""
    if kpi.unit != "money":
        return number(head_of(kpi), language, {"value": (queries.total(kpi), "")})
    panel = number(head_of(kpi), language, {"value": (queries.total(kpi), CURRENCY)})
    return panel.text_mode(kinds.BigValueTextMode.VALUE_AND_NAME)


def kpi_levels(kpi: Kpi, language: Language, value: str | None = None) -> stat.Panel:
    """Return a KPI of each chosen queue in the colour and with the word of its level, where it has bounds; ``value``, if it has no series of its own."""
    value = value or queries.of_queue(kpi)
    if kpi.better is None or not queries.may_have_bounds(kpi):
        return number(head_of(kpi), language, {"value": (value, QUEUE)})
    split = queries.at_level(kpi.id, kpi.better, value)
    lines = {
        ref: (expression, f"{QUEUE}: {_LEVELS[ref].to(language)}" if ref in _LEVELS else QUEUE)
        for ref, expression in split.items()
    }
    return number(head_of(kpi), language, lines).text_mode(kinds.BigValueTextMode.VALUE_AND_NAME)


def rows(
    head: Head,
    language: Language,
    columns: Mapping[Head, str],
    keys: Mapping[str, Text],
    *,
    highest: Head | None = None,
) -> table.Panel:
    """Return a table: by column a query of now, and one row for each combination of the ``keys`` (labels), the ``highest`` of a column first."""
    panel: table.Panel = _base(table.Panel(), head, language).span(24).height(_TALL)
    names = {label: title.to(language) for label, title in keys.items()}
    for number_, (column, expression) in enumerate(columns.items()):
        ref = f"c{number_}"
        panel.with_target(_query(ref, expression).instant().format(PromQueryFormat.TABLE))
        # Grafana names the values of the only query without it.
        names[f"Value #{ref}" if len(columns) > 1 else "Value"] = column.title.to(language)
        panel.override_by_name(column.title.to(language), [DynamicConfigValue("unit", column.unit)])
    if highest is not None:
        panel.sort_by([common.TableSortByFieldState().display_name(highest.title.to(language)).desc(True)])
    order = {label: place for place, label in enumerate(names)}
    panel.with_transformation(DataTransformerConfig("merge", options={}))
    options = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": names}
    return panel.with_transformation(DataTransformerConfig("organize", options=options))


def words(title: Text, content: Text, language: Language) -> text.Panel:
    """Return a text (Markdown)."""
    panel = text.Panel().title(title.to(language)).content(content.to(language)).mode(TextMode.MARKDOWN)
    return panel.span(24).height(_LOW)


def linked(panel: table.Panel, column: str, title: str, url: str) -> table.Panel:
    """Let the cells of a table's column lead somewhere."""
    return panel.override_by_name(column, [DynamicConfigValue("links", [{"title": title, "url": url}])])


def waits(head: Head, language: Language, series: str) -> heatmap.Panel:
    """Return how many waited how long, over time, from a histogram."""
    expression = f"sum by (le) ({queries.by_queue(f'{series}_bucket', queries.WINDOWED, ', le')})"
    panel: heatmap.Panel = _base(heatmap.Panel(), head, language).span(12).height(_TALL)
    panel.y_axis(heatmap.YAxisConfig().unit(units.Seconds))
    return panel.with_target(_query("value", expression, "{{le}}").format(PromQueryFormat.HEATMAP))
