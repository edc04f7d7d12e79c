"""Behind a figure: the contacts that make it up, each event where it lies, and no customer by name."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from schemas.calls import CallAbandoned, CallAnswered, CallEnded, CallQueued
from schemas.events import encode
from streams.cli import group
from streams.kpis.registry import BY_ID
from streams.replay.explain import _KPIS
from streams.replay.explaining import Explanation
from tests.harness import records
from tests.harness.traffic import START
from tests.replay import expected

EVENTS = expected.traffic(contacts=300, seed=21)
QUARTER = ("--from", "2026-03-02T09:00", "--to", "2026-03-02T09:15", "--processes", "1")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("explain") / "events.ndjson"
    path.write_bytes(b"".join(value + b"\n" for _, value in EVENTS))
    return path


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(group, ["explain", *map(str, arguments)])
    if isinstance(result.exception, Exception):
        raise result.exception
    return result


def explained(*arguments: object) -> Explanation:
    result = run(*arguments, "--format", "json")
    return msgspec.json.decode(result.stdout_bytes, type=Explanation)


@pytest.mark.parametrize(
    "kpi", ["abandonment_rate", "service_level", "first_contact_resolution", "handle_time", "speed_of_answer_p95"]
)
def test_the_contacts_add_up_to_the_figure(file: Path, kpi: str) -> None:
    """Numerator and denominator, of rates, means and percentiles; the figure is that of one engine."""
    found = explained(file, "--kpi", kpi, "--queue", "sales", *QUARTER)
    (row,) = [row for row in expected.rows(expected.figures(EVENTS), "15m", "queue") if row.queue == "sales"][:1]
    assert (found.figure.value, found.figure.denominator) == (row.kpis[kpi].value, row.kpis[kpi].denominator)
    assert sum(one.numerator or 0 for one in found.contacts) == pytest.approx(found.figure.numerator or 0)
    assert sum(one.denominator or 0 for one in found.contacts) == pytest.approx(found.figure.denominator)
    assert (found.numerator_elsewhere, found.denominator_elsewhere) == (pytest.approx(0), pytest.approx(0))
    assert all(one.facts and one.credits for one in found.contacts)


def test_every_event_is_told_where_it_lies(file: Path) -> None:
    """The line of the file has that event; the second copy of one is called a duplicate."""
    found = explained(file, "--kpi", "entered", *QUARTER)
    lines = file.read_bytes().splitlines()
    outcomes = {"counted": 0, "duplicate": 0}
    for contact in found.contacts:
        for fact in contact.facts:
            event = json.loads(lines[fact.offset - 1])
            assert (event["contact_id"], event["type"]) == (contact.contact, fact.type)
            outcomes[fact.outcome] += 1
    ids = [json.loads(line)["id"] for line in lines if b"contact_id" in line]
    assert outcomes == {"counted": len(set(ids)), "duplicate": len(ids) - len(set(ids))}


def test_no_customer_is_named(file: Path) -> None:
    """A pseudonym of each, the same for all contacts of one, another in the next answer; no key, no id."""
    asked = (file, "--kpi", "first_contact_resolution", *QUARTER)
    text = run(*asked).stdout
    assert "customer-" not in text
    assert "customer_id" not in text
    first, second = explained(*asked), explained(*asked)
    assert [one.contact for one in first.contacts] == [one.contact for one in second.contacts]
    assert not {one.customer for one in first.contacts} & {one.customer for one in second.contacts}
    names = {json.loads(value)["contact_id"]: key for key, value in EVENTS if b"contact_id" in value}
    pseudonyms = {names[one.contact]: one.customer for one in first.contacts}
    assert [pseudonyms[names[one.contact]] for one in first.contacts] == [one.customer for one in first.contacts]
    assert len(set(pseudonyms.values())) == len(pseudonyms) < len(first.contacts)


def test_the_text_says_figure_contacts_events_and_credits(tmp_path: Path) -> None:
    """As one reads it: an abandon in the numerator, an answer in the denominator only."""
    common = {"queue": "sales", "language": "es"}
    events = [
        CallQueued(id="1", time=START, contact_id="c-1", customer_id="ana", **common),
        CallAbandoned(id="2", time=START + 12.5, contact_id="c-1"),
        CallQueued(id="3", time=START, contact_id="c-2", **common),
        CallAnswered(id="4", time=START + 3, contact_id="c-2", agent_id="luis"),
        CallEnded(id="5", time=START + 60, contact_id="c-2"),
    ]
    path = tmp_path / "two.ndjson"
    path.write_bytes(b"".join(encode(event) + b"\n" for event in events))
    text = run(path, "--kpi", "abandonment_rate", "--queue", "sales", *QUARTER).stdout
    assert "abandonment_rate of sales, 2026-03-02 09:00 to 2026-03-02 09:15 (UTC): 50.0\N{NO-BREAK SPACE}%" in text
    assert "numerator 1, denominator 2" in text
    assert text.index("c-1, customer ") < text.index("c-2, customer unknown: numerator 0, denominator 1")
    assert re.search(rf"  2026-03-02 09:00:12.500  call.abandoned +{path}:2\n", text)
    assert (
        "credited in 2026-03-02 09:00 to call sales: entered 1, cohort_abandoned 1, abandoned_within 1, abandoned 1"
        in text
    )


def test_a_contact_whose_entry_is_lost_is_counted_apart(tmp_path: Path) -> None:
    """Its figures are told, though nobody can say under which contact."""
    lost = CallAnswered(id="4", time=START + 3, contact_id="c-2", agent_id="luis", queue="sales", wait_seconds=3)
    path = tmp_path / "lost.ndjson"
    path.write_bytes(encode(lost) + b"\n")
    found = explained(path, "--kpi", "average_speed_of_answer", *QUARTER)
    assert (found.contacts, found.denominator_elsewhere, found.figure.denominator) == ([], 1, 1)
    assert (
        "whose entry into a queue is not among the events: numerator 3, denominator 1"
        in run(path, "--kpi", "average_speed_of_answer", *QUARTER).stdout
    )


def test_figures_that_are_not_made_of_contacts_are_not_offered(file: Path) -> None:
    """Agents' time and who waits now: exit code 2."""
    assert {"waiting", "occupancy", "agents"} & set(_KPIS) == set()
    assert {kpi.id for kpi in BY_ID.values() if kpi.crediting == "COHORT"} <= set(_KPIS)
    assert CliRunner().invoke(group, ["explain", str(file), "--kpi", "occupancy", *QUARTER]).exit_code == 2


@pytest.mark.kafka
def test_events_of_the_topic_are_told_by_partition_and_offset(kafka, topics, monkeypatch) -> None:
    """Each place has that event."""
    monkeypatch.setenv("CENTRALITA_KAFKA", kafka)
    monkeypatch.setenv("CENTRALITA_KAFKA_PREFIX", topics.prefix)
    records.send(kafka, topics.events, EVENTS)
    found = explained("--kpi", "abandonment_rate", "--queue", "support", *QUARTER)
    assert found.figure.denominator == sum(one.denominator for one in found.contacts) > 10
    places = {(seen.partition, seen.offset): seen.value for seen in records.read(kafka, topics.events)}
    for contact in found.contacts:
        for fact in contact.facts:
            event = json.loads(places[fact.partition, fact.offset])
            assert (fact.place, event["contact_id"], event["type"]) == (topics.events, contact.contact, fact.type)
