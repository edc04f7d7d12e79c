"""The command `centralita`: a group whose sub-commands are imported only when they are run.

So `--help` is fast, and a command works although the libraries of another one are missing.
"""

import os
import sys
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams import interrupts
from streams.errors import CentralitaError

if TYPE_CHECKING:
    from streams.settings import Settings

INTERRUPTED = 130  # what a shell reports for a process that Ctrl-C ended

# name -> (module with the click command `command`, the line that `centralita --help` shows)
COMMANDS = {
    "demo": ("streams.demo", "Broker, simulated traffic, worker and wallboard in one go."),
    "broker": ("streams.broker.command", "Run the embedded Apache Kafka in the foreground."),
    "topics": ("streams.broker.topics_command", "Create the topics, or check the ones that exist."),
    "send": ("streams.sources.send", "Send events from files."),
    "simulate": ("streams.simulate.command", "Send the traffic of a simulated contact center."),
    "worker": ("streams.worker.command", "Process events into figures."),
    "board": ("streams.board.command", "Serve the wallboard, the API and the metrics."),
    "report": ("streams.replay.report", "Compute figures of files or of a range of the topic."),
    "replay": ("streams.replay.command", "Count any stretch of history again, into files and other things."),
    "evolution": ("streams.replay.evolution", "Compare KPIs with the period before and the year before."),
    "ranking": ("streams.replay.ranking", "Rank agents by a published composite."),
    "explain": ("streams.replay.explain", "List the contacts behind a figure."),
    "dead-letters": ("streams.worker.dead_letters", "List refused events, or send them again."),
    "rebuild": ("streams.worker.rebuild", "Make state and figures anew from the events."),
}


log_level_option = click.option(
    "--log-level",
    type=click.Choice(("debug", "info", "warning", "error"), case_sensitive=False),
    default="info",
    show_default=True,
    envvar="CENTRALITA_LOG_LEVEL",
    help="Least level logged.",
)


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order in which one needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command and return its `command`."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of a line; say which one may have been meant when there is none of that name."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = get_close_matches(args[0], COMMANDS, 1)
            error.message += f" Did you mean {near[0]}?" if near else ""
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table above, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="CENTRALITA_CONFIG",
    help="Settings file (TOML). Variables CENTRALITA_* win over it.",
)
@click.version_option(version("centralita"), prog_name="centralita")
@click.pass_context
def group(ctx: click.Context, config: Path | None) -> None:
    """Turn contact-center events into exact figures: live, in Prometheus and in reports.

    Example: centralita --config centralita.toml worker
    """
    ctx.obj = partial(_settings, config)


def settings(ctx: click.Context) -> "Settings":
    """Return the settings of the running command, for one that has the context at hand."""
    loaded: Settings = ctx.find_root().obj()
    return loaded


def _settings(config: Path | None) -> "Settings":
    """Load what a command runs with; `@click.pass_obj` gives a command this function, to be called without arguments."""
    from streams.configuration import load  # noqa: PLC0415 - help and commands without settings do not need it

    return load(config, os.environ)


def main() -> None:
    """Run the command line; a CentralitaError becomes one line and its exit code, Ctrl-C (or SIGTERM) becomes 130."""
    interrupts.install()
    try:
        code = group.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except CentralitaError as error:
        click.secho(f"centralita: {error}", fg="red", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
