"""How the three Kafka clients are told where Kafka is, how it is trusted and who we are; and how it is asked where partitions end.

    KafkaSettings --+-- confluent     librdkafka: producers, restore, boards, reports
                    +-- aiokafka      what Faust reads with (worker/clients.py wraps it for Faust)
                    +-- kafka_python  topics

All get the same protocol, certificates and name, and SASL and TLS only where the protocol has them. What cannot work (a file that
is not there, SASL without a name) raises ConfigurationError with the setting's name, before any client says so in its own words.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer
from typing import Any, Final

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from streams.errors import BrokerError, ConfigurationError
from streams.settings import KafkaSettings

_RECONNECT_MS: Final = 1_000
"""A broker that restarts has to be found again at once, not after the clients' defaults of 10 and 30 s."""

_ELECTING: Final = frozenset(
    {KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.OFFSET_NOT_AVAILABLE}
)
"""What is answered for a moment when another broker becomes the leader of a partition."""

_NOT_LET_IN: Final = frozenset({KafkaError._AUTHENTICATION, KafkaError._SSL})  # noqa: SLF001 - their public names
_REFUSAL_SECONDS: Final = 3.0
_AGAIN: Final = 0.1
_MOMENT: Final = 2.0
"""Seconds."""
_log: Final = logging.getLogger(__name__)


def confluent(kafka: KafkaSettings, **more: Any) -> dict[str, Any]:
    """Return librdkafka's configuration: where, who and how, and what else is given (``_`` stands for ``.``).

    >>> confluent(KafkaSettings(bootstrap="kafka:9092"), client_id="me")["client.id"]
    'me'
    """
    sasl, files = _sasl(kafka), _files(kafka)
    found = {
        "bootstrap.servers": kafka.bootstrap,
        "security.protocol": kafka.security_protocol.lower(),
        "sasl.mechanism": sasl.get("sasl_mechanism"),
        "sasl.username": sasl.get("sasl_plain_username"),
        "sasl.password": sasl.get("sasl_plain_password"),
        "ssl.ca.location": files.get("ssl_cafile"),
        "ssl.certificate.location": files.get("ssl_certfile"),
        "ssl.key.location": files.get("ssl_keyfile"),
        "reconnect.backoff.max.ms": _RECONNECT_MS,
        "log_level": 2,  # what fails is told by our own log, once and not several times a second
    } | {name.replace("_", "."): value for name, value in more.items()}
    return {name: value for name, value in found.items() if value is not None}


def ends(consumer: Consumer, places: Iterable[TopicPartition], timeout: float) -> dict[tuple[str, int], int]:
    """Ask in one request where partitions end: the last stable offset, or the high watermark for a consumer of uncommitted records.

    Asks again while a leader is being elected, within ``timeout`` seconds. Raises KafkaException. An AdminClient would answer the same, but
    now and then takes 3 s for its first answer.
    """
    asked = [TopicPartition(place.topic, place.partition, OFFSET_END) for place in places]
    deadline = time.monotonic() + timeout
    while True:
        found = consumer.offsets_for_times(asked, timeout=max(0.1, deadline - time.monotonic())) if asked else []
        wrong = [place.error for place in found if place.error is not None]
        if not wrong:
            return {(place.topic, place.partition): place.offset for place in found}
        if wrong[0].code() not in _ELECTING or time.monotonic() > deadline:
            raise KafkaException(wrong[0])
        time.sleep(_AGAIN)


@contextmanager
def patience(kafka: KafkaSettings) -> Iterator[None]:
    """Say for whom we wait when what is done takes more than a moment."""
    timer = Timer(_MOMENT, _log.warning, (f"Waiting for Kafka at {kafka.bootstrap}.",))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def unreachable(kafka: KafkaSettings, said: str) -> BrokerError:
    """Return the error for a Kafka that a client could not reach: why it does not let us in, if that is so, else what the client said."""
    refused = _refusal(kafka)
    if refused is None:
        return BrokerError(f"Kafka at {kafka.bootstrap} cannot be reached: {said}")
    settings = "kafka.sasl_username, sasl_password and sasl_mechanism, ssl_cafile, ssl_certfile and ssl_keyfile"
    return BrokerError(f"Kafka at {kafka.bootstrap} does not let us in: {refused}: see the settings {settings}")


