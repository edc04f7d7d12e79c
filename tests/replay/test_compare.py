"""What if: what other definitions change, figure by figure, is the difference of what both say alone."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from schemas.rows import Row
from streams.cli import group
from streams.kpis.registry import BY_ID
from tests.replay import expected

EVENTS = expected.traffic(contacts=300, seed=9)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compare") / "events.ndjson"
    path.write_bytes(b"".join(value + b"\n" for _, value in EVENTS))
    return path


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(group, [*map(str, arguments), "--processes", "1"])
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def config(folder: Path, text: str) -> Path:
    path = folder / "other.toml"
    path.write_text(text)
    return path


def rows(result: Result) -> list[Row]:
    return [msgspec.json.decode(line, type=Row) for line in result.stdout_bytes.splitlines()]


@pytest.mark.parametrize(
    ("text", "affected"),
    [
        ("service_level_threshold = 12", "service_level"),
        ('service_level_formula = "SL2"', "service_level"),
        ("short_abandon = 0", "abandonment_rate"),
        ("first_contact_resolution_days = 0.001", "first_contact_resolution"),
    ],
)
def test_each_difference_and_nothing_else_is_told(file: Path, tmp_path: Path, text: str, affected: str) -> None:
    """The changes are those between two replays, one under each definition."""
    other = config(tmp_path, f"[defaults]\n{text}\n")
    asked = ("replay", file, "--every", "15m", "--by", "queue", "--format", "json")
    alone, changed = rows(run(*asked)), rows(run(*asked, "--config", other))
    told = [json.loads(line) for line in run(*asked, "--config", other, "--compare").stdout_bytes.splitlines()]
    wanted = [
        (was.start, was.queue, kpi, msgspec.to_builtins(was.kpis[kpi]), msgspec.to_builtins(now.kpis[kpi]))
        for was, now in zip(alone, changed, strict=True)
        for kpi in BY_ID
        if was.kpis[kpi] != now.kpis[kpi]
    ]
    assert [(one["start"], one["queue"], one["kpi"], one["before"], one["after"]) for one in told] == wanted
    assert affected in {one["kpi"] for one in told}
    assert "entered" not in {one["kpi"] for one in told}


def test_days_of_another_time_zone_are_compared_with_those_of_the_same_name(file: Path, tmp_path: Path) -> None:
    """09:00 in UTC is the evening before in Honolulu: the day loses what the day before gains, and the sum stays."""
    other = config(tmp_path, 'time_zone = "Pacific/Honolulu"\n')
    days = ("--from", "2026-03-01", "--to", "2026-03-04", "--every", "1d")
    shown = run("replay", file, *days, "--config", other, "--compare", "--format", "csv").stdout
    lines = [line for line in csv.DictReader(io.StringIO(shown)) if line["kpi"] == "entered"]
    assert [line["start"][:10] for line in lines] == ["2026-03-01", "2026-03-02"]
    assert [float(line["change"]) for line in lines] == [300.0, -300.0]


def test_a_table_says_what_changes_and_by_how_much(file: Path, tmp_path: Path) -> None:
    """Before, after and the difference, ratios in percentage points; then how many figures of how many."""
    other = config(tmp_path, "[defaults]\nservice_level_threshold = 12\n")
    text = run("replay", file, "--config", other, "--compare").stdout
    (line,) = [line for line in text.splitlines() if " Service level  " in line]
    before, after, change = re.search(
        r"([\d.]+)\N{NO-BREAK SPACE}% +([\d.]+)\N{NO-BREAK SPACE}% +(\S+) pp", line
    ).groups()
    assert float(after) - float(before) == pytest.approx(float(change), abs=0.11)
    assert f"of {len(BY_ID)} figures change, in 1 stretch." in text


def test_definitions_that_are_the_same_change_nothing(file: Path, tmp_path: Path) -> None:
    """And that is said."""
    other = config(tmp_path, "[defaults]\nservice_level_threshold = 20\n")
    assert run("replay", file, "--config", other, "--compare").stdout.startswith("0 of ")


def test_a_comparison_needs_something_to_compare_with(file: Path) -> None:
    """Exit code 2, and what is missing."""
    result = CliRunner().invoke(group, ["replay", str(file), "--compare"])
    assert result.exit_code == 2
    assert "expected --config with the settings to compare with" in result.stderr


def test_an_interrupted_comparison_goes_on_with_both_counts(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C when all is counted but not written: exit code 130, no file; the same command goes on from both."""
    other, output = config(tmp_path, "[defaults]\nservice_level_threshold = 12\n"), tmp_path / "changes.csv"
    asked = ("replay", file, "--every", "15m", "--config", other, "--compare")
    command = [*map(str, asked), "--processes", "1", "--output", str(output)]
    with monkeypatch.context() as broken:
        broken.setattr("streams.replay.atomic.os.fsync", _interrupted)
        result = CliRunner().invoke(group, command)
    assert (result.exit_code, "the same command goes on from here" in result.stderr) == (130, True)
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["changes.csv.other.progress", "changes.csv.progress", "other.toml"]
    assert CliRunner().invoke(group, command).stderr.count("going on with") == 2
    assert output.read_text() == run(*asked, "--format", "csv").stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["changes.csv", "other.toml"]


def _interrupted(_: int) -> None:
    raise KeyboardInterrupt
