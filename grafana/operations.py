"""Panels that no single KPI gives: who waits and works now, the ledger, alerts, and volume over the day."""

from __future__ import annotations

from typing import Any, Final

from grafana_foundation_sdk.models import units

from grafana import panels, queries
from grafana.panels import QUEUE, Head, graph, head_of, number
from grafana.words import Language, Text, definition, name
from streams.board import metrics
from streams.kpis.registry import BY_ID, Kpi
from streams.kpis.settled import KPI, WEEK

WAITING: Final = queries.by_queue(metrics.WAITING)
LONGEST: Final = queries.longest_wait()
_AT_WORK: Final = 'state=~"available|busy|wrap_up"'
_WORKING: Final = f"sum(max by (state) ({queries.live(f'{metrics.AGENTS}{{{_AT_WORK}}}')}))"
_PLACES: Final = {"queue": Text("Queue", "Cola"), "channel": Text("Channel", "Canal")}
_AGENT: Final = Text("Agent", "Agente")
_ASKED_FOR: Final = Text(
    "Needs `board.agents_in_metrics = true`: by default agents are not exported.",
    "Requiere `board.agents_in_metrics = true`: de serie no se exportan los agentes.",
)
_TARGET: Final = Head(
    Text("Target of the service level", "Objetivo del nivel de servicio"), Text("", ""), units.PercentUnit
)
_ELSEWHERE: Final = {
    "platform": Text("platform", "plataforma"),
    "priority": Text("priority", "prioridad"),
    "customer_type": Text("customer type", "tipo de cliente"),
    "language": Text("language", "idioma"),
    "entry_point": Text("entry point", "punto de entrada"),
    "hour": Text("hour", "hora"),
    "weekday": Text("weekday", "día de la semana"),
}
_LEDGER: Final = ("entered", "answered", "abandoned", "flowed_out")
_OPENING: Final = 'event=~".+[.](queued|started|opened)"'
"""Events that open a visit."""


def now(language: Language) -> list[Any]:
    """Return the numbers of the moment over all chosen queues."""
    working = Head(
        Text("Agents working", "Agentes trabajando"),
        Text("Available, busy or in wrap-up, in the whole center.", "Libres, ocupados o en tiempo administrativo, en todo el centro."),
    )  # fmt: skip
    return [
        number(head_of(BY_ID["waiting"]), language, {"value": (f"sum({WAITING})", "")}),
        number(head_of(BY_ID["longest_wait"]), language, {"value": (f"max({LONGEST})", "")}),
        number(working, language, {"value": (_WORKING, "")}),
    ]


def queues(language: Language, kpis: list[Kpi], detail: str) -> Any:
    """Return the table of queues; the queue leads to the dashboard ``detail`` of that queue."""
    of_queues = queries.firing(f'{queries.PLACE}, queue!=""')
    firing = f"count by (queue, channel) ({of_queues}) or 0 * {WAITING}"
    columns = {
        Head(Text("Alerts", "Alertas"), Text("", "")): firing,
        head_of(BY_ID["waiting"]): WAITING,
        head_of(BY_ID["longest_wait"]): LONGEST,
        _TARGET: queries.by_queue(metrics.TARGET),
        **{head_of(kpi): queries.of_queue(kpi) for kpi in kpis},
    }
    head = Head(
        Text("Queues", "Colas"),
        Text(
            "Each chosen queue, with how many of its alerts fire. The queue leads to its dashboard.",
            "Cada cola elegida, con cuántas de sus alertas están activas. La cola lleva a su panel.",
        ),
    )
    url = f"/d/{detail}?${{__url_time_range}}&${{datasource:queryparam}}&${{window:queryparam}}&var-queue=${{__value.text:percentencode}}"
    title = Text("Details of the queue", "Detalle de la cola").to(language)
    return panels.linked(panels.rows(head, language, columns, _PLACES), _PLACES["queue"].to(language), title, url)


def waiting(language: Language) -> Any:
    """Return how many wait in each queue, over time."""
    return graph(head_of(BY_ID["waiting"]), language, {"value": (WAITING, QUEUE)})


def alerts(language: Language) -> Any:
    """Return which alerts fired when."""
    head = Head(
        Text("Alerts", "Alertas"),
        Text("Our alerts that fire, as Prometheus sends them.", "Nuestras alertas activas, como Prometheus las envía."),
    )
    lines = {"value": (f"sum by (alertname) ({queries.firing()})", "{{alertname}}")}
    return graph(head, language, lines, stacked=True)


