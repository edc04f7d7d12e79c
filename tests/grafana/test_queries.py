"""What the panels' queries say of what boards export: promtool asks them of real expositions."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from schemas.business import CostAccrued, SaleClosed
from schemas.calls import CallAnswered, CallQueued
from schemas.events import encode
from streams.board.exporter import Exporter
from streams.board.exposition import braces, exposition
from streams.board.parameters import asked
from streams.board.view import View
from streams.engine.policy import SECOND
from tests.board.rig import NOW, view_of
from tests.harness.panels import FILES, panels, queries, with_values
from tests.harness.traffic import Sent, calls
from tests.harness.written import written

pytestmark = pytest.mark.prometheus
UIDS = [path.stem for path in FILES if path.parent.name == "en"]
Series = dict[str, float]
"""Values by name and labels."""


def scraped(view: View) -> Series:
    """Return the series of a board with its agents', as a Prometheus has them that scraped it; of the windows those asked for."""
    text = "".join(exposition(Exporter(view, agents=True).collect(), openmetrics=False))
    target = {"job": "board", "instance": "board:1"}
    return {
        sample.name + braces({**sample.labels, **target}): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels.get("window", "30m") in {"30m", "today"}
    }


def dashboard(uid: str) -> list[dict[str, Any]]:
    """Return the panels of a dashboard, rows among them."""
    (path,) = (path for path in FILES if path.stem == uid)
    return panels(path)


def panels_of(uid: str, title: str) -> list[dict[str, Any]]:
    """Return the panels of a dashboard that have this title."""
    return [shown for shown in dashboard(uid) if shown["title"] == title]


def check(promtool: str, folder: Path, series: Mapping[str, float], *expected: tuple[str, Iterable[str]]) -> None:
    """Let promtool check which samples (`{labels} value`) each query has, in any order, where these series are."""
    cases = []
    for query, samples in expected:
        found = [sample.rsplit(" ", 1) for sample in samples]
        cases.append(
            {
                "expr": with_values(query),
                "exp_samples": [{"labels": labels, "value": float(value)} for labels, value in found],
            }
        )
    given = [{"series": name, "values": f"{value!r}x1"} for name, value in series.items()]
    file = folder / "queries.yml"  # which JSON is, and quicker written
    file.write_text(json.dumps({"tests": [{"input_series": given, "promql_expr_test": cases}]}), encoding="utf-8")
    done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def sold(number: int, amount: int, currency: str) -> Iterator[Sent]:
    """Yield a call to `sales` that ana answered, and what she sold in it."""
    common = {"contact_id": f"sold-{number}", "customer_id": "c"}
    at = NOW / SECOND - 200
    for event in (
        CallQueued(id=f"q{number}", time=at, queue="sales", **common),
        CallAnswered(id=f"a{number}", time=at + 10, agent_id="ana", **common),
        SaleClosed(
            id=f"s{number}", time=at + 100, contact_id=f"sold-{number}", amount=Decimal(amount), currency=currency
        ),
    ):
        yield b"c", encode(event)


def test_money_is_told_by_currency(promtool, tmp_path):
    """EUR 100 and USD 9000 are no 9000, nor 9100: of a queue, over all queues and of an agent."""
    series = scraped(view_of([*sold(1, 100, "EUR"), *sold(2, 9000, "USD")]))
    total, by_queue = panels_of("contact-center-money", "Sales amount")
    (by_agent,) = panels_of("contact-center-agents", "Money by agent")
    assert [shown["type"] for shown in (total, by_queue, by_agent)] == ["stat", "timeseries", "table"]
    amounts = {"EUR": 100, "USD": 9000}
    place, agent = 'channel="call", queue="sales", ', 'agent="ana", '
    expected = {
        labels: [f'{{{labels}currency="{currency}"}} {amount}' for currency, amount in amounts.items()]
        for labels in ("", place, agent)
    }
    check(
        promtool,
        tmp_path,
        series,
        *(
            (shown["targets"][0]["expr"], expected[labels])
            for shown, labels in ((total, ""), (by_queue, place), (by_agent, agent))
        ),
    )
    for shown in (total, by_queue):
        assert "{{currency}}" in shown["targets"][0]["legendFormat"]
        assert shown["fieldConfig"]["defaults"]["unit"] == "currency:¤"
    assert total["options"]["textMode"] == "value_and_name"
    names = by_agent["transformations"][-1]["options"]["renameByName"]
    assert names == {"agent": "Agent", "currency": "Currency", "Value": "Sales amount"}
    assert [target["refId"] for target in by_queue["targets"]] == ["value"]


def test_a_board_that_is_not_current_shows_nothing_but_how_old_it_is(promtool, tmp_path):
    """It goes on exporting what it knew."""
    old = view_of([*calls(400), *written(NOW / SECOND)])
    old.feed._answered = -60.0
    series = scraped(old)
    assert series['contact_center_board_live{instance="board:1",job="board"}'] == 0
    live = dashboard("contact-center-live")
    (row,) = (place for place, shown in enumerate(live) if shown["title"] == "How fresh the figures are")
    boards, age, _ = (queries(shown)[0] for shown in live[row + 1 : row + 4])
    health = {query for shown in dashboard("contact-center-pipeline") for query in queries(shown)}
    figures = {query for uid in UIDS for shown in dashboard(uid) for query in queries(shown)} - health
    assert len(figures) > 100
    newest = max(value for name, value in series.items() if "watermark" in name)
    check(
        promtool, tmp_path, series, *((query, []) for query in figures), (boards, ["{} 0"]), (age, [f"{{}} {-newest}"])
    )


