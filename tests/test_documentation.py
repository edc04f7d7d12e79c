"""The documentation says what the code does: commands, settings, definitions, examples, links."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from schemas.events import decode
from streams import cli
from streams.board import answers, broadcast, parameters
from streams.configuration import SECTIONS, load
from streams.kpis import document
from streams.settings import Settings

ROOT = Path(__file__).parents[1]
READMES = [ROOT / "README.md", ROOT / "README.es.md"]
PAGES = [*READMES, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands() -> list[tuple[str, ...]]:
    """Return the words of every command, those of groups within too."""
    found: list[tuple[str, ...]] = [()]
    for name in cli.COMMANDS:
        command = cli.group.get_command(click.Context(cli.group), name)
        found.append((name,))
        if isinstance(command, click.Group):
            found += [(name, inner) for inner in command.commands]
    return found


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_help_has_an_example(words: tuple[str, ...]) -> None:
    """One that begins with the command itself, or for the group with the program."""
    shown = CliRunner().invoke(cli.group, [*words, "--help"]).output
    example = re.search(r"Example: (centralita [^\n]*(?:\n  \S[^\n]*)*)", shown)
    assert example is not None
    assert all(word in example[1] for word in words)


@pytest.mark.parametrize("page", READMES, ids=lambda page: page.name)
def test_readme_has_every_command_with_an_example(page: Path) -> None:
    """One row each, and none of a command that is gone."""
    rows = re.findall(
        r"^\| `([a-z-]+)` \| .* \| `centralita ([a-z-]+).*` \|$", page.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert [name for name, _ in rows] == list(cli.COMMANDS)
    assert all(name == example for name, example in rows)


@pytest.mark.parametrize("page", READMES, ids=lambda page: page.name)
def test_readme_has_every_setting_with_its_default(page: Path) -> None:
    """The table is what streams/settings.py has, in its order."""
    rows = dict(
        re.findall(r"^\| `(time_zone|[a-z_]+\.[a-z_]+)` \| (.*?)\| ", page.read_text(encoding="utf-8"), re.MULTILINE)
    )
    settings = Settings()
    expected = {"time_zone": f'`"{settings.time_zone}"`'}
    for section in SECTIONS:
        values = getattr(settings, section)
        expected |= {f"{section}.{field.name}": _shown(getattr(values, field.name)) for field in fields(values)}
    for name, alarm in settings.alarms.defaults.items():
        expected[f"alarms.{name}"] = f"`{alarm.attention}`, `{alarm.action}`, {alarm.minimum}"
    assert {key: rows[key].strip() for key in rows} == expected
    assert list(rows) == list(expected)


def _shown(value: object) -> str:
    return "" if value is None else f"`{json.dumps(value)}`"


@pytest.mark.parametrize("page", READMES, ids=lambda page: page.name)
def test_the_settings_shown_are_accepted(page: Path, tmp_path: Path) -> None:
    """Every TOML of the page is a file that starts."""
    blocks = re.findall(r"^```toml\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        path = tmp_path / "centralita.toml"
        path.write_text(block, encoding="utf-8")
        assert load(path, {}).queues


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_of_events_are_events(page: Path) -> None:
    """Every JSON block with a type is decoded as the worker would."""
    for block in re.findall(r"^```json\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        if '"type"' in block:
            decode(block.strip().encode())


def test_the_page_of_definitions_is_current() -> None:
    """`python -m streams.kpis.document` has been run after the last change of the registry."""
    assert document.main(["--check"]) == 0


def test_a_stale_page_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the exit code, and by the command that mends it."""
    monkeypatch.setattr(document, "PAGE", tmp_path / "kpis.md")
    assert document.main(["--check"]) == 1
    assert "python -m streams.kpis.document" in capsys.readouterr().err
    assert document.main([]) == 0
    assert document.main(["--check"]) == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Relative links name files of the repository, and their fragments headings of them."""
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text(encoding="utf-8")):
        name, _, heading = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {text.lower().replace(" ", "-") for text in headings}, target


@pytest.mark.parametrize("page", [*READMES, ROOT / "docs" / "operations.md"], ids=lambda page: page.name)
def test_exit_codes_are_documented(page: Path) -> None:
    """Each code that an error of ours has."""
    from streams import errors

    text = page.read_text(encoding="utf-8")
    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")}
    assert codes <= {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}


@pytest.mark.parametrize("page", READMES, ids=lambda page: page.name)
def test_readme_has_the_bounds_and_states_of_the_api(page: Path) -> None:
    """Numbers as the code has them, every value of `every` and `by`, and the states that the wallboard has words for."""
    text = page.read_text(encoding="utf-8")
    plain = re.sub(r"(?<=\d)[.,](?=\d{3})", "", text)
    for bound in (
        parameters.MOST_STRETCHES, parameters.MOST_SUMS, parameters.MOST_ROWS, round(answers.PATIENCE), broadcast.CLIENTS,
    ):  # fmt: skip
        assert re.search(rf"^\| [^|]+ \| {bound}[ ,|]", plain, re.MULTILINE), bound
    for value in (*parameters.EVERY, *parameters.BY, *parameters.FORMATS, *parameters.WINDOWS):
        assert f"`{value}`" in text
    words = (ROOT / "streams" / "board" / "static" / "words.js").read_text(encoding="utf-8")
    states = set(re.findall(r"\bfeed_(\w+):", words)) - {"lost"}
    assert states == set(re.findall(r"^\| `(\w+)` \| [^|]+ \|$", text, re.MULTILINE)) & (states | {"lost"})


def test_series_named_in_operations_exist() -> None:
    """Every series of the worker and the board that the page sends one to."""
    from streams.board import metrics as board
    from streams.worker.metrics import Metrics

    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    known = {value for value in vars(board).values() if isinstance(value, str)}
    for family in Metrics().registry.collect():
        known |= {family.name, f"{family.name}_total"}
    named = set(re.findall(r"`((?:contact_center|centralita_worker)_[a-z_]+)`", text))
    assert named
    assert named <= known
