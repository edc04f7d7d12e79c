"""Every setting, and what it may be. Where they come from: streams/configuration.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta

from streams.engine.policy import DAY, HOUR, SECOND, Policy, QueuePolicy, Retention
from streams.errors import ConfigurationError
from streams.opening_hours import calendar

Formula = Literal["SL1", "SL2", "SL3", "SL4", "SL5", "SL6", "SL7", "SL8"]
Share = Annotated[float, Meta(ge=0, le=1)]
Interval = Annotated[float, Meta(ge=0.01, le=1e9)]
Positive = Annotated[float, Meta(gt=0, le=1e9)]
NotNegative = Annotated[float, Meta(ge=0, le=1e9)]
Bound = Annotated[float, Meta(ge=-1e9, le=1e9)]
_MOST_PORT = 65535
Port = Annotated[int, Meta(ge=0, le=_MOST_PORT)]
Zone = Annotated[str, Meta(min_length=1, max_length=64)]
FROM_TARGET = "service_level"
"""The KPI whose bounds are differences to the queue's target."""
_LONGEST_WINDOW_HOURS = 65 / 60
"""The 60 minutes of the longest sliding window, and the five by which the newest event may be ahead of the clock."""


@dataclass(frozen=True, kw_only=True)
class QueueSettings:
    """One queue's policy; ``[defaults]`` holds it for all queues, ``[queues."name"]`` for one."""

    time_zone: Zone | None = None
    service_level_threshold: NotNegative = 20.0
    service_level_threshold_tickets: NotNegative | None = None
    service_level_target: Share = 0.8
    service_level_formula: Formula = "SL6"
    service_level_formula_live: Formula = "SL8"
    short_abandon: NotNegative = 5.0
    first_contact_resolution_days: Positive = 7.0
    maximum_wait_hours: Positive = 12.0
    maximum_ticket_age_days: Positive = 400.0
    channels: Annotated[tuple[str, ...], Meta(min_length=1)] = ("call",)
    business_hours: tuple[str, ...] = ()
    holidays: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class KafkaSettings:
    """How to reach Kafka, and the prefix of the topics' names."""

    bootstrap: str = "127.0.0.1:9092"
    prefix: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,200}$")] = "contact-center"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_cafile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """The worker: its name in Kafka, its times in seconds, and where its health is served."""

    application_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,200}$")] = "centralita"
    commit_interval: Interval = 0.25
    transaction_timeout: Positive = 20.0
    session_timeout: Positive = 30.0
    progress_timeout: Positive = 60.0
    poison_timeout: Positive = 60.0
    host: str = "127.0.0.1"
    port: Port = 8081


@dataclass(frozen=True, kw_only=True)
class BoardSettings:
    """The board: where it is served, its language, and whether agents go to Prometheus."""

    host: str = "127.0.0.1"
    port: Port = 8080
    language: Literal["es", "en"] = "es"
    agents_in_metrics: bool = False


@dataclass(frozen=True, kw_only=True)
class AlarmSettings:
    """When a figure asks for attention and when for action; ``minimum`` is the smallest sample that may alarm."""

    attention: Bound
    action: Bound
    minimum: Annotated[int, Meta(ge=0, le=10**9)] = 5


@dataclass(frozen=True, kw_only=True)
class PrivacySettings:
    """A secret replaces customers' keys by a keyed hash where events enter."""

    customer_key_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class RetentionSettings:
    """For how long panes are kept behind the newest event."""

    sliding_hours: Positive = 2.0
    breakdown_days: Positive = 8.0
    interval_days: Positive = 35.0
    day_days: Positive = 1130.0
    lateness_hours: Positive = 48.0


def usual_alarms() -> dict[str, AlarmSettings]:
    """Return the alarms that there are unless configured."""
    return {
        "abandonment_rate": AlarmSettings(attention=0.05, action=0.10, minimum=10),
        "service_level": AlarmSettings(attention=0.0, action=-0.20, minimum=10),
        "average_speed_of_answer": AlarmSettings(attention=30, action=60),
        "longest_wait": AlarmSettings(attention=60, action=180, minimum=0),
        "waiting": AlarmSettings(attention=5, action=10, minimum=0),
    }


@dataclass(frozen=True, kw_only=True)
class Alarms:
    """The alarms by KPI: ``[alarms.<kpi>]`` of all queues, ``[queues."name".alarms.<kpi>]`` of one.

    Those of service_level are differences to the queue's target, of the others plain values.
    """

    defaults: dict[str, AlarmSettings] = field(default_factory=usual_alarms)
    queues: dict[str, dict[str, AlarmSettings]] = field(default_factory=dict)

    def of(self, queue: str | None) -> dict[str, AlarmSettings]:
        """Return the alarms of a queue, those of all where it has none of its own.

        >>> Alarms().of("sales") == usual_alarms()
        True
        """
        return self.defaults if queue is None else self.queues.get(queue, self.defaults)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings."""

    time_zone: Zone = "UTC"
    defaults: QueueSettings = field(default_factory=QueueSettings)
    queues: dict[str, QueueSettings] = field(default_factory=dict)
    kafka: KafkaSettings = field(default_factory=KafkaSettings)
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    board: BoardSettings = field(default_factory=BoardSettings)
    privacy: PrivacySettings = field(default_factory=PrivacySettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    alarms: Alarms = field(default_factory=Alarms)

    @property
    def policy(self) -> Policy:
        """Return the queues' policies as the engine takes them."""
        keep = self.retention
        return Policy(
            defaults=_limits(self.defaults, self.time_zone),
            queues={name: _limits(queue, self.time_zone) for name, queue in self.queues.items()},
            lateness=round(keep.lateness_hours * HOUR),
            retention=Retention(
                sliding=round(keep.sliding_hours * HOUR),
                breakdowns=round(keep.breakdown_days * DAY),
                intervals=round(keep.interval_days * DAY),
                days=round(keep.day_days * DAY),
            ),
        )


