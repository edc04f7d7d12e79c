"""`python -m benchmarks`: every figure of docs/performance.md in one run, or one part of it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from benchmarks.alerting.command import alerting
from benchmarks.bounded import bounded
from benchmarks.engine import engine
from benchmarks.latency import latency
from benchmarks.machine import header
from benchmarks.memory import memory
from benchmarks.processes import BenchmarkError
from benchmarks.recovery import recovery
from benchmarks.replay import replay
from benchmarks.report import Section, keep
from benchmarks.restore import restore
from benchmarks.stream import peers, stream
from streams import interrupts
from streams.errors import CentralitaError

ALL = (engine, bounded, memory, stream, replay, latency, restore, recovery)
"""What a run without a name does, in this order; the peers are in `stream`, and `alerting` measures no speed."""


@click.group(invoke_without_command=True)
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Also write the figures here.")
@click.pass_context
def main(ctx: click.Context, file: Path | None) -> None:
    """Measure how fast Centralita is; without a part, all parts, in about ten minutes.

    A broker of CENTRALITA_KAFKA is used if set, else an embedded one, which shares the machine. Compare only figures of one run.

    Example: python -m benchmarks stream --events 200000 --alone
    """
    interrupts.install()
    if ctx.invoked_subcommand is not None:
        return
    sections = []
    for part in ALL:
        try:
            sections.append(ctx.invoke(part, **_defaults(part)))
        except (BenchmarkError, CentralitaError) as error:
            sections.append(Section(f"{part.name} failed", [], (str(error),)))
        sections[-1].show()
    _finish(file, sections)


@main.result_callback()
def shown(section: Section | None, file: Path | None) -> None:
    """Print the figures of one part."""
    if section is not None:
        section.show()
        _finish(file, [section])


def _finish(file: Path | None, sections: list[Section]) -> None:
    if file is not None:
        keep(file, HEAD, sections)
    if not all(section.lines for section in sections):
        sys.exit(1)


def _defaults(part: click.Command) -> dict[str, object]:
    ctx = click.Context(part)
    return {
        option.name: option.get_default(ctx) or () if option.multiple else option.get_default(ctx)
        for option in part.params
    }


for one in (*ALL, peers, alerting):
    main.add_command(one)

HEAD = header()

if __name__ == "__main__":
    if "--help" not in sys.argv:
        for name, text in HEAD.items():
            print(f"{name:<12} {text}", flush=True)
    try:
        main()
    except (BenchmarkError, CentralitaError) as error:
        sys.exit(f"benchmarks: {error}")
