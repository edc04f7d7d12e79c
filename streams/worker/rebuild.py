"""The command `centralita rebuild`: forget state and figures, so that the workers make them anew from the first event kept.

Records are deleted by tombstones in transactions of the partition's own transactional id: a worker that still runs is
fenced, and boards see every deletion. The marker goes first and the group's offsets last: a rebuild that was
interrupted leaves nothing that a worker would count on (it refuses to start), and can be run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import click
from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient
from rich.progress import track

from streams.broker.topics import TopicSet
from streams.engine.marker import MARKER
from streams.engine.partition import Changes
from streams.errors import BrokerError, CentralitaError
from streams.kafka import confluent
from streams.settings import Settings
from streams.worker import marker
from streams.worker.store import Store

CHUNK = 20_000
"""Deletions in one transaction."""
TIMEOUT = 10.0
STATUS = b'["partition"]'


@click.command
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def command(load: Callable[[], Settings], *, yes: bool) -> None:
    """Delete state and figures; the workers then count again from the first event that is kept.

    Figures of events that have expired since are lost. Stop all workers first.

    Example: centralita rebuild --yes
    """
    settings = load()
    admin = AdminClient(confluent(settings.kafka))
    numbers = partitions(admin, TopicSet(settings.kafka.prefix).events)
    refuse_while_running(admin, settings.worker.application_id)
    if not yes:
        click.confirm(f"Delete state and figures of {len(numbers)} partitions ({settings.kafka.prefix})?", abort=True)
    for number in track(numbers, description="Deleting"):
        forget(settings, number)
    delete_group(admin, settings.worker.application_id)
    for number in numbers:
        start = marker.look(settings, number).start
        if start:
            click.echo(f"partition {number}: events before offset {start} have expired, figures begin there")
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
