"""``python -m grafana [--check]``: write the dashboards in grafana/dashboards, or only tell whether they are current."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.dashboards import build
from grafana.words import LANGUAGES

FOLDER = Path(__file__).parent / "dashboards"


def texts() -> dict[Path, str]:
    """Return what is in each file."""
    encoder = JSONEncoder(indent=1, sort_keys=True, ensure_ascii=False)
    return {
        FOLDER / language / f"{uid}.json": encoder.encode(made.build()) + "\n"
        for language in LANGUAGES
        for uid, made in build(language).items()
    }


def stale() -> list[Path]:
    """Return the files that are missing, say something else, or should not be there."""
    wanted = texts()
    found = {path: path.read_text(encoding="utf-8") for path in FOLDER.glob("*/*.json")}
    return sorted(path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))


@click.command
@click.option("--check", is_flag=True, help="Write nothing; end with 1 if a file is not current.")
def main(*, check: bool) -> None:
    """Write Grafana's dashboards from the registry of KPIs.

    Example: python -m grafana --check
    """
    changed = stale()
    if check and changed:
        names = ", ".join(path.name for path in changed)
        sys.exit(f"seen old or missing: {names}; expected what the registry says: run python -m grafana")
    wanted = texts()
    for path in changed:
        if path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
        else:
            path.unlink()
    click.echo(
        f"{len(wanted)} dashboards, {len(changed)} written or removed"
        if changed
        else f"{len(wanted)} dashboards are current"
    )


if __name__ == "__main__":
    main()
