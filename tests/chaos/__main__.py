"""`python -m tests.chaos`: a seeded run of faults over a million events, and exit code 1 when any figure is wrong.

The seed decides events, faults and their order; what a fault hits in that moment, no seed can. The report names all
that a second run needs.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import click

from tests.chaos.run import Plan, Report, beginning, run


@click.command
@click.option("--seed", type=int, default=1, show_default=True, help="Of events, faults and their times.")
@click.option(
    "--minutes", type=float, default=5.0, show_default=True, help="Length of the storm; with --faults, of the load."
)
@click.option("--events", type=int, default=1_000_000, show_default=True, help="Events, before duplicates and garbage.")
@click.option("--faults", "most", type=int, help="End the storm after so many faults instead.")
@click.option("--every", type=float, default=5.0, show_default=True, help="Mean seconds between faults.")
@click.option("--only", multiple=True, help="Only this kind of fault, such as 'worker kill -9'.")
@click.option("--workers", type=int, default=2, show_default=True)
@click.option("--partitions", type=int, default=8, show_default=True)
@click.option("--start", type=int, help="Microseconds since the epoch of the first event; by default events end now.")
@click.option("--keep", is_flag=True, help="Keep the logs.")
def main(*, minutes: float, start: int | None, only: tuple[str, ...], keep: bool, **rest: int) -> None:
    """Run, print the report, and end with 1 when there are differences."""
    begin = start or beginning(rest["events"], rest["seed"])
    plan = Plan(seconds=minutes * 60, start=begin, only=only, **rest)
    folder = Path(tempfile.mkdtemp(prefix="centralita-chaos-"))
    click.echo(f"{plan}\nlogs: {folder}")
    try:
        report = run(plan, folder, click.echo)
    finally:
        if not keep:
            _tidy(folder)
    click.echo(told(plan, report))
    sys.exit(1 if report.differences else 0)


def _tidy(folder: Path) -> None:
    """Remove the broker's data; the logs of a failed run are needed."""
    import shutil

    shutil.rmtree(folder / "kafka", ignore_errors=True)


def told(plan: Plan, report: Report) -> str:
    """Return the report as text."""
    names = ("faust-streaming", "aiokafka", "confluent-kafka")
    lines = {
        "seed": f"{plan.seed} (events begin at {plan.start})",
        "machine": f"{os.cpu_count()} cores, {_memory():.0f} GB, {platform.system()} {platform.release()}",
        "versions": f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in names),
        "partitions, workers": f"{plan.partitions}, {plan.workers}",
        "records sent": f"{report.sent:,} ({plan.events:,} events; with duplicates, without the lost; {report.garbage:,} garbage)",
        "storm": f"{report.storm_seconds:.0f} s, {sum(report.faults.values())} faults",
        **{f"  {name}": str(number) for name, number in sorted(report.faults.items())},
        "restarts of workers": str(report.restarts),
        "exit codes of workers": ", ".join(f"{code}: {number}" for code, number in sorted(report.exits.items())),
        "transactions": f"{report.transactions:,}, {report.transactions_in_storm:,} of them in the storm",
        "caught up after": f"{report.caught_up_seconds:.0f} s",
        "differences": str(len(report.differences)),
    }
    return "\n".join([*(f"{name:<36} {text}" for name, text in lines.items()), *report.differences])


def _memory() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


if __name__ == "__main__":
    main()
