"""The command `centralita board`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from streams import telemetry
from streams.cli import log_level_option

if TYPE_CHECKING:
    from streams.settings import Settings


@click.command
@click.option("--port", type=click.IntRange(0, 65535), help="Port; default 8080 or the setting board.port.")
@click.option("--host", help="Address to listen at; default 127.0.0.1 or the setting board.host.")
@log_level_option
@click.pass_obj
def command(settings: Callable[[], Settings], port: int | None, host: str | None, log_level: str) -> None:
    """Serve the wallboard, the API, the stream and the metrics until Ctrl-C. What happens is logged on standard error.

    Example: centralita board --port 8080
    """
    from streams.board.api import serve  # noqa: PLC0415 - help needs none of it

    telemetry.configure(log_level)
    serve(settings(), host, port)
