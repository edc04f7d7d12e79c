"""Every Prometheus series of the worker: bounded labels, never an id of a contact, a customer or an agent."""

from __future__ import annotations

import contextlib

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_PREFIX = "centralita_worker"
_COMMIT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_PARTITION = ("partition",)


class Metrics:
    """The worker's series in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events = self._counter("events", "Records committed, by what became of them", ("outcome",))
        self.dead_letters = self._counter("dead_letters", "Records refused, by reason", ("reason",))
        self.commits = self._counter("transactions", "Transactions committed", ())
        self.commit_seconds = Histogram(
            f"{_PREFIX}_commit_seconds", "Time of one transaction, from the first record to the broker's answer",
            buckets=_COMMIT_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self.lag = self._gauge("lag_records", "Committed records of the input that no transaction covers yet")
        self.watermark = self._gauge("watermark_timestamp_seconds", "Largest event time of the partition")
        self.restored = self._gauge("restore_ratio", "Restored part of state and panes; 1 when done")
        self.unstable = Gauge(
            f"{_PREFIX}_unstable_records", "High watermark minus last stable offset: above 0 for long, a transaction hangs",
            ("topic", "partition"), registry=self.registry,
        )  # fmt: skip
        self.all_refused = Gauge(
            f"{_PREFIX}_all_refused_seconds",
            "For how long records came and every one was refused; at worker.poison_timeout the worker stops",
            registry=self.registry,
        )
        self.ready = Gauge(f"{_PREFIX}_ready", "1 when /readyz says ready", registry=self.registry)

    def forget(self, partition: int) -> None:
        """Drop the series of a partition that another worker has now."""
        for gauge in (self.lag, self.watermark, self.restored):
            with contextlib.suppress(KeyError):
                gauge.remove(str(partition))

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"{_PREFIX}_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"{_PREFIX}_{name}", text, _PARTITION, registry=self.registry)
