"""A replay into a file: there whole or not at all, in every format, and taken up again after a kill."""

from __future__ import annotations

import csv
import io
import os
import resource
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from schemas.rows import Figure, Row
from streams.cli import group
from streams.errors import ConfigurationError, InputError, OutputError
from streams.replay.work import Plan, Question, working
from tests.harness.exactness import wait_until
from tests.harness.traffic import calls
from tests.replay import expected

EVENTS = expected.traffic(contacts=300, seed=5)
PROGRAM = str(Path(sys.executable).parent / "centralita")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("replay") / "events.ndjson"
    path.write_bytes(b"".join(value + b"\n" for _, value in EVENTS))
    return path


def replay(*arguments: object) -> Result:
    """Run the command in this process; an error of ours is raised."""
    result = CliRunner().invoke(group, ["replay", *map(str, arguments)])
    if isinstance(result.exception, Exception):
        raise result.exception
    return result


def wanted(every: str = "15m", by: str | None = "queue") -> list[Row]:
    return expected.rows(expected.figures(EVENTS), every, by)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def decoded(lines: bytes) -> list[Row]:
    return [msgspec.json.decode(line, type=Row) for line in lines.splitlines()]


def test_json_rows_in_a_file(file: Path, tmp_path: Path) -> None:
    """The rows of one engine, the format by the file's name; nothing else is left beside it."""
    output = tmp_path / "rows.ndjson"
    assert replay(file, "--every", "15m", "--by", "queue", "--output", output).exit_code == 0
    assert decoded(output.read_bytes()) == wanted()
    assert names(tmp_path) == ["rows.ndjson"]


def test_csv_in_a_file_is_that_of_the_report(file: Path, tmp_path: Path) -> None:
    """Byte for byte, though it is written stretch by stretch."""
    output = tmp_path / "rows.csv"
    asked = (str(file), "--every", "15m", "--by", "queue")
    replay(*asked, "--output", output)
    report = CliRunner().invoke(group, ["report", *asked, "--format", "csv"]).stdout_bytes
    assert output.read_bytes() == report
    assert len(list(csv.reader(io.StringIO(report.decode())))) == len(wanted()) + 1


def test_parquet_has_every_row_and_part(file: Path, tmp_path: Path) -> None:
    """Read by PyArrow: times are times, nulls are no values, units are named."""
    from pyarrow import parquet

    output = tmp_path / "rows.parquet"
    replay(file, "--every", "15m", "--by", "agent", "--output", output)
    table = parquet.read_table(output)
    assert str(table.schema.field("start").type) == "timestamp[us, tz=UTC]"
    assert table.schema.field("handle_time").metadata == {b"unit": b"s"}
    expected_rows = wanted(by="agent")
    assert table.num_rows == len(expected_rows)
    for flat, row in zip(table.to_pylist(), expected_rows, strict=True):
        assert f"{flat['start']:%Y-%m-%dT%H:%M:%SZ}" == row.start
        assert (flat["breakdown"], flat["value"]) == (row.breakdown, row.value)
        for name, figure in row.kpis.items():
            assert Figure(unit=figure.unit, **flat[name]) == figure


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "rows"], "--format: not given"),
        (["--output", "rows.csv", "--format", "table"], "expected another one for --output"),
        (["--format", "parquet"], "expected --output FILE"),
    ],
)
def test_wrong_usage_is_said_before_anything_is_counted(file: Path, arguments: list[str], message: str) -> None:
    """Exit code 2."""
    result = CliRunner().invoke(group, ["replay", str(file), *arguments])
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_killed_replay_goes_on_where_it_was(tmp_path: Path) -> None:
    """Kill -9 of all its processes after the first flush; the second run says so, and the rows are those of a whole run."""
    events = tmp_path / "many.ndjson"
    events.write_bytes(b"".join(value + b"\n" for _, value in calls(60_000)))
    output = tmp_path / "rows.json"
    command = [PROGRAM, "replay", str(events), "--every", "15m", "--processes", "1", "--output", str(output)]
    killed = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    wait_until(
        lambda: any(tmp_path.glob("*.progress/*.journal")) and _journaled(tmp_path) > 0, 60, "nothing kept", 0.01
    )
    os.killpg(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert not output.exists()
    again = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "going on with" in again.stderr
    whole = subprocess.run([*command[:-2], "--format", "json"], capture_output=True, timeout=120, check=True).stdout
    assert output.read_bytes() == whole
    assert names(tmp_path) == ["many.ndjson", "rows.json"]


def _journaled(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.progress/*.journal"))


def test_progress_of_another_question_is_not_gone_on_with(file: Path, tmp_path: Path) -> None:
    """What differs is named, and what to do."""
    output = tmp_path / "rows.json"
    leave_progress(output, Question(source=["x"], begin=None, to=None, by=None, definitions=""))
    with pytest.raises(ConfigurationError, match=r"another replay \(source: seen \['x'\].*delete it"):
        replay(file, "--output", output)


def leave_progress(output: Path, question: Question) -> None:
    with suppress(InputError), working(output, question) as work:
        work.keep(Plan(now_us=0))
        raise InputError("as if something had gone wrong")


def test_an_output_in_no_folder_is_refused_at_once(file: Path, tmp_path: Path) -> None:
    """Before anything is counted."""
    with pytest.raises(OutputError, match="cannot be made: No such file"):
        replay(file, "--output", tmp_path / "nowhere" / "rows.json")


def test_two_replays_into_one_file_are_refused(file: Path, tmp_path: Path) -> None:
    """The second one would tear the first one's journals."""
    output = tmp_path / "rows.json"
    with (
        working(output, Question(source=["x"], begin=None, to=None, by=None, definitions="")),
        pytest.raises(OutputError, match="another replay works in it"),
    ):
        replay(file, "--output", output)


@pytest.mark.parametrize("most", [1_000, 20_000])
def test_a_disk_that_is_full(file: Path, tmp_path: Path, most: int) -> None:
    """Exit code 74 and one sentence, whether the progress or the output has no room; nothing under the final name."""
    output = tmp_path / "rows.json"
    limited = subprocess.run(
        [PROGRAM, "replay", str(file), "--every", "15m", "--by", "agent", "--output", str(output)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: _limit(most),
    )
    assert limited.returncode == os.EX_IOERR, limited.stderr
    assert "cannot be written: File too large" in limited.stderr
    assert "Traceback" not in limited.stderr
    assert [name for name in names(tmp_path) if not name.endswith(".progress")] == []


def _limit(most: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def test_a_full_standard_output() -> None:
    """As a redirection to a full disk gives it."""
    with Path("/dev/full").open("wb") as full:
        said = subprocess.run(
            [PROGRAM, "report", "-", "--format", "json"],
            input=b"".join(value + b"\n" for _, value in EVENTS), stdout=full, stderr=subprocess.PIPE, timeout=60, check=False,
        )  # fmt: skip
    assert said.returncode == os.EX_IOERR
    assert b"standard output: cannot be written: No space left on device" in said.stderr