def limits(language: Language) -> Any:
    """Return the table of what the definitions say of each queue."""
    head = Head(
        Text("Limits of the queue", "Límites de la cola"),
        Text("What the queue's settings say: the definitions of its figures.", "Lo que dicen los ajustes de la cola: las definiciones de sus cifras."),
    )  # fmt: skip
    columns = {
        _TARGET: queries.by_queue(metrics.TARGET),
        Head(Text("T of the service level", "T del nivel de servicio"), head.about, units.Seconds): queries.by_queue(
            metrics.THRESHOLD
        ),
        Head(Text("Short abandon, at most", "Abandono corto, máximo"), head.about, units.Seconds): queries.by_queue(
            metrics.SHORT
        ),
    }
    return panels.rows(head, language, columns, _PLACES)


def ledger(language: Language) -> Any:
    """Return what entered a queue and how it left."""
    head = Head(
        Text("Ledger", "Balance"),
        Text(
            "waiting at start + entered = answered + abandoned + flowed out + waiting at end",
            "en espera al principio + entradas = atendidas + abandonadas + desbordadas + en espera al final",
        ),
    )
    kpis = [BY_ID[kpi] for kpi in _LEDGER]
    return graph(head, language, {kpi.id: (queries.total(kpi), name(kpi).to(language)) for kpi in kpis})


def waits(language: Language) -> list[Any]:
    """Return how many waited how long until they were answered, gave up or had a response, and how long handling took."""
    about = Text("How many of the window took how long.", "Cuántas de la ventana tardaron cuánto.")
    titles = {
        "wait_answered": Text("Waits of the answered", "Esperas de las atendidas"),
        "wait_abandoned": Text("Waits of the abandoned", "Esperas de las abandonadas"),
        "response": Text("First responses", "Primeras respuestas"),
        "handle": Text("Handling times", "Tiempos de operación"),
    }
    return [panels.waits(Head(title, about), language, metrics.HISTOGRAMS[kind].name) for kind, title in titles.items()]


def agents(language: Language) -> list[Any]:
    """Return how many agents are in each state, and how many callers there are for each who works."""
    states = Head(Text("Agents by state", "Agentes por estado"), head_of(BY_ID["agents"]).about)
    share = Head(
        Text("Waiting for each working agent", "En espera por agente que trabaja"),
        Text("Callers who wait, for each agent available, busy or in wrap-up.", "Quienes esperan, por agente libre, ocupado o en cierre."),
    )  # fmt: skip
    return [
        graph(
            states, language, {"value": (f"max by (state) ({queries.live(metrics.AGENTS)})", "{{state}}")}, stacked=True
        ),
        graph(share, language, {"value": (f"sum({WAITING}) / ({_WORKING} > 0)", "")}),
    ]


def working_by_queue(language: Language) -> Any:
    """Return how many agents of each queue work."""
    head = Head(
        Text("Agents working, by queue", "Agentes trabajando, por cola"),
        Text(
            "Available, busy or in wrap-up. An agent of several queues counts in each, one who names none in all.",
            "Libres, ocupados o en tiempo administrativo. Quien sirve varias colas cuenta en cada una; quien no nombra ninguna, en todas.",
        ),
    )
    working = queries.live(f'{metrics.AGENTS_BY_QUEUE}{{queue=~"$queue", {_AT_WORK}}}')
    return graph(head, language, {"value": (f"sum by (queue) (max by (queue, state) ({working}))", "{{queue}}")})


def states(language: Language) -> Any:
    """Return the table of agents and the state that each is in, the longest first."""
    since = Head(Text("Time in state", "Tiempo en el estado"), _ASKED_FOR, units.Seconds)
    head = Head(Text("Agents now", "Agentes ahora"), _ASKED_FOR)
    columns = {since: f"time() - max by (agent, state) ({queries.live(metrics.AGENT_STATE)})"}
    keys = {"agent": _AGENT, "state": Text("State", "Estado")}
    return panels.rows(head, language, columns, keys, highest=since)


def by_agent(language: Language) -> Any:
    """Return the table of agents, the highest score first."""
    ranked = Text(
        "The score of the ranking, of today, is a composite; 50 is the team's mean, and who has few contacts has none.",
        "La puntuación de la clasificación, de hoy, es un compuesto; 50 es la media del equipo, y con pocos contactos no la hay.",
    )
    about = Text(f"{ranked.en} {_ASKED_FOR.en}", f"{ranked.es} {_ASKED_FOR.es}")
    score = Head(Text("Score today", "Puntuación de hoy"), about)
    columns = {score: f"max by (agent) ({queries.live(metrics.AGENT_SCORE)})"}
    columns |= {head_of(kpi): queries.of_agent(kpi) for kpi in _of_agents() if kpi.unit != "money"}
    head = Head(Text("Ranking of agents", "Clasificación de agentes"), about)
    return panels.rows(head, language, columns, {"agent": _AGENT}, highest=score)


