"""The commands `centralita dead-letters list` and `centralita dead-letters resend`."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import click
from rich.progress import track

from schemas.dead_letters import Reason
from schemas.fields import rfc3339
from streams.settings import Settings
from streams.worker.resending import Kept, Outcome, Resender, letters

_REASONS = click.Choice([str(reason) for reason in Reason])
_COLUMNS = ("time", "from", "reason", "attempt", "bytes", "error")


@click.group
def command() -> None:
    """List refused events, or send them again.

    Example: centralita dead-letters list --reason invalid
    """


@command.command("list")
@click.option("--reason", type=_REASONS, help="Only those refused for this reason.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many.")
@click.pass_obj
def list_(load: Callable[[], Settings], reason: str | None, limit: int) -> None:
    """List refused events: where they came from, when, why. Their contents are not shown.

    Example: centralita dead-letters list --reason too_late --limit 20
    """
    wanted = (one for one in letters(load()) if reason in (None, one.header("reason")))
    rows = [_row(one) for one in islice(wanted, limit)]
    if not rows:
        click.echo("There are none.")
        return
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
    for row in (_COLUMNS, *rows):
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


@command.command("resend")
@click.option("--reason", type=_REASONS, help="Only those refused for this reason.")
@click.option("--limit", type=click.IntRange(1), default=1_000_000, show_default=True, help="At most so many.")
@click.pass_obj
def resend_(load: Callable[[], Settings], reason: str | None, limit: int) -> None:
    """Send refused events again, each once. Those refused 3 times are parked. Run again, it goes on where it was.

    Example: centralita dead-letters resend --reason too_late
    """
    settings = load()
    reasons = [Reason(reason)] if reason else list(Reason)
    total = Outcome(0, 0)
    resender = Resender(settings)
    resender.start()
    for one in track(reasons, description="Sending again"):
        if total.sent < limit:
            done = resender.resend(one, limit - total.sent)
            total = Outcome(total.sent + done.sent, total.parked + done.parked)
    click.echo(f"{total.sent} sent again, {total.parked} parked")


def _row(one: Kept) -> tuple[str, ...]:
    """Return what `_COLUMNS` names."""
    time = one.header("timestamp")
    return (
        rfc3339(int(time)) if time.lstrip("-").isdigit() else "unknown",
        f"{one.header('topic')}-{one.header('partition')}@{one.header('offset')}",
        one.header("reason"),
        one.header("attempt") + (" (parked)" if one.parked else ""),
        one.header("size") or str(len(one.value or b"")),
        one.header("error"),
    )