def _limits(queue: QueueSettings, time_zone: str) -> QueuePolicy:
    return QueuePolicy(
        time_zone=queue.time_zone or time_zone,
        threshold=round(queue.service_level_threshold * SECOND),
        ticket_threshold=round(_of_tickets(queue) * SECOND),
        target=queue.service_level_target,
        formula=queue.service_level_formula,
        formula_live=queue.service_level_formula_live,
        short_abandon=round(queue.short_abandon * SECOND),
        return_window=round(queue.first_contact_resolution_days * DAY),
        maximum_wait=round(queue.maximum_wait_hours * HOUR),
        maximum_ticket_age=round(queue.maximum_ticket_age_days * DAY),
        channels=queue.channels,
        business_hours=calendar(queue.business_hours, queue.holidays),
    )


def _of_tickets(queue: QueueSettings) -> float:
    own = queue.service_level_threshold_tickets
    return queue.service_level_threshold if own is None else own


def check(settings: Settings) -> None:
    """Check what no single value shows: the zones exist, panes live long enough, timeouts have the order recovery needs.

    Raises ConfigurationError.
    """
    zones = [("time_zone", settings.time_zone), ("defaults.time_zone", settings.defaults.time_zone)]
    zones += [(f'queues."{name}".time_zone', queue.time_zone) for name, queue in settings.queues.items()]
    for key, zone in zones:
        if zone is not None and not _exists(zone):
            message = f"{key}: seen {zone!r}, expected an IANA zone such as Europe/Madrid"
            raise ConfigurationError(message)
    for key, queue in [
        ("defaults", settings.defaults),
        *((f'queues."{name}"', queue) for name, queue in settings.queues.items()),
    ]:
        try:
            calendar(queue.business_hours, queue.holidays)
        except ValueError as error:
            message = f"{key}.business_hours, holidays: {error}"
            raise ConfigurationError(message) from None
    _check_bootstrap(settings.kafka.bootstrap)
    _check_retention(settings)
    worker = settings.worker
    if not worker.commit_interval < worker.transaction_timeout < worker.session_timeout <= worker.progress_timeout:
        message = (
            f"worker: seen commit_interval {worker.commit_interval}, transaction_timeout {worker.transaction_timeout}, "
            f"session_timeout {worker.session_timeout}, progress_timeout {worker.progress_timeout}, "
            "expected each smaller than the next"
        )
        raise ConfigurationError(message)


def _check_bootstrap(bootstrap: str) -> None:
    for place in bootstrap.split(","):
        host, _, port = place.strip().rpartition(":")
        if not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) <= _MOST_PORT:
            message = f"kafka.bootstrap (CENTRALITA_KAFKA): seen {place.strip()!r}, expected addresses such as kafka-1:9092, separated by commas"
            raise ConfigurationError(message)


def _check_retention(settings: Settings) -> None:
    """Check that no pane goes while a figure still looks at it or an event may still change it.

    A customer who returns takes a resolution back from a day as old as the window; its breakdowns may be gone by then.
    """
    keep = settings.retention
    least = keep.lateness_hours / 24 + 1
    if min(keep.breakdown_days, keep.interval_days) < least:
        message = (
            f"retention: seen breakdown_days {keep.breakdown_days}, interval_days {keep.interval_days}, "
            f"expected at least {least:g}: a day more than lateness_hours, within which a figure may change"
        )
        raise ConfigurationError(message)
    if keep.sliding_hours < _LONGEST_WINDOW_HOURS:
        message = (
            f"retention.sliding_hours: seen {keep.sliding_hours}, "
            "expected at least 65 minutes (1.0834): the longest sliding window is 60"
        )
        raise ConfigurationError(message)
    if not keep.breakdown_days <= keep.interval_days <= keep.day_days:
        message = (
            f"retention: seen breakdown_days {keep.breakdown_days}, interval_days {keep.interval_days}, "
            f"day_days {keep.day_days}, expected none larger than the next"
        )
        raise ConfigurationError(message)
    longest = keep.day_days - keep.lateness_hours / 24
    queues = [("defaults", settings.defaults)] + [
        (f'queues."{name}"', queue) for name, queue in settings.queues.items()
    ]
    for key, queue in queues:
        if queue.first_contact_resolution_days > longest:
            message = (
                f"{key}.first_contact_resolution_days: seen {queue.first_contact_resolution_days}, "
                f"expected at most {longest:g}: retention.day_days less lateness_hours"
            )
            raise ConfigurationError(message)


def _exists(zone: str) -> bool:
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        return False
    return True
