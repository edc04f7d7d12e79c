"""The command `centralita rebuild`: state and figures made anew from the first event kept, while the old figures are shown.

Counting reads the events only, with the engine and the journals of a replay, so workers may go on until it is done. Then they have to
stop, what has come meanwhile is counted too, and everything is switched at once (streams/worker/switch.py).

Figures are kept for longer than events. Those of which the events have expired cannot be made anew, and it says which:

    figures |============================|
    events                   |===========|
            |----- lost -----|
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from zoneinfo import ZoneInfo

import click
from confluent_kafka import OFFSET_BEGINNING, ConsumerGroupState, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from rich.console import Console
from rich.progress import track

from schemas.dead_letters import RefusedError
from schemas.panes import CREDITS, FORMAT, PANES, PARTITION, credited_panes, decode_value, format_of, split_panes_key
from streams.broker.topics import TopicSet
from streams.cli import INTERRUPTED
from streams.engine.marker import UNREADABLE, FormatChangedError, StateCorruptError
from streams.engine.policy import DAY, SECOND
from streams.engine.records import event_of
from streams.engine.slices import BREAKDOWNS
from streams.errors import BrokerError, CentralitaError
from streams.kafka import confluent
from streams.replay.crew import Crew
from streams.replay.progress import ProgressBar, shown
from streams.replay.reading import Span
from streams.replay.shard import UNLIMITED, Task
from streams.replay.topic import ReadJob, read, shares
from streams.settings import Settings
from streams.worker import marker, topics
from streams.worker.store import reader, restore
from streams.worker.switch import Seen, fence, keeping, switch

TIMEOUT = 10.0
_LOOK_AGAIN = 0.5


class How(NamedTuple):
    """Seconds to wait for workers to stop, processes, and the folder to work in (None: the system's for temporary files)."""

    wait: float
    processes: int
    work: Path | None


@click.command
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--wait",
    type=click.FloatRange(0),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait, once all is counted, until the workers are stopped.",
)
@click.option(
    "--processes", type=click.IntRange(1, 256), default=os.cpu_count() or 1, show_default="cores", help="Processes."
)
@click.option(
    "--work",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Folder with room for state and figures, instead of the system's for temporary files.",
)
@click.pass_obj
def command(load: Callable[[], Settings], *, yes: bool, wait: float, processes: int, work: Path | None) -> None:
    """Count all events that are kept again, and put the new state and figures in the place of the old ones, at once.

    For a changed definition, lost state, or another number of partitions. The old figures stay on the boards until then. Figures of events that have
    expired since are lost: it says of which days, before it asks. Workers have to be stopped when it says so, and started afterwards.

    Example: centralita rebuild --yes
    """
    settings = load()
    topics.check(settings.kafka)
    admin = AdminClient(confluent(settings.kafka))
    numbers = partitions(admin, TopicSet(settings.kafka.prefix).events)
    group = settings.worker.application_id
    if not wait:
        refuse_while_running(admin, group)
    try:
        found = loss(settings, track(numbers, "Looking at what is kept", console=Console(stderr=True)))
    except (FormatChangedError, StateCorruptError) as error:
        click.echo(f"Figures of which the events have expired will be lost, and of which days cannot be said: {error}.")
    else:
        if found is not None:
            click.echo(loss_message(*found, settings))
    if not yes:
        click.confirm(
            f"Count the events of {len(numbers)} partitions ({settings.kafka.prefix}) again, and replace state and figures?",
            abort=True,
        )
    try:
        is_seen = _rebuild(settings, admin, numbers, How(wait, processes, work))
    except KeyboardInterrupt:
        click.echo("interrupted: all partitions have their old state and figures, or all the new ones", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    try:
        delete_group(admin, group)
    except BrokerError as error:
        raise BrokerError(f"state and figures are new, but {error}: delete it, then start the workers") from None
    click.echo("State and figures are new. Start the workers.")
    if not is_seen:
        click.echo("The broker does not answer whether every reader sees them yet.", err=True)


def _rebuild(settings: Settings, admin: AdminClient, numbers: list[int], how: How) -> bool:
    """Do it; return whether every reader sees it."""
    with TemporaryDirectory(prefix="centralita-", dir=how.work) as folder:
        task = Task(settings.policy, BREAKDOWNS, folder, resumable=True, now_us=time.time_ns() // 1_000)
        count(settings, task, numbers, how.processes)
        wait_until_stopped(admin, settings.worker.application_id, how.wait)
        ends = fence(settings, numbers)
        count(settings, task, numbers, how.processes)  # what has come meanwhile
        with shown(len(numbers), "switching") as bar:
            return switch(settings, {number: task.journal(number) for number in numbers}, ends, lambda: bar.passed(1))


def count(settings: Settings, task: Task, numbers: Iterable[int], processes: int) -> None:
    """Count what the journals do not have yet, up to where the events end now."""
    topic = TopicSet(settings.kafka.prefix).events
    spans = [Span(number, *marker.look(settings, number)[:2]) for number in numbers]
    jobs = [ReadJob(settings.kafka, topic, share, UNLIMITED, task) for share in shares(spans, processes)]
    with shown(sum(span.end - span.begin for span in spans)) as bar, Crew(read, jobs) as crew:
        crew.summaries(partial(_show, bar))
        crew.finish(time.time_ns() // 1_000)


def wait_until_stopped(admin: AdminClient, group: str, seconds: float) -> None:
    """Wait until no worker is in the group; raise when one still is after so many seconds."""
    deadline = time.monotonic() + seconds
    asked = False
    while True:
        try:
            refuse_while_running(admin, group)
        except CentralitaError as error:
            if time.monotonic() > deadline or isinstance(error, BrokerError):
                raise
            if not asked:
                click.echo(f"All is counted. {error}; waiting.")
            asked = True
            time.sleep(_LOOK_AGAIN)
        else:
            return


def _show(bar: ProgressBar, passed: int, events: int) -> None:
    bar.passed(passed)
    bar.events(events)


def partitions(admin: AdminClient, topic: str) -> list[int]:
    """Return the numbers of a topic's partitions."""
    try:
        found = admin.list_topics(topic, timeout=TIMEOUT).topics[topic]
    except KafkaException as error:
        raise BrokerError(f"Kafka does not answer: {error.args[0].str()}") from None
    if found.error is not None:
        raise BrokerError(f"{topic}: {found.error.str()}")
    return sorted(found.partitions)


def refuse_while_running(admin: AdminClient, group: str) -> None:
    """Raise when a worker is in the group."""
    try:
        found = admin.describe_consumer_groups([group], request_timeout=TIMEOUT)[group].result()
    except KafkaException as error:
        if error.args[0].name() == "GROUP_ID_NOT_FOUND":
            return
        raise BrokerError(f"group {group}: {error.args[0].str()}") from None
    if found.state not in (ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD):
        raise CentralitaError(f"group {group} has {len(found.members)} members: stop the workers first")


def loss(settings: Settings, numbers: Iterable[int]) -> tuple[int, int] | None:
    """Return from when to when (microseconds) there are figures of which the events have expired, None for no such.

    Raises FormatChangedError when the figures are of another version.
    """
    lost: list[tuple[int, int]] = []
    for number in numbers:
        if marker.look(settings, number).start:
            kept = _first_event(settings, number)
            lost += [pane for pane in _panes(settings, number) if kept is None or pane[1] <= kept]
    return (min(begin for begin, _ in lost), max(end for _, end in lost)) if lost else None


def loss_message(begin: int, end: int, settings: Settings) -> str:
    """Return what a loss is to a person.

    >>> from streams.settings import Settings
    >>> loss_message(0, 36 * 3600 * SECOND, Settings())
    'Figures of 2 days, from 1970-01-01 to 1970-01-02 (UTC), will be lost: contact-center.events no longer has their events.'
    """
    first, last = (datetime.fromtimestamp(time // SECOND, ZoneInfo(settings.time_zone)) for time in (begin, end - 1))
    days = -(-(end - begin) // DAY)
    return (
        f"Figures of {days} day{'s' if days > 1 else ''}, from {first:%Y-%m-%d} to {last:%Y-%m-%d} ({settings.time_zone}), "
        f"will be lost: {TopicSet(settings.kafka.prefix).events} no longer has their events."
    )


def _panes(settings: Settings, number: int) -> set[tuple[int, int]]:
    """Return when the panes of a partition begin and end (microseconds)."""
    seen: Seen = {}
    restore(
        settings,
        number,
        {TopicSet(settings.kafka.prefix).kpis: keeping(seen, values_of=(CREDITS, PARTITION))},
        lambda *_: None,
    )
    try:
        panes = _panes_of(seen)
    except UNREADABLE as error:
        if isinstance(error, FormatChangedError):
            raise
        message = f"a record of them in partition {number} cannot be read"
        raise StateCorruptError(message) from error
    return {(start * SECOND, (start + length) * SECOND) for length, start in panes}


def _panes_of(seen: Seen) -> set[tuple[int, int]]:
    """Return length and start (seconds) of the panes that records are of."""
    status = seen.pop(PARTITION, None)
    if status is not None and (found := format_of(status)) != FORMAT:
        message = f"they are of another version (format {found}, this one reads {FORMAT})"
        raise FormatChangedError(message)
    panes = {split_panes_key(key)[:2] for key in seen if key.startswith(PANES)}
    for record in (decode_value("credits", value) for value in seen.values() if value is not None):
        panes.update(place for pane in record.panes for place in credited_panes(pane.length, pane.start))
    return panes


def _first_event(settings: Settings, number: int) -> int | None:
    """Return the time (microseconds) of the first event kept in a partition: its arrival if it is none; None when all are gone."""
    consumer = reader(settings, settings.worker.application_id)
    try:
        consumer.assign([TopicPartition(TopicSet(settings.kafka.prefix).events, number, OFFSET_BEGINNING)])
        messages = consumer.consume(1, TIMEOUT)
    finally:
        consumer.close()
    if not messages:
        raise BrokerError(f"partition {number}: its first event is not to be had")
    if messages[0].error() is not None:
        return None
    try:
        return event_of(messages[0].value()).time_us
    except RefusedError:
        arrived: int = messages[0].timestamp()[1]
        return arrived * 1_000


def delete_group(admin: AdminClient, group: str) -> None:
    """Delete the offsets that the group has committed, and the group with them."""
    try:
        admin.delete_consumer_groups([group], request_timeout=TIMEOUT)[group].result()
    except KafkaException as error:
        if error.args[0].name() != "GROUP_ID_NOT_FOUND":
            raise BrokerError(f"group {group} cannot be deleted: {error.args[0].str()}") from None
