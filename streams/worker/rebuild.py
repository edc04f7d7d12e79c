"""The command `centralita rebuild`: forget state and figures, so that the workers make them anew from the first event kept.

Records are deleted by tombstones in transactions of the partition's own transactional id: a worker that still runs is
fenced, and boards see every deletion. The marker goes first and the group's offsets last: a rebuild that was
interrupted leaves nothing that a worker would count on (it refuses to start), and can be run again.

Figures are kept for longer than events. Those of which the events have expired cannot be made anew, and it says which:

    figures |============================|
    events                   |===========|
            |----- lost -----|
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import click
from confluent_kafka import OFFSET_BEGINNING, ConsumerGroupState, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from rich.progress import track

from schemas.dead_letters import RefusedError
from schemas.panes import decode_key
from streams.broker.topics import TopicSet
from streams.engine.marker import MARKER
from streams.engine.partition import Changes
from streams.engine.policy import DAY, SECOND
from streams.engine.records import event_of
from streams.errors import BrokerError, CentralitaError
from streams.kafka import confluent
from streams.settings import Settings
from streams.worker import marker
from streams.worker.store import Store, reader, restore

CHUNK = 20_000
"""Deletions in one transaction."""
TIMEOUT = 10.0
STATUS = b'["partition"]'
_PANE = b'["pane",'


@click.command
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def command(load: Callable[[], Settings], *, yes: bool) -> None:
    """Delete state and figures; the workers then count again from the first event that is kept.

    Figures of events that have expired since are lost: it says of which days, before it asks. Stop all workers first.

    Example: centralita rebuild --yes
    """
    settings = load()
    admin = AdminClient(confluent(settings.kafka))
    numbers = partitions(admin, TopicSet(settings.kafka.prefix).events)
    refuse_while_running(admin, settings.worker.application_id)
    found = loss(settings, track(numbers, description="Looking at what is kept"))
    if found is not None:
        click.echo(told(*found, settings))
    if not yes:
        click.confirm(f"Delete state and figures of {len(numbers)} partitions ({settings.kafka.prefix})?", abort=True)
    for number in track(numbers, description="Deleting"):
        forget(settings, number)
    delete_group(admin, settings.worker.application_id)
    click.echo("State and figures are deleted. Start the workers.")


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
    """Return from when to when (microseconds) there are figures of which the events have expired, None for no such."""
    lost: list[tuple[int, int]] = []
    for number in numbers:
        if marker.look(settings, number).start:
            kept = _first_event(settings, number)
            lost += [pane for pane in _panes(settings, number) if kept is None or pane[1] <= kept]
    return (min(begin for begin, _ in lost), max(end for _, end in lost)) if lost else None


def told(begin: int, end: int, settings: Settings) -> str:
    """Return what a loss is to a person.

    >>> from streams.settings import Settings
    >>> told(0, 36 * 3600 * SECOND, Settings())
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
    keys: dict[bytes, None] = {}
    restore(settings, number, {TopicSet(settings.kafka.prefix).kpis: _keeping(keys)}, lambda *_: None)
    panes = {decode_key(key)[1:3] for key in keys if key.startswith(_PANE)}
    return {(start * SECOND, (start + length) * SECOND) for length, start in panes}


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


def forget(settings: Settings, number: int) -> None:
    """Delete every record of one partition's state and figures, the marker first."""
    store = Store(settings, number)
    store.fence()
    state: dict[bytes, None] = {MARKER: None}
    kpis: dict[bytes, None] = {}
    store.restore(_keeping(state), _keeping(kpis), lambda *_: None)
    # Boards hold back what stands before the partition's status, so it goes last.
    kpis = {key: None for key in kpis if key != STATUS} | {STATUS: None}
    for changes in _deletions(state, kpis):
        store.commit(changes, ())
    store.close()


def delete_group(admin: AdminClient, group: str) -> None:
    """Delete the offsets that the group has committed, and the group with them."""
    try:
        admin.delete_consumer_groups([group], request_timeout=TIMEOUT)[group].result()
    except KafkaException as error:
        if error.args[0].name() != "GROUP_ID_NOT_FOUND":
            raise BrokerError(f"group {group} cannot be deleted: {error.args[0].str()}") from None


def _keeping(keys: dict[bytes, None]) -> Callable[[bytes, bytes | None], None]:
    def feed(key: bytes, value: bytes | None) -> None:
        if value is None and key != MARKER:
            keys.pop(key, None)
        else:
            keys[key] = None

    return feed


def _deletions(state: Iterable[bytes], kpis: Iterable[bytes]) -> Iterable[Changes]:
    for keys in _chunks(list(state)):
        yield Changes([(key, None) for key in keys], [])
    for keys in _chunks(list(kpis)):
        yield Changes([], [(key, None) for key in keys])


def _chunks(keys: list[bytes]) -> Iterator[list[bytes]]:
    return (keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK))
