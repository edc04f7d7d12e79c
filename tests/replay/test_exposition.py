"""A backfill: what a replay writes as OpenMetrics is in a real Prometheus afterwards, under the exporter's names and labels."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as classic

from streams.board.exporter import Exporter
from streams.cli import group
from streams.engine.policy import INTERVAL, SECOND
from streams.kpis.figures import Query
from tests.board.rig import view_of
from tests.harness.prometheus import Prometheus
from tests.harness.traffic import START
from tests.replay import expected

EVENTS = expected.traffic(contacts=3_000, seed=13)
BEGIN, END = START * SECOND, START * SECOND + 8 * INTERVAL


@pytest.fixture(scope="module")
def exposition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exposition")
    (folder / "events.ndjson").write_bytes(b"".join(value + b"\n" for _, value in EVENTS))
    output = folder / "history.om"
    asked = ["replay", str(folder / "events.ndjson"), "--from", "2026-03-02T09:00", "--to", "2026-03-02T11:00"]
    result = CliRunner().invoke(group, [*asked, "--output", str(output)])
    assert result.exit_code == 0, (result.output, result.exception)
    return output


def moments(path: Path) -> dict[float, list[Metric]]:
    """Return the families of each time.

    One time after the other: of a histogram's second time the library's parser takes every bucket but the first for a duplicate.
    """
    lines = path.read_text().splitlines()
    heads = [line for line in lines if line.startswith("#")]
    texts: dict[str, list[str]] = {}
    for line in lines:
        if not line.startswith("#"):
            texts.setdefault(line.rpartition(" ")[2], []).append(line)
    found = {}
    for time, samples in texts.items():
        whole = [one for head in heads[:-1] for one in (head, *(_of(head, samples) if " TYPE " in head else ()))]
        found[float(time)] = list(openmetrics("\n".join([*whole, "# EOF\n"])))
    return found


def _of(head: str, samples: list[str]) -> list[str]:
    _, _, name, _ = head.split(" ", 3)
    return [line for line in samples if re.match(rf"{name}(_bucket|_gcount|_gsum)?{{", line)]


def test_it_is_openmetrics(exposition: Path) -> None:
    """A strict parser takes it, a time at a time; each series lies together, and ends at the ends of quarters in their order."""
    found = moments(exposition)
    assert sorted(found) == [end / SECOND for end in range(BEGIN + INTERVAL, END + 1, INTERVAL)]
    assert all(sum(len(family.samples) for family in families) > 500 for families in found.values())
    closed: set[str] = set()
    series, last = "", 0.0
    for line in exposition.read_text().splitlines():
        if line.startswith("#"):
            continue
        name, _, time = line.rpartition(" ")
        labels = re.sub(r'(_bucket|_gcount|_gsum)?{|le="[^"]*",', "{", name.rpartition(" ")[0]).replace(",{", ",")
        assert labels not in closed
        if labels != series:
            closed.add(series)
            series, last = labels, 0.0
        assert float(time) >= last
        last = float(time)


def test_names_labels_and_help_are_the_exporters(exposition: Path) -> None:
    """Every windowed series of /metrics but the window of 5 minutes, and what comes with them."""
    registry = CollectorRegistry()
    registry.register(Exporter(view_of()))
    live = {family.name: family for family in classic(generate_latest(registry).decode())}
    found = {family.name: family for family in moments(exposition)[END / SECOND]}
    for name, family in found.items():
        shown = live[name] if name in live else live[f"{name}_bucket"]  # the older format has no histograms of gauges
        assert family.documentation == shown.documentation
        assert _labels(family) == _labels(shown) or not (family.samples and shown.samples), name
        windows = {sample.labels.get("window") for sample in family.samples}
        assert windows <= {None, "15m", "30m", "60m", "today"}  # a ratio without a denominator has no sample
    windowed = {name for name, family in live.items() if any("window" in sample.labels for sample in family.samples)}
    assert {
        name.removesuffix("_bucket") for name in windowed if not name.endswith(("_gcount", "_gsum"))
    } <= found.keys()


def _labels(family) -> set[str]:
    return {label for sample in family.samples for label in sample.labels}


@pytest.mark.prometheus
def test_a_real_prometheus_has_every_sample_after_the_backfill(
    exposition: Path, promtool: str, prometheus: str, tmp_path: Path
) -> None:
    """`promtool` makes blocks of it, the server answers from them; and a ratio there is the one of the API's row."""
    create = [promtool, "tsdb", "create-blocks-from", "openmetrics", str(exposition), str(tmp_path / "data")]
    made = subprocess.run(create, capture_output=True, text=True, timeout=60, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text("scrape_configs: []\n")
    figures = expected.figures(EVENTS)
    with Prometheus(prometheus, configuration, tmp_path, "--storage.tsdb.retention.time=100y") as server:
        for time, families in moments(exposition).items():
            samples = {
                tuple(sorted({"__name__": sample.name, **sample.labels}.items())): float(sample.value)
                for family in families
                for sample in family.samples
            }
            found = server.get("query", query='{__name__=~"contact_center_.+"}', time=str(time))["result"]
            assert {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in found} == samples
            end = round(time * SECOND)
            for row in figures.rows(Query(end - INTERVAL, end, "all", "queue")):
                ratio = row.kpis["abandonment_rate"].value
                asked = f'contact_center_abandonment_ratio{{queue="{row.queue}",window="15m"}}'
                answer = server.get("query", query=asked, time=str(time))["result"]
                assert [float(one["value"][1]) for one in answer] == (
                    [] if row.queue is None or ratio is None else [ratio]
                )
