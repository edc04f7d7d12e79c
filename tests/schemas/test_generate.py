"""The generated files are what the structures say today."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from schemas import generate
from schemas.dead_letters import HEADERS, Reason
from schemas.events import TYPE_NAMES


def test_the_files_are_current() -> None:
    """Whoever changes a structure runs `python -m schemas.generate`."""
    assert generate.stale() == []


def test_check_names_what_is_stale(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed and a superfluous file are named, and the exit code is 1."""
    wanted = generate.files()
    changed, superfluous = sorted(wanted)[1:3]
    monkeypatch.setattr(generate, "files", lambda: {**wanted, changed: b"other"} | {})
    assert generate.stale() == [changed]
    monkeypatch.setattr(generate, "files", lambda: {path: wanted[path] for path in wanted if path != superfluous})
    assert generate.stale() == [superfluous]
    assert generate.main(["--check"]) == 1
    assert superfluous.name in capsys.readouterr().err


def test_the_command_checks() -> None:
    """`python -m schemas.generate --check` is what CI runs."""
    done = subprocess.run([sys.executable, "-m", "schemas.generate", "--check"], check=False, timeout=60)
    assert done.returncode == 0


@pytest.mark.parametrize("name", TYPE_NAMES.values())
def test_a_schema_of_each_type_requires_id_type_and_time(name: str) -> None:
    """Each type has a file of its own whose one structure requires the envelope."""
    schema = json.loads((generate.FOLDER / "json" / f"{name}.json").read_text())
    (structure,) = schema["$defs"].values()
    assert {"id", "type", "time"} <= set(structure["required"])
    assert structure["properties"]["type"] == {"enum": [name]}


def test_asyncapi_tells_topics_keys_and_headers() -> None:
    """Each event, figure and dead letter is a message; the header of the reason lists the closed set."""
    text = generate.asyncapi()
    for name in (*TYPE_NAMES.values(), *generate.KINDS, "dead-letter"):
        assert f'\n    "{name}":\n' in text
    assert all(f'"dead-letter-{name}"' in text for name in HEADERS)
    assert all(f'- "{reason}"' in text for reason in Reason)
    assert "customer_id of the contact's customer, else contact_id" in text
