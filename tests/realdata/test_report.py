"""`centralita report` gives the bank's known answers, and each day and queue what the calls themselves add up to."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from schemas.rows import Row
from streams.cli import group
from tests.realdata import answers, bank

pytestmark = [pytest.mark.realdata, pytest.mark.skipif(not bank.FOUND, reason=bank.WHY_SKIPPED)]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bank") / "january.ndjson"
    bank.write(path)
    return path


def report(file: Path, *arguments: str) -> list[Row]:
    """Return the rows of a report in the bank's time zone."""
    config = file.parent / "bank.toml"
    config.write_text(f'time_zone = "{bank.ZONE}"\n{answers.SETTINGS}')
    command = ["--config", str(config), "report", str(file), "--format", "json", *arguments]
    result = CliRunner().invoke(group, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return [msgspec.json.decode(line, type=Row) for line in result.stdout_bytes.splitlines()]


def test_the_month(file: Path) -> None:
    """Abandonment .13709, speed of answer 35.028 s, within 20 s .52304, service 183.452 s."""
    (total,) = report(file)
    assert (total.start, total.end) == ("1998-12-31T22:00:00Z", "1999-01-31T22:00:00Z")
    answers.assert_known(total)


def test_first_contact_resolution_of_those_who_had_a_week_to_come_back(file: Path) -> None:
    """3,737 of 9,606: the window counts from the start of the call (from its end it would be 3,734)."""
    (total,) = report(file, "--from", "1999-01-01", "--to", "1999-01-25")
    assert answers.parts(total, "first_contact_resolution") == (3_737, 9_606)


def test_days_by_queue(file: Path) -> None:
    """Each day and queue has the calls that began there, and those that were decided there, counted from the rows."""
    rows = [row for row in report(file, "--every", "1d", "--by", "queue") if row.queue is not None]
    entered, answered = Counter(), Counter()
    for call in bank.calls():
        entered[_midnight(call.start), call.queue] += 1
        answered[_midnight(call.start + timedelta(seconds=call.wait)), call.queue] += call.answered
    days = {(datetime.fromisoformat(row.start), row.queue): row for row in rows}
    assert len(days) == len(rows) == 31 * len({queue for _, queue in entered})
    for place, row in days.items():
        assert (answers.value(row, "entered"), answers.value(row, "answered")) == (entered[place], answered[place])


def test_hours_of_the_day(file: Path) -> None:
    """The time distribution is that of the clock in Jerusalem."""
    hours = Counter(f"{call.start.hour:02d}" for call in bank.calls())
    rows = report(file, "--by", "hour")
    assert {row.value: answers.value(row, "entered") for row in rows if row.value is not None} == hours


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0)
