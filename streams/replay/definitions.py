"""Under which definitions a worker counted the figures that boards show, for those who count the same events under others."""

from __future__ import annotations

from contextlib import closing
from typing import Final

from confluent_kafka import KafkaException, TopicPartition

from schemas.panes import PARTITION, decode_value
from streams.broker.topics import TopicSet
from streams.engine.marker import UNREADABLE, fingerprint
from streams.errors import BrokerError
from streams.kafka import ends
from streams.replay.reading import Reading, Span, consumer
from streams.settings import Settings

OTHERWISE: Final = "Workers count under other definitions (thresholds, windows, opening hours) than these settings: boards show other figures than these."
_LAST: Final = 20
"""Records before the end of a partition, of which one says how far it is: the last of a transaction, and a control record follows."""
_TIMEOUT: Final = 5.0


def differ(settings: Settings) -> bool:
    """Tell whether a worker counted under other definitions than these; also False where nobody has counted, or it cannot be told."""
    try:
        return bool(_counted_under(settings) - {"", fingerprint(settings.policy)})
    except (KafkaException, BrokerError, *UNREADABLE):
        return False


def _counted_under(settings: Settings) -> set[str]:
    """Return the definitions that the last transactions of partitions name."""
    topic = TopicSet(settings.kafka.prefix).kpis
    with closing(consumer(settings.kafka)) as asking:
        numbers = asking.list_topics(topic, timeout=_TIMEOUT).topics[topic].partitions
        found = ends(asking, [TopicPartition(topic, number) for number in numbers], _TIMEOUT)
    spans = [Span(number, max(0, end - _LAST), end) for (_, number), end in found.items()]
    with closing(Reading(settings.kafka, topic, spans)) as reading:
        said = [message for _, messages in reading for message in messages if message.key() == PARTITION]
    return {decode_value("partition", message.value()).definitions for message in said if message.value() is not None}
