"""`centralita evolution` over files: what it says is what reports of the periods say."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from schemas.events import encode
from streams.cli import group
from tests.kpis.test_evolution import calls


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A year before, and two months."""
    folder, found = tmp_path_factory.mktemp("evolution"), []
    for name, events in (
        ("2025.ndjson", calls(3, 2025, (80, 20), 30)),
        ("2026.ndjson", calls(2, 2026, (85, 15), 30) + calls(3, 2026, (60, 60), 31)),
    ):
        found.append(folder / name)
        found[-1].write_bytes(b"".join(encode(event) + b"\n" for event in events))
    (folder / "madrid.toml").write_text('time_zone = "Europe/Madrid"\n')
    return found


def run(files: list[Path], *arguments: str) -> Result:
    config = str(files[0].with_name("madrid.toml"))
    return CliRunner().invoke(
        group, ["--config", config, "evolution", *map(str, files), "--processes", "1", *arguments]
    )


def test_a_month_against_the_one_before_and_the_year_before(files: list[Path]) -> None:
    """Values of all three are those of a report, and the rise of abandonment is marked."""
    result = run(files, "--at", "2026-03-10", "--kpi", "abandoned", "--kpi", "abandonment_rate", "--format", "json")
    assert result.exit_code == 0, result.output
    count, rate = map(json.loads, result.stdout.splitlines())
    assert [
        count["figure"]["value"],
        count["previous"]["figure"]["value"],
        count["year_before"]["figure"]["value"],
    ] == [60, 15, 20]
    assert (count["start"], count["end"], count["complete"]) == ("2026-02-28T23:00:00Z", "2026-03-20T23:00:00Z", False)
    assert [count[name]["end"] for name in ("previous", "year_before")] == [
        "2026-02-20T23:00:00Z",
        "2025-03-20T23:00:00Z",
    ]
    assert (rate["previous"]["noise"], rate["year_before"]["noise"]) == (False, False)
    shown = run(files, "--at", "2026-03-10", "--by", "queue")
    assert "sales" in shown.output
    assert "as far as it has passed" in shown.output
    assert "* more than noise" in shown.output


def test_without_a_time_it_is_the_last_complete_month(files: list[Path]) -> None:
    """March is not over when its last event comes: February, of which no year before is known."""
    sheet = list(csv.DictReader(io.StringIO(run(files, "--kpi", "entered", "--format", "csv").stdout)))
    assert [(row["start"], row["figure"], row["compared_with"], row["its_figure"]) for row in sheet] == [
        ("2026-01-31T23:00:00Z", "100", "previous", "0"),
        ("2026-01-31T23:00:00Z", "100", "year_before", ""),
    ]


@pytest.mark.parametrize(
    ("wrong", "said"), [(["--kpi", "moods"], "--kpi: seen 'moods'"), (["--at", "soon"], "--at: seen 'soon'")]
)
def test_what_is_wrong_is_named(files: list[Path], wrong: list[str], said: str) -> None:
    result = run(files, *wrong)
    assert result.exit_code == 2
    assert said in result.output
