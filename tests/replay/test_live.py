"""Equal to live: what the board answered after a disturbed run is what a replay of its topic says, figure by figure."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from schemas.rows import Row
from streams.broker.topics import TopicSet
from streams.cli import group
from streams.configuration import load
from streams.engine.codes import HISTOGRAMS
from streams.engine.policy import DAY, SECOND
from streams.kpis.figures import Figures, Query
from streams.kpis.registry import KPIS
from streams.replay.asking import Wanted, counting
from streams.simulate.center import MONDAY_MORNING
from tests.board.boards import BoardProcess
from tests.harness import records
from tests.harness.exactness import wait_until_caught_up
from tests.harness.invariants import send
from tests.harness.storm import storm
from tests.harness.workers import WorkerProcess

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]
QUESTIONS = [("15m", "queue"), ("1h", "agent"), ("1d", "hour"), ("1d", "level")]
START = MONDAY_MORNING
ENDS = {"from": "2026-03-02T00:00:00Z", "to": "2026-03-04T00:00:00Z"}


def test_every_figure_of_a_disturbed_run_is_that_of_its_replay(
    kafka: str, topics: TopicSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All channels, duplicates, disorder, losses and garbage, a worker killed in the middle: every interval and KPI, every bucket and amount."""
    items = list(storm(15_000, seed=6, days=1.0))
    with WorkerProcess(kafka, topics.prefix, tmp_path, {"CENTRALITA_CRASH_AT": "before-commit:5"}) as worker:
        sent = 0
        while worker.running and sent < len(items):
            send(kafka, topics, items[sent : sent + 800])
            sent += 800
            time.sleep(0.2)
        assert worker.exit_code() == -9
        worker.start(CENTRALITA_CRASH_AT="")
        send(kafka, topics, items[sent:])
        wait_until_caught_up(kafka, topics)
        with BoardProcess(kafka, topics.prefix, tmp_path) as board:
            live = {asked: answered(board, *asked) for asked in QUESTIONS}
    monkeypatch.setenv("CENTRALITA_KAFKA", kafka)
    monkeypatch.setenv("CENTRALITA_KAFKA_PREFIX", topics.prefix)
    for asked, rows in live.items():
        assert sum(row.kpis["entered"].value or 0 for row in rows) > 1_500
        found = replayed(tmp_path / "rows.json", *asked)
        assert found == rows, asked
    shown = {name for rows in live.values() for row in rows for name, kpi in row.kpis.items() if kpi.value is not None}
    assert {kpi.id for kpi in KPIS} - shown == {"agents", "longest_wait"}, "which are of the moment"
    assert_same_sums(kafka, topics)


def answered(board: BoardProcess, every: str, by: str) -> list[Row]:
    """Return the rows of the board's API."""
    return [msgspec.convert(row, Row) for row in board.get("/api/v1/kpis", **ENDS, every=every, by=by)["rows"]]


def replayed(output: Path, every: str, by: str) -> list[Row]:
    """Return the rows of a replay; there was garbage, so it ends with 1."""
    ends = [text for name, value in ENDS.items() for text in (f"--{name}", value)]
    result = CliRunner().invoke(group, ["replay", *ends, "--every", every, "--by", by, "--output", str(output)])
    assert result.exit_code == 1, (result.output, result.exception)
    return [msgspec.json.decode(line, type=Row) for line in output.read_bytes().splitlines()]


def assert_same_sums(kafka: str, topics: TopicSet) -> None:
    """Compare every measure, bucket and amount, by queue and hour, with those of the panes that the worker wrote."""
    settings = load(None, {"CENTRALITA_KAFKA": kafka, "CENTRALITA_KAFKA_PREFIX": topics.prefix})
    live = Figures(settings.policy)
    for (number, key), value in records.last(kafka, topics.kpis).items():
        live.load(number, key, value)
    wanted = Wanted((), ENDS["from"], ENDS["to"], "all", None, None, None, 2, None, incomplete=False)
    counts: Counter[str] = Counter()
    with counting(settings, wanted, "UTC") as counted:
        for begin in range(START - START % DAY, START + 2 * DAY, 3600 * SECOND):
            query = Query(begin, begin + 3600 * SECOND, by="queue")
            found = sums(live, query)
            assert sums(counted.figures, query) == found
            counts.update(name for _, histograms in found.values() for name in histograms)
    assert counts.keys() == set(HISTOGRAMS)


def sums(figures: Figures, query: Query) -> dict[object, tuple[int, dict[str, dict[int, int]]]]:
    """Return the measures, as one integer, and the histograms of each queue."""
    return {of: (total.bundle, total.counts) for of, total in figures.sums(query).items()}
