"""`centralita ranking` over a file: the agents of the ranking, as a table and for programs."""

from __future__ import annotations

import csv
import io
import json
from itertools import chain
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from schemas.calls import CallAnswered, CallEnded, CallQueued
from schemas.events import Event, encode
from streams.cli import group
from tests.harness.traffic import START


def _call(number: int, agent: str, *, again: bool) -> list[Event]:
    """One call of a customer, who calls once more the next hour or not."""
    events: list[Event] = []
    for visit in range(2 if again else 1):
        at, name = START + number * 60 + visit * 3600, {"contact_id": f"{number}.{visit}", "customer_id": f"k{number}"}
        events.append(CallQueued(id=f"{number}.{visit}q", time=at, queue="sales", **name))
        events.append(
            CallAnswered(id=f"{number}.{visit}a", time=at + 5, agent_id=agent if visit == 0 else "eva", **name)
        )
        events.append(CallEnded(id=f"{number}.{visit}e", time=at + 65, agent_id=agent if visit == 0 else "eva", **name))
    return events


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty calls each of ana, to whom nobody returns, and bob, half of whose customers do, to eva."""
    path = tmp_path_factory.mktemp("ranking") / "calls.ndjson"
    calls = (_call(n, ("ana", "bob")[n % 2], again=n % 4 == 1) for n in range(80))
    path.write_bytes(b"".join(encode(event) + b"\n" for event in chain.from_iterable(calls)))
    return path


def run(file: Path, *arguments: str) -> Result:
    return CliRunner().invoke(group, ["ranking", str(file), "--processes", "1", *arguments])


def test_agents_are_in_order_and_who_has_too_few_contacts_has_no_rank(file: Path) -> None:
    """Ana before Bob; Eva has taken 20 calls and is last, without rank or score."""
    result = run(file, "--format", "json")
    assert result.exit_code == 0, result.output
    ana, bob, eva = map(json.loads, result.stdout.splitlines())
    assert [(one["agent"], one["rank"], one["handled"]) for one in (ana, bob, eva)] == [
        ("ana", 1, 40), ("bob", 2, 40), ("eva", None, 20),
    ]  # fmt: skip
    assert ana["score"] > 50 > bob["score"]
    assert bob["parts"]["first_contact_resolution"]["value"] == 0.5


def test_a_sheet_has_a_line_an_agent_and_the_parts_of_the_score(file: Path) -> None:
    """What has no value is an empty cell."""
    sheet = list(csv.DictReader(io.StringIO(run(file, "--format", "csv").stdout)))
    assert [(row["rank"], row["agent"]) for row in sheet] == [("1", "ana"), ("2", "bob"), ("", "eva")]
    assert (sheet[1]["first_contact_resolution"], sheet[1]["first_contact_resolution_sample"]) == ("0.5", "40")
    assert float(sheet[0]["first_contact_resolution_deviations"]) > 0
    assert sheet[0]["csat"] == ""


def test_the_table_shows_weights_and_the_team(file: Path) -> None:
    """And says what it means that there is no rank."""
    shown = run(file, "--queue", "sales").output
    for part in ("(team)", "(0.3)", "50.0\N{NO-BREAK SPACE}%", "fewer than 30 handled"):
        assert part in shown
