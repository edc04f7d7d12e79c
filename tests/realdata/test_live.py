"""The bank's January sent through Kafka: worker and board give the known answers, and digit for digit those of the report.

january.ndjson --send--> events --worker--> kpis --board--> /api/v1/kpis  =  report FILE  =  report --from --to
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from schemas.rows import Row
from streams.broker.server_properties import free_port
from streams.broker.topics import TopicSet
from tests.harness.exactness import wait_until, wait_until_caught_up
from tests.harness.pages import page
from tests.harness.workers import WorkerProcess
from tests.realdata import answers, bank, incidents

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.realdata,
    pytest.mark.skipif(not bank.FOUND, reason=bank.WHY_SKIPPED),
    pytest.mark.timeout(300),
]
MONTH = "1999-01-01T00:00:00+02:00", "1999-02-01T00:00:00+02:00"
YEAR = "2016-02-01T00:00:00+02:00", "2017-03-01T00:00:00+02:00"
QUESTIONS = [("all", None), ("1d", "queue"), ("1d", "hour")]


@pytest.fixture
def environment(kafka: str, topic_prefix: str, tmp_path: Path) -> dict[str, str]:
    """What every process is started with: this broker, these topics, the bank's settings."""
    config = tmp_path / "bank.toml"
    config.write_text(f'time_zone = "{bank.ZONE}"\n{answers.SETTINGS}')
    return {
        "CENTRALITA_CONFIG": str(config),
        "CENTRALITA_KAFKA": kafka,
        "CENTRALITA_KAFKA_PREFIX": topic_prefix,
        "CENTRALITA_WORKER_APPLICATION_ID": topic_prefix,
    }


@pytest.fixture
def centralita(environment: dict[str, str]) -> Callable[..., bytes]:
    """Run a command to its end and return what it prints."""

    def run(*arguments: object) -> bytes:
        command = [_program(), *map(str, arguments)]
        return subprocess.run(
            command, env=os.environ | environment, check=True, capture_output=True, timeout=120
        ).stdout

    return run


@pytest.fixture
def api(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., list[Row]]]:
    """A board, and how to ask it for rows."""
    port = free_port()
    with (tmp_path / "board.log").open("wb") as log:
        board = subprocess.Popen(
            [_program(), "board", "--port", str(port)], env=os.environ | environment, stdout=log, stderr=log
        )

    def ask(**parameters: str) -> list[Row]:
        query = urllib.parse.urlencode(parameters)
        rows = json.loads(page(f"http://127.0.0.1:{port}/api/v1/kpis?{query}", timeout=60))["rows"]
        return [msgspec.convert(row, Row) for row in rows]

    yield ask
    board.terminate()
    board.wait(20)


def _program() -> str:
    return str(Path(sys.executable).parent / "centralita")


def test_send_worker_board_and_both_reports_agree(
    kafka: str,
    topics: TopicSet,
    environment: dict[str, str],
    centralita: Callable[..., bytes],
    api: Callable[..., list[Row]],
    tmp_path: Path,
) -> None:
    """One month, three questions, four ways: the known answers and equal figures, numerators and denominators too."""
    file = tmp_path / "january.ndjson"
    count = bank.write(file)
    assert f"{count:,} events sent" in centralita("send", file).decode()
    with WorkerProcess(kafka, topics.prefix, tmp_path, environment) as worker:
        worker.ready()
        wait_until_caught_up(kafka, topics, 120)
        wait_until(lambda: _total(api) == bank_total(), 60, "the board does not have the month")
        for every, by in QUESTIONS:
            asked = {"every": every} | ({"by": by} if by else {})
            live = api(**{"from": MONTH[0], "to": MONTH[1]}, **asked)
            options = ["--format", "json", "--from", MONTH[0], "--to", MONTH[1]]
            options += [text for name, value in asked.items() for text in (f"--{name}", value)]
            for of in ([file], []):
                assert parts(rows(centralita("report", *of, *options))) == parts(live), (of, asked)
            if (every, by) == ("all", None):
                answers.assert_known(live[-1])
    weeks = {"from": MONTH[0], "to": "1999-01-25T00:00:00+02:00"}
    assert answers.parts(api(**weeks)[-1], "first_contact_resolution") == (3_737, 9_606)


@pytest.mark.skipif(not incidents.FOUND, reason=incidents.WHY_SKIPPED)
def test_a_year_of_tickets_through_kafka(
    kafka: str,
    topics: TopicSet,
    environment: dict[str, str],
    centralita: Callable[..., bytes],
    api: Callable[..., list[Row]],
    tmp_path: Path,
) -> None:
    """Tickets that are open for months: the known answers from the board, by priority too, and digit for digit those of the file's report and of the topic's replay."""
    file = tmp_path / "tickets.ndjson"
    count = incidents.write(file, own_customer=True)
    assert f"{count:,} events sent" in centralita("send", file).decode()
    with WorkerProcess(kafka, topics.prefix, tmp_path, environment) as worker:
        worker.ready()
        wait_until_caught_up(kafka, topics, 120)
        asked = {"from": YEAR[0], "to": YEAR[1], "by": "priority"}
        wait_until(lambda: _opened(api, asked) == incidents.TICKETS, 60, "the board does not have the year")
        live = api(**asked)
        *priorities, total = live
        incidents.assert_known(total)
        shares = {row.value: round(answers.value(row, "first_contact_resolution"), 4) for row in priorities}
        assert shares == incidents.BY_PRIORITY
        incidents.assert_times(api(**asked | {"by": "platform"}))
        incidents.assert_levels(api(**asked | {"by": "level"}))
        options = ["--format", "json", "--from", YEAR[0], "--to", YEAR[1], "--by", "priority"]
        for command in (["report", file], ["replay"]):
            assert parts(rows(centralita(*command, *options))) == parts(live), command


def _opened(api: Callable[..., list[Row]], asked: dict[str, str]) -> float | None:
    try:
        return api(**asked)[-1].kpis["opened"].value
    except OSError:
        return None  # it starts, or still loads


def bank_total() -> tuple[float | None, float | None]:
    return answers.ANSWERED + answers.ABANDONED, answers.ANSWERED


def _total(api: Callable[..., list[Row]]) -> tuple[float | None, float | None] | None:
    try:
        kpis = api(**{"from": MONTH[0], "to": MONTH[1]})[-1].kpis
    except OSError:
        return None  # it starts, or still loads
    return kpis["entered"].value, kpis["answered"].value


def rows(lines: bytes) -> list[Row]:
    return [msgspec.json.decode(line, type=Row) for line in lines.splitlines()]


def parts(found: list[Row]) -> dict[tuple[str | None, ...], dict[str, tuple[float | None, ...]]]:
    """Return value, numerator and denominator of every KPI of every row."""
    return {
        (row.start, row.end, row.channel, row.queue, row.breakdown, row.value): {
            name: (figure.value, figure.numerator, figure.denominator) for name, figure in row.kpis.items()
        }
        for row in found
    }
