"""Both clients get the same security from the settings, and commands do not wait for Faust."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from streams.errors import ConfigurationError
from streams.settings import KafkaSettings
from streams.worker.clients import confluent, credentials

PLAIN = KafkaSettings(bootstrap="k1:9092,k2:9092")
SASL = replace(
    PLAIN, security_protocol="SASL_SSL", sasl_mechanism="SCRAM-SHA-512", sasl_username="u", sasl_password="p"
)


def test_without_security_nothing_is_set():
    """No credentials for Faust, no SASL for librdkafka."""
    found = confluent(PLAIN, client_id="me")
    assert (found["bootstrap.servers"], found["client.id"]) == ("k1:9092,k2:9092", "me")
    assert found["security.protocol"] == "plaintext"
    assert not any(name.startswith(("sasl", "ssl")) for name in found)
    assert credentials(PLAIN) is None


def test_sasl_over_tls_reaches_both_clients():
    """Mechanism, name and password; the TLS context checks host names."""
    found = confluent(SASL)
    assert {
        name: found[name] for name in ("security.protocol", "sasl.mechanism", "sasl.username", "sasl.password")
    } == {
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "u",
        "sasl.password": "p",
    }
    made = credentials(SASL)
    assert (made.protocol.value, made.mechanism.value) == ("SASL_SSL", "SCRAM-SHA-512")
    assert (made.username, made.password, made.ssl_context.check_hostname) == ("u", "p", True)


def test_a_certificate_that_is_not_there_stops_the_start():
    """The message names the settings."""
    with pytest.raises(ConfigurationError, match="ssl_cafile"):
        credentials(replace(PLAIN, security_protocol="SSL", ssl_cafile="missing.pem"))


@pytest.mark.parametrize("module", ["command", "rebuild", "dead_letters"])
def test_commands_are_imported_without_faust(module: str):
    """Help must not take a second."""
    check = f"import sys, streams.worker.{module}; sys.exit('faust' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)
