"""How both Kafka clients are configured from the same settings: confluent-kafka and Faust's aiokafka."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from streams.errors import ConfigurationError
from streams.settings import KafkaSettings

if TYPE_CHECKING:
    from faust.types.auth import CredentialsT

_PLAIN = "PLAINTEXT"


def confluent(kafka: KafkaSettings, **more: Any) -> dict[str, Any]:
    """Return librdkafka's configuration: where, who and how, and what else is given (``_`` stands for ``.``)."""
    protocol = kafka.security_protocol
    found = {
        "bootstrap.servers": kafka.bootstrap,
        "security.protocol": protocol.lower(),
        "sasl.mechanism": kafka.sasl_mechanism if protocol.startswith("SASL") else None,
        "sasl.username": kafka.sasl_username,
        "sasl.password": kafka.sasl_password,
        "ssl.ca.location": kafka.ssl_cafile,
        "ssl.certificate.location": kafka.ssl_certfile,
        "ssl.key.location": kafka.ssl_keyfile,
        # A broker that restarts has to be found again at once, not after librdkafka's default of up to 10 s.
        "reconnect.backoff.max.ms": 1_000,
        "log_level": 3,
    } | {name.replace("_", "."): value for name, value in more.items()}
    return {name: value for name, value in found.items() if value is not None}


def credentials(kafka: KafkaSettings) -> CredentialsT | None:
    """Return what Faust hands to aiokafka, or None without SASL and TLS."""
    import faust  # noqa: PLC0415 - takes a second, and most commands need only the other client

    protocol = kafka.security_protocol
    if protocol == _PLAIN:
        return None
    context = _tls(kafka) if protocol.endswith("SSL") else None
    if protocol == "SSL":
        return faust.SSLCredentials(context)
    return faust.SASLCredentials(
        username=kafka.sasl_username,
        password=kafka.sasl_password,
        mechanism=kafka.sasl_mechanism,
        ssl_context=context,
    )


def _tls(kafka: KafkaSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=kafka.ssl_cafile)
        if kafka.ssl_certfile:
            context.load_cert_chain(kafka.ssl_certfile, kafka.ssl_keyfile)
    except OSError as error:
        raise ConfigurationError(f"kafka.ssl_cafile, ssl_certfile or ssl_keyfile: cannot be read: {error}") from None
    return context
