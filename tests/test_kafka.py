"""Every client gets the same security from the same settings, and commands do not wait for Faust."""

from __future__ import annotations

import ssl
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Producer
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth
from kafka import KafkaAdminClient

from streams.errors import ConfigurationError
from streams.kafka import aiokafka, confluent, kafka_python
from streams.settings import KafkaSettings
from streams.worker.clients import credentials

PLAIN = KafkaSettings(bootstrap="k1:9092,k2:9092")
SASL = replace(
    PLAIN, security_protocol="SASL_SSL", sasl_mechanism="SCRAM-SHA-512", sasl_username="u", sasl_password="p"
)


def test_an_open_broker_gets_neither_names_nor_certificates():
    """Also when they are among the settings: the protocol decides."""
    left_over = replace(SASL, security_protocol="PLAINTEXT", ssl_cafile="ca.pem")
    for found in (confluent(left_over), aiokafka(left_over), kafka_python(left_over)):
        assert not any(name.startswith(("sasl", "ssl")) for name in found)
    assert credentials(left_over) is None
    assert confluent(PLAIN, client_id="me")["client.id"] == "me"
    assert kafka_python(PLAIN)["bootstrap_servers"] == ["k1:9092", "k2:9092"]


def test_sasl_over_tls_reaches_every_client():
    """Protocol, mechanism, name and password; each library knows the options, and the TLS context checks host names."""
    found = confluent(SASL)
    assert [found[name] for name in ("security.protocol", "sasl.mechanism", "sasl.username", "sasl.password")] == [
        "sasl_ssl", "SCRAM-SHA-512", "u", "p",
    ]  # fmt: skip
    Producer(found | {"bootstrap.servers": "127.0.0.1:1", "log_level": 0})
    options = kafka_python(SASL)
    assert options.keys() <= KafkaAdminClient.DEFAULT_CONFIG.keys()
    assert [options[f"sasl_{name}"] for name in ("mechanism", "plain_username", "plain_password")] == [
        "SCRAM-SHA-512", "u", "p",
    ]  # fmt: skip
    assert aiokafka(SASL)["ssl_context"].check_hostname


@pytest.mark.parametrize("protocol", ["SSL", "SASL_PLAINTEXT", "SASL_SSL"])
def test_faust_hands_to_aiokafka_what_we_would(protocol: str):
    """Its credentials and back again: the same options."""
    settings = replace(SASL, security_protocol=protocol)
    handed = {name: value for name, value in credentials_to_aiokafka_auth(credentials(settings)).items() if value}
    expected = aiokafka(settings)
    assert isinstance(handed.pop("ssl_context", None), ssl.SSLContext) == ("ssl_context" in expected)
    expected.pop("ssl_context", None)
    assert handed == expected


@pytest.mark.parametrize("configuration", [confluent, aiokafka, kafka_python])
@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (replace(PLAIN, security_protocol="SSL", ssl_cafile="missing.pem"), r"kafka\.ssl_cafile: seen 'missing\.pem'"),
        (replace(SASL, sasl_username=None), r"kafka\.sasl_username: not given"),
        (replace(SASL, sasl_password=None), r"kafka\.sasl_password: not given"),
    ],
)
def test_what_cannot_work_is_named_as_the_setting(configuration, wrong: KafkaSettings, named: str):
    """No client has to be tried."""
    with pytest.raises(ConfigurationError, match=named):
        configuration(wrong)


def test_a_file_that_is_no_certificate_is_refused(tmp_path: Path):
    """The message names the settings it can be about."""
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(ConfigurationError, match="ssl_cafile"):
        aiokafka(replace(PLAIN, security_protocol="SSL", ssl_cafile=str(tmp_path / "ca.pem")))


@pytest.mark.parametrize(
    "module",
    [
        "streams.kafka", "streams.board.feed", "streams.broker.topics", "streams.demo", "streams.replay.topic",
        "streams.sources.producer", "streams.worker.command", "streams.worker.dead_letters", "streams.worker.rebuild",
    ],
)  # fmt: skip
def test_only_the_worker_waits_for_faust(module: str):
    """It takes a second to import, which no help and no other command should."""
    check = f"import sys, {module}; sys.exit('faust' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)
