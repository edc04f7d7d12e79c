"""What a worker asks before it begins: are all topics there, equally many partitions, compacted, and stamped on arrival.

It takes some 0.2 s. Limits do not keep it from starting, since reaching one is told when it happens: events that expired
unread by the marker, a record too large by its transaction.
"""

from __future__ import annotations

import logging
from typing import Final

from streams.broker.topics import AT_LEAST, FREE, TopicSet, admin_client
from streams.errors import TopicError
from streams.settings import KafkaSettings

PATIENCE_MS: Final = 5_000


def check(kafka: KafkaSettings) -> None:
    """Raise TopicError with all that is wrong and what mends it, or BrokerError when the broker does not tell."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # every step of a connection; the error says what matters
    with admin_client(kafka, bootstrap_timeout_ms=PATIENCE_MS, request_timeout_ms=PATIENCE_MS) as admin:
        problems = TopicSet(kafka.prefix).check(admin, free=FREE | AT_LEAST)
    if problems:
        raise TopicError("; ".join(problems))