def test_the_largest_figure_of_the_boards_that_are_current_is_shown(promtool, tmp_path):
    """Where one is old; and history that was loaded as blocks has no board."""
    name = "contact_center_waiting"
    series = {
        name + '{queue="sales",channel="call",job="board",instance="old"}': 9.0,
        name + '{queue="sales",channel="call",job="board",instance="one"}': 2.0,
        name + '{queue="sales",channel="call",job="board",instance="two"}': 3.0,
        name + '{queue="past",channel="call"}': 4.0,
        **{
            f'contact_center_board_live{{job="board",instance="{instance}"}}': value
            for instance, value in (("old", 0.0), ("one", 1.0), ("two", 1.0))
        },
    }
    expected = [f'{{queue="{queue}", channel="call"}} {waiting}' for queue, waiting in (("sales", 3), ("past", 4))]
    (graph,) = (shown for shown in panels_of("contact-center-live", "Waiting") if shown["type"] == "timeseries")
    check(promtool, tmp_path, series, (queries(graph)[0], expected))


def test_a_figure_has_the_level_of_its_bounds_and_none_without_any(promtool, tmp_path):
    """Green where nothing says what is wanted would be a promise."""
    figures = {"calm": 0.01, "slow": 0.06, "bad": 0.2, "boundless": 0.5}
    value, bound = "contact_center_abandonment_ratio", "contact_center_alarm_bound"
    series = {f'{value}{{queue="{queue}",channel="call",window="30m"}}': ratio for queue, ratio in figures.items()}
    for queue in figures.keys() - {"boundless"}:
        of_queue = f'{bound}{{queue="{queue}",channel="call",kpi="abandonment_rate"'
        series |= {f'{of_queue},level="attention"}}': 0.05, f'{of_queue},level="action"}}': 0.1}
    (levels,) = (of for of in panels_of("contact-center-queue", "Abandonment rate") if of["type"] == "stat")
    found = {target["refId"]: target["expr"] for target in levels["targets"]}
    expected = {"as_wanted": "calm", "attention": "slow", "action": "bad", "unbounded": "boundless"}
    assert found.keys() == expected.keys()
    samples = {ref: f'{{queue="{queue}", channel="call"}} {figures[queue]}' for ref, queue in expected.items()}
    check(promtool, tmp_path, series, *((found[ref], [sample]) for ref, sample in samples.items()))
    colours = {
        override["matcher"]["options"]: override["properties"][0]["value"]["fixedColor"]
        for override in levels["fieldConfig"]["overrides"]
    }
    assert colours == {"unbounded": "text", "as_wanted": "green", "attention": "orange", "action": "red"}


def test_alerts_are_ours_and_not_those_of_others(promtool, tmp_path):
    """In the table of queues, over time and in the pipeline's count; a queue without an alert has none, not nothing."""
    names = {"ContactCenterLongestWait": "sales", "ContactCenterLag": "", "DiskFull": "sales", "Watchdog": ""}
    series = {f'contact_center_waiting{{queue="{queue}",channel="call"}}': 1.0 for queue in ("sales", "support")}
    for name, queue in names.items():
        place = f',queue="{queue}",channel="call"' if queue else ""
        series[f'ALERTS{{alertname="{name}",alertstate="firing"{place}}}'] = 1.0
    series['ALERTS{alertname="ContactCenterNoAgents",alertstate="pending",queue="sales",channel="call"}'] = 1.0
    (table,), (over_time,) = (panels_of("contact-center-live", title) for title in ("Queues", "Alerts"))
    (count,) = panels_of("contact-center-pipeline", "Alerts")
    of_queues = [f'{{queue="{queue}", channel="call"}} {count}' for queue, count in (("sales", 1), ("support", 0))]
    ours = [f'{{alertname="{name}"}} 1' for name in names if name.startswith("ContactCenter")]
    expected = (of_queues, ours, ["{} 2"])
    check(promtool, tmp_path, series, *zip((queries(of)[0] for of in (table, over_time, count)), expected, strict=True))


def test_what_a_resolution_costs_over_all_queues_is_the_boards_total(promtool, tmp_path):
    """Costs of no queue among them; in each currency all of the resolutions."""
    now = NOW / SECOND
    costs = [
        CostAccrued(id="of nothing", time=now - 100, amount=Decimal(30), currency="EUR"),
        CostAccrued(id="in dollars", time=now - 100, amount=Decimal(8), currency="USD", queue="web"),
    ]
    view = view_of([*written(now), *((b"c", encode(cost)) for cost in costs)])
    total = view.answer(asked({"window": ["30m"]}, NOW, lambda _: "UTC")).rows[-1].kpis["cost_per_resolution"]
    assert total.amounts == {"EUR": "25", "USD": "4"}
    shown, _ = panels_of("contact-center-money", "Cost per resolution")
    expected = [f'{{currency="{currency}"}} {amount}' for currency, amount in total.amounts.items()]
    check(promtool, tmp_path, scraped(view), (queries(shown)[0], expected))
