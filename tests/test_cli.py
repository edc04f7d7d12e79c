import logging

import click
import pytest
from click.testing import CliRunner

from streams import cli
from streams.errors import BrokerError, CentralitaError, FencedError


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


def test_an_unknown_command_is_refused(monkeypatch, capsys):
    """As click does: exit code 2 and the name."""
    monkeypatch.setattr("sys.argv", ["centralita", "nothing"])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert "nothing" in capsys.readouterr().err


def test_logging_is_left_alone_by_help():
    """Importing the command line configures nothing."""
    assert logging.getLogger("streams").handlers == []
