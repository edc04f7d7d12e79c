"""A report of files says what one engine says, however many processes count and however the file lies there."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from schemas.rows import Row
from streams.cli import group
from streams.errors import CentralitaError
from tests.harness.exactness import wait_until
from tests.replay import expected

EVENTS = expected.traffic()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("replay") / "events.ndjson"
    path.write_bytes(b"".join(value + b"\n" for _, value in EVENTS))
    return path


def report(*arguments: object, **more) -> Result:
    """Run the command in this process; what goes wrong in it goes on here."""
    return CliRunner().invoke(group, ["report", *map(str, arguments)], catch_exceptions=True, **more)


def rows(result: Result) -> list[Row]:
    assert result.exit_code == 0, (result.output, result.exception)
    return [msgspec.json.decode(line, type=Row) for line in result.stdout_bytes.splitlines()]


@pytest.mark.parametrize(
    ("every", "by"),
    [("all", None), ("15m", "queue"), ("1h", "agent"), ("1d", "hour"), ("all", "weekday"), ("1mo", "channel")],
)
def test_a_report_equals_one_engine(file: Path, every: str, by: str | None) -> None:
    """Every row, figure by figure, numerators and denominators too."""
    arguments = [file, "--format", "json", "--every", every, "--processes", 2, *(["--by", by] if by else [])]
    assert rows(report(*arguments)) == expected.rows(expected.figures(EVENTS), every, by)


def test_the_number_of_processes_changes_no_byte(file: Path) -> None:
    """One process or three: customers stay whole."""
    one, three = (report(file, "--format", "json", "--by", "queue", "--processes", n).stdout_bytes for n in (1, 3))
    assert one == three != b""


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_compressed_files(file: Path, tmp_path: Path, suffix: str, pack) -> None:
    """The same bytes inside give the same report."""
    packed = tmp_path / f"events{suffix}"
    packed.write_bytes(pack(file.read_bytes()))
    assert report(packed, "--format", "json").stdout_bytes == report(file, "--format", "json").stdout_bytes


def test_standard_input(file: Path) -> None:
    """Events of contacts name their customer here, so reading once is enough."""
    piped = report("-", "--format", "json", input=file.read_bytes())
    assert piped.stdout_bytes == report(file, "--format", "json").stdout_bytes


def test_later_events_that_name_no_customer_are_that_customers(tmp_path: Path) -> None:
    """A contact stays whole over processes although only its first event says whose it is."""
    lines = []
    for index in range(40):
        at = 1_772_442_000 + index
        contact = {"contact_id": f"c{index}", "source": "test"}
        lines += [
            {
                "type": "call.queued",
                "id": f"q{index}",
                "time": at,
                "queue": "q",
                "customer_id": f"p{index % 7}",
                **contact,
            },
            {"type": "call.answered", "id": f"a{index}", "time": at + 3, "agent_id": "a", **contact},
            {"type": "call.ended", "id": f"e{index}", "time": at + 60, **contact},
        ]
    path = tmp_path / "e"
    path.write_bytes(b"\n".join(map(msgspec.json.encode, lines)))
    (row,) = rows(report(path, "--format", "json", "--processes", 3))
    assert row.kpis["average_speed_of_answer"].numerator == 120
    resolution = row.kpis["first_contact_resolution"]
    assert (resolution.numerator, resolution.denominator) == (7, 40)


def test_files_far_out_of_order_count_in_full(tmp_path: Path) -> None:
    """February before January: later than the allowed lateness, and all of it counted all the same."""
    months = []
    for name, at in (("february", 1_770_000_000), ("january", 1_767_500_000)):
        events = [
            {
                "type": "call.queued",
                "id": f"{name}{index}",
                "time": at + 60 * index,
                "contact_id": f"{name}{index}",
                "queue": "q",
            }
            for index in range(50)
        ]
        months.append(tmp_path / name)
        months[-1].write_bytes(b"\n".join(map(msgspec.json.encode, events)))
    for files in (months, months[::-1]):
        (row,) = rows(report(*files, "--format", "json"))
        assert row.kpis["entered"].value == 100


def test_lines_that_are_no_events_are_told_and_the_rest_reported(file: Path, tmp_path: Path) -> None:
    """Place, reason and count on standard error, exit code 1, and the report as it would be without them."""
    bad = tmp_path / "bad.ndjson"
    wrong = b'{"type":"call.ended","id":"x","time":"yesterday","contact_id":"c"}'
    bad.write_bytes(
        file.read_bytes() + b"nonsense\n" + wrong + b"\n" + b'{"type":"call.sung","id":"x","contact_id":"c"}\n'
    )
    result = report(bad, "--format", "json")
    assert result.exit_code == 1
    assert result.stdout_bytes == report(file, "--format", "json").stdout_bytes
    assert "3 records are no events and not in the figures: invalid 1, undecodable 1, unknown_type 1" in result.stderr
    assert f"{bad}:{len(EVENTS) + 1}: undecodable" in result.stderr


@pytest.mark.parametrize(
    ("form", "columns"),
    [
        ("csv", "currency,status,abandonment_rate_status,abandonment_rate_offered_status,"),
        ("csv-long", "kpi,unit,figure,"),
    ],
)
def test_csv_is_that_of_the_api(file: Path, form: str, columns: str) -> None:
    """Wide, with a column a KPI, or long, with a line a KPI."""
    head, *lines = report(file, "--format", form, "--by", "queue").stdout.splitlines()
    assert head.startswith(f"start,end,channel,queue,breakdown,value,{columns}")
    assert {"billing", "sales", "support"} <= {line.split(",")[3] for line in lines}
    assert lines[-1].split(",")[2:6] == [""] * 4


def test_a_table_shows_the_ledger_and_what_its_figures_mean(file: Path) -> None:
    """Waiting at start + entered = answered + abandoned + flowed out + waiting, and the definitions below."""
    text = report(file, "--by", "queue").stdout
    lines = [line.split() for line in text.splitlines()]
    ledgers = {
        words[0]: list(map(int, words[1:7])) for words in lines if words and words[0] in {"sales", "support", "total"}
    }
    assert len(ledgers) == 3
    for begin, entered, answered, abandoned, flowed_out, end in ledgers.values():
        assert begin + entered == answered + abandoned + flowed_out + end
    assert "Service level SL6, T 20 s; short abandons up to 5 s" in text
    assert max(map(len, text.splitlines())) < 200


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_table_fits_the_terminal(file: Path, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit goes into a table below, no figure twice, and each table says whose its rows are."""

    def shown(columns: int) -> str:
        monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
        monkeypatch.setenv("COLUMNS", str(columns))
        return re.sub(r"\x1b\[[\d;]*m", "", report(str(file), "--by", "queue").stdout)

    wide, narrow = shown(400), shown(width)
    tables = narrow.partition("Times of")[0]
    assert max(map(len, tables.splitlines())) <= width
    assert tables.count("total") > wide.count("total") == 1
    figures = re.compile(r"\d[\d,.:]*(?:\N{NO-BREAK SPACE}%)?")
    rows = [line for line in wide.splitlines() if line.startswith("total")]
    assert figures.findall(" ".join(rows)) == figures.findall(
        " ".join(line for line in tables.splitlines() if line.startswith("total"))
    )


