"""The command: `python -m benchmarks alerting`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path

import click
import msgspec

from benchmarks.alerting.centers import SIZES, Trouble, center, troubles
from benchmarks.alerting.intervals import SCRAPE
from benchmarks.alerting.rules import ALERTS, Samples, firing, rule
from benchmarks.alerting.scrapes import scrapes
from benchmarks.alerting.verdict import Verdict, Visits, judge, together
from benchmarks.processes import BenchmarkError
from benchmarks.report import Line, Section
from schemas.events import Event, decode
from schemas.fields import microseconds
from streams.engine.policy import SECOND
from streams.simulate.timed import Sent, encoded
from streams.simulate.traffic import events
from streams.sources.files import read_events

Told = Iterable[tuple[Event, Sent]]


class Known(msgspec.Struct):
    """A line of a file of known incidents; times are RFC 3339 with an offset."""

    start: datetime
    end: datetime
    queues: tuple[str, ...]
    what: str = ""


def measured(told: Told, incidents: Sequence[Trouble], alerts: Sequence[str] = ALERTS) -> dict[str, Verdict]:
    """Replay a stream of events in the order of time through engine and rules, and judge the pages of each alert."""
    visits, rules = Visits(), {alert: rule(alert) for alert in alerts}
    first = last = 0

    def noted() -> Iterator[Sent]:
        for event, sent in told:
            visits.note(event)
            yield sent

    with tempfile.TemporaryDirectory() as name:
        samples = Samples(Path(name))
        for now, queues in scrapes(noted()):
            first, last = first or now, now
            samples.scrape(now, queues)
        samples.close()
        if not samples.files:
            raise BenchmarkError("events: seen none of calls, expected some")
        pages = firing(samples, (first, last), rules, Path(name))
    of = visits.sorted()
    return {alert: judge(of, incidents, pages[alert], (first, last)) for alert in alerts}


def simulated(size: str, weeks: int, seed: int, alerts: Sequence[str]) -> dict[str, Verdict]:
    """Measure a simulated center."""
    made = center(size, weeks, seed)
    stream = events(made, seed)
    return measured(
        ((timed.event, sent) for timed in stream for sent in encoded(iter([timed]))), troubles(made), alerts
    )


def of_files(paths: Sequence[str]) -> Told:
    """Yield the calls of event files in the order of time; an event told twice is taken once."""
    found = {}
    for line in read_events(paths):
        try:
            event = decode(line.value)
        except msgspec.MsgspecError:
            continue
        found[event.id] = (event, Sent(event.time_us, line.key or b"-", line.value))
    return sorted(found.values(), key=lambda pair: pair[1].time_us)


def known(path: Path) -> list[Trouble]:
    """Return the incidents of a file of JSON lines."""
    lines = [msgspec.json.decode(line, type=Known) for line in path.read_bytes().splitlines() if line.strip()]
    return [Trouble(one.what, microseconds(one.start), microseconds(one.end), one.queues) for one in lines]


def lines(name: str, of: Verdict) -> list[Line]:
    """Return the figures of a verdict; those that have no denominator are left out."""
    found = [
        Line(f"{name}: incidents that hurt callers", of.hurting, f"of {of.incidents}"),
        Line(f"{name}: found", of.found, ""),
        Line(f"{name}: pages a week and center", of.pages / of.weeks, ""),
        Line(f"{name}: of these, of spells that nobody injected", of.of_spells / of.weeks, ""),
        Line(f"{name}: of these, of spells seen over 15 minutes only", of.of_long_spells / of.weeks, ""),
        Line(f"{name}: false pages a week and center", of.false_a_week, "", "< 1"),
    ]
    shares = {"recall": (of.recall, ">= 0.95"), "precision": (of.precision, "")}
    found += [Line(f"{name}: {what}", value, "", aim) for what, (value, aim) in shares.items() if value is not None]
    delays = {"time to fire, median": (of.delay(), "<= 120 s"), "time to fire, p90": (of.delay(0.9), "")}
    return found + [
        Line(f"{name}: {what}", value, "s", aim) for what, (value, aim) in delays.items() if value is not None
    ]


def _section(verdicts: Mapping[str, Sequence[Mapping[str, Verdict]]]) -> Section:
    """Return the figures of each alert: of every center, its seeds together, and of all centers."""
    told: list[Line] = []
    for alert in ALERTS:
        of_alert = {name: [one[alert] for one in found if alert in one] for name, found in verdicts.items()}
        told += [
            line for name, found in of_alert.items() if found for line in lines(f"{alert} {name}", together(found))
        ]
        every = [one for found in of_alert.values() for one in found]
        if every and len(of_alert) > 1:
            told += lines(f"{alert} all", together(every))
    weeks = sum(next(iter(one.values())).weeks for found in verdicts.values() for one in found)
    notes = (
        f"real Prometheus over blocks of what is scraped every {SCRAPE // SECOND} s, the rules of prometheus/rules; events are counted at once",
        "callers are hurt where more than 10 % and chance explain gave up; a page is of an incident, of a spell, or false",
        "a page is an alert of a queue, as prometheus/alertmanager.yml groups them, sent after the group_wait of its severity",
    )
    return Section(f"pages about abandonment, {weeks:.1f} weeks of centers", told, notes)


@click.command
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--incidents",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Known incidents of FILES, JSON lines.",
)
@click.option("--weeks", type=click.IntRange(1), default=4, show_default=True, help="Weeks of each simulated center.")
@click.option("--size", "sizes", type=click.Choice(list(SIZES)), multiple=True, help="Only these centers.")
@click.option(
    "--seed",
    "seeds",
    type=int,
    multiple=True,
    default=(1,),
    show_default=True,
    help="Other seeds, other calls and incidents.",
)
@click.option(
    "--alert",
    "alerts",
    type=click.Choice(ALERTS),
    multiple=True,
    default=ALERTS,
    show_default=True,
    help="Only this alert.",
)
def alerting(
    files: tuple[str, ...],
    incidents: Path | None,
    weeks: int,
    sizes: tuple[str, ...],
    seeds: tuple[int, ...],
    alerts: tuple[str, ...],
) -> Section:
    """Replay months of calls through the engine and the real alert rules: what is found, how soon, and how many pages are false.

    Without FILES centers are simulated, with two incidents on every working day. With FILES these events are taken, and --incidents says
    what is known of them: {"start": "2026-03-02T10:00:00+01:00", "end": "2026-03-02T10:40:00+01:00", "queues": ["ventas"]}

    Example: python -m benchmarks alerting --weeks 1 --size small

    Example: python -m benchmarks alerting calls.ndjson.gz --incidents known.jsonl
    """
    if files:
        return _section({"files": [measured(of_files(files), known(incidents) if incidents else [], alerts)]})
    chosen = sizes or tuple(SIZES)
    with ProcessPoolExecutor(min(len(chosen) * len(seeds), os.cpu_count() or 1), get_context("spawn")) as pool:
        running = {size: [pool.submit(simulated, size, weeks, seed, alerts) for seed in seeds] for size in chosen}
        return _section({size: [future.result() for future in futures] for size, futures in running.items()})
