"""A reader of committed records that looks on while things go wrong (I5 of the list of faults).

Every transaction of a partition ends with its status on the KPI topic and its marker on the state topic. Read in order,
the sequence numbers go up by one, the next input offset never goes back (I2), and the counters of events that came with a
transaction add up to what its status says was counted: a torn, doubled or interleaved transaction breaks one of them.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from typing import Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from schemas.panes import PartitionStatus, decode_value
from streams.broker.topics import TopicSet
from streams.engine.marker import MARKER, Marker
from tests.harness import records
from tests.harness.exactness import STATUS, wait_until

_MOST_SHOWN = 20


class Watcher:
    """Reads state and KPI topics from the beginning until the end of the with-block, which fails on what it saw wrong."""

    def __init__(self, bootstrap: str, topics: TopicSet) -> None:
        self.wrong: list[str] = []
        self.transactions = 0
        self._bootstrap, self._topics = bootstrap, topics
        self._last: dict[tuple[str, int], PartitionStatus] = {}
        self._counters: dict[int, dict[bytes, int]] = defaultdict(dict)
        self._open: dict[int, dict[int, PartitionStatus]] = defaultdict(dict)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._numbers = records.partitions(bootstrap, topics.kpis)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self.assert_clean()
        finally:
            self._stopped.set()
            self._thread.join(30)

    def assert_clean(self, timeout: float = 60.0) -> None:
        """Wait until everything committed was read, and assert that it was in order."""
        wait_until(self._read_all, timeout, "the watcher did not read everything")
        assert not self.wrong, self.wrong

    def _read_all(self) -> bool:
        if self.wrong or not self._thread.is_alive():
            return True
        committed = records.last(self._bootstrap, self._topics.kpis)
        ends = {number: decode_value("partition", value) for (number, key), value in committed.items() if key == STATUS}
        names = (self._topics.kpis, self._topics.state)
        return all(self._last.get((name, number)) == status for number, status in ends.items() for name in names)

    def _run(self) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": "watcher",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 50,
                "reconnect.backoff.max.ms": 1000,
                "log_level": 0,
            }
        )
        names = (self._topics.kpis, self._topics.state)
        consumer.assign([TopicPartition(name, number, OFFSET_BEGINNING) for name in names for number in self._numbers])
        try:
            while not self._stopped.is_set():
                for message in consumer.consume(5_000, 0.2):
                    if message.error() is None:
                        self._see(message)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test must know
            self._note(f"the watcher failed: {error!r}")
        finally:
            consumer.close()

    def _see(self, message: Message) -> None:
        topic, number, key, value = message.topic(), message.partition(), message.key(), message.value()
        if topic == self._topics.state:
            if key == MARKER and value is not None:
                self._follow(topic, number, Marker.decode(value).status)
        elif key == STATUS and value is not None:
            status = decode_value("partition", value)
            self._follow(topic, number, status)
            told = sum(self._counters[number].values())
            if told != status.counted:
                self._note(f"{topic}-{number}: counters say {told} events, the status {status}")
        elif key.startswith(b'["counters"'):
            self._counters[number][key] = sum(json.loads(value)["events"].values())

    def _follow(self, topic: str, number: int, status: PartitionStatus) -> None:
        before = self._last.get((topic, number))
        self._last[topic, number] = status
        if status.sequence != (before.sequence if before else 0) + 1:
            self._note(f"{topic}-{number}: after {before} came {status}")
        if before is not None and status.offset < before.offset:
            self._note(f"{topic}-{number}: the marker went back from {before} to {status}")
        other = self._open[number].pop(status.sequence, None)
        if other is None:
            self._open[number][status.sequence] = status
        elif other != status:
            self._note(f"partition {number}: state and panes of one transaction differ: {other}, {status}")
        self.transactions += topic == self._topics.kpis

    def _note(self, what: str) -> None:
        if len(self.wrong) < _MOST_SHOWN:
            self.wrong.append(what)
