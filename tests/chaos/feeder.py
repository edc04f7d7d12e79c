"""The load: simulated records sent once each at a steady pace, whatever the broker goes through meanwhile."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator

from confluent_kafka import KafkaError, Message, Producer

from tests.harness.storm import Item

PORTION = 200
"""Records between two looks at the clock."""


class Feeder:
    """A thread that sends; afterwards `sent`, `garbage` and `failed` say what there is on the topic."""

    def __init__(self, bootstrap: str, topic: str, items: Iterator[Item], rate: float) -> None:
        self.sent = 0
        self.good = 0
        self.garbage: Counter[tuple[bytes | None, bytes | None, str]] = Counter()
        self.failed: list[str] = []
        self._topic, self._items, self._rate = topic, items, rate
        # Idempotent: a retry after a broker's death writes no record a second time.
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "message.timeout.ms": 600_000,
                "reconnect.backoff.max.ms": 1_000,
                "linger.ms": 20,
                "compression.type": "lz4",
                "log_level": 0,
            }
        )
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feeder", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Send no more than what is sent."""
        self._stopped.set()

    @property
    def done(self) -> bool:
        """Whether the broker has everything."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        began = time.monotonic()
        try:
            for number, item in enumerate(self._items, 1):
                self._send(item)
                if self._stopped.is_set():
                    break
                if number % PORTION == 0:
                    self._producer.poll(0)
                    time.sleep(max(0.0, began + number / self._rate - time.monotonic()))
            if self._producer.flush(600):
                self.failed.append("the broker did not take everything")
        except Exception as error:  # noqa: BLE001 - the run must end with it
            self.failed.append(repr(error))

    def _send(self, item: Item) -> None:
        while True:
            try:
                self._producer.produce(self._topic, item.value, item.key, on_delivery=self._told)
                break
            except BufferError:
                self._producer.poll(0.1)
        if item.reason is not None:
            self.garbage[item.key, item.value, item.reason] += 1
        self.good += item.reason is None
        self.sent += 1

    def _told(self, error: KafkaError | None, _: Message) -> None:
        if error is not None and len(self.failed) < PORTION:
            self.failed.append(error.str())
