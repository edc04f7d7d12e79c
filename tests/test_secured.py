"""A broker that wants TLS, our certificate and our password: every client of ours gets through, and who is wrong is told so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from streams.broker.embedded import EmbeddedKafka
from streams.broker.server_properties import HOST, free_port
from tests.harness.exactness import wait_until
from tests.harness.pages import page
from tests.harness.workers import QUICK, WorkerProcess

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]
USER, PASSWORD = "centralita", "correct horse"
EVENTS = (
    '{"id":"1","type":"call.queued","time":"2026-03-02T10:00:00Z","contact_id":"c1","queue":"sales"}\n'
    '{"id":"2","type":"call.abandoned","time":"2026-03-02T10:00:30Z","contact_id":"c1","queue":"sales"}\n'
)


class Secured(NamedTuple):
    """A broker's secured listener, and the settings to reach it."""

    bootstrap: str
    settings: dict[str, str]


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A broker with SASL (SCRAM-SHA-512) over TLS that asks for a client's certificate too."""
    folder = tmp_path_factory.mktemp("secured")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    (folder / "broker.pem").write_bytes(_pair(authority.issue_cert(HOST, "localhost")))
    ours = authority.issue_cert("centralita.example")
    ours.private_key_pem.write_to_path(folder / "key.pem")
    ours.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
    port, secure = free_port(), free_port()
    with EmbeddedKafka(folder / "data", port, settings=_properties(folder, port, secure)) as broker:
        _add_user(broker.bootstrap)
        yield Secured(
            f"{HOST}:{secure}",
            {
                "CENTRALITA_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
                "CENTRALITA_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
                "CENTRALITA_KAFKA_SASL_USERNAME": USER,
                "CENTRALITA_KAFKA_SASL_PASSWORD": PASSWORD,
                "CENTRALITA_KAFKA_SSL_CAFILE": str(folder / "ca.pem"),
                "CENTRALITA_KAFKA_SSL_CERTFILE": str(folder / "certificate.pem"),
                "CENTRALITA_KAFKA_SSL_KEYFILE": str(folder / "key.pem"),
            },
        )


def _pair(issued: trustme.LeafCert) -> bytes:
    """Return key and certificates in one file; Kafka reads no other form of a key than PKCS #8."""
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    first = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return b"".join([first, *(pem.bytes() for pem in issued.cert_chain_pems)])


def _properties(folder: Path, port: int, secure: int) -> dict[str, str]:
    """Return the broker's settings: its open listener for itself, and a secured one."""
    controller = f"{HOST}:{free_port()}"
    login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    return {
        "listeners": f"PLAINTEXT://{HOST}:{port},SECURE://{HOST}:{secure},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port},SECURE://{HOST}:{secure}",
        "controller.quorum.voters": f"1@{controller}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL",
        "listener.name.secure.sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.secure.scram-sha-512.sasl.jaas.config": login,
        "listener.name.secure.ssl.client.auth": "required",
        "listener.name.secure.ssl.keystore.type": "PEM",
        "listener.name.secure.ssl.keystore.location": str(folder / "broker.pem"),
        "listener.name.secure.ssl.truststore.type": "PEM",
        "listener.name.secure.ssl.truststore.location": str(folder / "ca.pem"),
    }


def _add_user(bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    wanted = UserScramCredentialUpsertion(USER, credential, PASSWORD.encode())
    for done in admin.alter_user_scram_credentials([wanted]).values():
        done.result(30)


def centralita(secured: Secured, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """Start a command."""
    return subprocess.Popen(
        [sys.executable, "-m", "streams.cli", *arguments],
        env=os.environ | {"CENTRALITA_KAFKA": secured.bootstrap} | secured.settings | more,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_events_become_figures_behind_tls_and_a_password(secured: Secured, tmp_path: Path) -> None:
    """Topics, producer, worker (Faust's consumer, transactions, restore) and board: all of it, and the figure is there."""
    (tmp_path / "events.ndjson").write_text(EVENTS)
    for arguments in (("topics", "--partitions", "2"), ("send", str(tmp_path / "events.ndjson"))):
        with centralita(secured, *arguments) as command:
            said = command.communicate(timeout=60)[1]
        assert command.returncode == 0, said
    port = free_port()
    with WorkerProcess(secured.bootstrap, "contact-center", tmp_path, secured.settings | QUICK) as worker:
        worker.ready()
        with centralita(secured, "board", "--port", str(port)) as board:
            try:
                wait_until(lambda: _abandoned(port) == 1, 30, "the call never reached the board")
            finally:
                board.terminate()


def _abandoned(port: int) -> int | None:
    query = "from=2026-03-02T10:00:00Z&to=2026-03-02T10:15:00Z"
    try:
        answer = json.loads(page(f"http://{HOST}:{port}/api/v1/kpis?{query}"))
    except OSError:
        return None
    value: int | None = answer["rows"][-1]["kpis"]["abandoned"]["value"]
    return value


def test_who_is_not_let_in_is_told_why(secured: Secured, tmp_path: Path) -> None:
    """No command hangs, none shows the password, and the code is the one of a broker that cannot be used."""
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    (tmp_path / "events.ndjson").write_text(EVENTS)
    password = {"CENTRALITA_KAFKA_SASL_PASSWORD": "guessed"}
    authority = {"CENTRALITA_KAFKA_SSL_CAFILE": str(tmp_path / "other.pem")}
    with (
        centralita(secured, "topics", **password) as topics,
        centralita(secured, "send", str(tmp_path / "events.ndjson"), **password) as send,
        centralita(secured, "worker", "--port", str(free_port()), **password) as worker,
        centralita(secured, "topics", **authority) as deceived,
    ):
        for command, expected in (
            (topics, "sasl_password"),
            (send, "invalid"),
            (worker, "sasl"),
            (deceived, "certificate"),
        ):
            said = command.communicate(timeout=60)[1]
            assert command.returncode == os.EX_UNAVAILABLE, said
            assert expected in said
            assert "guessed" not in said
            assert "Traceback" not in said
