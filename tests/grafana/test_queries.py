"""What the panels' queries say of what boards export: promtool asks them of real expositions."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from schemas.business import SaleClosed
from schemas.calls import CallAnswered, CallQueued
from schemas.events import encode
from streams.board.exporter import Exporter
from streams.board.exposition import braces, exposition
from streams.board.view import View
from streams.engine.policy import SECOND
from tests.board.rig import NOW, view_of
from tests.harness.panels import FILES, panels, with_values
from tests.harness.traffic import Sent

pytestmark = pytest.mark.prometheus
Series = dict[str, float]
"""Values by name and labels."""


def scraped(view: View, instance: str = "board:1") -> Series:
    """Return the series of a board with its agents', as a Prometheus has them that scraped it."""
    text = "".join(exposition(Exporter(view, agents=True).collect(), openmetrics=False))
    target = {"job": "board", "instance": instance}
    return {
        sample.name + braces({**sample.labels, **target}): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def panels_of(uid: str, title: str) -> list[dict[str, Any]]:
    """Return the panels of a dashboard that have this title."""
    return [found for path in FILES if path.stem == uid for found in panels(path) if found["title"] == title]


def check(promtool: str, folder: Path, series: Mapping[str, float], *expected: tuple[str, Iterable[str]]) -> None:
    """Let promtool check which samples (`{labels} value`) each query has, in any order, where these series are."""
    asked = []
    for query, samples in expected:
        found = [sample.rsplit(" ", 1) for sample in samples]
        asked.append(
            {
                "expr": with_values(query),
                "exp_samples": [{"labels": labels, "value": float(value)} for labels, value in found],
            }
        )
    given = [{"series": name, "values": f"{value!r}x1"} for name, value in series.items()]
    file = folder / "queries.yml"
    file.write_text(yaml.safe_dump({"tests": [{"input_series": given, "promql_expr_test": asked}]}), encoding="utf-8")
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
    assert by_agent["transformations"][-1]["options"]["renameByName"]["currency"] == "Currency"
    assert [target["refId"] for target in by_queue["targets"]] == ["value"]
