import logging
import time

import click
import pytest
from click.testing import CliRunner

from streams import cli, kafka
from streams.errors import BrokerError, CentralitaError, FencedError
from streams.settings import KafkaSettings


def test_help_lists_every_command_without_importing_one(monkeypatch):
    """Help works although a command's module is missing."""
    monkeypatch.setattr(cli, "import_module", lambda name: pytest.fail(f"{name} was imported"))
    output = CliRunner().invoke(cli.group, ["--help"]).output
    assert all(name in output for name in cli.COMMANDS)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CentralitaError("x"), 1),
        (BrokerError("x"), 69),
        (FencedError("x"), 75),
        (KeyboardInterrupt(), 130),
        (click.UsageError("x"), 2),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(monkeypatch, capsys, error, code):
    """No traceback reaches the terminal."""

    def fail(**_):
        raise error

    monkeypatch.setattr(cli.group, "main", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("send", "-"),
        ("simulate", "--events", "1"),
        ("report", "--from", "2026-03-02"),
        ("dead-letters", "list"),
        ("dead-letters", "resend"),
        ("rebuild", "--yes"),
    ],
    ids=" ".join,
)
def test_every_command_says_the_same_of_a_kafka_that_is_not_there(words, monkeypatch):
    """One error, code 69, as soon as it is sure; a worker's is in tests/worker/test_topics.py."""
    for module, name in (
        ("streams.sources.producer", "REACH_SECONDS"),
        ("streams.worker.resending", "REACH_SECONDS"),
        ("streams.worker.rebuild", "TIMEOUT"),
        ("streams.replay.topic", "_TIMEOUT"),
    ):
        monkeypatch.setattr(f"{module}.{name}", 0.3)
    ended = CliRunner().invoke(cli.group, words, env={"CENTRALITA_KAFKA": "127.0.0.1:1"})
    assert isinstance(ended.exception, BrokerError), ended.output
    assert "Kafka" in str(ended.exception)


def test_who_waits_for_kafka_is_told_for_whom(caplog, monkeypatch):
    """After a moment, and not before the first answer may have come."""
    monkeypatch.setattr("streams.kafka._MOMENT", 0.05)
    with kafka.patience(KafkaSettings(bootstrap="nowhere:9092")):
        time.sleep(0.5)
    assert [record.message for record in caplog.records] == ["Waiting for Kafka at nowhere:9092."]
    with kafka.patience(KafkaSettings()):
        pass
    time.sleep(0.2)
    assert len(caplog.records) == 1


def test_an_unknown_command_is_refused(monkeypatch, capsys):
    """As click does: exit code 2 and the name."""
    monkeypatch.setattr("sys.argv", ["centralita", "nothing"])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert "nothing" in capsys.readouterr().err


def test_of_a_mistyped_command_the_nearest_is_named():
    """As of variables and settings."""
    told = CliRunner().invoke(cli.group, ["reprot"])
    assert (told.exit_code, "No such command 'reprot'. Did you mean report?" in told.stderr) == (2, True)


def test_logging_is_left_alone_by_help():
    """Importing the command line configures nothing."""
    assert logging.getLogger("streams").handlers == []
