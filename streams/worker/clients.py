"""Security as Faust wants it for its aiokafka; everything else about the clients is in streams/kafka.py."""

from __future__ import annotations

import faust
from faust.types.auth import CredentialsT

from streams.kafka import aiokafka
from streams.settings import KafkaSettings


def credentials(kafka: KafkaSettings) -> CredentialsT | None:
    """Return what Faust hands to aiokafka, or None without SASL and TLS."""
    options = aiokafka(kafka)
    context = options.get("ssl_context")
    if "sasl_mechanism" in options:
        return faust.SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            mechanism=options["sasl_mechanism"],
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context is not None else None