def money_by_agent(language: Language) -> Any:
    """Return the table of agents' amounts: a row for each currency, which only amounts have."""
    head = Head(Text("Money by agent", "Dinero por agente"), _ASKED_FOR)
    columns = {head_of(kpi): queries.of_agent(kpi) for kpi in _of_agents() if kpi.unit == "money"}
    return panels.rows(head, language, columns, {"agent": _AGENT, metrics.CURRENCY: Text("Currency", "Moneda")})


def _of_agents() -> list[Kpi]:
    return [kpi for kpi in metrics.exported() if "agent" in kpi.breakdowns and not kpi.histograms]


def volume(language: Language) -> list[Any]:
    """Return what entered by channel, and the visits of each hour beside those of a week ago."""
    entered = BY_ID["entered"]
    by_channel = Head(Text("Entered by channel", "Entradas por canal"), head_of(entered).about)
    of_hour = Head(
        Text("Volume of an hour", "Volumen por hora"),
        Text("Queue visits of the last hour, and a week before.", "Visitas a las colas en la última hora, y una semana antes."),
    )  # fmt: skip
    counter = f"{metrics.EVENTS}_total{{{queries.PLACE}, {_OPENING}}}[1h]"
    words = {"value": Text("this week", "esta semana"), "last_week": Text("a week ago", "hace una semana")}
    lines = {}
    for ref, offset in (("value", ""), ("last_week", " offset 1w")):
        of_boards = queries.live(f"increase({counter}{offset})", offset)
        lines[ref] = (f"sum(max by (queue, channel, event) ({of_boards}))", words[ref].to(language))
    shares = {"value": (queries.total(entered, "channel"), "{{channel}}")}
    return [graph(by_channel, language, shares, stacked=True), graph(of_hour, language, lines)]


def by_level(language: Language) -> Any:
    """Return the share of the resolutions that each level of attention made."""
    query = f"max by (level) ({queries.live(metrics.LEVEL_SHARE)})"
    legend = Text("level {{level}}", "nivel {{level}}").to(language)
    kpi = BY_ID["level_share"]
    head = Head(Text(f"{kpi.name}, today", f"{kpi.name_es}, hoy"), definition(kpi), units.PercentUnit)
    return graph(head, language, {"value": (query, legend)}, stacked=True)


def settled(language: Language) -> Any:
    """Return first-contact resolution as its alert sees it: of a week in which no return can change anything any more."""
    about = Text(
        "Of the last seven days whose customers can no longer come back within their queue's window: what the alert compares.",
        "De los últimos siete días cuyos clientes ya no pueden volver dentro de la ventana de su cola: lo que la alerta compara.",
    )
    definitions = definition(KPI)
    head = Head(
        Text(f"{KPI.name}, settled week", f"{KPI.name_es}, semana cerrada"),
        Text(f"{about.en} {definitions.en}", f"{about.es} {definitions.es}"),
        units.PercentUnit,
    )
    week = queries.by_queue(metrics.name_of(KPI.id, KPI.unit), f'{queries.PLACE}, window="{WEEK}"')
    return panels.by_queue(head, KPI, language, (week, QUEUE))


def elsewhere(language: Language) -> Any:
    """Return where to find volume by what is no label of Prometheus."""
    links = " · ".join(
        f"[{title.to(language)}](${{board:raw}}/api/v1/kpis?window=today&by={by})" for by, title in _ELSEWHERE.items()
    )
    about = Text(
        "Prometheus has figures by queue and channel only: each further label would multiply the series of every KPI. "
        "The board answers for the others (as CSV with `&format=csv`), of today:",
        "Prometheus tiene las cifras solo por cola y canal: cada etiqueta más multiplicaría las series de cada KPI. "
        "El board responde por las demás (como CSV con `&format=csv`), de hoy:",
    )
    return panels.words(
        Text("By platform, priority, customer type or language", "Por plataforma, prioridad, tipo de cliente o idioma"),
        Text(f"{about.en} {links}", f"{about.es} {links}"),
        language,
    )