def test_a_range_of_a_file(file: Path) -> None:
    """Only the rows asked for; events outside still decide what they decide."""
    hour = ["--from", "2026-03-02T09:00", "--to", "2026-03-02T09:15"]
    whole = rows(report(file, "--format", "json", "--every", "15m"))
    assert rows(report(file, "--format", "json", *hour)) == whole[:1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.ndjson"], "nowhere.ndjson: cannot be read: No such file"),
        (["FILE", "--from", "2027-01-01"], "no events to report between"),
        (["/dev/null"], "there are no events to report"),
    ],
)
def test_what_cannot_be_reported_is_said(file: Path, arguments: list[str], message: str) -> None:
    """One sentence and the exit code for input."""
    error = report(*(str(file) if name == "FILE" else name for name in arguments)).exception
    assert isinstance(error, CentralitaError)
    assert message in str(error)
    assert error.exit_code == os.EX_DATAERR


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected FILE..., or --from"),
        (["FILE", "--from", "2026-03-03", "--to", "2026-03-02"], "expected a time after --from"),
        (["FILE", "--from", "2026-03-02T09:07"], "--from: seen '2026-03-02T09:07', expected a quarter of an hour"),
        (["FILE", "--to", "monday"], "--to: seen 'monday', expected a time like 2026-03-02"),
    ],
)
def test_wrong_usage_is_said(file: Path, arguments: list[str], message: str) -> None:
    """Neither files nor a range, or no such time: exit code 2, the option, what was seen and what is expected."""
    result = report(*(str(file) if name == "FILE" else name for name in arguments))
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_queue_that_no_event_names_is_told(file: Path) -> None:
    """With those that there are; there are rows all the same, as of one that is configured and has no call yet."""
    told = report(file, "--queue", "nope", "--channel", "call", "--format", "json")
    assert "Of --channel call and --queue nope there is no event; there are call " in told.stderr
    assert told.exit_code == 0
    assert "there is no event" not in report(file, "--channel", "call", "--format", "json").stderr


def test_settings_decide(file: Path, tmp_path: Path) -> None:
    """A threshold of an hour makes every answer one within it."""
    config = tmp_path / "c.toml"
    config.write_text("[defaults]\nservice_level_threshold = 3600\n")
    (row,) = rows(report(file, "--format", "json", "--config", config))
    assert row.kpis["service_level_sl2"].value == 1.0


def test_interrupted_it_leaves_no_process(file: Path) -> None:
    """Ctrl-C while it waits for input: exit code 130, no traceback, no child."""
    program = str(Path(sys.executable).parent / "centralita")
    running = subprocess.Popen(
        [program, "report", "-", "--processes", "2"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert running.stdin is not None
    assert running.stderr is not None
    running.stdin.write(file.read_bytes())
    running.stdin.flush()
    while len(_children(running.pid)) < 3:  # the third is multiprocessing's own
        assert running.poll() is None
    os.killpg(running.pid, signal.SIGINT)
    assert running.wait(20) == 130
    running.stdin.close()
    assert b"Traceback" not in running.stderr.read()
    running.stderr.close()
    wait_until(lambda: _group_is_gone(running.pid), 30, "a process goes on")


def _group_is_gone(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return True
    return False


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_the_rate_is_shown_to_who_watches() -> None:
    """On a terminal a bar with events a second; else nothing."""
    from rich.console import Console
    from rich.progress import Progress

    from streams.replay.progress import ProgressBar, RateColumn

    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with Progress(RateColumn(), console=console) as progress:
        bar = ProgressBar(progress, progress.add_task("reading", total=10, events=0))
        bar.passed(10)
        bar.events(1234)
    assert "1,234 events" in console.file.getvalue()


def test_a_process_that_is_killed_is_told(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    """As when memory runs out: one sentence with the exit code, and no process is left."""
    from streams.replay.crew import Crew

    started = Crew.__enter__

    def start_and_kill(crew: Crew) -> Crew:
        found = started(crew)
        found._processes[0].kill()
        return found

    monkeypatch.setattr(Crew, "__enter__", start_and_kill)
    error = report(file, "--processes", 2).exception
    assert isinstance(error, CentralitaError)
    assert "ended with exit code -9" in str(error)
