"""What an alert finds is measured on the board's own figures, with the real rules, and told from the calls."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from benchmarks.__main__ import main
from benchmarks.alerting.centers import SIZES, Trouble, center, troubles
from benchmarks.alerting.command import known, measured, of_files
from benchmarks.alerting.intervals import SCRAPE
from benchmarks.alerting.rules import rule
from benchmarks.alerting.scrapes import WINDOWS, scrapes
from benchmarks.alerting.verdict import Visit, judge, together
from schemas.fields import rfc3339
from streams.engine.partition import Partition, Record
from streams.engine.policy import HOUR, MINUTE, SECOND, Policy
from streams.kpis.figures import Figures, Query
from streams.kpis.windows import window
from streams.simulate.center import MONDAY_MORNING, Incident, demo_center
from streams.simulate.timed import Sent, encoded
from streams.simulate.traffic import events

LEAVE = Incident(
    what="agents", name="comercial", start=MONDAY_MORNING + HOUR, end=MONDAY_MORNING + 100 * MINUTE, factor=0.1
)


@pytest.fixture(scope="module")
def morning() -> list[Sent]:
    """Two hours of a busy center from which most of a group's agents go after one."""
    made = replace(demo_center().larger(1.2).lasting(MONDAY_MORNING, 7200), incidents=(LEAVE,))
    return list(encoded(events(made, 3)))


Told = dict[str, tuple[dict[tuple[str, str], tuple[float, float]], int]]
"""By queue the parts of each KPI in each window, and how many wait."""


def of_the_board(sent: list[Sent], now: int) -> Told:
    """Return what the board knows after these events."""
    engine, figures = Partition(0, Policy()), Figures(Policy())
    engine.process([Record(offset, time_us, key, value) for offset, (time_us, key, value) in enumerate(sent)])
    engine.advance(now)
    for key, value in engine.flush().kpis:
        figures.load(0, key, value)
    parts: dict[str, dict[tuple[str, str], tuple[float, float]]] = {}
    for name, kpis in WINDOWS.items():
        rows = figures.rows(Query(*window(name, now, "UTC"), "all", "queue", None, None, live=True, now_us=now))
        for row in rows:
            if row.queue is not None:
                of_queue = parts.setdefault(row.queue, {})
                of_queue |= {(name, kpi): (row.kpis[kpi].numerator, row.kpis[kpi].denominator) for kpi in kpis}
    return {
        queue: (of_queue, sum(w.count for w in figures.waiting() if w.queue == queue))
        for queue, of_queue in parts.items()
    }


def test_what_is_scraped_is_what_the_board_shows(morning):
    """Before, in and after the incident; the engine was fed scrape by scrape here, and all at once there."""
    seen = dict(scrapes(morning))
    for minutes in (30, 75, 115):
        now = MONDAY_MORNING + minutes * MINUTE
        told = {
            queue: (
                {(name, kpi): (top, bottom) for name in WINDOWS for kpi, top, bottom in one.parts(name)},
                one.waiting,
            )
            for queue, one in seen[now].items()
        }
        assert told == of_the_board([sent for sent in morning if sent.time_us <= now], now)


def test_a_scrape_comes_at_each_interval(morning):
    """Whether anything happens or not."""
    times = [now for now, _ in scrapes(morning[:500])]
    assert times == list(range(times[0], times[-1] + 1, SCRAPE))


@pytest.mark.prometheus
def test_a_known_incident_of_a_file_is_found_by_the_real_rule(morning, prometheus, promtool, tmp_path):
    """Lines out of order and twice; its queues are paged, others are not."""
    file, of = tmp_path / "calls.ndjson", tmp_path / "known.jsonl"
    file.write_bytes(b"\n".join([*(sent.value for sent in reversed(morning)), morning[0].value]))
    queues = ["ventas", "reservas"]
    of.write_text(json.dumps({"start": rfc3339(LEAVE.start), "end": rfc3339(LEAVE.end), "queues": queues}))
    verdicts = measured(of_files([str(file)]), known(of))
    found = verdicts["ContactCenterAbandonmentSpike"]
    assert (found.incidents, found.hurting, found.found) == (1, 1, 1)
    assert found.of_incidents >= 1
    assert found.false_a_week == 0
    assert found.delays[0] < 180


