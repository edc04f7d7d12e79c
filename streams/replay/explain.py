"""The command `centralita explain`: the answer to "your number is wrong", contact by contact."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import click

from schemas.rows import Figure
from streams.broker.topics import TopicSet
from streams.engine.partition import Record
from streams.kpis.figures import Query
from streams.kpis.outputs import as_json
from streams.kpis.registry import BY_ID, Kpi
from streams.kpis.windows import zone_of
from streams.replay.asking import Wanted, config_option, counting, range_of, range_options, settings_of
from streams.replay.counted import Counted
from streams.replay.explaining import Credit, Explained, Explaining, Explanation, Fact, Found
from streams.replay.outputs import cell, clock, local
from streams.replay.reading import Reading, Span, records_of
from streams.replay.topic import Asked, last_event
from streams.settings import Settings
from streams.sources.files import read_events

_KPIS: Final = tuple(kpi.id for kpi in BY_ID.values() if "entry_point" in kpi.breakdowns and kpi.crediting != "now")
"""Those that are made of contacts; the others are of agents' states or of the moment."""


@click.command
@range_options
@click.option("--kpi", type=click.Choice(_KPIS), required=True, metavar="KPI", help="Its name as in docs/kpis.md.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Format."
)
@config_option("explain")
@click.pass_obj
def command(load: Callable[[], Settings], /, kpi: str, form: str, config: Path | None, **given: Any) -> None:
    """List the contacts behind a figure's numerator and denominator: their events, where they lie, and what each was credited.

    The range is that of the topic, or of files. What the contacts add up to is compared with the figure; if it is not the same, that is an error.
    Customers appear under pseudonyms only.

    Example: centralita explain --kpi abandonment_rate --queue sales --from 2026-03-02T09:00 --to 2026-03-02T09:15
    """
    settings = settings_of(load, config)
    wanted = Wanted(every="all", by=None, **given)
    zone = zone_of(settings.policy, wanted.queue)
    with counting(settings, wanted, zone) as counted:
        query = range_of(counted, wanted, zone)
        found = _explanation(settings, wanted, counted, query, BY_ID[kpi])
    if form == "json":
        click.echo(as_json(found))
    else:
        click.echo("\n".join(_text(found, zone)))


def _explanation(settings: Settings, wanted: Wanted, counted: Counted, query: Query, kpi: Kpi) -> Explanation:
    (row,) = counted.figures.rows(query)
    figure: Figure = row.kpis[kpi.id]
    assert counted.plan is not None
    late = settings.policy.lateness if not wanted.files else None
    explaining = Explaining(settings.policy, query, late, settings.privacy.customer_key_secret)
    for work in (explaining.choose, explaining.take):
        work(_records(settings, wanted, counted, query, explaining))
    return explaining.explain(kpi, figure, counted.watermark if wanted.files else counted.plan.now_us)


def _records(
    settings: Settings, wanted: Wanted, counted: Counted, query: Query, explaining: Explaining
) -> Iterator[Found]:
    plan = counted.plan
    assert plan is not None
    if wanted.files:
        for line in read_events(wanted.files):
            yield Found(line.path, None, Record(line.number, plan.now_us, line.key, line.value))
        return
    topic = TopicSet(settings.kafka.prefix).events
    until = last_event(Asked(settings.kafka, topic, query.start_us, query.end_us), settings.policy)
    with closing(Reading(settings.kafka, topic, [Span(*span) for span in plan.spans])) as reading:
        for number, messages in reading:
            for record in records_of(messages):
                yield Found(topic, number, record)
            if explaining.watermark(number) > until:
                reading.stop(number)


def _text(found: Explanation, zone: str) -> Iterable[str]:
    figure = found.figure
    where = " ".join(filter(None, (found.channel, found.queue))) or "all queues"
    yield f"{found.kpi} of {where}, {local(found.start, zone)} to {local(found.end, zone)} ({zone}): {cell(figure)}"
    yield f"  {_sum(figure.numerator, figure.denominator)}; {found.formula}; credited: {found.crediting}; {len(found.contacts):,} contacts"
    for contact in found.contacts:
        yield from _of_contact(contact, zone)
    if abs(found.numerator_elsewhere) + abs(found.denominator_elsewhere) > 1e-6:
        rest = _sum(found.numerator_elsewhere, found.denominator_elsewhere)
        yield f"\nOf contacts whose entry into a queue is not among the events: {rest}"


def _of_contact(contact: Explained, zone: str) -> Iterable[str]:
    customer = f", customer {contact.customer}" if contact.customer else ", customer unknown"
    yield f"\n{contact.contact}{customer}: {_sum(contact.numerator, contact.denominator)}"
    for fact in sorted(contact.facts, key=lambda fact: fact.time):
        yield _of_fact(fact, zone)
    for credit in contact.credits:
        yield _of_credit(credit, zone)


def _of_fact(fact: Fact, zone: str) -> str:
    place = (
        f"{fact.place}:{fact.offset}" if fact.partition is None else f"{fact.place} {fact.partition} @ {fact.offset}"
    )
    fields = " ".join(f"{name}={value}" for name, value in fact.fields.items())
    outcome = "" if fact.outcome == "counted" else f"  ({fact.outcome})"
    return f"  {clock(fact.time, zone)}  {fact.type:<18} {fields:<44}  {place}{outcome}"


def _of_credit(credit: Credit, zone: str) -> str:
    measures = ", ".join(f"{name} {amount:,}" for name, amount in credit.measures.items())
    return f"  credited in {local(credit.interval, zone)} to {credit.channel} {credit.queue}: {measures}"


def _sum(numerator: float | None, denominator: float | None) -> str:
    parts = [
        f"{name} {amount:,g}"
        for name, amount in (("numerator", numerator), ("denominator", denominator))
        if amount is not None
    ]
    return ", ".join(parts)
