"""The command `centralita send`: events from files into the events topic, none lost and none under a wrong key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from schemas.dead_letters import Reason, RefusedError
from schemas.events import Event, decode, negative_duration
from streams.broker.topics import TopicSet
from streams.cli import INTERRUPTED
from streams.errors import CentralitaError
from streams.settings import Settings
from streams.sources.files import Line, bytes_to_read, is_regular, read_events
from streams.sources.producer import Sender

FLUSH_SECONDS = 20.0
_EVENTS_BETWEEN_UPDATES = 1_000


@click.command
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--from-line", type=click.IntRange(1), default=1, show_default=True, help="Begin at this line of the first file."
)
@click.option("--quiet", is_flag=True, help="No progress bar.")
@click.pass_obj
def command(load: Callable[[], Settings], files: tuple[str, ...], from_line: int, *, quiet: bool) -> None:
    """Send the events of files: one JSON object a line, also .gz and .xz, `-` is standard input.

    Events are keyed by customer; with privacy.customer_key_secret set, customers' ids leave as pseudonyms. Lines that are no events
    are told with their number and skipped, and the exit code is then 1; events too old for a worker are sent, and told. Ctrl-C tells from which line to go on. Sending a file
    twice does no harm: an event counts once.

    Example: centralita send calls.ndjson.gz
    """
    for name in files:
        is_regular(name)
    loaded = load()
    sender = Sender(loaded.kafka, TopicSet(loaded.kafka.prefix).events)
    sender.check()
    with _bar(files, quiet=quiet) as bar:
        transfer = Transfer(files, sender, bar, loaded.policy.lateness)
        transfer.run(loaded.privacy.customer_key_secret, from_line)
    click.echo(f"{sender.delivered:,} events sent, {transfer.bad:,} bad lines skipped")
    if transfer.late:
        click.secho(_warning(transfer.late, loaded.retention.lateness_hours), fg="yellow", err=True)
    if transfer.bad:
        raise click.exceptions.Exit(1)


@dataclass(slots=True)
class Bar:
    """The progress bar on standard error, and the place for lines about what went wrong."""

    progress: Progress
    task: TaskID

    def passed(self, count: int) -> None:
        """Move on by bytes read."""
        self.progress.advance(self.task, count)

    def sent(self, count: int) -> None:
        """Show how many events are sent."""
        self.progress.update(self.task, sent=count)

    def tell(self, text: str) -> None:
        """Print a line above the bar."""
        self.progress.console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _bar(files: Sequence[str], *, quiet: bool) -> Iterator[Bar]:
    console = Console(stderr=True)
    columns = (
        TextColumn("[progress.description]{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[sent]:,} events"),
    )
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as progress:
        yield Bar(progress, progress.add_task("sending", total=bytes_to_read(files), sent=0))


class Transfer:
    """The lines of files on their way; knows from which line to go on when it is stopped.

    ``late`` counts the events further than ``lateness`` (microseconds) behind the newest one sent before them: of a partition that
    has the newest one too, a worker refuses them.
    """

    def __init__(self, files: Sequence[str], sender: Sender, bar: Bar, lateness: int) -> None:
        self.bad = 0
        self.late = 0
        self._lateness = lateness
        self._newest = 0
        self._files = files
        self._sender = sender
        self._bar = bar
        self._next = 0

    def run(self, secret: str | None, from_line: int) -> None:
        """Send all lines and wait for their delivery; when stopped or failing, say from where to go on."""
        first = self._next = _mark(0, from_line)
        try:
            for line in read_events(self._files, secret, self._bar.passed, from_line):
                self._send(line)
            self._sender.flush()
            self._sender.poll()
        except KeyboardInterrupt:
            self._stop()
            raise click.exceptions.Exit(INTERRUPTED) from None
        except CentralitaError:
            if self._next != first:
                self._stop()
            raise
        if self._next == first and from_line > 1:
            self._bar.tell(f"{self._files[0]} has no line {from_line}, nor a line after it")
        self._bar.sent(self._sender.delivered)

    def _send(self, line: Line) -> None:
        mark = _mark(line.file, line.number)
        try:
            event = _checked(line)
        except RefusedError as refusal:
            self.bad += 1
            self._bar.tell(f"{line.path}:{line.number}: {refusal.reason}: {refusal}")
        else:
            assert line.key is not None, "an event names its contact or its agent"
            self._sender.send(line.key, line.value, mark)
            self._note(event.time_us)
        self._next = mark + 1
        if line.number % _EVENTS_BETWEEN_UPDATES == 0:
            self._bar.sent(self._sender.delivered)

    def _note(self, time_us: int) -> None:
        self.late += time_us < self._newest - self._lateness
        self._newest = max(self._newest, time_us)

    def _stop(self) -> None:
        """Wait for what is on its way (a second Ctrl-C does not), then name the first line that is not in."""
        with suppress(KeyboardInterrupt):
            self._sender.flush(FLUSH_SECONDS)
        first = self._sender.first_waiting
        self._sender.drop()
        file, line = _place(self._next if first is None else first)
        names = " ".join(self._files[file:])
        self._bar.tell(f"stopped: {self._sender.delivered:,} events are in, {self.bad:,} bad lines were skipped")
        self._bar.tell(f"go on with: centralita send --from-line {line} {names}")


def _mark(file: int, line: int) -> int:
    """Return a number that grows with the place of a line.

    >>> _place(_mark(2, 7))
    (2, 7)
    """
    return file << 48 | line


def _place(mark: int) -> tuple[int, int]:
    return mark >> 48, mark & ((1 << 48) - 1)


def _warning(late: int, hours: float) -> str:
    return (
        f"warning: {late:,} events are more than {hours:g} h older than the newest sent before them: a worker refuses such events "
        "(too_late); `centralita report` counts them, or send older files first, or raise retention.lateness_hours"
    )


def _checked(line: Line) -> Event:
    """Return the event of a line; raise RefusedError when it is none."""
    event = decode(line.value)
    if wrong := negative_duration(event):
        raise RefusedError(Reason.NEGATIVE_DURATION, wrong)
    return event