def test_an_alert_that_is_none_is_told():
    """With those that there are."""
    done = CliRunner().invoke(main, ["alerting", "--alert", "Nothing"])
    assert done.exit_code == 2
    assert "'Nothing' is not one of 'ContactCenterAbandonmentSpike', 'ContactCenterAbandonmentUnusual'" in done.output


def visits(*lost: int) -> list[Visit]:
    """A caller each half minute for an hour; those of the minutes given up."""
    return [Visit(n * 30 * SECOND, n * 30 * SECOND + 20 * SECOND, n // 2 in lost) for n in range(120)]


def test_pages_are_of_an_incident_of_a_spell_or_false():
    """Minutes 20 to 25 are an incident's, minutes 40 to 45 nobody injected, and at minute 55 all is well."""
    calls = {"a": visits(*range(20, 25), *range(40, 45))}
    trouble = Trouble("agents", 18 * MINUTE, 26 * MINUTE, ("a",))
    pages = {"a": [(22 * MINUTE, 27 * MINUTE)], "b": [(10 * MINUTE, 11 * MINUTE)]}
    early = judge(calls, [trouble], pages, (0, HOUR))
    assert (early.hurting, early.found, early.pages, early.of_incidents, early.of_spells) == (1, 1, 2, 1, 0)
    assert early.delays == ((22 * MINUTE - (20 * MINUTE + 20 * SECOND)) / SECOND,)
    late = Trouble("agents", 5 * MINUTE, 6 * MINUTE, ("a",))
    other = judge(calls, [late], {"a": [(43 * MINUTE, 44 * MINUTE)]}, (0, HOUR))
    assert (other.hurting, other.of_incidents, other.of_spells, other.recall) == (0, 0, 1, None)
    both = together([early, other])
    assert (both.pages, both.recall, both.precision) == (3, 1.0, 2 / 3)


def test_a_page_of_a_long_spell_is_not_false():
    """Every third caller of a quarter of an hour gives up: too few around any of them, too many for chance in all."""
    calls = [visit._replace(gave_up=30 <= at < 60 and at % 3 == 0) for at, visit in enumerate(visits())]
    found = judge({"a": calls}, [], {"a": [(29 * MINUTE, 30 * MINUTE), (50 * MINUTE, 51 * MINUTE)]}, (0, HOUR))
    assert (found.pages, found.of_spells, found.of_long_spells, found.false) == (2, 0, 1, 1)


def test_a_page_is_not_false_because_nobody_calls_after_it():
    """Four of ten give up within ten minutes, the last four of them: a page looks back, and so does the truth."""
    evening = [Visit(n * MINUTE, n * MINUTE + 20 * SECOND, n in (6, 7, 8, 9)) for n in range(10)]
    pages = {"a": [(10 * MINUTE, 15 * MINUTE)]}
    assert judge({"a": evening}, [], pages, (0, HOUR)).of_long_spells == 1
    fewer = [visit._replace(gave_up=n in (7, 8, 9)) for n, visit in enumerate(evening)]
    assert judge({"a": fewer}, [], pages, (0, HOUR)).false == 1


def test_what_is_recorded_from_records_is_spelled_out():
    """As promtool writes blocks of rules that need no other; everything else about the alert is as the file has it."""
    spike = rule("ContactCenterAbandonmentSpike")
    names = [one["record"] for one in spike.records]
    assert "queue_channel_window:contact_center_abandonment_numerator:max" in names
    assert "queue_channel_window:contact_center_abandonment_evidence:max" not in names
    assert "evidence" not in spike.expression
    assert "ln(" in spike.expression
    assert (spike.hold, spike.keep, spike.wait) == (0, 5 * MINUTE, SECOND)


@pytest.mark.parametrize("size", SIZES)
def test_incidents_come_twice_a_working_day_in_every_center(size):
    """The same for the same seed, others for another; at most an hour long, and a holiday in every month."""
    made = center(size, 4, 1)
    assert len(troubles(made)) == 4 * 5 * 2
    assert made == center(size, 4, 1) != center(size, 4, 2)
    assert all(30 * MINUTE <= one.end - one.start <= HOUR for one in made.incidents)
    assert len(made.holidays) == 1


def test_help_has_an_example():
    assert "Example: python -m benchmarks alerting" in CliRunner().invoke(main, ["alerting", "--help"]).output
