"""The command `centralita worker`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import click

from streams import telemetry
from streams.cli import log_level_option
from streams.settings import Settings


@click.command
@click.option("--port", type=click.IntRange(0, 65535), help="Port of /healthz, /readyz and /metrics.")
@log_level_option
@click.pass_obj
def command(load: Callable[[], Settings], port: int | None, log_level: str) -> None:
    """Process events into figures, exactly once, until stopped.

    Exit codes: 0 stopped and all committed; 75 start it again (nothing is lost); 70 the state needs
    `centralita rebuild`; 69 Kafka is not there at the start, or a topic is wrong; 65 nothing but garbage comes; 78 a
    setting is wrong, or the port is taken.

    Example: centralita --config centralita.toml worker --port 8081
    """
    from streams.worker.process import run  # noqa: PLC0415 - Faust takes a second to import; --help does not need it

    telemetry.configure(log_level)
    settings = load()
    if port is not None:
        settings = dataclasses.replace(settings, worker=dataclasses.replace(settings.worker, port=port))
    run(settings)