def _refusal(kafka: KafkaSettings) -> str | None:
    """Ask once more and return what a broker says of our name or certificate, or we of its; only librdkafka tells that."""
    told: list[str] = []

    def note(error: KafkaError) -> None:
        if error.code() in _NOT_LET_IN:
            told.append(error.str())

    consumer = Consumer(confluent(kafka, group_id="centralita") | {"error_cb": note, "log_level": 0})
    deadline = time.monotonic() + _REFUSAL_SECONDS
    try:
        while not told and time.monotonic() < deadline:
            with suppress(KafkaException):
                consumer.list_topics(timeout=0.5)
                return None
            consumer.poll(0)
    finally:
        consumer.close()
    return told[0] if told else None


def aiokafka(kafka: KafkaSettings) -> dict[str, Any]:
    """Return aiokafka's options of security: a TLS context where the others take files."""
    context = {"ssl_context": _context(kafka)} if _has_tls(kafka) else {}
    return {"security_protocol": kafka.security_protocol} | _sasl(kafka) | context


def kafka_python(kafka: KafkaSettings) -> dict[str, Any]:
    """Return kafka-python's options: the addresses and security.

    >>> kafka_python(KafkaSettings(bootstrap="k1:9092, k2:9092"))["bootstrap_servers"]
    ['k1:9092', 'k2:9092']
    """
    options = {
        "bootstrap_servers": [place.strip() for place in kafka.bootstrap.split(",")],
        "security_protocol": kafka.security_protocol,
        "reconnect_backoff_max_ms": _RECONNECT_MS,
    }
    return options | _sasl(kafka) | _files(kafka)


def _sasl(kafka: KafkaSettings) -> dict[str, str]:
    """Return mechanism, name and password as both Python clients name them; nothing without SASL."""
    if not kafka.security_protocol.startswith("SASL"):
        return {}
    if not kafka.sasl_username or kafka.sasl_password is None:
        missing = "sasl_password" if kafka.sasl_username else "sasl_username"
        raise ConfigurationError(
            f"kafka.{missing}: not given, expected with security_protocol {kafka.security_protocol}"
        )
    return {
        "sasl_mechanism": kafka.sasl_mechanism,
        "sasl_plain_username": kafka.sasl_username,
        "sasl_plain_password": kafka.sasl_password,
    }


def _has_tls(kafka: KafkaSettings) -> bool:
    return kafka.security_protocol.endswith("SSL")


def _files(kafka: KafkaSettings) -> dict[str, str]:
    """Return the files of TLS that are given; nothing without TLS."""
    if not _has_tls(kafka):
        return {}
    files = {"ssl_cafile": kafka.ssl_cafile, "ssl_certfile": kafka.ssl_certfile, "ssl_keyfile": kafka.ssl_keyfile}
    given = {name: file for name, file in files.items() if file is not None}
    for name, file in given.items():
        if not Path(file).is_file():
            raise ConfigurationError(f"kafka.{name}: seen {file!r}, expected a file that can be read")
    return given


def _context(kafka: KafkaSettings) -> ssl.SSLContext:
    """Return a context that checks the broker's certificate and name."""
    files = _files(kafka)
    try:
        context = ssl.create_default_context(cafile=files.get("ssl_cafile"))
        if "ssl_certfile" in files:
            context.load_cert_chain(files["ssl_certfile"], files.get("ssl_keyfile"))
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(f"kafka.ssl_cafile, ssl_certfile or ssl_keyfile: cannot be read: {error}") from None
    return context
